/* disk_cut.c: what a power cut leaves.
 *
 * Every file is taken in one of these ways: all old; all new; each sector any version it had; the
 * disk wrote in order up to some moment; or new but for a few sectors.  Names: none of the changes
 * that are not durable, all of them, those before some moment, or each for itself. */
#include "tests/sim/disk_mem_in.h"

#include <string.h>

enum cut_mode { CUT_OLD, CUT_NEW, CUT_EACH, CUT_ORDER, CUT_FEW_OLD, CUT_MODES };

static bool
choose(struct disk_mem *d)
{
    bool newer = d->choice & 1;
    d->choice >>= 1;
    return newer;
}

static bool
dirty(const struct disk_file *f, uint64_t s)
{
    return f->now_stamp[s] > f->safe_stamp[s];
}

/* Operations in flight may be done, each for itself; the queue is empty then: what they point to
 * may go. */
void
disk_cut_flight(struct disk_mem *d)
{
    while (d->queue_count) {
        uint32_t pick = (uint32_t)(disk_random(d) % d->queue_count);
        struct disk_queued q = d->queue[pick];
        d->queue[pick] = d->queue[--d->queue_count];
        const struct disk_op *op = q.op;
        bool open = op->kind != DISK_READ && op->kind != DISK_SYNC && op->kind != DISK_CLOSE &&
                    op->kind != DISK_SYNC_DIR && op->kind != DISK_SIZE && op->kind != DISK_OPEN;
        bool closed = op->kind == DISK_WRITE || op->kind == DISK_ALLOCATE ||
                      op->kind == DISK_TRUNCATE || op->kind == DISK_PUNCH;
        closed = closed && d->open[op->file] < 0; /* the process went before the power */
        if (!open || closed || !disk_chance(d, 2))
            continue;
        struct disk_op loose = *op;
        loose.flags &= ~(uint32_t)DISK_DURABLE; /* perhaps not all of it */
        q.op = &loose;
        disk_apply(d, &q);
    }
}

/* ---- sectors -----------------------------------------------------------------------------------
 */

/* The bytes of one of the versions of a sector: that of choice `k`, 0 the durable one. */
static const uint8_t *
version(const struct disk_file *f, uint64_t s, uint64_t k)
{
    if (k == 0)
        return f->safe + s * DISK_SECTOR;
    for (uint32_t i = 0; i < f->old_count; i++)
        if (f->olds[i].sector == s && f->olds[i].stamp > f->safe_stamp[s] && --k == 0)
            return f->olds[i].bytes;
    return f->now + s * DISK_SECTOR;
}

static uint64_t
versions(const struct disk_file *f, uint64_t s)
{
    uint64_t count = 2;
    for (uint32_t i = 0; i < f->old_count; i++)
        count += f->olds[i].sector == s && f->olds[i].stamp > f->safe_stamp[s];
    return count;
}

/* The newest version up to a moment. */
static const uint8_t *
version_at(const struct disk_file *f, uint64_t s, uint64_t stamp)
{
    if (f->now_stamp[s] <= stamp)
        return f->now + s * DISK_SECTOR;
    const uint8_t *best = f->safe + s * DISK_SECTOR;
    for (uint32_t i = 0; i < f->old_count; i++)
        if (f->olds[i].sector == s && f->olds[i].stamp > f->safe_stamp[s] &&
            f->olds[i].stamp <= stamp)
            best = f->olds[i].bytes;
    return best;
}

static const uint8_t *
sector_left(struct disk_mem *d, const struct disk_file *f, uint64_t s, enum cut_mode mode,
            uint64_t moment)
{
    if (d->choosing)
        return choose(d) ? f->now + s * DISK_SECTOR : f->safe + s * DISK_SECTOR;
    switch (mode) {
    case CUT_OLD:
        return f->safe + s * DISK_SECTOR;
    case CUT_NEW:
        return f->now + s * DISK_SECTOR;
    case CUT_EACH:
        return version(f, s, disk_random(d) % versions(f, s));
    case CUT_ORDER:
        return version_at(f, s, moment);
    default:
        return disk_chance(d, 8) ? f->safe + s * DISK_SECTOR : f->now + s * DISK_SECTOR;
    }
}

/* Bytes that were the same before and after stay; others may be anything. */
static void
sector_garble(struct disk_mem *d, const struct disk_file *f, uint64_t s, uint8_t *out)
{
    const uint8_t *a = f->safe + s * DISK_SECTOR, *b = f->now + s * DISK_SECTOR;
    for (uint32_t i = 0; i < DISK_SECTOR; i++)
        if (a[i] != b[i])
            out[i] = (uint8_t)disk_random(d);
}

