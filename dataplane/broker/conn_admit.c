/* conn_admit.c: who may open a connection, and when.  Source: Kafka 4.3 SocketServer
 * (ConnectionQuotas, Acceptor, Processor.closeExcessConnections).
 *
 * Arrived  -> refused at once: its address has max.connections.per.ip open.
 *          -> SHUT: its address is over its quota connection_creation_rate; closed after a pause.
 *          -> LINE: in the order of arrival each waits for the rate (max.connection.creation.rate),
 *             then for a place (max.connections); nothing is read of it meanwhile, so it looks to
 *             the peer like a connection in the backlog of Kafka's listener.
 * In       -> OUT: max.connections was lowered, and it was unused longest; closed.
 *
 * Unlike Kafka an address is looked at before the line, not behind it: so one that is over its own
 * limits takes neither places in the line nor a share of the rate of all.  A line is of one shard:
 * it looks for a place each SHARD_RETRY_MS, since those that leave may be another shard's. */
#include "dataplane/broker/conn.h"

#include "core/base/err.h"
#include "dataplane/broker/seats.h"
#include "dataplane/broker/shard.h"

enum { EVICT_MAX = 16 };

static int64_t
limit(const struct shard *s, enum region_setting word, enum conf_key key)
{
    return region_setting(s->region, word, conf_number(s->config.conf, key));
}

/* Of all addresses and cores: memory is for so many as the start has said. */
static uint32_t
places(const struct shard *s)
{
    int64_t most = conf_number(s->config.conf, CONF_MAX_CONNECTIONS);
    int64_t now = limit(s, REGION_MAX_CONNECTIONS, CONF_MAX_CONNECTIONS);
    int64_t listener = limit(s, REGION_LISTENER_CONNECTIONS, CONF_LISTENER_CONNECTIONS);
    most = now < most ? now : most;
    return (uint32_t)(listener < most ? listener : most);
}

static uint32_t
places_of_address(const struct shard *s, const uint8_t ip[16])
{
    const struct quotas_address *row = quota_address(&s->quota, ip);
    return row && row->connections_max >= 0
               ? (uint32_t)row->connections_max
               : (uint32_t)limit(s, REGION_CONNECTIONS_PER_IP, CONF_CONNECTIONS_PER_IP);
}

static uint32_t
rate_of_address(struct shard *s, const struct conn *c, uint64_t hash)
{
    struct quota_claim claim = quota_claim_address(&s->quota, c->peer.ip, hash, s->now_ns);
    uint32_t ms = quota_charge(&s->quota, QUOTAS_CONNECTION, &claim, 1, s->now_ns);
    if (ms) /* it does not come in, so it does not count */
        quota_return(&s->quota, QUOTAS_CONNECTION, &claim, 1, s->now_ns);
    return ms;
}

static uint32_t
rate_of_all(struct shard *s)
{
    uint32_t ms = 0;
    const int64_t rates[] = {
        [QUOTA_BROKER] = limit(s, REGION_CONNECTION_RATE, CONF_CONNECTION_RATE),
        [QUOTA_LISTENER] = limit(s, REGION_LISTENER_RATE, CONF_LISTENER_RATE),
    };
    for (uint32_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct quota_claim claim = quota_claim_total((enum quota_total)i, rates[i]);
        uint32_t owed = quota_charge(&s->quota, QUOTAS_CONNECTION, &claim, 1, s->now_ns);
        ms = owed > ms ? owed : ms;
    }
    return ms;
}

void
conn_arrive(struct shard *s, struct conn *c)
{
    uint64_t hash = seats_hash(s->config.seats, c->peer.ip);
    c->door = CONN_SHUT;
    c->seat = seats_take(s->config.seats, hash, places_of_address(s, c->peer.ip));
    if (c->seat == SEATS_NONE) {
        conn_close(s, c, DROP_CONNECTION_ADDRESS);
        return;
    }
    uint32_t ms = rate_of_address(s, c, hash);
    if (ms) {
        counters_add(&s->counters, DROP_CONNECTION_RATE, 1);
        c->door_ns = s->now_ns + ms * CLOCK_NS_PER_MS;
    } else {
        c->door = CONN_LINE;
    }
    list_push_back(&s->conns_line, &c->line);
    s->door_ns = conn_door(s, s->now_ns);
    counters_add(&s->counters, COUNTER_CONNECTIONS_DELAYED, c->door == CONN_LINE);
}

void
conn_depart(struct shard *s, struct conn *c)
{
    list_remove(&c->line);
    if (c->door == CONN_IN)
        seats_leave(s->config.seats);
    if (c->seat != SEATS_NONE)
        seats_give(s->config.seats, c->seat);
}

/* True when the first of the line came in; else *next_ns: when to look again. */
static bool
come_in(struct shard *s, struct conn *c, uint64_t *next_ns)
{
    if (c->door_ns == 0)
        c->door_ns = s->now_ns + rate_of_all(s) * CLOCK_NS_PER_MS;
    bool early = c->door_ns > s->now_ns;
    if (early || !seats_enter(s->config.seats, places(s))) {
        uint64_t at_ns = early ? c->door_ns : s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS;
        *next_ns = at_ns < *next_ns ? at_ns : *next_ns;
        return false;
    }
    list_remove(&c->line);
    c->door = CONN_IN;
    c->active_ns = s->now_ns;
    conn_mark(s, c);
    return true;
}

/* The connections of this shard that were unused longest, at most EVICT_MAX. */
static uint32_t
unused_longest(struct shard *s, struct conn *out[EVICT_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->conn_high; i++) {
        struct conn *c = &s->conns[i];
        if (!c->id || c->closing || c->door != CONN_IN)
            continue;
        uint32_t at = count;
        while (at > 0 && out[at - 1]->active_ns > c->active_ns)
            at--;
        if (at == EVICT_MAX)
            continue;
        count += count < EVICT_MAX;
        memmove(&out[at + 1], &out[at], (count - at - 1) * sizeof(struct conn *));
        out[at] = c;
    }
    return count;
}

static void
evict(struct shard *s)
{
    struct conn *oldest[EVICT_MAX];
    uint32_t most = places(s);
    if (seats_count(s->config.seats) <= most)
        return;
    uint32_t count = unused_longest(s, oldest);
    for (uint32_t i = 0; i < count && seats_evict(s->config.seats, most); i++) {
        oldest[i]->door = CONN_OUT;
        conn_close(s, oldest[i], DROP_CONNECTION_LIMIT);
    }
}

uint64_t
conn_door(struct shard *s, uint64_t now_ns)
{
    uint64_t next_ns = CLOCK_NEVER;
    bool open = true;
    evict(s);
    struct list *at = s->conns_line.next;
    while (at != &s->conns_line) {
        struct conn *c = list_item(at, struct conn, line);
        at = at->next;
        if (c->closing)
            list_remove(&c->line);
        else if (c->door == CONN_LINE)
            open = open && come_in(s, c, &next_ns);
        else if (c->door_ns > now_ns)
            next_ns = c->door_ns < next_ns ? c->door_ns : next_ns;
        else
            conn_close(s, c, COUNTERS);
    }
    return next_ns;
}
