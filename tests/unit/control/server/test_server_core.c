#include "tests/unit/control/server/core_fixture.h"

static void
a_request_that_is_cut_anywhere_closes_the_connection(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_create_topics_request_creatable_topic topic = {
        .name = view_of_text("topic"), .num_partitions = 1, .replication_factor = 1};
    struct wire_create_topics_request request = {.topics = {&topic, 1}, .timeout_ms = 1000};
    uint32_t len = core_fixture_encode(f, WIRE_API_CREATE_TOPICS, 7, &request);
    for (uint32_t cut = 0; cut < len; cut++) {
        wire_arena_init(&f->arena, f->arena_at, FIXTURE_ARENA_BYTES);
        assert_int_not_equal(
            server_dispatch(&f->core, view_of(f->request, cut), 0, &f->arena, &f->result), ERR_OK);
    }
    assert_int_equal(f->appends, 0);
    core_fixture_free(f);
}

static void
an_api_that_is_not_ours_is_unsupported(void **state)
{
    struct core_fixture *f = core_fixture_new();
    uint8_t produce[] = {0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0};
    wire_arena_init(&f->arena, f->arena_at, FIXTURE_ARENA_BYTES);
    assert_int_equal(
        server_dispatch(&f->core, view_of(produce, sizeof produce), 0, &f->arena, &f->result),
        ERR_UNSUPPORTED);
    uint8_t version[] = {0, 19, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0};
    assert_int_equal(
        server_dispatch(&f->core, view_of(version, sizeof version), 0, &f->arena, &f->result),
        ERR_UNSUPPORTED);
    core_fixture_free(f);
}

static void
an_error_of_the_log_is_passed_on(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_init_producer_id_request request = {.producer_id = -1, .producer_epoch = -1};
    uint32_t len = core_fixture_encode(f, WIRE_API_INIT_PRODUCER_ID, 4, &request);
    f->append_error = ERR_IO;
    wire_arena_init(&f->arena, f->arena_at, FIXTURE_ARENA_BYTES);
    assert_int_equal(server_dispatch(&f->core, view_of(f->request, len), 0, &f->arena, &f->result),
                     ERR_IO);
    core_fixture_free(f);
}

static void
a_small_arena_is_a_limit_and_changes_nothing_twice(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_metadata_request request = {.topics = {NULL, -1}};
    uint32_t len = core_fixture_encode(f, WIRE_API_METADATA, 12, &request);
    wire_arena_init(&f->arena, f->arena_at, 64);
    assert_int_equal(server_dispatch(&f->core, view_of(f->request, len), 0, &f->arena, &f->result),
                     ERR_LIMIT);
    core_fixture_free(f);
}

static void
the_advertised_listener_is_what_clients_are_told(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(f->core.endpoint_count, 1);
    assert_string_equal(server_endpoint_of(&f->core, 0)->host, "kafka.example");
    assert_int_equal(server_endpoint_of(&f->core, 9)->port, 9999);
    core_fixture_free(f);
}

static void
random_bytes_never_crash_a_handler(void **state)
{
    struct core_fixture *f = core_fixture_new();
    static const int16_t keys[] = {3, 19, 20, 22, 32, 37, 44, 60, 75};
    f->random = 42;
    core_fixture_create(f, "t", 2);
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t bytes[96];
        core_fixture_random(f, bytes, sizeof bytes);
        const struct wire_api *api = wire_api_find(keys[round % 9]);
        uint32_t versions = (uint32_t)(api->version_max - api->version_min + 1);
        set_u16(bytes, (uint16_t)api->key);
        set_u16(bytes + 2, (uint16_t)(api->version_min + (int32_t)(bytes[3] % versions)));
        set_u16(bytes + 8, 0xffff);
        for (uint32_t i = 10; i < sizeof bytes; i++)
            if (bytes[i] & 0x80) /* mostly small numbers: they get further */
                bytes[i] &= 3;
        wire_arena_init(&f->arena, f->arena_at, FIXTURE_ARENA_BYTES);
        int rc =
            server_dispatch(&f->core, view_of(bytes, 12 + round % 80), 0, &f->arena, &f->result);
        assert_true(rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_LIMIT);
    }
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_is_cut_anywhere_closes_the_connection),
        cmocka_unit_test(an_api_that_is_not_ours_is_unsupported),
        cmocka_unit_test(an_error_of_the_log_is_passed_on),
        cmocka_unit_test(a_small_arena_is_a_limit_and_changes_nothing_twice),
        cmocka_unit_test(the_advertised_listener_is_what_clients_are_told),
        cmocka_unit_test(random_bytes_never_crash_a_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
