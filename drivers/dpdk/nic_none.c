/* nic_none.c: what stands in for nic_eal.c, nic_setup.c and nic_dpdk.c where libdpdk was not found.
 */
#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk.h"

#include <stdio.h>

int
nic_dpdk_create(const struct nic_dpdk_config *configs, uint32_t count, struct nic_dpdk **out,
                char error[NIC_DPDK_ERROR_BYTES])
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = NULL;
    (void)snprintf(error, NIC_DPDK_ERROR_BYTES,
                   "this program was built without DPDK: apt-get install libdpdk-dev, then "
                   "make clean all");
    return ERR_UNSUPPORTED;
}

/* Never reached: there is no device to pass. */
void
nic_dpdk_destroy(struct nic_dpdk *d)
{
    must(d == NULL);
}

int
nic_dpdk_lend(struct nic_dpdk *d, const struct nic_memory *memory, char error[NIC_DPDK_ERROR_BYTES])
{
    must(d && memory && error);
    return ERR_UNSUPPORTED;
}

void
nic_dpdk_facts(const struct nic_dpdk *d, struct nic_facts *out)
{
    must(d);
}

struct nic
nic_dpdk_enter(struct nic_dpdk *d, uint32_t queue)
{
    must(d);
    return (struct nic){NULL, NULL};
}

void
nic_dpdk_leave(struct nic_dpdk *d)
{
    must(d);
}
