#include "dataplane/broker/quota.h"

#include "core/base/clock.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHARDS = 2 };

struct fixture {
    struct quotas_table table;
    struct quotas_fact fact;
    struct quota shards[SHARDS];
    void *memory;
    uint64_t now_ns;
};

static struct fixture *
setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->memory = calloc(1, quota_footprint(SHARDS));
    assert_non_null(f->memory);
    struct quota_usage *u = quota_init(f->memory, SHARDS);
    for (uint32_t i = 0; i < SHARDS; i++) {
        f->shards[i].usage = u;
        f->shards[i].shard = i;
    }
    f->now_ns = 1000 * CLOCK_NS_PER_S;
    return f;
}

static void
teardown(struct fixture *f)
{
    free(f->memory);
    free(f);
}

static void
publish(struct fixture *f)
{
    quotas_write(&f->table, &f->fact);
    for (uint32_t i = 0; i < SHARDS; i++)
        quota_refresh(&f->shards[i], &f->table);
}

static void
name_client(struct fixture *f, const char *name, enum quotas_named level, enum quotas_kind kind,
            double bound)
{
    struct quotas_row *r = &f->fact.rows[f->fact.count++];
    r->name_bytes = (uint8_t)strlen(name);
    memcpy(r->name, name, strlen(name));
    r->bounds[level][kind] = bound;
}

static struct quota_claim
claim(struct fixture *f, uint32_t shard, const char *client)
{
    return quota_claim(&f->shards[shard], QUOTAS_PRODUCE, view_of_text(client), f->now_ns);
}

static uint32_t
charge(struct fixture *f, uint32_t shard, const char *client, uint64_t amount)
{
    struct quota_claim c = claim(f, shard, client);
    return quota_charge(&f->shards[shard], QUOTAS_PRODUCE, &c, amount, f->now_ns);
}

static void
without_a_bound_nothing_is_counted(void **state)
{
    struct fixture *f = setup();
    publish(f);
    assert_false(f->shards[0].on);
    assert_int_equal(charge(f, 0, "a", UINT64_C(1) << 60), 0);
    assert_true(quota_most(&(struct quota_claim){0}) == INT32_MAX);
    teardown(f);
}

static void
a_burst_is_paid_for_with_waiting(void **state)
{
    struct fixture *f = setup();
    f->fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_PRODUCE] = 1000;
    publish(f);
    assert_true(f->shards[0].on && f->shards[0].kinds[QUOTAS_PRODUCE]);
    assert_int_equal(charge(f, 0, "a", 10000), 0); /* ten seconds' worth at once */
    assert_int_equal(charge(f, 0, "a", 2500), 2500);
    f->now_ns += 2500 * CLOCK_NS_PER_MS;
    assert_int_equal(charge(f, 0, "a", 0), 2000); /* the half second began a window of its own */
    f->now_ns += 9 * CLOCK_NS_PER_S;
    assert_int_equal(charge(f, 0, "a", 0), 0);
    teardown(f);
}

static void
client_ids_do_not_pay_for_each_other(void **state)
{
    struct fixture *f = setup();
    f->fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_PRODUCE] = 1000;
    publish(f);
    assert_true(charge(f, 0, "a", 50000) > 0);
    assert_int_equal(charge(f, 0, "b", 10000), 0);
    teardown(f);
}

static void
a_bound_of_the_user_is_shared_by_all_client_ids(void **state)
{
    struct fixture *f = setup();
    f->fact.defaults[QUOTAS_USER][QUOTAS_PRODUCE] = 1000;
    publish(f);
    assert_int_equal(charge(f, 0, "a", 10000), 0);
    assert_int_equal(charge(f, 0, "b", 1000), 1000);
    teardown(f);
}

static void
what_goes_through_other_shards_counts_too(void **state)
{
    struct fixture *f = setup();
    f->fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_PRODUCE] = 1000;
    publish(f);
    assert_int_equal(charge(f, 0, "a", 6000), 0);
    assert_int_equal(charge(f, 1, "a", 6000), 2000);
    teardown(f);
}

