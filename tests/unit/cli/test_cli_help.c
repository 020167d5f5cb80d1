#include "cli/cli.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
help_names_every_command(void **state)
{
    static const char *const words[] = {"sluice run", "sluice config", "sluice stat",
                                        "sluice version", "sluice help"};
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    cli_help(out);
    fclose(out);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_non_null(strstr(text, words[i]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
