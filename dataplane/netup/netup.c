/* netup.c: see netup.h.
 *
 * A link is a device with its addresses, in the order of net.devices, here, in each loop's bypass
 * and in what operators see.
 *
 * Where the limits come from: a queue of a device has NIC_DPDK_FRAMES frames for receiving, of
 * which its ring wants NET_RING; TCP may hold NET_NODES of the others, of all devices together. */
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

_Static_assert((int)CONF_DEVICES_MAX == (int)IPNET_LINKS_MAX &&
                   (int)CONF_DEVICES_MAX == (int)NIC_DPDK_DEVICES_MAX,
               "each device that can be named is a link");

struct link {
    struct ipnet_config net;
    struct ipnet_mesh *mesh; /* NULL: one shard */
};

struct netup {
    const struct conf *conf;
    struct conf_device devices[CONF_DEVICES_MAX];
    struct link links[CONF_DEVICES_MAX];
    struct nic_dpdk *nics[CONF_DEVICES_MAX];
    uint32_t link_count;
    uint32_t shard_count;
    struct bypass *shards[NIC_DPDK_QUEUES_MAX];
    uint8_t key[TCP_KEY_BYTES];
};

static int
refused(const char *key, const char *why)
{
    log_error("net", "%s: %s", key, why);
    return ERR_INVALID;
}

static bool
has_address(const struct link *l, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < l->net.address_count; i++)
        if (memcmp(ip, l->net.addresses[i].ip, 16) == 0)
            return true;
    return false;
}

/* Of one of the first `count` links. */
static bool
is_of_first(const struct netup *n, uint32_t count, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < count; i++)
        if (has_address(&n->links[i], ip))
            return true;
    return false;
}

/* The largest packet of any link. */
static uint16_t
mtu_most(const struct netup *n)
{
    uint16_t most = 0;
    for (uint32_t i = 0; i < n->link_count; i++)
        most = n->links[i].net.mtu > most ? n->links[i].net.mtu : most;
    return most;
}

/* ---- the configuration ---- */

/* What is wrong with a key, and at which device when there are several. */
static int
link_refused(const struct netup *n, uint32_t i, const char *key, const char *why)
{
    if (n->link_count == 1)
        return refused(key, why);
    log_error("net", "%s: %s: %s", key, n->devices[i].device, why);
    return ERR_INVALID;
}

static int
link_read(struct netup *n, uint32_t i)
{
    char error[IPNET_ERROR_BYTES];
    const struct conf_device *d = &n->devices[i];
    struct ipnet_config *net = &n->links[i].net;
    if (ipnet_text_addresses(net, d->address, error))
        return link_refused(n, i, "net.address", error);
    if (ipnet_text_routes(net, d->routes, error))
        return link_refused(n, i, "net.routes", error);
    net->mtu = d->mtu;
    net->vlan = d->vlan;
    net->shared = n->shard_count > 1;
    if (ipnet_check(net))
        return link_refused(
            n, i, "net.address, net.routes",
            "an address that no host can have, or a gateway that is on no link of ours");
    return ERR_OK;
}

/* A packet leaves over the link of its source address, so that one address is of one link. */
static int
links_check(const struct netup *n)
{
    for (uint32_t i = 1; i < n->link_count; i++)
        for (uint32_t a = 0; a < n->links[i].net.address_count; a++)
            if (is_of_first(n, i, n->links[i].net.addresses[a].ip))
                return link_refused(n, i, "net.address", "another device has that address too");
    return ERR_OK;
}

static int
links_read(struct netup *n)
{
    char error[CONF_ERROR_BYTES];
    int count = conf_devices(n->conf, n->devices, error);
    if (count < 0)
        return refused("net", error); /* it names the key */
    n->link_count = (uint32_t)count;
    if (conf_text(n->conf, CONF_NET_ADDRESS)[0] == '\0')
        return refused("net.address", "name the addresses of the device, such as "
                                      "net.address=10.77.0.2/24");
    for (uint32_t i = 0; i < n->link_count; i++) {
        int err = link_read(n, i);
        if (err)
            return err;
    }
    return links_check(n);
}

static int
devices_open(struct netup *n)
{
    char error[NIC_DPDK_ERROR_BYTES];
    struct nic_dpdk_config configs[CONF_DEVICES_MAX];
    if (n->devices[0].device[0] == '\0')
        return refused("net.devices", "name a device: a PCI address (0000:41:00.0) or a virtual "
                                      "device (net_tap0,iface=sl0)");
    for (uint32_t i = 0; i < n->link_count; i++)
        configs[i] = (struct nic_dpdk_config){
            .device = n->devices[i].device,
            .queues = n->shard_count,
            .mtu = n->devices[i].mtu,
            .tso = conf_bool(n->conf, CONF_NET_TSO),
            .default_route = conf_text(n->conf, CONF_NET_DEFAULT_ROUTE),
            .root = "/",
        };
    int err = nic_dpdk_create(configs, n->link_count, n->nics, error);
    if (err)
        log_error("net", "net.devices: %s", error);
    return err;
}

