/* store_stage.c: append in two halves (store.h): the place of a batch first, the batch later.
 *
 * The place depends on the log's last segment: how much of it is used, and whether it is full.  A
 * batch that would begin another one goes the way of store_append: a largest time that only the
 * header claims must not roll segments.
 * I1 a staged batch is the newest record of the journal, so it can be taken back. */
#include "core/base/err.h"
#include "core/store/store_in.h"
#include "core/wire/kerr.h"

int
store_stage(struct store *s, struct plog *p, const struct batch_info *info, int64_t now_ms,
            const uint8_t **at)
{
    must(!s->stage.log && !p->dead);
    if (p->state == PLOG_OFFLINE || !store_append_fits(s, info) ||
        plog_roll_wanted(p, info, store_time_of(p, info, now_ms)))
        return ERR_LIMIT;
    int rc = store_room_take(s, p->dir, info->bytes);
    if (rc == ERR_NO_SPACE)
        return ERR_LIMIT;
    if (rc == ERR_OK) {
        journal_mark(s->journal);
        rc = store_land(s, p, info, &s->stage.land);
        if (rc != ERR_OK)
            store_room_give(s, p->dir, info->bytes);
    }
    if (rc == ERR_AGAIN)
        s->stats.journal_wait_turns++;
    if (rc != ERR_OK)
        return rc;
    s->stage.log = p;
    s->stage.room = info->bytes;
    struct store_landing *land = &s->stage.land;
    if (!land->extent)
        fill_begin(&land->fill, NULL, land->at, 0, info->bytes);
    *at = s->stage.land.at;
    return ERR_OK;
}

void
store_stage_put(struct store *s, const void *from, uint32_t n)
{
    must(s->stage.log);
    fill_add(&s->stage.land.fill, from, n);
}

uint32_t
store_stage_crc(const struct store *s)
{
    must(s->stage.log);
    return fill_crc(&s->stage.land.fill);
}

void
store_unstage(struct store *s)
{
    must(s->stage.log);
    journal_take_back(s->journal);
    store_room_give(s, s->stage.log->dir, s->stage.room);
    s->stage.log = NULL;
}

int
store_append_staged(struct store *s, const struct batch_info *info, int32_t leader_epoch,
                    int64_t now_ms, struct store_appended *out)
{
    struct plog *p = s->stage.log;
    must(p && info->bytes == s->stage.room);
    int code = store_append_asked(p, info, out);
    if (code == KERR_NONE)
        code = store_append_reserve(p, info);
    if (code == KERR_NONE && plog_roll_wanted(p, info, store_time_of(p, info, now_ms)))
        code = ERR_LIMIT; /* its records are of another time than its header said */
    if (code != KERR_NONE) {
        store_unstage(s);
        return code;
    }
    struct store_stamp stamp = {leader_epoch, now_ms};
    s->stage.log = NULL;
    store_landed(s, p, info, &s->stage.land, &stamp, out);
    return KERR_NONE;
}
