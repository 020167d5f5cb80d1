#include "dataplane/bypass/bypass_view.h"

#include "dataplane/tcp/tcp_view.h"

#include <string.h>

/* ---- counters ---- */

/* These do not compile when a row of the stack is missing in netview.def. */
static const enum netview_counter ip_drops[IPNET_DROPS] = {
#define IPNET_DROP(name, text) [IPNET_DROP_##name] = NETVIEW_N_IP_##name,
#include "dataplane/net/ipnet_drop.def"
#undef IPNET_DROP
};
static const enum netview_counter tcp_counts[TCP_COUNTER_KINDS] = {
#define ROW(name) [TCP_N_##name] = NETVIEW_N_TCP_##name,
    TCP_COUNTERS(ROW)
#undef ROW
};

static void
count_nic(const struct bypass_view *v, uint32_t device)
{
    struct nic_stat st;
    const struct nic *nic = &v->parts.links->ports[device].nic;
    nic->ops->stat(nic->self, &st);
    netview_device_set(v->out, device, NETVIEW_N_RX_FRAMES, st.rx_frames);
    netview_device_set(v->out, device, NETVIEW_N_RX_BYTES, st.rx_bytes);
    netview_device_set(v->out, device, NETVIEW_N_TX_FRAMES, st.tx_frames);
    netview_device_set(v->out, device, NETVIEW_N_TX_BYTES, st.tx_bytes);
    netview_device_set(v->out, device, NETVIEW_N_TX_BURSTS, st.tx_bursts);
    netview_device_set(v->out, device, NETVIEW_N_TX_FULL, st.tx_full);
    netview_device_set(v->out, device, NETVIEW_N_TX_BY_REFERENCE, st.tx_by_reference);
    netview_device_set(v->out, device, NETVIEW_N_TX_COPIED, st.tx_copied);
    netview_device_set(v->out, device, NETVIEW_N_SPANS_HELD, st.spans_held);
    netview_device_set(v->out, device, NETVIEW_N_FRAMES_OUT, st.frames_out);
    netview_device_set(v->out, device, NETVIEW_N_RX_MISSED, st.rx_missed);
    netview_device_set(v->out, device, NETVIEW_N_RX_ERRORS, st.rx_errors);
    netview_device_set(v->out, device, NETVIEW_N_TX_ERRORS, st.tx_errors);
}

static void
count_loop(const struct bypass_view *v)
{
    struct tcp_stream_stat st;
    tcp_stream_stat(v->parts.stream, &st);
    uint64_t polls = 0, empty = 0;
    for (uint32_t i = 0; i < v->parts.links->count; i++) {
        polls += v->parts.links->ports[i].polls;
        empty += v->parts.links->ports[i].polls_empty;
    }
    netview_set(v->out, NETVIEW_N_POLLS, polls);
    netview_set(v->out, NETVIEW_N_POLLS_EMPTY, empty);
    netview_set(v->out, NETVIEW_N_NAPS, v->naps);
    netview_set(v->out, NETVIEW_N_RECEIVE_NS, v->receive_ns);
    netview_set(v->out, NETVIEW_N_SEND_NS, v->send_ns);
    netview_set(v->out, NETVIEW_N_FILES_NS, v->files_ns);
    netview_set(v->out, NETVIEW_N_BYTES_IN, st.bytes_in);
    netview_set(v->out, NETVIEW_N_BYTES_IN_COPIED, st.bytes_in_copied);
    netview_set(v->out, NETVIEW_N_REQUESTS_IN_PIECES, st.requests_scattered);
    netview_set(v->out, NETVIEW_N_BYTES_OUT, st.bytes_out);
    netview_set(v->out, NETVIEW_N_BYTES_OUT_COPIED, st.bytes_out_copied);
    netview_set(v->out, NETVIEW_N_EVICTED, st.evicted);
    netview_set(v->out, NETVIEW_N_REQUEST_MEMORY, st.memory_bytes);
    netview_set(v->out, NETVIEW_N_COPIES_IN_USE, st.copies_in_use);
}

