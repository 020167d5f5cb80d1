#include "tests/unit/cli/client/client_fake.h"

static void
info_lists_the_brokers(void **state)
{
    assert_int_equal(MOCK("cluster", "info", "--format", "json"), COMMAND_EXIT_OK);
    json_t *o = json_loads(fake_out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(o, "brokers")), 2);
    assert_true(json_is_string(json_object_get(o, "cluster_id")));
    json_decref(o);
}

static void
a_whole_cluster_is_healthy(void **state)
{
    assert_int_equal(MOCK("cluster", "health"), COMMAND_EXIT_OK);
    assert_string_equal(fake_out, "healthy: 2 brokers, 0 topics, 0 partitions\n");
    assert_int_equal(MOCK("cluster", "health", "--exit-when-healthy"), COMMAND_EXIT_OK);
}

static void
waiting_for_health_ends_with_the_timeout(void **state)
{
    assert_int_equal(NOBODY("cluster", "health", "-e"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "no broker answers"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_lists_the_brokers),
        cmocka_unit_test(a_whole_cluster_is_healthy),
        cmocka_unit_test(waiting_for_health_ends_with_the_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
