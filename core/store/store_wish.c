/* store_wish.c: which data directory a log is wanted in, over restarts.
 *
 * A move (store_move.c) begins with a WISH record, and is answered when that is durable.  From then
 * on the log has the wish (plog_in.h) until it is in that directory, a later wish takes its place,
 * or the move fails.  A start that finds a log with a wish makes it wait for its move again, which
 * goes on with the copies that are there (store_copied.c).  A directory that is not there keeps its
 * wishes for a later start. I1 A wish never names the directory where the log is. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

void
store_wish_replay(struct plog *p, const uint8_t dir_id[16])
{
    p->wished = memcmp(dir_id, p->dir_id, sizeof p->dir_id) != 0;
    memcpy(p->wish_id, dir_id, sizeof p->wish_id);
    p->copied = (struct plog_copied){0};
}

void
store_wish_met(struct plog *p)
{
    if (memcmp(p->wish_id, p->dir_id, sizeof p->dir_id) == 0)
        p->wished = false;
}

int
store_wish_append(struct store *s, struct plog *p, uint8_t dir, uint8_t lives, uint64_t *lsn)
{
    const uint8_t *id = s->dirs.dirs[dir].id;
    *lsn = p->wish_lsn;
    if (dir == (p->wished ? store_dir_find(&s->dirs, p->wish_id) : p->dir))
        return ERR_OK;
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_WISH, STORE_MOVE_BYTES, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK)
        return rc;
    set_u64(slot.body, p->id);
    memcpy(slot.body + 8, id, sizeof p->wish_id);
    memcpy(p->wish_id, id, sizeof p->wish_id);
    p->wished = dir != lives;
    p->copied = (struct plog_copied){0};
    *lsn = p->wish_lsn = slot.lsn;
    return ERR_OK;
}

void
store_wish_resume(struct store *s, struct plog *p)
{
    if (!p->wished || p->dead || p->state == PLOG_OFFLINE)
        return;
    uint8_t dir = store_dir_find(&s->dirs, p->wish_id);
    if (dir == PLOG_DIR_NONE)
        return;
    if (dir == p->dir) { /* it came there under another id: the first directory has two */
        p->wished = false;
        return;
    }
    char path[PLOG_PATH_BYTES];
    plog_path_dir(p, path);
    log_info("store", "a move goes on that a stop interrupted path=%s from=%u to=%u copied=%llu",
             path, p->dir, dir, (unsigned long long)store_copied_bytes(p));
    p->move_to = p->copies_in = dir;
    list_push_back(&s->move.queue, &p->move_node);
}
