/* clock.h: port for time and for sleep.  Loops call it; machines get now_ns as an argument.
 *
 * Implemented by drivers/uring (the ring sleeps for both sockets and files) and by the simulator
 * (virtual time).  One instance a loop; only its own thread calls it, except wake(). */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S  UINT64_C(1000000000)
#define CLOCK_NEVER     UINT64_MAX

/* System calls since the loop began. */
struct clock_calls {
    uint64_t enters; /* of wait(), and of ports that had no room to queue */
    uint64_t wakes;  /* of wake(), by whoever called it */
};

struct clock_ops {
    /* Monotonic nanoseconds since an arbitrary point. */
    uint64_t (*now_ns)(void *self);
    /* Milliseconds since 1970, for record timestamps and log lines.  May jump. */
    int64_t (*wall_ms)(void *self);
    /* Submits what the ports queued; sleeps until a completion, a wake() or deadline_ns, whichever
     * is first.  A deadline in the past submits and reaps without sleeping. */
    void (*wait)(void *self, uint64_t deadline_ns);
    /* Ends the present or the next wait() of this loop.  Any thread may call it. */
    void (*wake)(void *self);
    /* NULL: not counted. */
    void (*calls)(void *self, struct clock_calls *out);
};

struct clock {
    const struct clock_ops *ops;
    void *self;
};

#endif
