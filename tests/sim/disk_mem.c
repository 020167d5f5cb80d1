/* disk_mem.c: a disk in memory: life, operations, and the order in which they complete.
 *
 * An operation takes effect when it completes (a poll, or run()); what a sync covers is fixed when
 * it is submitted.  After a cut nothing completes any more. */
#include "tests/sim/disk_mem.h"
#include "core/base/err.h"
#include "tests/sim/disk_mem_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t
disk_random(struct disk_mem *d)
{
    d->rng ^= d->rng << 13;
    d->rng ^= d->rng >> 7;
    d->rng ^= d->rng << 17;
    return d->rng;
}

bool
disk_chance(struct disk_mem *d, uint32_t in)
{
    return disk_random(d) % in == 0;
}

/* ---- operations --------------------------------------------------------------------------------
 */

static int64_t
op_open(struct disk_mem *d, const struct disk_op *op)
{
    const struct disk_name *n = disk_name_find(d, op->path);
    uint32_t index = n ? (uint32_t)(n - d->names) : 0;
    if (!n || n->now == DISK_NO_FILE) {
        if (!(op->flags & DISK_CREATE) || !disk_name_parent_there(d, op->path))
            return ERR_NOT_FOUND;
        uint32_t file = 0;
        while (file < d->file_count && d->files[file].used)
            file++;
        must(file < DISK_FILES_MAX);
        if (file == d->file_count)
            d->file_count++;
        d->files[file].used = true;
        index = disk_name_make(d, op->path);
        disk_name_set(d, index, (int32_t)file);
    } else if (op->flags & DISK_EXCLUSIVE || n->now == DISK_IS_DIR) {
        return ERR_EXISTS;
    }
    uint32_t i = 0;
    while (i < d->open_limit && d->open[i] >= 0)
        i++;
    if (i == DISK_OPEN_MAX)
        return ERR_LIMIT;
    if (i == d->open_limit)
        d->open_limit++;
    d->open[i] = d->names[index].now;
    d->direct[i] = op->flags & DISK_DIRECT;
    d->open_name[i] = index;
    return i;
}

static int64_t
op_read(struct disk_mem *d, const struct disk_op *op)
{
    const struct disk_file *f = disk_file_of(d, op->file);
    if (op->offset >= f->size)
        return 0;
    uint64_t n = f->size - op->offset < op->len ? f->size - op->offset : op->len;
    memcpy(op->at, f->now + op->offset, n);
    return (int64_t)n;
}

static int64_t
op_write(struct disk_mem *d, const struct disk_op *op)
{
    struct disk_file *f = disk_file_of(d, op->file);
    uint64_t limit = disk_fault_size_limit(d, f), len = op->len;
    if (op->offset + len > limit)
        len = limit > op->offset ? (limit - op->offset) / DISK_BLOCK * DISK_BLOCK : 0;
    disk_file_write(d, f, op->offset, op->at, len);
    if (op->flags & DISK_DURABLE)
        disk_file_durable(f, op->offset, len);
    return len == op->len ? (int64_t)len : ERR_NO_SPACE;
}

static int64_t
op_allocate(struct disk_mem *d, const struct disk_op *op)
{
    struct disk_file *f = disk_file_of(d, op->file);
    if (op->offset + op->length > disk_fault_size_limit(d, f))
        return ERR_NO_SPACE;
    disk_file_room(f, op->offset + op->length);
    if (f->size < op->offset + op->length)
        f->size = op->offset + op->length;
    return ERR_OK;
}

static int64_t
op_punch(struct disk_mem *d, const struct disk_op *op)
{
    static const uint8_t zeros[DISK_BLOCK];
    struct disk_file *f = disk_file_of(d, op->file);
    for (uint32_t i = 0; i < d->name_count; i++)
        if (d->names[i].now == d->open[op->file])
            return ERR_EXISTS;
    uint64_t limit = op->offset + op->length < f->size ? op->offset + op->length : f->size;
    for (uint64_t at = op->offset; at < limit;) {
        uint64_t n = limit - at < DISK_BLOCK ? limit - at : DISK_BLOCK;
        disk_file_write(d, f, at, zeros, n);
        at += n;
    }
    return ERR_OK;
}

