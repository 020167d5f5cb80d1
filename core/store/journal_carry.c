/* journal_carry.c: under steady load the last records of a frame go with the next one.
 *
 *   frame      |hdr|r r r r r|r r r r r|r r r r|r r      |       the end of its last block would be
 *   becomes    |hdr|r r r r r|r r r r r|r r r r|         |       padding, half a block on average;
 *   and, open  |hdr|r r                                          for small records a fifth of all
 *
 * The records that are carried were the last to come.  The next frame is as old as they are
 * (journal_pace.c), and leaves with a block of its own at least, so none is carried twice.  Only
 * under steady load: a burst into an idle journal is durable as soon as it can be.  Nor in a frame
 * with records of extents only: next to their bytes the padding is nothing.
 *
 * I1 The records of a frame that was submitted are never moved.  I2 lsn do not change.
 * I3 The record of an extent stays in the frame that its bytes lie in front of: who asks by place
 *    whether they are written (journal_place_written) is told of that frame. */
#include "core/base/mutant.h"
#include "core/store/journal_in.h"

enum {
    CARRY_BYTES_MAX = 2 * JOURNAL_BLOCK, /* moved; and at most a block in front of the next */
    CARRY_GAIN_MIN = JOURNAL_BLOCK / 8,  /* of padding saved */
};

static uint32_t
padding(uint32_t used)
{
    return (uint32_t)(journal_round(used, JOURNAL_BLOCK) - used);
}

/* Is it worth it, and is there room for one frame more where this one lies? */
static bool
carry_wanted(struct journal *j, const struct frame *f)
{
    if (!f->fixed || !journal_may_carry(j) || f->cut_records == 0 ||
        f->used - f->cut > CARRY_BYTES_MAX || padding(f->used) < padding(f->cut) + CARRY_GAIN_MIN)
        return false;
    uint64_t end = journal_round(f->cut, JOURNAL_BLOCK) +
                   journal_round(FRAME_HEADER_BYTES + f->used - f->cut, JOURNAL_BLOCK);
    return f->place % j->config.arena_bytes + end <= j->config.arena_bytes &&
           f->ring % j->config.file_bytes + end <= j->config.file_bytes &&
           journal_arena_reach(j, f->place, end);
}

static void
carry(struct journal *j)
{
    struct frame *f = journal_frame_of(j, j->open);
    struct frame old = *f;
    uint8_t *at = j->arena + f->place % j->config.arena_bytes;
    uint32_t bytes = old.used - old.cut;
    uint64_t front = journal_round(old.cut, JOURNAL_BLOCK) + FRAME_HEADER_BYTES;
    memmove(at + front, at + old.cut, bytes);
    f->used = old.cut;
    f->records = old.cut_records;
    j->lsn_last[j->file_newest % j->config.file_count] = old.lsn_first + old.cut_records - 1;
    journal_frame_seal(j);
    journal_frame_begin(j, j->place_next, j->ring_next);
    struct frame *next = journal_frame_of(j, j->open);
    next->lsn_first = old.lsn_first + old.cut_records;
    next->used += bytes;
    next->records = old.records - old.cut_records;
    next->fixed = old.fixed;
    j->lsn_last[j->file_newest % j->config.file_count] = j->lsn_next - 1;
    j->open_since_ns = old.cut_ns;
    j->carried = (struct journal_carry){.from = old.place + old.cut, .by = front - old.cut};
    j->stats.carried += next->records;
}

void
journal_frame_end(struct journal *j)
{
    const struct frame *f = journal_frame_of(j, j->open);
    journal_pace_end(j);
    if (carry_wanted(j, f))
        carry(j);
    else
        journal_frame_seal(j);
}

bool
journal_carried(struct journal *j, struct journal_carry *out)
{
    *out = j->carried;
    j->carried = (struct journal_carry){0};
    return out->by != 0 && !mutant(MUTANT_CARRY_NOT_FOLLOWED);
}
