/* conn_mute.c: connections whose client is over its quota: their answers go out, and nothing more
 * is read of them until their time is over.  Source: Kafka ClientQuotaManager.throttle,
 * SocketServer's muting of channels. */
#include "dataplane/broker/conn.h"
#include "dataplane/broker/shard.h"

void
conn_mute(struct shard *s, struct conn *c, uint32_t ms)
{
    uint64_t until_ns = s->now_ns + ms * CLOCK_NS_PER_MS;
    if (ms == 0 || c->closing)
        return;
    if (until_ns > c->muted_ns)
        c->muted_ns = until_ns;
    if (list_empty(&c->muted)) {
        counters_add(&s->counters, COUNTER_THROTTLED, 1);
        list_push_back(&s->conns_muted, &c->muted);
    }
    if (c->muted_ns < s->mute_ns)
        s->mute_ns = c->muted_ns;
}

uint64_t
conn_unmute(struct shard *s, uint64_t now_ns)
{
    uint64_t next_ns = CLOCK_NEVER;
    struct list *at = s->conns_muted.next;
    while (at != &s->conns_muted) {
        struct conn *c = list_item(at, struct conn, muted);
        at = at->next;
        if (c->muted_ns > now_ns) {
            next_ns = c->muted_ns < next_ns ? c->muted_ns : next_ns;
            continue;
        }
        list_remove(&c->muted);
        c->muted_ns = 0;
        c->active_ns = now_ns; /* it was not idle, it was kept so */
        conn_mark(s, c);
    }
    return next_ns;
}
