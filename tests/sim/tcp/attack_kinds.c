/* attack_kinds.c: the attacks.  The attacker is on the link, may send from any address, knows the
 * addresses and ports of every honest connection (client k is at port 10000 + k) but not its
 * numbers, and hears only what is sent to his own addresses.  Frames are written by hand. */
#include "core/base/err.h"
#include "core/net/checksum.h"
#include "core/net/iptext.h"
#include "dataplane/tcp/tcp_seq.h"
#include "tests/sim/tcp/attack.h"

#include <string.h>

enum {
    TYPE_IP4 = 0x0800,
    TYPE_ARP = 0x0806,
    TYPE_IP6 = 0x86dd,
    PROTOCOL_TCP = 6,
    PROTOCOL_ICMP6 = 58,
    L2 = 14,
    PUPPET_PORT = 20000,
    WINDOW = 65535,
};

/* ---- frames ---- */

static struct put
frame_start(const struct world *w, uint8_t *frame, uint16_t type)
{
    struct put out = put_of(frame, FRAME_BYTES);
    put_bytes(&out, w->mac[SERVER], 6);
    put_bytes(&out, w->mac[ATTACKER], 6);
    put_u16(&out, type);
    return out;
}

static void
ip_header(struct put *out, const uint8_t src[16], const uint8_t dst[16], uint8_t protocol,
          uint32_t bytes)
{
    if (!iptext_is_v4(dst)) {
        put_u32(out, 6u << 28);
        put_u16(out, (uint16_t)bytes);
        put_u16(out, (uint16_t)(protocol << 8 | 255));
        put_bytes(out, src, 16);
        put_bytes(out, dst, 16);
        return;
    }
    uint8_t h[20] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol};
    set_u16(h + 2, (uint16_t)(20 + bytes));
    memcpy(h + 12, src + 12, 4);
    memcpy(h + 16, dst + 12, 4);
    set_u16(h + 10, checksum_of(h, sizeof h));
    put_bytes(out, h, sizeof h);
}

static void
send_tcp(struct world *w, const uint8_t src[16], const struct tcp_header *h)
{
    uint8_t frame[FRAME_BYTES], l4[FRAME_BYTES];
    uint32_t bytes = tcp_header_write(l4, h);
    if (h->payload.len)
        memcpy(l4 + bytes, h->payload.at, h->payload.len);
    bytes += h->payload.len;
    struct checksum sum = checksum_start();
    checksum_pseudo(&sum, src, w->address[SERVER], PROTOCOL_TCP, bytes);
    checksum_add(&sum, l4, bytes);
    set_u16(l4 + 16, checksum_end(&sum));
    struct put out = frame_start(w, frame, w->v6 ? TYPE_IP6 : TYPE_IP4);
    ip_header(&out, src, w->address[SERVER], PROTOCOL_TCP, bytes);
    put_bytes(&out, l4, bytes);
    host_send(&w->hosts[ATTACKER], frame, put_len(&out));
}

/* As if from an honest client: everything right but the numbers. */
static struct tcp_header
forged(struct world *w, uint8_t flags)
{
    return (struct tcp_header){.src_port = (uint16_t)(10000 + random_below(w, VICTIMS)),
                               .dst_port = SERVER_PORT,
                               .seq = (uint32_t)random_next(w),
                               .ack = (uint32_t)random_next(w),
                               .window = WINDOW,
                               .flags = flags};
}

/* ---- connections of his own ---- */

static struct tcp_header
puppet_header(const struct world *w, uint32_t k, uint8_t flags)
{
    const struct puppet *p = &w->puppets[k];
    return (struct tcp_header){.src_port = (uint16_t)(PUPPET_PORT + k),
                               .dst_port = w->puppet_port,
                               .seq = p->seq,
                               .ack = p->ack,
                               .window = WINDOW,
                               .flags = flags};
}

static void
puppet_send(struct world *w, const struct tcp_header *h)
{
    send_tcp(w, w->address[ATTACKER], h);
}

