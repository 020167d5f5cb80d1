/* check_journal.c: the journal of a core, looked over; and what it says that the checkpoint before
 * it does not know: logs that were deleted, that moved or begin later, segments that compaction
 * replaced.  Files that are missing for such a reason are no damage: a start ends what was begun.
 */
#include "core/base/err.h"
#include "core/store/check.h"
#include "core/store/check_in.h"

#include <stdio.h>
#include <stdlib.h>

struct look {
    struct check *c;
    struct check_facts *facts;
};

/* Notes a record that changes which files a log has; false without memory. */
static bool
fact_take(struct check_facts *f, uint32_t kind, struct view body)
{
    struct check_fact x = {.kind = kind};
    struct cur c = cur_of(body);
    x.log = cur_u64(&c);
    if (kind == STORE_REC_START) {
        x.first = cur_i64(&c);
    } else if (kind == STORE_REC_SWAP) {
        x.first = cur_i64(&c);
        x.limit = cur_i64(&c);
    } else if (kind == STORE_REC_MOVE) {
        struct view id = cur_view(&c, sizeof x.dir_id);
        if (id.len)
            memcpy(x.dir_id, id.at, sizeof x.dir_id);
    } else if (kind != STORE_REC_DELETE) {
        return true;
    }
    if (c.bad)
        return true; /* a start tells of it */
    if (f->count == f->room) {
        uint32_t room = f->room ? f->room * 2 : 64;
        struct check_fact *more = realloc(f->facts, room * sizeof *more);
        if (!more)
            return false;
        f->facts = more;
        f->room = room;
    }
    f->facts[f->count++] = x;
    return true;
}

void
check_facts_free(struct check_facts *f)
{
    free(f->facts);
    *f = (struct check_facts){0};
}

void
check_facts_apply(const struct check_facts *f, struct plog *p)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct check_fact *x = &f->facts[i];
        if (x->log != p->id)
            continue;
        if (x->kind == STORE_REC_DELETE)
            p->dead = true;
        else if (x->kind == STORE_REC_START && x->first <= p->end)
            plog_start_set(p, x->first);
        else if (x->kind == STORE_REC_START)
            p->start = x->first; /* behind what the checkpoint knows: all that it knows is gone */
        else if (x->kind == STORE_REC_MOVE)
            memcpy(p->dir_id, x->dir_id, sizeof p->dir_id);
    }
}

bool
check_facts_replaced(const struct check_facts *f, const struct plog *p, int64_t base)
{
    if (p->unfinished.limit && base >= p->unfinished.first && base < p->unfinished.limit)
        return true;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->facts[i].kind == STORE_REC_SWAP && f->facts[i].log == p->id &&
            base >= f->facts[i].first && base < f->facts[i].limit)
            return true;
    return false;
}

static int
record_check(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    const struct look *l = user;
    struct check *c = l->c;
    struct batch_info info;
    c->journal_records++;
    if (!fact_take(l->facts, kind, body))
        return ERR_LIMIT;
    struct batch_place x;
    if (kind != STORE_REC_BATCH)
        return ERR_OK;
    if (store_record_read(kind, body, &x) == ERR_OK && batch_header(x.rest, &info) == ERR_OK &&
        info.bytes == x.len && batch_crc_ok(x.rest, &info))
        return ERR_OK;
    char path[48];
    snprintf(path, sizeof path, "journal record %llu", (unsigned long long)lsn);
    check_tell(c, (struct check_finding){.bad = true,
                                         .what = "a batch in the journal is not good",
                                         .path = path,
                                         .position = -1,
                                         .offset_first = -1,
                                         .offset_limit = -1});
    return ERR_OK;
}

static int
gap_check(void *user, const struct journal_gap *gap)
{
    const struct look *l = user;
    check_tell(l->c,
               (struct check_finding){
                   .bad = true,
                   .what = "acknowledged records of the journal cannot be read; a start takes the "
                           "partitions that they may have been of offline",
                   .path = *gap->path ? gap->path : "journal",
                   .position = (int64_t)gap->offset,
                   .offset_first = -1,
                   .offset_limit = -1});
    return ERR_OK;
}

int
check_journal(struct check *c, uint32_t core, const struct ckpt_header *boot,
              const struct ckpt_header *ckpt, struct check_facts *facts)
{
    if (ckpt && ckpt->flags & CKPT_FLAG_CLEAN)
        return ERR_OK;
    char dir[32];
    snprintf(dir, sizeof dir, "core-%u", core);
    struct journal_config config;
    store_journal_config(boot->lsn, STORE_FILE_BYTES, 1, dir, &config);
    uint64_t seen = c->journal_records, after = ckpt ? ckpt->lsn : 0;
    struct journal_end end;
    struct look l = {c, facts};
    int rc = journal_recover(c->disk, &config, boot->generation, after, record_check, &l, &end);
    if (rc != ERR_CORRUPT && rc != ERR_IO)
        return rc;
    c->journal_records = seen;
    facts->count = 0;
    return journal_salvage(c->disk, &config, boot->generation, after, record_check, gap_check, &l);
}
