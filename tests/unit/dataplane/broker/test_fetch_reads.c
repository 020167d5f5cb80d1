/* The purgatory: fetches whose partitions are still read from files. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"
#include "tests/unit/dataplane/broker/fixture_idle.h"

/* What a consumer of every partition has got, by partition. */
static void
read_all(struct harness *h, struct client *c, uint32_t parts, int64_t *next)
{
    static struct ask asks[HARNESS_SLOTS];
    for (uint32_t i = 0; i < parts; i++)
        asks[i] = (struct ask){0, (int32_t)i, next[i], 0, 0};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = asks, .count = parts};
    struct fetched f = client_fetch(c, &ask);
    for (uint32_t turns = 0; !f.answered && turns < 100; turns++) {
        h->now_ns += CLOCK_NS_PER_MS;
        f = client_poll(c, 0);
    }
    assert_true(f.answered);
    assert_int_equal(f.count, parts);
    uint32_t with_data = 0;
    for (uint32_t i = 0; i < parts; i++) {
        assert_int_equal(f.parts[i].error, KERR_NONE);
        assert_int_equal(f.parts[i].high_watermark, 1);
        if (f.parts[i].bytes == 0)
            continue;
        with_data++;
        next[f.parts[i].partition]++;
    }
    assert_true(with_data > 0); /* or the consumer would ask for ever */
}

static void
more_cold_partitions_than_read_buffers_are_read(void **state)
{
    enum { PARTS = 60 };
    for (uint32_t shards = 1; shards <= 2; shards++) {
        for (uint32_t buffers = 1; buffers <= FAKE_STORE_BUFFERS; buffers *= 2) {
            struct harness *h = harness_new(shards, NULL);
            harness_topic(h, 0, "0", PARTS);
            for (int32_t i = 0; i < PARTS; i++)
                fixture_append(h, 0, i, 100);
            harness_turns(h, 4);
            for (uint32_t i = 0; i < shards; i++)
                h->stores[i]->cold_buffers = buffers;
            struct client c = client_new(h, 0, 0);
            int64_t next[PARTS] = {0};
            uint32_t left = PARTS;
            for (uint32_t asked = 0; left && asked < PARTS; asked++) {
                read_all(h, &c, PARTS, next);
                left = 0;
                for (uint32_t i = 0; i < PARTS; i++)
                    left += next[i] == 0;
            }
            assert_int_equal(left, 0);
            assert_idle(h);
            harness_free(h);
        }
    }
}

static void
a_fetch_out_of_time_answers_without_the_partition_that_is_still_read(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 0, 100);
    harness_turn(h);
    struct client c = client_new(h, 0, 0);
    h->stores[0]->cold_buffers = 2;
    h->stores[0]->reads_late = true;
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 600, .min_bytes = 1, .parts = parts, .count = 2};
    assert_false(client_fetch(&c, &ask).answered);
    h->now_ns += 599 * CLOCK_NS_PER_MS;
    assert_false(client_poll(&c, 0).answered);
    h->now_ns += CLOCK_NS_PER_MS;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.parts[0].error, KERR_NONE);
    assert_int_equal(f.parts[0].bytes, 0);
    assert_int_equal(f.parts[0].high_watermark, 1);
    assert_true(h->shards[0].fetch_ns == CLOCK_NEVER);
    assert_idle(h);
    harness_free(h);
}

/* As Kafka, which reads the disk then: else who asks with no time would never get cold data. */
static void
a_fetch_without_time_waits_for_its_first_cold_partition(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    fixture_append(h, 0, 0, 100);
    harness_turn(h);
    struct client c = client_new(h, 0, 0);
    h->stores[0]->cold_buffers = 1;
    h->stores[0]->reads_late = true;
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = {.min_bytes = 1, .parts = &part, .count = 1};
    assert_false(client_fetch(&c, &ask).answered);
    h->stores[0]->reads_late = false;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

/* I3: what is settled first may change while a later partition is read. */
static void
data_that_comes_while_another_partition_is_read_ends_the_wait(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 1, 100);
    harness_turn(h);
    struct client c = client_new(h, 0, 0);
    h->stores[0]->cold_buffers = 2;
    h->stores[0]->reads_late = true;
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 300, .parts = parts, .count = 2};
    assert_false(client_fetch(&c, &ask).answered); /* partition 0 is empty, 1 is being read */
    fixture_append(h, 0, 0, 200);
    assert_false(client_poll(&c, 0).answered);
    h->stores[0]->reads_late = false;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes + f.parts[1].bytes, 300);
    assert_idle(h);
    harness_free(h);
}

static void
a_client_that_goes_while_files_are_read_leaves_nothing_behind(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 1, 100);
    harness_turn(h);
    struct client c = client_new(h, 0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        h->stores[i]->cold_buffers = 1;
        h->stores[i]->reads_late = true;
    }
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask own = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 1};
    assert_false(client_fetch(&c, &own).answered);
    struct client d = client_new(h, 0, 1);
    struct fetch_ask both = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 2};
    assert_false(client_fetch(&d, &both).answered);
    fake_stream_end(&h->streams[0], 0, ERR_IO);
    fake_stream_end(&h->streams[0], 1, ERR_IO);
    harness_turns(h, 2);
    for (uint32_t i = 0; i < 2; i++)
        h->stores[i]->reads_late = false;
    harness_turns(h, 8);
    assert_idle(h);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_cold_partitions_than_read_buffers_are_read),
        cmocka_unit_test(a_fetch_out_of_time_answers_without_the_partition_that_is_still_read),
        cmocka_unit_test(a_fetch_without_time_waits_for_its_first_cold_partition),
        cmocka_unit_test(data_that_comes_while_another_partition_is_read_ends_the_wait),
        cmocka_unit_test(a_client_that_goes_while_files_are_read_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
