/* admin_net.c: /v1/net: the network of the broker.  With net=dpdk the cores' own stacks, which are
 * asked page by page (core/shm/netview.h); with kernel sockets the connections that the kernel
 * tells of, and empty lists of what is the kernel's. */
#include "control/admin/admin_in.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/net/iptext.h"
#include "core/shm/region_sum.h"

#include <stdio.h>
#include <string.h>

enum { ENDPOINT_BYTES = IPTEXT_BYTES + 9, PREFIX_BYTES = IPTEXT_BYTES + 5, MAC_BYTES = 18 };

static void
mac_text(const uint8_t mac[6], char out[MAC_BYTES])
{
    (void)snprintf(out, MAC_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                   mac[4], mac[5]);
}

static void
endpoint_text(const uint8_t ip[16], uint16_t port, char out[ENDPOINT_BYTES])
{
    char host[IPTEXT_BYTES];
    iptext_print(ip, host);
    (void)snprintf(out, ENDPOINT_BYTES, iptext_is_v4(ip) ? "%s:%u" : "[%s]:%u", host, port);
}

static void
prefix_text(const uint8_t ip[16], uint32_t bits, char out[PREFIX_BYTES])
{
    char host[IPTEXT_BYTES];
    iptext_print(ip, host);
    bits = iptext_is_v4(ip) && bits >= 96 ? bits - 96 : bits;
    (void)snprintf(out, PREFIX_BYTES, "%s/%u", host, bits);
}

/* Name number `i` of a list; "unknown" where the other process wrote something else. */
static const char *
name_of(const char *const *names, uint32_t count, uint32_t i)
{
    return i < count ? names[i] : "unknown";
}

/* ---- walking ---- */

struct walk {
    struct admin_call *call;
    json_t *items;
    uint64_t met;
    uint64_t until_ns;
    json_t *(*row)(uint32_t core, const struct netview_row *r);
};

static bool
page_await(struct walk *w, uint32_t core, uint32_t number, struct netview_page *page)
{
    const struct admin_config *config = &w->call->admin->config;
    const struct netview *v = region_netview(config->region, core);
    while (netview_take(v, number, page) != ERR_OK) {
        if (config->now_ns() >= w->until_ns) {
            (void)admin_refuse(w->call, 503, "unavailable",
                               "core %u did not tell within %d ms: the dataplane is busy, starting "
                               "or down",
                               core, ADMIN_NET_WAIT_MS);
            return false;
        }
        config->pause();
    }
    return true;
}

static bool
core_walk(struct walk *w, uint32_t core, enum netview_list list)
{
    struct netview *v = region_netview(w->call->source.region, core);
    struct netview_page page = {.next = 0};
    while (page.next != NETVIEW_END) {
        uint32_t number = netview_ask(v, list, page.next);
        region_wake(w->call->source.region, core);
        if (!page_await(w, core, number, &page))
            return false;
        for (uint32_t i = 0; i < page.count; i++)
            if (admin_json_wanted(w->call, w->met++))
                json_array_append_new(w->items, w->row(core, &page.rows[i]));
    }
    return true;
}

/* The list of the first `cores` cores, one after the other. */
static json_t *
walk(struct admin_call *c, enum netview_list which, uint32_t cores,
     json_t *(*row)(uint32_t core, const struct netview_row *r))
{
    uint64_t until_ns = c->admin->config.now_ns() + ADMIN_NET_WAIT_MS * CLOCK_NS_PER_MS;
    struct walk w = {.call = c, .until_ns = until_ns, .row = row};
    json_t *list = admin_json_list(c, 0, &w.items);
    bool good = true;
    for (uint32_t i = 0; good && conf_own_net(c->source.conf) && i < cores; i++)
        good = core_walk(&w, i, which);
    json_object_set_new(list, "total", json_integer((json_int_t)w.met));
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

static uint32_t
cores_of(const struct admin_call *c)
{
    return c->source.region->header->shard_count;
}

/* ---- /v1/net ---- */

struct net_row {
    const char *net, *device, *address, *routes;
    uint32_t cores;
    uint64_t connections, handshakes, time_wait, neighbours, drops;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct net_row, name), help, NULL                            \
    }
const struct admin_schema admin_net_schema = {
    "Net",
    (const struct admin_field[]){
        FIELD(net, STATIC, "kernel: sockets of the kernel; dpdk: our own TCP/IP"),
        FIELD(device, STATIC,
              "net.devices, empty with kernel sockets; ports are numbered in its order, from 0"),
        FIELD(address, STATIC, "net.address, empty with kernel sockets"),
        FIELD(routes, STATIC, "net.routes"),
        FIELD(cores, U32, "loops of the dataplane, each with a queue of each device"),
        FIELD(connections, U64, "connections of clients that are open"),
        FIELD(handshakes, U64, "handshakes under way, 0 with kernel sockets"),
        FIELD(time_wait, U64, "connections in TIME_WAIT, 0 with kernel sockets"),
        FIELD(neighbours, U64, "neighbours known to the cores, 0 with kernel sockets"),
        FIELD(drops, U64, "frames and segments that went no further, all reasons"),
        {0}}};
