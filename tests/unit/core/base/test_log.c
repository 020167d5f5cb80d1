#include "core/base/log.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static char text[64 << 10];

/* Runs `lines` log lines from one place with stderr turned into a pipe; text holds what came. */
static void
capture(enum log_level level, int lines)
{
    int fds[2], saved = dup(2);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], 2);
    for (int i = 0; i < lines; i++)
        log_at(level, "test", "line n=%d", i);
    dup2(saved, 2);
    close(saved);
    close(fds[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(fds[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(fds[0]);
}

static int
lines_in(const char *s)
{
    int n = 0;
    for (; (s = strchr(s, '\n')); s++)
        n++;
    return n;
}

static void
a_line_has_time_level_area_and_text(void **state)
{
    capture(LOG_WARN, 1);
    assert_non_null(strstr(text, "Z warn test: line n=0\n"));
    assert_int_equal(lines_in(text), 1);
}

static void
one_place_writes_a_bounded_number_of_lines_a_second(void **state)
{
    capture(LOG_INFO, 1000);
    /* The loop may cross the end of a second. */
    assert_true(lines_in(text) >= 1);
    assert_true(lines_in(text) <= 3 * LOG_BURST);
}

static void
lines_below_the_level_are_dropped(void **state)
{
    capture(LOG_DEBUG, 1);
    assert_int_equal(lines_in(text), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_area_and_text),
        cmocka_unit_test(one_place_writes_a_bounded_number_of_lines_a_second),
        cmocka_unit_test(lines_below_the_level_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
