/* iptext.h: an IP address as text, IPv4 as ::ffff:a.b.c.d in memory and a.b.c.d in text. */
#ifndef SLUICE_NET_IPTEXT_H
#define SLUICE_NET_IPTEXT_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { IPTEXT_BYTES = 46 };

/* False: it is none. */
must_check bool iptext_read(const char *text, uint8_t ip[16]);
void iptext_print(const uint8_t ip[16], char out[IPTEXT_BYTES]);
/* Reads a number of at most `digits` digits and returns what follows it; NULL: none there, or over
 * `most`. */
const char *iptext_number(const char *text, int base, int digits, uint32_t most, uint32_t *out);

/* RFC 4291 2.5.5.2: ::ffff:0:0/96. */
static const uint8_t iptext_mapped[12] = {[10] = 0xff, [11] = 0xff};

static inline bool
iptext_is_v4(const uint8_t ip[16])
{
    return memcmp(ip, iptext_mapped, sizeof iptext_mapped) == 0;
}

/* `v4` in network order. */
static inline void
iptext_of_v4(const uint8_t v4[4], uint8_t ip[16])
{
    memcpy(ip, iptext_mapped, sizeof iptext_mapped);
    memcpy(ip + sizeof iptext_mapped, v4, 4);
}

/* 0.0.0.0 or ::, which a listener takes for all addresses. */
static inline bool
iptext_is_any(const uint8_t ip[16])
{
    static const uint8_t zero[16];
    return memcmp(ip + 12, zero, 4) == 0 &&
           (iptext_is_v4(ip) || memcmp(ip, zero, sizeof zero) == 0);
}

#endif