#undef FIELD

static uint64_t
sum(const struct admin_call *c, enum netview_counter counter)
{
    return region_sum_netview(c->source.region, counter);
}

json_t *
admin_net_whole(struct admin_call *c)
{
    const struct conf *conf = c->source.conf;
    bool dpdk = conf_own_net(conf);
    struct net_row row = {
        .net = dpdk ? "dpdk" : "kernel",
        .device = dpdk ? conf_text(conf, CONF_NET_DEVICES) : "",
        .address = dpdk ? conf_text(conf, CONF_NET_ADDRESS) : "",
        .routes = dpdk ? conf_text(conf, CONF_NET_ROUTES) : "",
        .cores = cores_of(c),
        .handshakes = sum(c, NETVIEW_N_TCP_HALF_OPEN),
        .time_wait = sum(c, NETVIEW_N_TCP_TIME_WAIT),
        .neighbours = sum(c, NETVIEW_N_NEIGHBOURS),
        .connections = region_sum_counter(c->source.region, COUNTER_CONNECTIONS_OPEN),
    };
    for (uint32_t i = 0; i < NETVIEW_COUNTERS; i++)
        row.drops += netview_is_drop((enum netview_counter)i) ? sum(c, (enum netview_counter)i) : 0;
    return admin_json_object(&admin_net_schema, &row);
}

/* ---- /v1/net/ports ---- */

struct port_row {
    struct view name;
    const char *mac;
    bool link_up, tx_checksums, rx_checksums, by_reference;
    uint32_t core, port, queue, queues, link_mbps, mtu, vlan, tx_burst_bytes;
    uint64_t sent_by_reference, sent_copied;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct port_row, name), help, NULL                           \
    }
const struct admin_schema admin_net_port_schema = {
    "NetPort",
    (const struct admin_field[]){
        FIELD(core, U32, "number of the loop that polls the queue"),
        FIELD(port, U32, "number of the device in net.devices, from 0"),
        FIELD(name, TEXT, "driver and device"),
        FIELD(mac, STATIC, "link address"),
        FIELD(link_up, BOOL, "whether the link is up"),
        FIELD(link_mbps, U32, "Mbit/s, 0: the driver does not say"),
        FIELD(mtu, U32, "bytes of the largest IP packet"),
        FIELD(vlan, U32, "tag of all frames, 0: none"),
        FIELD(queue, U32, "number of the pair of queues"),
        FIELD(queues, U32, "pairs of queues of the device"),
        FIELD(tx_checksums, BOOL, "the device fills checksums in"),
        FIELD(rx_checksums, BOOL, "the device verifies checksums"),
        FIELD(tx_burst_bytes, U32, "the longest burst that it cuts into segments, 0: none"),
        FIELD(by_reference, BOOL, "it sends from our memory, uncopied"),
        FIELD(sent_by_reference, U64, "bytes of payload that it did"),
        FIELD(sent_copied, U64, "bytes that were copied for it"),
        {0}}};
#undef FIELD

static json_t *
port_json(uint32_t core, const struct netview_row *r)
{
    const struct netview_port *p = &r->u.port;
    char mac[MAC_BYTES];
    mac_text(p->mac, mac);
    struct port_row row = {
        .core = core,
        .port = p->device,
        .name = view_of(p->name, (uint32_t)strnlen(p->name, sizeof p->name)),
        .mac = mac,
        .link_up = p->link_up,
        .link_mbps = p->link_mbps,
        .mtu = p->mtu,
        .vlan = p->vlan,
        .queue = p->queue,
        .queues = p->queues,
        .tx_checksums = p->tx_sums,
        .rx_checksums = p->rx_sums,
        .tx_burst_bytes = p->burst_bytes,
        .by_reference = p->chains,
        .sent_by_reference = p->by_reference,
        .sent_copied = p->copied,
    };
    return admin_json_object(&admin_net_port_schema, &row);
}

json_t *
admin_net_ports(struct admin_call *c)
{
    return walk(c, NETVIEW_PORTS, cores_of(c), port_json);
}

/* ---- /v1/net/addresses, /v1/net/routes: every core has the same ---- */