static void
count_ip(const struct bypass_view *v, uint32_t device)
{
    const struct ipnet *net = v->parts.links->ports[device].net;
    struct ipnet_stat st;
    ipnet_stat(net, &st);
    netview_device_set(v->out, device, NETVIEW_N_PACKETS_IN, st.packets_in);
    netview_device_set(v->out, device, NETVIEW_N_PACKETS_OUT, st.packets_out);
    netview_device_set(v->out, device, NETVIEW_N_ARP_REPLIES, st.arp_replies);
    netview_device_set(v->out, device, NETVIEW_N_ADVERTISEMENTS, st.advertisements);
    netview_device_set(v->out, device, NETVIEW_N_ECHOES, st.echoes);
    netview_device_set(v->out, device, NETVIEW_N_ICMP_OUT, st.errors_sent);
    netview_device_set(v->out, device, NETVIEW_N_ICMP_IN, st.errors_received);
    netview_device_set(v->out, device, NETVIEW_N_RESOLVES, st.resolves);
    netview_device_set(v->out, device, NETVIEW_N_DUPLICATES, st.duplicates);
    netview_device_set(v->out, device, NETVIEW_N_NEIGHBOURS, st.neighbours);
    netview_device_set(v->out, device, NETVIEW_N_RESOLVING, st.resolving);
    netview_device_set(v->out, device, NETVIEW_N_WAITING, st.waiting);
    netview_device_set(v->out, device, NETVIEW_N_SLOTS, st.slots);
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        netview_device_set(v->out, device, ip_drops[i], ipnet_dropped(net, (enum ipnet_drop)i));
}

/* What each device counts, of all together. */
static void
count_all(const struct bypass_view *v)
{
    for (uint32_t c = 0; c < NETVIEW_COUNTERS; c++) {
        uint64_t all = 0;
        if (!netview_of_device((enum netview_counter)c))
            continue;
        for (uint32_t i = 0; i < v->parts.links->count; i++)
            all += netview_device_count(v->out, i, (enum netview_counter)c);
        netview_set(v->out, (enum netview_counter)c, all);
    }
}

static void
count_tcp(const struct bypass_view *v)
{
    struct tcp_usage u;
    tcp_usage(v->parts.tcp, &u);
    netview_set(v->out, NETVIEW_N_TCP_CONNECTIONS, u.conns);
    netview_set(v->out, NETVIEW_N_TCP_HALF_OPEN, u.half_open);
    netview_set(v->out, NETVIEW_N_TCP_TIME_WAIT, u.waiting);
    netview_set(v->out, NETVIEW_N_TCP_NODES, u.nodes);
    netview_set(v->out, NETVIEW_N_TCP_SEGMENTS, u.segs);
    netview_set(v->out, NETVIEW_N_TCP_EXTENTS, u.extents);
    for (uint32_t i = 0; i < TCP_COUNTER_KINDS; i++)
        netview_set(v->out, tcp_counts[i], tcp_count(v->parts.tcp, (enum tcp_counter)i));
}

void
bypass_view_count(struct bypass_view *v)
{
    if (!v->out)
        return;
    for (uint32_t i = 0; i < v->parts.links->count; i++) {
        count_nic(v, i);
        count_ip(v, i);
    }
    count_all(v);
    count_loop(v);
    count_tcp(v);
}

/* ---- lists: one place each; ERR codes would say no more than these ---- */

enum place { PLACE_FULL, PLACE_EMPTY, PLACE_NONE }; /* NONE: the list has no such place */

_Static_assert((int)IPNET_LINKS_MAX == (int)NETVIEW_DEVICES_MAX, "each link is a device");

/* Lists of devices have so many places for each. */
enum { PLACES_ADDRESS = IPNET_ADDRESSES_MAX + 1, PLACES_ROUTE = IPNET_ROUTES_MAX };

