/* test_bypass_nap.c: when a core that polls a device sleeps. */
#include "dataplane/bypass/bypass_nap.h"

#include "core/base/clock.h"
#include "tests/unit/unit.h"

struct core {
    struct bypass_nap nap;
    uint64_t now_ns, moved;
};

static struct core
core_new(void)
{
    struct core c = {.now_ns = CLOCK_NS_PER_S};
    bypass_nap_init(&c.nap, c.now_ns);
    return c;
}

/* A turn: polled, then `work_ns` until it is done; for how long it sleeps then. */
static uint64_t
turn(struct core *c, bool came, uint64_t work_ns)
{
    bypass_nap_polled(&c->nap, came);
    c->now_ns += work_ns;
    uint64_t until_ns = bypass_nap_until(&c->nap, c->now_ns, CLOCK_NEVER, c->moved);
    uint64_t ns = until_ns ? until_ns - c->now_ns : 0;
    c->now_ns += ns;
    return ns;
}

static void
it_never_sleeps_when_the_last_poll_had_frames(void **state)
{
    struct core c = core_new();
    for (uint64_t i = 0; i < 100; i++) {
        c.moved += i < 50 ? 0 : 1 << 20;
        assert_int_equal(turn(&c, true, i * 10000), 0);
    }
}

static void
after_a_little_it_polls_for_a_while_then_naps_grow_with_the_silence(void **state)
{
    struct core c = core_new();
    uint64_t last_ns = BYPASS_NAP_NS, ns;
    c.moved += BYPASS_BULK_BYTES / 2;
    assert_int_equal(turn(&c, true, 2 * BYPASS_BULK_NS), 0);
    uint64_t end_ns = c.now_ns;
    while ((ns = turn(&c, false, 1000)) == 0)
        continue;
    assert_int_equal(c.now_ns - ns - end_ns, BYPASS_AWAKE_NS);
    assert_int_equal(ns, BYPASS_NAP_NS);
    for (int i = 0; i < 200; i++) {
        ns = turn(&c, false, 100);
        assert_in_range(ns, last_ns, BYPASS_NAP_NS_MAX);
        last_ns = ns;
    }
    assert_int_equal(last_ns, BYPASS_NAP_NS_MAX);
}

static void
in_bulk_it_sleeps_at_once_and_longer(void **state)
{
    struct core c = core_new();
    for (int i = 0; i < 20; i++) {
        c.moved += BYPASS_BULK_BYTES / 8;
        assert_int_equal(turn(&c, true, BYPASS_BULK_NS / 10), 0);
    }
    assert_int_equal(turn(&c, false, 500), BYPASS_NAP_NS_BULK);
    assert_int_equal(turn(&c, true, 500), 0);
    assert_int_equal(turn(&c, false, 500), BYPASS_NAP_NS_BULK);
}

static void
bulk_is_over_after_a_span_without_it(void **state)
{
    struct core c = core_new();
    uint64_t ns = 0, naps = 0;
    c.moved += BYPASS_BULK_BYTES;
    assert_int_equal(turn(&c, true, BYPASS_BULK_NS), 0);
    uint64_t end_ns = c.now_ns;
    while (c.now_ns - end_ns < BYPASS_BULK_NS) {
        ns = turn(&c, false, 500);
        naps += ns > 0;
    }
    assert_true(naps <= BYPASS_BULK_NS / BYPASS_NAP_NS_BULK);
    c.moved += 1000;
    assert_int_equal(turn(&c, true, 500), 0);
    assert_int_equal(turn(&c, false, 500), 0);
}

static void
a_long_turn_is_no_bulk_if_it_moved_little(void **state)
{
    struct core c = core_new();
    c.moved += 2 * BYPASS_BULK_BYTES;
    assert_int_equal(turn(&c, true, 3 * BYPASS_BULK_NS), 0);
    assert_int_equal(turn(&c, false, 500), 0);
}

static void
a_nap_ends_at_the_deadline_and_none_begins_behind_it(void **state)
{
    struct core c = core_new();
    uint64_t now_ns = c.now_ns + CLOCK_NS_PER_MS;
    bypass_nap_polled(&c.nap, false);
    assert_int_equal(bypass_nap_until(&c.nap, now_ns, now_ns, 0), 0);
    assert_int_equal(bypass_nap_until(&c.nap, now_ns, now_ns + 7, 0), now_ns + 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_never_sleeps_when_the_last_poll_had_frames),
        cmocka_unit_test(after_a_little_it_polls_for_a_while_then_naps_grow_with_the_silence),
        cmocka_unit_test(in_bulk_it_sleeps_at_once_and_longer),
        cmocka_unit_test(bulk_is_over_after_a_span_without_it),
        cmocka_unit_test(a_long_turn_is_no_bulk_if_it_moved_little),
        cmocka_unit_test(a_nap_ends_at_the_deadline_and_none_begins_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
