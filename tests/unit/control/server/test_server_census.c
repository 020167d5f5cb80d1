#include "control/server/server_census.h"

#include "core/base/javahash.h"
#include "tests/unit/control/server/coords_fixture.h"

#include <stdio.h>

static void
wake(void *user)
{
    (void)user;
}

/* What the desk gets when it asks; the turns that it took in *turns. */
static struct census *
taken(struct server_census *s, struct census_desk *d, uint32_t *turns)
{
    bool fresh;
    (void)census_desk_ask(d, 0, &fresh); /* nobody turns meanwhile */
    for (*turns = 1; server_census_step(s); (*turns)++)
        assert_true(*turns < 1000);
    return census_desk_ask(d, 0, &fresh);
}

static bool
has(const struct census *c, const char *group, int64_t offset)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < c->group_count; i++) {
        const struct census_group *g = &c->groups[i];
        if (!view_equal(census_view(c, g->id), view_of_text(group)))
            continue;
        found++;
        assert_int_equal(g->count, 1);
        assert_int_equal(c->offsets[g->first].offset, offset);
    }
    assert_true(found <= 1);
    return found == 1;
}

static void
groups_of_every_partition_are_told_once(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct server_census s;
    struct census_desk *d = census_desk_new(wake, NULL);
    server_census_init(&s, d, c->coords, NULL);
    assert_false(server_census_step(&s)); /* nobody asks */
    coords_commit(c, 0, "a", "t", 5);
    coords_commit(c, 1, "b", "t", 6);
    coords_commit(c, 2, "c", "t", 7);
    coords_turns(c, 3);
    uint32_t turns;
    struct census *got = taken(&s, d, &turns);
    assert_int_equal(got->group_count, 3);
    assert_true(has(got, "a", 5) && has(got, "b", 6) && has(got, "c", 7));
    assert_string_equal(got->groups[0].state, "Empty");
    assert_string_equal(got->groups[0].type, "Classic");
    assert_int_equal(turns, 1);
    server_census_free(&s);
    census_desk_free(d);
    coords_free(c);
}

/* Groups of partition 0 of four. */
static uint32_t
commit_many(struct coords_fixture *c, uint32_t first, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t i = first; n < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "g%u", i);
        if (javahash_partition(view_of_text(name), COORDS_PARTITIONS) != 0)
            continue;
        coords_commit(c, i, name, "t", 1);
        coords_turns(c, 3);
        for (uint32_t k = 0; k < c->answer_count; k++)
            free(c->answers[k].bytes);
        c->answer_count = 0;
        if (++n == count)
            return i + 1;
    }
    return first;
}

static void
many_groups_take_several_turns_and_growth_between_them_repeats_none(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct server_census s;
    bool fresh;
    struct census_desk *d = census_desk_new(wake, NULL);
    server_census_init(&s, d, c->coords, NULL);
    uint32_t next = commit_many(c, 0, 510); /* one more bucket each would be 1024 */
    (void)census_desk_ask(d, 0, &fresh);
    assert_true(server_census_step(&s)); /* groups and offsets: 1020 rows */
    uint32_t told = s.filling->group_count;
    assert_true(told > 0 && told < 510);
    (void)commit_many(c, next, 40); /* the table doubles under the walk */
    while (server_census_step(&s))
        ;
    struct census *got = census_desk_ask(d, 0, &fresh);
    assert_int_equal(got->group_count, 550);
    for (uint32_t i = 0; i < got->group_count; i++)
        for (uint32_t k = 0; k < i; k++)
            assert_false(view_equal(census_view(got, got->groups[i].id),
                                    census_view(got, got->groups[k].id)));
    server_census_free(&s);
    census_desk_free(d);
    coords_free(c);
}

static void
a_partition_that_begins_anew_under_the_walk_is_not_told_twice(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct server_census s;
    bool fresh;
    struct census_desk *d = census_desk_new(wake, NULL);
    server_census_init(&s, d, c->coords, NULL);
    (void)commit_many(c, 0, 510);
    (void)census_desk_ask(d, 0, &fresh);
    assert_true(server_census_step(&s));
    assert_true(s.filling->group_count > 0);
    server_coords_restarted(c->coords); /* nothing is served now */
    while (server_census_step(&s))
        ;
    struct census *got = census_desk_ask(d, 0, &fresh);
    assert_int_equal(got->group_count, 0);
    server_census_free(&s);
    census_desk_free(d);
    coords_free(c);
}

static void
values_that_clients_pushed_are_told_with_the_labels_of_both(void **state)
{
    (void)state;
    /* MetricsData{1:{1:{1:{1:"r",2:{1:"1"}}},2:{2:{1:"n",5:{1:{6:5,7:{1:"k",2:{1:"v"}}}}}}}} */
    static const uint8_t data[] = {0x0a, 0x2c, 0x0a, 0x0a, 0x0a, 0x08, 0x0a, 0x01, 'r',  0x12,
                                   0x03, 0x0a, 0x01, '1',  0x12, 0x1e, 0x12, 0x1c, 0x0a, 0x01,
                                   'n',  0x2a, 0x17, 0x0a, 0x15, 0x31, 5,    0,    0,    0,
                                   0,    0,    0,    0,    0x3a, 0x0a, 0x0a, 0x03, 'k',  'e',
                                   'y',  0x12, 0x03, 0x0a, 0x01, 'v'};
    struct coords_fixture *c = coords_active();
    struct server_census s;
    struct census_desk *d = census_desk_new(wake, NULL);
    server_census_init(&s, d, c->coords, &c->f->core);
    c->f->core.now_ms = 1700000000000;
    for (uint32_t i = 0; i < 3; i++) {
        struct wire_get_telemetry_subscriptions_request asked = {0};
        struct wire_get_telemetry_subscriptions_response told;
        core_fixture_ask(c->f, WIRE_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &asked, &told);
        struct wire_push_telemetry_request pushed = {.subscription_id = told.subscription_id,
                                                     .metrics = view_of(data, sizeof data)};
        memcpy(pushed.client_instance_id, told.client_instance_id, 16);
        struct wire_push_telemetry_response answer;
        core_fixture_ask(c->f, WIRE_API_PUSH_TELEMETRY, 0, &pushed, &answer);
        assert_int_equal(answer.error_code, KERR_NONE);
    }
    uint32_t turns;
    struct census *got = taken(&s, d, &turns);
    assert_int_equal(got->client_count, 3);
    assert_int_equal(got->value_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(got->clients[i].count, 1);
        assert_true(
            view_equal(census_view(got, got->clients[i].software_name), view_of_text("unknown")));
        assert_true(got->values[i].value == 5);
        assert_true(
            view_equal(census_view(got, got->values[i].labels), view_of("r\0001\0key\0v", 10)));
    }
    server_census_free(&s);
    census_desk_free(d);
    coords_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_every_partition_are_told_once),
        cmocka_unit_test(many_groups_take_several_turns_and_growth_between_them_repeats_none),
        cmocka_unit_test(a_partition_that_begins_anew_under_the_walk_is_not_told_twice),
        cmocka_unit_test(values_that_clients_pushed_are_told_with_the_labels_of_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
