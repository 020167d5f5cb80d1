/* What surrounds the coordinators of transactions: ids, checks, requests of several. */
#include "core/base/javahash.h"
#include "tests/unit/control/server/txns_fixture.h"

static void
producer_ids_are_handed_out_once_their_block_is_committed(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    c->f->core.committed = 0;
    assert_int_equal(txns_init(c, "a").error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    c->f->core.committed = c->f->core.image.index;
    struct wire_init_producer_id_response a = txns_init(c, "a");
    assert_int_equal(a.error_code, KERR_NONE);
    assert_int_equal(a.producer_epoch, 0);
    int64_t other = txns_init(c, "b").producer_id;
    assert_int_equal(other, a.producer_id + 1);
    assert_true(other < c->f->core.image.producer_id_next); /* nobody else gets it */
    coords_free(c);
}

static void
a_producer_without_transactions_is_for_somebody_else(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    struct wire_init_producer_id_request q = {
        .transactional_id = {NULL, 0}, .producer_id = -1, .producer_epoch = -1};
    assert_int_equal(coords_send(c, 1, WIRE_API_INIT_PRODUCER_ID, 5, &q), ERR_NOT_FOUND);
    coords_free(c);
}

static void
partitions_are_added_all_or_none(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    int32_t parts[] = {0, 9};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topics[] = {
        {view_of_text("t"), {parts, 2}}, {view_of_text("nowhere"), {parts, 1}}};
    struct wire_add_partitions_to_txn_request q = {.v3_and_below_transactional_id =
                                                       view_of_text("a"),
                                                   .v3_and_below_producer_id = id,
                                                   .v3_and_below_topics = {topics, 2}};
    struct wire_add_partitions_to_txn_response a;
    txns_ask(c, WIRE_API_ADD_PARTITIONS_TO_TXN, 3, &q, &a);
    assert_int_equal(a.results_by_topic_v3_and_below.count, 2);
    const struct wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result *t =
        a.results_by_topic_v3_and_below.items;
    assert_int_equal(t[0].results_by_partition.items[0].partition_error_code,
                     KERR_OPERATION_NOT_ATTEMPTED);
    assert_int_equal(t[0].results_by_partition.items[1].partition_error_code,
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(t[1].results_by_partition.items[0].partition_error_code,
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_string_equal(txns_state(c, "a"), "Empty");
    coords_free(c);
}

static void
transactions_of_all_partitions_are_listed_and_described(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    const char *ids[] = {"a", "b", "c", "d"};
    struct view names[4];
    for (int i = 0; i < 4; i++) {
        names[i] = view_of_text(ids[i]);
        assert_int_equal(txns_init(c, ids[i]).error_code, KERR_NONE);
    }
    assert_true(javahash_partition(names[0], 4) != javahash_partition(names[1], 4));
    struct wire_list_transactions_request q = {.duration_filter = -1};
    struct wire_list_transactions_response a;
    txns_ask(c, WIRE_API_LIST_TRANSACTIONS, 1, &q, &a);
    assert_int_equal(a.error_code, KERR_NONE);
    assert_int_equal(a.transaction_states.count, 4);
    struct wire_describe_transactions_request d = {.transactional_ids = {names, 4}};
    struct wire_describe_transactions_response of;
    txns_ask(c, WIRE_API_DESCRIBE_TRANSACTIONS, 0, &d, &of);
    assert_int_equal(of.transaction_states.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(view_equal(of.transaction_states.items[i].transactional_id, names[i]));
        assert_int_equal(of.transaction_states.items[i].error_code, KERR_NONE);
    }
    coords_free(c);
}

static void
a_delayed_end_never_ends_a_later_transaction(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    for (int16_t epoch = 0; epoch < 3; epoch++) {
        assert_int_equal(txns_add(c, 4, "a", id, epoch, "t", 1), KERR_NONE);
        for (int16_t late = 0; late < epoch; late++)
            assert_int_equal(txns_end(c, 5, "a", id, late, late % 2), KERR_PRODUCER_FENCED);
        assert_string_equal(txns_state(c, "a"), "Ongoing");
        uint32_t markers = c->marker_count;
        assert_int_equal(txns_end(c, 5, "a", id, epoch, true), KERR_NONE);
        coords_turns(c, 3);
        assert_int_equal(c->marker_count, markers + 1);
    }
    coords_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(producer_ids_are_handed_out_once_their_block_is_committed),
        cmocka_unit_test(a_producer_without_transactions_is_for_somebody_else),
        cmocka_unit_test(partitions_are_added_all_or_none),
        cmocka_unit_test(transactions_of_all_partitions_are_listed_and_described),
        cmocka_unit_test(a_delayed_end_never_ends_a_later_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
