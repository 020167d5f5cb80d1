/* Compaction of random logs beside a model that thinks in records, not in bytes. */
#include "core/store/clean_filter.h"
#include "tests/unit/core/store/clean_fixture.h"

#include <stdlib.h>

enum {
    BATCHES = 160,
    RECORDS = 6,
    KEYS = 24,
    ROUNDS = 6,
    RETENTION_MS = 1000,
    SLOTS = 40,
    ROOM = 8192
};

struct one {
    bool gone;
    int64_t base;
    uint32_t count;                       /* records that are left */
    struct clean_record records[RECORDS]; /* those */
    int64_t span, producer, horizon;      /* horizon -1: none */
    int sequence;
    bool txn, control, commit, aborted;
    uint8_t bytes[ROOM];
    uint32_t len;
};

struct world {
    struct one batches[BATCHES];
    uint32_t count;
    int64_t end, dirty_from, now_ms;
    struct clean_aborted aborted[BATCHES];
    uint32_t aborted_count;
    struct clean_producer producers[8];
    uint32_t producer_count;
};

static struct world w;

static uint32_t
below(uint32_t n)
{
    return (uint32_t)random() % n;
}

static void
producer_note(int64_t id, int64_t last)
{
    uint32_t i = 0;
    while (i < w.producer_count && w.producers[i].id < id)
        i++;
    if (i == w.producer_count || w.producers[i].id != id) {
        memmove(&w.producers[i + 1], &w.producers[i], (w.producer_count - i) * sizeof *w.producers);
        w.producers[i] = (struct clean_producer){.id = id, .last_offset = -1};
        w.producer_count++;
    }
    if (last >= 0)
        w.producers[i].last_offset = last;
}

static void
data_add(int64_t producer, bool txn, bool aborted)
{
    static const enum batch_codec codecs[] = {BATCH_NONE, BATCH_NONE,   BATCH_GZIP,
                                              BATCH_LZ4,  BATCH_SNAPPY, BATCH_ZSTD};
    struct one *b = &w.batches[w.count++];
    *b = (struct one){.base = w.end,
                      .count = 1 + below(RECORDS),
                      .producer = producer,
                      .horizon = -1,
                      .sequence = producer < 0 ? -1 : (int)w.count,
                      .txn = txn,
                      .aborted = aborted};
    b->span = b->count;
    for (uint32_t i = 0; i < b->count; i++)
        b->records[i] = (struct clean_record){.key = below(20) ? (int)below(KEYS) : -1,
                                              .tombstone = below(5) == 0,
                                              .offset = w.end + i,
                                              .time_ms = 100 + (int64_t)w.end + i};
    struct batch_template form = {.base_offset = b->base,
                                  .leader_epoch = 3,
                                  .attributes = (uint16_t)codecs[below(6)],
                                  .base_timestamp_ms = b->records[0].time_ms,
                                  .producer_id = producer,
                                  .producer_epoch = producer < 0 ? -1 : 0,
                                  .base_sequence = b->sequence,
                                  .last_offset_delta = -1,
                                  .level = 1};
    if (txn)
        form.attributes |= BATCH_TRANSACTIONAL;
    b->len = clean_fixture_batch(b->bytes, ROOM, &form, b->records, b->count);
    w.end += b->span;
    if (producer >= 0)
        producer_note(producer, w.end - 1);
}

static void
marker_add(int64_t producer, bool commit)
{
    struct one *b = &w.batches[w.count++];
    *b = (struct one){.base = w.end,
                      .count = 1,
                      .span = 1,
                      .producer = producer,
                      .horizon = -1,
                      .sequence = -1,
                      .txn = true,
                      .control = true,
                      .commit = commit};
    b->records[0] = (struct clean_record){.offset = w.end};
    b->len = clean_fixture_marker(b->bytes, ROOM, b->base, producer, 0, commit, w.end);
    w.end++;
    producer_note(producer, -1);
}

