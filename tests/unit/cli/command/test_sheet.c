#include "cli/command/sheet.h"
#include "tests/unit/unit.h"

#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[4096];

static const struct sheet_column columns[] = {{"name", "NAME"}, {"count", "COUNT"}, {"in", "IN"}};

static const char *
table(const char *json, bool list)
{
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    json_t *rows = json_loads(json, 0, NULL);
    assert_non_null(rows);
    if (list)
        sheet_list(rows, columns, 3, out);
    else
        sheet_table(rows, columns, 3, out);
    fclose(out);
    json_decref(rows);
    return text;
}

static void
columns_are_aligned_and_numbers_stand_right(void **state)
{
    assert_string_equal(table("[{\"name\":\"a\",\"count\":5,\"in\":[1,2]},"
                              "{\"name\":\"longer\",\"count\":1000}]",
                              false),
                        "NAME    COUNT  IN\n"
                        "a           5  1,2\n"
                        "longer   1000  -\n");
}

static void
no_rows_leave_the_head(void **state)
{
    assert_string_equal(table("[]", false), "NAME  COUNT  IN\n");
}

static void
a_name_cannot_drive_the_terminal(void **state)
{
    assert_non_null(strstr(table("[{\"name\":\"a\\u001b[31mb\\n\"}]", false), "a?[31mb?"));
}

static void
characters_are_counted_and_not_bytes(void **state)
{
    assert_string_equal(table("[{\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\",\"count\":1,"
                              "\"in\":true},{\"name\":\"x\",\"count\":2,\"in\":false}]",
                              false),
                        "NAME   COUNT  IN\n"
                        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4      1  yes\n"
                        "x          2  no\n");
}

static void
an_object_is_a_list(void **state)
{
    assert_string_equal(table("{\"name\":\"a\",\"count\":5}", true),
                        "NAME   a\nCOUNT  5\nIN     -\n");
}

static void
json_keeps_the_order_of_its_members(void **state)
{
    json_t *v = json_pack("{s:i, s:i}", "z", 1, "a", 2);
    FILE *out = fmemopen(text, sizeof text, "w");
    sheet_json_line(v, out);
    fclose(out);
    json_decref(v);
    assert_string_equal(text, "{\"z\":1,\"a\":2}\n");
}

static void
bytes_have_a_unit(void **state)
{
    char b[SHEET_CELL_BYTES];
    sheet_bytes(1023, b);
    assert_string_equal(b, "1023 B");
    sheet_bytes(1536, b);
    assert_string_equal(b, "1.5 KiB");
    sheet_bytes(INT64_C(3) << 30, b);
    assert_string_equal(b, "3.0 GiB");
}

static void
what_is_no_terminal_gets_no_colour(void **state)
{
    memset(text, 0, sizeof text);
    FILE *out = tmpfile();
    assert_false(sheet_colours(out));
    sheet_paint(out, sheet_colours(out), SHEET_RED, "x");
    rewind(out);
    assert_string_equal(fgets(text, sizeof text, out), "x");
    fclose(out);
}

static void
a_terminal_has_colours_unless_asked_for_none(void **state)
{
    int master = -1, slave = -1;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    FILE *terminal = fdopen(slave, "w"), *file = fmemopen(text, sizeof text, "w");
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(sheet_colours(terminal));
    assert_false(sheet_colours(file));
    setenv("NO_COLOR", "", 1);
    assert_true(sheet_colours(terminal));
    setenv("NO_COLOR", "0", 1);
    assert_false(sheet_colours(terminal));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(sheet_colours(terminal));
    fclose(terminal);
    fclose(file);
    close(master);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_has_colours_unless_asked_for_none),
        cmocka_unit_test(columns_are_aligned_and_numbers_stand_right),
        cmocka_unit_test(no_rows_leave_the_head),
        cmocka_unit_test(a_name_cannot_drive_the_terminal),
        cmocka_unit_test(characters_are_counted_and_not_bytes),
        cmocka_unit_test(an_object_is_a_list),
        cmocka_unit_test(json_keeps_the_order_of_its_members),
        cmocka_unit_test(bytes_have_a_unit),
        cmocka_unit_test(what_is_no_terminal_gets_no_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
