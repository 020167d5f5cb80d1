/* ipnet_out.c: frames that leave: slots, headers, and packets of the transport protocol.
 *
 * A frame is built in a slot: link header and IP header, then either the header of the transport
 * protocol (tx.header) or a message of our own in tx.spans[0], which lies in slot.copy.  I1: every
 * span with a ref is held once for its slot, from ipnet_send until the slot is free again.
 * I2: a slot is in the ready ring only when its link destination is known. */
#include "dataplane/net/ipnet_in.h"

enum { CACHE_LINE = 64 };

/* ---- slots ---- */

static uint16_t
slot_pop(struct ipnet *n)
{
    must(n->slot_free_count > 0);
    uint16_t slot = n->slot_free[--n->slot_free_count];
    struct nic_tx *tx = &n->slots[slot].tx;
    tx->header_bytes = tx->l2_bytes = tx->l3_bytes = tx->span_count = 0;
    tx->l4_sum = false;
    tx->segment_bytes = 0;
    tx->payload_bytes = 0;
    return slot;
}

uint16_t
ipnet_slot_take(struct ipnet *n)
{
    if (n->slot_free_count == 0) {
        (void)ipnet_drop(n, IPNET_DROP_SLOTS);
        return IPNET_NO_SLOT;
    }
    return slot_pop(n);
}

void
ipnet_slot_drop(struct ipnet *n, uint16_t slot)
{
    must(slot < IPNET_SLOTS);
    must(n->slot_free_count < IPNET_SLOTS);
    struct nic_tx *tx = &n->slots[slot].tx;
    for (uint32_t i = 0; i < tx->span_count; i++)
        if (tx->spans[i].ref)
            packet_drop(tx->spans[i].ref);
    tx->span_count = 0;
    n->slot_free[n->slot_free_count++] = slot;
}

void
ipnet_slot_ready(struct ipnet *n, uint16_t slot)
{
    must(n->ready_count < IPNET_SLOTS);
    n->slot_ready[(n->ready_first + n->ready_count++) % IPNET_SLOTS] = slot;
}

uint32_t
ipnet_ready(const struct ipnet *n, const struct nic_tx *frames[NIC_BURST_MAX])
{
    uint32_t count = n->ready_count < NIC_BURST_MAX ? n->ready_count : NIC_BURST_MAX;
    for (uint32_t i = 0; i < count; i++)
        frames[i] = &n->slots[n->slot_ready[(n->ready_first + i) % IPNET_SLOTS]].tx;
    return count;
}

void
ipnet_sent(struct ipnet *n, uint32_t count)
{
    must(count <= n->ready_count);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t slot = n->slot_ready[n->ready_first];
        n->ready_first = (n->ready_first + 1) % IPNET_SLOTS;
        n->ready_count--;
        ipnet_slot_drop(n, slot);
    }
}

/* ---- headers ---- */

struct put
ipnet_link_header(struct ipnet *n, uint16_t slot, const uint8_t *dst, uint16_t type)
{
    struct nic_tx *tx = &n->slots[slot].tx;
    struct put w = put_of(tx->header, sizeof tx->header);
    static const uint8_t unknown[IPNET_MAC_BYTES];
    put_bytes(&w, dst ? dst : unknown, IPNET_MAC_BYTES);
    put_bytes(&w, n->config.mac, IPNET_MAC_BYTES);
    if (n->config.vlan) {
        put_u16(&w, IPNET_TYPE_VLAN);
        put_u16(&w, n->config.vlan);
    }
    put_u16(&w, type);
    tx->l2_bytes = (uint8_t)put_len(&w);
    return w;
}

/* Of the flow, so that every packet of it has the same (RFC 6437): a keyed mix of addresses. */
static uint32_t
flow_label(const struct ipnet *n, const struct ipnet_ip_fields *f)
{
    uint64_t mix = get_u64(n->config.secret);
    for (uint32_t i = 0; i < 16; i += 8) {
        mix = (mix ^ get_u64(f->src + i)) * UINT64_C(0x9e3779b97f4a7c15);
        mix = (mix ^ mix >> 29 ^ get_u64(f->dst + i)) * UINT64_C(0xbf58476d1ce4e5b9);
        mix ^= mix >> 32;
    }
    return (uint32_t)(mix ^ get_u64(n->config.secret + 8)) & 0xfffff;
}

/* Of the header below, from its values: reading back bytes that were just written one by one would
 * wait for them. */
