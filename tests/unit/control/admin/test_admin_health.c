#include "tests/unit/control/admin/admin_fixture.h"

/* The reason of a check; "" when it is fine. */
static const char *
reason(json_t *health, const char *name)
{
    json_t *checks = json_object_get(health, "checks");
    for (size_t i = 0; i < json_array_size(checks); i++)
        if (strcmp(admin_fixture_text(json_array_get(checks, i), "name"), name) == 0)
            return admin_fixture_text(json_array_get(checks, i), "reason");
    fail_msg("no check %s", name);
    return NULL;
}

static void
a_broker_that_serves_is_alive_and_ready(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    assert_string_equal(admin_fixture_text(admin_fixture_get(f, "/livez", 200), "status"), "ok");
    assert_string_equal(admin_fixture_text(admin_fixture_get(f, "/readyz", 200), "status"), "ok");
    admin_fixture_free(f);
}

static void
a_dataplane_that_recovers_is_alive_but_not_ready(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    (void)region_join(&f->region, REGION_DATA, 5);
    atomic_store(&f->region.header->peers[REGION_DATA].heartbeat_ns, 1); /* of the one before */
    (void)admin_fixture_get(f, "/livez", 200);
    json_t *h = admin_fixture_get(f, "/readyz", 503);
    assert_string_equal(admin_fixture_text(h, "status"), "failed");
    assert_non_null(strstr(reason(h, "dataplane_up"), "recovering"));
    assert_string_equal(reason(h, "control_loop"), "");
    admin_fixture_free(f);
}

static void
a_loop_that_stopped_turning_is_not_alive(void **state)
{
    (void)state;
    for (int i = 0; i < REGION_PROCESSES; i++) {
        struct admin_fixture *f = admin_fixture_new();
        atomic_store(&f->region.header->peers[i].heartbeat_ns,
                     admin_fixture_ns - (ADMIN_SILENCE_MS + 1) * CLOCK_NS_PER_MS);
        json_t *h = admin_fixture_get(f, "/livez", 503);
        const char *name = i == REGION_DATA ? "dataplane_loop" : "control_loop";
        assert_non_null(strstr(reason(h, name), "no sign of life"));
        (void)admin_fixture_get(f, "/readyz", 503);
        admin_fixture_free(f);
    }
}

static void
partitions_that_are_not_open_yet_make_it_unready_failed_ones_do_not(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    struct table_have_fact h;
    assert_int_equal(table_have_read(&region_have(&f->region)[0], &h), ERR_OK);
    h.state = TABLE_ABSENT;
    table_have_write(&region_have(&f->region)[0], &h);
    json_t *health = admin_fixture_get(f, "/readyz", 503);
    assert_string_equal(reason(health, "partitions_open"), "1 partitions are not open yet");
    h.state = TABLE_FAILED;
    table_have_write(&region_have(&f->region)[0], &h);
    health = admin_fixture_get(f, "/readyz", 200);
    assert_non_null(strstr(reason(health, "partitions_sound"), "1 partitions cannot be served"));
    admin_fixture_free(f);
}

static void
without_published_metadata_it_is_not_ready(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    atomic_store(&f->region.header->published, 0);
    json_t *h = admin_fixture_get(f, "/readyz", 503);
    assert_true(strlen(reason(h, "metadata_published")) > 0);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_that_serves_is_alive_and_ready),
        cmocka_unit_test(a_dataplane_that_recovers_is_alive_but_not_ready),
        cmocka_unit_test(a_loop_that_stopped_turning_is_not_alive),
        cmocka_unit_test(partitions_that_are_not_open_yet_make_it_unready_failed_ones_do_not),
        cmocka_unit_test(without_published_metadata_it_is_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
