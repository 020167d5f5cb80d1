#include "tests/unit/dataplane/broker/harness.h"

static struct quotas_fact fact;

static void
versions_ask(struct harness *h, uint32_t shard, uint32_t conn)
{
    struct wire_api_versions_request body = {0};
    harness_request(h, shard, conn, WIRE_API_API_VERSIONS, 0, 1, &body);
}

/* Whether the broker has answered a first request of this connection. */
static bool
is_served(struct harness *h, uint32_t shard, uint32_t conn)
{
    size_t at = 0;
    return harness_response(h, shard, conn, &at).len > 0;
}

static void
knock(struct harness *h, uint32_t shard, uint32_t conn, uint8_t address)
{
    fake_stream_open_from(&h->streams[shard], conn, address);
    versions_ask(h, shard, conn);
    harness_turns(h, 3);
}

static void
leave(struct harness *h, uint32_t shard, uint32_t conn)
{
    fake_stream_end(&h->streams[shard], conn, ERR_CLOSED);
    harness_turns(h, 2);
}

static bool
is_open(struct harness *h, uint32_t shard, uint32_t conn)
{
    return h->streams[shard].conns[conn].id != 0;
}

static void
pass(struct harness *h, uint64_t ms)
{
    h->now_ns += ms * CLOCK_NS_PER_MS;
    harness_turns(h, 3);
}

static void
set(struct harness *h, enum region_setting key, int64_t value)
{
    atomic_store(&h->region.header->settings[key], value);
    pass(h, SHARD_TICK_MS);
}

/* What control says of the address ::a, or of all with a = 0. */
static void
publish(struct harness *h, uint8_t address, int32_t connections, uint32_t rate)
{
    if (address == 0)
        fact.creation_rate = rate;
    else
        fact.addresses[fact.address_count++] = (struct quotas_address){
            .ip = {[15] = address}, .connections_max = connections, .creation_rate = rate};
    quotas_write(region_quotas(&h->region), &fact);
    harness_turn(h);
}

static int
nothing_published(void **state)
{
    (void)state;
    memset(&fact, 0, sizeof fact);
    return 0;
}

static void
beyond_max_connections_of_all_cores_one_waits_unread(void **state)
{
    static const char *const settings[] = {"max.connections", "2", NULL};
    struct harness *h = harness_new(2, settings);
    (void)state;
    knock(h, 0, 0, 1);
    knock(h, 0, 1, 1); /* this core's share is one: the limit is of all */
    knock(h, 1, 0, 1);
    knock(h, 1, 1, 1);
    assert_true(is_served(h, 0, 0) && is_served(h, 0, 1));
    assert_false(is_served(h, 1, 0) || is_served(h, 1, 1));
    assert_true(is_open(h, 1, 0) && is_open(h, 1, 1));
    assert_int_equal(harness_counter(h, 1, COUNTER_CONNECTIONS_DELAYED), 2);
    leave(h, 0, 0);
    pass(h, SHARD_RETRY_MS);
    assert_true(is_served(h, 1, 0));
    assert_false(is_served(h, 1, 1)); /* in the order in which they came */
    leave(h, 1, 0);
    pass(h, SHARD_RETRY_MS);
    assert_true(is_served(h, 1, 1));
    harness_free(h);
}

static void
one_that_ends_while_it_waits_takes_no_place(void **state)
{
    static const char *const settings[] = {"listener.name.plaintext.max.connections", "1", NULL};
    struct harness *h = harness_new(1, settings);
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        knock(h, 0, i, 1);
    leave(h, 0, 1);
    leave(h, 0, 0);
    pass(h, SHARD_RETRY_MS);
    assert_true(is_served(h, 0, 2));
    assert_int_equal(seats_count(h->seats), 1);
    leave(h, 0, 2);
    assert_int_equal(seats_count(h->seats), 0);
    harness_free(h);
}

static void
fewer_than_are_open_close_those_that_were_unused_longest(void **state)
{
    struct harness *h = harness_new(1, NULL);
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        knock(h, 0, i, 1);
        pass(h, 1);
    }
    versions_ask(h, 0, 0);
    harness_turns(h, 3);
    set(h, REGION_MAX_CONNECTIONS, 2);
    assert_true(is_open(h, 0, 0) && is_open(h, 0, 3));
    assert_false(is_open(h, 0, 1) || is_open(h, 0, 2));
    assert_int_equal(harness_counter(h, 0, DROP_CONNECTION_LIMIT), 2);
    assert_int_equal(seats_count(h->seats), 2);
    knock(h, 0, 1, 1);
    assert_false(is_served(h, 0, 1));
    set(h, REGION_MAX_CONNECTIONS, -1);
    assert_true(is_served(h, 0, 1));
    harness_free(h);
}

