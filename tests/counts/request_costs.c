/* request_costs KIND COUNT: a shard with the real store takes COUNT requests in this process, over
 * a stream and a disk in memory, so that callgrind can count what a request costs.  KIND: produce
 * (one record of 100 bytes, acks=-1) or fetch (that record, from memory).  Deterministic: the clock
 * stands but for a millisecond a burst. */

/* The real store takes the place of the fake one in harness.h. */
#define SLUICE_TESTS_FAKE_STORE_H
#include "core/base/err.h"
#include "core/store/store.h"
#include "core/wire/kerr.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct disk_mem *disk;

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
        .read_buffers = 16,
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

#include "tests/unit/dataplane/broker/harness.h"

enum { PARTS = 16, BURST = 16, VERSION = 12, RECORD_BYTES = 100, TURNS_MAX = 1000 };

static void
turn(struct harness *h)
{
    h->now_ns += CLOCK_NS_PER_MS;
    harness_turn(h);
}

static void
ask(struct harness *h, bool produce, int32_t correlation)
{
    static uint8_t value[RECORD_BYTES];
    int32_t partition = correlation % PARTS;
    if (produce) {
        static struct make_batch m;
        make_begin(&m);
        make_add(&m, (struct make_record){.value = view_of(value, sizeof value)});
        harness_produce(h, 0, VERSION, correlation, -1, "0", partition, make_end(&m, MAKE_NONE));
        return;
    }
    struct wire_fetch_request_fetch_partition p = {.partition = partition,
                                                   .current_leader_epoch = -1,
                                                   .last_fetched_epoch = -1,
                                                   .log_start_offset = -1,
                                                   .partition_max_bytes = 1 << 20,
                                                   .high_watermark = INT64_MAX};
    struct wire_fetch_request_fetch_topic t = {.topic = view_of_text("0"), .partitions = {&p, 1}};
    struct wire_fetch_request body;
    wire_init(&wire_fetch_request_message, &body);
    body.max_wait_ms = 500;
    body.min_bytes = 1;
    body.max_bytes = 1 << 20;
    body.session_epoch = -1;
    body.topics.items = &t;
    body.topics.count = 1;
    harness_request(h, 0, 0, WIRE_API_FETCH, VERSION, correlation, &body);
}

/* Sends a burst and turns until all of it is answered. */
static void
burst(struct harness *h, bool produce, int32_t first, int32_t count)
{
    size_t at = 0;
    struct fake_conn *c = &h->streams[0].conns[0];
    c->out_len = 0;
    for (int32_t i = 0; i < count; i++)
        ask(h, produce, first + i);
    int32_t answered = 0;
    for (uint32_t turns = 0; answered < count; turns++) {
        assert_true(turns < TURNS_MAX);
        turn(h);
        for (struct view v; (v = harness_response(h, 0, 0, &at)).len > 0; answered++) {
            assert_int_equal(get_i32(v.at), first + answered);
            assert_true(v.len > (produce ? 30u : RECORD_BYTES));
        }
    }
}

int
main(int argc, char **argv)
{
    bool produce = argc == 3 && strcmp(argv[1], "produce") == 0;
    int32_t count = argc == 3 ? (int32_t)strtol(argv[2], NULL, 10) : 0;
    if (count < 1 || (!produce && strcmp(argv[1], "fetch") != 0)) {
        fprintf(stderr, "usage: request_costs produce|fetch COUNT\n");
        return 2;
    }
    disk = disk_mem_new(1);
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", PARTS);
    for (uint32_t i = 0; i < 4 * PARTS; i++)
        turn(h);
    fake_stream_open(&h->streams[0], 0);
    turn(h);
    burst(h, true, 0, PARTS); /* every partition has a record */
    for (int32_t i = 0; i < count; i += BURST)
        burst(h, produce, PARTS + i, BURST);
    assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_BATCHES), PARTS + (produce ? count : 0));
    harness_free(h);
    disk_mem_free(disk);
    return 0;
}