static int
aborted_order(const void *a, const void *b)
{
    const struct clean_aborted *x = a, *y = b;
    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

static void
world_make(void)
{
    memset(&w, 0, sizeof w);
    int64_t first[2] = {-1, -1}; /* of the open transactions of producers 7 and 8 */
    bool abort[2] = {false, false};
    while (w.count < BATCHES - 4) {
        uint32_t kind = below(10);
        if (kind < 4) {
            data_add(kind < 2 ? -1 : 5, false, false);
            continue;
        }
        uint32_t t = below(2);
        if (first[t] < 0 || below(3)) {
            if (first[t] < 0) {
                first[t] = w.end;
                abort[t] = below(2);
            }
            data_add(7 + t, true, abort[t]);
            continue;
        }
        if (abort[t])
            w.aborted[w.aborted_count++] = (struct clean_aborted){7 + t, first[t], w.end};
        marker_add(7 + t, !abort[t]);
        first[t] = -1;
    }
    for (uint32_t t = 0; t < 2; t++) {
        if (first[t] < 0)
            continue;
        if (abort[t])
            w.aborted[w.aborted_count++] = (struct clean_aborted){7 + t, first[t], w.end};
        marker_add(7 + t, !abort[t]);
    }
    qsort(w.aborted, w.aborted_count, sizeof *w.aborted, aborted_order);
}

/* ---- the model ---------------------------------------------------------------------------------
 */

struct notes {
    int64_t last[KEYS], latest;
    uint32_t used;
};

static void
model_note(struct notes *n, uint64_t limit)
{
    memset(n, 0, sizeof *n);
    memset(n->last, 0xff, sizeof n->last);
    n->latest = -1;
    for (uint32_t i = 0; i < w.count; i++) {
        const struct one *b = &w.batches[i];
        if (b->gone || b->base + b->span <= w.dirty_from)
            continue;
        for (uint32_t k = 0; k < b->count && !b->control && !b->aborted; k++) {
            int key = b->records[k].key;
            if (key < 0)
                continue;
            if (n->last[key] < 0 && n->used == limit)
                return;
            n->used += n->last[key] < 0;
            n->last[key] = b->records[k].offset;
        }
        n->latest = b->base + b->span - 1;
    }
}

/* No data of the marker's transaction are left. */
static bool
marker_useless(uint32_t at)
{
    for (uint32_t i = at; i-- > 0;) {
        const struct one *b = &w.batches[i];
        if (b->producer != w.batches[at].producer)
            continue;
        if (b->control && !b->gone)
            return true;
        if (!b->gone)
            return false;
    }
    return true;
}

static bool
marker_known(const struct one *b)
{
    for (uint32_t i = 0; i < w.aborted_count; i++)
        if (w.aborted[i].last_offset == b->base)
            return true;
    return false;
}

static bool
header_needed(const struct one *b, const struct notes *n)
{
    int64_t last = b->base + b->span - 1;
    if (last == n->latest)
        return true;
    for (uint32_t i = 0; i < w.producer_count; i++)
        if (w.producers[i].id == b->producer && w.producers[i].last_offset == last)
            return true;
    return false;
}

static void
model_batch(struct one *b, const struct notes *n, bool useless)
{
    bool over = b->horizon >= 0 && b->horizon <= w.now_ms, tombstones = false;
    uint32_t kept = 0;
    for (uint32_t k = 0; k < b->count; k++) {
        const struct clean_record *r = &b->records[k];
        bool keep = b->control ? !(useless && over && !marker_known(b))
                               : !b->aborted && r->key >= 0 && r->offset >= n->last[r->key] &&
                                     !(r->tombstone && over);
        if (!keep)
            continue;
        tombstones |= r->tombstone;
        b->records[kept++] = *r;
    }
    b->count = kept;
    if (kept && b->horizon < 0 && (tombstones || (b->control && useless)))
        b->horizon = w.now_ms + RETENTION_MS;
    if (kept == 0) {
        b->horizon = -1;
        b->gone = !header_needed(b, n);
    }
}

static void
model_apply(const struct notes *n)
{
    bool useless[BATCHES];
    for (uint32_t i = 0; i < w.count; i++)
        useless[i] = w.batches[i].control && (marker_useless(i) || w.batches[i].count == 0);
    for (uint32_t i = 0; i < w.count; i++)
        if (!w.batches[i].gone && w.batches[i].base <= n->latest)
            model_batch(&w.batches[i], n, useless[i]);
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

static void
batch_equals(const struct one *b, struct view got)
{
    struct batch_read r;
    struct batch_record record;
    uint8_t scratch[4096];
    assert_int_equal(batch_read_open(&r, got, scratch, sizeof scratch), ERR_OK);
    assert_int_equal(r.info.bytes, got.len);
    assert_true(batch_crc_ok(got, &r.info));
    assert_int_equal(r.info.base_offset, b->base);
    assert_int_equal(r.info.last_offset_delta, b->span - 1);
    assert_int_equal(r.info.producer_id, b->producer);
    assert_int_equal(r.info.base_sequence, b->sequence);
    assert_int_equal(r.info.leader_epoch, b->control ? 0 : 3);
    assert_int_equal(r.info.record_count, b->count);
    assert_int_equal(r.info.attributes & BATCH_DELETE_HORIZON ? r.info.base_timestamp_ms : -1,
                     b->horizon);
    for (uint32_t k = 0; k < b->count; k++) {
        assert_int_equal(batch_read_next(&r, &record), ERR_OK);
        assert_int_equal(record.offset, b->records[k].offset);
        if (b->control)
            continue;
        assert_int_equal(clean_fixture_key(&record), b->records[k].key);
        assert_int_equal(record.timestamp_ms, b->records[k].time_ms);
        assert_int_equal(!record.value.at, b->records[k].tombstone);
    }
    assert_int_equal(batch_read_next(&r, &record), ERR_NOT_FOUND);
}

static void
filter_note(struct clean_filter *f)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < w.count && rc == ERR_OK; i++) {
        const struct one *b = &w.batches[i];
        if (!b->gone && b->base + b->span > w.dirty_from)
            rc = clean_filter_note(f, view_of(b->bytes, b->len));
        assert_true(rc == ERR_OK || rc == ERR_FULL);
    }
}

