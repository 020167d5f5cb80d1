#include "cli/cli.h"
#include "core/base/clock.h"
#include "tests/unit/unit.h"

#include <signal.h>

enum { DATA = 1 << CLI_DATA, CONTROL = 1 << CLI_CONTROL, BOTH = DATA | CONTROL, NEVER = -1 };

/* One event and the orders that must follow. */
struct row {
    int64_t ms;
    struct cli_event in;
    int starts, terms, kills;
    int64_t restart_ms, deadline_ms;
    int finished; /* exit code, or NEVER */
};

#define TICK                                                                                       \
    {                                                                                              \
        CLI_TICK, 0,                                                                               \
        {                                                                                          \
            false, 0                                                                               \
        }                                                                                          \
    }
#define STOP                                                                                       \
    {                                                                                              \
        CLI_STOP, 0,                                                                               \
        {                                                                                          \
            false, 0                                                                               \
        }                                                                                          \
    }
#define EXIT(who, n)                                                                               \
    {                                                                                              \
        CLI_EXITED, CLI_##who,                                                                     \
        {                                                                                          \
            false, n                                                                               \
        }                                                                                          \
    }
#define KILLED(who, n)                                                                             \
    {                                                                                              \
        CLI_EXITED, CLI_##who,                                                                     \
        {                                                                                          \
            true, n                                                                                \
        }                                                                                          \
    }

static void
play(const struct row *rows, size_t count)
{
    struct cli_supervise s;
    cli_supervise_init(&s);
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct cli_orders got;
        int starts = 0, terms = 0, kills = 0;
        cli_supervise_step(&s, (uint64_t)row->ms * CLOCK_NS_PER_MS, &row->in, &got);
        for (int k = 0; k < CLI_CHILDREN; k++) {
            starts |= got.start[k] << k;
            terms |= (got.signal[k] == SIGTERM) << k;
            kills |= (got.signal[k] == SIGKILL) << k;
        }
        int64_t deadline =
            got.deadline_ns == CLOCK_NEVER ? NEVER : (int64_t)(got.deadline_ns / CLOCK_NS_PER_MS);
        if (starts != row->starts || terms != row->terms || kills != row->kills ||
            got.restart_ms != row->restart_ms || deadline != row->deadline_ms ||
            (got.finished ? got.exit_code : NEVER) != row->finished)
            fail_msg("row %zu at %lld ms: starts %d terms %d kills %d restart %lld deadline %lld "
                     "finished %d exit %d",
                     i, (long long)row->ms, starts, terms, kills, (long long)got.restart_ms,
                     (long long)deadline, got.finished, got.exit_code);
    }
}

#define PLAY(...)                                                                                  \
    do {                                                                                           \
        const struct row rows[] = {__VA_ARGS__};                                                   \
        play(rows, sizeof rows / sizeof rows[0]);                                                  \
    } while (0)

static void
both_start_at_the_first_step_and_then_there_is_nothing_to_do(void **state)
{
    PLAY({5, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {6, TICK, 0, 0, 0, -1, NEVER, NEVER});
}

static void
stopping_ends_data_then_control_then_all(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {100, STOP, 0, DATA, 0, -1, 30100, NEVER},
         {200, TICK, 0, 0, 0, -1, 30100, NEVER}, {250, STOP, 0, 0, 0, -1, 30100, NEVER},
         {300, EXIT(DATA, 0), 0, CONTROL, 0, -1, 30100, NEVER},
         {400, EXIT(CONTROL, 0), 0, 0, 0, -1, NEVER, 0});
}

static void
control_that_ends_first_while_stopping_is_waited_for_no_more(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {100, STOP, 0, DATA, 0, -1, 30100, NEVER},
         {200, EXIT(CONTROL, 0), 0, 0, 0, -1, 30100, NEVER},
         {300, EXIT(DATA, 0), 0, 0, 0, -1, NEVER, 0});
}

static void
whoever_runs_after_thirty_seconds_is_killed(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {100, STOP, 0, DATA, 0, -1, 30100, NEVER},
         {30099, TICK, 0, 0, 0, -1, 30100, NEVER}, {30100, TICK, 0, 0, BOTH, -1, NEVER, NEVER},
         {30101, TICK, 0, 0, 0, -1, NEVER, NEVER},
         {30102, KILLED(CONTROL, SIGKILL), 0, 0, 0, -1, NEVER, NEVER},
         {30103, KILLED(DATA, SIGKILL), 0, 0, 0, -1, NEVER, 1});
}