static int64_t
apply(struct disk_mem *d, const struct disk_queued *q)
{
    char path[DISK_PATH_BYTES], path_to[DISK_PATH_BYTES];
    struct disk_op image = *q->op; /* with paths of the image */
    if (image.path)
        image.path = disk_name_image(d->folders[image.dir], image.path, path);
    if (image.path_to)
        image.path_to = disk_name_image(d->folders[image.dir], image.path_to, path_to);
    struct disk_op *op = &image;
    struct disk_queued named = *q;
    named.op = op;
    int64_t result;
    d->counts[op->kind]++;
    if (disk_fault_meets(d, &named, &result))
        return result;
    switch (op->kind) {
    case DISK_OPEN:
        return op_open(d, op);
    case DISK_CLOSE:
        disk_file_of(d, op->file);
        d->open[op->file] = DISK_NO_FILE;
        return ERR_OK;
    case DISK_READ:
        return op_read(d, op);
    case DISK_WRITE:
        return op_write(d, op);
    case DISK_SYNC:
        disk_file_sync(disk_file_of(d, op->file), q->stamp, q->size);
        return ERR_OK;
    case DISK_ALLOCATE:
        return op_allocate(d, op);
    case DISK_TRUNCATE:
        disk_file_truncate(d, disk_file_of(d, op->file), op->offset);
        return ERR_OK;
    case DISK_PUNCH:
        return op_punch(d, op);
    case DISK_RENAME:
        return disk_name_rename(d, op);
    case DISK_UNLINK:
        return disk_name_unlink(d, op);
    case DISK_MKDIR:
        return disk_name_mkdir(d, op);
    case DISK_SYNC_DIR:
        return disk_name_sync(d, op, q->stamp);
    case DISK_SIZE:
        return (int64_t)disk_file_of(d, op->file)->size;
    case DISK_WAIT:
        break; /* mem_run() does it */
    }
    return ERR_INVALID;
}

int64_t
disk_apply(struct disk_mem *d, const struct disk_queued *q)
{
    static const char *const kinds[] = {"open",     "close",    "read",  "write",  "sync",
                                        "allocate", "truncate", "punch", "rename", "unlink",
                                        "mkdir",    "sync-dir", "size"};
    const struct disk_op *op = q->op;
    const char *path = d->trace ? disk_fault_path(d, op) : NULL;
    char text[DISK_PATH_BYTES];
    snprintf(text, sizeof text, "%s", path ? path : "");
    int64_t result = apply(d, q);
    if (d->trace)
        fprintf(stderr, "    disk %llu: %s %s%s%s offset=%llu len=%llu flags=%u: %lld\n",
                (unsigned long long)d->ops, kinds[op->kind], text, op->path_to ? " to " : "",
                op->path_to ? op->path_to : "", (unsigned long long)op->offset,
                (unsigned long long)(op->kind == DISK_ALLOCATE || op->kind == DISK_PUNCH
                                         ? op->length
                                         : op->len),
                op->flags, (long long)result);
    return result;
}

/* ---- the port ----------------------------------------------------------------------------------
 */

/* What the contract asks of a caller who opened with DISK_DIRECT. */
static void
direct_check(const struct disk_mem *d, const struct disk_op *op)
{
    if ((op->kind != DISK_READ && op->kind != DISK_WRITE) || !d->direct[op->file])
        return;
    must((uintptr_t)op->at % DISK_BLOCK == 0);
    must(op->len % DISK_BLOCK == 0);
    must(op->offset % DISK_BLOCK == 0);
}

static struct disk_queued
queued(struct disk_mem *d, struct disk_op *op, const struct disk_mem_port *by)
{
    direct_check(d, op);
    struct disk_queued q = {.op = op, .by = by, .stamp = d->stamp, .due = d->tick};
    if (op->kind == DISK_SYNC)
        q.size = disk_file_of(d, op->file)->size;
    return q;
}

/* Counts one operation; false: the power is gone. */
static bool
op_counts(struct disk_mem *d)
{
    if (d->left == 0)
        return false;
    if (d->left != UINT64_MAX && --d->left == 0) {
        disk_cut_flight(d);
        return false;
    }
    d->ops++;
    return true;
}

