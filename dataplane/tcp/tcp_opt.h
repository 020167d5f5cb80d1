/* tcp_opt.h: TCP header and options (RFC 9293 3.1, 3.2; RFC 7323; RFC 2018) as values.
 *
 * Parsing never reads outside the view, whatever it holds.  An option of a known kind with another
 * length than its own is ignored, of two of one kind the first counts, a length that leads outside
 * ends the list: none of these makes the segment invalid (MUST-7). */
#ifndef SLUICE_TCP_OPT_H
#define SLUICE_TCP_OPT_H

#include "core/base/bytes.h"
#include "core/base/must.h"

enum { TCP_HEADER_MIN = 20, TCP_OPTIONS_MAX = 40, TCP_SACKS_MAX = 4, TCP_SCALE_MAX = 14 };

enum tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

struct tcp_range {
    uint32_t first, limit; /* sequence numbers, [first, limit) */
};

struct tcp_options {
    uint16_t mss; /* 0: not there */
    uint8_t scale;
    bool has_scale, has_ts, sack_permitted;
    uint32_t ts_value, ts_echo;
    uint8_t sack_count;
    struct tcp_range sacks[TCP_SACKS_MAX];
};

struct tcp_header {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t window; /* as on the wire, not scaled */
    uint8_t flags;
    struct tcp_options options;
    struct view payload;
};

/* Reads header, options and payload of one packet.  ERR_CORRUPT: the data offset leads outside. */
must_check int tcp_header_read(struct view l4, struct tcp_header *out);

/* Writes the header with its options, padded to four bytes, checksum zero; returns its length.
 * `at` has PACKET_HEADER_MAX bytes.  Sack blocks that do not fit are left out, the last first. */
uint32_t tcp_header_write(uint8_t *at, const struct tcp_header *h);

/* Bytes of options in every data segment of a connection. */
static inline uint32_t
tcp_options_bytes(bool timestamps)
{
    return timestamps ? 12 : 0;
}

#endif
