/* nic_eal.c: starts DPDK's environment layer.
 *
 * It is told to be private: memory without files (--in-memory), or ordinary pages (--no-huge), no
 * sockets, no other process, and no devices but ours.  It binds the thread that starts it to a
 * processor; that is undone, since loops choose their own. */
#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk_in.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EAL_ARGS_MAX = 24, EAL_ARG_BYTES = NIC_DPDK_DEVICE_BYTES_MAX + 16 };

struct args {
    char text[EAL_ARGS_MAX][EAL_ARG_BYTES];
    char *list[EAL_ARGS_MAX + 1];
    int count;
};

__attribute__((format(printf, 2, 3))) static void
arg_add(struct args *a, const char *fmt, ...)
{
    va_list list;
    must(a->count < EAL_ARGS_MAX);
    va_start(list, fmt);
    (void)vsnprintf(a->text[a->count], EAL_ARG_BYTES, fmt, list);
    va_end(list);
    a->list[a->count] = a->text[a->count];
    a->count++;
}

static int
first_cpu(const cpu_set_t *set)
{
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, set))
            return i;
    return 0;
}

_Static_assert(EAL_ARGS_MAX >= 11 + 2 * NIC_DPDK_DEVICES_MAX, "args_fill");

static void
args_fill(struct args *a, const struct nic_dpdk_config *configs, uint32_t count,
          const struct nic_host *hosts, const cpu_set_t *cpus)
{
    bool pci = false;
    for (uint32_t i = 0; i < count; i++)
        pci |= hosts[i].pci;
    arg_add(a, "sluice");
    arg_add(a, "--no-telemetry");
    arg_add(a, "--log-level=error");
    arg_add(a, "--lcores=0@%d", first_cpu(cpus));
    if (hosts[0].huge) {
        arg_add(a, "--in-memory");
    } else {
        arg_add(a, "--no-huge");
        arg_add(a, "--no-shconf");
        arg_add(a, "-m");
        arg_add(a, "%u", nic_host_memory_mb(configs, count));
    }
    if (!pci) {
        arg_add(a, "--no-pci");
        arg_add(a, "--iova-mode=va");
    }
    bool lends = false;
    for (uint32_t i = 0; i < count; i++) {
        arg_add(a, hosts[i].pci ? "--allow=%s" : "--vdev=%s", configs[i].device);
        lends |= nic_dpdk_lends(configs[i].device);
    }
    if (lends) /* whole files are what memif can share */
        arg_add(a, "--single-file-segments");
}

/* DPDK does not say which device it was. */
static void
failure_say(const struct nic_dpdk_config *configs, uint32_t count, const struct nic_host *hosts,
            char error[NIC_DPDK_ERROR_BYTES])
{
    char names[NIC_DPDK_DEVICES_MAX * (NIC_HOST_NAME_BYTES + 2)] = "";
    bool tap = false;
    for (uint32_t i = 0; i < count; i++) {
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%.60s", i ? "; " : "",
                       configs[i].device);
        tap |= hosts[i].tap;
    }
    (void)snprintf(error, NIC_DPDK_ERROR_BYTES, "DPDK does not start with %s: %s%s", names,
                   rte_strerror(rte_errno), tap ? " (net_tap needs CAP_NET_ADMIN)" : "");
}

int
nic_eal_start(const struct nic_dpdk_config *configs, uint32_t count, const struct nic_host *hosts,
              char error[NIC_DPDK_ERROR_BYTES])
{
    static bool started;
    struct args args = {.count = 0};
    cpu_set_t cpus;
    if (started) {
        (void)snprintf(error, NIC_DPDK_ERROR_BYTES, "DPDK was started in this process before");
        return ERR_BUSY;
    }
    must(pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus) == 0);
    args_fill(&args, configs, count, hosts, &cpus);
    started = true;
    int rc = rte_eal_init(args.count, args.list);
    (void)pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    if (rc >= 0)
        return ERR_OK;
    failure_say(configs, count, hosts, error);
    return rte_errno == EACCES || rte_errno == EPERM ? ERR_DENIED : ERR_IO;
}
