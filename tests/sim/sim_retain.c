/* sim_retain.c: retention: what goes had reached its age, or is beyond the size that is kept. */
#include "tests/sim/sim.h"

void
sim_retain_choose(struct sim *s, struct sim_log *l)
{
    uint64_t h = (s->seed + (uint64_t)l->partition) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    l->config.cleanup_delete = true;
    l->config.retention_ms = -1;
    l->config.retention_bytes = -1;
    l->config.file_delete_delay_ms = h & 1 ? 0 : 500;
    /* Compaction takes records away: what is left in a segment may be older than the model says. */
    if (h >> 1 & 1 && !l->config.cleanup_compact)
        l->config.retention_ms = INT64_C(20) << (h >> 2 & 7);
    if (h >> 5 & 1)
        l->config.retention_bytes = INT64_C(2048) << (h >> 6 & 7);
}

/* Every batch of [from, to) may go. */
static void
start_check(struct sim *s, const struct sim_log *l, int64_t from, int64_t to)
{
    uint64_t left = 0; /* bytes behind the batch */
    bool boundary = to == sim_end(l);
    for (uint32_t i = l->count; i-- > 0;) {
        const struct sim_batch *b = &l->batches[i];
        boundary = boundary || b->base == to;
        if (b->base >= from && b->base < to) {
            bool size =
                l->config.retention_bytes >= 0 && left >= (uint64_t)l->config.retention_bytes;
            /* A time ahead of the broker's counts as that: those of later records may be. */
            bool age =
                l->config.retention_ms >= 0 && s->now_ms - b->first_ms > l->config.retention_ms;
            if (!size && !age)
                sim_fail(s,
                         "log %d: retention to %lld takes %lld, of age %lld, with %llu bytes "
                         "behind it",
                         l->partition, (long long)to, (long long)b->base,
                         (long long)(s->now_ms - b->first_ms), (unsigned long long)left);
        }
        left += b->len;
    }
    if (!boundary && !l->config.cleanup_compact)
        sim_fail(s, "log %d: retention to %lld, where no batch begins", l->partition,
                 (long long)to);
}

void
sim_retain(struct sim *s)
{
    s->now_ms += sim_below(s, 60);
    for (uint32_t i = 0; i < s->cores; i++)
        while (!store_retain(s->stores[i], s->now_ms))
            ;
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct sim_log *l = &s->logs[i];
        const struct plog *p = l->state == SIM_THERE ? sim_plog(s, l) : NULL;
        if (!p || p->start_next <= l->start_asked)
            continue;
        start_check(s, l, l->start_asked, p->start_next);
        sim_say(s, "log %d: retention to %lld", l->partition, (long long)p->start_next);
        l->start_asked = p->start_next;
        l->start_lsn = p->start_lsn;
    }
}
