#include "cli/command/command.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct command_option *
find(const struct command *c, const char *name)
{
    const struct command_option *o;
    for (uint32_t i = 0; (o = command_option(c, i)); i++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static void
each_row_says_how_to_print(void **state)
{
    static const char *const names[] = {"--format"};
    for (uint32_t i = 0; i < command_net_count; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (!find(&command_net[i], names[k]))
                fail_msg("'%s' has no %s", command_net[i].words, names[k]);
}

static void
each_row_says_which_broker(void **state)
{
    for (uint32_t i = 0; i < command_net_count; i++)
        assert_true(!find(&command_net[i], "--metrics") == !!find(&command_net[i], "--data"));
}

static void
each_row_has_an_example(void **state)
{
    for (uint32_t i = 0; i < command_net_count; i++)
        assert_non_null(command_net[i].examples);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_says_how_to_print),
        cmocka_unit_test(each_row_says_which_broker),
        cmocka_unit_test(each_row_has_an_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
