#include "core/base/err.h"
#include "core/wire/batch_recode.h"
#include "core/wire/kerr.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

enum { RECORDS = 200, LEVEL = 3 };

static struct make_batch maker;
static uint8_t plain[MAKE_ROOM], recoded[MAKE_ROOM];

/* Records of several windows, and the uncompressed batch of them in `plain`. */
static struct view
made_plain(void)
{
    uint64_t seed = 20261122;
    static uint8_t value[4000];
    print_message("seed %lu\n", (unsigned long)seed);
    make_begin(&maker);
    for (int32_t i = 0; i < RECORDS; i++) {
        uint8_t bytes[2];
        make_noise(&seed, bytes, sizeof bytes);
        make_noise(&seed, value, sizeof value / 8);
        make_add(&maker, (struct make_record){.offset_delta = i,
                                              .time_delta_ms = 7 * i,
                                              .key = view_of(bytes, 2),
                                              .value = view_of(value, 1000 + bytes[0] * 10u),
                                              .header_count = bytes[1] % 3});
    }
    struct view v = make_end(&maker, MAKE_NONE);
    memcpy(plain, v.at, v.len);
    return view_of(plain, v.len);
}

static struct batch_info
info_of(struct view batch)
{
    struct batch_info info;
    assert_int_equal(batch_header(batch, &info), ERR_OK);
    return info;
}

static int
recode(struct view batch, enum batch_codec codec, uint32_t room, struct view *out)
{
    struct batch_info info = info_of(batch);
    return batch_recode(batch, &info, codec, LEVEL, recoded, room, out);
}

/* Every codec to every other, and from there back to none: the bytes of the records are the same.
 */
static void
records_stay_byte_for_byte_from_every_codec_to_every_codec(void **state)
{
    static uint8_t middle[MAKE_ROOM];
    struct view first = made_plain();
    for (int from = MAKE_NONE; from < MAKE_CODECS; from++)
        for (int to = BATCH_NONE; to < BATCH_CODECS; to++) {
            struct view out;
            assert_int_equal(recode(make_end(&maker, (enum make_codec)from), (enum batch_codec)to,
                                    sizeof recoded, &out),
                             ERR_OK);
            struct batch_info info = info_of(out);
            assert_int_equal(info.attributes & BATCH_CODEC_MASK, to);
            assert_int_equal(info.bytes, out.len);
            assert_true(batch_crc_ok(out, &info));
            memcpy(middle, out.at, out.len);
            assert_int_equal(recode(view_of(middle, out.len), BATCH_NONE, sizeof recoded, &out),
                             ERR_OK);
            assert_int_equal(out.len, first.len);
            assert_memory_equal(out.at, first.at, first.len);
        }
}

static void
everything_else_of_the_header_stays(void **state)
{
    struct view first = made_plain();
    batch_stamp(plain, 99, 7);
    set_u16(plain + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL);
    set_u64(plain + BATCH_AT_PRODUCER_ID, 4711);
    set_u16(plain + BATCH_AT_PRODUCER_EPOCH, 2);
    set_u32(plain + BATCH_AT_BASE_SEQUENCE, 55);
    make_seal(plain, first.len);
    struct batch_info before = info_of(first);
    struct view out;
    assert_int_equal(recode(first, BATCH_LZ4, sizeof recoded, &out), ERR_OK);
    struct batch_info after = info_of(out);
    assert_int_equal(after.attributes, BATCH_TRANSACTIONAL | BATCH_LZ4);
    after.attributes = before.attributes;
    after.bytes = before.bytes;
    after.crc = before.crc;
    assert_memory_equal(&after, &before, sizeof after);
}

static void
what_does_not_fit_is_full(void **state)
{
    struct view out, first = made_plain();
    for (int to = BATCH_NONE; to < BATCH_CODECS; to++) {
        assert_int_equal(recode(first, (enum batch_codec)to, sizeof recoded, &out), ERR_OK);
        uint32_t bytes = out.len;
        assert_int_equal(recode(first, (enum batch_codec)to, bytes - 1, &out), ERR_FULL);
        assert_int_equal(recode(first, (enum batch_codec)to, BATCH_HEADER_BYTES - 1, &out),
                         ERR_FULL);
        assert_int_equal(recode(first, (enum batch_codec)to, bytes, &out), ERR_OK);
    }
}

static void
damaged_packed_records_are_corrupt(void **state)
{
    (void)made_plain();
    struct view out, v = make_end(&maker, MAKE_ZSTD);
    memset(maker.bytes + BATCH_HEADER_BYTES, 0xff, 4); /* the magic of the frame */
    assert_int_equal(recode(v, BATCH_GZIP, sizeof recoded, &out), ERR_CORRUPT);
}

static void
a_recoded_batch_passes_what_a_producer_is_asked(void **state)
{
    struct batch_rules rules = {.bytes_max = MAKE_ROOM,
                                .before_max_ms = INT64_MAX,
                                .after_max_ms = INT64_MAX,
                                .walk_compressed = true};
    struct view out, first = made_plain();
    for (int to = BATCH_NONE; to < BATCH_CODECS; to++) {
        struct batch_info info;
        assert_int_equal(recode(first, (enum batch_codec)to, sizeof recoded, &out), ERR_OK);
        assert_int_equal(batch_check(out, &rules, &info, NULL), KERR_NONE);
        assert_int_equal(info.record_count, RECORDS);
        assert_int_equal(info.found_timestamp_ms, MAKE_BASE_MS + 7 * (RECORDS - 1));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_stay_byte_for_byte_from_every_codec_to_every_codec),
        cmocka_unit_test(everything_else_of_the_header_stays),
        cmocka_unit_test(what_does_not_fit_is_full),
        cmocka_unit_test(damaged_packed_records_are_corrupt),
        cmocka_unit_test(a_recoded_batch_passes_what_a_producer_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
