#include "tests/unit/dataplane/broker/harness.h"

/* A client on shard 0; partition 0 of topic "0" is shard 0's, partition 1 shard 1's. */
static struct harness *
two_shards(void)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static struct plog *
log_of(struct harness *h, int32_t partition)
{
    uint8_t id[16];
    harness_topic_id(id, 0);
    return store_find(h->stores[partition], id, partition);
}

/* Ends a transaction of producer 9 in partitions 0 to 2 of topic "0" and one of topic "x". */
static void
send(struct harness *h, int16_t version, bool commit)
{
    static int32_t parts[] = {0, 1, 2}, other[] = {0};
    static struct wire_write_txn_markers_request_writable_txn_marker_topic topics[2];
    topics[0].name = view_of_text("0");
    topics[0].partition_indexes.items = parts;
    topics[0].partition_indexes.count = 3;
    topics[1].name = view_of_text("x");
    topics[1].partition_indexes.items = other;
    topics[1].partition_indexes.count = 1;
    struct wire_write_txn_markers_request_writable_txn_marker m = {.producer_id = 9,
                                                                   .producer_epoch = 3,
                                                                   .coordinator_epoch = 6,
                                                                   .transaction_result = commit,
                                                                   .topics = {topics, 2}};
    m.transaction_version = version >= 2 ? 2 : 0;
    struct wire_write_txn_markers_request q = {.markers = {&m, 1}};
    harness_request(h, 0, 0, WIRE_API_WRITE_TXN_MARKERS, version, 77, &q);
}

/* The errors of the four partitions; false: no answer yet. */
static bool
receive(struct harness *h, int16_t version, int16_t errors[4])
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct wire_write_txn_markers_response a;
    size_t at = 0;
    struct view v = harness_response(h, 0, 0, &at);
    if (v.len == 0)
        return false;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_write_txn_markers_response_message, version,
                                 view_of(v.at + 5, v.len - 5), &a, &arena),
                     ERR_OK);
    assert_int_equal(a.markers.count, 1);
    assert_int_equal(a.markers.items[0].producer_id, 9);
    assert_int_equal(a.markers.items[0].topics.count, 2);
    const struct wire_write_txn_markers_response_writable_txn_marker_topic_result *t =
        a.markers.items[0].topics.items;
    assert_int_equal(t[0].partitions.count, 3);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(t[0].partitions.items[i].partition_index, i);
        errors[i] = t[0].partitions.items[i].error_code;
    }
    assert_true(view_equal(t[1].name, view_of_text("x")));
    errors[3] = t[1].partitions.items[0].error_code;
    return true;
}

static void
markers_are_written_at_their_owners_and_answered_one_by_one(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        struct harness *h = two_shards();
        int16_t errors[4];
        send(h, version, version == 2);
        harness_turns(h, 6);
        assert_true(receive(h, version, errors));
        assert_int_equal(errors[0], KERR_NONE);
        assert_int_equal(errors[1], KERR_NONE);
        assert_int_equal(errors[2], KERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(errors[3], KERR_UNKNOWN_TOPIC_OR_PARTITION);
        for (int32_t i = 0; i < 2; i++) {
            const struct store_marker *m = &log_of(h, i)->marker;
            assert_int_equal(log_of(h, i)->markers, 1);
            assert_int_equal(m->producer_epoch, 3);
            assert_int_equal(m->coordinator_epoch, 6);
            assert_int_equal(m->version, version == 2 ? 2 : 0);
            assert_int_equal(m->commit, version == 2);
        }
        for (uint32_t i = 0; i < 2; i++) /* each owner has one of the two */
            assert_int_equal(harness_counter(h, i, COUNTER_TXN_MARKERS), 1);
        harness_free(h);
    }
}

static void
the_answer_waits_until_every_marker_is_durable(void **state)
{
    (void)state;
    for (uint32_t late = 0; late < 2; late++) {
        struct harness *h = two_shards();
        int16_t errors[4];
        h->stores[late]->disk_late = true;
        send(h, 1, true);
        harness_turns(h, 6);
        assert_false(receive(h, 1, errors));
        h->stores[late]->disk_late = false;
        harness_turns(h, 6);
        assert_true(receive(h, 1, errors));
        harness_free(h);
    }
}

static void
a_marker_that_the_log_refuses_does_not_hurt_the_others(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    int16_t errors[4];
    h->stores[1]->marker_error = KERR_TRANSACTION_COORDINATOR_FENCED;
    send(h, 1, true);
    harness_turns(h, 6);
    assert_true(receive(h, 1, errors));
    assert_int_equal(errors[0], KERR_NONE);
    assert_int_equal(errors[1], KERR_TRANSACTION_COORDINATOR_FENCED);
    harness_free(h);
}

