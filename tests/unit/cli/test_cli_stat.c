#include "cli/cli.h"
#include "core/shm/counters.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct region r;

static int
setup(void **state)
{
    struct region_shape shape = {2, 1, 1, 64 << 10};
    if (region_create(&r, &shape, ""))
        return -1;
    memcpy(r.header->cluster_id, "abcdefghijklmnopqrstuv", 23);
    for (uint32_t b = 0; b < 3; b++) {
        struct counters c = {region_counters(&r, b)};
        counters_set(&c, COUNTER_REQUESTS, 10 + b);
        counters_set(&c, DROP_IDLE, b);
    }
    region_join(&r, REGION_DATA, 77);
    region_set_ready(&r, REGION_DATA);
    atomic_store(&r.header->peers[REGION_DATA].heartbeat_ns, os_now_ns());
    return 0;
}

static int
teardown(void **state)
{
    region_destroy(&r);
    return 0;
}

static char *
printed(bool json)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    cli_stat_print(&r, 1234, json, out);
    fclose(out);
    return text;
}

static void
text_shows_processes_and_every_counter_with_its_sum(void **state)
{
    char *text = printed(false);
    assert_non_null(strstr(text, "pid 1234, cluster abcdefghijklmnopqrstuv"));
    assert_non_null(strstr(text, "data        pid 77, generation 1, serves, last seen "));
    assert_non_null(strstr(text, "control     pid 0, generation 0, not ready\n"));
    for (unsigned c = 0; c < COUNTERS; c++)
        assert_non_null(strstr(text, counters_row((enum counter)c)->name));
    assert_non_null(strstr(text, "\nrequests                 requests                 33 "
                                 "            10             11             12\n"));
    free(text);
}

static void
json_holds_the_same_numbers(void **state)
{
    char *text = printed(true);
    json_error_t error;
    json_t *root = json_loads(text, 0, &error), *one;
    assert_non_null(root);
    one = json_object_get(json_object_get(root, "counters"), "requests");
    assert_int_equal(json_integer_value(json_object_get(one, "sum")), 33);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(one, "shards"), 1)), 11);
    assert_int_equal(json_integer_value(json_object_get(one, "control")), 12);
    one = json_object_get(json_object_get(root, "drops"), "idle");
    assert_int_equal(json_integer_value(json_object_get(one, "sum")), 3);
    one = json_object_get(json_object_get(root, "processes"), "data");
    assert_int_equal(json_integer_value(json_object_get(one, "pid")), 77);
    assert_true(json_is_true(json_object_get(one, "ready")));
    one = json_object_get(json_object_get(root, "processes"), "control");
    assert_true(json_is_false(json_object_get(one, "ready")));
    assert_int_equal(json_integer_value(json_object_get(one, "heartbeat_age_ms")), -1);
    assert_int_equal(json_object_size(json_object_get(root, "counters")) +
                         json_object_size(json_object_get(root, "drops")),
                     COUNTERS);
    json_decref(root);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_shows_processes_and_every_counter_with_its_sum, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(json_holds_the_same_numbers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
