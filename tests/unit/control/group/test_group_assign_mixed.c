#include "tests/unit/control/group/assign_fixture.h"

static struct af f;

/* The subscribers of each topic that have one of its partitions to give differ from the least
 * loaded one by at most one. */
static bool
balanced(uint32_t topic)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t m = 0; m < f.a.member_count; m++)
        if (af_subscribed(&f, m, topic)) {
            uint32_t load = af_load(&f, m), has = 0;
            for (int32_t p = 0; p < f.topics[topic].partition_count; p++)
                has += f.owners[f.topics[topic].first + (uint32_t)p] == (int32_t)m;
            least = load < least ? load : least;
            most = has && load > most ? load : most;
        }
    return most <= least || most - least <= 1;
}

static void
every_partition_goes_to_a_subscriber_and_topics_are_balanced(void **state)
{
    uint32_t uneven = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        f.seed = seed;
        af_topics(&f, 1 + af_draw(&f, AF_TOPICS), 20);
        af_members(&f, 1 + af_draw(&f, AF_MEMBERS), 2);
        for (uint32_t i = 0; i < f.a.partition_count; i++)
            f.owners[i] = (int32_t)af_draw(&f, f.a.member_count + 1) - 1;
        group_assign_mixed(&f.a);
        if (!af_valid(&f))
            print_error("seed %llu\n", (unsigned long long)seed);
        assert_true(af_valid(&f));
        for (uint32_t t = 0; t < f.a.topic_count; t++)
            uneven += !balanced(t);
    }
    /* The rounds are bounded, so a few of the hardest groups may stay uneven. */
    assert_true(uneven <= 4);
}

/* The largest load that some assignment cannot avoid, found by trying: each partition goes to the
 * subscriber with the least load, along chains of moves (a flow of one at a time). */
static bool
push(uint32_t partition, uint32_t limit, bool *tried)
{
    uint32_t t = af_topic_of(&f, partition);
    for (uint32_t m = 0; m < f.a.member_count; m++) {
        if (!af_subscribed(&f, m, t) || tried[m])
            continue;
        tried[m] = true;
        bool room = af_load(&f, m) < limit;
        for (uint32_t i = 0; i < f.a.partition_count && !room; i++)
            if (f.owners[i] == (int32_t)m) {
                f.owners[i] = -1;
                room = push(i, limit, tried);
                if (!room)
                    f.owners[i] = (int32_t)m;
            }
        if (room) {
            f.owners[partition] = (int32_t)m;
            return true;
        }
    }
    return false;
}

static uint32_t
best_load(void)
{
    for (uint32_t limit = 0;; limit++) {
        bool fits = true;
        for (uint32_t i = 0; i < f.a.partition_count; i++)
            f.owners[i] = -1;
        for (uint32_t i = 0; i < f.a.partition_count && fits; i++) {
            bool tried[AF_MEMBERS] = {false};
            bool wanted = false;
            for (uint32_t m = 0; m < f.a.member_count; m++)
                wanted |= af_subscribed(&f, m, af_topic_of(&f, i));
            fits = !wanted || push(i, limit, tried);
        }
        if (fits)
            return limit;
    }
}

static void
no_member_has_much_more_than_the_best_assignment_would_give_it(void **state)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        f.seed = seed;
        af_topics(&f, 1 + af_draw(&f, 4), 6);
        af_members(&f, 1 + af_draw(&f, 4), 2);
        group_assign_mixed(&f.a);
        uint32_t most = 0;
        for (uint32_t m = 0; m < f.a.member_count; m++)
            most = af_load(&f, m) > most ? af_load(&f, m) : most;
        uint32_t best = best_load();
        if (most > best + 1)
            print_error("seed %llu: %u, best %u\n", (unsigned long long)seed, most, best);
        assert_true(most <= best + 1);
    }
}

static void
a_member_that_comes_moves_only_what_it_gets(void **state)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        f.seed = seed;
        af_topics(&f, 2 + af_draw(&f, 3), 20);
        af_members(&f, 5, 1);
        f.members[4].topic_count = 1; /* the newcomer: subscriptions differ from now on */
        f.a.member_count = 4;
        group_assign_uniform(&f.a);
        memcpy(f.before, f.owners, sizeof f.before);
        f.a.member_count = 5;
        group_assign_uniform(&f.a);
        assert_true(af_valid(&f));
        uint32_t gets = af_load(&f, 4);
        /* what it takes may unbalance the others by as much again, not more */
        assert_true(af_moves(&f) >= gets && af_moves(&f) <= 2 * gets + 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition_goes_to_a_subscriber_and_topics_are_balanced),
        cmocka_unit_test(no_member_has_much_more_than_the_best_assignment_would_give_it),
        cmocka_unit_test(a_member_that_comes_moves_only_what_it_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