static void
markers_wait_in_line_while_the_store_has_no_room(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    int16_t errors[4];
    h->stores[0]->append_again = h->stores[1]->append_again = true;
    send(h, 1, true);
    harness_turns(h, 6);
    assert_false(receive(h, 1, errors));
    h->stores[0]->append_again = h->stores[1]->append_again = false;
    harness_turns(h, 6);
    assert_true(receive(h, 1, errors));
    assert_int_equal(log_of(h, 0)->markers, 1);
    assert_int_equal(log_of(h, 1)->markers, 1);
    harness_free(h);
}

static void
an_offline_or_fenced_partition_says_so(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    int16_t errors[4];
    log_of(h, 1)->state = PLOG_OFFLINE;
    atomic_store(&h->region.header->lease_until_ns, 1);
    send(h, 1, true);
    harness_turns(h, 6);
    assert_true(receive(h, 1, errors));
    assert_int_equal(errors[0], KERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(errors[1], KERR_NOT_LEADER_OR_FOLLOWER);
    harness_free(h);
    h = two_shards();
    log_of(h, 1)->state = PLOG_OFFLINE;
    send(h, 1, true);
    harness_turns(h, 6);
    assert_true(receive(h, 1, errors));
    assert_int_equal(errors[0], KERR_NONE);
    assert_int_equal(errors[1], KERR_KAFKA_STORAGE_ERROR);
    harness_free(h);
}

/* Control answers the last request that it was sent. */
static void
control_answers(struct harness *h)
{
    struct chan_message m;
    struct msg_request asked = {0};
    struct msg_answer answer = {0};
    uint8_t bytes[10] = {0, 0, 0, 77, 'a', 'n', 's', 'w', 'e', 'r'};
    while (chan_peek(&h->from_data[0], &m) == ERR_OK) {
        if (m.kind == MSG_REQUEST)
            memcpy(&asked, m.body.at, sizeof asked);
        chan_done(&h->from_data[0]);
    }
    answer.token = asked.token;
    uint8_t *at = chan_reserve(&h->to_data[0], (uint32_t)(sizeof answer + sizeof bytes));
    assert_non_null(at);
    memcpy(at, &answer, sizeof answer);
    memcpy(at + sizeof answer, bytes, sizeof bytes);
    chan_publish(&h->to_data[0], MSG_ANSWER, 1, (uint32_t)(sizeof answer + sizeof bytes));
}

static void
markers_of_a_client_in_an_internal_topic_go_to_control(void **state)
{
    (void)state;
    for (uint32_t own = 0; own < 2; own++) {
        struct harness *h = two_shards();
        struct table_topic_fact fact;
        int16_t errors[4];
        assert_int_equal(table_topic_read(&region_topics(&h->region)[0], &fact), ERR_OK);
        fact.internal = 1;
        fact.version++;
        table_topic_write(&region_topics(&h->region)[0], &fact);
        harness_ring_row(h, MSG_TOPIC, 0);
        harness_turn(h);
        uint64_t before = harness_counter(h, 0, COUNTER_REQUESTS_FORWARDED);
        if (own)
            h->shards[0].conns[0].listener = INNER_LISTENER;
        send(h, 1, true);
        harness_turns(h, 6);
        assert_int_equal(receive(h, 1, errors), own);
        assert_int_equal(harness_counter(h, 0, COUNTER_REQUESTS_FORWARDED) - before, !own);
        if (!own) {
            control_answers(h);
            harness_turns(h, 2);
            size_t at = 0;
            assert_int_equal(harness_response(h, 0, 0, &at).len, 10);
            send(h, 1, true);
            harness_turns(h, 6); /* and one that is on its way when the client goes */
        }
        fake_stream_end(&h->streams[0], 0, ERR_CLOSED); /* what is on its way is dropped */
        harness_turns(h, 3);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markers_are_written_at_their_owners_and_answered_one_by_one),
        cmocka_unit_test(the_answer_waits_until_every_marker_is_durable),
        cmocka_unit_test(a_marker_that_the_log_refuses_does_not_hurt_the_others),
        cmocka_unit_test(markers_wait_in_line_while_the_store_has_no_room),
        cmocka_unit_test(markers_of_a_client_in_an_internal_topic_go_to_control),
        cmocka_unit_test(an_offline_or_fenced_partition_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