/* The server's SYN-ACK, bytes or reset. */
static void
puppet_hear(struct world *w, const struct tcp_header *h)
{
    uint32_t k = (uint32_t)h->dst_port - PUPPET_PORT;
    if (k >= PUPPETS)
        return;
    struct puppet *p = &w->puppets[k];
    if (h->flags & TCP_RST) {
        *p = (struct puppet){0};
    } else if ((h->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
        bool again = p->open;
        p->open = true;
        p->seq = h->ack;
        if (!again)
            p->ack = p->first = h->seq + 1;
        struct tcp_header ack = puppet_header(w, k, TCP_ACK);
        puppet_send(w, &ack);
    } else if (h->seq == p->ack) {
        p->ack += h->payload.len + !!(h->flags & TCP_FIN);
    }
}

static void
arp_answer(struct world *w, const uint8_t *request)
{
    uint8_t frame[FRAME_BYTES];
    struct put out = frame_start(w, frame, TYPE_ARP);
    put_bytes(&out, (const uint8_t[]){0, 1, 8, 0, 6, 4, 0, 2}, 8);
    put_bytes(&out, w->mac[ATTACKER], 6);
    put_bytes(&out, request + 24, 4);
    put_bytes(&out, request + 8, 10);
    memcpy(frame, request + 8, 6);
    host_send(&w->hosts[ATTACKER], frame, put_len(&out));
}

void
attack_hear(struct world *w)
{
    uint8_t frame[FRAME_BYTES];
    uint32_t bytes;
    while (host_take(&w->hosts[ATTACKER], frame, &bytes)) {
        uint16_t type = get_u16(frame + 12);
        const uint8_t *mine = w->address[ATTACKER] + 12;
        if (type == TYPE_ARP && get_u16(frame + L2 + 6) == 1 &&
            memcmp(frame + L2 + 24, mine, 4) == 0)
            arp_answer(w, frame + L2);
        struct tcp_header h;
        if (type == TYPE_IP4 && frame[L2 + 9] == PROTOCOL_TCP &&
            memcmp(frame + L2 + 16, mine, 4) == 0 &&
            tcp_header_read(view_of(frame + L2 + 20, get_u16(frame + L2 + 2) - 20), &h) == ERR_OK)
            puppet_hear(w, &h);
    }
}

/* Opens what is not open; returns a connection that is, or PUPPETS. */
static uint32_t
puppet_pick(struct world *w, uint32_t most)
{
    uint32_t k = w->puppet_next++ % most;
    if (w->puppets[k].open)
        return k;
    struct tcp_header syn = puppet_header(w, k, TCP_SYN);
    syn.options =
        (struct tcp_options){.mss = 1460, .sack_permitted = true, .has_scale = true, .scale = 7};
    if (!w->puppets[k].known || w->puppets[k].step++ % 1024 == 0) {
        w->puppets[k].seq = syn.seq = (uint32_t)random_next(w);
        w->puppets[k].known = true;
        puppet_send(w, &syn);
    }
    return PUPPETS;
}

/* ---- the attacks ---- */

static void
syn_flood(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t src[16];
        memcpy(src, w->address[ATTACKER], 16);
        set_u32(src + 12, w->v6 ? (uint32_t)random_next(w) : 0x0b000000 | random_below(w, 1 << 24));
        if (w->v6)
            src[1] = 1; /* off the link */
        struct tcp_header h = forged(w, TCP_SYN);
        h.src_port = (uint16_t)(1 + random_below(w, 65535));
        h.options = (struct tcp_options){.mss = 1460, .has_ts = true, .sack_permitted = true};
        send_tcp(w, src, &h);
    }
}

/* Sources on the link, whom the server must ask for. */
static void
syn_flood_on_link(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t src[16];
        memcpy(src, w->address[ATTACKER], 16);
        set_u16(src + 14, (uint16_t)(256 + random_below(w, 60000)));
        struct tcp_header h = forged(w, TCP_SYN);
        send_tcp(w, src, &h);
    }
}

static void
blind(struct world *w, uint32_t frames, uint8_t flags, uint32_t payload)
{
    static const uint8_t junk[64] = {0xee};
    for (uint32_t i = 0; i < frames; i++) {
        struct tcp_header h = forged(w, flags);
        h.payload = view_of(junk, payload);
        send_tcp(w, w->address[CLIENT], &h);
    }
}

static void
blind_rst(struct world *w, uint32_t frames)
{
    blind(w, frames, TCP_RST, 0);
}

static void
blind_syn(struct world *w, uint32_t frames)
{
    blind(w, frames, TCP_SYN, 0);
}