struct address_row {
    uint32_t port;
    const char *address, *state;
};
const struct admin_schema admin_net_address_schema = {
    "NetAddress",
    (const struct admin_field[]){
        {"port", ADMIN_U32, offsetof(struct address_row, port), "number of the device", NULL},
        {"address", ADMIN_STATIC, offsetof(struct address_row, address), "address/bits", NULL},
        {"state", ADMIN_STATIC, offsetof(struct address_row, state),
         "tentative: looked for among others first; ours; duplicate: another host has it", NULL},
        {0}}};

static json_t *
address_json(uint32_t core, const struct netview_row *r)
{
    static const char *const states[] = {"tentative", "ours", "duplicate"};
    char text[PREFIX_BYTES];
    prefix_text(r->u.address.ip, r->u.address.prefix_bits, text);
    struct address_row row = {r->u.address.device, text, name_of(states, 3, r->u.address.state)};
    return admin_json_object(&admin_net_address_schema, &row);
}

json_t *
admin_net_addresses(struct admin_call *c)
{
    return walk(c, NETVIEW_ADDRESSES, 1, address_json);
}

struct route_row {
    uint32_t port;
    const char *to, *via;
};
const struct admin_schema admin_net_route_schema = {
    "NetRoute",
    (const struct admin_field[]){
        {"port", ADMIN_U32, offsetof(struct route_row, port), "number of the device", NULL},
        {"to", ADMIN_STATIC, offsetof(struct route_row, to), "address/bits", NULL},
        {"via", ADMIN_STATIC, offsetof(struct route_row, via), "router", NULL},
        {0}}};

static json_t *
route_json(uint32_t core, const struct netview_row *r)
{
    char to[PREFIX_BYTES], via[IPTEXT_BYTES];
    prefix_text(r->u.route.to, r->u.route.prefix_bits, to);
    iptext_print(r->u.route.via, via);
    struct route_row row = {r->u.route.device, to, via};
    return admin_json_object(&admin_net_route_schema, &row);
}

json_t *
admin_net_routes(struct admin_call *c)
{
    return walk(c, NETVIEW_ROUTES, 1, route_json);
}

/* ---- /v1/net/neighbours ---- */

struct neighbour_row {
    uint32_t core, port;
    const char *address, *mac, *state;
    int64_t age_ms;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct neighbour_row, name), help, NULL                      \
    }
const struct admin_schema admin_net_neighbour_schema = {
    "NetNeighbour",
    (const struct admin_field[]){
        FIELD(core, U32, "number of the loop that knows it"),
        FIELD(port, U32, "number of the device at whose link it is"),
        FIELD(address, STATIC, "its address"),
        FIELD(mac, STATIC, "its link address, empty while it is being asked for"),
        FIELD(
            state, STATIC,
            "resolving: asked, no answer yet; known; stale: asked again when it is used; probing: "
            "used, and being asked"),
        FIELD(age_ms, I64, "since it was confirmed; resolving: since a packet went there"),
        {0}}};
#undef FIELD

static json_t *
neighbour_json(uint32_t core, const struct netview_row *r)
{
    static const char *const states[] = {"resolving", "known", "stale", "probing"};
    char ip[IPTEXT_BYTES], mac[MAC_BYTES];
    iptext_print(r->u.neighbour.ip, ip);
    mac_text(r->u.neighbour.mac, mac);
    struct neighbour_row row = {
        .core = core,
        .port = r->u.neighbour.device,
        .address = ip,
        .mac = r->u.neighbour.state == NETVIEW_RESOLVING ? "" : mac,
        .state = name_of(states, 4, r->u.neighbour.state),
        .age_ms = (int64_t)(r->u.neighbour.age_ns / CLOCK_NS_PER_MS),
    };
    return admin_json_object(&admin_net_neighbour_schema, &row);
}

json_t *
admin_net_neighbours(struct admin_call *c)
{
    return walk(c, NETVIEW_NEIGHBOURS, cores_of(c), neighbour_json);
}

/* ---- /v1/net/connections ---- */

struct connection_row {
    int32_t core;
    struct view state;
    const char *local, *remote;
    uint32_t rtt_us, rto_us, mss, cwnd, in_flight, send_window, receive_window, unread, unsent;
    uint64_t resent, timeouts;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct connection_row, name), help, NULL                     \
    }
