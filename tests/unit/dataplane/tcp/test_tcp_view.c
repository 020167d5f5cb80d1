#include "dataplane/tcp/tcp_view.h"

#include "tests/unit/dataplane/tcp/tcp_rig.h"

/* The connections that a walk meets; *out is the last. */
static uint32_t
walk(const struct tcp *t, struct tcp_view *out)
{
    uint32_t count = 0;
    struct tcp_view v;
    for (uint32_t i = 0; i < tcp_view_places(t); i++)
        if (tcp_view_at(t, i, &v)) {
            *out = v;
            count++;
        }
    return count;
}

static void
a_connection_is_seen_with_both_ends_and_its_state(void **state)
{
    struct rig *r = rig_new();
    struct tcp_view v;
    assert_int_equal(walk(r->t, &v), 0);
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "hello"});
    assert_int_equal(rig_write(r, id, 1000), 1000);
    assert_int_equal(walk(r->t, &v), 1);
    assert_string_equal(v.info.state, "ESTABLISHED");
    assert_int_equal(v.info.unread, 5);
    assert_int_equal(v.info.flight, 1000);
    assert_int_not_equal(v.local.port, 0);
    assert_int_not_equal(v.remote.port, 0);
    assert_memory_not_equal(v.local.ip, v.remote.ip, sizeof v.local.ip);
    tcp_abort(r->t, id);
    rig_free(r);
}

static void
one_that_only_waits_for_its_user_is_not_seen(void **state)
{
    struct rig *r = rig_new();
    struct tcp_view v;
    (void)rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 1});
    assert_int_equal(walk(r->t, &v), 0);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_seen_with_both_ends_and_its_state),
        cmocka_unit_test(one_that_only_waits_for_its_user_is_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