static void
mem_submit(void *self, struct disk_op *op)
{
    struct disk_mem *d = ((struct disk_mem_port *)self)->disk;
    must(d->queue_count < DISK_QUEUE_MAX);
    if (d->left == 0)
        return;
    struct disk_queued *q = &d->queue[d->queue_count++];
    *q = queued(d, op, self);
    if (d->slow_permille && disk_random(d) % 1000 < d->slow_permille)
        q->due += disk_random(d) % (d->slow_polls + 1);
    const char *path = d->late_polls && op->kind == DISK_WRITE ? disk_fault_path(d, op) : NULL;
    if (path && strstr(path, d->late_part))
        q->due += disk_random(d) % (d->late_polls + 1);
}

/* Those of a port that may complete now. */
static uint32_t
ready_list(const struct disk_mem *d, const void *self, uint32_t list[static DISK_QUEUE_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->queue_count; i++)
        if (d->queue[i].by == self && d->queue[i].due <= d->tick)
            list[count++] = i;
    return count;
}

static uint32_t
mem_poll(void *self, struct disk_op **done, uint32_t max)
{
    struct disk_mem *d = ((struct disk_mem_port *)self)->disk;
    uint32_t count = 0, ready[DISK_QUEUE_MAX];
    d->tick++;
    uint32_t ready_count = ready_list(d, self, ready);
    uint32_t want = ready_count ? 1 + (uint32_t)(disk_random(d) % ready_count) : 0;
    while (count < want && count < max && op_counts(d)) {
        ready_count = ready_list(d, self, ready);
        uint32_t pick = ready[disk_random(d) % ready_count];
        struct disk_queued q = d->queue[pick];
        d->queue[pick] = d->queue[--d->queue_count];
        q.op->result = disk_apply(d, &q);
        done[count++] = q.op;
    }
    return count;
}

/* Time passes until an operation of the port may complete. */
static int64_t
mem_wait(struct disk_mem *d, const void *self)
{
    uint32_t ready[DISK_QUEUE_MAX], own = 0;
    for (uint32_t i = 0; i < d->queue_count; i++)
        own += d->queue[i].by == self;
    if (d->left == 0)
        return ERR_IO;
    while (own && ready_list(d, self, ready) == 0)
        d->tick++;
    return own > 0;
}

static int64_t
mem_run(void *self, struct disk_op *op)
{
    struct disk_mem *d = ((struct disk_mem_port *)self)->disk;
    bool on = d->left != 0;
    if (op->kind == DISK_WAIT)
        return op->result = mem_wait(d, self);
    struct disk_queued q = {0};
    if (on)
        q = queued(d, op, self);
    if (!op_counts(d)) {
        if (on && disk_chance(d, 2)) /* done, but nobody heard of it */
            disk_apply(d, &q);
        op->result = ERR_IO;
        return op->result;
    }
    op->result = disk_apply(d, &q);
    return op->result;
}

static int
mem_list(void *self, uint8_t dir, const char *path, void (*each)(void *user, const char *name),
         void *user)
{
    struct disk_mem *d = ((struct disk_mem_port *)self)->disk;
    char image[DISK_PATH_BYTES];
    uint8_t folder = d->folders[dir];
    if (d->left == 0 || d->dir_error[folder] != ERR_OK)
        return ERR_IO;
    path = disk_name_image(folder, path, image);
    if (!disk_name_dir_there(d, path))
        return ERR_NOT_FOUND;
    size_t len = strcmp(path, ".") == 0 ? 0 : strlen(path) + 1;
    for (uint32_t i = 0; i < d->name_count; i++) {
        const char *name = d->names[i].path;
        if (d->names[i].now == DISK_NO_FILE ||
            (len && (strncmp(name, path, len - 1) != 0 || name[len - 1] != '/')) ||
            strchr(name + len, '/'))
            continue;
        each(user, name + len);
    }
    return ERR_OK;
}

static void
mem_arena(void *self, void *at, size_t bytes)
{
    (void)self;
    (void)at;
    (void)bytes;
}