static void
an_address_over_its_own_limit_is_refused_at_once_whatever_the_core(void **state)
{
    static const char *const settings[] = {"max.connections.per.ip", "2", NULL};
    struct harness *h = harness_new(2, settings);
    (void)state;
    knock(h, 0, 0, 1);
    knock(h, 1, 0, 1);
    knock(h, 1, 1, 1);
    assert_true(is_served(h, 0, 0) && is_served(h, 1, 0));
    assert_false(is_open(h, 1, 1));
    assert_int_equal(harness_counter(h, 1, DROP_CONNECTION_ADDRESS), 1);
    knock(h, 1, 2, 2);
    assert_true(is_served(h, 1, 2)); /* another address */
    leave(h, 0, 0);
    knock(h, 1, 1, 1);
    assert_true(is_served(h, 1, 1));
    set(h, REGION_CONNECTIONS_PER_IP, 3);
    knock(h, 0, 0, 1);
    assert_true(is_served(h, 0, 0));
    harness_free(h);
}

static void
a_single_address_may_have_another_limit(void **state)
{
    static const char *const settings[] = {"max.connections.per.ip", "1", NULL};
    struct harness *h = harness_new(1, settings);
    (void)state;
    publish(h, 1, 2, 0);
    publish(h, 2, 0, 0);
    for (uint32_t i = 0; i < 3; i++)
        knock(h, 0, i, 1);
    assert_true(is_served(h, 0, 1));
    assert_false(is_open(h, 0, 2));
    knock(h, 0, 2, 2);
    assert_false(is_open(h, 0, 2));
    knock(h, 0, 2, 3);
    assert_true(is_served(h, 0, 2));
    harness_free(h);
}

/* A rate of one a second lets ten in at first (its window), then one a second. */
static void
connections_beyond_the_rate_of_all_wait_for_it(void **state)
{
    static const char *const keys[] = {"max.connection.creation.rate",
                                       "listener.name.plaintext.max.connection.creation.rate"};
    (void)state;
    for (uint32_t k = 0; k < 2; k++) {
        const char *settings[] = {keys[k], "1", NULL};
        struct harness *h = harness_new(2, settings);
        for (uint32_t i = 0; i < 12; i++)
            knock(h, i % 2, i / 2, 1);
        assert_true(is_served(h, 1, 4));
        assert_false(is_served(h, 0, 5) || is_served(h, 1, 5));
        assert_true(is_open(h, 0, 5) && is_open(h, 1, 5));
        pass(h, QUOTA_THROTTLE_MAX_MS);
        assert_true(is_served(h, 0, 5) && is_served(h, 1, 5));
        harness_free(h);
    }
}

static void
an_address_over_its_rate_is_closed_after_a_pause_without_an_answer(void **state)
{
    struct harness *h = harness_new(1, NULL);
    (void)state;
    publish(h, 0, -1, 1);
    publish(h, 2, -1, 1000);
    for (uint32_t i = 0; i < 11; i++)
        knock(h, 0, i, 1);
    assert_true(is_served(h, 0, 9));
    assert_false(is_served(h, 0, 10));
    assert_true(is_open(h, 0, 10));
    assert_int_equal(harness_counter(h, 0, DROP_CONNECTION_RATE), 1);
    for (uint32_t i = 20; i < 40; i++) {
        knock(h, 0, i, 2);
        assert_true(is_served(h, 0, i)); /* an address with a rate of its own */
    }
    pass(h, QUOTA_THROTTLE_MAX_MS);
    assert_false(is_open(h, 0, 10));
    assert_int_equal(seats_count(h->seats), 30);
    pass(h, 20000);
    knock(h, 0, 10, 1);
    assert_true(is_served(h, 0, 10));
    harness_free(h);
}

static void
one_that_waits_for_too_long_is_idle(void **state)
{
    static const char *const settings[] = {"max.connections", "1", "connections.max.idle.ms",
                                           "5000", NULL};
    struct harness *h = harness_new(1, settings);
    (void)state;
    knock(h, 0, 0, 1);
    knock(h, 0, 1, 1);
    for (uint32_t i = 0; i < 7; i++) {
        versions_ask(h, 0, 0);
        pass(h, 1000);
    }
    assert_true(is_open(h, 0, 0));
    assert_false(is_open(h, 0, 1));
    assert_int_equal(harness_counter(h, 0, DROP_IDLE), 1);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beyond_max_connections_of_all_cores_one_waits_unread),
        cmocka_unit_test(one_that_ends_while_it_waits_takes_no_place),
        cmocka_unit_test(fewer_than_are_open_close_those_that_were_unused_longest),
        cmocka_unit_test(an_address_over_its_own_limit_is_refused_at_once_whatever_the_core),
        cmocka_unit_test_setup(a_single_address_may_have_another_limit, nothing_published),
        cmocka_unit_test(connections_beyond_the_rate_of_all_wait_for_it),
        cmocka_unit_test_setup(an_address_over_its_rate_is_closed_after_a_pause_without_an_answer,
                               nothing_published),
        cmocka_unit_test(one_that_waits_for_too_long_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
