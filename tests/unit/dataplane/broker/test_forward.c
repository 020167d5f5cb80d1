#include "tests/unit/dataplane/broker/harness.h"

static struct harness *
client(const char *const *settings)
{
    struct harness *h = harness_new(1, settings);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

/* DescribeCluster: the dataplane does not look inside. */
static void
ask(struct harness *h, uint32_t conn, int32_t correlation)
{
    harness_request_raw(h, 0, conn, WIRE_API_DESCRIBE_CLUSTER, 1, correlation, true,
                        view_of("\0\1\0", 3));
}

struct received {
    struct msg_request head;
    uint8_t bytes[256];
    uint32_t len;
};

/* What control finds in its ring; false: nothing but doorbells. */
static bool
control_receives(struct harness *h, struct received *out)
{
    struct chan_message m;
    while (chan_peek(&h->from_data[0], &m) == ERR_OK) {
        bool request = m.kind == MSG_REQUEST;
        if (request) {
            memcpy(&out->head, m.body.at, sizeof out->head);
            out->len = m.body.len - (uint32_t)sizeof out->head;
            assert_true(out->len <= sizeof out->bytes);
            memcpy(out->bytes, m.body.at + sizeof out->head, out->len);
        }
        chan_done(&h->from_data[0]);
        if (request)
            return true;
    }
    return false;
}

static void
control_sends(struct harness *h, enum msg_kind kind, uint64_t token, const void *bytes,
              uint32_t len)
{
    struct msg_answer m = {.token = token};
    uint8_t *at = chan_reserve(&h->to_data[0], (uint32_t)sizeof m + len);
    assert_non_null(at);
    memcpy(at, &m, sizeof m);
    memcpy(at + sizeof m, bytes, len);
    chan_publish(&h->to_data[0], kind, 1, (uint32_t)sizeof m + len);
}

static void
control_answers(struct harness *h, uint64_t token, int32_t correlation)
{
    uint8_t bytes[10] = {0, 0, 0, 0, 'a', 'n', 's', 'w', 'e', 'r'};
    set_u32(bytes, (uint32_t)correlation);
    control_sends(h, MSG_ANSWER, token, bytes, sizeof bytes);
}

static void
a_request_goes_to_control_whole_and_its_answer_to_the_client(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got;
    size_t at = 0;
    ask(h, 0, 31);
    harness_turn(h);
    assert_true(control_receives(h, &got));
    assert_int_equal(got.head.again, 0);
    assert_int_equal(got.head.peer_port, 4711);
    assert_int_equal(get_u16(got.bytes), WIRE_API_DESCRIBE_CLUSTER);
    assert_int_equal(get_i32(got.bytes + 4), 31);
    assert_memory_equal(got.bytes + got.len - 3, "\0\1\0", 3);
    control_answers(h, got.head.token, 31);
    harness_turns(h, 2);
    struct view v = harness_response(h, 0, 0, &at);
    assert_int_equal(v.len, 10);
    assert_memory_equal(v.at + 4, "answer", 6);
    harness_turn(h);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_REQUESTS_FORWARDED), 1);
    harness_free(h);
}

static void
control_is_told_of_the_software_that_asks_for_telemetry(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got;
    struct wire_api_versions_request said = {.client_software_name = view_of_text("librdkafka"),
                                             .client_software_version = view_of_text("2.15.1")};
    struct wire_get_telemetry_subscriptions_request asked = {0};
    harness_request(h, 0, 0, WIRE_API_API_VERSIONS, 3, 1, &said);
    harness_request(h, 0, 0, WIRE_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, 2, &asked);
    ask(h, 0, 3);
    harness_turns(h, 2);
    assert_true(control_receives(h, &got));
    assert_int_equal(got.head.name_bytes, 10);
    assert_int_equal(got.head.version_bytes, 6);
    assert_memory_equal(got.bytes + got.len - 16, "librdkafka2.15.1", 16);
    assert_true(control_receives(h, &got)); /* others are not told */
    assert_int_equal(got.head.name_bytes + got.head.version_bytes, 0);
    assert_memory_equal(got.bytes + got.len - 3, "\0\1\0", 3);
    harness_free(h);
}

