/* plog_trim.c: the front of a log: its start, the segments and epochs below it, and retention.
 *
 * I1 The start lies in the first segment, or in front of what has still to leave; a log that had a
 *    segment keeps one.  I2 segments[0].base <= start <= hw.
 * Source: Kafka UnifiedLog.deleteOldSegments, deletableSegments, LeaderEpochFileCache. */
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/plog_in.h"

#include <stdlib.h>

uint32_t
plog_droppable(const struct plog *p)
{
    uint32_t n = 0;
    while (n + 1 < p->segment_count && p->segments[n + 1]->base <= p->start)
        n++;
    return n;
}

struct segment *
plog_detach_first(struct plog *p)
{
    must(p->segment_count > 1);
    struct segment *seg = p->segments[0];
    p->segment_count--;
    memmove(p->segments, p->segments + 1, p->segment_count * sizeof(struct segment *));
    p->bytes -= seg->bytes;
    return seg;
}

bool
plog_attach(struct plog *p, struct segment *seg)
{
    if (p->segment_count == p->segment_room) {
        uint32_t room = p->segment_room ? p->segment_room * 2 : 1;
        struct segment **more = realloc(p->segments, room * sizeof(struct segment *));
        if (!more)
            return false;
        p->segments = more;
        p->segment_room = room;
    }
    uint32_t at = 0;
    while (at < p->segment_count && p->segments[at]->base < seg->base)
        at++;
    memmove(p->segments + at + 1, p->segments + at,
            (p->segment_count - at) * sizeof(struct segment *));
    p->segments[at] = seg;
    p->segment_count++;
    p->bytes += seg->bytes;
    return true;
}

/* The last epoch that began at or below the start stays, as beginning there.  Source:
 * LeaderEpochFileCache.truncateFromStartAsyncFlush. */
static void
epochs_trim(struct plog *p)
{
    uint32_t n = 0;
    while (n < p->epoch_count && p->epochs[n].start <= p->start)
        n++;
    if (n == 0)
        return;
    p->epoch_count -= n - 1;
    memmove(p->epochs, p->epochs + n - 1, p->epoch_count * sizeof *p->epochs);
    p->epochs[0].start = p->start;
}

void
plog_start_set(struct plog *p, int64_t start)
{
    if (start <= p->start)
        return;
    must(start <= p->end);
    p->start = start;
    if (p->start_next < start)
        p->start_next = start;
    epochs_trim(p);
    stable_trim(&p->stable, start);
}

/* The largest time of a segment's records, at most the broker's own when the last of them came: a
 * producer with a clock in the future must not keep data for ever.  After a restart the broker's
 * time may not be known: then the time of the first look counts. */
static int64_t
newest_ms(struct segment *seg, int64_t now_ms)
{
    bool known = seg->appended_ms != INT64_MIN;
    if (!known && (seg->max_ts < 0 || seg->max_ts > now_ms))
        seg->appended_ms = now_ms;
    if (seg->max_ts < 0) /* no record has a time */
        return seg->appended_ms;
    return seg->appended_ms != INT64_MIN && seg->max_ts > seg->appended_ms ? seg->appended_ms
                                                                           : seg->max_ts;
}

int64_t
plog_retained(struct plog *p, int64_t now_ms, bool *roll)
{
    const struct plog_config *c = &p->config;
    *roll = false;
    if (!c->cleanup_delete || p->segment_count == 0)
        return p->start;
    uint32_t first = plog_droppable(p), i = first;
    uint64_t bytes = 0, limit = (uint64_t)c->retention_bytes;
    for (uint32_t k = first; k < p->segment_count; k++)
        bytes += p->segments[k]->bytes;
    bool by_size = true;
    int64_t most = plog_last_stable(p); /* an open transaction keeps its records */
    for (; i < p->segment_count; i++) {
        struct segment *seg = p->segments[i];
        if (seg->bytes == 0 || plog_segment_limit(p, seg) > most)
            break;
        /* As in Kafka, size goes first, and age goes on where it stopped. */
        by_size = by_size && c->retention_bytes >= 0 &&
                  bytes >= limit + (mutant(MUTANT_RETENTION_GREEDY) ? 0 : seg->bytes);
        int64_t age = now_ms - newest_ms(seg, now_ms);
        if (!by_size && !(c->retention_ms >= 0 && age > c->retention_ms))
            break;
        bytes -= seg->bytes;
    }
    if (i == first)
        return p->start;
    *roll = i == p->segment_count;
    return *roll ? p->end : p->segments[i]->base;
}
