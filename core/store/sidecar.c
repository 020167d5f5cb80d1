/* sidecar.c: see sidecar.h. */
#include "core/store/sidecar.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/slab.h"

#include <stdlib.h>

#define SIDECAR_MAGIC UINT32_C(0x534c4958)

enum {
    SIDECAR_VERSION = 1,
    SIDECAR_SECTIONS = 3,
    SIDECAR_ROWS_MAX = 64,
    ROW_BYTES = 16,
    FOOTER_BYTES = 8 + 4 + 8 + 8 + 4 + 4 + 4 + 4,
    INDEX_BYTES = 16,
    SUM_BYTES = 4,
    EPOCH_BYTES = 12,
};

/* Epochs that begin before the segment ends; the last of them at or below its base begins it. */
static uint32_t
epochs_of(const struct plog *p, const struct segment *seg, uint32_t *first)
{
    int64_t limit = plog_segment_limit(p, seg);
    uint32_t n = 0;
    *first = 0;
    for (uint32_t i = 0; i < p->epoch_count && p->epochs[i].start < limit; i++) {
        if (p->epochs[i].start <= seg->base)
            *first = i;
        n = i + 1;
    }
    return n - *first;
}

static uint64_t
round_8(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

uint32_t
sidecar_bytes(const struct plog *p, const struct segment *seg)
{
    uint32_t first;
    uint64_t bytes = round_8((uint64_t)seg->idx.count * INDEX_BYTES) +
                     round_8((uint64_t)sums_count(&seg->sums) * SUM_BYTES) +
                     round_8((uint64_t)epochs_of(p, seg, &first) * EPOCH_BYTES) +
                     SIDECAR_SECTIONS * ROW_BYTES + FOOTER_BYTES;
    return bytes > SIDECAR_BYTES_MAX ? 0 : (uint32_t)plog_round_block(bytes);
}

struct row {
    uint32_t type, at, bytes;
};

static void
section_write(struct put *w, const struct plog *p, const struct segment *seg, uint32_t type)
{
    uint32_t first, count;
    switch (type) {
    case SIDECAR_INDEX:
        for (uint32_t i = 0; i < seg->idx.count; i++) {
            const struct index_entry *e = index_get(&seg->idx, i);
            put_u32(w, e->rel);
            put_u32(w, e->pos);
            put_u64(w, (uint64_t)e->max_ts);
        }
        return;
    case SIDECAR_SUMS:
        for (uint32_t i = 0; i < sums_count(&seg->sums); i++)
            put_u32(w, sums_get(&seg->sums, i));
        return;
    default:
        count = epochs_of(p, seg, &first);
        for (uint32_t i = 0; i < count; i++) {
            put_u32(w, (uint32_t)p->epochs[first + i].epoch);
            put_u64(w, (uint64_t)p->epochs[first + i].start);
        }
    }
}

void
sidecar_write(const struct plog *p, const struct segment *seg, uint8_t *at, uint32_t bytes)
{
    static const uint32_t types[SIDECAR_SECTIONS] = {SIDECAR_INDEX, SIDECAR_SUMS, SIDECAR_EPOCHS};
    memset(at, 0, bytes);
    struct put w = put_of(at, bytes);
    uint8_t *footer = at + bytes - FOOTER_BYTES - SIDECAR_SECTIONS * ROW_BYTES;
    struct put f = put_of(footer, SIDECAR_SECTIONS * ROW_BYTES + FOOTER_BYTES);
    for (uint32_t i = 0; i < SIDECAR_SECTIONS; i++) {
        uint32_t begin = put_len(&w);
        section_write(&w, p, seg, types[i]);
        uint32_t len = put_len(&w) - begin;
        put_u32(&f, types[i]);
        put_u32(&f, begin);
        put_u32(&f, len);
        put_u32(&f, crc32c(0, at + begin, len));
        put_take(&w, (uint32_t)round_8(len) - len);
    }
    must(!w.bad && at + put_len(&w) <= footer);
    put_u64(&f, (uint64_t)seg->base);
    put_u32(&f, seg->bytes);
    put_u64(&f, (uint64_t)seg->max_ts);
    put_u64(&f, (uint64_t)seg->first_ts);
    put_u32(&f, SIDECAR_VERSION);
    put_u32(&f, SIDECAR_SECTIONS);
    put_u32(&f, crc32c(0, footer, put_len(&f)));
    put_u32(&f, SIDECAR_MAGIC);
    must(!f.bad && put_len(&f) == SIDECAR_SECTIONS * ROW_BYTES + FOOTER_BYTES);
}

/* The footer; *table: its rows. */
static bool
sum_ok(uint32_t got, uint32_t want)
{
    return got == want || mutant(MUTANT_SIDECAR_UNCHECKED);
}

static int
footer_read(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
            struct view *table)
{
    if (bytes < FOOTER_BYTES)
        return ERR_CORRUPT;
    struct cur c = cur_of(view_of(at + bytes - FOOTER_BYTES, FOOTER_BYTES));
    int64_t its_base = cur_i64(&c);
    uint32_t its_bytes = cur_u32(&c);
    cur_take(&c, 8 + 8); /* times: for tools */
    uint32_t version = cur_u32(&c), rows = cur_u32(&c), crc = cur_u32(&c), magic = cur_u32(&c);
    if (magic != SIDECAR_MAGIC || version != SIDECAR_VERSION || rows > SIDECAR_ROWS_MAX ||
        rows * ROW_BYTES > bytes - FOOTER_BYTES)
        return ERR_CORRUPT;
    *table = view_of(at + bytes - FOOTER_BYTES - rows * ROW_BYTES, rows * ROW_BYTES);
    if (!sum_ok(crc32c(0, table->at, table->len + FOOTER_BYTES - 8), crc) || its_base != base ||
        its_bytes != segment_bytes)
        return ERR_CORRUPT;
    return ERR_OK;
}

/* Sound: grows as an index does, within the segment. */
static int
index_read(struct view v, uint32_t segment_bytes, struct index *idx)
{
    if (v.len % INDEX_BYTES)
        return ERR_CORRUPT;
    struct cur c = cur_of(v);
    struct index_entry last = {0};
    for (uint32_t i = 0; i < v.len / INDEX_BYTES; i++) {
        struct index_entry e = {.rel = cur_u32(&c), .pos = cur_u32(&c), .max_ts = cur_i64(&c)};
        bool grows =
            i == 0 ? e.pos == 0 : e.rel > last.rel && e.pos > last.pos && e.max_ts >= last.max_ts;
        if (!grows || e.pos >= segment_bytes)
            return ERR_CORRUPT;
        index_add(idx, e);
        if (idx->count == 0)
            return ERR_LIMIT;
        last = e;
    }
    return v.len ? ERR_OK : ERR_CORRUPT;
}

static int
sums_read(struct view v, uint32_t segment_bytes, struct sums *sums)
{
    uint32_t count = segment_bytes / SUMS_PIECE + (segment_bytes % SUMS_PIECE != 0);
    if (v.len != count * SUM_BYTES)
        return ERR_CORRUPT;
    uint32_t *crcs = slab_take(sums->memory, count * sizeof *crcs + 1);
    if (!crcs)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        crcs[i] = get_u32(v.at + i * SUM_BYTES);
    bool loaded = sums_load(sums, segment_bytes, crcs);
    slab_give(sums->memory, crcs);
    return loaded ? ERR_OK : ERR_LIMIT;
}

int
sidecar_read(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
             struct buddy *memory, struct index *idx, struct sums *sums)
{
    struct view table = {0};
    *idx = (struct index){.memory = memory};
    *sums = (struct sums){.memory = memory};
    int rc = footer_read(at, bytes, base, segment_bytes, &table);
    struct cur c = cur_of(table);
    uint32_t front = rc == ERR_OK ? (uint32_t)(table.at - at) : 0, seen = 0;
    while (rc == ERR_OK && cur_left(&c)) {
        struct row r = {.type = cur_u32(&c), .at = cur_u32(&c), .bytes = cur_u32(&c)};
        uint32_t crc = cur_u32(&c);
        if (r.at > front || r.bytes > front - r.at || !sum_ok(crc32c(0, at + r.at, r.bytes), crc))
            rc = ERR_CORRUPT;
        else if (r.type == SIDECAR_INDEX && !(seen & 1U << r.type))
            rc = index_read(view_of(at + r.at, r.bytes), segment_bytes, idx);
        else if (r.type == SIDECAR_SUMS && !(seen & 1U << r.type))
            rc = sums_read(view_of(at + r.at, r.bytes), segment_bytes, sums);
        seen |= r.type < 32 ? 1U << r.type : 0;
    }
    if (rc == ERR_OK && (!(seen & 1U << SIDECAR_INDEX) || !(seen & 1U << SIDECAR_SUMS)))
        rc = ERR_CORRUPT;
    if (rc == ERR_OK)
        return ERR_OK;
    index_free(idx);
    sums_free(sums);
    return rc;
}
