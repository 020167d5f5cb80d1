/* surge.c: bytes by window.  A surge begins as soon as one window has its share, and ends behind a
 * window with less than half of it, so that a rate near the limit does not change the way all the
 * time. */
#include "core/store/surge.h"

static uint64_t
share(const struct surge *s)
{
    return s->bytes_per_second / (CLOCK_NS_PER_S / SURGE_WINDOW_NS);
}

static void
roll(struct surge *s, uint64_t now_ns)
{
    if (now_ns < s->end_ns)
        return;
    bool next = now_ns - s->end_ns < SURGE_WINDOW_NS;
    s->high = next && s->bytes > (s->high ? share(s) / 2 : share(s));
    s->bytes = 0;
    s->end_ns = now_ns + SURGE_WINDOW_NS;
}

bool
surge_high(struct surge *s, uint64_t now_ns, uint64_t bytes)
{
    if (s->bytes_per_second == 0)
        return true;
    roll(s, now_ns);
    return s->high || s->bytes + bytes > share(s);
}

void
surge_add(struct surge *s, uint64_t now_ns, uint64_t bytes)
{
    roll(s, now_ns);
    s->bytes += bytes;
}
