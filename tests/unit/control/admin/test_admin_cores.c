#include "tests/unit/control/admin/admin_fixture.h"

static void
cores_tell_every_counter(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    struct counters c = {region_counters(&f->region, 1)};
    counters_set(&c, COUNTER_REQUESTS, 11);
    counters_set(&c, DROP_IDLE, 4);
    json_t *l = admin_fixture_get(f, "/v1/cores", 200);
    assert_int_equal(admin_fixture_number(l, "total"), CENSUS_SHARDS + 1);
    json_t *core = admin_fixture_item(l, 1);
    assert_int_equal(admin_fixture_number(core, "core"), 1);
    assert_int_equal(json_object_size(json_object_get(core, "counters")), COUNTERS);
    assert_int_equal(admin_fixture_number(json_object_get(core, "counters"), "requests"), 11);
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 2), "core"), -1);
    l = admin_fixture_get(f, "/v1/drops", 200);
    json_int_t idle = -1;
    for (size_t i = 0; i < (size_t)admin_fixture_number(l, "total"); i++)
        if (strcmp(admin_fixture_text(admin_fixture_item(l, i), "reason"), "idle") == 0)
            idle = admin_fixture_number(admin_fixture_item(l, i), "count");
    assert_int_equal(idle, 4);
    admin_fixture_free(f);
}

static void
errors_in_answers_are_told_by_their_names(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    for (uint32_t b = 0; b <= CENSUS_SHARDS; b++) {
        struct counters c = {region_counters(&f->region, b)};
        counters_error(&c, 8, 25);
    }
    json_t *l = admin_fixture_get(f, "/v1/errors", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 1);
    json_t *o = admin_fixture_item(l, 0);
    assert_string_equal(admin_fixture_text(o, "api"), "OffsetCommit");
    assert_string_equal(admin_fixture_text(o, "error"), "UNKNOWN_MEMBER_ID");
    assert_int_equal(admin_fixture_number(o, "count"), CENSUS_SHARDS + 1);
    admin_fixture_free(f);
}

static void
processes_tell_whether_they_serve(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    (void)region_join(&f->region, REGION_DATA, 5);
    json_t *l = admin_fixture_get(f, "/v1/processes", 200);
    json_t *data = admin_fixture_item(l, 0), *control = admin_fixture_item(l, 1);
    assert_string_equal(admin_fixture_text(data, "process"), "data");
    assert_true(json_is_false(json_object_get(data, "up")));
    assert_int_equal(admin_fixture_number(data, "starts"), 2);
    assert_true(json_is_true(json_object_get(control, "up")));
    assert_int_equal(admin_fixture_number(control, "silence_ms"), 0);
    assert_int_equal(admin_fixture_number(control, "resident_bytes"), 1010);
    admin_fixture_free(f);
}

static void
configuration_and_disks_are_told(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    json_t *l = admin_fixture_get(f, "/v1/config", 200);
    assert_int_equal(admin_fixture_number(l, "total"), CONF_KEYS);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "key"), "listeners");
    l = admin_fixture_get(f, "/v1/disks", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 1);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "dir"), "./data");
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 0), "free_bytes"), 10);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cores_tell_every_counter),
        cmocka_unit_test(errors_in_answers_are_told_by_their_names),
        cmocka_unit_test(processes_tell_whether_they_serve),
        cmocka_unit_test(configuration_and_disks_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
