/* fuzz_batch.c: any bytes as what a producer sends to a partition.
 *
 * input: u8 rules (bit 0 keys required, 1 log append time, 2 do not walk compressed records, 3
 * times bounded), u8 mode and two more bytes, then bytes: mode 0  a batch as it came mode 1  a
 * batch whose length and crc are put right first mode 2  records, which are packed in the codec
 * that the third byte chooses, behind a record that ends as many bytes before the window's end as
 * the fourth says.  Packed and not packed they must be judged the same, and what is accepted can be
 * put under every codec and be built again from its records. */
#include "core/base/err.h"
#include "core/wire/batch_build.h"
#include "core/wire/batch_recode.h"
#include "core/wire/batch_records.h"
#include "core/wire/kerr.h"
#include "tests/unit/core/wire/make_batch.h"

#include <stdlib.h>

enum { HEAD_BYTES = 4, MODES = 3, INPUT_MAX = 1 << 16 };

static struct make_batch maker;
static uint8_t filler[BATCH_WINDOW_BYTES];
static uint8_t recoded[MAKE_ROOM], rebuilt[MAKE_ROOM], scratch[MAKE_ROOM];

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static struct batch_rules
rules_of(uint8_t bits)
{
    bool bounded = bits & 8;
    return (struct batch_rules){
        .bytes_max = MAKE_ROOM,
        .keys_required = bits & 1,
        .log_append_time = bits & 2,
        .walk_compressed = !(bits & 4),
        .now_ms = MAKE_BASE_MS,
        .before_max_ms = bounded ? 1000 : INT64_MAX,
        .after_max_ms = bounded ? 1000 : INT64_MAX,
    };
}

/* In a batch that passed a walk, finding agrees with the largest time that the walk saw. */
static void
check_found(struct view v, const struct batch_info *b)
{
    int64_t offset, ms, max_ms = b->found_timestamp_ms;
    if (max_ms < 0 || max_ms >= INT64_MAX - 1)
        return;
    must(batch_find_time(v, max_ms, 0, &offset, &ms) == ERR_OK);
    must(ms == max_ms);
    must(offset >= 0);
    must(offset < b->record_count);
    must(batch_find_time(v, max_ms + 1, 0, &offset, &ms) == ERR_NOT_FOUND);
    must(batch_find_time(v, INT64_MIN, b->record_count, &offset, &ms) == ERR_NOT_FOUND);
}

/* Builds the records anew, as they are; true when the batch that came out has them all. */
static bool
built_again(struct view v, const struct batch_info *b)
{
    struct batch_template form = batch_template_of(b);
    struct batch_read r;
    struct batch_build w;
    struct batch_record record;
    struct batch_info after;
    struct view out;
    form.attributes &= (uint16_t)~BATCH_CODEC_MASK;
    must(batch_read_open(&r, v, scratch, sizeof scratch) == ERR_OK);
    must(batch_build_begin(&w, &form, rebuilt, sizeof rebuilt) == ERR_OK);
    int e = ERR_OK;
    while (e == ERR_OK && (e = batch_read_next(&r, &record)) == ERR_OK)
        e = batch_build_add(&w, &record);
    must(e == ERR_NOT_FOUND);
    must(batch_build_end(&w, &out) == ERR_OK);
    must(batch_header(out, &after) == ERR_OK);
    return after.record_count == b->record_count && batch_crc_ok(out, &after);
}

/* A batch that passed a walk can be put under every codec, and is judged the same there. */
static void
check_recoded(struct view v, const struct batch_info *b, const struct batch_rules *rules)
{
    for (int codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        struct view out;
        struct batch_info after;
        int e = batch_recode(v, b, (enum batch_codec)codec, 1, recoded, sizeof recoded, &out);
        if (e == ERR_FULL)
            continue;
        must(e == ERR_OK);
        must(batch_check(out, rules, &after, NULL) == KERR_NONE);
        must(after.record_count == b->record_count);
        must(after.found_timestamp_ms == b->found_timestamp_ms);
        must(codec != BATCH_NONE || built_again(out, &after));
    }
}

static int
judge(struct view v, const struct batch_rules *rules)
{
    struct batch_info b;
    const char *why;
    int kerr = batch_check(v, rules, &b, &why);
    must((kerr == KERR_NONE) == (why == NULL));
    int64_t offset, ms;
    int e = batch_find_time(v, MAKE_BASE_MS, 1, &offset, &ms);
    must(e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_CORRUPT);
    if (kerr == KERR_NONE && (rules->walk_compressed || !(b.attributes & BATCH_CODEC_MASK)))
        check_found(v, &b);
    if (kerr == KERR_NONE && rules->walk_compressed)
        check_recoded(v, &b, rules);
    return kerr;
}

static void
repaired(const uint8_t *at, uint32_t n, const struct batch_rules *rules)
{
    if (n < BATCH_HEADER_BYTES)
        return;
    uint8_t *batch = malloc(n); /* exact, so that the sanitizer sees one byte over */
    must(batch);
    memcpy(batch, at, n);
    set_u64(batch, 0);
    set_u32(batch + BATCH_AT_LENGTH, n - BATCH_OVERHEAD);
    batch[BATCH_AT_MAGIC] = 2;
    make_seal(batch, n);
    judge(view_of(batch, n), rules);
    free(batch);
}

static void
packed(const uint8_t *at, uint32_t n, const uint8_t *head)
{
    struct batch_rules rules = rules_of(head[0] & (uint8_t)~4u);
    make_begin(&maker);
    make_add(&maker,
             (struct make_record){.key = view_of_text("k"),
                                  .value = view_of(filler, BATCH_WINDOW_BYTES - 16 - head[3])});
    put_bytes(&maker.records, at, n);
    maker.count = 1 + head[1] / MODES;
    int plain = judge(make_end(&maker, MAKE_NONE), &rules);
    int inflated =
        judge(make_end(&maker, (enum make_codec)(1 + head[2] % (MAKE_CODECS - 1))), &rules);
    must(plain == inflated);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
    if (n < HEAD_BYTES || n > INPUT_MAX)
        return 0;
    struct batch_rules rules = rules_of(at[0]);
    const uint8_t *bytes = at + HEAD_BYTES;
    uint32_t len = (uint32_t)(n - HEAD_BYTES);
    switch (at[1] % MODES) {
    case 0:
        judge(view_of(bytes, len), &rules);
        break;
    case 1:
        repaired(bytes, len, &rules);
        break;
    default:
        packed(bytes, len, at);
    }
    return 0;
}
