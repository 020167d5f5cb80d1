#include "tests/unit/cli/client/client_fake.h"

static struct client_position p;

static void
every_form_is_read(void **state)
{
    static const struct {
        const char *text;
        enum client_at at;
        int64_t n;
    } rows[] = {{"start", CLIENT_START, 0},
                {"end", CLIENT_END, 0},
                {"17", CLIENT_OFFSET, 17},
                {"+5", CLIENT_AFTER, 5},
                {"-5", CLIENT_BEFORE, 5},
                {"@1700000000000", CLIENT_TIME, INT64_C(1700000000000)},
                {"@1970-01-02", CLIENT_TIME, 86400000},
                {"@1970-01-01T00:00:01", CLIENT_TIME, 1000},
                {"@1970-01-01T00:01:00Z", CLIENT_TIME, 60000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(client_position_read(rows[i].text, &p));
        assert_int_equal(p.at, rows[i].at);
        assert_int_equal(p.n, rows[i].n);
    }
}

static void
what_is_none_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "beginning",
                                        "+",
                                        "-",
                                        "@",
                                        "--5",
                                        "+-5",
                                        "5x",
                                        "@yesterday",
                                        "99999999999999999999",
                                        "@1970-01-01X",
                                        "@1969-12-31"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (client_position_read(texts[i], &p))
            fail_msg("'%s' was taken", texts[i]);
}

static int64_t
at(const char *text)
{
    assert_true(client_position_read(text, &p));
    return client_position_offset(&p, 100, 200);
}

static void
positions_stay_inside_the_log(void **state)
{
    assert_int_equal(at("start"), 100);
    assert_int_equal(at("end"), 200);
    assert_int_equal(at("+5"), 105);
    assert_int_equal(at("-5"), 195);
    assert_int_equal(at("+500"), 200);
    assert_int_equal(at("-500"), 100);
    assert_int_equal(at("7"), 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(positions_stay_inside_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
