/* Offsets that are part of transactions. */
#include "control/server/server_verify.h"
#include "core/base/javahash.h"
#include "tests/unit/control/server/txns_fixture.h"

static void
offsets_are_seen_when_their_transaction_is_committed(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    int16_t epoch = 0;
    for (int64_t offset = 1; offset <= 4; offset++) {
        bool commit = offset != 3;
        assert_int_equal(txns_offsets(c, 5, "a", id, epoch, offset), KERR_NONE);
        assert_int_equal(txns_committed(c), offset == 1 ? -1 : offset == 4 ? 2 : offset - 1);
        assert_int_equal(txns_end(c, 5, "a", id, epoch, commit), KERR_NONE);
        coords_turns(c, 3);
        assert_string_equal(c->markers[c->marker_count - 1].topic, "__consumer_offsets");
        assert_int_equal(c->markers[c->marker_count - 1].partition,
                         javahash_partition(view_of_text("g"), COORDS_PARTITIONS));
        assert_int_equal(txns_committed(c), commit ? offset : offset - 1);
        epoch++;
    }
    coords_free(c);
}

static void
older_clients_have_to_add_the_offsets_first(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 3, "a", id, 0, "t", 0), KERR_NONE);
    uint32_t appends = c->appends;
    assert_int_equal(txns_offsets(c, 4, "a", id, 0, 7), KERR_TRANSACTION_ABORTABLE);
    assert_int_equal(txns_offsets(c, 3, "a", id, 0, 7), KERR_INVALID_TXN_STATE);
    assert_int_equal(c->appends, appends);
    struct wire_add_offsets_to_txn_request q = {view_of_text("a"), id, 0, view_of_text("g")};
    struct wire_add_offsets_to_txn_response a;
    txns_ask(c, WIRE_API_ADD_OFFSETS_TO_TXN, 3, &q, &a);
    assert_int_equal(a.error_code, KERR_NONE);
    assert_int_equal(txns_offsets(c, 3, "a", id, 0, 7), KERR_NONE);
    assert_int_equal(txns_end(c, 3, "a", id, 0, true), KERR_NONE);
    coords_turns(c, 3);
    assert_int_equal(txns_committed(c), 7);
    coords_free(c);
}

static void
what_the_transactions_coordinator_refuses_is_told_as_the_client_knows_it(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_init(c, "a").producer_epoch, 1);
    assert_int_equal(txns_offsets(c, 5, "a", id, 0, 7), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(txns_offsets(c, 5, "a", id + 1, 1, 7), KERR_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(txns_offsets(c, 5, "nobody", id, 1, 7), KERR_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(txns_committed(c), -1);
    coords_free(c);
}

static void
a_transaction_that_is_being_ended_is_waited_for_a_while(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 4, "a", id, 0, "t", 0), KERR_NONE);
    c->marker_error = KERR_NOT_LEADER_OR_FOLLOWER;
    assert_int_equal(txns_end(c, 5, "a", id, 0, true), KERR_NONE);
    struct wire_txn_offset_commit_request_partition part = {.committed_metadata = view_of_text("")};
    struct wire_txn_offset_commit_request_topic t = {.name = view_of_text("t"),
                                                     .partitions = {&part, 1}};
    struct wire_txn_offset_commit_request q = {.transactional_id = view_of_text("a"),
                                               .group_id = view_of_text("g"),
                                               .producer_id = id,
                                               .producer_epoch = 1,
                                               .generation_id = -1,
                                               .member_id = view_of_text(""),
                                               .topics = {&t, 1}};
    struct wire_txn_offset_commit_response a;
    uint32_t answers = c->answer_count;
    assert_int_equal(coords_send(c, answers, WIRE_API_TXN_OFFSET_COMMIT, 5, &q), ERR_OK);
    coords_turns(c, SERVER_VERIFY_CONCURRENT_MS - 1);
    assert_int_equal(c->answer_count, answers);
    coords_turns(c, 2 * SERVER_VERIFY_PAUSE_MS);
    txns_last(c, WIRE_API_TXN_OFFSET_COMMIT, 5, &a);
    assert_int_equal(a.topics.items[0].partitions.items[0].error_code,
                     KERR_CONCURRENT_TRANSACTIONS);
    coords_turns(c, SERVER_VERIFY_CONCURRENT_MS / 2); /* of the pause between two attempts */
    answers = c->answer_count;
    assert_int_equal(coords_send(c, answers, WIRE_API_TXN_OFFSET_COMMIT, 5, &q), ERR_OK);
    c->marker_error = KERR_NONE;
    coords_turns(c, SERVER_VERIFY_CONCURRENT_MS - 1);
    assert_int_equal(c->answer_count, answers + 1);
    txns_last(c, WIRE_API_TXN_OFFSET_COMMIT, 5, &a);
    assert_int_equal(a.topics.items[0].partitions.items[0].error_code, KERR_NONE);
    coords_free(c);
}

static void
without_a_coordinator_of_transactions_it_is_refused(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    assert_int_equal(txns_offsets(c, 3, "a", 1, 0, 7), KERR_NOT_COORDINATOR);
    coords_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_seen_when_their_transaction_is_committed),
        cmocka_unit_test(older_clients_have_to_add_the_offsets_first),
        cmocka_unit_test(what_the_transactions_coordinator_refuses_is_told_as_the_client_knows_it),
        cmocka_unit_test(a_transaction_that_is_being_ended_is_waited_for_a_while),
        cmocka_unit_test(without_a_coordinator_of_transactions_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
