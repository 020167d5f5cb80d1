#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
two_draws_differ_and_fill_the_whole_room(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0}, either[64] = {0};
    for (int i = 0; i < 8; i++) { /* a byte stays 0 eight times with chance 2^-64 */
        os_random(a, sizeof a);
        os_random(b, sizeof b);
        assert_memory_not_equal(a, b, sizeof a);
        for (size_t k = 0; k < sizeof a; k++)
            either[k] |= a[k];
    }
    for (size_t k = 0; k < sizeof either; k++)
        assert_int_not_equal(either[k], 0);
}

static void
nothing_is_written_behind_the_room(void **state)
{
    uint8_t a[8] = {0};
    os_random(a, 4);
    os_random(a, 0);
    assert_memory_equal(a + 4, "\0\0\0\0", 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_draws_differ_and_fill_the_whole_room),
        cmocka_unit_test(nothing_is_written_behind_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
