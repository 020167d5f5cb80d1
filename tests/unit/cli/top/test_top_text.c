#include "cli/top/top.h"
#include "tests/unit/unit.h"

#include <string.h>

static char text[8192];

static const char *
print(const char *topic, int width, int height)
{
    json_t *v =
        json_pack("{s:{s:i, s:s, s:b}, s:{s:f}, s:[{s:i, s:f}], s:[{s:s, s:i, s:f}], s:[], s:[]}",
                  "cluster", "node_id", 3, "cluster_id", "id", "dataplane_up", 1, "rates",
                  "produce_bytes", 1234567.0, "cores", "core", -1, "busy_turns", 0.25, "partitions",
                  "topic", topic, "partition", 4, "records", 1500.0, "groups", "drops");
    assert_non_null(v);
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    top_text(v, width, height, out);
    fclose(out);
    json_decref(v);
    return text;
}

static void
rates_have_units_and_empty_lists_no_head(void **state)
{
    print("orders", 200, 100);
    assert_non_null(strstr(text, "in 1.2MB/s"));
    assert_non_null(strstr(text, "control     25%"));
    assert_non_null(strstr(text, "1.5k"));
    assert_null(strstr(text, "DROPS"));
}

static void
latency_is_in_milliseconds_and_errors_have_their_api(void **state)
{
    json_t *v = json_pack("{s:[{s:s, s:f, s:f, s:f, s:f}], s:[{s:s, s:s, s:i, s:f}]}", "latency",
                          "request", "produce", "rate", 12.0, "p50_us", 320.0, "p99_us", 12345.0,
                          "p999_us", 1500000.0, "errors", "api", "Fetch", "error",
                          "OFFSET_OUT_OF_RANGE", "count", 7, "rate", 0.5);
    assert_non_null(v);
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    top_text(v, 200, 100, out);
    fclose(out);
    json_decref(v);
    assert_non_null(strstr(text, "produce                   12       0.32       12.3       1500"));
    assert_non_null(strstr(text, "Fetch                  OFFSET_OUT_OF_RANGE"));
}

static void
it_fits_into_the_window(void **state)
{
    int lines = 0;
    print("orders", 30, 4);
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1, lines++)
        assert_true(strcspn(at, "\n") <= 30);
    assert_int_equal(lines, 4);
}

static void
a_name_cannot_drive_the_terminal(void **state)
{
    print("a\x1b[2Jb", 200, 100);
    assert_null(strchr(text, 0x1b));
    assert_non_null(strstr(text, "a?[2Jb"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_have_units_and_empty_lists_no_head),
        cmocka_unit_test(latency_is_in_milliseconds_and_errors_have_their_api),
        cmocka_unit_test(it_fits_into_the_window),
        cmocka_unit_test(a_name_cannot_drive_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
