#include "core/conf/conf.h"

#include "tests/unit/unit.h"

static void
the_distance_counts_edits(void **state)
{
    assert_int_equal(conf_near_distance("", ""), 0);
    assert_int_equal(conf_near_distance("", "abc"), 3);
    assert_int_equal(conf_near_distance("abc", ""), 3);
    assert_int_equal(conf_near_distance("kitten", "sitting"), 3);
    assert_int_equal(conf_near_distance("ab", "ba"), 1);
    assert_int_equal(conf_near_distance("listners", "listeners"), 1);
}

static void
only_the_first_bytes_of_a_long_text_count(void **state)
{
    char a[4 * CONF_NEAR_BYTES_MAX] = {0};
    for (size_t i = 0; i + 1 < sizeof a; i++)
        a[i] = 'a';
    assert_int_equal(conf_near_distance(a, ""), CONF_NEAR_BYTES_MAX);
    assert_int_equal(conf_near_distance("", a), CONF_NEAR_BYTES_MAX);
}

static void
the_nearest_key_is_the_one_that_was_meant(void **state)
{
    assert_int_equal(conf_near_key("num.partition"), CONF_NUM_PARTITIONS);
    assert_int_equal(conf_near_key("lisetners"), CONF_LISTENERS);
    assert_int_equal(conf_near_key("log.segment.byte"), CONF_SEGMENT_BYTES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_distance_counts_edits),
        cmocka_unit_test(only_the_first_bytes_of_a_long_text_count),
        cmocka_unit_test(the_nearest_key_is_the_one_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
