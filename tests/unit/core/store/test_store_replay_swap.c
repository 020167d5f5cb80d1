#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/clean_store.h"

static uint32_t
record(uint8_t *out, uint64_t log, int64_t first, int64_t limit)
{
    struct put w = put_of(out, STORE_SWAP_BYTES);
    put_u64(&w, log);
    put_u64(&w, (uint64_t)first);
    put_u64(&w, (uint64_t)limit);
    for (int i = 0; i < 2; i++)
        put_u64(&w, 0);
    put_u32(&w, 100);
    put_u64(&w, 7);
    put_u64(&w, 5);
    assert_false(w.bad);
    return put_len(&w);
}

static void
records_before_a_swap_are_doomed_and_those_behind_it_are_not(void **state)
{
    (void)state;
    struct replay_swap seen[] = {
        {0, 100, 1, 0, 50, 0}, {0, 200, 2, 30, 60, 0}, {0, 300, 3, 0, 9, 0}};
    struct replay_swap other[] = {{1, 50, 1, 0, 10, 0}};
    struct replay r = {0};
    struct replay dry = {.swaps = seen, .swap_count = 3, .dry = true};
    struct replay_log *cut = calloc(1, sizeof *cut);
    plog_init(&cut->log);
    cut->log.id = 3;
    cut->cut_lsn = 250;
    assert_int_equal(store_replay_take(&dry, cut), ERR_OK);
    assert_int_equal(store_replay_swaps_take(&r, &dry), ERR_OK);
    dry.swaps = other;
    dry.swap_count = 1;
    assert_int_equal(store_replay_swaps_take(&r, &dry), ERR_OK);
    dry.swaps = NULL;
    store_replay_free(&dry);
    assert_true(store_replay_doomed(&r, 1, 0, 10));
    assert_true(store_replay_doomed(&r, 1, 49, 20));
    assert_false(store_replay_doomed(&r, 1, 50, 30));
    assert_true(store_replay_doomed(&r, 2, 30, 40));
    assert_false(store_replay_doomed(&r, 1, 0, 101));
    assert_true(store_replay_doomed(&r, 2, 30, 199));
    assert_false(store_replay_doomed(&r, 2, 30, 201));
    assert_false(store_replay_doomed(&r, 3, 0, 202)); /* behind the cut */
    store_replay_core(&r, 1);
    assert_true(store_replay_doomed(&r, 1, 5, 10));
    assert_false(store_replay_doomed(&r, 2, 5, 11));
    assert_false(store_replay_doomed(&r, 1, 5, 51));
    store_replay_free(&r);
}

static void
a_record_of_another_form_is_damage(void **state)
{
    (void)state;
    struct replay r = {0};
    uint8_t bytes[STORE_SWAP_BYTES];
    uint32_t n = record(bytes, 1, 0, 50);
    assert_int_equal(store_replay_swap(&r, 1, view_of(bytes, n - 1)), ERR_CORRUPT);
    n = record(bytes, 1, 50, 50);
    assert_int_equal(store_replay_swap(&r, 1, view_of(bytes, n)), ERR_CORRUPT);
    store_replay_free(&r);
}

static void
a_swap_of_a_log_that_is_gone_does_nothing(void **state)
{
    (void)state;
    struct replay r = {0};
    uint8_t bytes[STORE_SWAP_BYTES];
    uint32_t n = record(bytes, 1, 0, 50);
    assert_int_equal(store_replay_swap(&r, 1, view_of(bytes, n)), ERR_OK);
    assert_int_equal(r.swap_count, 0);
    store_replay_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_before_a_swap_are_doomed_and_those_behind_it_are_not),
        cmocka_unit_test(a_record_of_another_form_is_damage),
        cmocka_unit_test(a_swap_of_a_log_that_is_gone_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