static void
file_left(struct disk_mem *d, struct disk_file *f, uint64_t moment)
{
    if (f->room == 0)
        return;
    enum cut_mode mode = (enum cut_mode)(disk_random(d) % CUT_MODES);
    bool some = false;
    for (uint64_t s = 0; s < f->room / DISK_SECTOR; s++) {
        if (!dirty(f, s))
            continue;
        some = true;
        uint8_t left[DISK_SECTOR];
        memcpy(left, sector_left(d, f, s, mode, moment), DISK_SECTOR);
        if (d->garbage && !d->choosing && disk_chance(d, 16))
            sector_garble(d, f, s, left);
        memcpy(f->now + s * DISK_SECTOR, left, DISK_SECTOR);
        memcpy(f->safe + s * DISK_SECTOR, left, DISK_SECTOR);
    }
    if (f->size != f->safe_size &&
        !(d->choosing ? choose(d) : mode == CUT_NEW || disk_chance(d, 2)))
        f->size = f->safe_size;
    if (some || f->size < f->room) {
        memset(f->now + f->size, 0, f->room - f->size);
        memset(f->safe + f->size, 0, f->room - f->size);
    }
    f->safe_size = f->size;
    f->old_count = 0;
    memset(f->now_stamp, 0, f->room / DISK_SECTOR * sizeof *f->now_stamp);
    memset(f->safe_stamp, 0, f->room / DISK_SECTOR * sizeof *f->safe_stamp);
    memset(f->stuck, 0, f->room / DISK_SECTOR * sizeof *f->stuck);
}

/* ---- names -------------------------------------------------------------------------------------
 */

static bool
name_op_durable(const struct disk_name_op *o)
{
    return o->durable[0] && (o->count == 1 || o->durable[1]);
}

static bool
name_op_left(struct disk_mem *d, const struct disk_name_op *o, uint64_t mode, uint64_t moment)
{
    if (name_op_durable(o))
        return true;
    if (d->choosing)
        return choose(d);
    switch (mode) {
    case 0:
        return false;
    case 1:
        return true;
    case 2:
        return o->stamp <= moment;
    default:
        return disk_chance(d, 2);
    }
}

/* What lies in a directory that is gone is gone. */
static void
orphans_drop(struct disk_mem *d)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < d->name_count; i++) {
            struct disk_name *n = &d->names[i];
            if (n->now == DISK_NO_FILE || disk_name_parent_there(d, n->path))
                continue;
            n->now = n->safe = DISK_NO_FILE;
            again = true;
        }
    }
}

/* A directory that was removed takes along what was in it: the next one of that name is new. */
static void
name_becomes(struct disk_mem *d, uint32_t name, int32_t to)
{
    const struct disk_name *n = &d->names[name];
    size_t len = strlen(n->path);
    for (uint32_t i = 0; n->safe == DISK_IS_DIR && to == DISK_NO_FILE && i < d->name_count; i++)
        if (strncmp(d->names[i].path, n->path, len) == 0 && d->names[i].path[len] == '/')
            d->names[i].safe = DISK_NO_FILE;
    d->names[name].safe = to;
}

static void
names_left(struct disk_mem *d, uint64_t moment)
{
    uint64_t mode = disk_random(d) % 4;
    static bool left[1 << 16];
    must(d->name_op_count <= sizeof left / sizeof *left);
    for (uint32_t i = 0; i < d->name_op_count; i++) {
        const struct disk_name_op *o = &d->name_ops[i];
        left[i] = name_op_left(d, o, mode, moment);
    }
    /* A directory that was not moved after all has its files again. */
    for (uint32_t i = d->name_op_count; i-- > 0;) {
        const struct disk_name_op *o = &d->name_ops[i];
        if (!left[i] && o->moves_dir) {
            char from[DISK_PATH_BYTES], to[DISK_PATH_BYTES];
            memcpy(from, d->names[o->name[1]].path, sizeof from);
            memcpy(to, d->names[o->name[0]].path, sizeof to);
            disk_name_move_children(d, from, to);
        }
    }
    for (uint32_t i = 0; i < d->name_op_count; i++) {
        const struct disk_name_op *o = &d->name_ops[i];
        for (uint32_t e = 0; left[i] && e < o->count; e++)
            name_becomes(d, o->name[e], o->to[e]);
    }
    d->name_op_count = 0;
    for (uint32_t i = 0; i < d->name_count; i++)
        d->names[i].now = d->names[i].safe;
    orphans_drop(d);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

uint32_t
disk_mem_pending(const struct disk_mem *d)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->file_count; i++) {
        const struct disk_file *f = &d->files[i];
        for (uint64_t s = 0; s < f->room / DISK_SECTOR; s++)
            count += dirty(f, s);
        count += f->room && f->size != f->safe_size;
    }
    for (uint32_t i = 0; i < d->name_op_count; i++)
        count += !name_op_durable(&d->name_ops[i]);
    return count;
}

void
disk_mem_choose(struct disk_mem *d, uint64_t choice)
{
    d->choosing = true;
    d->choice = choice;
}

void
disk_mem_restart(struct disk_mem *d)
{
    if (d->left)
        disk_cut_flight(d);
    uint64_t moment = d->stamp ? disk_random(d) % d->stamp + 1 : 0;
    if (disk_chance(d, 2)) /* late more often than early */
        moment = d->stamp - disk_random(d) % (d->stamp < 16 ? d->stamp + 1 : 16);
    for (uint32_t i = 0; i < d->file_count; i++)
        file_left(d, &d->files[i], moment);
    names_left(d, moment);
    d->choosing = false;
    disk_mem_reopen(d);
    disk_name_sweep(d);
}
