#include "core/base/err.h"
#include "core/conf/conf.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct conf_device devices[CONF_DEVICES_MAX];
static char error[CONF_ERROR_BYTES];

/* Pairs of key and value, NULL at the end. */
static int
read_of(const char *const *settings)
{
    static struct conf c;
    conf_defaults(&c);
    for (; *settings; settings += 2)
        assert_int_equal(conf_set(&c, settings[0], settings[1], CONF_OPTION, error), ERR_OK);
    int got = conf_devices(&c, devices, error);
    assert_int_equal(conf_check(&c, error), got < 0 ? got : ERR_OK);
    if (got > 0)
        assert_int_equal(conf_device_count(&c), got);
    return got;
}
#define READ(...) read_of((const char *const[]){__VA_ARGS__, NULL})

static void
nothing_configured_is_one_device_without_a_name(void **state)
{
    assert_int_equal(READ("net", "dpdk"), 1);
    assert_string_equal(devices[0].device, "");
    assert_string_equal(devices[0].address, "");
    assert_string_equal(devices[0].routes, "");
    assert_int_equal(devices[0].mtu, 1500);
    assert_int_equal(devices[0].vlan, 0);
}

static void
one_device_keeps_its_commas(void **state)
{
    assert_int_equal(READ("net.devices", "net_tap0,iface=sl0", "net.address",
                          "10.77.0.2/24, fd00:77::2/64", "net.routes", "default via 10.77.0.1",
                          "net.mtu", "9000", "net.vlan", "7"),
                     1);
    assert_string_equal(devices[0].device, "net_tap0,iface=sl0");
    assert_string_equal(devices[0].address, "10.77.0.2/24, fd00:77::2/64");
    assert_string_equal(devices[0].routes, "default via 10.77.0.1");
    assert_int_equal(devices[0].mtu, 9000);
    assert_int_equal(devices[0].vlan, 7);
}

static void
several_devices_have_an_entry_each_in_their_order(void **state)
{
    assert_int_equal(READ("net.devices", "net_tap0,iface=a ; 0000:41:00.0", "net.address",
                          "10.1.0.2/24,fd01::2/64; 10.2.0.2/24", "net.routes",
                          " ; default via 10.2.0.1", "net.mtu", "1500; 9000", "net.vlan", "3"),
                     2);
    assert_string_equal(devices[0].device, "net_tap0,iface=a");
    assert_string_equal(devices[1].device, "0000:41:00.0");
    assert_string_equal(devices[0].address, "10.1.0.2/24,fd01::2/64");
    assert_string_equal(devices[1].address, "10.2.0.2/24");
    assert_string_equal(devices[0].routes, "");
    assert_string_equal(devices[1].routes, "default via 10.2.0.1");
    assert_int_equal(devices[0].mtu, 1500);
    assert_int_equal(devices[1].mtu, 9000);
    assert_int_equal(devices[0].vlan, 3);
    assert_int_equal(devices[1].vlan, 3);
}

static void
counts_that_differ_are_told_with_the_key(void **state)
{
    assert_int_equal(READ("net.devices", "net_tap0;net_tap1", "net.address", "10.1.0.2/24"),
                     ERR_INVALID);
    assert_string_equal(error,
                        "net.address (entries: 1) must have as many as net.devices (2): one for "
                        "each device, in the same order, with ';' between them");
    assert_int_equal(READ("net.devices", "net_tap0", "net.routes", "default via 10.1.0.1;"),
                     ERR_INVALID);
    assert_non_null(strstr(error, "net.routes (entries: 2)"));
    assert_int_equal(READ("net.devices", "net_tap0;net_tap1", "net.address",
                          "10.1.0.2/24;10.2.0.2/24", "net.mtu", "1500;1500;1500"),
                     ERR_INVALID);
    assert_non_null(strstr(error, "net.mtu (entries: 3) has one for all devices"));
}

static void
empty_entries_are_told_with_their_number(void **state)
{
    assert_int_equal(READ("net.devices", "net_tap0;", "net.address", "10.1.0.2/24;10.2.0.2/24"),
                     ERR_INVALID);
    assert_string_equal(error, "net.devices: entry 2 of 2 is empty");
    assert_int_equal(READ("net.devices", "net_tap0;net_tap1", "net.address", "10.1.0.2/24; "),
                     ERR_INVALID);
    assert_string_equal(error, "net.address: net_tap1, device 2 of 2, has no address");
}

static void
more_devices_than_a_loop_can_have_are_refused(void **state)
{
    assert_int_equal(READ("net.devices", "a;b;c;d"), 4);
    assert_int_equal(READ("net.devices", "a;b;c;d;e"), ERR_INVALID);
    assert_string_equal(error, "net.devices names 5 devices: at most 4");
}

static void
numbers_out_of_their_range_are_refused(void **state)
{
    static const char *const mtus[] = {"", "1279", "9217", "15x", "-1500", "99999999999", "1500;"};
    for (size_t i = 0; i < sizeof mtus / sizeof mtus[0]; i++)
        assert_int_equal(READ("net.mtu", mtus[i]), ERR_INVALID);
    assert_int_equal(READ("net.mtu", "12e3"), ERR_INVALID);
    assert_string_equal(error, "net.mtu: '12e3' is not a number from 1280 to 9216");
    assert_int_equal(READ("net.vlan", "4095"), ERR_INVALID);
    assert_int_equal(READ("net.vlan", "4094", "net.mtu", "1280"), 1);
    assert_int_equal(devices[0].vlan, 4094);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_configured_is_one_device_without_a_name),
        cmocka_unit_test(one_device_keeps_its_commas),
        cmocka_unit_test(several_devices_have_an_entry_each_in_their_order),
        cmocka_unit_test(counts_that_differ_are_told_with_the_key),
        cmocka_unit_test(empty_entries_are_told_with_their_number),
        cmocka_unit_test(more_devices_than_a_loop_can_have_are_refused),
        cmocka_unit_test(numbers_out_of_their_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
