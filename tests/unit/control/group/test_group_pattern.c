#include "tests/unit/control/group/consumer_fixture.h"

static struct beaten
join(struct fixture *f, const char *member, const char *regex)
{
    return cf_beat(f, "g", &(struct beating){.member = member, .regex = regex});
}

static void
an_expression_is_resolved_after_the_heartbeat_that_brought_it(void **state)
{
    struct fixture *f = fx_new();
    struct beaten a = join(f, "m1", "t*");
    assert_int_equal(a.error, 0);
    assert_string_equal(a.has, "");
    assert_int_equal(group_deadline_ms(f->s), f->step.now_ms);
    fx_advance(f, 0);
    a = cf_stay(f, "m1", 1, "");
    assert_int_equal(a.epoch, 2);
    assert_string_equal(a.has, "1:0 1:1 1:2 1:3 2:0 2:1 2:2 2:3");
    fx_reload(f);
    assert_int_equal(cf_stay(f, "m1", 2, NULL).error, 0);
    assert_true(group_consumer_subscribed(cf_group(f), view_of_text("t2")));
    fx_free(f);
}

static void
the_second_subscriber_finds_it_resolved(void **state)
{
    struct fixture *f = fx_new();
    f->config.consumer.assignment_interval_ms = 0;
    join(f, "m1", "t*");
    fx_advance(f, 0);
    cf_stay(f, "m1", 1, "");
    assert_int_equal(join(f, "m2", "t*").epoch, 3);
    assert_string_equal(cf_text(&cf_member(f, "m2")->target), "2:0 2:1 2:2 2:3");
    fx_free(f);
}

static void
the_last_subscriber_takes_it_along(void **state)
{
    struct fixture *f = fx_new();
    join(f, "m1", "t*");
    join(f, "m2", "t*");
    fx_advance(f, 0);
    cf_stay(f, "m1", -1, NULL);
    assert_non_null(group_consumer_regex(cf_group(f), view_of_text("t*")));
    struct beating names = {.member = "m2", .epoch = 1, .regex = "", .topics = "t1"};
    assert_int_equal(cf_beat(f, "g", &names).error, 0);
    assert_null(group_consumer_regex(cf_group(f), view_of_text("t*")));
    assert_false(group_consumer_subscribed(cf_group(f), view_of_text("t2")));
    fx_free(f);
}

static void
new_topics_are_found_but_not_within_ten_seconds(void **state)
{
    struct fixture *f = fx_new();
    f->topic_gone = true;
    join(f, "m1", "t*");
    fx_advance(f, 0);
    assert_string_equal(cf_stay(f, "m1", 1, "").has, "2:0 2:1 2:2 2:3");
    f->topic_gone = false;
    f->metadata_version = 1;
    group_metadata_changed(f->s, view_of_text("t1"), true);
    fx_advance(f, 10000);
    cf_stay(f, "m1", 2, NULL);
    fx_advance(f, 1);
    assert_string_equal(cf_stay(f, "m1", 2, NULL).has, "-");
    fx_advance(f, 0);
    assert_string_equal(cf_stay(f, "m1", 2, NULL).has, "1:0 1:1 1:2 1:3 2:0 2:1 2:2 2:3");
    fx_free(f);
}

static void
it_is_resolved_anew_after_the_refresh_interval(void **state)
{
    struct fixture *f = fx_new();
    f->config.consumer.session_timeout_ms = 10000000;
    join(f, "m1", "t*");
    fx_advance(f, 0);
    cf_stay(f, "m1", 1, "");
    const struct group_regex *r = group_consumer_regex(cf_group(f), view_of_text("t*"));
    assert_int_equal(r->resolved_ms, T0);
    fx_advance(f, 600000);
    cf_stay(f, "m1", 2, NULL);
    fx_advance(f, 1);
    assert_int_equal(r->resolved_ms, T0);
    cf_stay(f, "m1", 2, NULL);
    fx_advance(f, 0);
    assert_int_equal(r->resolved_ms, T0 + 600001);
    assert_int_equal(cf_group(f)->epoch, 2); /* nothing else changed */
    fx_free(f);
}

static void
an_expression_that_is_not_valid_changes_nothing(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    uint32_t before = f->log_count;
    struct beating b = {.member = "m1", .epoch = 2, .regex = "["};
    assert_int_equal(cf_beat(f, "g", &b).error, KERR_INVALID_REGULAR_EXPRESSION);
    assert_int_equal(f->log_count, before);
    f->config.port.regex = NULL;
    b.regex = "t*";
    assert_int_equal(cf_beat(f, "g", &b).error, KERR_INVALID_REQUEST);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_is_resolved_after_the_heartbeat_that_brought_it),
        cmocka_unit_test(the_second_subscriber_finds_it_resolved),
        cmocka_unit_test(the_last_subscriber_takes_it_along),
        cmocka_unit_test(new_topics_are_found_but_not_within_ten_seconds),
        cmocka_unit_test(it_is_resolved_anew_after_the_refresh_interval),
        cmocka_unit_test(an_expression_that_is_not_valid_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