static uint16_t
ip4_sum(const struct ipnet_ip_fields *f)
{
    uint32_t sum = 0x4500u + f->traffic_class + (uint32_t)(IPNET_IP4_BYTES + f->l4_bytes) +
                   0x4000u + ((uint32_t)f->hops << 8) + f->protocol;
    for (uint32_t i = 12; i < 16; i += 2)
        sum += (uint32_t)get_u16(f->src + i) + get_u16(f->dst + i);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

void
ipnet_ip_header(struct ipnet *n, struct put *w, const struct ipnet_ip_fields *f)
{
    if (!iptext_is_v4(f->dst)) {
        put_u32(w, UINT32_C(6) << 28 | (uint32_t)f->traffic_class << 20 | flow_label(n, f));
        put_u16(w, (uint16_t)f->l4_bytes);
        put_u8(w, f->protocol);
        put_u8(w, f->hops);
        put_bytes(w, f->src, 16);
        put_bytes(w, f->dst, 16);
        return;
    }
    must(f->l4_bytes <= UINT16_MAX - IPNET_IP4_BYTES);
    uint8_t *p = put_take(w, IPNET_IP4_BYTES);
    must(p);
    p[0] = 0x45;
    p[1] = f->traffic_class;
    set_u16(p + 2, (uint16_t)(IPNET_IP4_BYTES + f->l4_bytes));
    set_u32(p + 4, 0x4000); /* never a fragment, so the identification means nothing (RFC 6864) */
    p[8] = f->hops;
    p[9] = f->protocol;
    set_u16(p + 10, ip4_sum(f));
    memcpy(p + 12, f->src + 12, 4);
    memcpy(p + 16, f->dst + 12, 4);
}

static uint16_t
ethertype_of(const uint8_t ip[16])
{
    return iptext_is_v4(ip) ? IPNET_TYPE_IP4 : IPNET_TYPE_IP6;
}

static uint32_t
ip_bytes_of(const uint8_t ip[16])
{
    return iptext_is_v4(ip) ? IPNET_IP4_BYTES : IPNET_IP6_BYTES;
}

void
ipnet_slot_route(struct ipnet *n, uint16_t slot, const uint8_t dst[16])
{
    uint8_t hop[16];
    if (ipnet_hop(n, dst, hop)) {
        (void)ipnet_drop(n, IPNET_DROP_NO_ROUTE);
        ipnet_slot_drop(n, slot);
        return;
    }
    ipnet_neigh_send(n, hop, slot);
}

/* ---- ICMP of our own ---- */

bool
ipnet_icmp_send(struct ipnet *n, const struct ipnet_icmp *m)
{
    bool v4 = iptext_is_v4(m->dst);
    uint32_t l4_bytes = IPNET_ICMP_BYTES + m->body.len;
    if (l4_bytes + ip_bytes_of(m->dst) > n->config.mtu) {
        (void)ipnet_drop(n, IPNET_DROP_TOO_LONG);
        return false;
    }
    uint16_t slot = ipnet_slot_take(n);
    if (slot == IPNET_NO_SLOT)
        return false;
    struct nic_tx *tx = &n->slots[slot].tx;
    struct put w = ipnet_link_header(n, slot, m->mac, ethertype_of(m->dst));
    struct ipnet_ip_fields f = {
        .src = m->src,
        .dst = m->dst,
        .protocol = v4 ? IPNET_PROTO_ICMP4 : IPNET_PROTO_ICMP6,
        .hops = m->hops,
        .l4_bytes = l4_bytes,
    };
    ipnet_ip_header(n, &w, &f);
    tx->l3_bytes = (uint8_t)(put_len(&w) - tx->l2_bytes);
    struct checksum sum = checksum_start();
    if (!v4)
        checksum_pseudo(&sum, m->src, m->dst, IPNET_PROTO_ICMP6, l4_bytes);
    checksum_add(&sum, m->header, sizeof m->header);
    checksum_add(&sum, m->body.at, m->body.len);
    uint8_t *icmp = w.at;
    put_bytes(&w, m->header, sizeof m->header);
    must(!w.bad);
    set_u16(icmp + 2, checksum_end(&sum));
    tx->header_bytes = (uint8_t)put_len(&w);
    if (m->body.len) {
        memcpy(n->slots[slot].copy, m->body.at, m->body.len);
        tx->spans[0] = (struct packet_span){view_of(n->slots[slot].copy, m->body.len), NULL};
        tx->span_count = 1;
        tx->payload_bytes = m->body.len;
    }
    if (m->mac)
        ipnet_slot_ready(n, slot);
    else
        ipnet_slot_route(n, slot, m->dst);
    return true;
}

/* ---- packets of the transport protocol ---- */

_Static_assert(IPNET_ETH_BYTES + IPNET_TAG_BYTES + IPNET_IP6_BYTES + PACKET_HEADER_MAX <=
                   NIC_HEADER_MAX,
               "send_one copies the whole array");

uint32_t
ipnet_room(const struct ipnet *n)
{
    uint32_t own = IPNET_SLOTS_OWN;
    uint32_t room = n->slot_free_count > own ? n->slot_free_count - own : 0;
    return room < PACKET_BURST ? room : PACKET_BURST;
}

uint32_t
ipnet_burst_bytes(const struct ipnet *n)
{
    return n->config.tx_burst_bytes;
}

/* Spans: held, or copied into the slot. */
static void
spans_take(struct ipnet *n, struct ipnet_slot *s, const struct packet_out *p)
{
    uint32_t copied = 0;
    for (uint32_t i = 0; i < p->span_count; i++) {
        struct packet_span *to = &s->tx.spans[i];
        *to = p->spans[i];
        if (to->ref) {
            packet_hold(to->ref);
            continue;
        }
        must(to->bytes.len <= n->config.mtu - copied);
        if (to->bytes.len)
            memcpy(s->copy + copied, to->bytes.at, to->bytes.len);
        to->bytes.at = s->copy + copied;
        copied += to->bytes.len;
    }
    s->tx.span_count = p->span_count;
    s->tx.payload_bytes = p->payload_bytes;
}

/* RFC 9293 3.1; or the sum of the pseudo header alone, when the device does the rest. */
static void
tcp_sum(const struct ipnet *n, struct nic_tx *tx, const struct packet_out *p, uint32_t l4_bytes)
{
    enum { SUM_AT = 16 };
    uint8_t *tcp = tx->header + tx->l2_bytes + tx->l3_bytes;
    struct checksum sum = checksum_start();
    tx->l4_sum = n->config.tx_l4_sum;
    tx->segment_bytes = p->segment_bytes;
    checksum_pseudo(&sum, p->src, p->dst, IPNET_PROTO_TCP, p->segment_bytes ? 0 : l4_bytes);
    if (tx->l4_sum) {
        set_u16(tcp + SUM_AT, (uint16_t)~checksum_end(&sum));
        return;
    }
    checksum_add(&sum, tcp, p->header_bytes);
    for (uint32_t i = 0; i < p->span_count; i++)
        checksum_add(&sum, tx->spans[i].bytes.at, tx->spans[i].bytes.len);
    set_u16(tcp + SUM_AT, checksum_end(&sum));
}

static uint32_t
spans_bytes(const struct packet_out *p)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < p->span_count; i++)
        bytes += p->spans[i].bytes.len;
    return bytes;
}