static void
a_long_name_of_software_is_not_kept(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got;
    char name[CONN_SOFTWARE_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    struct wire_api_versions_request said = {.client_software_name = view_of(name, sizeof name),
                                             .client_software_version = view_of_text("1")};
    struct wire_push_telemetry_request pushed = {.metrics = view_of_text("m")};
    harness_request(h, 0, 0, WIRE_API_API_VERSIONS, 3, 1, &said);
    harness_request(h, 0, 0, WIRE_API_PUSH_TELEMETRY, 0, 2, &pushed);
    harness_turns(h, 2);
    assert_true(control_receives(h, &got));
    assert_int_equal(got.head.name_bytes + got.head.version_bytes, 0);
    harness_free(h);
}

static void
answers_in_any_order_leave_in_the_order_of_the_requests(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got[3];
    size_t at = 0;
    for (int32_t i = 0; i < 3; i++)
        ask(h, 0, i);
    harness_turn(h);
    for (int i = 0; i < 3; i++)
        assert_true(control_receives(h, &got[i]));
    for (int32_t i = 2; i >= 0; i--) {
        control_answers(h, got[i].head.token, i);
        harness_turn(h);
    }
    harness_turns(h, 2);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(get_i32(harness_response(h, 0, 0, &at).at), i);
    harness_free(h);
}

static void
a_restarted_control_gets_the_request_again_and_is_told_so(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received first, second;
    size_t at = 0;
    ask(h, 0, 5);
    harness_turn(h);
    assert_true(control_receives(h, &first)); /* and dies with it */
    harness_turns(h, 3);
    assert_false(control_receives(h, &second));
    harness_control_starts(h);
    harness_turn(h);
    assert_true(control_receives(h, &second));
    assert_int_equal(second.head.again, 1);
    assert_int_equal(second.len, first.len);
    assert_memory_equal(second.bytes, first.bytes, first.len);
    control_answers(h, second.head.token, 5);
    harness_turns(h, 2);
    assert_int_equal(get_i32(harness_response(h, 0, 0, &at).at), 5);
    harness_free(h);
}

static void
a_request_that_never_left_is_not_marked_again(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got;
    h->shards[0].control_generation = 0; /* as before control's first life */
    uint32_t ready = atomic_load(&h->region.header->peers[REGION_CONTROL].ready);
    atomic_store(&h->region.header->peers[REGION_CONTROL].ready, 0);
    ask(h, 0, 5);
    harness_turns(h, 2);
    assert_false(control_receives(h, &got));
    atomic_store(&h->region.header->peers[REGION_CONTROL].ready, ready);
    harness_turn(h);
    assert_true(control_receives(h, &got));
    assert_int_equal(got.head.again, 0);
    harness_free(h);
}

static void
a_full_ring_delays_requests_and_loses_none(void **state)
{
    (void)state;
    const char *settings[] = {"max.requests.in.flight", "1024", NULL};
    struct harness *h = client(settings);
    static uint8_t big[300000];
    struct received none;
    uint32_t got = 0;
    assert_false(control_receives(h, &none)); /* takes what opened control's connection */
    for (int32_t i = 0; i < 10; i++)
        harness_request_raw(h, 0, 0, WIRE_API_CREATE_TOPICS, 5, i, true, view_of(big, sizeof big));
    for (int turn = 0; turn < 10; turn++) {
        harness_turn(h);
        struct chan_message m;
        while (chan_peek(&h->from_data[0], &m) == ERR_OK) {
            struct msg_request head;
            memcpy(&head, m.body.at, sizeof head);
            assert_int_equal(get_i32(m.body.at + sizeof head + 4), got++);
            chan_done(&h->from_data[0]);
        }
    }
    assert_int_equal(got, 10);
    harness_free(h);
}

static void
a_request_larger_than_the_ring_takes_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    static uint8_t big[1 << 20];
    harness_request_raw(h, 0, 0, WIRE_API_CREATE_TOPICS, 5, 1, true, view_of(big, sizeof big));
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_REQUEST_SIZE), 1);
    harness_free(h);
}

static void
metrics_larger_than_the_ring_takes_are_refused_in_words(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    static uint8_t big[1 << 20];
    size_t at = 0;
    harness_request_raw(h, 0, 0, WIRE_API_PUSH_TELEMETRY, 0, 1, true, view_of(big, sizeof big));
    harness_turns(h, 3);
    struct view v = harness_response(h, 0, 0, &at);
    assert_int_equal(v.len, 4 + 1 + 4 + 2 + 1); /* id, tags; throttle, error, tags */
    assert_int_equal((v.at[9] << 8) + v.at[10], KERR_TELEMETRY_TOO_LARGE);
    assert_int_equal(h->shards[0].conn_count, 1);
    assert_int_equal(harness_counter(h, 0, DROP_REQUEST_SIZE), 1);
    harness_free(h);
}

static void
a_silent_control_costs_the_connection_after_its_time(void **state)
{
    (void)state;
    const char *settings[] = {"control.forward.timeout.ms", "5000", NULL};
    struct harness *h = client(settings);
    struct received got;
    ask(h, 0, 5);
    harness_turn(h);
    assert_true(control_receives(h, &got));
    h->now_ns += 4999 * CLOCK_NS_PER_MS;
    harness_turn(h);
    assert_int_equal(h->shards[0].conn_count, 1);
    h->now_ns += CLOCK_NS_PER_MS;
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_CONTROL_LATE), 1);
    control_answers(h, got.head.token, 5); /* too late: it harms nobody */
    harness_turns(h, 2);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_request_that_waits_for_other_clients_has_no_time_limit(void **state)
{
    (void)state;
    const char *settings[] = {"control.forward.timeout.ms", "5000", NULL};
    struct harness *h = client(settings);
    struct received got;
    size_t at = 0;
    harness_request_raw(h, 0, 0, WIRE_API_SYNC_GROUP, 0, 5, false,
                        view_of("\0\1g\0\0\0\0\0\1m\0\0\0\0", 14));
    harness_turn(h);
    assert_true(control_receives(h, &got));
    assert_int_equal(got.head.again, 0);
    h->now_ns += 3600 * CLOCK_NS_PER_S;
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 1);
    harness_control_starts(h);
    harness_turns(h, 3);
    assert_true(control_receives(h, &got)); /* it is kept for the next control too */
    assert_int_equal(got.head.again, 1);
    control_answers(h, got.head.token, 5);
    harness_turns(h, 2);
    assert_int_equal(harness_response(h, 0, 0, &at).len, 10);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
