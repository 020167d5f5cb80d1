#include "dataplane/broker/versions.h"

#include "core/wire/feature.h"
#include "tests/unit/dataplane/broker/harness.h"

static uint8_t memory[65536];

static struct harness *
client(void)
{
    struct harness *h = harness_new(1, NULL);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static struct wire_api_versions_response
ask(struct harness *h, int16_t version, int16_t answered, const char *name)
{
    struct wire_api_versions_request body = {0};
    if (version >= 3) {
        body.client_software_name = view_of_text(name);
        body.client_software_version = view_of_text("1.0");
    }
    if (version <= 4)
        harness_request(h, 0, 0, WIRE_API_API_VERSIONS, version, 9, &body);
    else
        harness_request_raw(h, 0, 0, WIRE_API_API_VERSIONS, version, 9, true,
                            view_of("\xff\xff\xff", 3));
    harness_turns(h, 2);
    size_t at = 0;
    struct view v = harness_response(h, 0, 0, &at);
    assert_true(v.len > 4);
    assert_int_equal(get_i32(v.at), 9); /* header v0 in every version */
    struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    struct wire_api_versions_response r;
    assert_int_equal(wire_decode(&wire_api_versions_response_message, answered,
                                 view_of(v.at + 4, v.len - 4), &r, &arena),
                     ERR_OK);
    return r;
}

static const struct wire_api_versions_response_api_version *
api_of(const struct wire_api_versions_response *r, int16_t key)
{
    for (int32_t i = 0; i < r->api_keys.count; i++) {
        if (r->api_keys.items[i].api_key == key)
            return &r->api_keys.items[i];
    }
    return NULL;
}

static void
every_api_with_a_handler_is_offered_and_no_other(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 4; version++) {
        struct harness *h = client();
        struct wire_api_versions_response r = ask(h, version, version, "librdkafka");
        assert_int_equal(r.error_code, KERR_NONE);
        uint32_t count;
        (void)req_handlers(&count);
        assert_int_equal(r.api_keys.count, count);
        for (int32_t i = 0; i < r.api_keys.count; i++) {
            assert_non_null(req_handler(r.api_keys.items[i].api_key));
            assert_true(i == 0 || r.api_keys.items[i - 1].api_key < r.api_keys.items[i].api_key);
        }
        assert_non_null(api_of(&r, WIRE_API_METADATA));
        harness_free(h);
    }
}

static void
produce_is_offered_from_version_0_for_librdkafka(void **state)
{
    (void)state;
    struct harness *h = client();
    struct wire_api_versions_response r = ask(h, 3, 3, "librdkafka");
    assert_int_equal(api_of(&r, WIRE_API_PRODUCE)->min_version, 0);
    assert_int_equal(api_of(&r, WIRE_API_PRODUCE)->max_version, 13);
    assert_int_equal(api_of(&r, WIRE_API_FETCH)->min_version, 4);
    harness_free(h);
}

static void
the_features_are_those_of_kafka_4_3_that_work(void **state)
{
    (void)state;
    struct harness *h = client();
    atomic_store(&h->region.header->features_epoch, 42);
    struct wire_api_versions_response r = ask(h, 4, 4, "x");
    assert_int_equal(r.finalized_features_epoch, 42);
    assert_int_equal(r.finalized_features.count, FEATURES);
    assert_true(view_equal(r.finalized_features.items[0].name, view_of_text("metadata.version")));
    assert_int_equal(r.finalized_features.items[0].max_version_level, 30);
    assert_int_equal(r.supported_features.items[0].min_version, 7);
    assert_true(view_equal(r.finalized_features.items[1].name, view_of_text("group.version")));
    assert_int_equal(r.finalized_features.items[1].max_version_level, 1);
    harness_free(h);
}

static void
transactions_are_of_version_2(void **state)
{
    (void)state;
    struct harness *h = client();
    struct wire_api_versions_response r = ask(h, 4, 4, "x");
    const struct wire_api_versions_response_finalized_feature_key *f =
        &r.finalized_features.items[FEATURE_TRANSACTION];
    assert_true(view_equal(f->name, view_of_text("transaction.version")));
    assert_int_equal(f->max_version_level, 2);
    assert_int_equal(r.supported_features.items[FEATURE_TRANSACTION].min_version, 0);
    harness_free(h);
}

static void
an_unknown_version_is_answered_in_version_0_with_the_range_alone(void **state)
{
    (void)state;
    struct harness *h = client();
    struct wire_api_versions_response r = ask(h, 99, 0, "");
    assert_int_equal(r.error_code, KERR_UNSUPPORTED_VERSION);
    assert_int_equal(r.api_keys.count, 1);
    assert_int_equal(r.api_keys.items[0].api_key, WIRE_API_API_VERSIONS);
    assert_int_equal(r.api_keys.items[0].max_version, 4);
    assert_int_equal(h->shards[0].conn_count, 1); /* the client asks again */
    harness_free(h);
}

static void
a_bad_client_name_is_an_invalid_request(void **state)
{
    (void)state;
    struct harness *h = client();
    struct wire_api_versions_response r = ask(h, 3, 3, "-x");
    assert_int_equal(r.error_code, KERR_INVALID_REQUEST);
    assert_int_equal(r.api_keys.count, 0);
    harness_free(h);
}

static void
names_are_letters_digits_and_inner_dots_and_hyphens(void **state)
{
    (void)state;
    const char *good[] = {"a", "apache-kafka-java", "4.3.1", "A-.-9"};
    const char *bad[] = {"", "-a", "a-", ".", "a b", "a_b", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(versions_name_ok(view_of_text(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(versions_name_ok(view_of_text(bad[i])));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_api_with_a_handler_is_offered_and_no_other),
        cmocka_unit_test(produce_is_offered_from_version_0_for_librdkafka),
        cmocka_unit_test(transactions_are_of_version_2),
        cmocka_unit_test(the_features_are_those_of_kafka_4_3_that_work),
        cmocka_unit_test(an_unknown_version_is_answered_in_version_0_with_the_range_alone),
        cmocka_unit_test(a_bad_client_name_is_an_invalid_request),
        cmocka_unit_test(names_are_letters_digits_and_inner_dots_and_hyphens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
