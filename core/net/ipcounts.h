/* ipcounts.h: numbers for single addresses as text, "192.0.2.7:100,2001:db8::1:5": what Kafka's
 * max.connections.per.ip.overrides is made of.  The last colon of an entry is before its number.
 * Names of hosts, which Kafka resolves, are none: to look them up would hold up who asks. */
#ifndef SLUICE_NET_IPCOUNTS_H
#define SLUICE_NET_IPCOUNTS_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>

struct ipcount {
    uint8_t ip[16]; /* as iptext.h */
    int32_t count;  /* 0 and more */
};

/* Reads the entry at the front of a list that is not at its end.  Returns where the next one
 * begins, at the NUL behind the last; NULL: this is none. */
const char *ipcounts_next(const char *text, struct ipcount *out);
/* Whether all entries can be read; an empty list is fine. */
bool ipcounts_valid(const char *text);

#endif