the_answer_of_a_connection_that_is_gone_never_reaches_another(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received old, new;
    size_t at = 0;
    ask(h, 0, 5);
    harness_turn(h);
    assert_true(control_receives(h, &old));
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turn(h);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    ask(h, 0, 5); /* the same place, the same correlation id */
    harness_turn(h);
    assert_true(control_receives(h, &new));
    assert_true(old.head.token != new.head.token);
    control_answers(h, old.head.token, 5);
    harness_turns(h, 2);
    assert_int_equal(harness_response(h, 0, 0, &at).len, 0);
    control_answers(h, new.head.token, 5);
    harness_turns(h, 2);
    assert_int_equal(harness_response(h, 0, 0, &at).len, 10);
    harness_free(h);
}

static void
an_answer_to_another_request_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got;
    ask(h, 0, 5);
    harness_turn(h);
    assert_true(control_receives(h, &got));
    control_answers(h, got.head.token, 6);
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 0);
    harness_free(h);
}

static void
control_can_have_a_connection_closed(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received got;
    ask(h, 0, 5);
    harness_turn(h);
    assert_true(control_receives(h, &got));
    control_sends(h, MSG_CLOSE, got.head.token, "", 0);
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_CONTROL_CLOSE), 1);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_corrupt_ring_stops_the_channel_and_nothing_else(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    size_t at = 0;
    control_sends(h, MSG_ANSWER, 1, "", 0);
    struct chan_memory *m = region_ring_to_data(&h->region, 0);
    memset(m->data, 0xff, 64);
    harness_turns(h, 2);
    assert_true(h->shards[0].control_bad);
    struct wire_api_versions_request body = {0};
    harness_request(h, 0, 0, WIRE_API_API_VERSIONS, 0, 9, &body);
    harness_turns(h, 2);
    assert_int_equal(get_i32(harness_response(h, 0, 0, &at).at), 9);
    harness_free(h);
}

static void
tables_that_were_published_before_we_came_are_read(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    harness_topic_write(h, 3, "1arly", 2, &harness_topic_config); /* no doorbell */
    assert_null(route_by_name(h->shards[0].route, view_of_text("1arly")));
    harness_turn(h);
    struct route_topic *t = route_by_name(h->shards[0].route, view_of_text("1arly"));
    assert_non_null(t);
    assert_non_null(route_part(t, 1)->log);
    assert_int_equal(h->shards[0].published, atomic_load(&h->region.header->published));
    harness_free(h);
}

static void
a_doorbell_brings_a_topic_and_control_hears_that_it_is_open(void **state)
{
    (void)state;
    struct harness *h = client(NULL);
    struct received none;
    assert_false(control_receives(h, &none));
    harness_topic(h, 0, "0rders", 1);
    struct chan_message m;
    assert_int_equal(chan_peek(&h->from_data[0], &m), ERR_OK);
    assert_int_equal(m.kind, MSG_HAVE);
    struct msg_row row;
    memcpy(&row, m.body.at, sizeof row);
    assert_int_equal(row.row, 0);
    struct table_have_fact have;
    assert_int_equal(table_have_read(&region_have(&h->region)[0], &have), ERR_OK);
    assert_int_equal(have.state, TABLE_OPEN);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_to_control_whole_and_its_answer_to_the_client),
        cmocka_unit_test(control_is_told_of_the_software_that_asks_for_telemetry),
        cmocka_unit_test(a_long_name_of_software_is_not_kept),
        cmocka_unit_test(answers_in_any_order_leave_in_the_order_of_the_requests),
        cmocka_unit_test(a_restarted_control_gets_the_request_again_and_is_told_so),
        cmocka_unit_test(a_request_that_never_left_is_not_marked_again),
        cmocka_unit_test(a_full_ring_delays_requests_and_loses_none),
        cmocka_unit_test(a_request_larger_than_the_ring_takes_closes_the_connection),
        cmocka_unit_test(metrics_larger_than_the_ring_takes_are_refused_in_words),
        cmocka_unit_test(a_silent_control_costs_the_connection_after_its_time),
        cmocka_unit_test(a_request_that_waits_for_other_clients_has_no_time_limit),
        cmocka_unit_test(the_answer_of_a_connection_that_is_gone_never_reaches_another),
        cmocka_unit_test(an_answer_to_another_request_closes_the_connection),
        cmocka_unit_test(control_can_have_a_connection_closed),
        cmocka_unit_test(a_corrupt_ring_stops_the_channel_and_nothing_else),
        cmocka_unit_test(tables_that_were_published_before_we_came_are_read),
        cmocka_unit_test(a_doorbell_brings_a_topic_and_control_hears_that_it_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
