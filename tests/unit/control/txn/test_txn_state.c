#include "control/txn/txn_in.h"
#include "tests/unit/unit.h"

static struct txn_values
values_of(enum txn_status status, int16_t epoch)
{
    return (struct txn_values){.producer_id = 7,
                               .previous_id = 7,
                               .next_id = -1,
                               .epoch = epoch,
                               .last_epoch = -1,
                               .version = 2,
                               .timeout_ms = 1000,
                               .status = (int8_t)status,
                               .start_ms = 5,
                               .update_ms = 6};
}

/* The table at the head of txn_state.c, row by row: what an end is answered with, and what status
 * it leads to (-1: nothing is written). */
static void
every_end_of_version_two_is_judged_as_kafka_judges_it(void **state)
{
    (void)state;
    static const struct {
        enum txn_status status;
        bool commit, present;
        int16_t error;
        int to;
    } rows[] = {
        {TXN_EMPTY, false, false, KERR_PRODUCER_FENCED, -1},
        {TXN_EMPTY, false, true, KERR_NONE, TXN_PREPARE_ABORT},
        {TXN_EMPTY, true, false, KERR_PRODUCER_FENCED, -1},
        {TXN_EMPTY, true, true, KERR_INVALID_TXN_STATE, -1},
        {TXN_ONGOING, false, false, KERR_PRODUCER_FENCED, -1},
        {TXN_ONGOING, false, true, KERR_NONE, TXN_PREPARE_ABORT},
        {TXN_ONGOING, true, false, KERR_PRODUCER_FENCED, -1},
        {TXN_ONGOING, true, true, KERR_NONE, TXN_PREPARE_COMMIT},
        {TXN_PREPARE_ABORT, false, false, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_ABORT, false, true, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_ABORT, true, false, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_ABORT, true, true, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_COMMIT, false, false, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_COMMIT, false, true, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_COMMIT, true, false, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_COMMIT, true, true, KERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_COMPLETE_ABORT, false, false, KERR_NONE, -1},
        {TXN_COMPLETE_ABORT, false, true, KERR_NONE, TXN_PREPARE_ABORT},
        {TXN_COMPLETE_ABORT, true, false, KERR_INVALID_TXN_STATE, -1},
        {TXN_COMPLETE_ABORT, true, true, KERR_INVALID_TXN_STATE, -1},
        {TXN_COMPLETE_COMMIT, false, false, KERR_INVALID_TXN_STATE, -1},
        {TXN_COMPLETE_COMMIT, false, true, KERR_NONE, TXN_PREPARE_ABORT},
        {TXN_COMPLETE_COMMIT, true, false, KERR_NONE, -1},
        {TXN_COMPLETE_COMMIT, true, true, KERR_INVALID_TXN_STATE, -1},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct txn_values now = values_of(rows[i].status, 10);
        struct txn_end_ask ask = {7, rows[i].present ? 10 : 9, 2, rows[i].commit};
        struct txn_change c;
        txn_state_end(&now, &ask, -1, 50, &c);
        if (c.error != rows[i].error || c.write != (rows[i].to >= 0))
            fail_msg("row %u: error %d write %d", i, c.error, c.write);
        if (!c.write)
            continue;
        assert_int_equal(c.to.status, rows[i].to);
        assert_int_equal(c.to.epoch, 11); /* whoever is late with 10 is fenced */
        assert_int_equal(c.to.last_epoch, 10);
    }
}

