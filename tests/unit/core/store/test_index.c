#include "core/base/buddy.h"
#include "core/store/plog_in.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

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

static void
a_full_index_gets_sparser_from_its_front_on(void **state)
{
    (void)state;
    enum { MANY = 300000, STEP = 4100 };
    struct index x = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        index_add(&x, (struct index_entry){.rel = i, .pos = i * STEP, .max_ts = i});
        assert_int_equal(index_get(&x, x.count - 1)->rel, i); /* the last one is always there */
    }
    assert_true(x.count > 10000 && x.count <= 40950);
    assert_int_equal(index_get(&x, 0)->rel, 0);
    uint32_t wide = 0;
    for (uint32_t i = 1; i < x.count; i++) {
        uint32_t gap = index_get(&x, i)->pos - index_get(&x, i - 1)->pos;
        assert_true(gap >= STEP && gap <= 2 * x.step + STEP);
        wide = gap > STEP ? i : wide;
    }
    assert_true(wide < x.count - x.count / 8); /* where it is appended to, it is not sparse */
    for (uint32_t want = 0; want < MANY; want += 997) {
        int64_t i = index_by_rel(&x, want);
        assert_true(i >= 0 && index_get(&x, (uint32_t)i)->rel <= want);
        assert_true(i + 1 == x.count || index_get(&x, (uint32_t)i + 1)->rel > want);
    }
    index_free(&x);
}

static void
without_memory_it_keeps_what_it_can(void **state)
{
    (void)state;
    enum { ARENA = 4096 };
    void *books = calloc(1, buddy_footprint(ARENA)), *arena = aligned_alloc(4096, ARENA);
    assert_true(books && arena);
    struct index x = {.memory = buddy_init(books, arena, ARENA, ARENA)};
    for (uint32_t i = 0; i < ENTRIES; i++)
        index_add(&x, (struct index_entry){.rel = i * 3, .pos = i * 4100, .max_ts = i / 4});
    assert_true(x.count >= 30 && x.count * sizeof(struct index_entry) <= ARENA);
    assert_int_equal(index_get(&x, 0)->rel, 0);
    assert_int_equal(index_get(&x, x.count - 1)->rel, (ENTRIES - 1) * 3);
    index_free(&x);
    assert_int_equal(buddy_used(x.memory), 0);
    free(books);
    free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_equal_a_search_of_all_entries),
        cmocka_unit_test(an_empty_index_finds_nothing),
        cmocka_unit_test(thinning_keeps_the_first_and_the_distance),
        cmocka_unit_test(joining_puts_the_front_before_the_rest),
        cmocka_unit_test(a_full_index_gets_sparser_from_its_front_on),
        cmocka_unit_test(without_memory_it_keeps_what_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
