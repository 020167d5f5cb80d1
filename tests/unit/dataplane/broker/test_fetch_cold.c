/* Fetches of data that is only on disk, over the real store: tests/sim/disk_mem.h is its disk. */

/* The real store takes the place of the fake one in harness.h. */
#define SLUICE_TESTS_FAKE_STORE_H
#include "core/base/err.h"
#include "core/store/store.h"
#include "core/wire/kerr.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static struct disk_mem *disk;
static uint32_t read_buffers;

static struct store *
fake_store_new(uint32_t core, uint32_t core_count)
{
    struct store_boot *boot;
    struct store *s;
    struct store_config config = {
        .core = core,
        .core_count = core_count,
        .journal_bytes = 8 << 20,
        .cache_bytes = 4 << 20,
        .read_buffers = read_buffers,
        .logs_max = 1024,
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

enum { PARTS = 300, BATCHES = 3 };

static void
turn_later(struct harness *h)
{
    h->now_ns += CLOCK_NS_PER_MS;
    harness_turn(h);
}

static struct plog *
log_of(struct harness *h, int32_t partition)
{
    struct route_topic *t = route_by_row(h->shards[0].route, 0);
    struct route_part *p = t ? route_part(t, partition) : NULL;
    return p ? p->log : NULL;
}

static struct harness *
start(void)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", PARTS);
    for (int32_t i = 0; i < PARTS; i++) {
        while (!log_of(h, i)) /* the store opens only so many at a time */
            turn_later(h);
    }
    return h;
}

static void
write_all(struct harness *h)
{
    struct view batch = harness_batch(1);
    struct batch_info info;
    assert_int_equal(batch_header(batch, &info), ERR_OK);
    for (int32_t i = 0; i < PARTS * BATCHES; i++) {
        struct store_appended out;
        int err;
        while ((err = store_append(h->stores[0], log_of(h, i % PARTS), &info, batch, 0, 0, &out)) ==
               ERR_AGAIN)
            turn_later(h);
        assert_int_equal(err, KERR_NONE);
    }
}

/* One fetch of all partitions; returns how many of them gave data. */
static uint32_t
fetch_all(struct harness *h, struct client *c, int64_t *next)
{
    static struct ask asks[PARTS];
    for (int32_t i = 0; i < PARTS; i++)
        asks[i] = (struct ask){0, i, next[i], 0, 0};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = asks, .count = PARTS};
    uint64_t began_ns = h->now_ns;
    struct fetched f = client_fetch(c, &ask);
    while (!f.answered) {
        assert_true(h->now_ns - began_ns < 2 * CLOCK_NS_PER_S);
        h->now_ns += CLOCK_NS_PER_MS;
        f = client_poll(c, 0);
    }
    assert_int_equal(f.count, PARTS);
    uint32_t with_data = 0;
    for (uint32_t i = 0; i < PARTS; i++) {
        const struct got *g = &f.parts[i];
        assert_int_equal(g->error, KERR_NONE);
        assert_int_equal(g->high_watermark, BATCHES);
        if (g->bytes == 0)
            continue;
        assert_int_equal(get_i64(g->records), next[g->partition]);
        with_data++;
        next[g->partition] = BATCHES; /* they are small: all come together */
    }
    return with_data;
}

static void
every_partition_is_read_after_a_start_with_few_read_buffers(void **state)
{
    (void)state;
    static const uint32_t buffers[] = {1, 4, 64};
    for (uint32_t k = 0; k < sizeof buffers / sizeof buffers[0]; k++) {
        uint64_t seed = 20 + k;
        print_message("seed %llu\n", (unsigned long long)seed);
        disk = disk_mem_new(seed);
        read_buffers = buffers[k];
        struct harness *h = start();
        write_all(h);
        harness_free(h); /* a clean stop: nothing is in memory at the next start */
        h = start();
        struct client c = client_new(h, 0, 0);
        int64_t next[PARTS];
        for (uint32_t i = 0; i < PARTS; i++)
            next[i] = 1; /* inside the segment: its headers have to be read to find it */
        for (uint32_t got = 0; got < PARTS;) {
            uint32_t n = fetch_all(h, &c, next);
            assert_true(n > 0);
            got += n;
        }
        assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
        harness_free(h);
        disk_mem_free(disk);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition_is_read_after_a_start_with_few_read_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
