/* sim_clean.c: compacted logs of a life: records may be missing when a later one has their key, and
 * never otherwise; what is there is what was produced, in order. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/batch_read.h"
#include "tests/sim/sim.h"

#include <string.h>

enum { CLEAN_OFFSETS_MAX = 1 << 16, CLEAN_TURNS_MAX = 20000 };

void
sim_clean(struct sim *s)
{
    struct store *store = s->stores[sim_below(s, s->cores)];
    if (store->ending)
        return;
    while (!store_clean(store, s->now_ms))
        ;
}

static int32_t
key_of(const struct sim_batch *b, int64_t offset)
{
    return (b->key + (int32_t)(offset - b->base)) % SIM_KEYS;
}

/* Compares one batch and marks its records. */
static void
batch_compare(struct sim *s, const struct sim_log *l, struct view batch, bool *found)
{
    struct batch_read r;
    struct batch_record one;
    if (batch_read_open(&r, batch, NULL, 0) != ERR_OK ||
        !batch_crc_ok(view_of(batch.at, r.info.bytes), &r.info))
        sim_fail(s, "log %d: not a batch", l->partition);
    for (int32_t i = 0; i < r.info.record_count; i++) {
        if (batch_read_next(&r, &one) != ERR_OK)
            sim_fail(s, "log %d: a batch at %lld has too few records", l->partition,
                     (long long)r.info.base_offset);
        const struct sim_batch *b = sim_at(l, one.offset);
        if (!b || one.offset < b->base)
            sim_fail(s, "log %d: nothing was produced at %lld", l->partition,
                     (long long)one.offset);
        int64_t k = one.offset - b->base;
        uint32_t sum = crc32c(crc32c(0, one.key.at, one.key.len), one.value.at, one.value.len);
        if (sum != b->sums[k] || one.timestamp_ms != (b->stamped ? b->first_ms : b->first_ms + k))
            sim_fail(s, "log %d: wrong record at %lld", l->partition, (long long)one.offset);
        found[one.offset] = true;
    }
}

static void
missing_check(struct sim *s, const struct sim_log *l, int64_t from, int64_t limit,
              const bool *found)
{
    int64_t last[SIM_KEYS];
    memset(last, 0xff, sizeof last);
    for (uint32_t i = 0; i < l->count; i++)
        for (int32_t k = 0; k < l->batches[i].records; k++)
            last[key_of(&l->batches[i], l->batches[i].base + k)] = l->batches[i].base + k;
    for (int64_t o = from; o < limit; o++) {
        const struct sim_batch *b = sim_at(l, o);
        if (b && !found[o] && o >= l->start && last[key_of(b, o)] == o)
            sim_fail(s, "log %d: the last record of a key is lost, offset %lld", l->partition,
                     (long long)o);
    }
}

bool
sim_clean_read(struct sim *s, struct sim_log *l, int64_t from, int64_t limit, uint32_t piece)
{
    static bool found[CLEAN_OFFSETS_MAX];
    struct store *store = sim_store(s, l);
    struct plog *p = sim_plog(s, l);
    uint32_t turns = 0;
    must(limit < CLEAN_OFFSETS_MAX - SIM_RECORDS_MAX);
    memset(found + from, 0, (size_t)(limit - from));
    for (int64_t offset = from; offset < limit;) {
        struct store_range range;
        int rc = store_locate(store, p, offset, INT64_MAX, piece, true, &range);
        if (rc == ERR_OK && range.len == 0)
            sim_fail(s, "log %d: nothing at %lld", l->partition, (long long)offset);
        if (rc == ERR_OK)
            rc = sim_range_bytes(s, store, &range);
        if (rc == ERR_NOT_FOUND && p->start > offset) {
            offset = p->start;
            continue;
        }
        if (rc == ERR_AGAIN && !sim_wait_log(s, store, l, "a search in a compacted log"))
            return false;
        if (rc == ERR_AGAIN)
            continue;
        if (rc == ERR_NOT_FOUND && turns < CLEAN_TURNS_MAX) {
            sim_turns(s, 1); /* its segment was replaced meanwhile */
            if (sim_over(s))
                return false;
            if (++turns > CLEAN_TURNS_MAX)
                sim_fail(s, "a read of log %d never finds %lld", l->partition, (long long)offset);
            continue;
        }
        if (rc != ERR_OK)
            return !sim_read_excused(s, l, rc, offset);
        for (uint32_t at = 0; at < range.len;) {
            struct view rest = view_of(s->bytes + at, range.len - at);
            batch_compare(s, l, rest, found);
            at += get_u32(rest.at + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
        }
        if (range.offset_limit <= offset)
            sim_fail(s, "log %d: a read at %lld gets nowhere", l->partition, (long long)offset);
        offset = range.offset_limit;
        if (l->seen < offset)
            l->seen = offset;
        s->reads++;
    }
    missing_check(s, l, from, limit, found);
    return true;
}