const struct admin_schema admin_net_connection_schema = {
    "NetConnection",
    (const struct admin_field[]){
        FIELD(core, I32, "number of its loop; -1: the kernel's, which does not say"),
        FIELD(state, TEXT, "ESTABLISHED, ...: as in RFC 9293"),
        FIELD(local, STATIC, "our end"),
        FIELD(remote, STATIC, "the peer's end"),
        FIELD(rtt_us, U32, "smoothed round trip time"),
        FIELD(rto_us, U32, "retransmission time-out"),
        FIELD(mss, U32, "bytes of the largest segment that is sent"),
        FIELD(cwnd, U32, "congestion window, bytes"),
        FIELD(in_flight, U32, "bytes sent, not acknowledged and not thought lost"),
        FIELD(send_window, U32, "bytes that the peer takes"),
        FIELD(receive_window, U32, "bytes that we take"),
        FIELD(unread, U32, "bytes received that the broker has not taken"),
        FIELD(unsent, U32, "bytes of answers that have not left for the first time"),
        FIELD(resent, U64, "segments sent again"),
        FIELD(timeouts, U64, "retransmission timers that ran out; kernel: since the last progress"),
        {0}}};
#undef FIELD

static json_t *
connection_object(int32_t core, const struct netview_connection *k)
{
    char local[ENDPOINT_BYTES], remote[ENDPOINT_BYTES];
    endpoint_text(k->local_ip, k->local_port, local);
    endpoint_text(k->remote_ip, k->remote_port, remote);
    struct connection_row row = {
        .core = core,
        .state = view_of(k->state, (uint32_t)strnlen(k->state, sizeof k->state)),
        .local = local,
        .remote = remote,
        .rtt_us = k->srtt_us,
        .rto_us = k->rto_us,
        .mss = k->mss,
        .cwnd = k->cwnd,
        .in_flight = k->flight,
        .send_window = k->snd_wnd,
        .receive_window = k->rcv_wnd,
        .unread = k->unread,
        .unsent = k->unsent,
        .resent = k->resent,
        .timeouts = k->timeouts,
    };
    return admin_json_object(&admin_net_connection_schema, &row);
}

static json_t *
connection_json(uint32_t core, const struct netview_row *r)
{
    return connection_object((int32_t)core, &r->u.connection);
}

static void
kernel_row(void *user, const struct netview_connection *k)
{
    struct walk *w = user;
    if (admin_json_wanted(w->call, w->met++))
        json_array_append_new(w->items, connection_object(-1, k));
}

json_t *
admin_net_connections(struct admin_call *c)
{
    const struct admin_config *config = &c->admin->config;
    if (conf_own_net(c->source.conf))
        return walk(c, NETVIEW_CONNECTIONS, cores_of(c), connection_json);
    struct walk w = {.call = c};
    json_t *list = admin_json_list(c, 0, &w.items);
    if (config->connections && config->connections(config->conf, kernel_row, &w) != ERR_OK) {
        json_decref(list);
        return admin_refuse(c, 503, "unavailable", "the kernel does not tell its connections");
    }
    json_object_set_new(list, "total", json_integer((json_int_t)w.met));
    return list;
}

/* ---- /v1/net/drops ---- */

struct net_drop_row {
    int32_t port;
    const char *part, *reason, *help;
    uint64_t count;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct net_drop_row, name), help, NULL                       \
    }
const struct admin_schema admin_net_drop_schema = {
    "NetDrop", (const struct admin_field[]){
                   FIELD(port, I32, "number of the device; -1: of none, in tcp and loop"),
                   FIELD(part, STATIC, "nic, ip, tcp or loop"),
                   FIELD(reason, STATIC, "name of the reason"),
                   FIELD(help, STATIC, "what it means"),
                   FIELD(count, U64, "times since the dataplane was started"),
                   {0}}};
#undef FIELD

/* A reason is counted by each device, port 0 and more, or port -1: by none. */
static json_t *
drop_json(const struct admin_call *c, int32_t port, enum netview_counter reason)
{
    const struct netview_counter_row *r = netview_counter_row(reason);
    const struct region *region = c->source.region;
    struct net_drop_row row = {
        .port = port,
        .part = netview_part_name(r->part),
        .reason = r->name,
        .help = r->help,
        .count = port < 0 ? region_sum_netview(region, reason)
                          : region_sum_netview_device(region, (uint32_t)port, reason),
    };
    return admin_json_object(&admin_net_drop_schema, &row);
}

json_t *
admin_net_drops(struct admin_call *c)
{
    uint64_t total = 0;
    json_t *items, *list = admin_json_list(c, 0, &items);
    for (uint32_t i = 0; conf_own_net(c->source.conf) && i < NETVIEW_COUNTERS; i++) {
        enum netview_counter reason = (enum netview_counter)i;
        bool each = netview_of_device(reason);
        uint32_t count = each ? conf_device_count(c->source.conf) : 1;
        for (uint32_t d = 0; d < count && netview_is_drop(reason); d++)
            if (admin_json_wanted(c, total++))
                json_array_append_new(items, drop_json(c, each ? (int32_t)d : -1, reason));
    }
    json_object_set_new(list, "total", json_integer((json_int_t)total));
    return list;
}