static void
blind_data(struct world *w, uint32_t frames)
{
    blind(w, frames, TCP_ACK | TCP_PSH, 10);
}

/* ACKs that nobody asked for, to ports that listen: cookies are guessed. */
static void
ack_flood(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t src[16];
        memcpy(src, w->address[ATTACKER], 16);
        set_u32(src + 12, 0x0b000000 | random_below(w, 1 << 24));
        struct tcp_header h = forged(w, TCP_ACK);
        send_tcp(w, src, &h);
    }
}

/* Each segment is acknowledged in thirty pieces (RFC 3465: bytes count, not ACKs). */
static void
ack_splitting(struct world *w, uint32_t frames)
{
    uint32_t k = puppet_pick(w, 8);
    if (k == PUPPETS)
        return;
    struct tcp_header h = puppet_header(w, k, TCP_ACK);
    for (uint32_t i = 0; i < frames; i++) {
        h.ack = w->puppets[k].ack - (frames - 1 - i);
        if (seq_before(h.ack, w->puppets[k].first))
            h.ack = w->puppets[k].first;
        puppet_send(w, &h);
    }
}

/* Acknowledges what has not come, also what was never sent. */
static void
optimistic_acks(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint32_t k = puppet_pick(w, 8);
        if (k == PUPPETS)
            continue;
        struct tcp_header h = puppet_header(w, k, TCP_ACK);
        h.ack += 1448 * (1 + random_below(w, 100));
        puppet_send(w, &h);
    }
}

/* Asks for a lot, and then takes nothing, but says so now and then. */
static void
zero_window(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint32_t k = puppet_pick(w, PUPPETS);
        if (k == PUPPETS)
            continue;
        struct tcp_header h = puppet_header(w, k, TCP_ACK);
        h.window = 0;
        puppet_send(w, &h);
    }
}

/* Blocks of one byte, everywhere. */
static void
sack_fragments(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint32_t k = puppet_pick(w, 32);
        if (k == PUPPETS)
            continue;
        const struct puppet *p = &w->puppets[k];
        struct tcp_header h = puppet_header(w, k, TCP_ACK);
        h.ack = p->first + (p->ack - p->first) / 2;
        h.options.sack_count = 3;
        for (uint32_t n = 0; n < 3; n++) {
            uint32_t at = h.ack + 1 + random_below(w, 60000);
            h.options.sacks[n] = (struct tcp_range){at, at + 1};
        }
        puppet_send(w, &h);
    }
}

/* Bytes with gaps between them: each keeps a frame. */
static void
segment_fragments(struct world *w, uint32_t frames)
{
    static const uint8_t one[1] = {0xee};
    for (uint32_t i = 0; i < frames; i++) {
        uint32_t k = puppet_pick(w, PUPPETS);
        if (k == PUPPETS)
            continue;
        struct tcp_header h = puppet_header(w, k, TCP_ACK);
        h.seq += 2 + 2 * random_below(w, 30000);
        h.payload = view_of(one, 1);
        puppet_send(w, &h);
    }
}

/* Opens; the server closes first and has the TIME_WAIT. */
static void
time_wait_flood(struct world *w, uint32_t frames)
{
    w->puppet_port = CLOSER_PORT;
    for (uint32_t i = 0; i < frames; i++) {
        uint32_t k = puppet_pick(w, PUPPETS);
        if (k == PUPPETS || w->puppets[k].ack == w->puppets[k].first)
            continue; /* its FIN has not come */
        struct tcp_header h = puppet_header(w, k, TCP_ACK | TCP_FIN);
        puppet_send(w, &h);
        w->puppets[k] = (struct puppet){0};
    }
}

static void
fragments(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t frame[FRAME_BYTES], junk[64] = {0};
        struct put out = frame_start(w, frame, TYPE_IP4);
        ip_header(&out, w->address[CLIENT], w->address[SERVER], PROTOCOL_TCP, sizeof junk);
        put_bytes(&out, junk, sizeof junk);
        set_u16(frame + L2 + 4, (uint16_t)random_next(w));
        set_u16(frame + L2 + 6, (uint16_t)(0x2000 | random_below(w, 8000)));
        set_u16(frame + L2 + 10, 0);
        set_u16(frame + L2 + 10, checksum_of(frame + L2, 20));
        host_send(&w->hosts[ATTACKER], frame, put_len(&out));
    }
}