static void
round_compare(struct clean_map *map, uint64_t limit)
{
    static struct world before;
    struct clean_rules rules = {.map = map,
                                .now_ms = w.now_ms,
                                .delete_retention_ms = RETENTION_MS,
                                .aborted = w.aborted,
                                .aborted_count = w.aborted_count,
                                .producers = w.producers,
                                .producer_count = w.producer_count};
    struct clean_filter f;
    struct notes n;
    clean_map_clear(map);
    map->limit = limit;
    clean_filter_init(&f, &rules);
    filter_note(&f);
    clean_filter_rewind(&f);
    before = w;
    model_note(&n, limit);
    model_apply(&n);
    assert_int_equal(map->latest, n.latest);
    for (uint32_t i = 0; i < w.count; i++) {
        struct view out, in = view_of(before.batches[i].bytes, before.batches[i].len);
        struct one *b = &w.batches[i];
        if (before.batches[i].gone)
            continue;
        assert_int_equal(clean_filter_apply(&f, in, false, &out), ERR_OK);
        assert_int_equal(out.len == 0, b->gone);
        if (b->gone)
            continue;
        bool same = b->count == before.batches[i].count && b->horizon == before.batches[i].horizon;
        assert_int_equal(out.at == in.at, same); /* byte for byte */
        batch_equals(b, out);
        assert_true(out.len <= ROOM);
        memcpy(b->bytes, out.at, out.len);
        b->len = out.len;
    }
    w.dirty_from = n.latest + 1;
    clean_filter_free(&f);
}

static bool
data_left(const struct clean_aborted *a)
{
    for (uint32_t i = 0; i < w.count; i++) {
        const struct one *b = &w.batches[i];
        if (b->producer == a->producer_id && !b->gone && b->base >= a->first_offset &&
            b->base < a->last_offset)
            return true;
    }
    return false;
}

/* As a log does of which all below dirty_from is compacted. */
static void
aborted_forget(void)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < w.aborted_count; i++)
        if (w.aborted[i].last_offset >= w.dirty_from || data_left(&w.aborted[i]))
            w.aborted[left++] = w.aborted[i];
    w.aborted_count = left;
}

static void
random_logs_are_cleaned_as_the_model_says(void **state)
{
    (void)state;
    static const uint8_t secret[CLEAN_MAP_SECRET_BYTES] = "not random";
    static struct clean_slot slots[SLOTS];
    unsigned seed = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : 0;
    unsigned last = getenv("SEED") ? seed : seed + 60;
    for (; seed <= last; seed++) {
        print_message("SEED=%u\n", seed);
        struct clean_map map;
        srandom(seed);
        assert_int_equal(clean_map_init(&map, slots, sizeof slots, secret), ERR_OK);
        world_make();
        for (int round = 0; round < ROUNDS; round++) {
            w.now_ms += 1 + (int64_t)below(RETENTION_MS);
            if (w.dirty_from >= w.end)
                w.dirty_from = 0; /* all again: horizons pass */
            round_compare(&map, 7 + below(KEYS));
            if (below(2)) /* else not all of the round came into place */
                aborted_forget();
        }
    }
}

/* The marker of an aborted transaction of which nothing else is left; true: it stays. */
static bool
marker_stays(bool known, int64_t now_ms)
{
    static const uint8_t secret[CLEAN_MAP_SECRET_BYTES] = "any";
    static struct clean_slot slots[SLOTS];
    static uint8_t marker[ROOM], with_horizon[ROOM];
    struct clean_map map;
    struct clean_aborted txn = {.producer_id = 7, .first_offset = 3, .last_offset = 9};
    struct view out, in = view_of(marker, clean_fixture_marker(marker, ROOM, 9, 7, 0, false, 100));
    assert_int_equal(clean_map_init(&map, slots, sizeof slots, secret), ERR_OK);
    for (int round = 0; round < 2; round++) {
        struct clean_rules rules = {.map = &map,
                                    .now_ms = round ? now_ms : 0,
                                    .delete_retention_ms = RETENTION_MS,
                                    .aborted = &txn,
                                    .aborted_count = known};
        struct clean_filter f;
        clean_map_clear(&map);
        map.latest = 20;
        clean_filter_init(&f, &rules);
        assert_int_equal(clean_filter_apply(&f, in, false, &out), ERR_OK);
        assert_true(out.len <= ROOM);
        memcpy(with_horizon, out.at, out.len);
        in = view_of(with_horizon, out.len);
        clean_filter_free(&f);
    }
    return in.len > 0;
}

