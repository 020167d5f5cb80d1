/* netup.c: see netup.h.
 *
 * Where the limits come from: a queue has NIC_DPDK_FRAMES frames for receiving, of which its ring
 * wants NET_RING; TCP may hold NET_NODES of the others. */
#include "dataplane/netup/netup.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "drivers/os/os.h"

#include <stdlib.h>
#include <string.h>

enum {
    NET_RING = 1024,
    NET_NODES = 2048,
    NET_SEGS = 32768,
    NET_EXTENTS = 32768,
    NET_RECEIVE_BYTES = 512 << 10, /* window of one connection */
    NET_COPIES_LEAST = 256,
    NET_COPIES_MOST = 4096,
    NET_LINGER_US = 10000000, /* closed by us, and the peer takes nothing: reset after so long */
    NET_KEEP_US = 120000000,
    NET_STALL_US = 5000000, /* these two as drivers/uring */
    NET_EOF_LINGER_US = 1000000,
};

_Static_assert(NET_NODES + NET_RING + BYPASS_BURSTS * NIC_BURST_MAX <= NIC_DPDK_FRAMES,
               "frames for the device's ring are left when TCP has all it may hold");

struct netup {
    const struct conf *conf;
    struct ipnet_config net;
    struct nic_dpdk *nic;
    uint32_t shard_count;
    struct ipnet_mesh *mesh;
    struct bypass *shards[NIC_DPDK_QUEUES_MAX];
    uint8_t key[TCP_KEY_BYTES];
};

static int
refused(const char *key, const char *why)
{
    log_error("net", "%s: %s", key, why);
    return ERR_INVALID;
}

/* ---- the configuration ---- */

static int
addresses_read(struct netup *n)
{
    char error[IPNET_ERROR_BYTES];
    const char *text = conf_text(n->conf, CONF_NET_ADDRESS);
    if (text[0] == '\0')
        return refused("net.address", "name the addresses of the device, such as "
                                      "net.address=10.77.0.2/24");
    if (ipnet_text_addresses(&n->net, text, error))
        return refused("net.address", error);
    if (ipnet_text_routes(&n->net, conf_text(n->conf, CONF_NET_ROUTES), error))
        return refused("net.routes", error);
    n->net.mtu = (uint16_t)conf_number(n->conf, CONF_NET_MTU);
    n->net.vlan = (uint16_t)conf_number(n->conf, CONF_NET_VLAN);
    n->net.shared = n->shard_count > 1;
    if (ipnet_check(&n->net))
        return refused("net.address, net.routes",
                       "an address that no host can have, or a gateway that is on no link of ours");
    return ERR_OK;
}

static int
device_open(struct netup *n)
{
    char error[NIC_DPDK_ERROR_BYTES];
    const char *device = conf_text(n->conf, CONF_NET_DEVICES);
    if (device[0] == '\0')
        return refused("net.devices", "name a device: a PCI address (0000:41:00.0) or a virtual "
                                      "device (net_tap0,iface=sl0)");
    struct nic_dpdk_config config = {
        .device = device,
        .queues = n->shard_count,
        .mtu = n->net.mtu,
        .default_route = conf_text(n->conf, CONF_NET_DEFAULT_ROUTE),
        .root = "/",
    };
    int err = nic_dpdk_create(&config, 1, &n->nic, error);
    if (err)
        log_error("net", "net.devices: %s", error);
    return err;
}

static void
device_tell(const struct netup *n)
{
    struct nic_facts f;
    nic_dpdk_facts(n->nic, &f);
    log_info("net",
             "device=%s mac=%02x:%02x:%02x:%02x:%02x:%02x mtu=%u queues=%u checksums=%s address=%s",
             f.name, f.mac[0], f.mac[1], f.mac[2], f.mac[3], f.mac[4], f.mac[5], f.mtu, f.queues,
             f.tx_l4_sum ? "device" : "software", conf_text(n->conf, CONF_NET_ADDRESS));
}

