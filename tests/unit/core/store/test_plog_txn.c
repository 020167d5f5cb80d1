#include "core/base/err.h"
#include "core/store/plog_in.h"
#include "core/wire/batch_control.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

/* Notes ten records of a producer at the end of the log. */
static void
note(struct plog *p, int64_t id, int32_t sequence, bool transactional)
{
    struct batch_info info = {.bytes = 600,
                              .record_count = 10,
                              .last_offset_delta = 9,
                              .producer_id = id,
                              .base_sequence = sequence,
                              .attributes = transactional ? BATCH_TRANSACTIONAL : 0};
    struct plog_when when = {p->end, 5, 5, 1};
    assert_int_equal(plog_note_producer(p, &info, view_of(NULL, 0), &when), ERR_OK);
    p->end += 10;
}

static void
note_marker(struct plog *p, int64_t id, enum batch_control_type type)
{
    uint8_t batch[BATCH_CONTROL_BYTES];
    struct batch_info info;
    struct batch_control c = {.type = type, .producer_id = id};
    batch_control_build(batch, &c, &info);
    struct plog_when when = {p->end, 5, 5, 1};
    assert_int_equal(plog_note_producer(p, &info, view_of(batch, sizeof batch), &when), ERR_OK);
    p->end++;
}

static void
the_last_stable_offset_stops_at_the_oldest_open_transaction(void **state)
{
    (void)state;
    struct plog p;
    assert_true(plog_init(&p));
    note(&p, 1, 0, false);
    note(&p, 2, 0, true);
    note(&p, 3, 0, true);
    plog_durable(&p, p.end);
    assert_int_equal(plog_last_stable(&p), 10);
    note_marker(&p, 2, BATCH_CONTROL_COMMIT);
    assert_int_equal(plog_last_stable(&p), 10); /* not durable yet */
    plog_durable(&p, p.end);
    assert_int_equal(plog_last_stable(&p), 20);
    note_marker(&p, 3, BATCH_CONTROL_ABORT);
    plog_durable(&p, p.end);
    assert_int_equal(plog_last_stable(&p), 32);
    plog_free(&p);
}

static void
it_is_never_below_the_start_of_the_log_nor_above_what_is_durable(void **state)
{
    (void)state;
    struct plog p;
    assert_true(plog_init(&p));
    note(&p, 2, 0, true);
    note(&p, 2, 10, true);
    assert_int_equal(plog_last_stable(&p), 0);
    plog_durable(&p, 20);
    p.start = 10;
    assert_int_equal(plog_last_stable(&p), 10);
    p.start = 20;
    assert_int_equal(plog_last_stable(&p), 20);
    plog_free(&p);
}

static void
only_aborted_transactions_are_told_as_such(void **state)
{
    (void)state;
    struct plog p;
    struct stable_aborted got[4];
    assert_true(plog_init(&p));
    note(&p, 1, 0, true);
    note(&p, 2, 0, true);
    note_marker(&p, 1, BATCH_CONTROL_COMMIT);
    note_marker(&p, 2, BATCH_CONTROL_ABORT);
    note_marker(&p, 3, BATCH_CONTROL_ABORT); /* wrote nothing */
    assert_int_equal(plog_aborted(&p, 0, p.end, got, 4), 1);
    assert_int_equal(got[0].producer_id, 2);
    assert_int_equal(got[0].first, 10);
    assert_int_equal(got[0].last, 21);
    assert_int_equal(got[0].stable, 22);
    assert_int_equal(plog_aborted(&p, 0, 10, got, 4), 0);
    plog_free(&p);
}

static void
a_start_that_moves_takes_the_aborted_transactions_below_it_along(void **state)
{
    (void)state;
    struct plog p;
    struct stable_aborted got[4];
    assert_true(plog_init(&p));
    note(&p, 1, 0, true);
    note_marker(&p, 1, BATCH_CONTROL_ABORT);
    note(&p, 1, 10, true);
    note_marker(&p, 1, BATCH_CONTROL_ABORT);
    plog_durable(&p, p.end);
    plog_start_set(&p, 10);
    assert_int_equal(plog_aborted(&p, 0, p.end, got, 4), 2);
    plog_start_set(&p, 11);
    assert_int_equal(plog_aborted(&p, 0, p.end, got, 4), 1);
    assert_int_equal(got[0].first, 11);
    plog_free(&p);
}

static void
producers_are_told_with_what_they_have_open(void **state)
{
    (void)state;
    struct plog p;
    struct plog_producer got[2] = {0};
    assert_true(plog_init(&p));
    note(&p, 7, 0, true);
    assert_int_equal(plog_producers(&p, got, 2), 1);
    assert_int_equal(got[0].id, 7);
    assert_int_equal(got[0].last_sequence, 9);
    assert_int_equal(got[0].txn_first, 0);
    assert_int_equal(got[0].coordinator_epoch, -1);
    note(&p, 8, 0, false);
    note(&p, 9, 0, false);
    assert_int_equal(plog_producers(&p, got, 2), 3);
    plog_free(&p);
}

static void
open_and_aborted_transactions_are_saved_and_loaded(void **state)
{
    (void)state;
    struct plog p, q;
    struct stable_aborted got[4];
    assert_true(plog_init(&p));
    for (int64_t id = 0; id < 50; id++)
        note(&p, id, 0, true);
    for (int64_t id = 0; id < 50; id += 2)
        note_marker(&p, id, id % 4 ? BATCH_CONTROL_COMMIT : BATCH_CONTROL_ABORT);
    uint64_t bytes = plog_save_bytes(&p);
    uint8_t *mem = malloc(bytes);
    struct put w = put_of(mem, (uint32_t)bytes);
    plog_save(&p, &w);
    assert_false(w.bad);
    struct cur c = cur_of(view_of(mem, (uint32_t)bytes));
    assert_int_equal(plog_load(&q, &c), ERR_OK);
    assert_int_equal(plog_last_stable(&q), 10); /* producer 1 */
    assert_int_equal(stable_open_count(&q.stable), 25);
    assert_int_equal(plog_aborted(&q, 0, q.end, got, 4), 13);
    assert_int_equal(got[1].producer_id, 4);
    for (int64_t id = 1; id < 50; id += 2)
        note_marker(&q, id, BATCH_CONTROL_ABORT);
    plog_durable(&q, q.end);
    assert_int_equal(plog_last_stable(&q), q.end);
    assert_int_equal(plog_aborted(&q, 0, q.end, got, 4), 38);
    free(mem);
    plog_free(&p);
    plog_free(&q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_stable_offset_stops_at_the_oldest_open_transaction),
        cmocka_unit_test(it_is_never_below_the_start_of_the_log_nor_above_what_is_durable),
        cmocka_unit_test(only_aborted_transactions_are_told_as_such),
        cmocka_unit_test(a_start_that_moves_takes_the_aborted_transactions_below_it_along),
        cmocka_unit_test(producers_are_told_with_what_they_have_open),
        cmocka_unit_test(open_and_aborted_transactions_are_saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
