#include "control/meta/meta_resource.h"
#include "tests/unit/control/meta/meta_fixture.h"

static void
set(struct fixture *f, enum meta_resource_type type, const char *name, const char *key,
    const char *value)
{
    meta_put_setting(&f->out, type, view_of_text(name), view_of_text(key), value);
    assert_int_equal(fixture_apply(f), ERR_OK);
}

static void
a_resource_is_there_while_it_has_a_setting(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    set(f, META_RESOURCE_GROUP, "g", "b", "1");
    set(f, META_RESOURCE_GROUP, "g", "a", "2");
    set(f, META_RESOURCE_GROUP, "g", "a", "3");
    assert_string_equal(meta_resource_value(&f->m, META_RESOURCE_GROUP, view_of_text("g"), "a"),
                        "3");
    assert_string_equal(
        meta_resource_find(&f->m, META_RESOURCE_GROUP, view_of_text("g"))->settings[0].key, "a");
    assert_null(meta_resource_find(&f->m, META_RESOURCE_METRICS, view_of_text("g")));
    assert_null(meta_resource_value(&f->m, META_RESOURCE_GROUP, view_of_text("g"), "c"));
    set(f, META_RESOURCE_GROUP, "g", "a", NULL);
    set(f, META_RESOURCE_GROUP, "g", "b", NULL);
    set(f, META_RESOURCE_GROUP, "g", "b", NULL);
    assert_null(meta_resource_find(&f->m, META_RESOURCE_GROUP, view_of_text("g")));
    assert_int_equal(f->m.resource_count, 0);
    fixture_free(f);
}

static void
resources_are_in_order_of_type_and_name(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    static const char *const names[] = {"m", "", "zz", "a"};
    uint32_t count;
    for (uint32_t i = 0; i < 4; i++) {
        set(f, META_RESOURCE_METRICS, names[i], "k", "v");
        set(f, META_RESOURCE_BROKER, names[i], "k", "v");
        set(f, META_RESOURCE_QUOTA, names[i], "k", "v");
    }
    uint32_t first = meta_resource_range(&f->m, META_RESOURCE_METRICS, &count);
    assert_int_equal(first, 4);
    assert_int_equal(count, 4);
    assert_int_equal(f->m.resources[first]->name_bytes, 0);
    assert_memory_equal(f->m.resources[first + 3]->name, "zz", 2);
    first = meta_resource_range(&f->m, META_RESOURCE_GROUP, &count);
    assert_int_equal(count, 0);
    fixture_free(f);
}

static void
a_snapshot_keeps_every_setting(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    struct meta_image copy;
    struct meta_place place;
    char name[16];
    for (uint32_t i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "r%u", i % 7);
        set(f, i % 2 ? META_RESOURCE_GROUP : META_RESOURCE_QUOTA, name, name + i % 2,
            i % 5 ? name : NULL);
    }
    uint32_t room = (uint32_t)meta_snapshot_bytes(&f->m);
    uint8_t *at = malloc(room);
    assert_non_null(at);
    struct put w = put_of(at, room);
    meta_snapshot_encode(&f->m, (struct meta_place){1, 2}, &w);
    assert_false(w.bad);
    meta_image_init(&copy, 4, 16);
    assert_int_equal(meta_snapshot_decode(&copy, view_of(at, put_len(&w)), &place), ERR_OK);
    assert_true(meta_image_equal(&f->m, &copy));
    set(f, META_RESOURCE_GROUP, "r1", "more", "x");
    copy.index = f->m.index;
    assert_false(meta_image_equal(&f->m, &copy));
    meta_image_free(&copy);
    free(at);
    fixture_free(f);
}

static void
a_setting_of_a_broker_touches_every_topic(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "t", 1);
    uint32_t row = fixture_find(f, "t")->row;
    uint64_t before = f->m.topic_index[row];
    set(f, META_RESOURCE_GROUP, "g", "k", "v");
    assert_int_equal(f->m.topic_index[row], before);
    set(f, META_RESOURCE_BROKER, "", "k", "v");
    assert_int_equal(f->m.topic_index[row], f->m.index);
    assert_int_equal(f->m.broker_index, f->m.index);
    assert_int_equal(f->m.quota_index, 0);
    set(f, META_RESOURCE_QUOTA, "q", "k", "v");
    assert_int_equal(f->m.quota_index, f->m.index);
    fixture_free(f);
}

