#include "tests/unit/drivers/dpdk/child.h"

#include "drivers/dpdk/nic_dpdk_in.h"

#include <sched.h>

static void
start_and_compare(void)
{
    struct nic_dpdk_config c = child_config("net_null0");
    const struct nic_host host = {0};
    char error[NIC_DPDK_ERROR_BYTES];
    cpu_set_t before, after;
    must(sched_getaffinity(0, sizeof before, &before) == 0);
    must(nic_eal_start(&c, 1, &host, error) == ERR_OK);
    must(sched_getaffinity(0, sizeof after, &after) == 0);
    must(CPU_EQUAL(&before, &after));
    must(rte_eth_dev_count_avail() == 1);
}

static void
starting_keeps_the_processors_of_the_thread(void **state)
{
    in_child(start_and_compare);
}

static void
start_twice(void)
{
    struct nic_dpdk_config c = child_config("net_null0");
    const struct nic_host host = {0};
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_eal_start(&c, 1, &host, error) == ERR_OK);
    must(nic_eal_start(&c, 1, &host, error) == ERR_BUSY);
    must(strstr(error, "before") != NULL);
}

static void
it_starts_once_a_process(void **state)
{
    in_child(start_twice);
}

static void
start_nonsense(void)
{
    struct nic_dpdk_config c = child_config("net_no_such_driver0");
    const struct nic_host host = {0};
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_eal_start(&c, 1, &host, error) < 0);
    must(strstr(error, "net_no_such_driver0") != NULL);
}

static void
a_device_without_a_driver_is_named(void **state)
{
    in_child(start_nonsense);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_keeps_the_processors_of_the_thread),
        cmocka_unit_test(it_starts_once_a_process),
        cmocka_unit_test(a_device_without_a_driver_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