static void
an_end_of_older_clients_needs_the_very_epoch_and_keeps_it(void **state)
{
    (void)state;
    struct txn_values now = values_of(TXN_ONGOING, 10);
    struct txn_end_ask ask = {7, 10, 0, true};
    struct txn_change c;
    txn_state_end(&now, &ask, -1, 50, &c);
    assert_int_equal(c.to.status, TXN_PREPARE_COMMIT);
    assert_int_equal(c.to.epoch, 10);
    ask.epoch = 9;
    txn_state_end(&now, &ask, -1, 50, &c);
    assert_int_equal(c.error, KERR_PRODUCER_FENCED);
    ask.epoch = 10;
    static const struct {
        enum txn_status status;
        int16_t commit, abort;
    } rows[] = {
        {TXN_EMPTY, KERR_INVALID_TXN_STATE, KERR_INVALID_TXN_STATE},
        {TXN_PREPARE_COMMIT, KERR_CONCURRENT_TRANSACTIONS, KERR_CONCURRENT_TRANSACTIONS},
        {TXN_PREPARE_ABORT, KERR_CONCURRENT_TRANSACTIONS, KERR_CONCURRENT_TRANSACTIONS},
        {TXN_COMPLETE_COMMIT, KERR_NONE, KERR_INVALID_TXN_STATE},
        {TXN_COMPLETE_ABORT, KERR_INVALID_TXN_STATE, KERR_NONE},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        now = values_of(rows[i].status, 10);
        for (int commit = 0; commit < 2; commit++) {
            ask.commit = commit;
            txn_state_end(&now, &ask, -1, 50, &c);
            assert_false(c.write);
            assert_int_equal(c.error, commit ? rows[i].commit : rows[i].abort);
        }
    }
}

