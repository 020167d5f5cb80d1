#include "tests/unit/dataplane/broker/harness.h"

static void
settings_are_read_at_the_start(void **state)
{
    (void)state;
    static const char *const settings[] = {"max.connections", "1001", "socket.request.timeout.ms",
                                           "1700", NULL};
    struct harness *h = harness_new(2, settings);
    for (int i = 0; i < 2; i++) {
        /* None of the total is lost, and chance may give one more than its share. */
        assert_int_equal(h->shards[i].conn_slots, 501 + 501 / 4 + SHARD_CONNS_SPARE + 1);
        assert_int_equal(h->shards[i].stall_ns, 1700 * CLOCK_NS_PER_MS);
        assert_true(h->shards[i].waits_mask >= h->shards[i].conn_slots);
    }
    harness_free(h);
}

static void
a_time_that_is_too_long_is_as_good_as_never(void **state)
{
    (void)state;
    assert_int_equal(shard_ns_of_ms(3), 3 * CLOCK_NS_PER_MS);
    assert_true(shard_ns_of_ms(INT64_MAX) == CLOCK_NEVER / 2);
    assert_true(shard_ns_of_ms(-1) == CLOCK_NEVER / 2);
    assert_true(shard_ns_of_ms((int64_t)(CLOCK_NEVER / 2 / CLOCK_NS_PER_MS)) <= CLOCK_NEVER / 2);
}

static void
what_a_shard_took_is_given_back(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    struct shard_config config = h->shards[0].config;
    shard_free(&h->shards[0]);
    assert_null(h->shards[0].conns);
    assert_null(h->shards[0].fetch);
    shard_free(&h->shards[0]); /* of one that has nothing */
    assert_int_equal(shard_init(&h->shards[0], &config), ERR_OK);
    harness_turns(h, 3);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read_at_the_start),
        cmocka_unit_test(a_time_that_is_too_long_is_as_good_as_never),
        cmocka_unit_test(what_a_shard_took_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
