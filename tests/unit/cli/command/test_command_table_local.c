#include "cli/command/command.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
what_needs_no_network_has_no_bootstrap(void **state)
{
    const struct command_option *o;
    for (uint32_t i = 0; i < command_local_count; i++)
        for (uint32_t k = 0; (o = command_option(&command_local[i], k)); k++)
            assert_string_not_equal(o->name, "--bootstrap");
}

static void
only_words_of_shells_are_hidden(void **state)
{
    for (uint32_t i = 0; i < command_local_count; i++)
        assert_int_equal(command_local[i].hidden, command_local[i].words[0] == '_');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_no_network_has_no_bootstrap),
        cmocka_unit_test(only_words_of_shells_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
