#include "control/meta/meta_resource.h"
#include "control/server/server_groups.h"
#include "tests/unit/control/server/core_fixture.h"

static void
topics_are_told_by_name_by_id_and_one_after_the_other(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct group_config g;
    struct group_topic t, same;
    server_groups_configure(&g, &f->core);
    assert_int_equal(core_fixture_create(f, "one", 1), KERR_NONE);
    assert_int_equal(core_fixture_create(f, "two", 3), KERR_NONE);
    assert_true(g.port.by_name(g.port.user, view_of_text("two"), &t));
    assert_int_equal(t.partition_count, 3);
    assert_true(g.port.by_id(g.port.user, t.id, &same));
    assert_true(view_equal(same.name, view_of_text("two")));
    assert_false(g.port.by_name(g.port.user, view_of_text("three"), &t));
    uint32_t cursor = 0, count = 0;
    while (g.port.next(g.port.user, &cursor, &t))
        count++;
    assert_int_equal(count, 2);
    core_fixture_free(f);
}

static void
a_group_has_the_brokers_settings_but_for_its_own(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct group_config g;
    uint8_t room[256];
    struct put w = put_of(room, sizeof room);
    server_groups_configure(&g, &f->core);
    assert_int_equal(g.consumer.session_timeout_ms, 45000);
    assert_int_equal(g.consumer_migration, GROUP_MIGRATION_BIDIRECTIONAL);
    meta_put_setting(&w, META_RESOURCE_GROUP, view_of_text("g"),
                     view_of_text("consumer.heartbeat.interval.ms"), "7000");
    assert_int_equal(f->core.append(f->core.user, view_of(room, put_len(&w))), ERR_OK);
    struct group_settings s = g.consumer;
    g.port.of_group(g.port.user, view_of_text("g"), &s);
    assert_int_equal(s.heartbeat_interval_ms, 7000);
    assert_int_equal(s.session_timeout_ms, 45000);
    s = g.consumer;
    g.port.of_group(g.port.user, view_of_text("h"), &s);
    assert_int_equal(s.heartbeat_interval_ms, 5000);
    core_fixture_free(f);
}

static void
note(void *user, struct view name)
{
    char *names = user;
    strncat(names, (const char *)name.at, name.len);
}

static void
a_topic_that_changed_is_told_once(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct group_config g;
    char names[64] = "";
    uint64_t seen = f->core.image.index;
    server_groups_configure(&g, &f->core);
    assert_int_equal(core_fixture_create(f, "one", 1), KERR_NONE);
    server_groups_changed(&f->core.image, &seen, note, names);
    assert_string_equal(names, "one");
    int64_t version = g.port.version(g.port.user);
    assert_int_equal(core_fixture_create(f, "two", 1), KERR_NONE);
    assert_true(g.port.version(g.port.user) > version);
    server_groups_changed(&f->core.image, &seen, note, names);
    server_groups_changed(&f->core.image, &seen, note, names);
    assert_string_equal(names, "onetwo");
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_told_by_name_by_id_and_one_after_the_other),
        cmocka_unit_test(a_group_has_the_brokers_settings_but_for_its_own),
        cmocka_unit_test(a_topic_that_changed_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
