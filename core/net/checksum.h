/* checksum.h: the Internet checksum (RFC 1071) of IPv4, ICMP, TCP and UDP, over any number of
 * pieces of any length.  Pure; nothing here allocates; eight bytes an addition.
 *
 *   struct checksum sum = checksum_start();
 *   checksum_pseudo(&sum, src, dst, protocol, length);
 *   checksum_add(&sum, header, n); checksum_add(&sum, payload, m); ...
 *   set_u16(field, checksum_end(&sum));
 *
 * To verify, add everything with the received field in its place: checksum_end is then 0. */
#ifndef SLUICE_NET_CHECKSUM_H
#define SLUICE_NET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checksum {
    uint64_t sum; /* ones' complement, of words in the machine's byte order */
    bool odd;     /* an odd number of bytes so far: the next piece starts in the middle of a word */
};

static inline struct checksum
checksum_start(void)
{
    return (struct checksum){0, false};
}

/* Adds n bytes as the continuation of what was added before. */
void checksum_add(struct checksum *c, const void *at, size_t n);

/* Adds the pseudo header of RFC 9293 3.1 and RFC 8200 8.1.  Addresses are 16 bytes each, IPv4 as
 * ::ffff:a.b.c.d: the words 0xffff of the mapped prefix are zero in ones' complement, so that one
 * formula serves both families. */
void checksum_pseudo(struct checksum *c, const uint8_t src[16], const uint8_t dst[16],
                     uint8_t protocol, uint32_t length);

/* The complement of the sum, as a number: set_u16() stores it in network order. */
uint16_t checksum_end(const struct checksum *c);

/* checksum_of is the checksum of one piece. */
uint16_t checksum_of(const void *at, size_t n);

#endif
