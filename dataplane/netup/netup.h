/* netup.h: net=dpdk of the configuration: the devices, and one bypass.h a shard over all.
 *
 * Everything that is wrong with the configuration or the machine is said in one line of the log
 * that names the command or the key that mends it. */
#ifndef SLUICE_NETUP_NETUP_H
#define SLUICE_NETUP_NETUP_H

#include "core/conf/conf.h"
#include "dataplane/bypass/bypass.h"

struct netup;

/* Brings the devices up.  *out stays NULL with net=kernel.  Errors as nic_dpdk_create, and
 * ERR_INVALID for what is wrong with net.address, net.routes, net.mtu or net.vlan. */
must_check int netup_create(const struct conf *conf, uint32_t shards, struct netup **out);

struct netup_shard {
    uint32_t number;
    struct clock clock; /* of its ring */
    uint32_t connections_max;
    struct netview *view; /* of the shard, in the region; lent, and so is: */
    struct capring_core *capture;
};
/* Memory for one shard, before its thread starts. */
must_check int netup_prepare(struct netup *n, const struct netup_shard *shard);
/* In the thread of a shard; the bypass is lent until netup_leave.  `memory`: what answers are sent
 * from, the devices may read it as long as they are there. */
struct bypass *netup_enter(struct netup *n, uint32_t shard, const struct nic_memory *memory,
                           uint32_t count);
void netup_leave(struct netup *n, uint32_t shard);

/* True when connections to that address can reach us. */
bool netup_is_ours(const struct netup *n, const uint8_t ip[16]);

/* After all shards have left. */
void netup_destroy(struct netup *n);

#endif
