/* host.h: one machine of dataplane/net with an address of each family, fed frame by frame, and what
 * it sends collected as plain bytes.  Frames are fed from memory of their exact size, so that a
 * sanitizer sees one byte read too far. */
#ifndef SLUICE_TESTS_IPNET_HOST_H
#define SLUICE_TESTS_IPNET_HOST_H

#include "core/net/checksum.h"
#include "dataplane/net/ipnet_in.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { HOST_FRAMES = 512, HOST_FRAME_BYTES = 2048 };

static const uint8_t host_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 3};
static const uint8_t all_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct host {
    struct ipnet *n;
    uint64_t now_ns;
    struct ipnet_input in;
    uint8_t out[HOST_FRAMES][HOST_FRAME_BYTES];
    uint32_t out_bytes[HOST_FRAMES];
    uint32_t out_count;
    uint8_t *fed; /* the last frame */
};

static inline const uint8_t *
ip_of(const char *text)
{
    static uint8_t ips[16][16];
    static uint32_t next;
    uint8_t *ip = ips[next++ % 16];
    assert_true(iptext_read(text, ip));
    return ip;
}

static inline struct ipnet_config
host_config(void)
{
    struct ipnet_config c = {.mtu = 1500};
    char error[IPNET_ERROR_BYTES];
    memcpy(c.mac, host_mac, 6);
    memset(c.secret, 7, sizeof c.secret);
    assert_int_equal(ipnet_text_addresses(&c, "10.77.0.2/24,fd00:77::2/64", error), ERR_OK);
    assert_int_equal(ipnet_text_routes(&c, "default via 10.77.0.1, default via fd00:77::1", error),
                     ERR_OK);
    return c;
}

/* Collects what is ready to leave. */
static inline void
host_collect(struct host *h)
{
    const struct nic_tx *frames[NIC_BURST_MAX];
    uint32_t count;
    while ((count = ipnet_ready(h->n, frames)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            assert_true(h->out_count < HOST_FRAMES);
            struct put w = put_of(h->out[h->out_count], HOST_FRAME_BYTES);
            uint32_t payload = 0;
            put_bytes(&w, frames[i]->header, frames[i]->header_bytes);
            for (uint32_t s = 0; s < frames[i]->span_count; s++) {
                put_bytes(&w, frames[i]->spans[s].bytes.at, frames[i]->spans[s].bytes.len);
                payload += frames[i]->spans[s].bytes.len;
            }
            assert_false(w.bad);
            assert_int_equal(payload, frames[i]->payload_bytes);
            h->out_bytes[h->out_count++] = put_len(&w);
        }
        ipnet_sent(h->n, count);
    }
}

static inline void
host_start(struct host *h, const struct ipnet_config *c)
{
    memset(h, 0, sizeof *h);
    h->now_ns = 1000 * CLOCK_NS_PER_S;
    void *memory = aligned_alloc(64, (ipnet_footprint(c) + 63) & ~(size_t)63);
    assert_non_null(memory);
    h->n = ipnet_init(memory, c, h->now_ns);
    host_collect(h);
}

static inline void
host_stop(struct host *h)
{
    ipnet_end(h->n);
    free(h->n);
    free(h->fed);
}

static inline void
host_clear(struct host *h)
{
    host_collect(h);
    h->out_count = 0;
}

/* Moves the clock in steps of 100 ms. */
static inline void
host_wait(struct host *h, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += 100) {
        h->now_ns += 100 * CLOCK_NS_PER_MS;
        (void)ipnet_step(h->n, h->now_ns);
        host_collect(h);
    }
}

/* A host that has announced itself and uses its addresses. */
static inline void
host_ready(struct host *h)
{
    struct ipnet_config c = host_config();
    host_start(h, &c);
    host_wait(h, 5000);
    host_clear(h);
}

static inline void
host_feed_sums(struct host *h, const void *at, uint32_t bytes, enum packet_sum ip_sum,
               enum packet_sum l4_sum)
{
    free(h->fed);
    h->fed = malloc(bytes ? bytes : 1);
    assert_non_null(h->fed);
    memcpy(h->fed, at, bytes);
    struct nic_rx rx = {
        .bytes = view_of(h->fed, bytes),
        .frame = (struct packet_frame *)(void *)h->fed,
        .pinned_bytes = 2048,
        .ip_sum = ip_sum,
        .l4_sum = l4_sum,
    };
    ipnet_input(h->n, h->now_ns, &rx, 1, &h->in);
    assert_int_equal(h->in.packet_count + h->in.done_count, 1);
    host_collect(h);
}

static inline void
host_feed(struct host *h, const struct put *w)
{
    assert_false(w->bad);
    host_feed_sums(h, w->start, put_len(w), PACKET_SUM_UNKNOWN, PACKET_SUM_UNKNOWN);
}

static inline uint64_t
host_dropped(struct host *h, enum ipnet_drop why)
{
    return ipnet_dropped(h->n, why);
}

static inline uint64_t
host_dropped_all(struct host *h)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        all += ipnet_dropped(h->n, (enum ipnet_drop)i);
    return all;
}

