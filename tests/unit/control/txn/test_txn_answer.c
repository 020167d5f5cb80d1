#include "core/base/javahash.h"
#include "tests/unit/control/txn/txn_fixture.h"

static void
a_transaction_of_version_two_runs_from_init_to_complete(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(fixture_init(f, "a", -1, -1), KERR_NONE);
    assert_int_equal(f->init.producer_id, 1000);
    assert_int_equal(f->init.producer_epoch, 0);
    assert_int_equal(fixture_add(f, 4, "a", 1000, 0, "in", 3), KERR_NONE);
    assert_int_equal(fixture_add(f, 4, "a", 1000, 0, "in", 1), KERR_NONE);
    assert_int_equal(fixture_end(f, 5, "a", 1000, 0, true), KERR_NONE);
    assert_int_equal(f->end.producer_id, 1000);
    assert_int_equal(f->end.producer_epoch, 1); /* for the next one */
    assert_int_equal(f->order_count, 1);
    assert_int_equal(f->orders[0].count, 2);
    assert_int_equal(f->orders[0].partitions[0], 1);
    assert_int_equal(f->orders[0].epoch, 1);
    assert_int_equal(f->orders[0].version, 2);
    assert_true(f->orders[0].commit);
    assert_int_equal(fixture_facts(f, "a").status, TXN_PREPARE_COMMIT);
    assert_int_equal(fixture_add(f, 4, "a", 1000, 1, "in", 1), KERR_CONCURRENT_TRANSACTIONS);
    fixture_marked(f, &f->orders[0], KERR_NONE);
    assert_int_equal(fixture_facts(f, "a").status, TXN_COMPLETE_COMMIT);
    assert_int_equal(fixture_facts(f, "a").part_count, 0);
    fixture_free(f);
}

static void
a_late_or_repeated_end_never_touches_a_later_transaction(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    for (int16_t epoch = 0; epoch < 20; epoch++) {
        assert_int_equal(fixture_add(f, 4, "a", 1000, epoch, "in", 1), KERR_NONE);
        for (int16_t late = 0; late < epoch; late++)
            for (int commit = 0; commit < 2; commit++)
                assert_int_equal(fixture_end(f, 5, "a", 1000, late, commit), KERR_PRODUCER_FENCED);
        assert_int_equal(fixture_facts(f, "a").status, TXN_ONGOING);
        assert_int_equal(fixture_end(f, 5, "a", 1000, epoch, epoch % 2), KERR_NONE);
        assert_int_equal(fixture_end(f, 5, "a", 1000, epoch, epoch % 2),
                         KERR_CONCURRENT_TRANSACTIONS);
        assert_int_equal(f->order_count, 1);
        fixture_marked(f, &f->orders[0], KERR_NONE);
        f->order_count = 0;
        assert_int_equal(fixture_end(f, 5, "a", 1000, epoch, epoch % 2), KERR_NONE);
        assert_int_equal(f->end.producer_epoch, epoch + 1);
        assert_int_equal(fixture_end(f, 5, "a", 1000, epoch, !(epoch % 2)), KERR_INVALID_TXN_STATE);
    }
    fixture_free(f);
}

static void
an_abort_of_nothing_is_complete_at_once_under_a_new_epoch(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    assert_int_equal(fixture_end(f, 5, "a", 1000, 0, false), KERR_NONE);
    assert_int_equal(f->end.producer_epoch, 1);
    assert_int_equal(f->order_count, 0);
    assert_int_equal(fixture_facts(f, "a").status, TXN_COMPLETE_ABORT);
    fixture_free(f);
}

