/* bypass_nap.h: when a core that polls a device sleeps, and for how long.
 *
 * A nap delays whatever comes meanwhile, and costs the core some microseconds however short it is.
 * It never sleeps when the last poll had something.  In silence the device is polled for
 * BYPASS_AWAKE_NS, then with naps that grow with the silence, from BYPASS_NAP_NS to
 * BYPASS_NAP_NS_MAX.  While it moves bulk (BYPASS_BULK_BYTES in BYPASS_BULK_NS) and is faster than
 * its peers it sleeps at once, BYPASS_NAP_NS_BULK at least: what comes meanwhile is taken in one
 * go, and there is so much of it that nobody waits for less.
 *
 * A pure machine. */
#ifndef SLUICE_BYPASS_BYPASS_NAP_H
#define SLUICE_BYPASS_BYPASS_NAP_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BYPASS_AWAKE_NS = 20000,
    BYPASS_NAP_NS = 20000,
    BYPASS_NAP_NS_BULK = 100000,
    BYPASS_NAP_NS_MAX = 1000000,
    BYPASS_BULK_NS = 1000000,
    BYPASS_BULK_BYTES = 256 << 10,
};

struct bypass_nap {
    uint64_t busy_ns;         /* the end of the last turn that began with frames */
    uint64_t span_ns, before; /* since when bytes are counted, and how many were moved then */
    bool came, bulk;          /* with the last poll; the last span was of bulk */
};

void bypass_nap_init(struct bypass_nap *n, uint64_t now_ns);
/* After the device was polled: whether it had frames. */
static inline void
bypass_nap_polled(struct bypass_nap *n, bool came)
{
    n->came = came;
}
/* After the turn: until when to sleep; 0: poll again; else at most deadline_ns.  moved: bytes of
 * payload, both ways, since the loop began. */
uint64_t bypass_nap_until(struct bypass_nap *n, uint64_t now_ns, uint64_t deadline_ns,
                          uint64_t moved);

#endif
