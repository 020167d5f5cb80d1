/* sim_model.c: the random source, failing, and what each log ought to be. */
#include "core/wire/kerr.h"
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t
sim_random(struct sim *s)
{
    s->rng ^= s->rng << 13;
    s->rng ^= s->rng >> 7;
    s->rng ^= s->rng << 17;
    return s->rng * UINT64_C(0x2545f4914f6cdd1d);
}

uint32_t
sim_below(struct sim *s, uint32_t limit)
{
    return (uint32_t)((sim_random(s) >> 32) * limit >> 32);
}

bool
sim_chance(struct sim *s, uint32_t in)
{
    return sim_below(s, in) == 0;
}

void
sim_fail(const struct sim *s, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fprintf(stderr, "seed %llu step %llu: %s\n", (unsigned long long)s->seed,
            (unsigned long long)s->step, text);
    fflush(stderr);
    _exit(3);
}

void
sim_say(const struct sim *s, const char *fmt, ...)
{
    if (!s->verbose)
        return;
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "  step %llu: ", (unsigned long long)s->step);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- logs --------------------------------------------------------------------------------------
 */

void
sim_topic(const struct sim_log *l, uint8_t id[16])
{
    memset(id, 0, 16);
    set_u32(id, 0x51c3b07d);
    set_u32(id + 12, l->topic);
}

int64_t
sim_end(const struct sim_log *l)
{
    if (l->count == 0)
        return 0;
    const struct sim_batch *b = &l->batches[l->count - 1];
    return b->base + b->records;
}

struct sim_batch *
sim_add(struct sim_log *l)
{
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 256;
        l->batches = realloc(l->batches, l->room * sizeof *l->batches);
        must(l->batches);
    }
    struct sim_batch *b = &l->batches[l->count++];
    *b = (struct sim_batch){.producer = -1};
    return b;
}

struct sim_batch *
sim_at(const struct sim_log *l, int64_t offset)
{
    uint32_t low = 0, high = l->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct sim_batch *b = &l->batches[mid];
        if (b->base + b->records <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->count && l->batches[low].base <= offset ? &l->batches[low] : NULL;
}

void
sim_forget(struct sim_log *l)
{
    l->state = SIM_NONE;
    l->count = l->acked = 0;
    l->seen = l->start = l->start_asked = 0;
    l->start_lsn = 0;
    l->change_lsn = l->config_lsn = 0;
    l->config_count = 0;
    l->damaged = l->offline = l->held = false;
}

/* ---- producers ---------------------------------------------------------------------------------
 */

static int32_t
sequence_after(int32_t sequence, int32_t count)
{
    return (int32_t)(((int64_t)sequence + count) % ((int64_t)INT32_MAX + 1));
}

bool
sim_producer_next(const struct sim_log *l, int64_t producer, int16_t *epoch, int32_t *sequence)
{
    for (uint32_t i = l->count; i-- > 0;) {
        const struct sim_batch *b = &l->batches[i];
        if (b->producer != producer)
            continue;
        *epoch = b->epoch;
        *sequence = sequence_after(b->sequence, b->records);
        return true;
    }
    return false;
}

int
sim_producer(const struct sim_log *l, int64_t producer, int16_t epoch, int32_t sequence,
             int32_t records, const struct sim_batch **duplicate)
{
    int16_t last_epoch;
    int32_t want;
    if (!sim_producer_next(l, producer, &last_epoch, &want))
        return KERR_NONE;
    if (epoch < last_epoch)
        return KERR_INVALID_PRODUCER_EPOCH;
    if (epoch > last_epoch)
        return sequence == 0 ? KERR_NONE : KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    uint32_t kept = 0;
    for (uint32_t i = l->count; i-- > 0 && kept < PRODUCER_BATCHES;) {
        const struct sim_batch *b = &l->batches[i];
        if (b->producer != producer)
            continue;
        if (b->epoch != epoch)
            break;
        kept++;
        if (b->sequence == sequence && b->records == records) {
            *duplicate = b;
            return KERR_DUPLICATE_SEQUENCE_NUMBER;
        }
    }
    return sequence == want ? KERR_NONE : KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}
