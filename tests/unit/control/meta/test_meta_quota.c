#include "control/meta/meta_quota.h"
#include "tests/unit/control/meta/meta_fixture.h"

static struct meta_quota_entity
entity(const char *user, const char *client, const char *ip)
{
    const char *names[META_QUOTA_PARTS] = {user, client, ip};
    struct meta_quota_entity q = {0};
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++) {
        if (!names[p])
            continue;
        bool named = strcmp(names[p], "<default>") != 0;
        q.parts[p].kind = named ? META_QUOTA_NAMED : META_QUOTA_DEFAULT;
        q.parts[p].name = view_of_text(named ? names[p] : "");
    }
    return q;
}

static int16_t
plan(struct fixture *f, struct meta_quota_entity q, const char *key, double value)
{
    struct meta_quota_op op = {view_of_text(key), value, value == 0};
    int16_t code = meta_plan_quota(&f->m, &q, &op, 1, &f->out, &f->e);
    if (code == KERR_NONE && put_len(&f->out))
        assert_int_equal(fixture_apply(f), ERR_OK);
    return code;
}

static void
names_of_entities_can_be_read_back(void **state)
{
    static const char *const users[] = {NULL, "<default>", "u", "\x01\x02"};
    uint8_t bytes[META_RESOURCE_NAME_BYTES_MAX];
    for (uint32_t i = 0; i < 4; i++) {
        struct meta_quota_entity q = entity(users[i], users[(i + 1) % 4], NULL), back;
        struct view name = meta_quota_name(&q, bytes);
        assert_true(meta_quota_read(name, &back));
        for (uint32_t p = 0; p < META_QUOTA_PARTS; p++) {
            assert_int_equal(back.parts[p].kind, q.parts[p].kind);
            assert_true(view_equal(back.parts[p].name, q.parts[p].name));
        }
        assert_false(meta_quota_read(view_of(name.at, name.len - 1), &back));
    }
}

static void
a_quota_is_kept_and_taken_back(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    uint8_t bytes[META_RESOURCE_NAME_BYTES_MAX];
    struct meta_quota_entity q = entity("u", "<default>", NULL);
    assert_int_equal(plan(f, q, "request_percentage", 12.5), KERR_NONE);
    struct view name = meta_quota_name(&q, bytes);
    const char *text = meta_resource_value(&f->m, META_RESOURCE_QUOTA, name, "request_percentage");
    assert_true(meta_quota_value(text) > 12.49 && meta_quota_value(text) < 12.51);
    assert_int_equal(plan(f, q, "request_percentage", 0), KERR_NONE);
    assert_int_equal(f->m.resource_count, 0);
    fixture_free(f);
}

static void
what_kafka_refuses_is_refused_in_its_words(void **state)
{
    static const struct {
        const char *user, *client, *ip, *key;
        double value;
        const char *text;
    } rows[] = {
        {NULL, NULL, NULL, "producer_byte_rate", 1, "Invalid empty client quota entity"},
        {"", NULL, NULL, "producer_byte_rate", 1, "Empty user not supported"},
        {"u", NULL, "1.1.1.1", "producer_byte_rate", 1,
         "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"},
        {"u", NULL, NULL, "nope", 1, "Invalid configuration key nope"},
        {"u", NULL, NULL, "connection_creation_rate", 1,
         "Invalid configuration key connection_creation_rate"},
        {NULL, NULL, "1.1.1.1", "producer_byte_rate", 1,
         "Invalid configuration key producer_byte_rate"},
        {"u", NULL, NULL, "producer_byte_rate", -1,
         "Quota producer_byte_rate must be greater than 0"},
        {"u", NULL, NULL, "producer_byte_rate", 1.5,
         "producer_byte_rate cannot be a fractional value."},
        {"u", NULL, NULL, "producer_byte_rate", 1e30,
         "Proposed value for producer_byte_rate is too large for a LONG."},
    };
    struct fixture *f = fixture_new(4, 16);
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            plan(f, entity(rows[i].user, rows[i].client, rows[i].ip), rows[i].key, rows[i].value),
            KERR_INVALID_REQUEST);
        assert_string_equal(f->e.text, rows[i].text);
    }
    assert_int_equal(plan(f, entity("u", NULL, NULL), "nope", 0), KERR_NONE);
    assert_int_equal(f->m.index, 0);
    fixture_free(f);
}

static void
a_fraction_that_is_hardly_one_is_a_whole_number(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    assert_int_equal(plan(f, entity("u", NULL, NULL), "consumer_byte_rate", 99.9999999), KERR_NONE);
    assert_int_equal(plan(f, entity("u", NULL, NULL), "consumer_byte_rate", 9e18), KERR_NONE);
    fixture_free(f);
}

static void
entities_are_bounded(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    char user[16];
    for (uint32_t i = 0; i < META_QUOTA_ENTITIES_MAX; i++) {
        (void)snprintf(user, sizeof user, "u%u", i);
        assert_int_equal(plan(f, entity(user, NULL, NULL), "request_percentage", 1), KERR_NONE);
    }
    assert_int_equal(plan(f, entity("more", NULL, NULL), "request_percentage", 1),
                     KERR_POLICY_VIOLATION);
    assert_int_equal(plan(f, entity("u1", NULL, NULL), "request_percentage", 2), KERR_NONE);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_entities_can_be_read_back),
        cmocka_unit_test(a_quota_is_kept_and_taken_back),
        cmocka_unit_test(what_kafka_refuses_is_refused_in_its_words),
        cmocka_unit_test(a_fraction_that_is_hardly_one_is_a_whole_number),
        cmocka_unit_test(entities_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
