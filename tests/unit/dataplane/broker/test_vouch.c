/* Questions to the coordinator of a transaction; the test plays control. */
#include "tests/unit/dataplane/broker/fixture_vouch.h"

static void
the_first_batch_of_a_transaction_waits_for_its_coordinator(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = setup(NULL);
        struct asked q;
        uint32_t owner = (uint32_t)partition;
        produce(h, BUMPS, 1, partition, "bank", batch_of(3, 0, 2));
        assert_true(asked(h, owner, &q));
        assert_string_equal(q.transactional_id, "bank");
        assert_string_equal(q.topic, "0rders");
        assert_int_equal(q.partition, partition);
        assert_int_equal(q.producer_id, PRODUCER);
        assert_int_equal(q.epoch, 3);
        harness_turns(h, 5);
        assert_int_equal(log_of(h, partition)->end, 0);
        assert_int_equal(h->streams[0].conns[0].sends, 0);
        answer(h, owner, &q, KERR_NONE, false);
        assert_int_equal(error_of(h, BUMPS), KERR_NONE);
        assert_int_equal(log_of(h, partition)->end, 2);
        assert_int_equal(harness_counter(h, owner, COUNTER_TXN_QUESTIONS), 1);
        teardown(h);
    }
}

static void
only_for_clients_that_bump_their_epoch_is_the_partition_added(void **state)
{
    (void)state;
    for (int16_t version = GENERIC; version <= BUMPS; version++) {
        struct harness *h = setup(NULL);
        struct asked q;
        produce(h, version, 1, 0, "bank", batch_of(0, 0, 1));
        assert_true(asked(h, 0, &q));
        assert_int_equal(q.verify_only, version < BUMPS);
        answer(h, 0, &q, KERR_NONE, false);
        assert_int_equal(error_of(h, version), KERR_NONE);
        teardown(h);
    }
}

static void
an_open_transaction_is_not_asked_about(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &q));
    answer(h, 0, &q, KERR_NONE, false);
    produce(h, BUMPS, 2, 0, "bank", batch_of(0, 1, 1));
    assert_false(asked(h, 0, &q));
    assert_int_equal(log_of(h, 0)->end, 2);
    teardown(h);
}

static void
batches_behind_the_first_wait_for_the_same_answer_in_their_order(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = setup(NULL);
        struct asked q, none;
        uint32_t owner = (uint32_t)partition;
        int64_t offsets[] = {0, 1, 3};
        size_t at = 0;
        for (int32_t i = 0; i < 3; i++)
            produce(h, BUMPS, i, partition, "bank", batch_of(0, i, (uint32_t)i + 1));
        assert_true(asked(h, owner, &q));
        assert_false(asked(h, owner, &none));
        /* Without room they go in line, and a batch that comes then does not overtake them. */
        h->stores[owner]->append_again = true;
        answer(h, owner, &q, KERR_NONE, false);
        h->stores[owner]->append_again = false;
        harness_turns(h, 4);
        for (int32_t i = 0; i < 3; i++) {
            struct wire_produce_response_partition_produce_response p = {0};
            assert_true(answered(h, BUMPS, &at, &p));
            assert_int_equal(p.error_code, KERR_NONE);
            assert_int_equal(p.base_offset, offsets[i]);
        }
        teardown(h);
    }
}

static void
a_batch_does_not_overtake_those_that_wait_for_the_journal(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    size_t at = 0;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &q));
    h->stores[0]->append_again = true;
    answer(h, 0, &q, KERR_NONE, false);
    produce(h, BUMPS, 2, 0, "bank", batch_of(0, 1, 2));
    h->stores[0]->append_again = false;
    harness_turns(h, 4);
    for (int32_t i = 0; i < 2; i++) {
        struct wire_produce_response_partition_produce_response p = {0};
        assert_true(answered(h, BUMPS, &at, &p));
        assert_int_equal(p.base_offset, i);
    }
    teardown(h);
}