/* ---- frames ---- */

static uint8_t frame_bytes[HOST_FRAME_BYTES];

static inline struct put
eth_frame(const uint8_t *dst, const uint8_t *src, uint16_t type)
{
    memset(frame_bytes, 0, sizeof frame_bytes);
    struct put w = put_of(frame_bytes, sizeof frame_bytes);
    put_bytes(&w, dst, 6);
    put_bytes(&w, src, 6);
    put_u16(&w, type);
    return w;
}

static inline struct put
arp_frame(const uint8_t *dst, uint16_t operation, const uint8_t *mac, const char *sender,
          const char *target)
{
    static const uint8_t nobody[6];
    struct put w = eth_frame(dst, mac, IPNET_TYPE_ARP);
    put_u16(&w, 1);
    put_u16(&w, IPNET_TYPE_IP4);
    put_u16(&w, 0x0604);
    put_u16(&w, operation);
    put_bytes(&w, mac, 6);
    put_bytes(&w, ip_of(sender) + 12, 4);
    put_bytes(&w, nobody, 6);
    put_bytes(&w, ip_of(target) + 12, 4);
    return w;
}

/* An IP packet of either family; the frame goes to the host's link address. */
static inline struct put
ip_frame(const char *src, const char *dst, uint8_t protocol, const void *l4, uint32_t l4_bytes,
         uint8_t hops)
{
    const uint8_t *from = ip_of(src), *to = ip_of(dst);
    bool v4 = iptext_is_v4(to);
    struct put w = eth_frame(host_mac, peer_mac, v4 ? IPNET_TYPE_IP4 : IPNET_TYPE_IP6);
    if (v4) {
        uint8_t *start = w.at;
        put_u16(&w, 0x4500);
        put_u16(&w, (uint16_t)(20 + l4_bytes));
        put_u32(&w, 0x4000);
        put_u8(&w, hops);
        put_u8(&w, protocol);
        put_u16(&w, 0);
        put_bytes(&w, from + 12, 4);
        put_bytes(&w, to + 12, 4);
        set_u16(start + 10, checksum_of(start, 20));
    } else {
        put_u32(&w, UINT32_C(6) << 28);
        put_u16(&w, (uint16_t)l4_bytes);
        put_u8(&w, protocol);
        put_u8(&w, hops);
        put_bytes(&w, from, 16);
        put_bytes(&w, to, 16);
    }
    put_bytes(&w, l4, l4_bytes);
    return w;
}

/* As ip_frame, with the checksum at byte 2 of an ICMP message. */
static inline struct put
icmp_frame(const char *src, const char *dst, void *icmp, uint32_t bytes, uint8_t hops)
{
    uint8_t from[16], to[16];
    memcpy(from, ip_of(src), 16);
    memcpy(to, ip_of(dst), 16);
    bool v4 = iptext_is_v4(to);
    struct checksum sum = checksum_start();
    set_u16((uint8_t *)icmp + 2, 0);
    if (!v4)
        checksum_pseudo(&sum, from, to, IPNET_PROTO_ICMP6, bytes);
    checksum_add(&sum, icmp, bytes);
    set_u16((uint8_t *)icmp + 2, checksum_end(&sum));
    struct put w =
        ip_frame(src, dst, v4 ? IPNET_PROTO_ICMP4 : IPNET_PROTO_ICMP6, icmp, bytes, hops);
    if (to[0] == 0xff)
        ipnet_mac_group(to, frame_bytes);
    return w;
}

/* The peer asks for the host, which then knows it. */
static inline void
host_meets(struct host *h, const char *peer)
{
    if (iptext_is_v4(ip_of(peer))) {
        struct put w = arp_frame(all_mac, 1, peer_mac, peer, "10.77.0.2");
        host_feed(h, &w);
    } else {
        uint8_t ns[32] = {135};
        memcpy(ns + 8, ip_of("fd00:77::2"), 16);
        ns[24] = 1;
        ns[25] = 1;
        memcpy(ns + 26, peer_mac, 6);
        struct put w = icmp_frame(peer, "fd00:77::2", ns, sizeof ns, 255);
        host_feed(h, &w);
    }
    host_clear(h);
}

/* A packet from the host's address of the family of `dst`, with a payload lent by `ref`. */
static inline struct packet_out
packet_to(const char *dst, struct packet_ref *ref, const void *payload, uint32_t bytes)
{
    struct packet_out p = {.header_bytes = 20, .payload_bytes = bytes};
    memcpy(p.dst, ip_of(dst), 16);
    memcpy(p.src, ip_of(iptext_is_v4(p.dst) ? "10.77.0.2" : "fd00:77::2"), 16);
    set_u16(p.header, 9092);
    set_u16(p.header + 2, 40000);
    p.header[12] = 0x50;
    if (bytes) {
        p.spans[0] = (struct packet_span){view_of(payload, bytes), ref};
        p.span_count = 1;
    }
    return p;
}

static inline void
host_send(struct host *h, const struct packet_out *p)
{
    assert_true(ipnet_room(h->n) > 0);
    ipnet_send(h->n, h->now_ns, p, 1);
}

#endif