/* What the device of a link has told. */
static void
link_take(struct netup *n, uint32_t i)
{
    struct nic_facts f;
    struct link *l = &n->links[i];
    nic_dpdk_facts(n->nics[i], &f);
    memcpy(l->net.mac, f.mac, sizeof l->net.mac);
    l->net.tx_l4_sum = f.tx_l4_sum;
    l->net.tx_burst_bytes = f.tx_burst_bytes;
    os_random(l->net.secret, sizeof l->net.secret);
    size_t mesh_bytes = (ipnet_mesh_footprint(n->shard_count) + 63) & ~(size_t)63;
    void *mesh = n->shard_count > 1 ? aligned_alloc(64, mesh_bytes) : NULL;
    must(mesh || n->shard_count == 1);
    l->mesh = mesh ? ipnet_mesh_init(mesh, n->shard_count) : NULL;
    log_info("net",
             "device=%s mac=%02x:%02x:%02x:%02x:%02x:%02x mtu=%u queues=%u checksums=%s "
             "segmentation=%s address=%s",
             f.name, f.mac[0], f.mac[1], f.mac[2], f.mac[3], f.mac[4], f.mac[5], f.mtu, f.queues,
             f.tx_l4_sum ? "device" : "software", f.tx_burst_bytes ? "device" : "software",
             n->devices[i].address);
}

/* The link-local address is made of the link address. */
static int
macs_check(const struct netup *n)
{
    for (uint32_t i = 1; i < n->link_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (memcmp(n->links[i].net.mac, n->links[k].net.mac, sizeof n->links[k].net.mac) == 0)
                return link_refused(n, i, "net.devices", "another device has its link address too");
    return ERR_OK;
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
    int err = links_read(n);
    err = err ? err : devices_open(n);
    for (uint32_t i = 0; i < n->link_count && !err; i++)
        link_take(n, i);
    err = err ? err : macs_check(n);
    if (err) {
        netup_destroy(n);
        return err;
    }
    os_random(n->key, sizeof n->key);
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
    c.mtu = mtu_most(n);
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
        .scatter_bytes = NET_RECEIVE_BYTES / 4 * 3,
        .copies = copies > NET_COPIES_MOST ? NET_COPIES_MOST : copies,
        .tail_bytes = 2 * mtu_most(n),
        .stall_us = NET_STALL_US,
        .linger_us = NET_EOF_LINGER_US,
    };
}

int
netup_prepare(struct netup *n, const struct netup_shard *shard)
{
    struct bypass_config config = {
        .link_count = n->link_count,
        .tcp = tcp_config_of(n, shard->connections_max),
        .stream = stream_config_of(n, shard->connections_max),
        .clock = shard->clock,
        .loop = shard->number,
        .view = shard->view,
        .capture = shard->capture,
        .spin = strcmp(conf_text(n->conf, CONF_IDLE), "spin") == 0,
    };
    for (uint32_t i = 0; i < n->link_count; i++) {
        config.links[i] = (struct bypass_link){n->links[i].net, n->links[i].mesh};
        config.links[i].net.secondary = shard->number > 0;
    }
    return bypass_create(&config, &n->shards[shard->number]);
}

/* Says what becomes of payload; what holds for all shards only once. */
static void
memory_lend(const struct netup *n, uint32_t link, uint32_t shard, const struct nic_memory *memory,
            uint32_t count)
{
    char why[NIC_DPDK_ERROR_BYTES];
    int err = ERR_OK;
    uint64_t from_ns = os_now_ns();
    for (uint32_t i = 0; i < count && !err; i++)
        err = nic_dpdk_lend(n->nics[link], &memory[i], why);
    if (err && (err != ERR_UNSUPPORTED || shard == 0))
        log_info("net", "device=%s payload=copied: %s", n->devices[link].device, why);
    if (!err && shard == 0)
        log_info("net", "device=%s payload=by reference, mapped in ms=%llu",
                 n->devices[link].device,
                 (unsigned long long)((os_now_ns() - from_ns) / CLOCK_NS_PER_MS));
}

struct bypass *
netup_enter(struct netup *n, uint32_t shard, const struct nic_memory *memory, uint32_t count)
{
    struct nic nics[CONF_DEVICES_MAX];
    for (uint32_t i = 0; i < n->link_count; i++) {
        memory_lend(n, i, shard, memory, count);
        nics[i] = nic_dpdk_enter(n->nics[i], shard);
    }
    bypass_enter(n->shards[shard], nics);
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
    nic_dpdk_leave(n->nics[0]);
}

bool
netup_is_ours(const struct netup *n, const uint8_t ip[16])
{
    return iptext_is_any(ip) || is_of_first(n, n->link_count, ip);
}

void
netup_destroy(struct netup *n)
{
    if (!n)
        return;
    for (uint32_t i = 0; i < n->link_count; i++)
        nic_dpdk_destroy(n->nics[i]);
    for (uint32_t i = 0; i < n->shard_count; i++)
        if (n->shards[i])
            bypass_destroy(n->shards[i]);
    for (uint32_t i = 0; i < n->link_count; i++)
        free(n->links[i].mesh);
    free(n);
}
