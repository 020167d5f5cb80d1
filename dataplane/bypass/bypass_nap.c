#include "dataplane/bypass/bypass_nap.h"

enum { NAP_SHARE = 8 };

void
bypass_nap_init(struct bypass_nap *n, uint64_t now_ns)
{
    *n = (struct bypass_nap){.busy_ns = now_ns, .span_ns = now_ns};
}

static uint64_t
within(uint64_t value, uint64_t least, uint64_t most)
{
    value = value < least ? least : value;
    return value > most ? most : value;
}

/* A span that took long, since nothing happened, counts as one. */
static void
span_look(struct bypass_nap *n, uint64_t now_ns, uint64_t moved)
{
    uint64_t ns = now_ns - n->span_ns;
    if (ns < BYPASS_BULK_NS)
        return;
    n->bulk = (moved - n->before) / (ns / BYPASS_BULK_NS) >= BYPASS_BULK_BYTES;
    n->span_ns = now_ns;
    n->before = moved;
}

uint64_t
bypass_nap_until(struct bypass_nap *n, uint64_t now_ns, uint64_t deadline_ns, uint64_t moved)
{
    span_look(n, now_ns, moved);
    if (n->came)
        n->busy_ns = now_ns;
    uint64_t silence_ns = now_ns - n->busy_ns;
    if (n->came || deadline_ns <= now_ns || (silence_ns < BYPASS_AWAKE_NS && !n->bulk))
        return 0;
    uint64_t least = n->bulk ? BYPASS_NAP_NS_BULK : BYPASS_NAP_NS;
    uint64_t until_ns = now_ns + within(silence_ns / NAP_SHARE, least, BYPASS_NAP_NS_MAX);
    return until_ns < deadline_ns ? until_ns : deadline_ns;
}
