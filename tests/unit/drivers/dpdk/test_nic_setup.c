#include "tests/unit/drivers/dpdk/child.h"

#include "drivers/dpdk/nic_dpdk_in.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The step of bringing a device up that fails; the real ones otherwise. */
static enum { FAIL_NONE, FAIL_QUEUE, FAIL_START } failing;

int
rte_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t places, unsigned socket,
                       const struct rte_eth_txconf *conf)
{
    int (*real)(uint16_t, uint16_t, uint16_t, unsigned, const struct rte_eth_txconf *);
    *(void **)&real = dlsym(RTLD_NEXT, __func__);
    return failing == FAIL_QUEUE && queue == 1 ? -EIO : real(port, queue, places, socket, conf);
}

int
rte_eth_dev_start(uint16_t port)
{
    int (*real)(uint16_t);
    *(void **)&real = dlsym(RTLD_NEXT, __func__);
    return failing == FAIL_START ? -EIO : real(port);
}

/* What the device claims to be able to do beyond what it can. */
static struct rte_eth_dev_info more;
static uint64_t configured;

int
rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
    int (*real)(uint16_t, struct rte_eth_dev_info *);
    *(void **)&real = dlsym(RTLD_NEXT, __func__);
    int rc = real(port, info);
    info->tx_offload_capa |= more.tx_offload_capa;
    if (more.tx_desc_lim.nb_seg_max)
        info->tx_desc_lim.nb_seg_max = more.tx_desc_lim.nb_seg_max;
    return rc;
}

/* The device itself is asked only for what it has. */
int
rte_eth_dev_configure(uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf)
{
    int (*real)(uint16_t, uint16_t, uint16_t, const struct rte_eth_conf *);
    struct rte_eth_conf less = *conf;
    *(void **)&real = dlsym(RTLD_NEXT, __func__);
    configured = conf->txmode.offloads;
    less.txmode.offloads &= ~more.tx_offload_capa;
    return real(port, rx, tx, &less);
}

static void
bring_up(void)
{
    struct nic_dpdk_config c = child_config("net_null0");
    struct nic_dpdk *d;
    struct nic_facts facts;
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    must(nic_dpdk_enter(d, 0).self == &d->queues[0]);
    nic_dpdk_facts(d, &facts);
    must(facts.mtu == 1500 && facts.queues == 1 && facts.link_up && !facts.tx_l4_sum);
    must(strcmp(facts.name, "net_null net_null0") == 0);
    must(!(facts.mac[0] & 1));
    must(rte_mempool_avail_count(d->queues[0].rx_pool) > 0);
    nic_dpdk_leave(d);
    nic_dpdk_destroy(d);
    must(rte_eth_dev_count_avail() == 0);
}

static void
a_device_comes_up_and_goes_down(void **state)
{
    in_child(bring_up);
}

static void
bring_up_two_queues(void)
{
    struct nic_dpdk_config c = child_config("net_null0");
    struct nic_dpdk *d;
    char error[NIC_DPDK_ERROR_BYTES];
    c.queues = 2;
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    must(d->queues[0].rx_pool != d->queues[1].rx_pool);
    must(nic_dpdk_enter(d, 1).self == &d->queues[1]);
    nic_dpdk_destroy(d);
}

/* What the driver says, and what of it is used. */
static uint32_t
burst_bytes(const char *device, bool tso, uint16_t mtu)
{
    struct nic_dpdk_config c = child_config(device);
    struct nic_dpdk *d;
    struct nic_facts facts;
    char error[NIC_DPDK_ERROR_BYTES];
    c.tso = tso;
    c.mtu = mtu;
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    nic_dpdk_facts(d, &facts);
    bool asked = configured & RTE_ETH_TX_OFFLOAD_TCP_TSO;
    must(asked == (facts.tx_burst_bytes > 0));
    must(facts.tx_l4_sum || facts.tx_burst_bytes == 0);
    must(d->ip_sum == (asked && more.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM));
    nic_dpdk_destroy(d);
    return facts.tx_burst_bytes;
}