static void
settings_of_one_resource_are_bounded(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    char key[16];
    for (uint32_t i = 0; i < META_RESOURCE_SETTINGS_MAX; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        set(f, META_RESOURCE_GROUP, "g", key, "v");
    }
    meta_put_setting(&f->out, META_RESOURCE_GROUP, view_of_text("g"), view_of_text("more"), "v");
    assert_int_equal(fixture_apply(f), ERR_LIMIT);
    fixture_free(f);
}

/* ---- plans ---- */

static const struct meta_config_row rows[] = {
    {.name = "n",
     .type = META_TYPE_INT,
     .fallback = "1",
     .min = 0,
     .max = 9,
     .choices = "",
     .why_fixed = ""},
    {.name = "l", .type = META_TYPE_LIST, .fallback = "a", .choices = "", .why_fixed = ""},
};

static const struct meta_config_row *
key(const void *user, struct view name)
{
    (void)user;
    for (uint32_t i = 0; i < 2; i++)
        if (view_equal(name, view_of_text(rows[i].name)))
            return &rows[i];
    return NULL;
}

static int16_t
plan(struct fixture *f, bool replace, const struct meta_setting *s, uint32_t count)
{
    struct meta_resource_plan p = {.type = META_RESOURCE_GROUP,
                                   .name = view_of_text("g"),
                                   .settings = s,
                                   .count = count,
                                   .replace = replace,
                                   .key = key,
                                   .lists = true,
                                   .unknown = "Unknown: ",
                                   .unknown_code = KERR_INVALID_CONFIG};
    int16_t code = meta_plan_resource(&f->m, &p, &f->out, &f->e);
    if (code == KERR_NONE && put_len(&f->out))
        assert_int_equal(fixture_apply(f), ERR_OK);
    assert_int_equal(put_len(&f->out), 0);
    return code;
}

static const char *
value(struct fixture *f, const char *k)
{
    return meta_resource_value(&f->m, META_RESOURCE_GROUP, view_of_text("g"), k);
}

static void
a_plan_sets_appends_and_takes_back(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    struct meta_setting s[] = {{view_of_text("n"), view_of_text(" 5"), 0},
                               {view_of_text("l"), view_of_text("b,c"), 2}};
    assert_int_equal(plan(f, false, s, 2), KERR_NONE);
    assert_string_equal(value(f, "n"), "5");
    assert_string_equal(value(f, "l"), "a,b,c");
    s[0].operation = 1;
    s[1] = (struct meta_setting){view_of_text("l"), view_of_text("b"), 3};
    assert_int_equal(plan(f, false, s, 2), KERR_NONE);
    assert_null(value(f, "n"));
    assert_string_equal(value(f, "l"), "a,c");
    assert_int_equal(plan(f, true, s, 1), KERR_NONE); /* operations do not count */
    assert_string_equal(value(f, "n"), "5");
    assert_null(value(f, "l"));
    fixture_free(f);
}

static void
a_plan_with_one_fault_changes_nothing(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    static const struct meta_setting bad[] = {
        {{(const uint8_t *)"x", 1}, {(const uint8_t *)"1", 1}, 0},
        {{(const uint8_t *)"n", 1}, {(const uint8_t *)"99", 2}, 0},
        {{(const uint8_t *)"n", 1}, {NULL, 0}, 0},
        {{(const uint8_t *)"n", 1}, {(const uint8_t *)"1", 1}, 2},
        {{(const uint8_t *)"n", 1}, {(const uint8_t *)"1", 1}, 7},
        {{(const uint8_t *)"l", 1}, {(const uint8_t *)"z", 1}, 0}, /* twice */
    };
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct meta_setting s[] = {{view_of_text("l"), view_of_text("b"), 0}, bad[i]};
        assert_int_not_equal(plan(f, false, s, 2), KERR_NONE);
        assert_null(value(f, "l"));
    }
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resource_is_there_while_it_has_a_setting),
        cmocka_unit_test(resources_are_in_order_of_type_and_name),
        cmocka_unit_test(a_snapshot_keeps_every_setting),
        cmocka_unit_test(a_setting_of_a_broker_touches_every_topic),
        cmocka_unit_test(settings_of_one_resource_are_bounded),
        cmocka_unit_test(a_plan_sets_appends_and_takes_back),
        cmocka_unit_test(a_plan_with_one_fault_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