/* Kafka ReplicaManager.handleProduceAppend, AddPartitionsToTxnHandler. */
static void
what_the_coordinator_refuses_is_told_as_the_client_knows_it(void **state)
{
    (void)state;
    struct {
        int16_t version, error, told;
    } rows[] = {
        {BUMPS, KERR_INVALID_TXN_STATE, KERR_INVALID_TXN_STATE},
        {BUMPS, KERR_PRODUCER_FENCED, KERR_INVALID_PRODUCER_EPOCH},
        {BUMPS, KERR_INVALID_PRODUCER_ID_MAPPING, KERR_INVALID_PRODUCER_ID_MAPPING},
        {BUMPS, KERR_TRANSACTION_ABORTABLE, KERR_TRANSACTION_ABORTABLE},
        {GENERIC, KERR_TRANSACTION_ABORTABLE, KERR_TRANSACTION_ABORTABLE},
        {OLD, KERR_TRANSACTION_ABORTABLE, KERR_INVALID_TXN_STATE},
        {GENERIC, KERR_CONCURRENT_TRANSACTIONS, KERR_NOT_ENOUGH_REPLICAS},
        {BUMPS, KERR_NOT_COORDINATOR, KERR_NOT_ENOUGH_REPLICAS},
        {BUMPS, KERR_COORDINATOR_LOAD_IN_PROGRESS, KERR_NOT_ENOUGH_REPLICAS},
        {OLD, KERR_COORDINATOR_NOT_AVAILABLE, KERR_NOT_ENOUGH_REPLICAS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int whole = 0; whole < 2; whole++) {
            struct harness *h = setup(NULL);
            struct asked q;
            produce(h, rows[i].version, 1, 0, "bank", batch_of(0, 0, 1));
            assert_true(asked(h, 0, &q));
            answer(h, 0, &q, rows[i].error, whole);
            assert_int_equal(error_of(h, rows[i].version), rows[i].told);
            assert_int_equal(log_of(h, 0)->end, 0);
            teardown(h);
        }
}

static void
a_restarted_control_is_asked_again(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked first, second;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &first));
    harness_turns(h, 3);
    assert_false(asked(h, 0, &second));
    harness_control_starts(h);
    harness_turns(h, 2);
    assert_true(asked(h, 0, &second));
    assert_string_equal(second.transactional_id, "bank");
    answer(h, 0, &second, KERR_NONE, false);
    assert_int_equal(error_of(h, BUMPS), KERR_NONE);
    teardown(h);
}

static void
an_answer_that_does_not_come_is_an_error_that_clients_retry(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &q));
    h->now_ns += (VOUCH_WAIT_MS - 1) * CLOCK_NS_PER_MS;
    harness_turns(h, 3);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    h->now_ns += CLOCK_NS_PER_MS;
    harness_turns(h, 3);
    assert_int_equal(error_of(h, BUMPS), KERR_NOT_ENOUGH_REPLICAS);
    answer(h, 0, &q, KERR_NONE, false); /* too late: nothing is appended */
    assert_int_equal(log_of(h, 0)->end, 0);
    teardown(h);
}

static void
a_transaction_that_is_being_ended_is_asked_about_again_for_a_while(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    uint32_t questions = 0;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    while (asked(h, 0, &q)) {
        questions++;
        answer(h, 0, &q, KERR_CONCURRENT_TRANSACTIONS, false);
        assert_false(asked(h, 0, &q)); /* not at once */
        h->now_ns += VOUCH_PAUSE_US * CLOCK_NS_PER_MS / 1000;
        harness_turns(h, 2);
    }
    assert_int_equal(questions, VOUCH_CONCURRENT_MS * 1000 / VOUCH_PAUSE_US + 1);
    assert_int_equal(error_of(h, BUMPS), KERR_CONCURRENT_TRANSACTIONS);
    teardown(h);
}

static void
an_answer_behind_a_marker_is_void_and_asked_for_anew(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q, again;
    struct store_marker marker = {.producer_id = PRODUCER};
    struct store_appended done;
    produce(h, GENERIC, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &q));
    assert_int_equal(store_append_marker(h->stores[0], log_of(h, 0), &marker, 5, 0, &done),
                     KERR_NONE);
    answer(h, 0, &q, KERR_NONE, false);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    assert_true(asked(h, 0, &again));
    assert_true(again.token != q.token);
    answer(h, 0, &again, KERR_TRANSACTION_ABORTABLE, false);
    assert_int_equal(error_of(h, GENERIC), KERR_TRANSACTION_ABORTABLE);
    assert_int_equal(log_of(h, 0)->end, 1);
    teardown(h);
}