enum { ROOM_1500 = 2048, PARTS = NIC_BURST_PARTS_MAX - 1 };
#define CUTS                                                                                       \
    (RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

static void
bring_up_one_that_cuts(void)
{
    more.tx_offload_capa = CUTS;
    must(burst_bytes("net_ring0", true, 1500) == PARTS * ROOM_1500);
}

static void
bring_up_one_that_cuts_and_sums(void)
{
    more.tx_offload_capa = CUTS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    must(burst_bytes("net_ring0", true, 1500) == PARTS * ROOM_1500);
}

static void
bring_up_one_that_takes_few_parts(void)
{
    more.tx_offload_capa = CUTS;
    more.tx_desc_lim.nb_seg_max = 5;
    must(burst_bytes("net_ring0", true, 1500) == 4 * ROOM_1500);
}

static void
bring_up_one_that_is_told_not_to(void)
{
    more.tx_offload_capa = CUTS;
    must(burst_bytes("net_ring0", false, 1500) == 0);
}

static void
bring_up_those_that_cannot(void)
{
    more.tx_offload_capa = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    must(burst_bytes("net_null0", true, 1500) == 0);
}

static void
a_device_cuts_bursts_when_it_can_and_may(void **state)
{
    in_child(bring_up_one_that_cuts);
    in_child(bring_up_one_that_cuts_and_sums);
    in_child(bring_up_one_that_takes_few_parts);
    in_child(bring_up_one_that_is_told_not_to);
    in_child(bring_up_those_that_cannot);
}

static void
each_queue_has_pools_of_its_own(void **state)
{
    in_child(bring_up_two_queues);
}

static void
bring_up_two_devices(void)
{
    struct nic_dpdk_config c[] = {child_config("net_null1"), child_config("net_null0,size=128")};
    struct nic_dpdk *d[2];
    struct nic_facts facts[2];
    char error[NIC_DPDK_ERROR_BYTES];
    c[1].queues = 2;
    must(nic_dpdk_create(c, 2, d, error) == ERR_OK);
    for (uint32_t i = 0; i < 2; i++)
        nic_dpdk_facts(d[i], &facts[i]);
    must(strcmp(facts[0].name, "net_null net_null1") == 0 && facts[0].queues == 1);
    must(strcmp(facts[1].name, "net_null net_null0") == 0 && facts[1].queues == 2);
    must(d[0]->port != d[1]->port);
    must(d[0]->queues[0].rx_pool != d[1]->queues[0].rx_pool);
    must(nic_dpdk_enter(d[0], 0).self != nic_dpdk_enter(d[1], 0).self);
    nic_dpdk_leave(d[0]);
    nic_dpdk_destroy(d[0]);
    nic_dpdk_destroy(d[1]);
    must(rte_eth_dev_count_avail() == 0);
}

static void
several_devices_come_up_each_as_its_own(void **state)
{
    in_child(bring_up_two_devices);
}

static void
bring_up_a_good_and_a_bad_one(void)
{
    struct nic_dpdk_config c[] = {child_config("net_null0"),
                                  child_config("net_memif0,role=client")};
    struct nic_dpdk *d[2];
    char error[NIC_DPDK_ERROR_BYTES];
    c[1].mtu = 9000;
    must(nic_dpdk_create(c, 2, d, error) == ERR_UNSUPPORTED);
    must(strstr(error, "net_memif0") != NULL);
    must(d[0] == NULL && d[1] == NULL);
    must(rte_eth_dev_count_avail() == 0);
}

static void
one_that_cannot_takes_the_others_down(void **state)
{
    in_child(bring_up_a_good_and_a_bad_one);
}

static void
pool_counted(struct rte_mempool *pool, void *count)
{
    must(pool);
    ++*(uint32_t *)count;
}

static void
bring_up_and_fail(void)
{
    struct nic_dpdk_config c = child_config("net_null0");
    struct nic_dpdk *d;
    uint32_t pools = 0;
    char error[NIC_DPDK_ERROR_BYTES];
    c.queues = 2;
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_IO);
    must(d == NULL);
    must(rte_eth_dev_count_avail() == 0);
    rte_mempool_walk(pool_counted, &pools);
    must(pools == 0);
}

