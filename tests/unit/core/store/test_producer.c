#include "core/base/err.h"
#include "core/store/producer.h"
#include "core/wire/kerr.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static struct producer_ask
ask_of(int64_t id, int16_t epoch, int32_t first, int32_t count, bool transactional)
{
    return (struct producer_ask){.id = id,
                                 .epoch = epoch,
                                 .transactional = transactional,
                                 .sequence_first = first,
                                 .record_count = count};
}

static bool
add_batch(struct producer_table *t, const struct producer_ask *ask, int64_t offset)
{
    struct producer_batch b = {.sequence_first = ask->sequence_first,
                               .sequence_last = producer_sequence_last(ask),
                               .offset_first = offset,
                               .offset_last = offset + ask->record_count - 1,
                               .timestamp_ms = offset,
                               .lsn = 5};
    assert_int_equal(producer_reserve(t, ask->id), ERR_OK);
    return producer_add(t, ask, &b, offset);
}

static void
add(struct producer_table *t, int64_t id, int16_t epoch, int32_t first, int32_t count,
    int64_t offset)
{
    struct producer_ask ask = ask_of(id, epoch, first, count, false);
    assert_false(add_batch(t, &ask, offset));
}

static int
check(struct producer_table *t, int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    struct producer_batch b;
    struct producer_ask ask = ask_of(id, epoch, first, count, false);
    return producer_check(t, &ask, &b);
}

/* A transactional batch of one record: checked, and appended when it may be. */
static int
write_txn(struct producer_table *t, int64_t id, int16_t epoch, int32_t sequence, int64_t offset)
{
    struct producer_batch b;
    struct producer_ask ask = ask_of(id, epoch, sequence, 1, true);
    int code = producer_check(t, &ask, &b);
    if (code == KERR_NONE)
        add_batch(t, &ask, offset);
    return code;
}

static void
verify(struct producer_table *t, int64_t id, int16_t epoch, int32_t sequence, bool bumps)
{
    uint64_t guard;
    struct producer_ask ask = ask_of(id, epoch, sequence, 1, true);
    assert_int_equal(producer_verify(t, &ask, bumps, 7, &guard), ERR_OK);
    assert_true(guard != 0);
    assert_true(producer_verified(t, id, guard));
}

/* A marker: checked, and appended when it may be; *first of what it ended. */
static int
end_txn(struct producer_table *t, struct producer_marker m, int64_t *first)
{
    int code = producer_check_marker(t, &m);
    if (code != KERR_NONE)
        return code;
    assert_int_equal(producer_reserve(t, m.id), ERR_OK);
    *first = producer_end(t, &m, 99, 99);
    return code;
}

static void
a_new_producer_may_begin_anywhere(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    assert_int_equal(check(&t, 1, 0, 77, 3), KERR_NONE);
    producer_table_free(&t);
}

