/* disk_fault.c: faults of the device: errors, writes that are lost or go astray, bit rot, no space.
 *
 * A fault is armed for a kind of operation on paths that contain some text, lets the first ones
 * pass, meets the next ones, and is over. */
#include "core/base/err.h"
#include "tests/sim/disk_mem_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAULT_FREE_BYTES = 1 << 30 };

void
disk_mem_fault(struct disk_mem *d, const struct disk_fault *fault)
{
    must(d->fault_count < DISK_FAULTS_MAX);
    d->faults[d->fault_count++] = (struct disk_armed){.fault = *fault};
}

void
disk_mem_fault_clear(struct disk_mem *d)
{
    d->fault_count = 0;
}

void
disk_mem_fail(struct disk_mem *d, const char *part, enum disk_kind kind, int error)
{
    d->fault_count = 0;
    if (!part)
        return;
    struct disk_fault f = {
        .what = DISK_FAULT_ERROR, .kind = kind, .count = UINT64_MAX, .error = error};
    snprintf(f.part, sizeof f.part, "%s", part);
    disk_mem_fault(d, &f);
}

void
disk_mem_fail_dir(struct disk_mem *d, uint8_t dir, int error)
{
    d->dir_error[dir] = error;
}

void
disk_mem_hit(const struct disk_mem *d, struct disk_hit *out)
{
    *out = d->hit;
}

static bool
by_number(enum disk_kind kind)
{
    return kind == DISK_READ || kind == DISK_WRITE || kind == DISK_SYNC || kind == DISK_ALLOCATE ||
           kind == DISK_TRUNCATE || kind == DISK_PUNCH || kind == DISK_SIZE || kind == DISK_CLOSE;
}

const char *
disk_fault_path(const struct disk_mem *d, const struct disk_op *op)
{
    return by_number(op->kind) ? d->names[d->open_name[op->file]].path : op->path;
}

static void
fail(struct disk_mem *d, const struct disk_queued *q, const struct disk_op *op)
{
    if (op->kind == DISK_SYNC)
        disk_file_stick(disk_file_of(d, op->file), q->stamp);
    for (uint32_t at = 0; op->kind == DISK_WRITE && at < op->len; at += DISK_SECTOR) {
        uint32_t n = op->len - at < DISK_SECTOR ? op->len - at : DISK_SECTOR;
        if (disk_chance(d, 2))
            disk_file_write(d, disk_file_of(d, op->file), op->offset + at, (uint8_t *)op->at + at,
                            n);
    }
}

static int64_t
meet(struct disk_mem *d, const struct disk_fault *fault, const struct disk_queued *q)
{
    const struct disk_op *op = q->op;
    snprintf(d->hit.path, sizeof d->hit.path, "%s", disk_fault_path(d, op));
    d->hit.offset = op->offset;
    d->hit.len = op->len;
    d->hit.count++;
    switch (fault->what) {
    case DISK_FAULT_LOST:
        return op->len;
    case DISK_FAULT_ASTRAY: {
        struct disk_file *f = disk_file_of(d, op->file);
        uint64_t room = f->size > op->len ? f->size - op->len + 1 : 1;
        uint64_t to = (op->offset + fault->shift) % room / DISK_BLOCK * DISK_BLOCK;
        d->hit.offset = to;
        disk_file_write(d, f, to, op->at, op->len);
        if (op->flags & DISK_DURABLE)
            disk_file_durable(f, to, op->len);
        return op->len;
    }
    default:
        fail(d, q, op);
        return fault->error;
    }
}

bool
disk_fault_meets(struct disk_mem *d, const struct disk_queued *q, int64_t *result)
{
    const struct disk_op *op = q->op;
    const char *whole = disk_fault_path(d, op);
    uint64_t dir = whole && whole[0] == '@' ? strtoul(whole + 1, NULL, 10) : 0;
    if (whole && d->dir_error[dir] != ERR_OK && op->kind != DISK_CLOSE) {
        *result = d->dir_error[dir];
        return true;
    }
    for (uint32_t i = 0; i < d->fault_count; i++) {
        struct disk_armed *a = &d->faults[i];
        const char *path = a->fault.kind == op->kind ? whole : NULL;
        if (!path || !strstr(path, a->fault.part) || a->seen++ < a->fault.skip ||
            a->done >= a->fault.count)
            continue;
        a->done++;
        *result = meet(d, &a->fault, q);
        return true;
    }
    return false;
}

void
disk_mem_slow(struct disk_mem *d, uint32_t permille, uint32_t polls)
{
    d->slow_permille = permille;
    d->slow_polls = polls;
}

void
disk_mem_late(struct disk_mem *d, const char *part, uint32_t polls)
{
    d->late_part = part;
    d->late_polls = polls;
}

void
disk_mem_garbage(struct disk_mem *d, bool on)
{
    d->garbage = on;
}

bool
disk_mem_rot(struct disk_mem *d, const char *path, uint64_t at, uint8_t bits)
{
    const struct disk_name *n = disk_name_find(d, path);
    if (!n || n->now < 0 || at >= d->files[n->now].size)
        return false;
    struct disk_file *f = &d->files[n->now];
    f->now[at] ^= bits;
    f->safe[at] ^= bits;
    return true;
}

/* ---- a full disk -------------------------------------------------------------------------------
 */

static uint64_t
blocks_of(uint64_t bytes)
{
    return (bytes + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
}

void
disk_mem_capacity(struct disk_mem *d, uint64_t bytes)
{
    d->capacity = bytes;
}

uint64_t
disk_mem_used(const struct disk_mem *d)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < d->name_count; i++)
        if (d->names[i].now >= 0)
            bytes += blocks_of(d->files[d->names[i].now].size);
    return bytes;
}

uint64_t
disk_fault_space(const struct disk_mem *d)
{
    if (d->capacity == UINT64_MAX)
        return FAULT_FREE_BYTES;
    uint64_t used = disk_mem_used(d);
    return used < d->capacity ? d->capacity - used : 0;
}

uint64_t
disk_fault_size_limit(const struct disk_mem *d, const struct disk_file *f)
{
    return d->capacity == UINT64_MAX ? UINT64_MAX : blocks_of(f->size) + disk_fault_space(d);
}
