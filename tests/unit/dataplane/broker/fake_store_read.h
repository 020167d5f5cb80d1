/* fake_store_read.h: the reading half of fake_store.h, which includes it: ranges, holds, and reads
 * that come late. */
#ifndef SLUICE_TESTS_FAKE_STORE_READ_H
#define SLUICE_TESTS_FAKE_STORE_READ_H

#include "tests/unit/dataplane/broker/fake_store.h"

/* False: a read was started, or has to wait for a buffer. */
static inline bool
fake_store_cold(struct store *s, const struct plog *p)
{
    uint32_t pick = UINT32_MAX;
    for (uint32_t i = 0; i < s->cold_buffers; i++) {
        if (s->buffers[i].log == p)
            return !s->buffers[i].busy;
        if (!s->buffers[i].busy &&
            (pick == UINT32_MAX || s->buffers[i].began < s->buffers[pick].began))
            pick = i;
    }
    if (pick != UINT32_MAX) {
        s->buffers[pick].log = p;
        s->buffers[pick].busy = true;
        s->buffers[pick].began = ++s->reads;
    }
    return false;
}

int
store_locate(struct store *s, struct plog *p, int64_t offset, int64_t offset_limit,
             uint32_t bytes_max, bool at_least_one, struct store_range *out)
{
    if (s->cold_buffers && !fake_store_cold(s, p))
        return ERR_AGAIN;
    *out = (struct store_range){.log = p};
    if (offset < p->start || offset > p->end)
        return ERR_NOT_FOUND;
    for (uint32_t i = 0; i < p->batch_count; i++) {
        if (p->batches[i].limit <= offset || p->batches[i].limit > offset_limit)
            continue;
        bool fits = out->len + p->batches[i].len <= bytes_max;
        if (!fits && !(at_least_one && out->len == 0))
            break;
        if (out->len == 0) {
            out->at = p->batches[i].at;
            out->offset_first = p->batches[i].base;
        }
        out->len += p->batches[i].len;
        out->offset_limit = p->batches[i].limit;
    }
    return ERR_OK;
}

int
store_hold(struct store *s, const struct store_range *range, uint64_t waiter,
           struct store_hold *out)
{
    if (s->hold_error)
        return s->hold_error;
    if (s->hold_bad_at && range->at >= s->hold_bad_at)
        return ERR_CORRUPT;
    uint32_t len = range->len;
    if (s->hold_bad_at && len > s->hold_bad_at - range->at)
        len = s->hold_bad_at - range->at;
    if (s->hold_late) {
        must(s->waiter_count < FAKE_STORE_WAITERS);
        s->waiters[s->waiter_count++] = waiter;
        return ERR_AGAIN;
    }
    uint32_t step = s->span_bytes ? s->span_bytes : range->len;
    out->span_count = out->bytes = 0;
    out->whole = !s->hold_torn;
    while (out->bytes < len && out->span_count < STORE_SPANS_MAX) {
        uint32_t n = len - out->bytes < step ? len - out->bytes : step;
        out->spans[out->span_count++] = view_of(range->log->bytes + range->at + out->bytes, n);
        out->bytes += n;
    }
    /* As the store does for the tail cache: places, no pointer. */
    out->pin = NULL;
    out->pin_slabs = ++s->pin_next << 8 | (s->core + 1);
    s->pin_sum += out->pin_slabs;
    s->holds++;
    return ERR_OK;
}

int
store_hold_ready(struct store *s, const struct store_range *range, bool files,
                 struct store_hold *out)
{
    bool ready = s->cold_buffers == 0;
    for (uint32_t i = 0; files && i < s->cold_buffers; i++)
        ready = ready || (s->buffers[i].log == range->log && !s->buffers[i].busy);
    return s->hold_late || !ready ? ERR_AGAIN : store_hold(s, range, 0, out);
}

void
store_release(struct store *s, struct store_hold *hold)
{
    /* Given back to the store it came from, each once. */
    must(!hold->pin && (hold->pin_slabs & 0xff) == s->core + 1);
    must(s->holds > 0 && hold->pin_slabs >> 8 <= s->pin_next);
    s->holds--;
    s->pin_sum -= hold->pin_slabs;
    must(s->holds || s->pin_sum == 0);
}

bool
store_lent_short(const struct store *s)
{
    return s->lent_short;
}

bool
store_reads_wait(const struct store *s)
{
    return s->waiter_count > 0;
}

bool
store_take_read(struct store *s, uint64_t *waiter)
{
    if (s->hold_late || s->waiter_count == 0)
        return false;
    *waiter = s->waiters[--s->waiter_count];
    return true;
}

#endif
