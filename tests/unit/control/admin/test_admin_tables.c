#include "tests/unit/control/admin/admin_fixture.h"

static void
a_topic_is_told_with_its_partitions(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    json_t *t = admin_fixture_get(f, "/v1/topics/alpha", 200);
    assert_string_equal(admin_fixture_text(t, "name"), "alpha");
    assert_string_equal(admin_fixture_text(t, "id"), "AwMDAwMDAwMDAwMDAwMDAw");
    assert_int_equal(admin_fixture_number(t, "partition_count"), 2);
    assert_int_equal(admin_fixture_number(t, "bytes"), 200);
    json_t *p = json_array_get(json_object_get(t, "partitions"), 1);
    assert_int_equal(admin_fixture_number(p, "partition"), 1);
    assert_int_equal(admin_fixture_number(p, "core"), 1);
    assert_int_equal(admin_fixture_number(p, "leader_epoch"), 3);
    assert_int_equal(admin_fixture_number(p, "log_start_offset"), 10);
    assert_int_equal(admin_fixture_number(p, "log_end_offset"), 30);
    assert_true(json_is_true(json_object_get(p, "online")));
    t = admin_fixture_get(f, "/v1/topics/nobody", 404);
    assert_string_equal(admin_fixture_text(t, "code"), "not_found");
    admin_fixture_free(f);
}

static void
lists_have_every_topic_partition_and_listener(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    char error[CONF_ERROR_BYTES];
    assert_int_equal(
        conf_set(&f->conf, "listeners", "PLAINTEXT://a:1,PLAINTEXT://[::1]:2", CONF_OPTION, error),
        ERR_OK);
    json_t *l = admin_fixture_get(f, "/v1/topics", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 2);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "name"), "alpha");
    l = admin_fixture_get(f, "/v1/partitions", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 3);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 2), "topic"), "beta");
    l = admin_fixture_get(f, "/v1/brokers", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 2);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 1), "host"), "::1");
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 1), "port"), 2);
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 0), "id"), 7);
    admin_fixture_free(f);
}

static void
the_cluster_is_told_as_it_is(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    json_t *c = admin_fixture_get(f, "/v1/cluster", 200);
    assert_string_equal(admin_fixture_text(c, "cluster_id"), "abcdefghijklmnopqrstuv");
    assert_string_equal(admin_fixture_text(c, "version"), SLUICE_VERSION);
    assert_int_equal(admin_fixture_number(c, "node_id"), 7);
    assert_int_equal(admin_fixture_number(c, "topics"), 2);
    assert_int_equal(admin_fixture_number(c, "partitions"), 3);
    assert_int_equal(admin_fixture_number(c, "offline"), 0);
    assert_int_equal(admin_fixture_number(c, "now_ms"), 7500);
    assert_true(json_is_true(json_object_get(c, "dataplane_up")));
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_told_with_its_partitions),
        cmocka_unit_test(lists_have_every_topic_partition_and_listener),
        cmocka_unit_test(the_cluster_is_told_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
