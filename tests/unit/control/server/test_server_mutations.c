#include "control/server/server_mutations.h"
#include "tests/unit/control/server/core_fixture.h"

/* Bounds every client id. */
static void
bound(struct core_fixture *f, double rate)
{
    struct wire_alter_client_quotas_request_entity_data part = {view_of_text("client-id"), {0}};
    struct wire_alter_client_quotas_request_op_data op = {view_of_text("controller_mutation_rate"),
                                                          rate, rate == 0};
    struct wire_alter_client_quotas_request_entry_data entry = {{&part, 1}, {&op, 1}};
    struct wire_alter_client_quotas_request q = {.entries = {&entry, 1}};
    struct wire_alter_client_quotas_response r;
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 1, &q, &r);
    assert_int_equal(r.entries.items[0].error_code, KERR_NONE);
}

static struct wire_create_topics_response
create(struct core_fixture *f, int16_t version, const char *name, int32_t partitions)
{
    struct wire_create_topics_request_creatable_topic topic = {
        .name = view_of_text(name), .num_partitions = partitions, .replication_factor = 1};
    struct wire_create_topics_request q = {.topics = {&topic, 1}, .timeout_ms = 1000};
    struct wire_create_topics_response r;
    core_fixture_ask(f, WIRE_API_CREATE_TOPICS, version, &q, &r);
    assert_int_equal(r.throttle_time_ms, f->result.throttle_ms);
    return r;
}

static void
without_a_bound_nothing_is_refused(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_create_topics_response r = create(f, 7, "t", 100);
    assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(r.throttle_time_ms, 0);
    core_fixture_free(f);
}

static void
who_is_overdrawn_is_refused_and_told_how_long(void **state)
{
    struct core_fixture *f = core_fixture_new();
    f->core.now_ms = 1000000;
    bound(f, 1);
    /* Eleven may be had at once, and overdrawn once. */
    struct wire_create_topics_response r = create(f, 7, "a", 20);
    assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(r.throttle_time_ms, 0);
    r = create(f, 7, "b", 1);
    assert_int_equal(r.topics.items[0].error_code, KERR_THROTTLING_QUOTA_EXCEEDED);
    assert_view(r.topics.items[0].error_message, "The throttling quota has been exceeded.");
    assert_int_equal(r.throttle_time_ms, 9000);
    f->core.now_ms += 8999;
    assert_int_equal(create(f, 7, "b", 1).topics.items[0].error_code,
                     KERR_THROTTLING_QUOTA_EXCEEDED);
    f->core.now_ms += 1;
    assert_int_equal(create(f, 7, "b", 1).topics.items[0].error_code, KERR_NONE);
    core_fixture_free(f);
}

static void
clients_that_do_not_know_the_error_are_only_slowed(void **state)
{
    struct core_fixture *f = core_fixture_new();
    f->core.now_ms = 1000000;
    bound(f, 1);
    assert_int_equal(create(f, 5, "a", 20).throttle_time_ms, 9000);
    struct wire_create_topics_response r = create(f, 5, "b", 1);
    assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(r.throttle_time_ms, 10000);
    core_fixture_free(f);
}

static void
deletions_and_new_partitions_count_too(void **state)
{
    struct core_fixture *f = core_fixture_new();
    f->core.now_ms = 1000000;
    assert_int_equal(create(f, 7, "a", 20).topics.items[0].error_code, KERR_NONE);
    bound(f, 1);
    struct wire_delete_topics_request_delete_topic_state t = {.name = view_of_text("a")};
    struct wire_delete_topics_request d = {.topics = {&t, 1}};
    struct wire_delete_topics_response dr;
    struct wire_create_partitions_request_create_partitions_topic g = {
        .name = view_of_text("a"), .count = 40, .assignments = {NULL, -1}};
    struct wire_create_partitions_request p = {.topics = {&g, 1}};
    struct wire_create_partitions_response pr;
    core_fixture_ask(f, WIRE_API_CREATE_PARTITIONS, 3, &p, &pr);
    assert_int_equal(pr.results.items[0].error_code, KERR_NONE);
    core_fixture_ask(f, WIRE_API_DELETE_TOPICS, 6, &d, &dr);
    assert_int_equal(dr.responses.items[0].error_code, KERR_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(dr.throttle_time_ms, 9000);
    bound(f, 0);
    core_fixture_ask(f, WIRE_API_DELETE_TOPICS, 6, &d, &dr);
    assert_int_equal(dr.responses.items[0].error_code, KERR_NONE);
    core_fixture_free(f);
}

static void
what_fails_costs_nothing(void **state)
{
    struct core_fixture *f = core_fixture_new();
    f->core.now_ms = 1000000;
    bound(f, 1);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(create(f, 7, "no/good", 5).topics.items[0].error_code,
                         KERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(f, 7, "a", 5).topics.items[0].error_code, KERR_NONE);
    assert_int_equal(create(f, 7, "b", 5).topics.items[0].error_code, KERR_NONE);
    core_fixture_free(f);
}

static void
more_clients_than_buckets_make_the_oldest_begin_anew(void **state)
{
    struct core_fixture *f = core_fixture_new();
    char name[16];
    f->core.now_ms = 1000000;
    bound(f, 1);
    struct server_call call = {0};
    struct meta_error e = {0};
    for (uint32_t i = 0; i < 4 * SERVER_MUTATIONS_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%u", i);
        call.client_id = view_of_text(name);
        f->core.now_ms++;
        assert_int_equal(server_mutations_take(&f->core, &call, 12, true, &e), KERR_NONE);
    }
    assert_int_equal(server_mutations_take(&f->core, &call, 1, true, &e),
                     KERR_THROTTLING_QUOTA_EXCEEDED);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_bound_nothing_is_refused),
        cmocka_unit_test(who_is_overdrawn_is_refused_and_told_how_long),
        cmocka_unit_test(clients_that_do_not_know_the_error_are_only_slowed),
        cmocka_unit_test(deletions_and_new_partitions_count_too),
        cmocka_unit_test(what_fails_costs_nothing),
        cmocka_unit_test(more_clients_than_buckets_make_the_oldest_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
