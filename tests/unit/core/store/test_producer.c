#include "core/base/err.h"
#include "core/store/producer.h"
#include "core/wire/kerr.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static void
add(struct producer_table *t, int64_t id, int16_t epoch, int32_t first, int32_t count,
    int64_t offset)
{
    struct producer_batch b = {.sequence_first = first,
                               .sequence_last = producer_sequence_after(first, count - 1),
                               .offset_first = offset,
                               .offset_last = offset + count - 1,
                               .timestamp_ms = offset,
                               .lsn = 5};
    assert_int_equal(producer_add(t, id, epoch, &b), ERR_OK);
}

static int
check(struct producer_table *t, int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    struct producer_batch b;
    return producer_check(t, id, epoch, first, count, &b);
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
        int code = producer_check(&t, 1, 0, i * 10, 10, &b);
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
        assert_int_equal(producer_check(&u, id * 3, (int16_t)(id % 5), next - 2, 2, &b),
                         KERR_DUPLICATE_SEQUENCE_NUMBER);
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
    producer_expire(&t, 250);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