static void
the_next_transaction_begins_once_the_marker_it_waits_for_is_there(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    struct store_marker marker = {.producer_id = PRODUCER, .commit = true};
    struct store_appended done;
    produce(h, BUMPS, 1, 0, "bank", batch_of(4, 0, 1));
    produce(h, BUMPS, 2, 0, "bank", batch_of(4, 1, 1));
    assert_true(asked(h, 0, &q));
    answer(h, 0, &q, KERR_CONCURRENT_TRANSACTIONS, false);
    assert_int_equal(store_append_marker(h->stores[0], log_of(h, 0), &marker, 5, 0, &done),
                     KERR_NONE);
    h->now_ns += VOUCH_PAUSE_US * CLOCK_NS_PER_MS / 1000;
    harness_turns(h, 2);
    assert_true(asked(h, 0, &q));
    answer(h, 0, &q, KERR_NONE, false);
    assert_int_equal(error_of(h, BUMPS), KERR_NONE);
    assert_int_equal(log_of(h, 0)->end, 3);
    assert_int_equal(harness_counter(h, 0, COUNTER_TXN_QUESTIONS), 2);
    teardown(h);
}

static void
a_higher_epoch_fences_the_batches_that_wait(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked first, second;
    size_t at = 0;
    struct wire_produce_response_partition_produce_response p = {0};
    produce(h, BUMPS, 1, 0, "bank", batch_of(3, 0, 1));
    assert_true(asked(h, 0, &first));
    produce(h, BUMPS, 2, 0, "bank", batch_of(4, 0, 1));
    assert_true(asked(h, 0, &second));
    assert_int_equal(second.epoch, 4);
    produce(h, BUMPS, 3, 0, "bank", batch_of(3, 0, 1));
    answer(h, 0, &first, KERR_NONE, false); /* of a question that is gone */
    assert_int_equal(log_of(h, 0)->end, 0);
    answer(h, 0, &second, KERR_NONE, false);
    int16_t told[] = {KERR_INVALID_PRODUCER_EPOCH, KERR_NONE, KERR_INVALID_PRODUCER_EPOCH};
    for (int i = 0; i < 3; i++) {
        assert_true(answered(h, BUMPS, &at, &p));
        assert_int_equal(p.error_code, told[i]);
    }
    teardown(h);
}

static void
verification_can_be_switched_off_for_older_clients(void **state)
{
    (void)state;
    const char *settings[] = {"transaction.partition.verification.enable", "false", NULL};
    for (int16_t version = OLD; version <= BUMPS; version++) {
        struct harness *h = setup(settings);
        struct asked q;
        produce(h, version, 1, 0, "bank", batch_of(0, 0, 1));
        assert_int_equal(asked(h, 0, &q), version >= BUMPS);
        if (version >= BUMPS)
            answer(h, 0, &q, KERR_NONE, false);
        assert_int_equal(error_of(h, version), KERR_NONE);
        teardown(h);
    }
}

static void
a_transaction_without_a_name_is_nobodys(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    produce(h, BUMPS, 1, 0, NULL, batch_of(0, 0, 1));
    assert_int_equal(error_of(h, BUMPS), KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_false(asked(h, 0, &q));
    teardown(h);
}

/* Sends a request over control's own connection. */
static void
control_calls(struct harness *h, const struct wire_produce_request *body)
{
    uint8_t frame[1024];
    struct chan_message m;
    struct msg_call head = {0};
    while (chan_peek(&h->from_data[0], &m) == ERR_OK) {
        if (m.kind == MSG_REPLY)
            memcpy(&head, m.body.at, sizeof head);
        chan_done(&h->from_data[0]);
    }
    assert_int_not_equal(head.connection, 0);
    head.generation = h->shards[0].generation;
    struct put w = put_of(frame, sizeof frame);
    put_u32(&w, 0);
    put_u16(&w, WIRE_API_PRODUCE);
    put_u16(&w, BUMPS);
    put_u32(&w, 1);
    put_u16(&w, UINT16_MAX);
    put_u8(&w, 0);
    assert_int_equal(wire_encode(&wire_produce_request_message, BUMPS, body, &w), ERR_OK);
    set_u32(frame, put_len(&w) - 4);
    uint32_t generation = atomic_load(&h->region.header->peers[REGION_CONTROL].generation);
    uint8_t *at = chan_reserve(&h->to_data[0], (uint32_t)sizeof head + put_len(&w));
    assert_non_null(at);
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, frame, put_len(&w));
    chan_publish(&h->to_data[0], MSG_CALL, generation, (uint32_t)sizeof head + put_len(&w));
    harness_turns(h, 6);
}