static void
one_that_fails_half_way_leaves_no_port_and_no_memory(void **state)
{
    for (failing = FAIL_QUEUE; failing <= FAIL_START; failing++)
        in_child(bring_up_and_fail);
    failing = FAIL_NONE;
}

static void
bring_up_too_many_queues(void)
{
    /* As many rings as the device was made with: one. */
    struct nic_dpdk_config c = child_config("net_ring0");
    struct nic_dpdk *d;
    char error[NIC_DPDK_ERROR_BYTES];
    c.queues = NIC_DPDK_QUEUES_MAX;
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_UNSUPPORTED);
    must(strstr(error, "queues") != NULL);
    must(d == NULL);
}

static void
more_queues_than_the_device_has_are_refused(void **state)
{
    in_child(bring_up_too_many_queues);
}

static void
bring_up_with_long_packets(void)
{
    struct nic_dpdk_config c = child_config("net_memif0,role=client");
    struct nic_dpdk *d;
    char error[NIC_DPDK_ERROR_BYTES];
    c.mtu = 9000;
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_UNSUPPORTED);
    must(strstr(error, "at most, not 9000") != NULL);
}

static void
packets_longer_than_the_device_takes_are_refused(void **state)
{
    in_child(bring_up_with_long_packets);
}

static void
bring_up_memif(const char *device, bool chains)
{
    struct nic_dpdk_config c = child_config(device);
    struct nic_dpdk *d;
    struct nic_facts facts;
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    nic_dpdk_facts(d, &facts);
    must(facts.chains == chains);
    nic_dpdk_destroy(d);
}

static void
bring_up_memif_that_copies(void)
{
    bring_up_memif("net_memif0,role=server,socket=/sluice-test-copies", true);
}

/* Only a client lends, and it wants somebody who listens. */
static void
bring_up_memif_that_lends(void)
{
    char folder[] = P_tmpdir "/sluice-test-XXXXXX", device[NIC_DPDK_DEVICE_BYTES_MAX];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    must(mkdtemp(folder));
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/memif", folder);
    must(bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0);
    (void)snprintf(device, sizeof device,
                   "net_memif0,role=client,zero-copy=yes,socket-abstract=no,socket=%s",
                   at.sun_path);
    bring_up_memif(device, false);
    (void)close(fd);
    (void)unlink(at.sun_path);
    (void)rmdir(folder);
}

static void
what_is_not_in_memory_of_dpdk_is_copied_where_the_other_end_maps_that(void **state)
{
    in_child(bring_up_memif_that_copies);
    in_child(bring_up_memif_that_lends);
    assert_true(nic_dpdk_lends("net_virtio_user0,path=/somewhere"));
    assert_false(nic_dpdk_lends("net_tap0,iface=sl0"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_comes_up_and_goes_down),
        cmocka_unit_test(a_device_cuts_bursts_when_it_can_and_may),
        cmocka_unit_test(each_queue_has_pools_of_its_own),
        cmocka_unit_test(several_devices_come_up_each_as_its_own),
        cmocka_unit_test(one_that_cannot_takes_the_others_down),
        cmocka_unit_test(one_that_fails_half_way_leaves_no_port_and_no_memory),
        cmocka_unit_test(more_queues_than_the_device_has_are_refused),
        cmocka_unit_test(packets_longer_than_the_device_takes_are_refused),
        cmocka_unit_test(what_is_not_in_memory_of_dpdk_is_copied_where_the_other_end_maps_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
