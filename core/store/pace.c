/* pace.c: background work at an even speed. */
#include "core/store/pace.h"
#include "core/base/err.h"

/* How long one sleep may last: *stop has no bell of its own. */
#define PACE_SLEEP_NS (100 * CLOCK_NS_PER_MS)

static uint64_t
rate_of(const struct pace *p)
{
    int64_t live = p->live ? atomic_load_explicit(p->live, memory_order_relaxed) : -1;
    return live < 0 ? p->bytes_per_second : (uint64_t)live;
}

uint64_t
pace_next(struct pace *p, uint64_t now_ns, uint64_t bytes)
{
    uint64_t rate = rate_of(p);
    if (rate == 0)
        return now_ns;
    uint64_t start = p->free_ns > now_ns ? p->free_ns : now_ns;
    /* Whole seconds first: the product of a large piece and a second does not fit. */
    p->free_ns = start + bytes / rate * CLOCK_NS_PER_S +
                 (uint64_t)((double)(bytes % rate) / (double)rate * (double)CLOCK_NS_PER_S);
    return start;
}

static bool
stopped(const struct pace *p)
{
    return p->stop && atomic_load_explicit(p->stop, memory_order_relaxed);
}

int
pace_wait(struct pace *p, uint64_t bytes)
{
    if (stopped(p))
        return ERR_CLOSED;
    if (!p->clock.ops)
        return ERR_OK;
    uint64_t now = p->clock.ops->now_ns(p->clock.self), from = pace_next(p, now, bytes);
    while (now < from) {
        uint64_t until = from - now > PACE_SLEEP_NS ? now + PACE_SLEEP_NS : from;
        p->clock.ops->wait(p->clock.self, until);
        if (stopped(p))
            return ERR_CLOSED;
        now = p->clock.ops->now_ns(p->clock.self);
    }
    return ERR_OK;
}
