#include "dataplane/broker/timing.h"

#include "dataplane/broker/conn.h"
#include "dataplane/broker/shard.h"

void
timing_handler(struct shard *s, const struct req *r, uint64_t ns)
{
    hists_add(&s->counters, hists_of((enum hists_kind)r->kind, HISTS_HANDLE), ns);
}

/* ---- the slowest ----------------------------------------------------------------------------- */

static void
span_note(struct timing *t, enum timing_cause cause, uint64_t end_ns, uint64_t ns,
          enum timing_place place)
{
    if (ns < TIMING_SPAN_NS)
        return;
    struct timing_spans *all = &t->causes[cause];
    all->span[all->next++ % TIMING_SPANS] =
        (struct timing_span){.end_ns = end_ns, .ns = ns, .place = place};
}

/* The longest that ended behind from_ns. */
static struct timing_span
longest(const struct timing *t, enum timing_cause cause, uint64_t from_ns)
{
    struct timing_span found = {0};
    for (uint32_t i = 0; i < TIMING_SPANS; i++) {
        const struct timing_span *span = &t->causes[cause].span[i];
        if (span->end_ns > from_ns && span->ns > found.ns)
            found = *span;
    }
    return found;
}

static void
slowest_keep(struct shard *s, const struct req *r, uint64_t total_ns)
{
    struct timing *t = &s->timing;
    struct timing_span turn = longest(t, TIMING_TURN, r->arrived_ns);
    struct slow_row row = {.field = {
                               [SLOW_AT] = (uint64_t)s->now_ms,
                               [SLOW_TOTAL] = total_ns,
                               [SLOW_QUEUE] = r->begun_ns - r->arrived_ns,
                               [SLOW_DURABLE] = r->done_ns - r->begun_ns,
                               [SLOW_SEND] = s->now_ns - r->done_ns,
                               [SLOW_FRAME] = longest(t, TIMING_FRAME, r->arrived_ns).ns,
                               [SLOW_EXTENT] = longest(t, TIMING_EXTENT, r->arrived_ns).ns,
                               [SLOW_TURN] = turn.ns,
                               [SLOW_PLACE] = turn.place,
                               [SLOW_CORRELATION] = (uint32_t)r->correlation_id,
                               [SLOW_PEER_HIGH] = get_u64(r->conn->peer.ip),
                               [SLOW_PEER_LOW] = get_u64(r->conn->peer.ip + 8),
                               [SLOW_PORT] = r->conn->peer.port,
                           }};
    slow_keep(&t->slow, s->now_ns, &row);
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* Times of turns only grow; a request that never waited has all of the same turn. */
void
timing_left(struct shard *s, const struct req *r)
{
    enum hists_kind kind = (enum hists_kind)r->kind;
    hists_add(&s->counters, hists_of(kind, HISTS_QUEUE), r->begun_ns - r->arrived_ns);
    hists_add(&s->counters, hists_of(kind, HISTS_WAIT), r->done_ns - r->begun_ns);
    hists_add(&s->counters, hists_of(kind, HISTS_SEND), s->now_ns - r->done_ns);
    uint64_t total_ns = s->now_ns - r->arrived_ns;
    hists_add(&s->counters, hists_of(kind, HISTS_TOTAL), total_ns);
    if (kind == HISTS_PRODUCE && slow_wanted(&s->timing.slow, s->now_ns, total_ns))
        slowest_keep(s, r, total_ns);
}

static void
writes_note(struct shard *s, enum hist hist, enum timing_cause cause, const uint64_t *ns,
            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hists_add(&s->counters, hist, ns[i]);
        span_note(&s->timing, cause, s->now_ns, ns[i], TIMING_DISK);
    }
}

void
timing_writes(struct shard *s)
{
    const uint64_t *ns;
    uint32_t count = store_writes(s->store, &ns);
    writes_note(s, HIST_JOURNAL_WRITE, TIMING_FRAME, ns, count);
    count = store_extent_writes(s->store, &ns);
    writes_note(s, HIST_EXTENT_WRITE, TIMING_EXTENT, ns, count);
}

/* ---- turns ----------------------------------------------------------------------------------- */

void
timing_turn_begin(struct shard *s)
{
    s->timing.lap_ns = s->now_ns;
    memset(s->timing.laps_ns, 0, sizeof s->timing.laps_ns);
}

void
timing_lap(struct shard *s, enum timing_place place)
{
    uint64_t now_ns = s->clock.ops->now_ns(s->clock.self);
    s->timing.laps_ns[place] += now_ns - s->timing.lap_ns;
    s->timing.lap_ns = now_ns;
}

void
timing_turn_end(struct shard *s)
{
    static const enum counter stalls[TIMING_PLACES] = {COUNTER_STALLS_REQUESTS, COUNTER_STALLS_DISK,
                                                       COUNTER_STALLS_TIMERS, COUNTER_STALLS_SEND};
    uint64_t turn_ns = s->timing.lap_ns - s->now_ns;
    uint32_t most = 0;
    if (s->work) {
        hists_add(&s->counters, HIST_TURN, turn_ns);
        counters_add(&s->counters, COUNTER_BUSY_NS, turn_ns);
    }
    if (turn_ns > s->timing.longest_ns) {
        s->timing.longest_ns = turn_ns;
        counters_set(&s->counters, COUNTER_TURN_LONGEST_NS, turn_ns);
    }
    if (turn_ns < TIMING_SPAN_NS)
        return;
    for (uint32_t i = 1; i < TIMING_PLACES; i++)
        most = s->timing.laps_ns[i] > s->timing.laps_ns[most] ? i : most;
    span_note(&s->timing, TIMING_TURN, s->timing.lap_ns, turn_ns, (enum timing_place)most);
    if (turn_ns > TIMING_STALL_NS)
        counters_add(&s->counters, stalls[most], 1);
}
