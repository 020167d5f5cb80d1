#include "tests/unit/control/admin/admin_fixture.h"

static void
an_unknown_path_is_answered_with_an_error_object(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    static const char *const paths[] = {
        "/", "", "/v1", "/v1/", "/v1/topics/", "/v1/topicsx", "/metrics/", "/v2/topics"};
    for (uint32_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        json_t *e = admin_fixture_get(f, paths[i], 404);
        assert_string_equal(admin_fixture_text(e, "code"), "not_found");
        assert_true(strlen(admin_fixture_text(e, "message")) > 0);
        assert_string_equal(admin_fixture_text(json_object_get(e, "details"), "path"), paths[i]);
    }
    admin_fixture_free(f);
}

static void
only_reads_are_answered(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "get"};
    for (uint32_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        admin_fixture_send(f, methods[i], "/v1/cluster");
        assert_int_equal(f->reply.status, 405);
    }
    admin_fixture_send(f, "HEAD", "/v1/cluster");
    assert_int_equal(f->reply.status, 200);
    admin_fixture_free(f);
}

static void
limit_and_skip_are_numbers_within_bounds(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    static const char *const bad[] = {
        "limit=0",        "limit=10001", "limit=",   "limit=x", "limit=-1",
        "limit=1x",       "limit= 1",    "limit=+1", "skip=-1", "skip=99999999999999999999",
        "skip=2147483648"};
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(f->query, sizeof f->query, "%s", bad[i]);
        json_t *e = admin_fixture_get(f, "/v1/topics", 400);
        assert_string_equal(admin_fixture_text(e, "code"), "invalid");
    }
    (void)snprintf(f->query, sizeof f->query, "limit=1");
    json_t *list = admin_fixture_get(f, "/v1/topics", 200);
    assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
    assert_int_equal(admin_fixture_number(list, "total"), 2);
    (void)snprintf(f->query, sizeof f->query, "skip=1");
    list = admin_fixture_get(f, "/v1/topics", 200);
    assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
    assert_string_equal(admin_fixture_text(admin_fixture_item(list, 0), "name"), "beta");
    admin_fixture_free(f);
}

static void
metrics_come_in_the_format_that_was_asked_for(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    admin_fixture_send(f, "GET", "/metrics");
    assert_int_equal(f->reply.status, 200);
    assert_string_equal(f->reply.type, "text/plain; version=0.0.4; charset=utf-8");
    assert_memory_equal(f->reply.body, "# HELP ", 7);
    f->accept = "application/openmetrics-text; version=1.0.0";
    admin_fixture_send(f, "GET", "/metrics/internal");
    assert_int_equal(f->reply.status, 200);
    assert_memory_equal(f->reply.body + f->reply.bytes - 6, "# EOF\n", 6);
    admin_fixture_free(f);
}

static void
while_the_dataplane_is_down_partitions_keep_their_offsets_and_are_offline(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    (void)region_join(&f->region, REGION_DATA, 5); /* started anew, not ready yet */
    json_t *t = admin_fixture_get(f, "/v1/topics/alpha", 200);
    json_t *p = json_array_get(json_object_get(t, "partitions"), 1);
    assert_true(json_is_false(json_object_get(p, "online")));
    assert_int_equal(admin_fixture_number(p, "high_watermark"), 30);
    t = admin_fixture_get(f, "/v1/cluster", 200);
    assert_true(json_is_false(json_object_get(t, "dataplane_up")));
    assert_int_equal(admin_fixture_number(t, "offline"), 3);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_path_is_answered_with_an_error_object),
        cmocka_unit_test(only_reads_are_answered),
        cmocka_unit_test(limit_and_skip_are_numbers_within_bounds),
        cmocka_unit_test(metrics_come_in_the_format_that_was_asked_for),
        cmocka_unit_test(while_the_dataplane_is_down_partitions_keep_their_offsets_and_are_offline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