/* The packet; of a burst, each segment. */
static bool
fits(const struct ipnet *n, const struct packet_out *p, uint32_t l4_bytes)
{
    uint32_t most = n->config.mtu - ip_bytes_of(p->dst);
    if (p->segment_bytes == 0)
        return l4_bytes <= most;
    must(p->segment_bytes >= PACKET_SEGMENT_LEAST && p->segment_bytes < p->payload_bytes);
    return p->header_bytes + p->segment_bytes <= most && l4_bytes <= n->config.tx_burst_bytes;
}

static void
send_one(struct ipnet *n, const struct packet_out *p)
{
    must(p->header_bytes >= 20 && p->header_bytes <= PACKET_HEADER_MAX);
    must(p->span_count <= PACKET_SPANS_MAX && spans_bytes(p) == p->payload_bytes);
    uint32_t l4_bytes = p->header_bytes + p->payload_bytes;
    uint8_t hop[16];
    if (!fits(n, p, l4_bytes)) {
        (void)ipnet_drop(n, IPNET_DROP_TOO_LONG);
        return;
    }
    if (iptext_is_v4(p->src) != iptext_is_v4(p->dst) || !ipnet_is_ours(n, p->src) ||
        ipnet_hop(n, p->dst, hop)) {
        (void)ipnet_drop(n, IPNET_DROP_NO_ROUTE);
        return;
    }
    uint16_t slot = slot_pop(n);
    struct nic_tx *tx = &n->slots[slot].tx;
    struct put w = ipnet_link_header(n, slot, NULL, ethertype_of(p->dst));
    struct ipnet_ip_fields f = {
        .src = p->src,
        .dst = p->dst,
        .protocol = IPNET_PROTO_TCP,
        .hops = IPNET_HOPS,
        .traffic_class = p->traffic_class,
        .l4_bytes = l4_bytes,
    };
    ipnet_ip_header(n, &w, &f);
    tx->l3_bytes = (uint8_t)(put_len(&w) - tx->l2_bytes);
    uint8_t *tcp = put_take(&w, p->header_bytes);
    must(tcp);
    memcpy(tcp, p->header, sizeof p->header); /* a length that is known costs a tenth */
    tx->header_bytes = (uint8_t)put_len(&w);
    spans_take(n, &n->slots[slot], p);
    tcp_sum(n, tx, p, l4_bytes);
    n->stat.packets_out++;
    ipnet_neigh_send(n, hop, slot);
}

/* A sum reads bytes of the log, which may be in no cache: those of the next packet come from memory
 * while this one is summed. */
static void
fetch_bytes(const struct packet_out *p)
{
    for (uint32_t i = 0; i < p->span_count; i++)
        for (uint32_t k = 0; k < p->spans[i].bytes.len; k += CACHE_LINE)
            __builtin_prefetch(p->spans[i].bytes.at + k);
}

void
ipnet_send(struct ipnet *n, uint64_t now_ns, const struct packet_out *packets, uint32_t count)
{
    must(count <= ipnet_room(n));
    n->now_ns = now_ns;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && !n->config.tx_l4_sum)
            fetch_bytes(&packets[i + 1]);
        send_one(n, &packets[i]);
    }
}