/* The machine of the device of a place, NULL: no such device; *index: the place at that device. */
static const struct ipnet *
device_at(const struct bypass_view *v, uint32_t place, uint32_t each, uint32_t *index)
{
    uint32_t device = place / each;
    *index = place % each;
    return device < v->parts.links->count ? v->parts.links->ports[device].net : NULL;
}

static enum place
port_fill(const struct bypass_view *v, uint32_t place, struct netview_row *row)
{
    struct nic_facts f;
    if (place >= v->parts.links->count)
        return PLACE_NONE;
    const struct nic *nic = &v->parts.links->ports[place].nic;
    nic->ops->facts(nic->self, &f);
    struct netview_port *p = &row->u.port;
    _Static_assert(sizeof p->name == sizeof f.name, "whole names");
    memcpy(p->name, f.name, sizeof p->name);
    memcpy(p->mac, f.mac, sizeof p->mac);
    p->mtu = f.mtu;
    p->vlan = v->parts.vlans[place];
    p->link_up = f.link_up;
    p->tx_sums = f.tx_l4_sum;
    p->rx_sums = f.rx_l4_sum;
    p->burst_bytes = f.tx_burst_bytes;
    p->chains = f.chains;
    p->queues = f.queues;
    p->queue = v->parts.loop;
    p->device = place;
    p->link_mbps = f.link_mbps;
    p->by_reference = netview_device_count(v->out, place, NETVIEW_N_TX_BY_REFERENCE);
    p->copied = netview_device_count(v->out, place, NETVIEW_N_TX_COPIED);
    return PLACE_FULL;
}

static enum place
address_fill(const struct bypass_view *v, uint32_t place, struct netview_row *row)
{
    static const uint8_t states[] = {
        [IPNET_TENTATIVE] = NETVIEW_TENTATIVE,
        [IPNET_OURS] = NETVIEW_OURS,
        [IPNET_DUPLICATE] = NETVIEW_DUPLICATE,
    };
    struct ipnet_address_fact f;
    uint32_t index;
    const struct ipnet *net = device_at(v, place, PLACES_ADDRESS, &index);
    if (!net)
        return PLACE_NONE;
    if (!ipnet_address(net, index, &f))
        return PLACE_EMPTY;
    memcpy(row->u.address.ip, f.at.ip, sizeof f.at.ip);
    row->u.address.prefix_bits = f.at.prefix_bits;
    row->u.address.state = states[f.state];
    row->u.address.device = (uint8_t)(place / PLACES_ADDRESS);
    return PLACE_FULL;
}

static enum place
route_fill(const struct bypass_view *v, uint32_t place, struct netview_row *row)
{
    struct ipnet_route r;
    uint32_t index;
    const struct ipnet *net = device_at(v, place, PLACES_ROUTE, &index);
    if (!net)
        return PLACE_NONE;
    if (!ipnet_route(net, index, &r))
        return PLACE_EMPTY;
    memcpy(row->u.route.to, r.to.ip, sizeof r.to.ip);
    memcpy(row->u.route.via, r.via, sizeof r.via);
    row->u.route.prefix_bits = r.to.prefix_bits;
    row->u.route.device = (uint8_t)(place / PLACES_ROUTE);
    return PLACE_FULL;
}

static enum place
neighbour_fill(const struct bypass_view *v, uint32_t place, struct netview_row *row)
{
    static const uint8_t states[] = {
        [IPNET_NEIGH_RESOLVING] = NETVIEW_RESOLVING,
        [IPNET_NEIGH_KNOWN] = NETVIEW_KNOWN,
        [IPNET_NEIGH_STALE] = NETVIEW_STALE,
        [IPNET_NEIGH_PROBING] = NETVIEW_PROBING,
    };
    struct ipnet_neigh_fact f;
    uint32_t index;
    const struct ipnet *net = device_at(v, place, IPNET_NEIGHBOURS_MAX, &index);
    if (!net)
        return PLACE_NONE;
    if (!ipnet_neighbour(net, index, &f))
        return PLACE_EMPTY;
    memcpy(row->u.neighbour.ip, f.ip, sizeof f.ip);
    memcpy(row->u.neighbour.mac, f.mac, sizeof f.mac);
    row->u.neighbour.state = states[f.state];
    row->u.neighbour.device = (uint8_t)(place / IPNET_NEIGHBOURS_MAX);
    row->u.neighbour.age_ns = f.age_ns;
    return PLACE_FULL;
}

