/* disk_file.c: bytes of files.
 *
 * Every change of a sector takes the next stamp.  Between `safe` and `now` lie the versions in
 * `olds`: a power cut may leave any of them.  A sync makes the newest version durable that is not
 * younger than the sync itself; what came later stays undecided. */
#include "tests/sim/disk_mem_in.h"

#include <stdlib.h>
#include <string.h>

struct disk_file *
disk_file_of(struct disk_mem *d, int32_t number)
{
    must(number >= 0 && number < DISK_OPEN_MAX && d->open[number] >= 0);
    return &d->files[d->open[number]];
}

static void
grow(void **at, uint64_t old, uint64_t bytes)
{
    *at = realloc(*at, bytes);
    must(*at);
    memset((uint8_t *)*at + old, 0, bytes - old);
}

void
disk_file_room(struct disk_file *f, uint64_t bytes)
{
    if (bytes <= f->room)
        return;
    uint64_t room = f->room ? f->room : DISK_BLOCK;
    while (room < bytes)
        room *= 2;
    uint64_t old = f->room / DISK_SECTOR * sizeof(uint64_t);
    uint64_t stamps = room / DISK_SECTOR * sizeof(uint64_t);
    grow((void **)&f->now, f->room, room);
    grow((void **)&f->safe, f->room, room);
    grow((void **)&f->now_stamp, old, stamps);
    grow((void **)&f->safe_stamp, old, stamps);
    grow((void **)&f->stuck, old, stamps);
    f->room = room;
}

/* Keeps what a sector holds now, if that is not durable, before it changes. */
static void
sector_change(struct disk_mem *d, struct disk_file *f, uint64_t s)
{
    if (f->now_stamp[s] > f->safe_stamp[s]) {
        if (f->old_count == f->old_room) {
            f->old_room = f->old_room ? f->old_room * 2 : 16;
            f->olds = realloc(f->olds, f->old_room * sizeof *f->olds);
            must(f->olds);
        }
        struct disk_version *v = &f->olds[f->old_count++];
        *v = (struct disk_version){.sector = s, .stamp = f->now_stamp[s]};
        memcpy(v->bytes, f->now + s * DISK_SECTOR, DISK_SECTOR);
    }
    f->now_stamp[s] = d->stamp;
}

void
disk_file_write(struct disk_mem *d, struct disk_file *f, uint64_t offset, const void *at,
                uint64_t len)
{
    if (len == 0)
        return;
    disk_file_room(f, offset + len);
    d->stamp++;
    for (uint64_t s = offset / DISK_SECTOR; s * DISK_SECTOR < offset + len; s++)
        sector_change(d, f, s);
    memcpy(f->now + offset, at, len);
    if (f->size < offset + len)
        f->size = offset + len;
}

static void
olds_drop(struct disk_file *f, uint64_t first, uint64_t last, uint64_t stamp)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->old_count; i++) {
        const struct disk_version *v = &f->olds[i];
        if (v->sector >= first && v->sector <= last && v->stamp <= stamp)
            continue;
        if (kept != i)
            f->olds[kept] = *v;
        kept++;
    }
    f->old_count = kept;
}

void
disk_file_durable(struct disk_file *f, uint64_t offset, uint64_t len)
{
    if (len == 0)
        return;
    uint64_t first = offset / DISK_SECTOR, last = (offset + len - 1) / DISK_SECTOR;
    memcpy(f->safe + first * DISK_SECTOR, f->now + first * DISK_SECTOR,
           (last - first + 1) * DISK_SECTOR);
    memcpy(f->safe_stamp + first, f->now_stamp + first, (last - first + 1) * sizeof *f->now_stamp);
    if (f->old_count)
        olds_drop(f, first, last, UINT64_MAX);
    if (f->safe_size < offset + len) {
        f->safe_size = offset + len;
        f->safe_size_stamp = f->now_stamp[last];
    }
}

void
disk_file_truncate(struct disk_mem *d, struct disk_file *f, uint64_t size)
{
    disk_file_room(f, size);
    d->stamp++;
    for (uint64_t s = size / DISK_SECTOR; s * DISK_SECTOR < f->size; s++)
        sector_change(d, f, s);
    if (f->size > size)
        memset(f->now + size, 0, f->size - size);
    f->size = size;
}

void
disk_file_sync(struct disk_file *f, uint64_t stamp, uint64_t size)
{
    for (uint32_t i = 0; i < f->old_count; i++) { /* in order of time */
        const struct disk_version *v = &f->olds[i];
        if (v->stamp > stamp || v->stamp <= f->safe_stamp[v->sector] ||
            v->stamp <= f->stuck[v->sector])
            continue;
        memcpy(f->safe + v->sector * DISK_SECTOR, v->bytes, DISK_SECTOR);
        f->safe_stamp[v->sector] = v->stamp;
    }
    for (uint64_t s = 0, count = f->room / DISK_SECTOR; s < count; s++) {
        if (f->now_stamp[s] > stamp || f->now_stamp[s] <= f->safe_stamp[s] ||
            f->now_stamp[s] <= f->stuck[s])
            continue;
        memcpy(f->safe + s * DISK_SECTOR, f->now + s * DISK_SECTOR, DISK_SECTOR);
        f->safe_stamp[s] = f->now_stamp[s];
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->old_count; i++)
        if (f->olds[i].stamp > f->safe_stamp[f->olds[i].sector])
            f->olds[kept++] = f->olds[i];
    f->old_count = kept;
    if (stamp < f->safe_size_stamp)
        return; /* a sync that was submitted later has ended before */
    f->safe_size = size;
    f->safe_size_stamp = stamp;
}

void
disk_file_stick(struct disk_file *f, uint64_t stamp)
{
    for (uint64_t s = 0, count = f->room / DISK_SECTOR; s < count; s++)
        if (f->now_stamp[s] > f->safe_stamp[s])
            f->stuck[s] = stamp;
}

void
disk_file_free(struct disk_file *f)
{
    free(f->now);
    free(f->safe);
    free(f->now_stamp);
    free(f->safe_stamp);
    free(f->stuck);
    free(f->olds);
    *f = (struct disk_file){0};
}
