#include "tests/unit/control/metrics/metrics_fixture.h"

static char *
escaped(const void *at, uint32_t len, bool plain)
{
    struct metrics_out o;
    metrics_open(&o, METRICS_PROMETHEUS, 1 << 20);
    if (plain)
        metrics_text_utf8(&o, view_of(at, len));
    else
        metrics_text_escaped(&o, view_of(at, len));
    char *text = calloc(1, o.len + 1);
    if (o.len)
        memcpy(text, o.at, o.len);
    metrics_close(&o);
    return text;
}

static void
expect(const char *in, uint32_t len, const char *out)
{
    char *text = escaped(in, len, false);
    assert_string_equal(text, out);
    free(text);
}

static void
backslash_quote_and_line_feed_are_escaped_and_nothing_else(void **state)
{
    (void)state;
    expect("a\\b\"c\nd\te", 9, "a\\\\b\\\"c\\nd\te");
    expect("", 0, "");
    expect("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15,
           "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    char *plain = escaped("a\\b\"c", 5, true);
    assert_string_equal(plain, "a\\b\"c");
    free(plain);
}

#define GONE "\xef\xbf\xbd"

static void
bytes_that_are_no_utf8_become_a_mark_and_two_digits(void **state)
{
    (void)state;
    expect("\xff", 1, GONE "ff");
    expect("a\x80z", 3, "a" GONE "80z");
    expect("\xc0\xaf", 2, GONE "c0" GONE "af");               /* overlong */
    expect("\xed\xa0\x80", 3, GONE "ed" GONE "a0" GONE "80"); /* a surrogate */
    expect("\xf4\x90\x80\x80", 4, GONE "f4" GONE "90" GONE "80" GONE "80");
    expect("\xe2\x82", 2, GONE "e2" GONE "82"); /* cut short */
}

static void
two_different_values_never_become_one(void **state)
{
    (void)state;
    static const char *const values[] = {"\xff", GONE "ff",  GONE,          "\\xff",
                                         "ff",   "\xef\xbf", "\xef\xbf\xbe"};
    enum { N = sizeof values / sizeof *values };
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t k = 0; k < i; k++) {
            char *a = escaped(values[i], (uint32_t)strlen(values[i]), false);
            char *b = escaped(values[k], (uint32_t)strlen(values[k]), false);
            assert_string_not_equal(a, b);
            free(a);
            free(b);
        }
    }
}

static void
numbers_are_exact(void **state)
{
    (void)state;
    struct metrics_out o;
    metrics_open(&o, METRICS_PROMETHEUS, 1 << 20);
    metrics_text_u64(&o, UINT64_MAX);
    metrics_text(&o, " ");
    metrics_text_i64(&o, INT64_MIN);
    metrics_text(&o, " ");
    metrics_text_nano(&o, 1);
    metrics_text(&o, " ");
    metrics_text_nano(&o, UINT64_C(12345000000000));
    metrics_text(&o, " ");
    metrics_text_nano(&o, UINT64_C(2500000000));
    metrics_text(&o, " ");
    metrics_text_u64(&o, 0);
    static const char want[] = "18446744073709551615 -9223372036854775808 0.000000001 12345 2.5 0";
    assert_int_equal(o.len, strlen(want));
    assert_memory_equal(o.at, want, o.len);
    metrics_close(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backslash_quote_and_line_feed_are_escaped_and_nothing_else),
        cmocka_unit_test(bytes_that_are_no_utf8_become_a_mark_and_two_digits),
        cmocka_unit_test(two_different_values_never_become_one),
        cmocka_unit_test(numbers_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
