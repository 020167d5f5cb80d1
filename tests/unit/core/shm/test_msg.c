#include "core/shm/msg.h"

#include "tests/unit/unit.h"

static void
every_kind_has_a_name_and_the_size_of_its_struct(void **state)
{
    assert_string_equal(msg_name(MSG_REQUEST), "REQUEST");
    assert_string_equal(msg_name(MSG_HAVE), "HAVE");
    assert_int_equal(msg_bytes(MSG_REQUEST), sizeof(struct msg_request));
    assert_int_equal(msg_bytes(MSG_HAVE), sizeof(struct msg_row));
    for (uint32_t i = MSG_NONE + 1; i < MSG_KINDS; i++)
        assert_true(msg_bytes(i) > 0);
}

static void
a_kind_outside_the_table_has_no_name(void **state)
{
    assert_string_equal(msg_name(MSG_KINDS), "?");
    assert_string_equal(msg_name(UINT32_MAX), "?");
    assert_int_equal(msg_bytes(MSG_KINDS), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name_and_the_size_of_its_struct),
        cmocka_unit_test(a_kind_outside_the_table_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