static void
when_epochs_run_out_a_new_producer_id_takes_over_at_the_end(void **state)
{
    (void)state;
    struct txn_values now = values_of(TXN_ONGOING, TXN_EPOCH_LAST), to;
    struct txn_end_ask ask = {7, TXN_EPOCH_LAST, 2, true};
    struct txn_change c;
    txn_state_end(&now, &ask, -1, 50, &c);
    assert_true(c.needs_id);
    assert_int_equal(c.error, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    txn_state_end(&now, &ask, 99, 50, &c);
    assert_true(c.fresh_used);
    assert_int_equal(c.to.producer_id, 7); /* the markers are of the old one */
    assert_int_equal(c.to.epoch, INT16_MAX);
    assert_int_equal(c.to.next_id, 99);
    struct txn_values due = c.to; /* the client has the new id already, and is to wait */
    struct txn_init_ask again = {500, 99, 0};
    txn_state_add(&due, 99, 0, false, 2, 55, &c);
    assert_int_equal(c.error, KERR_CONCURRENT_TRANSACTIONS);
    txn_state_end(&due, &(struct txn_end_ask){99, 0, 2, false}, -1, 55, &c);
    assert_int_equal(c.error, KERR_CONCURRENT_TRANSACTIONS);
    txn_state_init(&due, &again, -1, 55, &c);
    assert_int_equal(c.error, KERR_CONCURRENT_TRANSACTIONS);
    txn_state_complete(&due, 60, &to);
    assert_int_equal(to.producer_id, 99);
    assert_int_equal(to.previous_id, 7);
    assert_int_equal(to.epoch, 0);
    assert_int_equal(to.next_id, -1);
    txn_state_end(&to, &ask, -1, 70, &c); /* its answer was lost */
    assert_int_equal(c.error, KERR_NONE);
    assert_false(c.write);
}

static void
a_producer_that_comes_again_is_told_by_its_epoch(void **state)
{
    (void)state;
    struct txn_values now = values_of(TXN_COMPLETE_COMMIT, 10);
    struct txn_init_ask ask = {500, -1, -1};
    struct txn_change c;
    txn_state_init(&now, &ask, -1, 50, &c);
    assert_int_equal(c.to.epoch, 11);
    assert_int_equal(c.to.last_epoch, -1);
    assert_int_equal(c.to.timeout_ms, 500);
    assert_int_equal(c.to.status, TXN_EMPTY);
    assert_int_equal(c.to.start_ms, -1);
    ask = (struct txn_init_ask){500, 7, 10}; /* KIP-360: goes on after an error */
    txn_state_init(&now, &ask, -1, 50, &c);
    assert_int_equal(c.to.epoch, 11);
    assert_int_equal(c.to.last_epoch, 10);
    now = c.to; /* its answer was lost: the same again */
    txn_state_init(&now, &ask, -1, 60, &c);
    assert_int_equal(c.error, KERR_NONE);
    assert_int_equal(c.to.epoch, 11);
    ask.epoch = 9;
    txn_state_init(&now, &ask, -1, 60, &c);
    assert_int_equal(c.error, KERR_PRODUCER_FENCED);
    ask = (struct txn_init_ask){500, 8, 11}; /* another producer id */
    txn_state_init(&now, &ask, -1, 60, &c);
    assert_int_equal(c.error, KERR_PRODUCER_FENCED);
    assert_false(c.write);
}

static void
a_producer_without_epochs_left_gets_a_new_id(void **state)
{
    (void)state;
    struct txn_values now = values_of(TXN_EMPTY, TXN_EPOCH_LAST);
    struct txn_init_ask ask = {500, -1, -1};
    struct txn_change c;
    txn_state_init(&now, &ask, -1, 50, &c);
    assert_true(c.needs_id);
    txn_state_init(&now, &ask, 99, 50, &c);
    assert_int_equal(c.to.producer_id, 99);
    assert_int_equal(c.to.previous_id, 7);
    assert_int_equal(c.to.epoch, 0);
    now = c.to;
    ask = (struct txn_init_ask){500, 7, TXN_EPOCH_LAST}; /* who has the old one goes on */
    now.last_epoch = TXN_EPOCH_LAST;
    txn_state_init(&now, &ask, -1, 60, &c);
    assert_int_equal(c.error, KERR_NONE);
    assert_int_equal(c.to.producer_id, 99);
}

static void
a_new_owner_aborts_what_the_old_one_left_open(void **state)
{
    (void)state;
    struct txn_values now = values_of(TXN_ONGOING, 10);
    struct txn_init_ask ask = {500, -1, -1};
    struct txn_change c;
    txn_state_init(&now, &ask, -1, 50, &c);
    assert_int_equal(c.error, KERR_CONCURRENT_TRANSACTIONS);
    assert_true(c.write);
    assert_int_equal(c.to.status, TXN_PREPARE_ABORT);
    assert_int_equal(c.to.epoch, 11);
    assert_int_equal(c.to.version, 2);
    now = c.to;
    txn_state_init(&now, &ask, -1, 60, &c);
    assert_int_equal(c.error, KERR_CONCURRENT_TRANSACTIONS);
    assert_false(c.write);
    now = values_of(TXN_ONGOING, INT16_MAX); /* nothing above it: the same, and a new id */
    txn_state_fence(&now, 99, 70, &c);
    assert_int_equal(c.to.epoch, INT16_MAX);
    assert_int_equal(c.to.next_id, 99);
}

static void
partitions_begin_a_transaction_and_join_it(void **state)
{
    (void)state;
    struct txn_values now = values_of(TXN_COMPLETE_ABORT, 10);
    struct txn_change c;
    txn_state_add(&now, 8, 10, false, 2, 50, &c);
    assert_int_equal(c.error, KERR_INVALID_PRODUCER_ID_MAPPING);
    txn_state_add(&now, 7, 9, false, 2, 50, &c);
    assert_int_equal(c.error, KERR_PRODUCER_FENCED);
    txn_state_add(&now, 7, 10, true, 0, 50, &c);
    assert_int_equal(c.to.status, TXN_ONGOING);
    assert_int_equal(c.to.start_ms, 50);
    assert_int_equal(c.to.version, 0);
    now = c.to;
    txn_state_add(&now, 7, 10, true, 0, 60, &c);
    assert_int_equal(c.error, KERR_NONE);
    assert_false(c.write);
    txn_state_add(&now, 7, 10, false, 0, 60, &c);
    assert_int_equal(c.to.start_ms, 50);
    assert_int_equal(c.to.update_ms, 60);
    now = values_of(TXN_PREPARE_COMMIT, 10);
    txn_state_add(&now, 7, 10, false, 0, 60, &c);
    assert_int_equal(c.error, KERR_CONCURRENT_TRANSACTIONS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_of_version_two_is_judged_as_kafka_judges_it),
        cmocka_unit_test(an_end_of_older_clients_needs_the_very_epoch_and_keeps_it),
        cmocka_unit_test(when_epochs_run_out_a_new_producer_id_takes_over_at_the_end),
        cmocka_unit_test(a_producer_that_comes_again_is_told_by_its_epoch),
        cmocka_unit_test(a_producer_without_epochs_left_gets_a_new_id),
        cmocka_unit_test(a_new_owner_aborts_what_the_old_one_left_open),
        cmocka_unit_test(partitions_begin_a_transaction_and_join_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