/* A round that a crash met has swapped some segments, and forgotten no transaction: who is told of
 * this one leaves out all of its producer up to the marker. */
static void
an_abort_marker_stays_while_its_transaction_is_known(void **state)
{
    (void)state;
    assert_true(marker_stays(true, RETENTION_MS));
    assert_true(marker_stays(false, RETENTION_MS - 1));
    assert_false(marker_stays(false, RETENTION_MS));
}

static void
one_batch_with_too_many_keys_does_not_fit(void **state)
{
    (void)state;
    struct clean_slot slots[16];
    struct clean_map map;
    struct clean_filter f;
    static uint8_t bytes[ROOM];
    struct clean_record records[20];
    static const uint8_t secret[CLEAN_MAP_SECRET_BYTES] = "";
    assert_int_equal(clean_map_init(&map, slots, sizeof slots, secret), ERR_OK);
    clean_map_clear(&map);
    for (int i = 0; i < 20; i++)
        records[i] = (struct clean_record){.key = i, .offset = i, .time_ms = i};
    struct batch_template form = {.producer_id = -1, .last_offset_delta = -1};
    uint32_t len = clean_fixture_batch(bytes, ROOM, &form, records, 20);
    clean_filter_init(&f, &(struct clean_rules){.map = &map});
    assert_int_equal(clean_filter_note(&f, view_of(bytes, len)), ERR_FULL);
    assert_int_equal(map.latest, -1);
    clean_filter_free(&f);
}

static void
a_record_larger_than_any_window_is_read_and_written(void **state)
{
    (void)state;
    enum { BIG = 300000 };
    static uint8_t bytes[BIG * 2], value[BIG];
    static const uint8_t no_headers[1] = {0}, secret[CLEAN_MAP_SECRET_BYTES] = "";
    struct clean_slot slots[16];
    struct clean_map map;
    struct clean_filter f;
    struct batch_build b;
    struct view batch, out;
    srandom(5);
    for (int i = 0; i < BIG; i++)
        value[i] = (uint8_t)random();
    struct batch_template form = {
        .attributes = BATCH_ZSTD, .producer_id = -1, .last_offset_delta = -1, .level = 3};
    assert_int_equal(batch_build_begin(&b, &form, bytes, sizeof bytes), ERR_OK);
    for (int i = 0; i < 2; i++) {
        struct batch_record one = {.offset = i,
                                   .key = view_of_text("same"),
                                   .value = view_of(value, BIG / (2 - (uint32_t)i)),
                                   .headers = view_of(no_headers, 1)};
        assert_int_equal(batch_build_add(&b, &one), ERR_OK);
    }
    assert_int_equal(batch_build_end(&b, &batch), ERR_OK);
    assert_int_equal(clean_map_init(&map, slots, sizeof slots, secret), ERR_OK);
    clean_map_clear(&map);
    clean_filter_init(&f, &(struct clean_rules){.map = &map});
    assert_int_equal(clean_filter_note(&f, batch), ERR_OK);
    clean_filter_rewind(&f);
    assert_int_equal(clean_filter_apply(&f, batch, false, &out), ERR_OK);
    struct batch_read r;
    struct batch_record record;
    static uint8_t scratch[BIG + 100];
    assert_int_equal(batch_read_open(&r, out, scratch, sizeof scratch), ERR_OK);
    assert_int_equal(r.info.record_count, 1);
    assert_int_equal(r.info.attributes, BATCH_ZSTD);
    assert_int_equal(batch_read_next(&r, &record), ERR_OK);
    assert_int_equal(record.offset, 1);
    assert_int_equal(record.value.len, BIG);
    assert_memory_equal(record.value.at, value, BIG);
    clean_filter_free(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_logs_are_cleaned_as_the_model_says),
        cmocka_unit_test(an_abort_marker_stays_while_its_transaction_is_known),
        cmocka_unit_test(one_batch_with_too_many_keys_does_not_fit),
        cmocka_unit_test(a_record_larger_than_any_window_is_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
