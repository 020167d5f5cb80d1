#include "drivers/dpdk/nic_regions.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <pthread.h>

static struct nic_regions table;
static uint8_t memory[3][4096];
static uint32_t last;

static int
fresh(void **state)
{
    table = (struct nic_regions){.count = 0};
    last = 0;
    return 0;
}

static bool
have(const uint8_t *at, uint32_t len)
{
    struct view v = view_of(at, len);
    return nic_regions_have(&table, &v, &last);
}

static void
an_empty_table_has_nothing(void **state)
{
    assert_false(have(memory[0], 1));
}

static void
bytes_are_there_from_the_first_to_the_last_of_a_region(void **state)
{
    assert_int_equal(nic_regions_add(&table, memory[1] + 8, 1000), ERR_OK);
    assert_true(have(memory[1] + 8, 1000));
    assert_true(have(memory[1] + 8, 1));
    assert_true(have(memory[1] + 1007, 1));
    assert_false(have(memory[1] + 7, 1));
    assert_false(have(memory[1] + 1008, 1));
    assert_false(have(memory[1] + 7, 4));
    assert_false(have(memory[1] + 1007, 2));
    assert_false(have(memory[1] + 8, UINT32_MAX));
}

static void
each_region_is_found_whatever_was_found_before(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(nic_regions_add(&table, memory[i], sizeof memory[i]), ERR_OK);
    for (uint32_t n = 0; n < 9; n++) {
        uint32_t i = n * 2 % 3;
        assert_true(have(memory[i] + n, 64));
        assert_int_equal(last, i);
    }
    assert_false(have((const uint8_t *)&table, 64));
    last = 77; /* of a table that had more */
    assert_true(have(memory[2], 64));
}

/* Nothing proves that two regions are mapped side by side. */
static void
bytes_of_two_regions_are_in_none(void **state)
{
    assert_int_equal(nic_regions_add(&table, memory[0], 2048), ERR_OK);
    assert_int_equal(nic_regions_add(&table, memory[0] + 2048, 2048), ERR_OK);
    assert_false(have(memory[0] + 2000, 100));
}

static void
a_full_table_and_impossible_regions_are_refused(void **state)
{
    assert_int_equal(nic_regions_add(&table, memory[0], 0), ERR_INVALID);
    assert_int_equal(nic_regions_add(&table, memory[0], UINT64_MAX), ERR_INVALID);
    for (int i = 0; i < NIC_REGIONS_MAX; i++)
        assert_int_equal(nic_regions_add(&table, memory[0] + i, 1), ERR_OK);
    assert_int_equal(nic_regions_add(&table, memory[1], 1), ERR_LIMIT);
    assert_true(have(memory[0] + NIC_REGIONS_MAX - 1, 1));
}

static void *
looks(void *arg)
{
    uint32_t mine = 0, found = 0;
    struct view v = view_of(memory[0] + NIC_REGIONS_MAX - 1, 1);
    while (!nic_regions_have(&table, &v, &mine))
        found++;
    must(mine == NIC_REGIONS_MAX - 1);
    return NULL;
}

static void
another_thread_sees_whole_rows_as_they_come(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, looks, NULL), 0);
    for (int i = 0; i < NIC_REGIONS_MAX; i++)
        assert_int_equal(nic_regions_add(&table, memory[0] + i, 1), ERR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_table_has_nothing, fresh),
        cmocka_unit_test_setup(bytes_are_there_from_the_first_to_the_last_of_a_region, fresh),
        cmocka_unit_test_setup(each_region_is_found_whatever_was_found_before, fresh),
        cmocka_unit_test_setup(bytes_of_two_regions_are_in_none, fresh),
        cmocka_unit_test_setup(a_full_table_and_impossible_regions_are_refused, fresh),
        cmocka_unit_test_setup(another_thread_sees_whole_rows_as_they_come, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
