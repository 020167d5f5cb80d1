#include "drivers/re2/regex_re2.h"
#include "tests/unit/unit.h"

#include <string.h>

static bool
matches(const char *pattern, const char *text)
{
    char why[REGEX_ERROR_BYTES];
    void *r = regex_re2.compile(pattern, (uint32_t)strlen(pattern), why);
    assert_non_null(r);
    bool yes = regex_re2.matches(r, text, (uint32_t)strlen(text));
    regex_re2.free(r);
    return yes;
}

static void
a_pattern_matches_whole_texts_only(void **state)
{
    assert_true(matches("foo.*", "foobar"));
    assert_true(matches("a|b+", "bbb"));
    assert_true(matches("", ""));
    assert_false(matches("foo", "foobar"));
    assert_false(matches("bar", "foobar"));
    assert_true(matches("^foo-[0-9]{2}$", "foo-17"));
    assert_true(matches("(?i)FOO\\d", "foo7"));
}

static void
a_pattern_that_is_not_valid_says_why(void **state)
{
    static const struct {
        const char *pattern, *why;
    } wrong[] = {
        {"[", "missing closing ]"},
        {"(a", "missing closing )"},
        {"*a", "missing argument to repetition operator"},
        {"a(?=b)", "invalid or unsupported Perl syntax"},
        {"a**b", "invalid nested repetition operator"},
        {"a\\", "trailing backslash at end of expression"},
        {"(a)\\1", "invalid escape sequence"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char why[REGEX_ERROR_BYTES] = "";
        const char *p = wrong[i].pattern;
        assert_null(regex_re2.compile(p, (uint32_t)strlen(p), why));
        assert_string_equal(why, wrong[i].why);
    }
}

static void
a_pattern_over_the_memory_limit_does_not_compile(void **state)
{
    char why[REGEX_ERROR_BYTES] = "";
    const char *p = "((((a{100}){100}){100}){100}){100}";
    assert_null(regex_re2.compile(p, (uint32_t)strlen(p), why));
    assert_true(why[0] != '\0');
}

/* What takes a backtracking matcher 2^n steps: it would not end before the test's time is over. */
static void
no_pattern_makes_a_match_explode(void **state)
{
    static char text[20001];
    memset(text, 'a', sizeof text - 1);
    assert_false(matches("(a+)+b", text));
    assert_false(matches("(a|aa)*c", text));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_matches_whole_texts_only),
        cmocka_unit_test(a_pattern_that_is_not_valid_says_why),
        cmocka_unit_test(a_pattern_over_the_memory_limit_does_not_compile),
        cmocka_unit_test(no_pattern_makes_a_match_explode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
