#include "tests/unit/control/group/consumer_fixture.h"

/* m1 of group "g" with these sets, at this epoch; another member holds `others`. */
struct given {
    uint8_t state;
    int32_t epoch, target_epoch;
    const char *assigned, *revoking, *target, *others, *owned; /* owned NULL: not told */
    bool changed;
};

struct result {
    uint8_t state;
    int32_t epoch, previous;
    char assigned[CF_TEXT], revoking[CF_TEXT];
};

static struct group_parts
lent(const char *text)
{
    static struct group_part items[8][CF_PARTS];
    static unsigned turn;
    struct group_part *at = items[++turn % 8];
    return (struct group_parts){at, cf_parts(text, at)};
}

static struct result
reconcile(const struct given *g)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1"); /* for t1 */
    struct group_consumer_member *m = cf_member(f, "m1");
    struct group_consumer_member *other =
        group_consumer_member_need(cf_group(f), view_of_text("m2"));
    struct group_parts none = {0}, others = lent(g->others ? g->others : "");
    struct group_parts assigned = lent(g->assigned), revoking = lent(g->revoking);
    struct group_parts target = lent(g->target), owned = lent(g->owned ? g->owned : "");
    group_consumer_current(m, &assigned, &revoking);
    group_consumer_current(other, &others, &none);
    group_parts_set(&m->target, target.items, target.count);
    m->state = g->state;
    m->epoch = g->epoch;
    cf_group(f)->target_epoch = g->target_epoch;
    struct group_current now;
    group_reconcile(m, g->changed, &(struct group_owned){g->owned != NULL, owned}, &now);
    struct result r = {now.state, now.epoch, now.previous_epoch, "", ""};
    snprintf(r.assigned, sizeof r.assigned, "%s", cf_text(&now.assigned));
    snprintf(r.revoking, sizeof r.revoking, "%s", cf_text(&now.revoking));
    group_current_free(&now);
    fx_free(f);
    return r;
}

static void
check(const struct given *g, const struct result *wanted)
{
    struct result r = reconcile(g);
    assert_int_equal(r.state, wanted->state);
    assert_int_equal(r.epoch, wanted->epoch);
    assert_string_equal(r.assigned, wanted->assigned);
    assert_string_equal(r.revoking, wanted->revoking);
}

enum {
    STABLE = GROUP_MEMBER_STABLE,
    UNREVOKED = GROUP_MEMBER_UNREVOKED,
    UNRELEASED = GROUP_MEMBER_UNRELEASED
};

static void
a_stable_member_at_the_target_epoch_stays(void **state)
{
    check(&(struct given){STABLE, 5, 5, "1:0", "", "1:0 1:1", NULL, "1:0", false},
          &(struct result){STABLE, 5, 0, "1:0", ""});
}

static void
a_member_with_something_to_give_up_keeps_its_epoch(void **state)
{
    check(&(struct given){STABLE, 5, 6, "1:0 1:1", "", "1:1 1:2", NULL, NULL, false},
          &(struct result){UNREVOKED, 5, 5, "1:1", "1:0"});
    check(&(struct given){UNREVOKED, 5, 6, "1:1", "1:0", "1:1 1:2", NULL, "1:0 1:1", false},
          &(struct result){UNREVOKED, 5, 5, "1:1", "1:0"});
}

static void
what_is_given_up_is_taken_from_the_partitions_it_tells(void **state)
{
    check(&(struct given){UNREVOKED, 5, 6, "1:1", "1:0", "1:1 1:2", NULL, "1:1", false},
          &(struct result){STABLE, 6, 5, "1:1 1:2", ""});
    check(&(struct given){UNREVOKED, 5, 6, "1:1", "1:0", "1:1 1:2", NULL, NULL, false},
          &(struct result){UNREVOKED, 5, 5, "1:1", "1:0"});
    check(&(struct given){STABLE, 5, 6, "1:0", "", "1:1", NULL, "", false},
          &(struct result){STABLE, 6, 5, "1:1", ""}); /* already given up */
}

static void
partitions_of_others_are_waited_for_at_the_new_epoch(void **state)
{
    check(&(struct given){STABLE, 5, 6, "1:0", "", "1:0 1:1 1:2", "1:2", "1:0", false},
          &(struct result){UNRELEASED, 6, 5, "1:0 1:1", ""});
    check(&(struct given){UNRELEASED, 6, 6, "1:0 1:1", "", "1:0 1:1 1:2", "1:2", "", false},
          &(struct result){UNRELEASED, 6, 6, "1:0 1:1", ""});
    check(&(struct given){UNRELEASED, 6, 6, "1:0 1:1", "", "1:0 1:1 1:2", "", "", false},
          &(struct result){STABLE, 6, 6, "1:0 1:1 1:2", ""});
}

/* It comes back in a later target: held, but by nobody else. */
static void
a_partition_that_it_is_giving_up_is_not_waited_for(void **state)
{
    check(&(struct given){UNREVOKED, 5, 7, "1:1", "1:0", "1:0 1:1", NULL, "1:1", false},
          &(struct result){STABLE, 7, 5, "1:0 1:1", ""});
}

static void
a_changed_subscription_takes_topics_at_once(void **state)
{
    check(&(struct given){STABLE, 5, 5, "1:0 2:0", "", "1:0 2:0", NULL, "1:0 2:0", true},
          &(struct result){UNREVOKED, 5, 5, "1:0", "2:0"});
    check(&(struct given){STABLE, 5, 5, "1:0 2:0", "", "1:0 2:0", NULL, "1:0", true},
          &(struct result){STABLE, 5, 5, "1:0", ""});
    check(&(struct given){UNREVOKED, 5, 6, "1:0 2:0", "1:1", "1:0", NULL, "1:1 2:0", true},
          &(struct result){UNREVOKED, 5, 5, "1:0", "1:1 2:0"});
}

static void
a_topic_it_is_not_subscribed_to_is_not_given(void **state)
{
    check(&(struct given){STABLE, 5, 6, "1:0", "", "1:0 2:0", NULL, "1:0", false},
          &(struct result){STABLE, 6, 5, "1:0", ""});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stable_member_at_the_target_epoch_stays),
        cmocka_unit_test(a_member_with_something_to_give_up_keeps_its_epoch),
        cmocka_unit_test(what_is_given_up_is_taken_from_the_partitions_it_tells),
        cmocka_unit_test(partitions_of_others_are_waited_for_at_the_new_epoch),
        cmocka_unit_test(a_partition_that_it_is_giving_up_is_not_waited_for),
        cmocka_unit_test(a_changed_subscription_takes_topics_at_once),
        cmocka_unit_test(a_topic_it_is_not_subscribed_to_is_not_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
