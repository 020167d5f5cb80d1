/* card.c: see card.h.  Fields of TCP and IPv4 by their places. */
#include "bench/net/card.h"

#include "core/net/checksum.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

enum {
    IP_BYTES = 20,
    IP_LENGTH_AT = 2,
    IP_ID_AT = 4,
    IP_OFFSET_AT = 6,
    IP_PROTOCOL_AT = 9,
    IP_SUM_AT = 10,
    IP_ADDRESSES_AT = 12,
    TCP_SEQ_AT = 4,
    TCP_ACK_AT = 8,
    TCP_LENGTH_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_SUM_AT = 16,
    TCP_OPTIONS_AT = 20,
    FIN = 1,
    PSH = 8,
    ACK = 16,
    FIRST_BYTES = ETH_HLEN + IP_BYTES + TCP_OPTIONS_AT,
};

/* Up to the payload; 0: not TCP over IPv4 without options, or a part of a packet. */
static uint32_t
header_bytes(const uint8_t *frame, uint32_t bytes)
{
    const uint8_t *ip = frame + ETH_HLEN, *tcp = ip + IP_BYTES;
    if (bytes < FIRST_BYTES || get_u16(frame + ETH_HLEN - 2) != ETHERTYPE_IP || ip[0] != 0x45 ||
        ip[IP_PROTOCOL_AT] != IPPROTO_TCP || get_u16(ip + IP_OFFSET_AT) & 0x3fff)
        return 0;
    uint32_t all = ETH_HLEN + IP_BYTES + (tcp[TCP_LENGTH_AT] >> 4) * 4u;
    return all >= FIRST_BYTES && all <= bytes ? all : 0;
}

static void
ip_set(uint8_t *ip, uint32_t packet_bytes)
{
    set_u16(ip + IP_LENGTH_AT, (uint16_t)packet_bytes);
    set_u16(ip + IP_SUM_AT, 0);
    set_u16(ip + IP_SUM_AT, checksum_of(ip, IP_BYTES));
}

static void
pseudo_add(struct checksum *sum, const uint8_t *ip, uint32_t tcp_bytes)
{
    uint8_t rest[4] = {0, IPPROTO_TCP};
    set_u16(rest + 2, (uint16_t)tcp_bytes);
    checksum_add(sum, ip + IP_ADDRESSES_AT, IP_BYTES - IP_ADDRESSES_AT);
    checksum_add(sum, rest, sizeof rest);
}

/* ---- from the kernel ---- */

/* The one sum that the kernel has left to do. */
static bool
sum_fill(const struct virtio_net_hdr *head, uint8_t *frame, uint32_t bytes)
{
    uint32_t from = head->csum_start, at = from + head->csum_offset;
    if (from > bytes || at + 2 > bytes)
        return false;
    set_u16(frame + at, checksum_of(frame + from, bytes - from));
    return true;
}

bool
card_cut_begin(struct card_cut *c, const struct virtio_net_hdr *head, struct view frame, bool sums)
{
    uint8_t *at = (uint8_t *)(uintptr_t)frame.at;
    uint8_t kind = head->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    *c = (struct card_cut){.frame = at, .bytes = frame.len, .header_bytes = ETH_HLEN, .sums = sums};
    if (kind != VIRTIO_NET_HDR_GSO_NONE) {
        c->header_bytes = header_bytes(at, frame.len);
        c->segment_bytes = head->gso_size;
        return kind == VIRTIO_NET_HDR_GSO_TCPV4 && c->header_bytes > 0 && c->segment_bytes > 0;
    }
    if (head->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && (sums || header_bytes(at, frame.len) == 0))
        return sum_fill(head, at, frame.len);
    return true;
}

/* The header of the segment that begins with byte c->at of the payload. */
static void
segment_header(const struct card_cut *c, struct nic_tx *out, const struct view *payload)
{
    uint8_t *ip = out->header + ETH_HLEN, *tcp = ip + IP_BYTES;
    uint32_t tcp_header = c->header_bytes - ETH_HLEN - IP_BYTES;
    set_u16(ip + IP_ID_AT, (uint16_t)(get_u16(ip + IP_ID_AT) + c->at / c->segment_bytes));
    ip_set(ip, IP_BYTES + tcp_header + payload->len);
    set_u32(tcp + TCP_SEQ_AT, get_u32(tcp + TCP_SEQ_AT) + c->at);
    if (c->at + payload->len < c->bytes - c->header_bytes)
        tcp[TCP_FLAGS_AT] &= (uint8_t) ~(FIN | PSH);
    if (!c->sums)
        return;
    set_u16(tcp + TCP_SUM_AT, 0);
    struct checksum sum = checksum_start();
    pseudo_add(&sum, ip, tcp_header + payload->len);
    checksum_add(&sum, tcp, tcp_header);
    checksum_add(&sum, payload->at, payload->len);
    set_u16(tcp + TCP_SUM_AT, checksum_end(&sum));
}

bool
card_cut_next(struct card_cut *c, struct nic_tx *out)
{
    if (c->done)
        return false;
    uint32_t left = c->bytes - c->header_bytes - c->at;
    uint32_t bytes = c->segment_bytes && c->segment_bytes < left ? c->segment_bytes : left;
    struct view payload = view_of(c->frame + c->header_bytes + c->at, bytes);
    memcpy(out->header, c->frame, c->header_bytes);
    out->header_bytes = (uint8_t)c->header_bytes;
    out->l2_bytes = ETH_HLEN;
    out->l3_bytes = header_bytes(c->frame, c->bytes) ? IP_BYTES : 0;
    out->span_count = 1;
    out->payload_bytes = bytes;
    out->spans[0] = (struct packet_span){.bytes = payload};
    if (c->segment_bytes)
        segment_header(c, out, &payload);
    c->at += bytes;
    c->done = bytes == left;
    return true;
}

