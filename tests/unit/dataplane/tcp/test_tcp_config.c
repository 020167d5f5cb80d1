#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
the_defaults_are_sound(void **state)
{
    struct tcp_config c;
    tcp_config_init(&c);
    assert_int_equal(tcp_config_check(&c), ERR_OK);
}

static void
values_out_of_their_domain_are_refused(void **state)
{
    struct tcp_config good, c;
    tcp_config_init(&good);
    c = good;
    c.mtu = 576;
    assert_int_equal(tcp_config_check(&c), ERR_INVALID);
    c = good;
    c.conns = 0;
    assert_int_equal(tcp_config_check(&c), ERR_INVALID);
    c = good;
    c.rto_min_us = c.rto_us + 1;
    assert_int_equal(tcp_config_check(&c), ERR_INVALID);
    c = good;
    c.delack_us = 500000;
    assert_int_equal(tcp_config_check(&c), ERR_INVALID);
    c = good;
    c.open_tries = 0;
    assert_int_equal(tcp_config_check(&c), ERR_INVALID);
    c = good;
    c.pinned_bytes = c.rcv_bytes - 1;
    assert_int_equal(tcp_config_check(&c), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_sound),
        cmocka_unit_test(values_out_of_their_domain_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