/* Everybody on the link asks for the server. */
static void
arp_flood(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t frame[FRAME_BYTES];
        struct put out = frame_start(w, frame, TYPE_ARP);
        memset(frame, 0xff, 6);
        put_bytes(&out, (const uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
        put_bytes(&out, w->mac[ATTACKER], 6);
        put_u32(&out, 0x0a4d0000 | (256 + random_below(w, 60000)));
        put_bytes(&out, (const uint8_t[6]){0}, 6);
        put_bytes(&out, w->address[SERVER] + 12, 4);
        host_send(&w->hosts[ATTACKER], frame, put_len(&out));
    }
}

static void
ndp_flood(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t frame[FRAME_BYTES], src[16], body[32] = {135};
        memcpy(src, w->address[SERVER], 16);
        set_u32(src + 12, 0x10000 | random_below(w, 1 << 24));
        memcpy(body + 8, w->address[SERVER], 16);
        body[24] = body[25] = 1; /* link address of the sender */
        memcpy(body + 26, w->mac[ATTACKER], 6);
        struct checksum sum = checksum_start();
        checksum_pseudo(&sum, src, w->address[SERVER], PROTOCOL_ICMP6, sizeof body);
        checksum_add(&sum, body, sizeof body);
        set_u16(body + 2, checksum_end(&sum));
        struct put out = frame_start(w, frame, TYPE_IP6);
        ip_header(&out, src, w->address[SERVER], PROTOCOL_ICMP6, sizeof body);
        put_bytes(&out, body, sizeof body);
        host_send(&w->hosts[ATTACKER], frame, put_len(&out));
    }
}

static void
bad_sums(struct world *w, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t frame[FRAME_BYTES], l4[20];
        struct put out = frame_start(w, frame, TYPE_IP4);
        for (uint32_t n = 0; n < sizeof l4; n++)
            l4[n] = (uint8_t)random_next(w);
        ip_header(&out, w->address[CLIENT], w->address[SERVER], PROTOCOL_TCP, sizeof l4);
        put_bytes(&out, l4, sizeof l4);
        host_send(&w->hosts[ATTACKER], frame, put_len(&out));
    }
}

static void
nothing(struct world *w, uint32_t frames)
{
    must(w->now_us > 0 && frames > 0);
}

const struct attack attacks[] = {
    {"no attack", nothing, -1, -1, false},
    {"no attack, IPv6", nothing, -1, -1, true},
    {"SYN flood", syn_flood, TCP_N_COOKIES_OUT, -1, false},
    {"SYN flood, IPv6", syn_flood, TCP_N_COOKIES_OUT, -1, true},
    {"SYN flood from the link", syn_flood_on_link, TCP_N_COOKIES_OUT, IPNET_DROP_NEIGHBOUR_FULL,
     false},
    {"blind RST sweep", blind_rst, TCP_N_DROP_SEQ, -1, false},
    {"blind SYN sweep", blind_syn, TCP_N_COOKIES_OUT, -1, false},
    {"blind data sweep", blind_data, TCP_N_DROP_SEQ, -1, false},
    {"ACK flood", ack_flood, TCP_N_DROP_REPLY_LIMIT, -1, false},
    {"ACK splitting", ack_splitting, -1, -1, false},
    {"optimistic ACKs", optimistic_acks, TCP_N_DROP_ACK, -1, false},
    {"zero windows", zero_window, -1, -1, false},
    {"SACK fragments", sack_fragments, -1, -1, false},
    {"segment fragments", segment_fragments, TCP_N_DROP_MEMORY, -1, false},
    {"TIME_WAIT flood", time_wait_flood, TCP_N_WAIT_RECYCLED, -1, false},
    {"IP fragments", fragments, -1, IPNET_DROP_IP_FRAGMENT, false},
    {"ARP flood", arp_flood, -1, IPNET_DROP_RATE, false},
    {"NDP flood", ndp_flood, -1, IPNET_DROP_RATE, true},
    {"bad checksums", bad_sums, TCP_N_DROP_SUM, -1, false},
};
const uint32_t attack_count = sizeof attacks / sizeof attacks[0];
