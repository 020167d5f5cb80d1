#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A machine of files. */
static char root[64];
static char error[NIC_DPDK_ERROR_BYTES];
static struct nic_host host;

static int
root_make(void **state)
{
    (void)snprintf(root, sizeof root, "nic-host-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)strncat(root, "/", sizeof root - strlen(root) - 1);
    error[0] = '\0';
    return 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int
root_remove(void **state)
{
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file, making the folders above it; text NULL: only the folder. */
static void
put(const char *path, const char *text)
{
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = whole + strlen(root); (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
    }
    if (!text) {
        assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
        return;
    }
    FILE *f = fopen(whole, "we");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void
pci_device(const char *address, const char *driver)
{
    char path[256], target[256];
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s", address);
    put(path, NULL);
    if (!driver)
        return;
    (void)snprintf(path, sizeof path, "%ssys/bus/pci/devices/%s/driver", root, address);
    (void)snprintf(target, sizeof target, "../../drivers/%s", driver);
    assert_int_equal(symlink(target, path), 0);
}

static void
huge_pages(const char *count)
{
    put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", count);
}

static int
look(const char *device, const char *default_route)
{
    struct nic_dpdk_config c = {
        .device = device, .queues = 1, .mtu = 1500, .default_route = default_route, .root = root};
    return nic_host_check(&c, 1, &host, error);
}

/* The line that says what to do must contain `text`. */
static void
refused(const char *device, int err, const char *text)
{
    assert_int_equal(look(device, ""), err);
    if (!strstr(error, text))
        fail_msg("'%s' does not say '%s'", error, text);
}

static void
a_pci_device_that_vfio_has_on_a_prepared_machine_is_taken(void **state)
{
    pci_device("0000:41:00.0", "vfio-pci");
    put("sys/kernel/iommu_groups/7", NULL);
    huge_pages("512\n");
    assert_int_equal(look("0000:41:00.0", ""), ERR_OK);
    assert_true(host.pci && host.huge && !host.tap);
    assert_string_equal(host.driver, "vfio-pci");
    assert_int_equal(look("41:00.0", ""), ERR_OK);
    assert_int_equal(look("0000:41:00.0,some=arg", ""), ERR_OK);
}

static void
a_pci_device_that_is_not_there_is_named(void **state)
{
    refused("0000:41:00.0", ERR_NOT_FOUND, "lspci -D");
}

static void
a_pci_device_with_a_driver_of_the_kernel_says_how_to_bind_it(void **state)
{
    put("sys/kernel/iommu_groups/7", NULL);
    pci_device("0000:41:00.0", "e1000e");
    refused("0000:41:00.0", ERR_BUSY, "dpdk-devbind.py --bind=vfio-pci 0000:41:00.0");
    assert_non_null(strstr(error, "e1000e"));
    pci_device("0000:42:00.0", NULL);
    refused("0000:42:00.0", ERR_BUSY, "no driver");
}

static void
without_an_iommu_vfio_is_refused_unless_it_was_renounced(void **state)
{
    pci_device("0000:41:00.0", "vfio-pci");
    put("sys/kernel/iommu_groups", NULL);
    huge_pages("512\n");
    put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
    refused("0000:41:00.0", ERR_DENIED, ": echo 1 > /sys/module/vfio/parameters/enable_unsafe");
    put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    assert_int_equal(look("0000:41:00.0", ""), ERR_OK);
}

static void
where_nothing_can_be_renounced_uio_is_named_before_vfio_fails_to_bind(void **state)
{
    pci_device("0000:41:00.0", "e1000");
    huge_pages("512\n");
    refused("0000:41:00.0", ERR_DENIED, "dpdk-devbind.py --bind=uio_pci_generic 0000:41:00.0");
    assert_non_null(strstr(error, "no IOMMU"));
    pci_device("0000:42:00.0", "uio_pci_generic");
    assert_int_equal(look("0000:42:00.0", ""), ERR_OK);
}

static void
without_huge_pages_pci_is_refused_and_virtual_devices_do_without(void **state)
{
    pci_device("0000:41:00.0", "uio_pci_generic");
    huge_pages("3\n");
    refused("0000:41:00.0", ERR_LIMIT, "nr_hugepages");
    put("dev/net/tun", "");
    assert_int_equal(look("net_tap0,iface=sl0", ""), ERR_OK);
    assert_true(host.tap && !host.huge && !host.pci);
    huge_pages("512\n");
    assert_int_equal(look("net_tap0,iface=sl0", ""), ERR_OK);
    assert_true(host.huge);
}

static void
a_tap_device_needs_the_tun_driver(void **state)
{
    refused("net_tap0,iface=sl0", ERR_UNSUPPORTED, "modprobe tun");
}

static void
an_interface_that_is_not_there_is_named(void **state)
{
    refused("net_af_packet0,iface=veth7,qpairs=1", ERR_NOT_FOUND, "no interface veth7");
    put("proc/net/dev", "Inter-|   Receive\n face |bytes\n  veth7: 1 2 3\n");
    assert_int_equal(look("net_af_packet0,iface=veth7,qpairs=1", ""), ERR_OK);
}

static void
the_default_route_is_left_alone_unless_it_is_named(void **state)
{
    put("proc/net/dev", "  eth0: 1 2\n  eth1: 1 2\n");
    put("proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    refused("net_af_packet0,iface=eth0", ERR_BUSY, "net.default.route.device=eth0");
    assert_int_equal(look("net_af_packet0,iface=eth0", "eth0"), ERR_OK);
    assert_int_equal(look("net_af_packet0,iface=eth1", ""), ERR_OK);
}

static void
the_default_route_of_ipv6_counts_too(void **state)
{
    put("proc/net/dev", "  eth0: 1 2\n");
    put("proc/net/ipv6_route",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");
    refused("net_af_packet0,iface=eth0", ERR_BUSY, "net.default.route.device=eth0");
}

static void
a_pci_device_with_the_default_route_is_left_alone(void **state)
{
    pci_device("0000:41:00.0", "mlx5_core");
    put("sys/bus/pci/devices/0000:41:00.0/net/eth0", NULL);
    huge_pages("512\n");
    put("proc/net/route", "Iface\teth\n"
                          "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    refused("0000:41:00.0", ERR_BUSY, "net.default.route.device=eth0");
    assert_int_equal(look("0000:41:00.0", "eth0"), ERR_OK);
}

static const char route_of_br0[] = "Iface\teth\n"
                                   "br0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";

static void
what_is_under_the_default_route_is_left_alone(void **state)
{
    put("proc/net/dev", "  eth0: 1 2\n  eth1: 1 2\n  bond0: 1 2\n  br0: 1 2\n");
    put("proc/net/route", route_of_br0);
    put("sys/class/net/eth0/upper_bond0", NULL);
    put("sys/class/net/bond0/upper_br0", NULL);
    put("sys/class/net/br0/lower_bond0", NULL);
    put("sys/class/net/eth1/upper_eth1.7", NULL);
    refused("net_af_packet0,iface=eth0", ERR_BUSY, "eth0 is under br0, which carries the default");
    assert_non_null(strstr(error, ": net.default.route.device=eth0"));
    assert_int_equal(look("net_af_packet0,iface=eth0", "eth0"), ERR_OK);
    assert_int_equal(look("net_af_packet0,iface=eth0", "eth1,eth0"), ERR_OK);
    assert_int_equal(look("net_af_packet0,iface=eth0", "eth,eth01"), ERR_BUSY);
    assert_int_equal(look("net_af_packet0,iface=eth1", ""), ERR_OK);
}

static void
interfaces_that_are_above_each_other_end_the_search(void **state)
{
    put("proc/net/dev", "  eth0: 1 2\n");
    put("proc/net/route", route_of_br0);
    put("sys/class/net/eth0/upper_eth1", NULL);
    put("sys/class/net/eth1/upper_eth0", NULL);
    assert_int_equal(look("net_af_packet0,iface=eth0", ""), ERR_OK);
}

static void
every_interface_of_a_card_counts(void **state)
{
    pci_device("0000:41:00.0", "mlx4_core");
    for (char name[] = "sys/bus/pci/devices/0000:41:00.0/net/eth0"; name[sizeof name - 2] < '6';
         name[sizeof name - 2]++)
        put(name, NULL);
    huge_pages("512\n");
    put("proc/net/route", "Iface\teth\n"
                          "eth3\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    refused("0000:41:00.0", ERR_BUSY, "net.default.route.device=eth3");
    assert_int_equal(look("0000:41:00.0", "eth3"), ERR_OK);
}

static void
whatever_argument_names_the_default_route_it_is_left_alone(void **state)
{
    put("dev/net/tun", "");
    put("proc/net/dev", "  br0: 1 2\n  sl0: 1 2\n");
    put("proc/net/route", route_of_br0);
    put("sys/bus/pci/devices/0000:41:00.0/net/br0", NULL);
    refused("net_tap0,iface=sl0,remote=br0", ERR_BUSY, "br0 carries");
    refused("net_failsafe0,dev(net_af_packet0,iface=br0)", ERR_BUSY, "br0 carries");
    refused("net_bonding0,mode=1,slave=0000:41:00.0", ERR_BUSY, "br0 carries");
    assert_int_equal(look("net_tap0,iface=br0", ""), ERR_OK); /* it makes that one itself */
    assert_int_equal(look("net_memif0,role=client,socket=/run/br0", ""), ERR_OK);
}

static void
what_is_no_device_is_refused(void **state)
{
    refused("eth0", ERR_INVALID, "neither a PCI address");
    refused("", ERR_INVALID, "neither a PCI address");
    refused("41:00", ERR_INVALID, "neither a PCI address");
}

static void
more_queues_and_longer_frames_need_more_memory(void **state)
{
    struct nic_dpdk_config c = {.queues = 1, .mtu = 1500};
    uint32_t one = nic_host_memory_mb(&c, 1);
    c.queues = 4;
    uint32_t four = nic_host_memory_mb(&c, 1);
    c.mtu = 9000;
    assert_true(one > 0 && four > one && nic_host_memory_mb(&c, 1) > four);
}

static int
look_at_two(const char *first, const char *second)
{
    struct nic_dpdk_config c[2];
    struct nic_host hosts[2];
    for (uint32_t i = 0; i < 2; i++)
        c[i] = (struct nic_dpdk_config){.device = i ? second : first,
                                        .queues = 1,
                                        .mtu = 1500,
                                        .default_route = "",
                                        .root = root};
    int err = nic_host_check(c, 2, hosts, error);
    host = hosts[1];
    return err;
}

static void
of_several_devices_the_one_that_is_wrong_is_named(void **state)
{
    assert_int_equal(look_at_two("net_null0", "net_af_packet0,iface=veth7"), ERR_NOT_FOUND);
    assert_non_null(strstr(error, "net_af_packet0,iface=veth7: no interface veth7"));
    assert_int_equal(look_at_two("net_null0,size=64", "net_null0"), ERR_INVALID);
    assert_non_null(strstr(error, "net_null0: the device is named twice"));
    assert_int_equal(look_at_two("net_null0", "net_null1"), ERR_OK);
    assert_string_equal(host.name, "net_null1");
}

static void
several_devices_need_the_huge_pages_of_all(void **state)
{
    char pages[16];
    struct nic_dpdk_config c[2] = {{.queues = 1, .mtu = 1500}, {.queues = 1, .mtu = 1500}};
    uint32_t one = nic_host_memory_mb(c, 1), two = nic_host_memory_mb(c, 2);
    assert_true(two > one);
    (void)snprintf(pages, sizeof pages, "%u\n", two / 2 - 1); /* enough for each alone */
    huge_pages(pages);
    pci_device("0000:41:00.0", "vfio-pci");
    put("sys/kernel/iommu_groups/7", NULL);
    assert_int_equal(look("0000:41:00.0", ""), ERR_OK);
    assert_int_equal(look_at_two("net_null0", "41:00.0"), ERR_LIMIT);
    (void)snprintf(pages, sizeof pages, "%u\n", two / 2 + 1);
    huge_pages(pages);
    assert_int_equal(look_at_two("net_null0", "41:00.0"), ERR_OK);
    assert_true(host.huge && host.pci);
    assert_string_equal(host.name, "0000:41:00.0");
}

#define ON_A_MACHINE(f) cmocka_unit_test_setup_teardown(f, root_make, root_remove)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_MACHINE(a_pci_device_that_vfio_has_on_a_prepared_machine_is_taken),
        ON_A_MACHINE(a_pci_device_that_is_not_there_is_named),
        ON_A_MACHINE(a_pci_device_with_a_driver_of_the_kernel_says_how_to_bind_it),
        ON_A_MACHINE(without_an_iommu_vfio_is_refused_unless_it_was_renounced),
        ON_A_MACHINE(where_nothing_can_be_renounced_uio_is_named_before_vfio_fails_to_bind),
        ON_A_MACHINE(without_huge_pages_pci_is_refused_and_virtual_devices_do_without),
        ON_A_MACHINE(a_tap_device_needs_the_tun_driver),
        ON_A_MACHINE(an_interface_that_is_not_there_is_named),
        ON_A_MACHINE(the_default_route_is_left_alone_unless_it_is_named),
        ON_A_MACHINE(the_default_route_of_ipv6_counts_too),
        ON_A_MACHINE(a_pci_device_with_the_default_route_is_left_alone),
        ON_A_MACHINE(what_is_under_the_default_route_is_left_alone),
        ON_A_MACHINE(interfaces_that_are_above_each_other_end_the_search),
        ON_A_MACHINE(every_interface_of_a_card_counts),
        ON_A_MACHINE(whatever_argument_names_the_default_route_it_is_left_alone),
        ON_A_MACHINE(what_is_no_device_is_refused),
        cmocka_unit_test(more_queues_and_longer_frames_need_more_memory),
        ON_A_MACHINE(of_several_devices_the_one_that_is_wrong_is_named),
        ON_A_MACHINE(several_devices_need_the_huge_pages_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