static void
control_begins_transactions_in_internal_topics_unasked_and_nobody_else_does(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = setup(NULL);
        struct asked q;
        struct table_topic_fact fact;
        assert_int_equal(table_topic_read(&region_topics(&h->region)[0], &fact), ERR_OK);
        fact.internal = 1;
        fact.version = 2;
        table_topic_write(&region_topics(&h->region)[0], &fact);
        harness_ring_row(h, MSG_TOPIC, 0);
        harness_turn(h);
        produce(h, BUMPS, 1, partition, "bank", batch_of(0, 0, 1));
        assert_int_equal(error_of(h, BUMPS), KERR_INVALID_TOPIC_EXCEPTION);
        struct wire_produce_request_partition_produce_data p = {partition, batch_of(0, -1, 2)};
        struct wire_produce_request_topic_produce_data t = {.name = view_of_text("0rders"),
                                                            .partition_data = {&p, 1}};
        struct wire_produce_request body = {.acks = -1, .topic_data = {&t, 1}};
        control_calls(h, &body);
        assert_int_equal(log_of(h, partition)->end, 2);
        assert_true(log_of(h, partition)->txn_open);
        assert_false(asked(h, (uint32_t)partition, &q));
        teardown(h);
    }
}

static void
an_answer_that_cannot_be_read_refuses_the_batch(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct harness *h = setup(NULL);
        struct asked q;
        produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
        assert_true(asked(h, 0, &q));
        send(h, 0, MSG_ANSWER, q.token ^ 1, "", 0); /* of no question */
        send(h, 0, closed ? MSG_CLOSE : MSG_ANSWER, q.token, "?", closed ? 0 : 1);
        harness_turns(h, 4);
        assert_int_equal(error_of(h, BUMPS), KERR_UNKNOWN_SERVER_ERROR);
        assert_int_equal(log_of(h, 0)->end, 0);
        teardown(h);
    }
}

/* Its row may be another topic's by then. */
static void
a_topic_that_was_deleted_meanwhile_is_not_asked_about(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    struct table_topic_fact fact;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &q));
    assert_int_equal(table_topic_read(&region_topics(&h->region)[0], &fact), ERR_OK);
    fact.id[3] ^= 1;
    fact.version = 2;
    table_topic_write(&region_topics(&h->region)[0], &fact);
    harness_ring_row(h, MSG_TOPIC, 0);
    harness_turn(h);
    harness_control_starts(h); /* it would be asked again */
    harness_turns(h, 4);
    assert_false(asked(h, 0, &q));
    assert_int_equal(error_of(h, BUMPS), KERR_NOT_LEADER_OR_FOLLOWER);
    teardown(h);
}

static void
a_client_that_goes_away_leaves_nothing_behind(void **state)
{
    (void)state;
    struct harness *h = setup(NULL);
    struct asked q;
    produce(h, BUMPS, 1, 0, "bank", batch_of(0, 0, 1));
    assert_true(asked(h, 0, &q));
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turns(h, 2);
    answer(h, 0, &q, KERR_TRANSACTION_ABORTABLE, false);
    teardown(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_batch_of_a_transaction_waits_for_its_coordinator),
        cmocka_unit_test(only_for_clients_that_bump_their_epoch_is_the_partition_added),
        cmocka_unit_test(an_open_transaction_is_not_asked_about),
        cmocka_unit_test(batches_behind_the_first_wait_for_the_same_answer_in_their_order),
        cmocka_unit_test(a_batch_does_not_overtake_those_that_wait_for_the_journal),
        cmocka_unit_test(what_the_coordinator_refuses_is_told_as_the_client_knows_it),
        cmocka_unit_test(a_restarted_control_is_asked_again),
        cmocka_unit_test(an_answer_that_does_not_come_is_an_error_that_clients_retry),
        cmocka_unit_test(a_transaction_that_is_being_ended_is_asked_about_again_for_a_while),
        cmocka_unit_test(an_answer_behind_a_marker_is_void_and_asked_for_anew),
        cmocka_unit_test(the_next_transaction_begins_once_the_marker_it_waits_for_is_there),
        cmocka_unit_test(a_higher_epoch_fences_the_batches_that_wait),
        cmocka_unit_test(verification_can_be_switched_off_for_older_clients),
        cmocka_unit_test(a_transaction_without_a_name_is_nobodys),
        cmocka_unit_test(
            control_begins_transactions_in_internal_topics_unasked_and_nobody_else_does),
        cmocka_unit_test(an_answer_that_cannot_be_read_refuses_the_batch),
        cmocka_unit_test(a_topic_that_was_deleted_meanwhile_is_not_asked_about),
        cmocka_unit_test(a_client_that_goes_away_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
