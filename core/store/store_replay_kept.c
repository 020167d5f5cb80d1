/* store_replay_kept.c: large batches of logs whose directory is not there at a start.
 *
 * Nobody can look whether an extent is in its file then.  One of which the journal says that it was
 * durable, or that a checkpoint counts, is taken for good.  From the first other one on (X1 in
 * store_replay_extent.c) the records of its log are not applied: the log, which is offline, ends
 * there for now, and they go to the rescue file as they are.  The start that has the directory
 * reads the interiors, and replays the records like those of a journal: up to the first extent that
 * is torn, or all.
 *
 * K1 Records that wait are of one generation, and in the order of their journal.  A recovery that
 * is cut off may leave them in two files: those that come again change nothing. K2 A MOVE was
 * appended when no extent of its log was on its way, and a SWAP when those of its segments had
 * ended: such an extent waits for nothing. K3 What is known without the files is applied at once: a
 * configuration, a deletion. */
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/store_replay_in.h"

/* An AGAIN record is about an extent that came before it, and maybe before `base` and `pos`. */
static bool
again_before(struct view body, int64_t base, uint32_t pos)
{
    struct batch_place x;
    return store_record_read(STORE_REC_AGAIN, body, &x) == ERR_OK &&
           (x.base < base || (x.base == base && x.pos < pos));
}

bool
store_replay_is_held(const struct replay *seen, uint64_t lsn, uint32_t kind, struct view body)
{
    uint64_t log;
    if (!seen || !seen->held_count || kind == STORE_REC_CREATE || kind == STORE_REC_DELETE ||
        kind == STORE_REC_MOVE || kind == STORE_REC_COPY || !store_record_log(kind, body, &log))
        return false;
    const struct replay_log *l = store_replay_log(seen, log);
    return l && l->held_lsn && !mutant(MUTANT_ABSENT_NOT_HELD) && lsn >= l->held_lsn &&
           (kind != STORE_REC_AGAIN || !again_before(body, l->held_base, l->held_pos));
}

bool
store_replay_kept_is_cut(const struct replay *seen, uint64_t log, uint64_t kept)
{
    const struct replay_log *l = seen ? store_replay_log(seen, log) : NULL;
    return l && l->kept_cut && kept >= l->kept_cut;
}

int
store_replay_kept(struct replay *r, struct replay_log *l, uint32_t kind, uint8_t *body,
                  uint32_t len)
{
    struct view v = view_of(body, len);
    if (len < 8)
        return ERR_CORRUPT;
    set_u64(body, l->log.id);
    r->kept = ++l->kept;
    int rc = ERR_OK;
    if (!r->dry && store_replay_kept_is_cut(r->seen, l->log.id, r->kept)) {
        const struct replay_log *was = store_replay_log(r->seen, l->log.id);
        if (kind == STORE_REC_AGAIN && again_before(v, was->cut_base, was->cut_pos))
            rc = store_replay_record(r, 0, kind, v);
        else
            r->cut_records++;
    } else {
        rc = store_replay_record(r, 0, kind, v);
    }
    r->kept = 0;
    return rc;
}
