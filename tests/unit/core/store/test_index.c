#include "core/store/plog_in.h"
#include "tests/unit/unit.h"

enum { ENTRIES = 1000 };

static struct index
filled(uint32_t first, uint32_t limit)
{
    struct index x = {0};
    for (uint32_t i = first; i < limit; i++)
        index_add(&x, (struct index_entry){.rel = i * 3, .pos = i * 4100, .max_ts = i / 4});
    return x;
}

static void
lookups_equal_a_search_of_all_entries(void **state)
{
    (void)state;
    struct index x = filled(0, ENTRIES);
    for (uint32_t want = 0; want < ENTRIES * 3 + 10; want++) {
        int64_t rel = -1, time = -1;
        for (uint32_t i = 0; i < ENTRIES; i++) {
            rel = i * 3 <= want ? (int64_t)i : rel;
            time = (int64_t)(i / 4) < (int64_t)want ? (int64_t)i : time;
        }
        assert_int_equal(index_by_rel(&x, want), rel);
        assert_int_equal(index_by_time(&x, want), time);
        assert_int_equal(index_by_pos(&x, want * 1000),
                         want * 1000 / 4100 < ENTRIES ? want * 1000 / 4100 : ENTRIES - 1);
    }
    index_free(&x);
}

static void
an_empty_index_finds_nothing(void **state)
{
    (void)state;
    struct index x = {0};
    assert_int_equal(index_by_rel(&x, 5), -1);
    assert_int_equal(index_by_time(&x, 5), -1);
}

static void
thinning_keeps_the_first_and_the_distance(void **state)
{
    (void)state;
    struct index x = filled(0, ENTRIES);
    index_thin(&x, 64 << 10);
    assert_true(x.count < ENTRIES / 10);
    assert_int_equal(index_get(&x, 0)->pos, 0);
    for (uint32_t i = 1; i < x.count; i++)
        assert_true(index_get(&x, i)->pos - index_get(&x, i - 1)->pos >= 64 << 10);
    index_free(&x);
}

static void
joining_puts_the_front_before_the_rest(void **state)
{
    (void)state;
    struct index front = filled(0, 300), x = filled(300, ENTRIES);
    index_join(&x, &front);
    assert_int_equal(x.count, ENTRIES);
    assert_int_equal(front.count, 0);
    for (uint32_t i = 0; i < ENTRIES; i++)
        assert_int_equal(index_get(&x, i)->rel, i * 3);
    index_free(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_equal_a_search_of_all_entries),
        cmocka_unit_test(an_empty_index_finds_nothing),
        cmocka_unit_test(thinning_keeps_the_first_and_the_distance),
        cmocka_unit_test(joining_puts_the_front_before_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
