#include "control/meta/meta_resource.h"
#include "control/server/server_telemetry.h"
#include "tests/unit/control/server/core_fixture.h"

typedef struct wire_get_telemetry_subscriptions_response got_response;

static void
set(struct core_fixture *f, const char *name, const char *key, const char *value)
{
    struct put w = put_of(f->core.entry, META_ENTRY_BYTES_MAX);
    meta_put_setting(&w, META_RESOURCE_METRICS, view_of_text(name), view_of_text(key), value);
    assert_int_equal(f->core.append(f->core.user, view_of(f->core.entry, put_len(&w))), ERR_OK);
}

static got_response
get(struct core_fixture *f, const uint8_t *id)
{
    struct wire_get_telemetry_subscriptions_request request = {0};
    got_response response;
    if (id)
        memcpy(request.client_instance_id, id, sizeof request.client_instance_id);
    core_fixture_ask(f, WIRE_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &request, &response);
    return response;
}

static int16_t
push(struct core_fixture *f, const got_response *g, struct view metrics)
{
    struct wire_push_telemetry_request request = {.subscription_id = g->subscription_id,
                                                  .metrics = metrics};
    struct wire_push_telemetry_response response;
    memcpy(request.client_instance_id, g->client_instance_id, sizeof request.client_instance_id);
    core_fixture_ask(f, WIRE_API_PUSH_TELEMETRY, 0, &request, &response);
    return response.error_code;
}

static struct core_fixture *
begin(const char *conf)
{
    struct core_fixture *f = core_fixture_conf(conf);
    f->core.now_ms = 1700000000000;
    f->core.from = (struct server_origin){.software_name = view_of_text("librdkafka"),
                                          .ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1},
                                          .port = 4711};
    return f;
}

static void
a_client_is_told_what_subscriptions_say_of_its_software_and_address(void **state)
{
    (void)state;
    struct core_fixture *f = begin("telemetry.max.bytes=500\n");
    got_response none = get(f, NULL);
    assert_int_equal(none.error_code, KERR_NONE);
    assert_int_equal(none.requested_metrics.count, 0);
    assert_int_equal(none.push_interval_ms, 300000);
    assert_int_equal(none.telemetry_max_bytes, 500);
    assert_int_equal(none.accepted_compression_types.count, 4);
    assert_int_equal(none.accepted_compression_types.items[0], 4);
    assert_true(none.delta_temporality);
    set(f, "a", "metrics", "x.,y.");
    set(f, "a", "interval.ms", "1000");
    set(f, "a", "match", "client_software_name=librdkafka,client_source_address=10.0.0.1");
    set(f, "b", "metrics", "z.");
    set(f, "b", "match", "client_software_version=1");
    got_response some = get(f, none.client_instance_id); /* at once: it is news */
    assert_int_equal(some.error_code, KERR_NONE);
    assert_memory_equal(some.client_instance_id, none.client_instance_id, 16);
    assert_int_equal(some.requested_metrics.count, 2);
    assert_true(view_equal(some.requested_metrics.items[1], view_of_text("y.")));
    assert_int_equal(some.push_interval_ms, 1000);
    core_fixture_free(f);
}

static void
entries_of_the_log_that_are_no_subscriptions_change_nothing(void **state)
{
    (void)state;
    struct core_fixture *f = begin("");
    set(f, "a", "metrics", "*");
    got_response g = get(f, NULL);
    core_fixture_create(f, "t", 1);
    assert_int_equal(get(f, g.client_instance_id).error_code, KERR_THROTTLING_QUOTA_EXCEEDED);
    set(f, "a", "metrics", "x");
    assert_int_equal(get(f, g.client_instance_id).error_code, KERR_NONE);
    core_fixture_free(f);
}

static void
a_client_without_a_name_is_unknown_as_in_kafka(void **state)
{
    (void)state;
    struct core_fixture *f = begin("");
    f->core.from.software_name = view_of(NULL, 0);
    set(f, "a", "metrics", "*");
    set(f, "a", "match", "client_software_name=unknown,client_software_version=unknown");
    assert_int_equal(get(f, NULL).requested_metrics.count, 1);
    core_fixture_free(f);
}

static bool
count_up(void *user, const struct telemetry_client *c, const struct telemetry_value *v)
{
    (void)v;
    assert_string_equal(c->software_name, "librdkafka");
    assert_string_equal(c->address, "10.0.0.1");
    ++*(uint32_t *)user;
    return true;
}

static void
what_is_pushed_is_there_for_the_endpoint(void **state)
{
    (void)state;
    /* MetricsData{1:{2:{2:{1:"n",5:{1:{6:-2}}}}}} */
    static const uint8_t data[] = {0x0a, 0x14, 0x12, 0x12, 0x12, 0x10, 0x0a, 0x01,
                                   'n',  0x2a, 0x0b, 0x0a, 0x09, 0x31, 0xfe, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct core_fixture *f = begin("telemetry.max.bytes=30\n");
    uint32_t n = 0;
    assert_null(server_telemetry(&f->core));
    got_response g = get(f, NULL);
    assert_int_equal(push(f, &g, view_of(data, sizeof data)), KERR_NONE);
    telemetry_each(server_telemetry(&f->core), count_up, &n);
    assert_int_equal(n, 1);
    f->core.now_ms += 300000;
    static const uint8_t larger[31];
    assert_int_equal(push(f, &g, view_of(larger, sizeof larger)), KERR_TELEMETRY_TOO_LARGE);
    g.subscription_id++;
    f->core.now_ms += 300000;
    assert_int_equal(push(f, &g, view_of(data, sizeof data)), KERR_UNKNOWN_SUBSCRIPTION_ID);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_told_what_subscriptions_say_of_its_software_and_address),
        cmocka_unit_test(entries_of_the_log_that_are_no_subscriptions_change_nothing),
        cmocka_unit_test(a_client_without_a_name_is_unknown_as_in_kafka),
        cmocka_unit_test(what_is_pushed_is_there_for_the_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
