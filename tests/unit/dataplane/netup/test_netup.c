/* test_netup.c: what is refused before a device is touched, and that the line in the log says what
 * mends it.  Devices themselves: tests/e2e/test_dpdk_start.py. */
#include "dataplane/netup/netup.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char said[4096];

/* What netup_create says on stderr. */
static int
create(const char *const *settings, uint32_t shards)
{
    struct conf c;
    struct netup *n;
    char error[CONF_ERROR_BYTES];
    int pipes[2];
    conf_defaults(&c);
    for (; *settings; settings += 2)
        assert_int_equal(conf_set(&c, settings[0], settings[1], CONF_OPTION, error), ERR_OK);
    assert_int_equal(pipe(pipes), 0);
    int stderr_kept = dup(2);
    assert_true(dup2(pipes[1], 2) == 2);
    int err = netup_create(&c, shards, &n);
    assert_true(dup2(stderr_kept, 2) == 2);
    close(pipes[1]);
    close(stderr_kept);
    ssize_t got = read(pipes[0], said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    close(pipes[0]);
    assert_null(n);
    return err;
}

static void
kernel_sockets_need_nothing_of_it(void **state)
{
    assert_int_equal(create((const char *[]){NULL}, 1), ERR_OK);
    assert_string_equal(said, "");
}

static void
without_an_address_it_says_which_key_to_set(void **state)
{
    static const char *const s[] = {"net", "dpdk", "net.devices", "net_tap0,iface=sl0", NULL};
    assert_int_equal(create(s, 1), ERR_INVALID);
    assert_non_null(strstr(said, "net.address=10.77.0.2/24"));
}

static void
without_a_device_it_says_what_one_looks_like(void **state)
{
    static const char *const s[] = {"net", "dpdk", "net.address", "10.77.0.2/24", NULL};
    assert_int_equal(create(s, 1), ERR_INVALID);
    assert_non_null(strstr(said, "net.devices"));
    assert_non_null(strstr(said, "0000:41:00.0"));
}

static void
a_route_over_a_gateway_that_is_not_there_is_refused(void **state)
{
    static const char *const s[] = {
        "net",         "dpdk",         "net.devices", "net_tap0,iface=sl0",
        "net.address", "10.77.0.2/24", "net.routes",  "default via 10.78.0.1",
        NULL};
    assert_int_equal(create(s, 1), ERR_INVALID);
    assert_non_null(strstr(said, "gateway"));
}

static void
a_device_that_is_none_is_refused_with_the_reason(void **state)
{
    static const char *const s[] = {"net",         "dpdk",         "net.devices", "eth0",
                                    "net.address", "10.77.0.2/24", NULL};
    assert_true(create(s, 1) != ERR_OK);
    assert_non_null(strstr(said, "net.devices: "));
}

static void
one_address_of_two_devices_is_refused(void **state)
{
    static const char *const s[] = {"net",         "dpdk",
                                    "net.devices", "net_tap0;net_tap1",
                                    "net.address", "10.77.0.2/24;10.78.0.2/24,10.77.0.2/24",
                                    NULL};
    assert_int_equal(create(s, 1), ERR_INVALID);
    assert_non_null(strstr(said, "net.address: net_tap1: another device has that address"));
}

static void
a_gateway_on_the_link_of_another_device_is_refused(void **state)
{
    static const char *const s[] = {"net",         "dpdk",
                                    "net.devices", "net_tap0;net_tap1",
                                    "net.address", "10.77.0.2/24;10.78.0.2/24",
                                    "net.routes",  ";default via 10.77.0.1",
                                    NULL};
    assert_int_equal(create(s, 1), ERR_INVALID);
    assert_non_null(strstr(said, "net_tap1"));
    assert_non_null(strstr(said, "gateway"));
}

static void
counts_of_devices_and_addresses_that_differ_are_refused(void **state)
{
    static const char *const s[] = {
        "net", "dpdk", "net.devices", "net_tap0;net_tap1", "net.address", "10.77.0.2/24", NULL};
    assert_int_equal(create(s, 1), ERR_INVALID);
    assert_non_null(strstr(said, "net.address (entries: 1)"));
}

static void
more_cores_than_a_device_has_queues_are_refused(void **state)
{
    static const char *const s[] = {"net",         "dpdk",         "net.devices", "net_tap0",
                                    "net.address", "10.77.0.2/24", NULL};
    assert_int_equal(create(s, 65), ERR_INVALID);
    assert_non_null(strstr(said, "cores"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_sockets_need_nothing_of_it),
        cmocka_unit_test(without_an_address_it_says_which_key_to_set),
        cmocka_unit_test(without_a_device_it_says_what_one_looks_like),
        cmocka_unit_test(a_route_over_a_gateway_that_is_not_there_is_refused),
        cmocka_unit_test(a_device_that_is_none_is_refused_with_the_reason),
        cmocka_unit_test(one_address_of_two_devices_is_refused),
        cmocka_unit_test(a_gateway_on_the_link_of_another_device_is_refused),
        cmocka_unit_test(counts_of_devices_and_addresses_that_differ_are_refused),
        cmocka_unit_test(more_cores_than_a_device_has_queues_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
