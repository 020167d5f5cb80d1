#include "tests/unit/drivers/dpdk/child.h"

#include "drivers/dpdk/nic_dpdk_in.h"

static void
bring_up(void)
{
    struct nic_dpdk_config c = child_config("net_null0");
    struct nic_dpdk *d;
    struct nic_facts facts;
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_dpdk_create(&c, &d, error) == ERR_OK);
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
    must(nic_dpdk_create(&c, &d, error) == ERR_OK);
    must(d->queues[0].rx_pool != d->queues[1].rx_pool);
    must(nic_dpdk_enter(d, 1).self == &d->queues[1]);
    nic_dpdk_destroy(d);
}

static void
each_queue_has_pools_of_its_own(void **state)
{
    in_child(bring_up_two_queues);
}

static void
bring_up_too_many_queues(void)
{
    /* As many rings as the device was made with: one. */
    struct nic_dpdk_config c = child_config("net_ring0");
    struct nic_dpdk *d;
    char error[NIC_DPDK_ERROR_BYTES];
    c.queues = NIC_DPDK_QUEUES_MAX;
    must(nic_dpdk_create(&c, &d, error) == ERR_UNSUPPORTED);
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
    must(nic_dpdk_create(&c, &d, error) == ERR_UNSUPPORTED);
    must(strstr(error, "at most, not 9000") != NULL);
}

static void
packets_longer_than_the_device_takes_are_refused(void **state)
{
    in_child(bring_up_with_long_packets);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_comes_up_and_goes_down),
        cmocka_unit_test(each_queue_has_pools_of_its_own),
        cmocka_unit_test(more_queues_than_the_device_has_are_refused),
        cmocka_unit_test(packets_longer_than_the_device_takes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