int
netup_create(const struct conf *conf, uint32_t shards, struct netup **out)
{
    *out = NULL;
    if (!conf_own_net(conf))
        return ERR_OK;
    if (shards > NIC_DPDK_QUEUES_MAX || shards > IPNET_MESH_LOOPS_MAX)
        return refused("cores", "a device serves 64 cores at most");
    struct netup *n = calloc(1, sizeof *n);
    must(n);
    n->conf = conf;
    n->shard_count = shards;
    int err = addresses_read(n);
    err = err ? err : device_open(n);
    if (err) {
        free(n);
        return err;
    }
    struct nic_facts facts;
    nic_dpdk_facts(n->nic, &facts);
    memcpy(n->net.mac, facts.mac, sizeof n->net.mac);
    n->net.tx_l4_sum = facts.tx_l4_sum;
    os_random(n->net.secret, sizeof n->net.secret);
    os_random(n->key, sizeof n->key);
    size_t mesh_bytes = (ipnet_mesh_footprint(shards) + 63) & ~(size_t)63;
    void *mesh = shards > 1 ? aligned_alloc(64, mesh_bytes) : NULL;
    must(mesh || shards == 1);
    n->mesh = mesh ? ipnet_mesh_init(mesh, shards) : NULL;
    device_tell(n);
    *out = n;
    return ERR_OK;
}

/* ---- shards ---- */

static struct tcp_config
tcp_config_of(const struct netup *n, uint32_t connections)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = connections;
    c.nodes = NET_NODES;
    c.segs = NET_SEGS;
    c.extents = NET_EXTENTS;
    c.rcv_bytes = NET_RECEIVE_BYTES;
    c.mtu = n->net.mtu;
    c.linger_us = NET_LINGER_US;
    c.keep_us = NET_KEEP_US;
    memcpy(c.key, n->key, sizeof c.key);
    return c;
}

static struct tcp_stream_config
stream_config_of(const struct netup *n, uint32_t connections)
{
    uint32_t copies = connections < NET_COPIES_LEAST ? NET_COPIES_LEAST : connections;
    return (struct tcp_stream_config){
        .conns = connections,
        .request_bytes_max = (uint32_t)conf_number(n->conf, CONF_REQUEST_MAX_BYTES),
        .receive_bytes_max = (size_t)conf_number(n->conf, CONF_REQUEST_MEMORY) / n->shard_count,
        .scatter_bytes = NET_RECEIVE_BYTES / 2,
        .copies = copies > NET_COPIES_MOST ? NET_COPIES_MOST : copies,
        .tail_bytes = 2 * n->net.mtu,
        .stall_us = NET_STALL_US,
        .linger_us = NET_EOF_LINGER_US,
    };
}

int
netup_prepare(struct netup *n, const struct netup_shard *shard)
{
    struct bypass_config config = {
        .net = n->net,
        .tcp = tcp_config_of(n, shard->connections_max),
        .stream = stream_config_of(n, shard->connections_max),
        .clock = shard->clock,
        .mesh = n->mesh,
        .loop = shard->number,
        .view = shard->view,
        .capture = shard->capture,
        .spin = strcmp(conf_text(n->conf, CONF_IDLE), "spin") == 0,
    };
    config.net.secondary = shard->number > 0;
    return bypass_create(&config, &n->shards[shard->number]);
}

struct bypass *
netup_enter(struct netup *n, uint32_t shard)
{
    bypass_enter(n->shards[shard], nic_dpdk_enter(n->nic, shard));
    return n->shards[shard];
}

void
netup_leave(struct netup *n, uint32_t shard)
{
    struct bypass_stat st;
    bypass_leave(n->shards[shard]);
    bypass_stat(n->shards[shard], &st);
    log_info("net",
             "left shard=%u bytes_in=%llu bytes_in_copied=%llu in_pieces=%llu bytes_out=%llu "
             "bytes_out_copied=%llu "
             "evicted=%llu polls=%llu polls_empty=%llu naps=%llu",
             shard, (unsigned long long)st.stream.bytes_in,
             (unsigned long long)st.stream.bytes_in_copied,
             (unsigned long long)st.stream.requests_scattered,
             (unsigned long long)st.stream.bytes_out,
             (unsigned long long)st.stream.bytes_out_copied, (unsigned long long)st.stream.evicted,
             (unsigned long long)st.polls, (unsigned long long)st.polls_empty,
             (unsigned long long)st.naps);
    nic_dpdk_leave(n->nic);
}

bool
netup_is_ours(const struct netup *n, const uint8_t ip[16])
{
    bool ours = iptext_is_any(ip);
    for (uint32_t i = 0; i < n->net.address_count && !ours; i++)
        ours = memcmp(ip, n->net.addresses[i].ip, 16) == 0;
    return ours;
}

void
netup_destroy(struct netup *n)
{
    if (!n)
        return;
    nic_dpdk_destroy(n->nic);
    for (uint32_t i = 0; i < n->shard_count; i++)
        bypass_destroy(n->shards[i]);
    free(n->mesh);
    free(n);
}
