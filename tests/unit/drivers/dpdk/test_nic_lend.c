/* Over net_ring, as if it were on PCI; what maps memory for it is this file. */
#include "tests/unit/drivers/dpdk/child.h"

#include "drivers/dpdk/nic_dpdk_in.h"

#include <rte_vfio.h>

static struct nic_dpdk *d;
static struct nic_memory mapped[4];
static uint32_t map_count;
static int map_code;
static _Alignas(4096) uint8_t arena[8192];
static char error[NIC_DPDK_ERROR_BYTES];

int
rte_vfio_container_dma_map(int container, uint64_t at, uint64_t iova, uint64_t bytes)
{
    must(container == RTE_VFIO_DEFAULT_CONTAINER_FD && iova == at);
    mapped[map_count++] = (struct nic_memory){(const void *)(uintptr_t)at, bytes};
    return map_code;
}

static void
up(bool pci)
{
    struct nic_dpdk_config c = child_config("net_ring0");
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    d->queues[0].reach = pci ? &nic_lend_regions : NULL;
}

static int
lend(const uint8_t *at, uint64_t bytes)
{
    return nic_dpdk_lend(d, &(struct nic_memory){at, bytes}, error);
}

static bool
references(void)
{
    struct nic_facts facts;
    nic_dpdk_facts(d, &facts);
    return facts.chains;
}

static void
lend_to_a_card(void)
{
    up(true);
    must(!references());
    must(lend(arena, 4096) == ERR_OK && lend(arena + 4096, 4096) == ERR_OK);
    must(map_count == 2 && mapped[1].at == arena + 4096 && mapped[1].bytes == 4096);
    must(atomic_load(&nic_lend_regions.count) == 2);
    must(references());
    nic_dpdk_destroy(d);
}

static void
memory_is_mapped_at_our_own_addresses_and_then_within_reach(void **state)
{
    in_child(lend_to_a_card);
}

static void
lend_what_cannot_be_mapped(void)
{
    up(true);
    map_code = -1;
    must(lend(arena, 4096) == ERR_LIMIT);
    must(strstr(error, "4096 bytes cannot be mapped"));
    must(atomic_load(&nic_lend_regions.count) == 0 && !references());
    nic_dpdk_destroy(d);
}

static void
memory_that_cannot_be_mapped_stays_out_of_reach(void **state)
{
    in_child(lend_what_cannot_be_mapped);
}

static void
lend_once_more(void)
{
    up(true);
    must(lend(arena, 4096) == ERR_OK && lend(arena, 4096) == ERR_OK && map_count == 1);
    must(lend(arena + 4096, 4096) == ERR_OK && map_count == 2);
    must(lend(arena, 4096) == ERR_OK && map_count == 2);
    nic_dpdk_destroy(d);
}

static void
memory_is_mapped_once_for_all_cards(void **state)
{
    in_child(lend_once_more);
}

static void
lend_to_a_virtual_device(void)
{
    up(false);
    must(lend(arena, 4096) == ERR_OK);
    must(map_count == 0 && references());
    nic_dpdk_destroy(d);
}

static void
a_virtual_device_reaches_everything_unmapped(void **state)
{
    in_child(lend_to_a_virtual_device);
}

static void
lend_to_one_that_copies(void)
{
    up(true);
    d->copies = "it is slow";
    must(lend(arena, 4096) == ERR_UNSUPPORTED);
    must(strcmp(error, "it is slow") == 0 && map_count == 0);
    nic_dpdk_destroy(d);
}

static void
a_device_that_copies_gets_nothing_mapped_and_says_why(void **state)
{
    in_child(lend_to_one_that_copies);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_mapped_at_our_own_addresses_and_then_within_reach),
        cmocka_unit_test(memory_that_cannot_be_mapped_stays_out_of_reach),
        cmocka_unit_test(memory_is_mapped_once_for_all_cards),
        cmocka_unit_test(a_virtual_device_reaches_everything_unmapped),
        cmocka_unit_test(a_device_that_copies_gets_nothing_mapped_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