/* ---- to the kernel ---- */

/* Where its payload ends: short frames are filled up behind it. */
static uint32_t
payload_bytes(const struct view *frame, uint32_t header)
{
    uint32_t whole = ETH_HLEN + get_u16(frame->at + ETH_HLEN + IP_LENGTH_AT);
    return whole > header && whole <= frame->len ? whole - header : 0;
}

void
card_join_begin(struct card_join *j, const struct view *frame)
{
    j->head = (struct virtio_net_hdr){0};
    j->parts[0] = (struct iovec){&j->head, sizeof j->head};
    j->parts[1] = (struct iovec){(void *)(uintptr_t)frame->at, frame->len};
    j->part_count = 2;
    j->header_bytes = header_bytes(frame->at, frame->len);
    j->open = j->joined = false;
    if (j->header_bytes == 0)
        return;
    j->first_bytes = j->payload_bytes = payload_bytes(frame, j->header_bytes);
    j->open = j->payload_bytes > 0 && frame->at[ETH_HLEN + IP_BYTES + TCP_FLAGS_AT] == ACK;
    memcpy(j->header, frame->at, j->header_bytes);
}

/* But for its length, number and sum, place and last flag. */
static bool
header_alike(const struct card_join *j, const uint8_t *header)
{
    enum { IP = ETH_HLEN, TCP = ETH_HLEN + IP_BYTES };
    const uint8_t *a = j->header, *b = header;
    return memcmp(a, b, IP + IP_LENGTH_AT) == 0 &&
           memcmp(a + IP + IP_OFFSET_AT, b + IP + IP_OFFSET_AT, IP_SUM_AT - IP_OFFSET_AT) == 0 &&
           memcmp(a + IP + IP_ADDRESSES_AT, b + IP + IP_ADDRESSES_AT,
                  IP_BYTES - IP_ADDRESSES_AT + TCP_SEQ_AT) == 0 &&
           memcmp(a + TCP + TCP_ACK_AT, b + TCP + TCP_ACK_AT, TCP_FLAGS_AT - TCP_ACK_AT) == 0 &&
           memcmp(a + TCP + TCP_FLAGS_AT + 1, b + TCP + TCP_FLAGS_AT + 1,
                  TCP_SUM_AT - TCP_FLAGS_AT - 1) == 0 &&
           memcmp(a + TCP + TCP_OPTIONS_AT, b + TCP + TCP_OPTIONS_AT,
                  j->header_bytes - TCP - TCP_OPTIONS_AT) == 0;
}

bool
card_join_add(struct card_join *j, const struct view *frame)
{
    if (!j->open || header_bytes(frame->at, frame->len) != j->header_bytes)
        return false;
    const uint8_t *tcp = frame->at + ETH_HLEN + IP_BYTES;
    uint8_t flags = tcp[TCP_FLAGS_AT];
    uint32_t bytes = payload_bytes(frame, j->header_bytes);
    uint32_t next = get_u32(j->header + ETH_HLEN + IP_BYTES + TCP_SEQ_AT) + j->payload_bytes;
    if (bytes == 0 || bytes > j->first_bytes || (flags & (uint8_t)~PSH) != ACK ||
        get_u32(tcp + TCP_SEQ_AT) != next || j->part_count == 2 + CARD_JOIN_PARTS ||
        j->header_bytes - ETH_HLEN + j->payload_bytes + bytes > CARD_JOIN_BYTES ||
        !header_alike(j, frame->at))
        return false;
    if (!j->joined) { /* the header is ours from now on */
        j->parts[2] =
            (struct iovec){(uint8_t *)j->parts[1].iov_base + j->header_bytes, j->first_bytes};
        j->parts[1] = (struct iovec){j->header, j->header_bytes};
        j->part_count++;
        j->joined = true;
    }
    j->parts[j->part_count++] =
        (struct iovec){(void *)(uintptr_t)(frame->at + j->header_bytes), bytes};
    j->payload_bytes += bytes;
    j->header[ETH_HLEN + IP_BYTES + TCP_FLAGS_AT] |= flags;
    j->open = bytes == j->first_bytes && flags == ACK;
    return true;
}

void
card_join_end(struct card_join *j)
{
    if (!j->joined)
        return;
    uint8_t *ip = j->header + ETH_HLEN, *tcp = ip + IP_BYTES;
    uint32_t tcp_bytes = j->header_bytes - ETH_HLEN - IP_BYTES + j->payload_bytes;
    ip_set(ip, IP_BYTES + tcp_bytes);
    struct checksum sum = checksum_start();
    pseudo_add(&sum, ip, tcp_bytes);
    set_u16(tcp + TCP_SUM_AT, (uint16_t)~checksum_end(&sum));
    j->head = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
        .hdr_len = (uint16_t)j->header_bytes,
        .gso_size = (uint16_t)j->first_bytes,
        .csum_start = ETH_HLEN + IP_BYTES,
        .csum_offset = TCP_SUM_AT,
    };
}
