/* nic_dpdk.h: nic.h over any devices of DPDK 22.11: PCI devices that vfio-pci has, or virtual ones
 * ("net_tap0,iface=sl0", "net_af_packet0,iface=veth0", "net_memif0,role=client,...").
 *
 * The devices of the whole process, each with one pair of queues a loop.  nic_dpdk_create at start,
 * in any thread, which keeps its processors; then each loop calls nic_dpdk_enter for each device in
 * its own thread and has its ports until nic_dpdk_destroy.
 *
 * Memory: huge pages, private to the process (--in-memory), when a device is on PCI or there are
 * enough free ones; else ordinary pages, which virtual devices take.  What a frame's spans refer to
 * is handed over by reference to virtual devices that take chains, and to those on PCI where it
 * lies in memory of nic_dpdk_lend; it is copied for all others.
 *
 * Built without DPDK (nic_none.c), nic_dpdk_create says so. */
#ifndef SLUICE_DPDK_NIC_DPDK_H
#define SLUICE_DPDK_NIC_DPDK_H

#include "core/net/nic.h"

enum {
    NIC_DPDK_DEVICES_MAX = 4,
    NIC_DPDK_QUEUES_MAX = 64, /* of a device */
    NIC_DPDK_DEVICE_BYTES_MAX = 256,
    NIC_DPDK_ERROR_BYTES = 512,
    NIC_DPDK_FRAMES = 4096,   /* receive frames of each queue */
    NIC_DPDK_STAT_EVERY = 10, /* calls of nic_ops.stat, of which one asks the device itself */
};

/* One device; of several, `root` is the same. */
struct nic_dpdk_config {
    const char *device; /* "0000:41:00.0", or a virtual device with its arguments */
    uint32_t queues;    /* pairs; 1 to NIC_DPDK_QUEUES_MAX */
    uint16_t mtu;
    bool tso; /* the device cuts bursts (packet.h), if it can */
    /* Interfaces, comma-separated, that may be taken although the default route goes through them,
     * or through what they are part of; "": none may. */
    const char *default_route;
    const char *root; /* "/"; another for tests: where proc/, sys/ and dev/ are looked for */
};

struct nic_dpdk;

/* Brings 1 to NIC_DPDK_DEVICES_MAX devices up, all or none, into out[0] to out[count - 1].  On
 * failure one line without a newline that names the device and says how to mend it, and
 * ERR_INVALID: the configuration; ERR_DENIED; ERR_NOT_FOUND: no such device; ERR_BUSY: it is the
 * kernel's, or carries the default route; ERR_LIMIT: memory; ERR_UNSUPPORTED: built without DPDK,
 * or the device cannot do it.  DPDK itself starts once a process. */
must_check int nic_dpdk_create(const struct nic_dpdk_config *configs, uint32_t count,
                               struct nic_dpdk **out, char error[NIC_DPDK_ERROR_BYTES]);
/* All frames have been released; no loop uses its port any more. */
void nic_dpdk_destroy(struct nic_dpdk *d);

/* Memory that spans come from, from now on: a device on PCI gets it mapped for its own access.  All
 * its pages become resident and stay so until the process ends, also when the memory is given back
 * before; other memory at these addresses must not be sent from then.  Any thread, also while loops
 * send.
 * ERR_UNSUPPORTED: payload is copied for this device; ERR_LIMIT: that memory could not be mapped,
 * what lies there is copied.  `error` says why in both cases. */
must_check int nic_dpdk_lend(struct nic_dpdk *d, const struct nic_memory *memory,
                             char error[NIC_DPDK_ERROR_BYTES]);

/* What the device is: nic_ops.facts, before a loop has a port. */
void nic_dpdk_facts(const struct nic_dpdk *d, struct nic_facts *out);
/* The port of queue `queue`, for the calling thread from now on. */
struct nic nic_dpdk_enter(struct nic_dpdk *d, uint32_t queue);
/* Before the thread ends; for one of its devices is enough. */
void nic_dpdk_leave(struct nic_dpdk *d);

/* ---- nic_host.c: is this machine prepared?  Without DPDK itself. ---- */

enum { NIC_HOST_NAME_BYTES = 64 };
struct nic_host {
    char name[NIC_HOST_NAME_BYTES]; /* as DPDK calls it: "0000:41:00.0", "net_tap0" */
    bool pci;                       /* the device is on PCI */
    bool huge;                      /* take huge pages */
    bool tap;                       /* the driver makes a kernel interface of its own */
    uint64_t free_huge_bytes;
    char driver[32]; /* of the kernel, for PCI: "vfio-pci", "e1000e", ...; "": none */
};
/* Memory that the devices will need, in MiB. */
uint32_t nic_host_memory_mb(const struct nic_dpdk_config *configs, uint32_t count);
/* Looks at /sys, /proc and /dev before DPDK does, whose own messages do not say what to do.  `out`:
 * one for each device.  Results and `error` as nic_dpdk_create. */
must_check int nic_host_check(const struct nic_dpdk_config *configs, uint32_t count,
                              struct nic_host *out, char error[NIC_DPDK_ERROR_BYTES]);

#endif
