/* Transactions over the real store, read back with Fetch as a consumer reads them: random histories
 * of several producers in tiny segments, against a model that keeps every batch.
 * COMMITTED_SEED=n repeats one history. */

/* The real store takes the place of the fake one in harness.h. */
#define SLUICE_TESTS_FAKE_STORE_H
#include "core/base/err.h"
#include "core/store/store.h"
#include "core/wire/batch_control.h"
#include "core/wire/kerr.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static struct disk_mem *disk;

static struct store *
fake_store_new(uint32_t core, uint32_t core_count)
{
    struct store_boot *boot;
    struct store *s;
    struct store_config config = {
        .core = core,
        .core_count = core_count,
        .journal_bytes = 1 << 20,
        .cache_bytes = 128 << 10,
        .read_buffers = 4,
        .logs_max = 16,
        .frames_in_flight = 2,
    };
    assert_int_equal(store_recover(disk_mem_port(disk, 0), core_count, config.journal_bytes, &boot),
                     ERR_OK);
    assert_int_equal(store_init(&config, disk_mem_port(disk, 0), boot, &s), ERR_OK);
    store_boot_free(boot);
    return s;
}

static void
fake_store_free(struct store *s)
{
    assert_int_equal(store_close(s), ERR_OK);
}

#include "tests/unit/dataplane/broker/fixture_fetch.h"

enum { STEPS = 1500, PRODUCERS = 5 };

enum fate { FATE_PLAIN, FATE_OPEN, FATE_COMMITTED, FATE_ABORTED, FATE_MARKER };

struct world {
    struct harness *h;
    struct plog *log;
    enum fate fates[STEPS]; /* by offset: one record each */
    int32_t writer[STEPS];
    int32_t sequences[PRODUCERS];
    bool open[PRODUCERS];
    int64_t end;
    uint64_t random;
};

static uint64_t
below(struct world *w, uint64_t limit)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % limit;
}

static void
start(struct world *w)
{
    w->h = harness_new(1, NULL);
    struct table_topic_config config = harness_topic_config;
    config.segment_bytes = 4096;
    uint32_t first = w->h->slots;
    harness_topic_write(w->h, 0, "0", 1, &config);
    harness_ring_row(w->h, MSG_TOPIC, 0);
    harness_ring_row(w->h, MSG_WANT, first);
    w->log = NULL;
    while (!w->log) {
        w->h->now_ns += CLOCK_NS_PER_MS;
        harness_turn(w->h);
        struct route_topic *t = route_by_row(w->h->shards[0].route, 0);
        struct route_part *p = t ? route_part(t, 0) : NULL;
        w->log = p ? p->log : NULL;
    }
}

static int
write_data(struct world *w, int32_t id, bool transactional, struct store_appended *out)
{
    struct view batch = harness_batch(1);
    uint8_t *at = (uint8_t *)(uintptr_t)batch.at;
    struct batch_info info;
    uint64_t guard;
    set_u16(at + BATCH_AT_ATTRIBUTES, transactional ? BATCH_TRANSACTIONAL : 0);
    set_u64(at + 43, (uint64_t)id);
    set_u16(at + 51, 0);
    set_u32(at + 53, (uint32_t)w->sequences[id]);
    make_seal(at, batch.len);
    assert_int_equal(batch_header(batch, &info), ERR_OK);
    struct store *s = w->h->stores[0];
    if (transactional) {
        assert_int_equal(store_txn_verify(s, w->log, &info, false, 1, &guard), KERR_NONE);
        if (guard)
            assert_true(store_txn_verified(s, w->log, id, guard));
    }
    return store_append(s, w->log, &info, batch, 0, 1, out);
}

/* One batch, as the dice want it; false: the store cannot take it now. */
static bool
write_one(struct world *w)
{
    struct store_appended out;
    int32_t id = (int32_t)below(w, PRODUCERS);
    bool ends = w->open[id] && below(w, 3) == 0, commit = below(w, 2);
    bool transactional = w->open[id] || id > 0; /* 0 never has transactions */
    int error;
    if (ends) {
        struct store_marker m = {.producer_id = id, .commit = commit};
        error = store_append_marker(w->h->stores[0], w->log, &m, 0, 1, &out);
    } else {
        error = write_data(w, id, transactional, &out);
    }
    if (error == ERR_AGAIN)
        return false;
    assert_int_equal(error, KERR_NONE);
    assert_int_equal(out.base_offset, w->end);
    w->writer[w->end] = id;
    if (ends) {
        for (int64_t o = 0; o < w->end; o++)
            if (w->writer[o] == id && w->fates[o] == FATE_OPEN)
                w->fates[o] = commit ? FATE_COMMITTED : FATE_ABORTED;
        w->fates[w->end] = FATE_MARKER;
        w->open[id] = false;
    } else {
        w->fates[w->end] = transactional ? FATE_OPEN : FATE_PLAIN;
        w->open[id] = transactional;
        w->sequences[id]++;
    }
    w->end++;
    return true;
}

