#include "tests/unit/control/group/assign_fixture.h"

static struct af f;

/* The fewest moves to a balanced assignment: everybody keeps up to the even share, `extra` of
 * those that have more one above it. */
static uint32_t
fewest_moves(void)
{
    uint32_t had[AF_MEMBERS] = {0}, moves = 0;
    uint32_t share = f.a.partition_count / f.a.member_count;
    uint32_t extra = f.a.partition_count % f.a.member_count;
    for (uint32_t i = 0; i < f.a.partition_count; i++)
        if (f.before[i] >= 0)
            had[f.before[i]]++;
    for (uint32_t m = 0; m < f.a.member_count; m++) {
        uint32_t over = had[m] > share ? had[m] - share : 0;
        if (over && extra) {
            over--;
            extra--;
        }
        moves += over;
    }
    return moves;
}

static void
uniform_is_valid_balanced_and_moves_no_more_than_it_must(void **state)
{
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        f.seed = seed;
        af_topics(&f, 1 + af_draw(&f, AF_TOPICS), 20);
        af_members(&f, 1 + af_draw(&f, AF_MEMBERS), 1);
        for (uint32_t i = 0; i < f.a.partition_count; i++)
            f.owners[i] = (int32_t)af_draw(&f, f.a.member_count + 1) - 1;
        if (af_draw(&f, 2)) /* a group that was balanced among fewer members */
            for (uint32_t i = 0; i < f.a.partition_count; i++)
                f.owners[i] = (int32_t)(i % (1 + f.a.member_count / 2));
        memcpy(f.before, f.owners, sizeof f.before);
        group_assign_uniform(&f.a);
        uint32_t least = UINT32_MAX, most = 0;
        for (uint32_t m = 0; m < f.a.member_count; m++) {
            uint32_t load = af_load(&f, m);
            least = load < least ? load : least;
            most = load > most ? load : most;
        }
        if (!af_valid(&f) || most - least > 1 || af_moves(&f) != fewest_moves())
            print_error("seed %llu\n", (unsigned long long)seed);
        assert_true(af_valid(&f));
        assert_true(most - least <= 1);
        assert_int_equal(af_moves(&f), fewest_moves());
    }
}

static void
uniform_changes_nothing_when_nothing_changed(void **state)
{
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        f.seed = seed;
        af_topics(&f, 1 + af_draw(&f, AF_TOPICS), 20);
        af_members(&f, 1 + af_draw(&f, AF_MEMBERS), 1 + af_draw(&f, 3));
        group_assign_uniform(&f.a);
        memcpy(f.before, f.owners, sizeof f.before);
        group_assign_uniform(&f.a);
        assert_memory_equal(f.before, f.owners, sizeof f.before);
    }
}

static void
range_cuts_each_topic_into_ranges_for_its_subscribers(void **state)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        f.seed = seed;
        af_topics(&f, 1 + af_draw(&f, AF_TOPICS), 20);
        af_members(&f, 1 + af_draw(&f, AF_MEMBERS), 1 + af_draw(&f, 3));
        group_assign_range(&f.a);
        assert_true(af_valid(&f));
        for (uint32_t t = 0; t < f.a.topic_count; t++) {
            uint32_t has[AF_MEMBERS] = {0}, least = UINT32_MAX, most = 0;
            const int32_t *owners = &f.owners[f.topics[t].first];
            for (int32_t p = 0; p < f.topics[t].partition_count; p++) {
                if (owners[p] >= 0)
                    has[owners[p]]++;
                assert_true(p == 0 || owners[p - 1] <= owners[p]); /* ids are in order */
            }
            for (uint32_t m = 0; m < f.a.member_count; m++)
                if (af_subscribed(&f, m, t)) {
                    least = has[m] < least ? has[m] : least;
                    most = has[m] > most ? has[m] : most;
                }
            assert_true(least == UINT32_MAX || most - least <= 1);
        }
    }
}

static void
range_serves_static_members_first_by_instance_id(void **state)
{
    f.seed = 1;
    af_topics(&f, 1, 1);
    f.topics[0].partition_count = 5;
    f.a.partition_count = 5;
    af_members(&f, 3, 1);
    f.members[1].instance = view_of_text("z");
    f.members[2].instance = view_of_text("a");
    group_assign_range(&f.a);
    const int32_t wanted[] = {2, 2, 1, 1, 0};
    assert_memory_equal(f.owners, wanted, sizeof wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_is_valid_balanced_and_moves_no_more_than_it_must),
        cmocka_unit_test(uniform_changes_nothing_when_nothing_changed),
        cmocka_unit_test(range_cuts_each_topic_into_ranges_for_its_subscribers),
        cmocka_unit_test(range_serves_static_members_first_by_instance_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
