/* fuzz_net.c: any frames, at any times, between packets of our own: the machine of dataplane/net
 * must keep its counts, answer only with frames that are well-formed, and give every hold back.
 *
 * input: steps.  u8 kind modulo 4:
 *   FRAME  u8 flags, u8 length (times 6), bytes; flags: link destination (1 ours, 2 everybody, 4
 * the group of IPv6), 8 checksums put right, 16 the device has verified them WAIT   u8 units of 100
 * ms SEND   u8 the last byte of an IPv4 address, or with 128 of an IPv6 one; u8 payload bytes TAKE
 * u8 frames that the device takes */
#include "dataplane/net/ipnet_in.h"

#include <stdlib.h>

enum { FRAME, WAIT, SEND, TAKE, KINDS };
enum { TO_US = 1, TO_ALL = 2, TO_GROUP = 4, SUMS = 8, VERIFIED = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static const uint8_t mac[IPNET_MAC_BYTES] = {2, 0, 0, 0, 0, 1};
static struct ipnet *net;
static uint64_t now_ns;

/* The first hold is ours and never ends. */
static void
ref_ended(struct packet_ref *ref)
{
    must(false);
}

/* ---- what must hold ---- */

static void
table_check(void)
{
    struct ipnet_stat s;
    uint32_t neighbours = 0, resolving = 0, waiting = 0;
    for (uint32_t i = 0; i < IPNET_NEIGHBOURS_MAX; i++) {
        const struct ipnet_neigh *e = &net->neigh[i];
        neighbours += e->state != IPNET_NEIGH_FREE;
        resolving += e->state == IPNET_NEIGH_RESOLVING;
        waiting += e->waiting_count;
        must(e->state == IPNET_NEIGH_FREE || e->state == IPNET_NEIGH_RESOLVING || !(e->mac[0] & 1));
    }
    ipnet_stat(net, &s);
    must(s.neighbours == neighbours && s.resolving == resolving && s.waiting == waiting);
    must(resolving <= IPNET_RESOLVING_MAX && waiting <= IPNET_WAITING_MAX);
    must(s.slots == waiting + net->ready_count);
}

/* A frame of ours: from us, no longer than the link takes, right sums in its headers. */
static void
frame_check(const struct nic_tx *tx)
{
    uint8_t bytes[2048];
    struct put w = put_of(bytes, sizeof bytes);
    put_bytes(&w, tx->header, tx->header_bytes);
    for (uint32_t i = 0; i < tx->span_count; i++)
        put_bytes(&w, tx->spans[i].bytes.at, tx->spans[i].bytes.len);
    must(!w.bad && put_len(&w) == tx->header_bytes + tx->payload_bytes);
    must(put_len(&w) <= (uint32_t)net->config.mtu + IPNET_ETH_BYTES);
    must(memcmp(bytes + 6, mac, IPNET_MAC_BYTES) == 0);
    const uint8_t *ip = bytes + IPNET_ETH_BYTES;
    switch (get_u16(bytes + 12)) {
    case IPNET_TYPE_ARP:
        must(put_len(&w) == IPNET_ETH_BYTES + 28);
        break;
    case IPNET_TYPE_IP4:
        must(ip[0] == 0x45 && checksum_of(ip, IPNET_IP4_BYTES) == 0);
        must(get_u16(ip + 2) == put_len(&w) - IPNET_ETH_BYTES);
        if (ip[9] == IPNET_PROTO_ICMP4)
            must(checksum_of(ip + IPNET_IP4_BYTES, get_u16(ip + 2) - IPNET_IP4_BYTES) == 0);
        break;
    default:
        must(get_u16(bytes + 12) == IPNET_TYPE_IP6);
        must(get_u16(ip + 4) == put_len(&w) - IPNET_ETH_BYTES - IPNET_IP6_BYTES);
    }
}

static void
frames_take(uint32_t most)
{
    const struct nic_tx *frames[NIC_BURST_MAX];
    uint32_t count = ipnet_ready(net, frames);
    for (uint32_t i = 0; i < count; i++)
        frame_check(frames[i]);
    ipnet_sent(net, count < most ? count : most);
}

/* ---- steps ---- */

/* Checksums of IPv4 and ICMP, so that what lies behind them is reached. */
static void
sums_fix(uint8_t *f, uint32_t n)
{
    uint8_t src[16], dst[16];
    if (n < IPNET_ETH_BYTES + IPNET_IP4_BYTES)
        return;
    uint8_t *ip = f + IPNET_ETH_BYTES;
    n -= IPNET_ETH_BYTES;
    uint32_t header = (ip[0] & 15u) * 4, total = get_u16(ip + 2);
    struct checksum sum = checksum_start();
    if (get_u16(f + 12) == IPNET_TYPE_IP4 && header >= IPNET_IP4_BYTES && header <= n) {
        set_u16(ip + 10, 0);
        set_u16(ip + 10, checksum_of(ip, header));
        if (ip[9] != IPNET_PROTO_ICMP4 || total > n || total < header + IPNET_ICMP_BYTES)
            return;
        set_u16(ip + header + 2, 0);
        set_u16(ip + header + 2, checksum_of(ip + header, total - header));
    } else if (get_u16(f + 12) == IPNET_TYPE_IP6 && n >= IPNET_IP6_BYTES + IPNET_ICMP_BYTES &&
               ip[6] == IPNET_PROTO_ICMP6 && get_u16(ip + 4) >= IPNET_ICMP_BYTES &&
               get_u16(ip + 4) <= n - IPNET_IP6_BYTES) {
        memcpy(src, ip + 8, 16);
        memcpy(dst, ip + 24, 16);
        uint8_t *icmp = ip + IPNET_IP6_BYTES;
        set_u16(icmp + 2, 0);
        checksum_pseudo(&sum, src, dst, IPNET_PROTO_ICMP6, get_u16(ip + 4));
        checksum_add(&sum, icmp, get_u16(ip + 4));
        set_u16(icmp + 2, checksum_end(&sum));
    }
}

static void
step_frame(struct cur *c)
{
    static const uint8_t all[IPNET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static struct ipnet_input in;
    uint8_t flags = cur_u8(c);
    uint32_t n = cur_u8(c) * 6u;
    n = n < cur_left(c) ? n : cur_left(c);
    uint8_t *f = malloc(n + 1); /* exact, so that the sanitizer sees one byte over */
    must(f);
    if (n)
        memcpy(f, cur_take(c, n), n);
    if (n >= IPNET_ETH_BYTES && flags & (TO_US | TO_ALL))
        memcpy(f, flags & TO_US ? mac : all, IPNET_MAC_BYTES);
    else if (n >= IPNET_ETH_BYTES && flags & TO_GROUP)
        f[0] = f[1] = 0x33;
    if (flags & SUMS)
        sums_fix(f, n);
    struct nic_rx rx = {.bytes = view_of(f, n),
                        .frame = (struct packet_frame *)(void *)f,
                        .pinned_bytes = n,
                        .ip_sum = flags & VERIFIED ? PACKET_SUM_GOOD : PACKET_SUM_UNKNOWN};
    ipnet_input(net, now_ns, &rx, 1, &in);
    must(in.packet_count + in.done_count == 1);
    must(in.packet_count + in.error_count <= 1);
    for (uint32_t i = 0; i < in.packet_count; i++) {
        must(in.packets[i].l4.at >= f && in.packets[i].l4.at + in.packets[i].l4.len <= f + n);
        must(ipnet_is_ours(net, in.packets[i].dst) && !ipnet_is_ours(net, in.packets[i].src));
    }
    for (uint32_t i = 0; i < in.error_count; i++) {
        must(in.errors[i].quote.len >= PACKET_QUOTE_MIN);
        must(in.errors[i].quote.at + in.errors[i].quote.len <= f + n);
        must(ipnet_is_ours(net, in.errors[i].src));
    }
    free(f);
}

static void
step_send(struct cur *c, struct packet_ref *ref)
{
    static const uint8_t payload[256];
    uint8_t last = cur_u8(c), bytes = cur_u8(c);
    struct packet_out p = {.header_bytes = 20, .header = {[12] = 0x50}, .payload_bytes = bytes};
    const char *src = last & 128 ? "fd00:77::2" : "10.77.0.2";
    must(iptext_read(src, p.src));
    memcpy(p.dst, p.src, 16);
    p.dst[15] = last;
    if (last % 16 == 0)
        p.dst[13] ^= 1; /* beyond the router, or of no host */
    p.spans[0] = (struct packet_span){view_of(payload, bytes), last & 1 ? ref : NULL};
    p.span_count = 1;
    if (ipnet_room(net) > 0)
        ipnet_send(net, now_ns, &p, 1);
}

static void
start(void)
{
    static _Alignas(64) uint8_t memory[4 << 20];
    struct ipnet_config c = {.mtu = 1500};
    char error[IPNET_ERROR_BYTES];
    memcpy(c.mac, mac, sizeof mac);
    must(ipnet_text_addresses(&c, "10.77.0.2/24,fd00:77::2/64", error) == ERR_OK);
    must(ipnet_text_routes(&c, "default via 10.77.0.1,default via fd00:77::1", error) == ERR_OK);
    must(ipnet_footprint(&c) <= sizeof memory);
    now_ns = CLOCK_NS_PER_S;
    net = ipnet_init(memory, &c, now_ns);
    /* Its addresses are its own from the start. */
    now_ns += IPNET_DAD_NS;
    (void)ipnet_step(net, now_ns);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
    struct cur c = cur_of(view_of(at, (uint32_t)n));
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    start();
    while (cur_left(&c)) {
        switch (cur_u8(&c) % KINDS) {
        case FRAME:
            step_frame(&c);
            break;
        case WAIT:
            now_ns += cur_u8(&c) * 100 * CLOCK_NS_PER_MS;
            must(ipnet_step(net, now_ns) > now_ns);
            break;
        case SEND:
            step_send(&c, &ref);
            break;
        default:
            frames_take(cur_u8(&c) % (NIC_BURST_MAX + 1));
        }
    }
    table_check();
    ipnet_end(net);
    must(ref.holds == 1);
    return 0;
}
