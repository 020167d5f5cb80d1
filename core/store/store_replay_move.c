/* store_replay_move.c: what recovery does about logs that moved (store_move.c).
 *
 * A durable MOVE record says that the copy is the log: all that was in the old files when it was
 * appended is in the new ones.  So the records before it are replayed into the new files too, which
 * have their bytes already, and the old ones are not looked at.  The first replay, which only looks
 * (replay.dry), notes the moves.
 *
 * Files of a log in another directory than its own are copies, of a move that did not end or of one
 * that did: they go, unless that move goes on with them (store_copied.c), or a record may be
 * missing or the log is damaged: then they are kept as strays. */
#include "core/base/err.h"
#include "core/store/store_replay_in.h"

#include <stdlib.h>

static int
move_note(struct replay *r, const struct replay_move *x)
{
    if (r->move_count == r->move_room) {
        uint32_t room = r->move_room ? r->move_room * 2 : 16;
        void *more = realloc(r->moves, room * sizeof *r->moves);
        if (!more)
            return ERR_LIMIT;
        r->moves = more;
        r->move_room = room;
    }
    r->moves[r->move_count++] = *x;
    return ERR_OK;
}

int
store_replay_moves_take(struct replay *r, const struct replay *dry)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < dry->move_count && rc == ERR_OK; i++)
        if (!store_replay_log_is_cut(dry, dry->moves[i].log, dry->moves[i].lsn))
            rc = move_note(r, &dry->moves[i]);
    return rc;
}

void
store_replay_move_place(struct replay *r, struct plog *p)
{
    for (uint32_t i = 0; i < r->move_count && !r->dry; i++)
        if (r->moves[i].core == r->core && r->moves[i].log == p->id)
            memcpy(p->dir_id, r->moves[i].id, sizeof p->dir_id);
    p->dir = store_dir_find(&r->dirs, p->dir_id);
}

int
store_replay_wish(struct replay *r, struct view body)
{
    struct cur c = cur_of(body);
    struct replay_log *l = store_replay_log(r, cur_u64(&c));
    struct view id = cur_view(&c, 16);
    if (c.bad || cur_left(&c))
        return ERR_CORRUPT;
    if (l && !l->log.dead)
        store_wish_replay(&l->log, id.at);
    return ERR_OK;
}

int
store_replay_copy(struct replay *r, struct view body)
{
    struct cur c = cur_of(body);
    struct replay_log *l = store_replay_log(r, cur_u64(&c));
    struct plog none;
    store_copied_replay(l && !l->log.dead ? &l->log : &none, &c);
    return c.bad || cur_left(&c) ? ERR_CORRUPT : ERR_OK;
}

void
store_replay_copies(struct replay *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct plog *p = &r->logs[i]->log;
        bool good = p->wished && !p->dead && !p->damage && p->dir != PLOG_DIR_NONE && !r->gaps &&
                    !r->logs[i]->doubt;
        if (!good || !store_copied_fits(p))
            p->copied = (struct plog_copied){0};
    }
}

int
store_replay_move(struct replay *r, uint64_t lsn, struct view body)
{
    struct replay_move x = {.core = r->core, .lsn = lsn};
    struct cur c = cur_of(body);
    x.log = cur_u64(&c);
    struct view id = cur_view(&c, sizeof x.id);
    if (c.bad || cur_left(&c))
        return ERR_CORRUPT;
    memcpy(x.id, id.at, sizeof x.id);
    struct replay_log *l = store_replay_log(r, x.log);
    if (!l || l->log.dead)
        return ERR_OK;
    if (memcmp(l->log.wish_id, x.id, sizeof x.id) == 0)
        l->log.wished = false;
    l->log.copied = (struct plog_copied){0};
    if (!r->dry)
        return ERR_OK;
    memcpy(l->log.dir_id, x.id, sizeof x.id);
    l->log.dir = store_dir_find(&r->dirs, x.id);
    if (l->log.dir == PLOG_DIR_NONE) /* they had ended */
        store_replay_extents_forget(r, l, INT64_MIN, INT64_MAX);
    return move_note(r, &x);
}

bool
store_replay_move_copy(const struct replay *r, struct disk *disk, uint8_t dir, const char *path,
                       int *rc)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct plog *p = &r->logs[i]->log;
        char own[PLOG_PATH_BYTES];
        plog_path_dir(p, own);
        if (strcmp(own, path) != 0)
            continue;
        if (!p->dead && (p->dir == PLOG_DIR_NONE || p->dir == dir || p->damage != PLOG_WHOLE))
            continue;
        if (!p->dead && p->copied.to && store_dir_find(&r->dirs, p->wish_id) == dir)
            return true;
        struct plog at = {.partition = p->partition, .dir = dir};
        memcpy(at.topic, p->topic, sizeof at.topic);
        *rc = move_run_remove(disk, &at, NULL);
        return true;
    }
    return false;
}