static void
the_first_death_starts_again_at_once_and_the_next_ever_later(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {10, EXIT(DATA, 1), DATA, 0, 0, 0, NEVER, NEVER},
         {20, EXIT(DATA, 1), 0, 0, 0, 100, 120, NEVER}, {119, TICK, 0, 0, 0, -1, 120, NEVER},
         {120, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {130, KILLED(DATA, 11), 0, 0, 0, 200, 330, NEVER},
         {330, TICK, DATA, 0, 0, -1, NEVER, NEVER}, {330, EXIT(DATA, 0), 0, 0, 0, 400, 730, NEVER},
         {730, TICK, DATA, 0, 0, -1, NEVER, NEVER}, {730, EXIT(DATA, 1), 0, 0, 0, 800, 1530, NEVER},
         {1530, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {1530, EXIT(DATA, 1), 0, 0, 0, 1600, 3130, NEVER},
         {3130, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {3130, EXIT(DATA, 1), 0, 0, 0, 3200, 6330, NEVER},
         {6330, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {6330, EXIT(DATA, 1), 0, 0, 0, 5000, 11330, NEVER},
         {11330, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {11330, EXIT(DATA, 1), 0, 0, 0, 5000, 16330, NEVER});
}

static void
ten_seconds_of_life_forgive_earlier_deaths(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {10, EXIT(DATA, 1), DATA, 0, 0, 0, NEVER, NEVER},
         {20, EXIT(DATA, 1), 0, 0, 0, 100, 120, NEVER}, {120, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {10119, EXIT(DATA, 1), 0, 0, 0, 200, 10319, NEVER},
         {10319, TICK, DATA, 0, 0, -1, NEVER, NEVER},
         {20319, EXIT(DATA, 1), DATA, 0, 0, 0, NEVER, NEVER},
         {20320, EXIT(DATA, 1), 0, 0, 0, 100, 20420, NEVER});
}

static void
each_child_has_a_count_of_its_own(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {10, EXIT(DATA, 1), DATA, 0, 0, 0, NEVER, NEVER},
         {20, EXIT(DATA, 1), 0, 0, 0, 100, 120, NEVER},
         {30, EXIT(CONTROL, 1), CONTROL, 0, 0, 0, 120, NEVER},
         {40, EXIT(CONTROL, 1), 0, 0, 0, 100, 120, NEVER}, {120, TICK, DATA, 0, 0, -1, 140, NEVER},
         {140, TICK, CONTROL, 0, 0, -1, NEVER, NEVER});
}

static void
a_child_that_refuses_stops_the_other_and_the_exit_code_is_1(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER},
         {50, EXIT(DATA, OS_EXIT_REFUSED), 0, CONTROL, 0, -1, 30050, NEVER},
         {60, EXIT(CONTROL, 0), 0, 0, 0, -1, NEVER, 1});
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER},
         {50, EXIT(CONTROL, OS_EXIT_REFUSED), 0, DATA, 0, -1, 30050, NEVER},
         {60, EXIT(DATA, 0), 0, 0, 0, -1, NEVER, 1});
}

static void
a_signal_with_the_number_of_a_refusal_is_no_refusal(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER},
         {50, KILLED(DATA, OS_EXIT_REFUSED), DATA, 0, 0, 0, NEVER, NEVER});
}

static void
nothing_starts_while_stopping_and_a_dead_child_makes_the_exit_code_1(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {10, EXIT(DATA, 1), DATA, 0, 0, 0, NEVER, NEVER},
         {20, EXIT(DATA, 1), 0, 0, 0, 100, 120, NEVER}, {30, STOP, 0, CONTROL, 0, -1, 30030, NEVER},
         {120, TICK, 0, 0, 0, -1, 30030, NEVER}, {130, EXIT(CONTROL, 0), 0, 0, 0, -1, NEVER, 1});
}

static void
a_child_that_fails_while_stopping_makes_the_exit_code_1(void **state)
{
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {10, STOP, 0, DATA, 0, -1, 30010, NEVER},
         {20, EXIT(DATA, 1), 0, CONTROL, 0, -1, 30010, NEVER},
         {30, EXIT(CONTROL, 0), 0, 0, 0, -1, NEVER, 1});
    PLAY({0, TICK, BOTH, 0, 0, -1, NEVER, NEVER}, {10, STOP, 0, DATA, 0, -1, 30010, NEVER},
         {20, EXIT(DATA, 0), 0, CONTROL, 0, -1, 30010, NEVER},
         {30, KILLED(CONTROL, 15), 0, 0, 0, -1, NEVER, 1});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_start_at_the_first_step_and_then_there_is_nothing_to_do),
        cmocka_unit_test(stopping_ends_data_then_control_then_all),
        cmocka_unit_test(control_that_ends_first_while_stopping_is_waited_for_no_more),
        cmocka_unit_test(whoever_runs_after_thirty_seconds_is_killed),
        cmocka_unit_test(the_first_death_starts_again_at_once_and_the_next_ever_later),
        cmocka_unit_test(ten_seconds_of_life_forgive_earlier_deaths),
        cmocka_unit_test(each_child_has_a_count_of_its_own),
        cmocka_unit_test(a_child_that_refuses_stops_the_other_and_the_exit_code_is_1),
        cmocka_unit_test(a_signal_with_the_number_of_a_refusal_is_no_refusal),
        cmocka_unit_test(nothing_starts_while_stopping_and_a_dead_child_makes_the_exit_code_1),
        cmocka_unit_test(a_child_that_fails_while_stopping_makes_the_exit_code_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