static void
requests_that_cannot_be_right_are_refused(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(fixture_init(f, "", -1, -1), KERR_INVALID_REQUEST);
    assert_int_equal(fixture_init(f, "a", 5, -1), KERR_INVALID_REQUEST);
    struct wire_init_producer_id_request q = {view_of_text("a"), 900001, -1, -1};
    fixture_request(f, WIRE_API_INIT_PRODUCER_ID, 5, &q);
    assert_int_equal(f->init.error_code, KERR_INVALID_TRANSACTION_TIMEOUT);
    q.transaction_timeout_ms = 0;
    fixture_request(f, WIRE_API_INIT_PRODUCER_ID, 5, &q);
    assert_int_equal(f->init.error_code, KERR_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(fixture_add(f, 3, "a", 1, 0, "in", 0), KERR_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(fixture_end(f, 5, "a", 1, 0, true), KERR_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(fixture_end(f, 5, "", 1, 0, true), KERR_INVALID_REQUEST);
    f->next_id = -1;
    assert_int_equal(fixture_init(f, "a", -1, -1), KERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(f->init.producer_id, -1);
    assert_int_equal(txn_count(f->txn), 0);
    assert_int_equal(f->record_count, 0);
    fixture_free(f);
}

static void
older_versions_know_the_fence_by_another_name(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    fixture_init(f, "a", -1, -1); /* epoch 1 */
    assert_int_equal(fixture_add(f, 1, "a", 1000, 0, "in", 0), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(fixture_add(f, 2, "a", 1000, 0, "in", 0), KERR_PRODUCER_FENCED);
    assert_int_equal(fixture_end(f, 1, "a", 1000, 0, true), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(fixture_end(f, 2, "a", 1000, 0, true), KERR_PRODUCER_FENCED);
    struct wire_init_producer_id_request q = {view_of_text("a"), 60000, 999, 0};
    fixture_request(f, WIRE_API_INIT_PRODUCER_ID, 3, &q);
    assert_int_equal(f->init.error_code, KERR_INVALID_PRODUCER_EPOCH);
    fixture_free(f);
}

static void
verifying_tells_each_partition_and_changes_nothing(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    assert_int_equal(fixture_add(f, 3, "a", 1000, 0, "in", 1), KERR_NONE);
    uint32_t records = f->record_count;
    int32_t parts[] = {0, 1, 2};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic t = {view_of_text("in"),
                                                                               {parts, 3}};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction one = {
        view_of_text("a"), 1000, 0, true, {&t, 1}};
    struct wire_add_partitions_to_txn_request q = {.transactions = {&one, 1}};
    fixture_request(f, WIRE_API_ADD_PARTITIONS_TO_TXN, 5, &q);
    assert_int_equal(f->verified[0], KERR_TRANSACTION_ABORTABLE);
    assert_int_equal(f->verified[1], KERR_NONE);
    assert_int_equal(f->verified[2], KERR_TRANSACTION_ABORTABLE);
    one.producer_epoch = 1;
    fixture_request(f, WIRE_API_ADD_PARTITIONS_TO_TXN, 5, &q);
    assert_int_equal(f->verified[1], KERR_PRODUCER_FENCED);
    one.producer_id = 8;
    fixture_request(f, WIRE_API_ADD_PARTITIONS_TO_TXN, 5, &q);
    assert_int_equal(f->verified[1], KERR_INVALID_PRODUCER_ID_MAPPING);
    one.transactional_id = view_of_text("b");
    fixture_request(f, WIRE_API_ADD_PARTITIONS_TO_TXN, 5, &q);
    assert_int_equal(f->verified[1], KERR_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(f->record_count, records);
    fixture_free(f);
}

static void
offsets_of_a_group_are_a_partition_of_its_topic(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    struct wire_add_offsets_to_txn_request q = {view_of_text("a"), 1000, 0,
                                                view_of_text("my-group")};
    fixture_request(f, WIRE_API_ADD_OFFSETS_TO_TXN, 3, &q);
    assert_int_equal(f->offsets.error_code, KERR_NONE);
    struct txn_facts facts = fixture_facts(f, "a");
    assert_int_equal(facts.part_count, 1);
    assert_true(view_equal(facts.parts[0].topic, view_of_text("__consumer_offsets")));
    assert_int_equal(facts.parts[0].partition, 12); /* Java: abs("my-group".hashCode()) % 50 */
    fixture_free(f);
}

static void
offsets_of_a_group_whose_name_is_no_text_go_where_the_group_is_kept(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    struct view group = view_of_text("\xff\xfe");
    struct wire_add_offsets_to_txn_request q = {view_of_text("a"), 1000, 0, group};
    fixture_request(f, WIRE_API_ADD_OFFSETS_TO_TXN, 3, &q);
    assert_int_equal(f->offsets.error_code, KERR_NONE);
    struct txn_facts facts = fixture_facts(f, "a");
    assert_int_equal(facts.part_count, 1);
    assert_int_equal(facts.parts[0].partition, javahash_partition(group, 50));
    assert_int_equal(facts.parts[0].partition, 0xfffd * 32 % 50);
    fixture_free(f);
}

static void
a_refusal_is_answered_in_the_form_of_each_api(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    int32_t partition = 1;
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic t = {view_of_text("in"),
                                                                               {&partition, 1}};
    struct wire_add_partitions_to_txn_request add = {.v3_and_below_topics = {&t, 1}};
    static const int16_t keys[] = {WIRE_API_INIT_PRODUCER_ID, WIRE_API_END_TXN,
                                   WIRE_API_ADD_OFFSETS_TO_TXN, WIRE_API_ADD_PARTITIONS_TO_TXN};
    for (uint32_t i = 0; i < 4; i++) {
        struct coord_step step = fixture_step(f);
        f->api = wire_api_find(keys[i]);
        struct coord_request r = {.token = 77, .api = f->api, .version = 3, .body = &add};
        txn_machine.refuse(&step, &r, KERR_NOT_COORDINATOR);
    }
    assert_int_equal(f->replies, 4);
    assert_int_equal(f->init.error_code, KERR_NOT_COORDINATOR);
    assert_int_equal(f->init.producer_id, -1);
    assert_int_equal(f->end.error_code, KERR_NOT_COORDINATOR);
    assert_int_equal(f->offsets.error_code, KERR_NOT_COORDINATOR);
    assert_int_equal(f->added, KERR_NOT_COORDINATOR);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_of_version_two_runs_from_init_to_complete),
        cmocka_unit_test(a_late_or_repeated_end_never_touches_a_later_transaction),
        cmocka_unit_test(an_abort_of_nothing_is_complete_at_once_under_a_new_epoch),
        cmocka_unit_test(requests_that_cannot_be_right_are_refused),
        cmocka_unit_test(older_versions_know_the_fence_by_another_name),
        cmocka_unit_test(verifying_tells_each_partition_and_changes_nothing),
        cmocka_unit_test(offsets_of_a_group_are_a_partition_of_its_topic),
        cmocka_unit_test(offsets_of_a_group_whose_name_is_no_text_go_where_the_group_is_kept),
        cmocka_unit_test(a_refusal_is_answered_in_the_form_of_each_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
