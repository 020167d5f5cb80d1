#include "core/base/javahash.h"
#include "tests/unit/unit.h"

static void
partitions_are_those_of_javas_hash(void **state)
{
    /* "hello".hashCode() is 99162322; "polygenelubricants" hashes to Integer.MIN_VALUE. */
    assert_int_equal(javahash_partition(view_of_text("hello"), 50), 99162322 % 50);
    assert_int_equal(javahash_partition(view_of_text("polygenelubricants"), 50), 0);
    assert_int_equal(javahash_partition(view_of_text(""), 50), 0);
    /* "my-group".hashCode() is -1906497762: its absolute value counts. */
    assert_int_equal(javahash_partition(view_of_text("my-group"), 50), 1906497762 % 50);
}

static void
names_hash_by_their_utf_16_units(void **state)
{
    assert_int_equal(javahash_partition(view_of_text("\xc3\xa9"), 1 << 30), 0xe9);
    assert_int_equal(javahash_partition(view_of_text("\xe2\x82\xac"), 1 << 30), 0x20ac);
    assert_int_equal(javahash_partition(view_of_text("\xf0\x9f\x98\x80"), 1 << 30),
                     0xd83d * 31 + 0xde00);
}

static void
bytes_that_are_no_text_count_one_by_one(void **state)
{
    assert_int_equal(javahash_partition(view_of_text("\xff"), 1 << 30), 0xfffd);
    assert_int_equal(javahash_partition(view_of_text("\xe2\x82"), 1 << 30), 0xfffd * 31 + 0xfffd);
    assert_int_equal(javahash_partition(view_of_text("\xc3"
                                                     "a"),
                                        1 << 30),
                     0xfffd * 31 + 'a');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_are_those_of_javas_hash),
        cmocka_unit_test(names_hash_by_their_utf_16_units),
        cmocka_unit_test(bytes_that_are_no_text_count_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
