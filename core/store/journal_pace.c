/* journal_pace.c: when the open frame goes out.
 *
 * While nothing is on its way it goes at once; else it fills, for JOURNAL_WAIT_NS at most: the
 * records of one producer that waits for each answer never wait here.
 *
 *   records      r  r  r  r  r  r  r  r  r  r  r  r       of 170 bytes, one every 20 us
 *   at once      [r---][rr--][rr--][rr--][rr--][rr--]     a write of 40 us, 4 KiB for each two
 *   held         [rrrrrrrrrrrrrrrrrrrrrrr-]               one of 24
 *
 * That is dear under a load of small records: each frame is a block at least, and the faster the
 * disk the emptier they are.  So under steady load a frame without a whole block is held: for as
 * long as a write takes, within config.hold_least_ns and hold_most_ns.  Steady: at the pace of the
 * last blocks the next one is full in two thirds of that; a pace swings.  What is held may come
 * from producers that all wait for it, and then waiting brings nothing: after a frame that was held
 * for nothing no other is for 4 times as long, then 8, up to 64.
 *
 * Frames that tell of extents are not held.  How much of a frame goes out: journal_carry.c. */
#include "core/store/journal_in.h"

#define JOURNAL_WAIT_NS UINT64_C(250000)

enum {
    PACE_WEIGHT = 4,  /* of what was, beside one more block */
    PACE_SLOWEST = 8, /* times the longest wait: slower is not told apart */
    WRITE_WEIGHT = 8, /* of the writes before */
    REST_FIRST = 4,   /* times a hold that was for nothing */
    REST_MOST = 64,
};

static uint64_t
hold_ns(const struct journal *j)
{
    uint64_t least = j->config.hold_least_ns, most = j->config.hold_most_ns;
    uint64_t ns = j->pace.write_ns;
    return ns < least ? least : ns > most ? most : ns;
}

static bool
all_written(const struct journal *j)
{
    return j->seq_submitted == j->seq_written;
}

static bool
steady(const struct journal *j)
{
    const struct journal_pace *p = &j->pace;
    uint64_t hold = hold_ns(j);
    return p->block_ns && p->block_ns + p->block_ns / 2 <= hold &&
           j->now_ns - p->since_ns < 2 * hold;
}

bool
journal_may_carry(const struct journal *j)
{
    return steady(j) && (j->now_ns >= j->pace.rest_until_ns || !all_written(j));
}

void
journal_pace_note(struct journal *j)
{
    struct journal_pace *p = &j->pace;
    if (j->config.hold_most_ns == 0 || p->bytes < JOURNAL_BLOCK)
        return;
    uint64_t ns = (j->now_ns - p->since_ns) * JOURNAL_BLOCK / p->bytes;
    uint64_t most = PACE_SLOWEST * j->config.hold_most_ns;
    if (ns > most || p->since_ns == 0)
        ns = most;
    p->block_ns = (p->block_ns * (PACE_WEIGHT - 1) + ns) / PACE_WEIGHT;
    p->since_ns = j->now_ns;
    p->bytes = 0;
}

void
journal_pace_write(struct journal *j, uint64_t ns)
{
    struct journal_pace *p = &j->pace;
    p->write_ns = (p->write_ns * (WRITE_WEIGHT - 1) + ns) / WRITE_WEIGHT;
}

static bool
held(const struct journal *j, const struct frame *f)
{
    return f->fixed && !f->tells && f->used < JOURNAL_BLOCK && j->now_ns >= j->pace.rest_until_ns &&
           steady(j);
}

/* Half of the places in flight are for frames with whole blocks. */
static bool
crowded(const struct journal *j, const struct frame *f)
{
    return j->config.hold_most_ns && f->used < JOURNAL_BLOCK &&
           j->seq_submitted - j->seq_written >= (j->config.frames_in_flight + 1) / 2;
}

uint64_t
journal_frame_due(const struct journal *j)
{
    const struct frame *f = journal_frame_of(j, j->open);
    if (j->open_since_ns == CLOCK_NEVER)
        return j->now_ns;
    if (held(j, f))
        return j->open_since_ns + hold_ns(j);
    if (all_written(j))
        return j->now_ns;
    return crowded(j, f) ? CLOCK_NEVER : j->open_since_ns + JOURNAL_WAIT_NS;
}

void
journal_pace_end(struct journal *j)
{
    struct journal_pace *p = &j->pace;
    if (j->now_ns < p->rest_until_ns || !steady(j))
        return;
    if (all_written(j) && held(j, journal_frame_of(j, j->open))) {
        p->rest = p->rest ? p->rest * 2 : REST_FIRST;
        if (p->rest > REST_MOST)
            p->rest = REST_MOST;
        p->rest_until_ns = j->now_ns + p->rest * hold_ns(j);
    } else {
        p->rest /= 2;
    }
}
