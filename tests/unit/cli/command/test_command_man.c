#include "cli/command/command.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static char text[64 << 10];

static int
man(const char *group)
{
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    int err = command_man(group, out);
    fclose(out);
    return err;
}

static void
a_page_begins_with_its_name(void **state)
{
    assert_int_equal(man("log"), ERR_OK);
    assert_memory_equal(text, ".TH SLUICE-LOG 1 ", 17);
    assert_non_null(strstr(text, ".SH NAME\nsluice\\-log \\- "));
    assert_non_null(strstr(text, ".SS sluice log dump"));
}

static void
dashes_of_options_can_be_copied(void **state)
{
    assert_int_equal(man("run"), ERR_OK);
    assert_non_null(strstr(text, "\\fB\\-\\-data\\fR \\fIDIR\\fR"));
    assert_null(strstr(text, "--data"));
}

static void
no_text_is_taken_for_a_macro(void **state)
{
    static const char *const macros[] = {".TH", ".SH", ".SS", ".TP", ".PP",
                                         ".EX", ".EE", ".br", ".B "};
    const struct command *c;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        char group[64];
        int n;
        command_group(c, &n);
        snprintf(group, sizeof group, "%.*s", n, c->words);
        if (!c->hidden)
            assert_int_equal(man(group), ERR_OK);
        for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
            bool known = *at != '.' && *at != '\'';
            for (size_t m = 0; m < sizeof macros / sizeof macros[0]; m++)
                known |= strncmp(at, macros[m], strlen(macros[m])) == 0;
            if (!known)
                fail_msg("'%s': %.*s", group, (int)strcspn(at, "\n"), at);
        }
    }
}

static void
a_group_that_is_not_there_has_no_page(void **state)
{
    assert_int_equal(man("nothing"), ERR_NOT_FOUND);
    assert_int_equal(man("__man"), ERR_NOT_FOUND);
    assert_int_equal(man(NULL), ERR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_begins_with_its_name),
        cmocka_unit_test(dashes_of_options_can_be_copied),
        cmocka_unit_test(no_text_is_taken_for_a_macro),
        cmocka_unit_test(a_group_that_is_not_there_has_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