static void
the_bound_in_force_is_kafkas_choice(void **state)
{
    struct fixture *f = setup();
    static const uint8_t named[] = {QUOTAS_CLIENT, QUOTAS_ANY_USER_CLIENT, QUOTAS_USER_CLIENT};
    double *d = &f->fact.defaults[0][QUOTAS_PRODUCE];
    enum { STRIDE = QUOTAS_KINDS };
    struct quotas_row *r = &f->fact.rows[0];
    name_client(f, "a", QUOTAS_CLIENT, QUOTAS_PRODUCE, 0);
    /* From the weakest on: each next one hides those before. */
    d[QUOTAS_ANY_CLIENT * STRIDE] = 1;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 1);
    r->bounds[named[0]][QUOTAS_PRODUCE] = 2;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 2);
    assert_true(claim(f, 0, "b").bound == 1);
    d[QUOTAS_ANY_USER * STRIDE] = 3;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 3);
    d[QUOTAS_ANY_USER_ANY_CLIENT * STRIDE] = 4;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 4);
    r->bounds[named[1]][QUOTAS_PRODUCE] = 5;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 5);
    d[QUOTAS_USER * STRIDE] = 6;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 6);
    d[QUOTAS_USER_ANY_CLIENT * STRIDE] = 7;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 7);
    r->bounds[named[2]][QUOTAS_PRODUCE] = 8;
    publish(f);
    assert_true(claim(f, 0, "a").bound == 8);
    assert_true(claim(f, 0, "b").bound == 7);
    /* Of one kind only. */
    assert_true(quota_claim(&f->shards[0], QUOTAS_FETCH, view_of_text("a"), f->now_ns).bound == 0);
    teardown(f);
}

static void
what_was_returned_does_not_count(void **state)
{
    struct fixture *f = setup();
    f->fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_PRODUCE] = 1000;
    publish(f);
    struct quota_claim c = claim(f, 0, "a");
    assert_true(quota_charge(&f->shards[0], QUOTAS_PRODUCE, &c, 20000, f->now_ns) > 0);
    quota_return(&f->shards[0], QUOTAS_PRODUCE, &c, 20000, f->now_ns);
    assert_int_equal(charge(f, 0, "a", 10000), 0);
    assert_int_equal(quota_most(&c), 10000);
    teardown(f);
}

static void
requests_wait_for_a_window_at_most(void **state)
{
    struct fixture *f = setup();
    f->fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_REQUEST] = 10;
    publish(f);
    struct quota_claim c = quota_claim(&f->shards[0], QUOTAS_REQUEST, view_of_text("a"), f->now_ns);
    assert_int_equal(quota_charge(&f->shards[0], QUOTAS_REQUEST, &c, 1000000, f->now_ns),
                     QUOTA_THROTTLE_MAX_MS);
    teardown(f);
}

static void
more_client_ids_than_places_share_one_until_others_are_idle(void **state)
{
    struct fixture *f = setup();
    char name[16];
    uint32_t shared = 0;
    f->fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_PRODUCE] = 1000;
    publish(f);
    for (uint32_t i = 0; i < 4 * QUOTA_CLIENTS_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%u", i);
        shared += claim(f, 0, name).sensor == 0;
    }
    assert_true(shared > 2 * QUOTA_CLIENTS_MAX);
    f->now_ns += (QUOTA_IDLE_S + 1) * CLOCK_NS_PER_S;
    assert_int_not_equal(claim(f, 0, "new").sensor, 0);
    assert_int_equal(claim(f, 0, "new").sensor, claim(f, 1, "new").sensor);
    teardown(f);
}

static void
every_named_client_is_found(void **state)
{
    struct fixture *f = setup();
    char name[16];
    for (uint32_t i = 0; i < QUOTAS_ROWS_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%u", i);
        name_client(f, name, QUOTAS_CLIENT, QUOTAS_PRODUCE, i + 1);
    }
    publish(f);
    for (uint32_t i = 0; i < QUOTAS_ROWS_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%u", i);
        assert_true(claim(f, 0, name).bound == i + 1);
    }
    assert_true(claim(f, 0, "").bound == 0);
    teardown(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_bound_nothing_is_counted),
        cmocka_unit_test(a_burst_is_paid_for_with_waiting),
        cmocka_unit_test(client_ids_do_not_pay_for_each_other),
        cmocka_unit_test(a_bound_of_the_user_is_shared_by_all_client_ids),
        cmocka_unit_test(what_goes_through_other_shards_counts_too),
        cmocka_unit_test(the_bound_in_force_is_kafkas_choice),
        cmocka_unit_test(what_was_returned_does_not_count),
        cmocka_unit_test(requests_wait_for_a_window_at_most),
        cmocka_unit_test(more_client_ids_than_places_share_one_until_others_are_idle),
        cmocka_unit_test(every_named_client_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
