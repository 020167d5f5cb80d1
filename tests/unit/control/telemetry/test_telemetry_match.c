#include "control/telemetry/telemetry_match.h"
#include "tests/unit/control/telemetry/telemetry_fixture.h"

static bool
valid(const char *match)
{
    struct view at;
    return telemetry_match_valid(&fx_regex, view_of_text(match), &at);
}

static void
add(struct telemetry_list *l, const char *metrics, int32_t interval_ms, const char *match)
{
    telemetry_match_add(l, &(struct telemetry_subscription){view_of_text(metrics), interval_ms,
                                                            view_of_text(match)});
}

static void
pairs_need_a_known_key_one_sign_and_a_pattern_that_compiles(void **state)
{
    (void)state;
    assert_true(valid(""));
    assert_true(valid("client_id=a.*"));
    assert_true(valid(" client_software_name = Java , client_software_version = 11\\.1.*"));
    assert_false(valid("client_id"));
    assert_false(valid("client_id="));
    assert_false(valid("client_id=a=b"));
    assert_false(valid("rack=a"));
    assert_false(valid("client_id=(a"));
    struct view at;
    assert_false(telemetry_match_valid(&fx_regex, view_of_text("client_id=a, x=b"), &at));
    assert_true(view_equal(at, view_of_text("x=b")));
    assert_false(telemetry_match_valid(NULL, view_of_text("client_id=a"), &at));
}

static void
a_client_gets_the_union_and_the_shortest_interval_of_what_matches(void **state)
{
    (void)state;
    struct telemetry_list l = {.regex = &fx_regex};
    struct view client[TELEMETRY_ATTRIBUTES] = {[TELEMETRY_CLIENT_ID] = view_of_text("app-1"),
                                                [TELEMETRY_SOFTWARE_NAME] =
                                                    view_of_text("apache-kafka-java")};
    assert_int_equal(telemetry_match_all(&l, client), TELEMETRY_INTERVAL_MS);
    assert_int_equal(l.metric_count, 0);
    add(&l, "b., a.", 5000, "client_id=app-[0-9]");
    add(&l, "c.,a.", 2000, "");
    add(&l, "*", 100, "client_id=app");             /* the whole value must match */
    add(&l, "*", 100, "client_source_port=.*");     /* not known of this client */
    add(&l, "*", 100, "client_id=.*,client_id=no"); /* the last of a key counts */
    assert_int_equal(telemetry_match_all(&l, client), 2000);
    assert_int_equal(l.metric_count, 3);
    assert_true(view_equal(l.metrics[0], view_of_text("a.")));
    assert_true(view_equal(l.metrics[1], view_of_text("b.")));
    assert_true(view_equal(l.metrics[2], view_of_text("c.")));
    add(&l, "*", 7000, "client_software_name=apache.*");
    assert_int_equal(telemetry_match_all(&l, client), 2000);
    assert_int_equal(l.metric_count, 1);
    assert_true(view_equal(l.metrics[0], view_of_text("*")));
    telemetry_match_clear(&l);
    assert_int_equal(l.count, 0);
}

static void
what_does_not_compile_matches_nobody(void **state)
{
    (void)state;
    struct telemetry_list l = {.regex = &fx_regex};
    struct view client[TELEMETRY_ATTRIBUTES] = {[TELEMETRY_CLIENT_ID] = view_of_text("a")};
    add(&l, "*", 100, "client_id=(");
    add(&l, "*", 100, "nonsense");
    assert_int_equal(telemetry_match_all(&l, client), TELEMETRY_INTERVAL_MS);
    assert_int_equal(l.metric_count, 0);
    telemetry_match_clear(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_need_a_known_key_one_sign_and_a_pattern_that_compiles),
        cmocka_unit_test(a_client_gets_the_union_and_the_shortest_interval_of_what_matches),
        cmocka_unit_test(what_does_not_compile_matches_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
