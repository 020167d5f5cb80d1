#include "tests/unit/control/admin/admin_fixture.h"

static void
before_control_has_told_groups_they_are_unavailable(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    static const char *const paths[] = {"/v1/groups", "/v1/groups/g", "/v1/transactions",
                                        "/v1/clients"};
    for (uint32_t i = 0; i < 4; i++) {
        json_t *e = admin_fixture_get(f, paths[i], 503);
        assert_string_equal(admin_fixture_text(e, "code"), "unavailable");
    }
    admin_fixture_free(f);
}

static void
groups_are_told_with_their_lag(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    admin_fixture_give(f);
    json_t *l = admin_fixture_get(f, "/v1/groups", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 2);
    json_t *g = admin_fixture_item(l, 0);
    assert_string_equal(admin_fixture_text(g, "group"), "g\"1");
    assert_string_equal(admin_fixture_text(g, "state"), "Stable");
    assert_string_equal(admin_fixture_text(g, "protocol"), "range");
    assert_int_equal(admin_fixture_number(g, "members"), 3);
    assert_int_equal(admin_fixture_number(g, "lag"), 7);
    assert_int_equal(admin_fixture_number(g, "lag_highest"), 5);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 1), "group"), "\xef\xbf\xbd"
                                                                               "ff");
    admin_fixture_free(f);
}

static void
one_group_is_told_with_each_offset(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    admin_fixture_give(f);
    json_t *g = admin_fixture_get(f, "/v1/groups/g\"1", 200);
    json_t *offsets = json_object_get(g, "offsets");
    assert_int_equal(json_array_size(offsets), 3);
    json_t *o = json_array_get(offsets, 0);
    assert_string_equal(admin_fixture_text(o, "topic"), "alpha");
    assert_int_equal(admin_fixture_number(o, "offset"), 15);
    assert_int_equal(admin_fixture_number(o, "high_watermark"), 20);
    assert_int_equal(admin_fixture_number(o, "lag"), 5);
    assert_int_equal(admin_fixture_number(o, "commit_ms"), 1000);
    assert_int_equal(admin_fixture_number(json_array_get(offsets, 2), "lag"), -1);
    (void)admin_fixture_get(f, "/v1/groups/g", 404);
    admin_fixture_free(f);
}

static void
transactions_are_told(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    admin_fixture_give(f);
    json_t *t = admin_fixture_item(admin_fixture_get(f, "/v1/transactions", 200), 0);
    assert_string_equal(admin_fixture_text(t, "transactional_id"), "tx");
    assert_string_equal(admin_fixture_text(t, "state"), "Ongoing");
    assert_int_equal(admin_fixture_number(t, "producer_id"), 9);
    assert_int_equal(admin_fixture_number(t, "producer_epoch"), 1);
    assert_int_equal(admin_fixture_number(t, "start_ms"), 5000);
    admin_fixture_free(f);
}

static void
clients_that_push_are_told(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    admin_fixture_give(f);
    json_t *c = admin_fixture_item(admin_fixture_get(f, "/v1/clients", 200), 0);
    assert_string_equal(admin_fixture_text(c, "client_instance_id"), "CQkJCQkJCQkJCQkJCQkJCQ");
    assert_string_equal(admin_fixture_text(c, "client_id"), "app");
    assert_string_equal(admin_fixture_text(c, "software_name"), "java");
    assert_int_equal(admin_fixture_number(c, "pushed_ms"), 6000);
    assert_int_equal(admin_fixture_number(c, "metric_count"), 1);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_control_has_told_groups_they_are_unavailable),
        cmocka_unit_test(groups_are_told_with_their_lag),
        cmocka_unit_test(one_group_is_told_with_each_offset),
        cmocka_unit_test(transactions_are_told),
        cmocka_unit_test(clients_that_push_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
