/* iptext.h: an IP address as text, IPv4 as ::ffff:a.b.c.d in memory and a.b.c.d in text. */
#ifndef SLUICE_NET_IPTEXT_H
#define SLUICE_NET_IPTEXT_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>

enum { IPTEXT_BYTES = 46 };

/* False: it is none. */
must_check bool iptext_read(const char *text, uint8_t ip[16]);
void iptext_print(const uint8_t ip[16], char out[IPTEXT_BYTES]);
bool iptext_is_v4(const uint8_t ip[16]);
/* Reads a number of at most `digits` digits and returns what follows it; NULL: none there, or over
 * `most`. */
const char *iptext_number(const char *text, int base, int digits, uint32_t most, uint32_t *out);

#endif