/* What a consumer keeps of the batches of one answer: marks seen offsets; returns the next offset.
 * Source: Kafka CompletedFetch.nextFetchedRecord. */
static int64_t
consume(const struct got *g, int64_t from, bool *seen)
{
    bool aborted[PRODUCERS] = {0};
    int64_t next = from;
    for (uint32_t at = 0; at < g->bytes;) {
        struct batch_info info;
        struct view batch = view_of(g->records + at, g->bytes - at);
        assert_int_equal(batch_header(batch, &info), ERR_OK);
        for (int32_t i = 0; i < g->aborted_count; i++)
            if (g->aborted[i].first_offset == info.base_offset)
                aborted[g->aborted[i].producer_id] = true;
        for (int32_t i = 0; at == 0 && i < g->aborted_count; i++)
            if (g->aborted[i].first_offset < info.base_offset)
                aborted[g->aborted[i].producer_id] = true;
        if (info.attributes & BATCH_CONTROL) {
            struct batch_control c;
            assert_int_equal(batch_control_read(batch, &info, &c), ERR_OK);
            if (c.type == BATCH_CONTROL_ABORT)
                aborted[info.producer_id] = false;
        } else if (!(info.attributes & BATCH_TRANSACTIONAL) || !aborted[info.producer_id]) {
            seen[info.base_offset] = true;
        }
        at += info.bytes;
        next = info.base_offset + 1;
    }
    return next;
}

static void
check(struct world *w)
{
    static bool seen[STEPS];
    int64_t stable = w->end;
    for (int64_t o = w->end; o-- > 0;)
        if (w->fates[o] == FATE_OPEN)
            stable = o;
    memset(seen, 0, sizeof seen);
    struct client c = client_new(w->h, 0, 0);
    int64_t from = (int64_t)below(w, 20), next = from < stable ? from : stable;
    from = next;
    while (next < stable) {
        struct ask ask = {0, 0, next, 100 + (int32_t)below(w, 3000), 0};
        struct fetch_ask a = {.version = 12,
                              .max_wait_ms = 500,
                              .min_bytes = 1,
                              .parts = &ask,
                              .count = 1,
                              .read_committed = true};
        struct fetched f = client_fetch(&c, &a);
        for (uint32_t i = 0; !f.answered; i++) {
            assert_true(i < 1000);
            w->h->now_ns += CLOCK_NS_PER_MS;
            f = client_poll(&c, 12);
        }
        assert_int_equal(f.parts[0].error, KERR_NONE);
        assert_int_equal(f.parts[0].last_stable_offset, stable);
        assert_true(f.parts[0].aborted_count >= 0);
        int64_t then = consume(&f.parts[0], next, seen);
        assert_true(then > next || f.parts[0].bytes == 0);
        next = then;
    }
    assert_int_equal(next, stable);
    for (int64_t o = from; o < stable; o++)
        assert_int_equal(seen[o], w->fates[o] == FATE_PLAIN || w->fates[o] == FATE_COMMITTED);
    fake_stream_end(&w->h->streams[0], 0, 0);
    harness_turns(w->h, 2);
}

static void
one_history(uint64_t seed)
{
    static struct world w;
    w = (struct world){.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252u};
    disk = disk_mem_new(seed);
    start(&w);
    while (w.end < STEPS - 1) {
        for (uint64_t n = below(&w, 30); n > 0 && w.end < STEPS - 1; n--)
            write_one(&w);
        w.h->now_ns += CLOCK_NS_PER_MS;
        harness_turns(w.h, 3);
        if (below(&w, 15))
            continue;
        struct plog_facts facts;
        for (plog_facts(w.log, &facts); facts.high_watermark < w.end;
             plog_facts(w.log, &facts)) { /* all that was written is durable */
            w.h->now_ns += CLOCK_NS_PER_MS;
            harness_turns(w.h, 1);
        }
        check(&w);
        if (below(&w, 3))
            continue;
        harness_free(w.h);
        start(&w);
        check(&w);
    }
    harness_free(w.h);
    disk_mem_free(disk);
}

static void
a_consumer_of_committed_data_sees_exactly_that(void **state)
{
    (void)state;
    const char *one = getenv("COMMITTED_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1, count = one ? 1 : 6;
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        one_history(seed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consumer_of_committed_data_sees_exactly_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
