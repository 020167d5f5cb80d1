/* nic_eal.c: starts DPDK's environment layer.
 *
 * It is told to be private: memory without files (--in-memory), or ordinary pages (--no-huge), no
 * sockets, no other process, and no device but ours.  It binds the thread that starts it to a
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

enum { EAL_ARGS_MAX = 16, EAL_ARG_BYTES = NIC_DPDK_DEVICE_BYTES_MAX + 16 };

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

static void
args_fill(struct args *a, const struct nic_dpdk_config *config, const struct nic_host *host,
          const cpu_set_t *cpus)
{
    arg_add(a, "sluice");
    arg_add(a, "--no-telemetry");
    arg_add(a, "--log-level=error");
    arg_add(a, "--lcores=0@%d", first_cpu(cpus));
    if (host->huge) {
        arg_add(a, "--in-memory");
    } else {
        arg_add(a, "--no-huge");
        arg_add(a, "--no-shconf");
        arg_add(a, "-m");
        arg_add(a, "%u", nic_host_memory_mb(config));
    }
    if (host->pci) {
        arg_add(a, "-a");
        arg_add(a, "%s", config->device);
    } else {
        arg_add(a, "--no-pci");
        arg_add(a, "--iova-mode=va");
        arg_add(a, "--vdev=%s", config->device);
        if (nic_dpdk_lends(config->device)) /* whole files are what memif can share */
            arg_add(a, "--single-file-segments");
    }
}

int
nic_eal_start(const struct nic_dpdk_config *config, const struct nic_host *host,
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
    args_fill(&args, config, host, &cpus);
    started = true;
    int rc = rte_eal_init(args.count, args.list);
    (void)pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    if (rc >= 0)
        return ERR_OK;
    (void)snprintf(error, NIC_DPDK_ERROR_BYTES, "DPDK does not start with %s: %s%s", config->device,
                   rte_strerror(rte_errno), host->tap ? " (net_tap needs CAP_NET_ADMIN)" : "");
    return rte_errno == EACCES || rte_errno == EPERM ? ERR_DENIED : ERR_IO;
}
