#include "tests/unit/dataplane/broker/harness.h"

static uint64_t
bucket(struct harness *h, enum hist which, uint64_t ns)
{
    return atomic_load(&hists_words(region_counters(&h->region, 0), which)[hists_bucket(ns)]);
}

static uint64_t
sum(struct harness *h, enum hist which)
{
    return atomic_load(&hists_words(region_counters(&h->region, 0), which)[HISTS_BUCKETS]);
}

static void
a_produce_waits_for_the_disk_and_then_for_its_peer(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0rders", 1);
    fake_stream_open(&h->streams[0], 0);
    h->stores[0]->disk_late = true;
    harness_produce(h, 0, 12, 1, 1, "0rders", 0, harness_batch(1));
    harness_turn(h);
    h->now_ns += 3000000;
    h->stores[0]->disk_late = false;
    harness_turn(h); /* the answer is complete, and sent */
    assert_int_equal(sum(h, HIST_PRODUCE_TOTAL), 0);
    h->now_ns += 500000;
    harness_turn(h); /* the peer's side has it */
    assert_int_equal(bucket(h, HIST_PRODUCE_WAIT, 3000000), 1);
    assert_int_equal(sum(h, HIST_PRODUCE_WAIT), 3000000);
    assert_int_equal(sum(h, HIST_PRODUCE_SEND), 500000);
    assert_int_equal(sum(h, HIST_PRODUCE_TOTAL), 3500000);
    assert_int_equal(bucket(h, HIST_PRODUCE_QUEUE, 0), 1);
    assert_int_equal(bucket(h, HIST_PRODUCE_HANDLE, 0), 1); /* the first is of the sample */
    assert_int_equal(atomic_load(&region_counters(&h->region, 0)[COUNTERS + WIRE_API_PRODUCE]), 1);
    harness_free(h);
}

static void
one_request_of_a_sample_is_measured(void **state)
{
    (void)state;
    struct timing t = {0};
    uint32_t measured = 0;
    for (uint32_t i = 0; i < 10 * TIMING_SAMPLE; i++)
        measured += timing_sampled(&t);
    assert_int_equal(measured, 10);
}

static void
turn(struct harness *h, const uint64_t ns[TIMING_PLACES], uint32_t work)
{
    struct shard *s = &h->shards[0];
    s->now_ns = h->now_ns;
    s->work = work;
    timing_turn_begin(s);
    for (uint32_t i = 0; i < TIMING_PLACES; i++) {
        h->now_ns += ns[i];
        timing_lap(s, (enum timing_place)i);
    }
    timing_turn_end(s);
}

static void
a_turn_over_a_millisecond_counts_where_most_of_it_was_spent(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    static const enum counter stalls[TIMING_PLACES] = {COUNTER_STALLS_REQUESTS, COUNTER_STALLS_DISK,
                                                       COUNTER_STALLS_TIMERS, COUNTER_STALLS_SEND};
    for (uint32_t place = 0; place < TIMING_PLACES; place++) {
        uint64_t ns[TIMING_PLACES] = {200000, 200000, 200000, 200000};
        turn(h, ns, 1);
        assert_int_equal(harness_counter(h, 0, stalls[place]), 0);
        ns[place] += TIMING_STALL_NS;
        turn(h, ns, 1);
        assert_int_equal(harness_counter(h, 0, stalls[place]), 1);
    }
    assert_int_equal(harness_counter(h, 0, COUNTER_TURN_LONGEST_NS), 800000 + TIMING_STALL_NS);
    assert_int_equal(harness_counter(h, 0, COUNTER_BUSY_NS),
                     4 * (2 * 800000 + (uint64_t)TIMING_STALL_NS));
    harness_free(h);
}

static void
a_turn_without_work_is_not_busy_but_may_stall(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    const uint64_t ns[TIMING_PLACES] = {0, 0, 2 * TIMING_STALL_NS, 0};
    turn(h, ns, 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_STALLS_TIMERS), 1);
    assert_int_equal(harness_counter(h, 0, COUNTER_BUSY_NS), 0);
    assert_int_equal(sum(h, HIST_TURN), 0);
    harness_free(h);
}

static void
every_write_of_the_journal_and_beside_it_is_counted(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    h->stores[0]->writes_ns[0] = 40000;
    h->stores[0]->writes_ns[1] = 2000000;
    h->stores[0]->write_count = 2;
    h->stores[0]->extent_ns = 70000;
    harness_turn(h);
    h->stores[0]->write_count = 0;
    h->stores[0]->extent_ns = 0;
    harness_turn(h);
    assert_int_equal(sum(h, HIST_JOURNAL_WRITE), 2040000);
    assert_int_equal(sum(h, HIST_EXTENT_WRITE), 70000);
    harness_free(h);
}

/* The one request that is kept. */
static struct slow_row
slowest(struct harness *h)
{
    struct slow_row row, found;
    uint32_t count = 0;
    for (uint32_t i = 0; i < SLOW_ROWS; i++)
        if (slow_read(region_slow(&h->region, 0), i, &row)) {
            found = row;
            count++;
        }
    assert_int_equal(count, 1);
    return found;
}

static void
of_a_slow_produce_it_is_kept_what_took_longest_meanwhile(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0rders", 1);
    fake_stream_open(&h->streams[0], 0);
    h->stores[0]->extent_ns = 90000000; /* ended before the request came */
    harness_turn(h);
    h->now_ns += 1000;
    h->stores[0]->disk_late = true;
    harness_produce(h, 0, 12, 77, 1, "0rders", 0, harness_batch(1));
    harness_turn(h);
    h->now_ns += 3000000;
    h->stores[0]->extent_ns = 2500000;
    h->stores[0]->writes_ns[0] = 700000;
    h->stores[0]->writes_ns[1] = TIMING_SPAN_NS - 1;
    h->stores[0]->write_count = 2;
    h->stores[0]->disk_late = false;
    harness_turn(h);
    h->stores[0]->extent_ns = 0;
    h->now_ns += 500000;
    harness_turn(h);
    struct slow_row row = slowest(h);
    assert_int_equal(row.field[SLOW_TOTAL], 3500000);
    assert_int_equal(row.field[SLOW_DURABLE], 3000000);
    assert_int_equal(row.field[SLOW_SEND], 500000);
    assert_int_equal(row.field[SLOW_FRAME], 700000);
    assert_int_equal(row.field[SLOW_EXTENT], 2500000);
    assert_int_equal(row.field[SLOW_TURN], 0);
    assert_int_equal(row.field[SLOW_CORRELATION], 77);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_produce_waits_for_the_disk_and_then_for_its_peer),
        cmocka_unit_test(one_request_of_a_sample_is_measured),
        cmocka_unit_test(a_turn_over_a_millisecond_counts_where_most_of_it_was_spent),
        cmocka_unit_test(a_turn_without_work_is_not_busy_but_may_stall),
        cmocka_unit_test(of_a_slow_produce_it_is_kept_what_took_longest_meanwhile),
        cmocka_unit_test(every_write_of_the_journal_and_beside_it_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