static enum place
connection_fill(const struct bypass_view *v, uint32_t place, struct netview_row *row)
{
    struct tcp_view c;
    struct netview_connection *to = &row->u.connection;
    if (place >= tcp_view_places(v->parts.tcp))
        return PLACE_NONE;
    if (!tcp_view_at(v->parts.tcp, place, &c))
        return PLACE_EMPTY;
    (void)strncpy(to->state, c.info.state, sizeof to->state - 1);
    memcpy(to->local_ip, c.local.ip, sizeof to->local_ip);
    memcpy(to->remote_ip, c.remote.ip, sizeof to->remote_ip);
    to->local_port = c.local.port;
    to->remote_port = c.remote.port;
    to->srtt_us = c.info.srtt_us;
    to->rto_us = c.info.rto_us;
    to->mss = c.info.mss;
    to->cwnd = c.info.cwnd;
    to->flight = c.info.flight;
    to->snd_wnd = c.info.snd_wnd;
    to->rcv_wnd = c.info.rcv_wnd;
    to->unread = c.info.unread;
    to->unsent = c.info.unsent;
    to->resent = c.info.resent_segs;
    to->timeouts = c.info.timeouts;
    return PLACE_FULL;
}

typedef enum place fill_fn(const struct bypass_view *v, uint32_t place, struct netview_row *row);

static fill_fn *const fills[NETVIEW_LISTS] = {
    [NETVIEW_PORTS] = port_fill,
    [NETVIEW_ADDRESSES] = address_fill,
    [NETVIEW_ROUTES] = route_fill,
    [NETVIEW_NEIGHBOURS] = neighbour_fill,
    [NETVIEW_CONNECTIONS] = connection_fill,
};

/* Goes on with the answer as far as one turn allows. */
static void
answer(struct bypass_view *v)
{
    struct netview_answer *a = &v->answer;
    if (a->list >= NETVIEW_LISTS) {
        netview_answer_end(v->out, a, true);
        return;
    }
    for (uint32_t i = 0; i < BYPASS_VIEW_PLACES; i++) {
        struct netview_row *row = netview_free(v->out, a);
        enum place got = row ? fills[a->list](v, a->at, row) : PLACE_NONE;
        if (got == PLACE_NONE) {
            netview_answer_end(v->out, a, row != NULL);
            return;
        }
        a->at++;
        if (got == PLACE_FULL)
            netview_keep(a);
    }
}

/* ---- the loop ---- */

void
bypass_view_init(struct bypass_view *v, struct netview *out, const struct bypass_parts *parts)
{
    *v = (struct bypass_view){.out = out, .parts = *parts};
    if (out)
        netview_answer_init(out, &v->answer);
}

bool
bypass_view_turn(struct bypass_view *v, uint64_t now_ns)
{
    if (!v->out)
        return false;
    if (now_ns >= v->nic_ns) { /* before the sums */
        for (uint32_t i = 0; i < v->parts.links->count; i++)
            count_nic(v, i);
        v->nic_ns = now_ns + BYPASS_VIEW_NIC_NS;
    }
    if (now_ns >= v->count_ns) {
        for (uint32_t i = 0; i < v->parts.links->count; i++)
            count_ip(v, i);
        count_all(v);
        count_loop(v);
        count_tcp(v);
        v->count_ns = now_ns + BYPASS_VIEW_NS;
    }
    if (netview_asked(v->out, &v->answer))
        answer(v);
    return v->answer.number != 0;
}
