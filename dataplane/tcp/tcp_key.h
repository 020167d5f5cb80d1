/* tcp_key.h: what an outsider must not be able to compute: SipHash of a connection's four numbers
 * under a secret key.  Initial sequence numbers, timestamp offsets, cookies, ports and the flow
 * table's buckets come from it, each with its own purpose word.  A key is 16 random bytes of the
 * start, the same on all cores. */
#ifndef SLUICE_TCP_KEY_H
#define SLUICE_TCP_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TCP_KEY_BYTES = 16 };

struct tcp_key {
    uint64_t k0, k1;
};

/* One connection as this host sees it; no padding, so it hashes and compares as bytes. */
struct tcp_flow {
    uint8_t local[16], remote[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t local_port, remote_port;
};

_Static_assert(sizeof(struct tcp_flow) == 36, "hashed and compared as bytes");

static inline bool
tcp_flow_equal(const struct tcp_flow *a, const struct tcp_flow *b)
{
    uint64_t x[4], y[4];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0 &&
           a->local_port == b->local_port && a->remote_port == b->remote_port;
}

enum tcp_purpose {
    TCP_FOR_ISN,
    TCP_FOR_TS_OFFSET,
    TCP_FOR_COOKIE,
    TCP_FOR_PORT,
};

struct tcp_key tcp_key_of(const uint8_t bytes[TCP_KEY_BYTES]);

/* SipHash with 2 + 4 rounds, of any bytes. */
uint64_t tcp_key_hash(const struct tcp_key *key, const void *at, size_t bytes);

/* The same of a flow, a purpose and a word more. */
uint64_t tcp_key_flow(const struct tcp_key *key, const struct tcp_flow *f, enum tcp_purpose purpose,
                      uint64_t more);

/* SipHash with 1 + 3 rounds of a flow: for buckets, not for secrets that are sent. */
uint64_t tcp_key_bucket(const struct tcp_key *key, const struct tcp_flow *f);

#endif