static void
mem_facts(void *self, uint8_t dir, struct disk_facts *out)
{
    const struct disk_mem *d = ((struct disk_mem_port *)self)->disk;
    uint8_t folder = d->folders[dir];
    bool works = d->dir_error[folder] == ERR_OK;
    *out = (struct disk_facts){.dirs = d->dirs,
                               .id = {folder},
                               .online = folder != UINT8_MAX,
                               .align_bytes = DISK_BLOCK,
                               .direct = true,
                               .file_system = "mem",
                               .free_bytes = works ? disk_fault_space(d) : 0,
                               .total_bytes = d->capacity};
}

static const struct disk_ops mem_ops = {mem_submit, mem_poll,  mem_run,
                                        mem_list,   mem_arena, mem_facts};

/* ---- life --------------------------------------------------------------------------------------
 */

struct disk_mem *
disk_mem_new(uint64_t seed)
{
    struct disk_mem *d = calloc(1, sizeof *d);
    must(d);
    for (uint32_t i = 0; i < DISK_MEM_PORTS; i++)
        d->ports[i] = (struct disk_mem_port){{&mem_ops, &d->ports[i]}, d};
    d->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x2545f4914f6cdd1d);
    d->left = d->capacity = UINT64_MAX;
    d->dir_error[UINT8_MAX] = ERR_IO;
    disk_mem_dirs(d, (const uint8_t[]){0}, 1);
    return d;
}

void
disk_mem_dirs(struct disk_mem *d, const uint8_t *folders, uint32_t count)
{
    must(count <= DISK_DIRS_MAX);
    memset(d->folders, UINT8_MAX, sizeof d->folders);
    memcpy(d->folders, folders, count);
    d->dirs = count;
}

void
disk_mem_free(struct disk_mem *d)
{
    for (uint32_t i = 0; i < d->file_count; i++)
        disk_file_free(&d->files[i]);
    free(d->names);
    free(d->name_ops);
    free(d);
}

struct disk *
disk_mem_port(struct disk_mem *d, uint32_t index)
{
    must(index < DISK_MEM_PORTS);
    return &d->ports[index].port;
}

void
disk_mem_cut_after(struct disk_mem *d, uint64_t ops)
{
    d->left = ops;
    if (ops == 0)
        disk_cut_flight(d);
}

bool
disk_mem_is_cut(const struct disk_mem *d)
{
    return d->left == 0;
}

void
disk_mem_drop(struct disk_mem *d, uint32_t index)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->queue_count; i++)
        if (d->queue[i].by != &d->ports[index])
            d->queue[kept++] = d->queue[i];
    d->queue_count = kept;
}

void
disk_mem_kill(struct disk_mem *d)
{
    disk_cut_flight(d);
}

void
disk_mem_reopen(struct disk_mem *d)
{
    d->queue_count = 0;
    d->left = UINT64_MAX;
    d->open_limit = 0;
}

/* ---- looking -----------------------------------------------------------------------------------
 */

uint8_t *
disk_mem_bytes(struct disk_mem *d, const char *path, uint64_t *size)
{
    const struct disk_name *n = disk_name_find(d, path);
    if (!n || n->now < 0)
        return NULL;
    disk_file_room(&d->files[n->now], 1); /* an empty file has an address too */
    *size = d->files[n->now].size;
    return d->files[n->now].now;
}

void
disk_mem_each(struct disk_mem *d, void (*each)(void *user, const char *path, uint64_t size),
              void *user)
{
    for (uint32_t i = 0; i < d->name_count; i++)
        if (d->names[i].now >= 0)
            each(user, d->names[i].path, d->files[d->names[i].now].size);
}

void
disk_mem_trace(struct disk_mem *d, bool on)
{
    d->trace = on;
}

uint64_t
disk_mem_ops(const struct disk_mem *d)
{
    return d->ops;
}

uint64_t
disk_mem_count(const struct disk_mem *d, enum disk_kind kind)
{
    return d->counts[kind];
}

uint32_t
disk_mem_open_files(const struct disk_mem *d)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->open_limit; i++)
        count += d->open[i] >= 0;
    return count;
}

const char *
disk_mem_open_path(const struct disk_mem *d)
{
    for (uint32_t i = 0; i < d->open_limit; i++)
        if (d->open[i] >= 0)
            return d->names[d->open_name[i]].path;
    return NULL;
}
