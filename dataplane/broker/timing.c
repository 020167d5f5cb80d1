#include "dataplane/broker/timing.h"

#include "dataplane/broker/shard.h"

void
timing_handler(struct shard *s, const struct req *r, uint64_t ns)
{
    hists_add(&s->counters, hists_of((enum hists_kind)r->kind, HISTS_HANDLE), ns);
}

/* Times of turns only grow; a request that never waited has all of the same turn. */
void
timing_left(struct shard *s, const struct req *r)
{
    enum hists_kind kind = (enum hists_kind)r->kind;
    hists_add(&s->counters, hists_of(kind, HISTS_QUEUE), r->begun_ns - r->arrived_ns);
    hists_add(&s->counters, hists_of(kind, HISTS_WAIT), r->done_ns - r->begun_ns);
    hists_add(&s->counters, hists_of(kind, HISTS_SEND), s->now_ns - r->done_ns);
    hists_add(&s->counters, hists_of(kind, HISTS_TOTAL), s->now_ns - r->arrived_ns);
}

void
timing_writes(struct shard *s)
{
    const uint64_t *ns;
    uint32_t count = store_writes(s->store, &ns);
    for (uint32_t i = 0; i < count; i++)
        hists_add(&s->counters, HIST_JOURNAL_WRITE, ns[i]);
    count = store_extent_writes(s->store, &ns);
    for (uint32_t i = 0; i < count; i++)
        hists_add(&s->counters, HIST_EXTENT_WRITE, ns[i]);
}

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
    if (turn_ns <= TIMING_STALL_NS)
        return;
    for (uint32_t i = 1; i < TIMING_PLACES; i++)
        most = s->timing.laps_ns[i] > s->timing.laps_ns[most] ? i : most;
    counters_add(&s->counters, stalls[most], 1);
}