static void
the_next_sequence_is_accepted_and_a_gap_is_not(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    add(&t, 1, 0, 0, 10, 100);
    assert_int_equal(check(&t, 1, 0, 10, 1), KERR_NONE);
    assert_int_equal(check(&t, 1, 0, 11, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(check(&t, 1, 0, 5, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producer_table_free(&t);
}

static void
each_of_the_last_five_batches_is_known_as_a_duplicate(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    for (int32_t i = 0; i < 8; i++)
        add(&t, 1, 0, i * 10, 10, 1000 + i * 10);
    for (int32_t i = 0; i < 8; i++) {
        struct producer_batch b;
        struct producer_ask ask = ask_of(1, 0, i * 10, 10, false);
        int code = producer_check(&t, &ask, &b);
        assert_int_equal(code, i < 3 ? KERR_OUT_OF_ORDER_SEQUENCE_NUMBER
                                     : KERR_DUPLICATE_SEQUENCE_NUMBER);
        if (i >= 3)
            assert_int_equal(b.offset_first, 1000 + i * 10);
    }
    producer_table_free(&t);
}

static void
sequences_wrap_to_zero_behind_the_largest(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    add(&t, 1, 0, INT32_MAX - 1, 2, 0);
    assert_int_equal(check(&t, 1, 0, 0, 1), KERR_NONE);
    assert_int_equal(producer_sequence_after(INT32_MAX, 1), 0);
    assert_int_equal(producer_sequence_after(INT32_MAX - 1, 5), 3);
    add(&t, 1, 0, 0, 5, 2);
    assert_int_equal(check(&t, 1, 0, INT32_MAX - 1, 2), KERR_DUPLICATE_SEQUENCE_NUMBER);
    producer_table_free(&t);
}

static void
an_older_epoch_is_fenced_and_a_newer_begins_at_zero(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    add(&t, 1, 4, 0, 3, 0);
    assert_int_equal(check(&t, 1, 3, 3, 1), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(check(&t, 1, 5, 3, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(check(&t, 1, 5, 0, 1), KERR_NONE);
    add(&t, 1, 5, 0, 1, 3);
    assert_int_equal(check(&t, 1, 5, 1, 1), KERR_NONE);
    assert_int_equal(check(&t, 1, 4, 3, 1), KERR_INVALID_PRODUCER_EPOCH);
    producer_table_free(&t);
}

static void
a_snapshot_brings_everything_back(void **state)
{
    (void)state;
    struct producer_table t, u;
    producer_table_init(&t);
    producer_table_init(&u);
    for (int64_t id = 0; id < 1000; id++)
        for (int32_t i = 0; i < (int32_t)(id % 7) + 1; i++)
            add(&t, id * 3, (int16_t)(id % 5), i * 2, 2, id + i);
    uint32_t bytes = producer_save_bytes(&t);
    uint8_t *mem = malloc(bytes);
    struct put w = put_of(mem, bytes);
    producer_save(&t, &w);
    assert_false(w.bad);
    assert_int_equal(put_len(&w), bytes);
    struct cur c = cur_of(view_of(mem, bytes));
    assert_int_equal(producer_load(&u, &c), ERR_OK);
    assert_int_equal(cur_left(&c), 0);
    assert_int_equal(u.count, 1000);
    for (int64_t id = 0; id < 1000; id++) {
        int32_t next = ((int32_t)(id % 7) + 1) * 2;
        struct producer_batch b;
        assert_int_equal(check(&u, id * 3, (int16_t)(id % 5), next, 1), KERR_NONE);
        struct producer_ask ask = ask_of(id * 3, (int16_t)(id % 5), next - 2, 2, false);
        assert_int_equal(producer_check(&u, &ask, &b), KERR_DUPLICATE_SEQUENCE_NUMBER);
        assert_int_equal(b.lsn, 0);
    }
    for (uint32_t i = 0; i < bytes; i += 97) {
        mem[i] ^= 4;
        c = cur_of(view_of(mem, bytes));
        assert_int_equal(producer_load(&u, &c), ERR_CORRUPT);
        assert_int_equal(u.count, 0);
        mem[i] ^= 4;
    }
    free(mem);
    producer_table_free(&t);
    producer_table_free(&u);
}

static void
expiry_forgets_the_silent_and_only_them(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    for (int64_t id = 0; id < 500; id++)
        add(&t, id, 0, 0, 1, id);
    producer_expire(&t, 300, 51);
    assert_int_equal(t.count, 250);
    for (int64_t id = 0; id < 500; id++)
        assert_int_equal(check(&t, id, 0, 7, 1),
                         id < 250 ? KERR_NONE : KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producer_table_free(&t);
}

static void
a_full_table_drops_the_one_unused_longest(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    for (int64_t id = 0; id <= PRODUCER_MAX; id++)
        add(&t, id, 0, 0, 1, id == 3 ? -1 : id);
    assert_int_equal(t.count, PRODUCER_MAX);
    assert_int_equal(check(&t, 3, 0, 9, 1), KERR_NONE);
    assert_int_equal(check(&t, 4, 0, 9, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producer_table_free(&t);
}

static void
a_transaction_begins_only_when_it_was_verified(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    assert_int_equal(write_txn(&t, 1, 0, 0, 100), KERR_INVALID_TXN_STATE);
    verify(&t, 1, 0, 0, false);
    assert_int_equal(write_txn(&t, 1, 0, 0, 100), KERR_NONE);
    assert_int_equal(producer_find(&t, 1)->txn_first, 100);
    assert_int_equal(write_txn(&t, 1, 0, 1, 101), KERR_NONE); /* open: not asked again */
    assert_int_equal(producer_find(&t, 1)->txn_first, 100);
    uint64_t guard;
    struct producer_ask ask = ask_of(1, 0, 2, 1, true);
    assert_int_equal(producer_verify(&t, &ask, false, 7, &guard), ERR_OK);
    assert_int_equal(guard, 0);
    producer_table_free(&t);
}

static void
an_answer_that_comes_behind_a_marker_is_not_taken(void **state)
{
    (void)state;
    struct producer_table t;
    int64_t first;
    producer_table_init(&t);
    uint64_t guard, second;
    struct producer_ask ask = ask_of(1, 0, 0, 1, true);
    assert_int_equal(producer_verify(&t, &ask, false, 7, &guard), ERR_OK);
    assert_int_equal(end_txn(&t, (struct producer_marker){.id = 1}, &first), KERR_NONE);
    assert_int_equal(first, -1);
    assert_false(producer_verified(&t, 1, guard));
    assert_int_equal(producer_verify(&t, &ask, false, 7, &second), ERR_OK);
    assert_true(second != guard);
    assert_false(producer_verified(&t, 1, guard));
    assert_int_equal(write_txn(&t, 1, 0, 0, 9), KERR_INVALID_TXN_STATE);
    assert_true(producer_verified(&t, 1, second));
    assert_int_equal(write_txn(&t, 1, 0, 0, 9), KERR_NONE);
    producer_table_free(&t);
}

static void
the_lowest_sequence_that_asked_has_to_come_first(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    verify(&t, 1, 0, 5, false);
    verify(&t, 1, 0, 3, false);
    verify(&t, 1, 0, 4, false);
    assert_int_equal(write_txn(&t, 1, 0, 5, 0), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(write_txn(&t, 1, 0, 3, 0), KERR_NONE);
    assert_int_equal(write_txn(&t, 1, 0, 4, 1), KERR_NONE);
    verify(&t, 2, 0, 3, true); /* who bumps its epoch begins at 0 where it is not known */
    assert_int_equal(write_txn(&t, 2, 0, 3, 2), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    verify(&t, 2, 1, 0, true);
    assert_int_equal(write_txn(&t, 2, 1, 0, 2), KERR_NONE);
    producer_table_free(&t);
}

static void
within_a_transaction_every_batch_is_transactional(void **state)
{
    (void)state;
    struct producer_table t;
    int64_t first;
    producer_table_init(&t);
    verify(&t, 1, 0, 0, false);
    assert_int_equal(write_txn(&t, 1, 0, 0, 0), KERR_NONE);
    assert_int_equal(check(&t, 1, 0, 1, 1), KERR_INVALID_TXN_STATE);
    assert_int_equal(end_txn(&t, (struct producer_marker){.id = 1}, &first), KERR_NONE);
    assert_int_equal(first, 0);
    assert_int_equal(check(&t, 1, 0, 1, 1), KERR_NONE);
    producer_table_free(&t);
}

static void
a_marker_of_an_old_epoch_or_coordinator_is_fenced(void **state)
{
    (void)state;
    struct producer_table t;
    int64_t first;
    producer_table_init(&t);
    verify(&t, 1, 5, 0, false);
    assert_int_equal(write_txn(&t, 1, 5, 0, 40), KERR_NONE);
    struct producer_marker m = {.id = 1, .epoch = 4, .coordinator_epoch = 3};
    assert_int_equal(end_txn(&t, m, &first), KERR_INVALID_PRODUCER_EPOCH);
    m.epoch = 5;
    assert_int_equal(end_txn(&t, m, &first), KERR_NONE);
    assert_int_equal(first, 40);
    m.coordinator_epoch = 2;
    assert_int_equal(end_txn(&t, m, &first), KERR_TRANSACTION_COORDINATOR_FENCED);
    m.coordinator_epoch = 3; /* the same once more does no harm */
    assert_int_equal(end_txn(&t, m, &first), KERR_NONE);
    assert_int_equal(first, -1);
    assert_int_equal(producer_find(&t, 1)->coordinator_epoch, 3);
    assert_int_equal(producer_last_sequence(producer_find(&t, 1)), 0);
    producer_table_free(&t);
}

static void
of_version_two_a_marker_has_a_higher_epoch_than_its_data(void **state)
{
    (void)state;
    struct producer_table t;
    int64_t first;
    producer_table_init(&t);
    verify(&t, 1, 5, 0, true);
    assert_int_equal(write_txn(&t, 1, 5, 0, 40), KERR_NONE);
    struct producer_marker m = {.id = 1, .epoch = 5, .version = 2};
    assert_int_equal(end_txn(&t, m, &first), KERR_INVALID_PRODUCER_EPOCH); /* of the one before */
    m.epoch = 6;
    assert_int_equal(end_txn(&t, m, &first), KERR_NONE);
    assert_int_equal(first, 40);
    assert_int_equal(end_txn(&t, m, &first), KERR_NONE); /* a repetition, nothing is open */
    assert_int_equal(first, -1);
    m.epoch = 5;
    assert_int_equal(end_txn(&t, m, &first), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(check(&t, 1, 5, 1, 1), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(check(&t, 1, 6, 1, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(check(&t, 1, 6, 0, 1), KERR_NONE);
    verify(&t, 2, INT16_MAX, 0, true); /* no higher one there */
    assert_int_equal(write_txn(&t, 2, INT16_MAX, 0, 50), KERR_NONE);
    m = (struct producer_marker){.id = 2, .epoch = INT16_MAX, .version = 2};
    assert_int_equal(end_txn(&t, m, &first), KERR_NONE);
    assert_int_equal(first, 50);
    producer_table_free(&t);
}

static void
a_coordinators_own_batches_have_no_sequence(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    verify(&t, 1, 0, -1, false);
    assert_int_equal(write_txn(&t, 1, 0, -1, 0), KERR_NONE);
    assert_int_equal(write_txn(&t, 1, 0, -1, 1), KERR_NONE);
    assert_int_equal(producer_last_sequence(producer_find(&t, 1)), -1);
    producer_table_free(&t);
}

static void
an_open_transaction_outlives_expiry_and_a_full_table(void **state)
{
    (void)state;
    struct producer_table t;
    int64_t first;
    producer_table_init(&t);
    verify(&t, 1, 0, 0, false);
    assert_int_equal(write_txn(&t, 1, 0, 0, 0), KERR_NONE);
    producer_expire(&t, 1000000, 10);
    assert_int_equal(t.count, 1);
    for (int64_t id = 2; id <= PRODUCER_MAX + 5; id++)
        add(&t, id, 0, 0, 1, id);
    assert_int_equal(producer_find(&t, 1)->txn_first, 0);
    assert_int_equal(end_txn(&t, (struct producer_marker){.id = 1}, &first), KERR_NONE);
    producer_expire(&t, 1000000, 10);
    assert_int_equal(t.count, 0);
    producer_table_free(&t);
}

static void
a_table_full_of_open_transactions_takes_no_other_producer(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    for (int64_t id = 0; id < PRODUCER_MAX; id++) {
        verify(&t, id, 0, 0, false);
        assert_int_equal(write_txn(&t, id, 0, 0, id), KERR_NONE);
    }
    assert_int_equal(producer_reserve(&t, PRODUCER_MAX), ERR_LIMIT);
    uint64_t guard;
    struct producer_ask ask = ask_of(PRODUCER_MAX, 0, 0, 1, true);
    assert_int_equal(producer_verify(&t, &ask, false, 7, &guard), ERR_LIMIT);
    assert_int_equal(producer_reserve(&t, 7), ERR_OK);
    producer_table_free(&t);
}

static void
a_question_alone_is_not_a_producer_and_is_forgotten(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    verify(&t, 1, 0, 0, false);
    uint32_t at = 0;
    assert_null(producer_next(&t, &at));
    assert_int_equal(producer_save_bytes(&t), 8);
    assert_int_equal(check(&t, 1, 0, 0, 1), KERR_NONE);
    producer_expire(&t, 16, 10);
    assert_int_equal(t.count, 1);
    producer_expire(&t, 17, 10);
    assert_int_equal(t.count, 0);
    producer_table_free(&t);
}

static void
what_a_log_told_counts_as_used_from_the_first_look_on(void **state)
{
    (void)state;
    struct producer_table t;
    producer_table_init(&t);
    struct producer_ask ask = ask_of(1, 0, 0, 1, false);
    struct producer_batch b = {.timestamp_ms = 3};
    assert_int_equal(producer_reserve(&t, 1), ERR_OK);
    producer_add(&t, &ask, &b, INT64_MIN);
    producer_expire(&t, 1000000, 10);
    assert_int_equal(t.count, 1);
    producer_expire(&t, 1000009, 10);
    assert_int_equal(t.count, 1);
    producer_expire(&t, 1000010, 10);
    assert_int_equal(t.count, 0);
    producer_table_free(&t);
}

static void
a_snapshot_keeps_transactions(void **state)
{
    (void)state;
    struct producer_table t, u;
    int64_t first;
    producer_table_init(&t);
    producer_table_init(&u);
    verify(&t, 1, 2, 0, false);
    assert_int_equal(write_txn(&t, 1, 2, 0, 77), KERR_NONE);
    struct producer_marker m = {.id = 2, .epoch = 9, .coordinator_epoch = 12};
    assert_int_equal(end_txn(&t, m, &first), KERR_NONE);
    uint8_t mem[512];
    struct put w = put_of(mem, sizeof mem);
    producer_save(&t, &w);
    struct cur c = cur_of(view_of(mem, producer_save_bytes(&t)));
    assert_int_equal(producer_load(&u, &c), ERR_OK);
    assert_int_equal(producer_find(&u, 1)->txn_first, 77);
    assert_int_equal(producer_find(&u, 1)->last_ms, 77);
    assert_int_equal(producer_find(&u, 2)->coordinator_epoch, 12);
    assert_int_equal(producer_find(&u, 2)->epoch, 9);
    assert_int_equal(producer_find(&u, 2)->last_ms, 99);
    assert_int_equal(write_txn(&u, 1, 2, 1, 78), KERR_NONE);
    producer_table_free(&t);
    producer_table_free(&u);
}

static void
a_part_of_a_table_is_saved_and_adopted_by_who_does_not_know_better(void **state)
{
    (void)state;
    struct producer_table all, part, other;
    producer_table_init(&all);
    producer_table_init(&part);
    producer_table_init(&other);
    for (int64_t id = 1; id <= 3; id++) {
        struct producer_ask ask = {.id = id, .transactional = true, .record_count = 1};
        struct producer_batch b = {.offset_first = id * 10, .offset_last = id * 10};
        assert_int_equal(producer_reserve(&all, id), ERR_OK);
        producer_add(&all, &ask, &b, 1);
    }
    uint8_t bytes[1024];
    uint32_t want;
    struct put w = put_of(bytes, sizeof bytes);
    assert_int_equal(producer_count_before(&all, 30, &want), 2);
    producer_save_before(&all, 30, &w);
    assert_int_equal(put_len(&w), want);
    struct cur c = cur_of(view_of(bytes, put_len(&w)));
    assert_int_equal(producer_load(&part, &c), ERR_OK);
    assert_null(producer_find(&part, 3));
    struct producer_ask ask = {.id = 2, .sequence_first = 7, .record_count = 1};
    struct producer_batch b = {.sequence_first = 7, .sequence_last = 7};
    assert_int_equal(producer_reserve(&other, 2), ERR_OK);
    producer_add(&other, &ask, &b, 1);
    assert_int_equal(producer_adopt(&other, &part), ERR_OK);
    assert_int_equal(other.count, 2);
    assert_int_equal(producer_last_sequence(producer_find(&other, 2)), 7);
    assert_int_equal(producer_find(&other, 1)->batches[0].offset_last, 10);
    assert_int_equal(producer_find(&other, 1)->txn_first, -1);
    producer_table_free(&all);
    producer_table_free(&part);
    producer_table_free(&other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_producer_may_begin_anywhere),
        cmocka_unit_test(the_next_sequence_is_accepted_and_a_gap_is_not),
        cmocka_unit_test(each_of_the_last_five_batches_is_known_as_a_duplicate),
        cmocka_unit_test(sequences_wrap_to_zero_behind_the_largest),
        cmocka_unit_test(an_older_epoch_is_fenced_and_a_newer_begins_at_zero),
        cmocka_unit_test(a_snapshot_brings_everything_back),
        cmocka_unit_test(expiry_forgets_the_silent_and_only_them),
        cmocka_unit_test(a_full_table_drops_the_one_unused_longest),
        cmocka_unit_test(a_transaction_begins_only_when_it_was_verified),
        cmocka_unit_test(an_answer_that_comes_behind_a_marker_is_not_taken),
        cmocka_unit_test(the_lowest_sequence_that_asked_has_to_come_first),
        cmocka_unit_test(within_a_transaction_every_batch_is_transactional),
        cmocka_unit_test(a_marker_of_an_old_epoch_or_coordinator_is_fenced),
        cmocka_unit_test(of_version_two_a_marker_has_a_higher_epoch_than_its_data),
        cmocka_unit_test(a_coordinators_own_batches_have_no_sequence),
        cmocka_unit_test(an_open_transaction_outlives_expiry_and_a_full_table),
        cmocka_unit_test(a_table_full_of_open_transactions_takes_no_other_producer),
        cmocka_unit_test(a_question_alone_is_not_a_producer_and_is_forgotten),
        cmocka_unit_test(what_a_log_told_counts_as_used_from_the_first_look_on),
        cmocka_unit_test(a_snapshot_keeps_transactions),
        cmocka_unit_test(a_part_of_a_table_is_saved_and_adopted_by_who_does_not_know_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
