#include "control/telemetry/telemetry_series.h"
#include "tests/unit/control/telemetry/telemetry_fixture.h"

static int
take(struct telemetry_series *s, const char *name, const char *label, double value, uint32_t push)
{
    uint8_t at[512];
    struct put w = put_of(at, sizeof at);
    pb_label(&w, TELEMETRY_OTLP_POINT, "l", label);
    struct telemetry_point p = {
        .name = view_of_text(name), .point = pb_view(&w), .sum = true, .delta = true};
    p.value = value;
    return telemetry_series_take(s, &p, push);
}

static void
deltas_of_one_name_and_label_add_up(void **state)
{
    (void)state;
    struct telemetry_series s = {0};
    assert_int_equal(take(&s, "a", "x", 1, 1), ERR_OK);
    assert_int_equal(take(&s, "a", "y", 10, 1), ERR_OK);
    assert_int_equal(take(&s, "a", "x", 2, 2), ERR_OK);
    assert_int_equal(s.count, 2);
    assert_true(s.items[0]->value == 3);
    assert_true(s.items[1]->value == 10);
    assert_int_equal(s.items[0]->push, 2);
    telemetry_series_free(&s);
    assert_int_equal(s.bytes, 0);
}

static void
when_all_places_are_taken_a_stale_series_gives_way_and_a_fresh_one_does_not(void **state)
{
    (void)state;
    struct telemetry_series s = {0};
    char name[16];
    for (uint32_t i = 0; i < TELEMETRY_SERIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(take(&s, name, "x", i, 1), ERR_OK);
    }
    uint64_t bytes = s.bytes;
    assert_int_equal(take(&s, "new", "x", 1, 2), ERR_LIMIT);
    assert_int_equal(take(&s, "m7", "x", 1, 2), ERR_OK);
    assert_int_equal(take(&s, "new", "x", 1, 3), ERR_OK);
    assert_int_equal(s.count, TELEMETRY_SERIES_MAX);
    assert_true(s.bytes < bytes + 16);
    uint32_t found = 0; /* everything but the one that gave way is still found, not added */
    for (uint32_t i = 0; i < TELEMETRY_SERIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%u", i);
        found += i > 0 && take(&s, name, "x", 0, 3) == ERR_OK;
    }
    assert_int_equal(found, TELEMETRY_SERIES_MAX - 1);
    assert_int_equal(s.count, TELEMETRY_SERIES_MAX);
    telemetry_series_free(&s);
}

static void
names_that_are_too_long_or_empty_are_refused(void **state)
{
    (void)state;
    struct telemetry_series s = {0};
    static char name[TELEMETRY_SERIES_BYTES_MAX + 1];
    memset(name, 'n', TELEMETRY_SERIES_BYTES_MAX);
    assert_int_equal(take(&s, name, "x", 1, 1), ERR_LIMIT);
    assert_int_equal(take(&s, "", "x", 1, 1), ERR_LIMIT);
    name[TELEMETRY_SERIES_BYTES_MAX - 4] = '\0'; /* "l" "x" and two NULs fit behind it */
    assert_int_equal(take(&s, name, "x", 1, 1), ERR_OK);
    assert_int_equal(take(&s, "a", "\xff", 1, 1), ERR_CORRUPT);
    telemetry_series_free(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_of_one_name_and_label_add_up),
        cmocka_unit_test(
            when_all_places_are_taken_a_stale_series_gives_way_and_a_fresh_one_does_not),
        cmocka_unit_test(names_that_are_too_long_or_empty_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
