/* disk_mem.c: files are bytes as seen by reads (`now`), bytes that are durable (`safe`), and a mark
 * per sector that differs between them.  Names are in one table; each has its file as seen and as
 * durable. A sync copies the dirty sectors when it is submitted and makes the copy durable when it
 * completes, so a cut between the two loses it, and later writes to the same sectors are not made
 * durable early. */
#include "tests/sim/disk_mem.h"
#include "core/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    BLOCK = 4096,
    FREE_BYTES = 1 << 30,
    MEM_FILES_MAX = 4096,
    MEM_OPEN_MAX = 4096,
    MEM_QUEUE_MAX = 1024
};

struct mem_file {
    uint8_t *now, *safe, *dirty;
    uint64_t size, safe_size, room;
    bool used;
};

struct mem_name {
    char path[256];
    int32_t now, safe; /* file; -1 none; DIR_FILE: a directory */
};

enum { NO_FILE = -1, DIR_FILE = -2 };

struct copied {
    uint64_t sector;
    uint8_t bytes[SECTOR];
};

struct mem_port {
    struct disk port;
    struct disk_mem *disk;
};

struct queued {
    struct disk_op *op;
    const struct mem_port *by;
    struct copied *copied; /* of a sync */
    uint64_t copied_count, copied_size;
};

struct disk_mem {
    struct mem_port ports[DISK_MEM_PORTS];
    uint64_t rng, ops, left, capacity;
    uint64_t counts[DISK_SIZE + 1];
    struct mem_file files[MEM_FILES_MAX];
    uint32_t file_count;
    struct mem_name *names;
    uint32_t name_count, name_room;
    int32_t open[MEM_OPEN_MAX]; /* file of a file number */
    bool direct[MEM_OPEN_MAX];
    struct queued queue[MEM_QUEUE_MAX];
    uint32_t queue_count;
    char fail_part[128];
    enum disk_kind fail_kind;
    int fail_error, dir_error[DISK_DIRS_MAX];
    uint32_t path_of_open[MEM_OPEN_MAX]; /* name index, for disk_mem_fail */
};

static uint64_t
mem_random(struct disk_mem *d)
{
    d->rng ^= d->rng << 13;
    d->rng ^= d->rng >> 7;
    d->rng ^= d->rng << 17;
    return d->rng;
}

/* ---- names -------------------------------------------------------------------------------------
 */

/* The name of a path in the one image: see disk_mem.h. */
static const char *
image_path(uint8_t dir, const char *path, char out[static 256])
{
    if (dir == 0)
        return path;
    bool top = strcmp(path, ".") == 0;
    must(snprintf(out, 256, "@%u%s%s", dir, top ? "" : "/", top ? "" : path) < 256);
    return out;
}

static struct mem_name *
name_find(struct disk_mem *d, const char *path)
{
    for (uint32_t i = 0; i < d->name_count; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    return NULL;
}

static struct mem_name *
name_make(struct disk_mem *d, const char *path)
{
    struct mem_name *n = name_find(d, path);
    if (n)
        return n;
    if (d->name_count == d->name_room) {
        d->name_room = d->name_room ? d->name_room * 2 : 64;
        d->names = realloc(d->names, d->name_room * sizeof *d->names);
        must(d->names);
    }
    n = &d->names[d->name_count++];
    *n = (struct mem_name){.now = NO_FILE, .safe = NO_FILE};
    must(strlen(path) < sizeof n->path);
    snprintf(n->path, sizeof n->path, "%s", path);
    return n;
}

/* The directory part: "." for a name without one. */
static void
parent_of(const char *path, char out[static 256])
{
    const char *slash = strrchr(path, '/');
    snprintf(out, 256, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

static bool
dir_there(struct disk_mem *d, const char *path)
{
    struct mem_name *n = name_find(d, path);
    bool top = strcmp(path, ".") == 0 || (path[0] == '@' && !strchr(path, '/'));
    return top || (n && n->now == DIR_FILE);
}

static bool
dir_empty(struct disk_mem *d, const char *path)
{
    for (uint32_t i = 0; i < d->name_count; i++) {
        char dir[256];
        parent_of(d->names[i].path, dir);
        if (d->names[i].now != NO_FILE && strcmp(dir, path) == 0)
            return false;
    }
    return true;
}

/* ---- files -------------------------------------------------------------------------------------
 */

static void
file_room(struct mem_file *f, uint64_t bytes)
{
    if (bytes <= f->room)
        return;
    uint64_t room = f->room ? f->room : 4096;
    while (room < bytes)
        room *= 2;
    f->now = realloc(f->now, room);
    f->safe = realloc(f->safe, room);
    f->dirty = realloc(f->dirty, room / SECTOR);
    must(f->now && f->safe && f->dirty);
    memset(f->now + f->room, 0, room - f->room);
    memset(f->safe + f->room, 0, room - f->room);
    memset(f->dirty + f->room / SECTOR, 0, (room - f->room) / SECTOR);
    f->room = room;
}

static void
file_grow(struct mem_file *f, uint64_t size)
{
    file_room(f, size);
    if (size > f->size)
        f->size = size;
}

static uint64_t
blocks_of(uint64_t bytes)
{
    return (bytes + BLOCK - 1) / BLOCK * BLOCK;
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

static uint64_t
space_left(const struct disk_mem *d)
{
    if (d->capacity == UINT64_MAX)
        return FREE_BYTES;
    uint64_t used = disk_mem_used(d);
    return used < d->capacity ? d->capacity - used : 0;
}

/* How many bytes a file may have. */
static uint64_t
size_limit(const struct disk_mem *d, const struct mem_file *f)
{
    return d->capacity == UINT64_MAX ? UINT64_MAX : blocks_of(f->size) + space_left(d);
}

static void
sector_safe(struct mem_file *f, uint64_t sector, const uint8_t *bytes)
{
    memcpy(f->safe + sector * SECTOR, bytes, SECTOR);
    if (memcmp(bytes, f->now + sector * SECTOR, SECTOR) == 0)
        f->dirty[sector] = 0;
}

static void
file_write(struct mem_file *f, const struct disk_op *op)
{
    file_grow(f, op->offset + op->len);
    memcpy(f->now + op->offset, op->at, op->len);
    for (uint64_t s = op->offset / SECTOR; s * SECTOR < op->offset + op->len; s++) {
        f->dirty[s] = 1;
        if (op->flags & DISK_DURABLE)
            sector_safe(f, s, f->now + s * SECTOR);
    }
    if (op->flags & DISK_DURABLE && f->safe_size < op->offset + op->len)
        f->safe_size = op->offset + op->len;
}

static void
file_truncate(struct mem_file *f, uint64_t size)
{
    file_grow(f, size);
    if (f->size > size)
        memset(f->now + size, 0, f->size - size);
    for (uint64_t s = size / SECTOR; s * SECTOR < f->size; s++)
        f->dirty[s] = 1;
    f->size = size;
}

static struct mem_file *
file_of(struct disk_mem *d, int32_t number)
{
    must(number >= 0 && number < MEM_OPEN_MAX && d->open[number] >= 0);
    return &d->files[d->open[number]];
}

static int64_t
op_write(struct disk_mem *d, const struct disk_op *op)
{
    struct mem_file *f = file_of(d, op->file);
    uint64_t limit = size_limit(d, f);
    if (op->offset + op->len <= limit) {
        file_write(f, op);
        return op->len;
    }
    struct disk_op part = *op;
    part.len = limit > op->offset ? (uint32_t)(limit - op->offset) / BLOCK * BLOCK : 0;
    if (part.len)
        file_write(f, &part);
    return ERR_NO_SPACE;
}

static int64_t
op_allocate(struct disk_mem *d, const struct disk_op *op)
{
    struct mem_file *f = file_of(d, op->file);
    if (op->offset + op->length > size_limit(d, f))
        return ERR_NO_SPACE;
    file_grow(f, op->offset + op->length);
    return ERR_OK;
}

static void
sync_copy(struct disk_mem *d, struct queued *q)
{
    struct mem_file *f = file_of(d, q->op->file);
    uint64_t count = 0;
    for (uint64_t s = 0; s < f->room / SECTOR; s++)
        count += f->dirty[s];
    q->copied = count ? malloc(count * sizeof *q->copied) : NULL;
    q->copied_size = f->size;
    q->copied_count = 0;
    for (uint64_t s = 0; s < f->room / SECTOR; s++) {
        if (!f->dirty[s])
            continue;
        struct copied *c = &q->copied[q->copied_count++];
        c->sector = s;
        memcpy(c->bytes, f->now + s * SECTOR, SECTOR);
    }
}

static void
sync_apply(struct disk_mem *d, struct queued *q)
{
    struct mem_file *f = file_of(d, q->op->file);
    for (uint64_t i = 0; i < q->copied_count; i++)
        sector_safe(f, q->copied[i].sector, q->copied[i].bytes);
    f->safe_size = q->copied_size;
    free(q->copied);
    q->copied = NULL;
}

/* ---- operations --------------------------------------------------------------------------------
 */

static int64_t
op_open(struct disk_mem *d, const struct disk_op *op)
{
    char dir[256];
    parent_of(op->path, dir);
    struct mem_name *n = name_find(d, op->path);
    if (!n || n->now == NO_FILE) {
        if (!(op->flags & DISK_CREATE) || !dir_there(d, dir))
            return ERR_NOT_FOUND;
        n = name_make(d, op->path);
        must(d->file_count < MEM_FILES_MAX);
        n->now = (int32_t)d->file_count++;
        d->files[n->now].used = true;
    } else if (op->flags & DISK_EXCLUSIVE || n->now == DIR_FILE) {
        return ERR_EXISTS;
    }
    for (int32_t i = 0; i < MEM_OPEN_MAX; i++) {
        if (d->open[i] >= 0)
            continue;
        d->open[i] = n->now;
        d->direct[i] = op->flags & DISK_DIRECT;
        d->path_of_open[i] = (uint32_t)(n - d->names);
        return i;
    }
    return ERR_LIMIT;
}

static int64_t
op_read(struct disk_mem *d, const struct disk_op *op)
{
    const struct mem_file *f = file_of(d, op->file);
    if (op->offset >= f->size)
        return 0;
    uint64_t n = f->size - op->offset < op->len ? f->size - op->offset : op->len;
    memcpy(op->at, f->now + op->offset, n);
    return (int64_t)n;
}

static int64_t
op_rename(struct disk_mem *d, const struct disk_op *op)
{
    struct mem_name *from = name_find(d, op->path);
    if (!from || from->now == NO_FILE)
        return ERR_NOT_FOUND;
    bool is_dir = from->now == DIR_FILE;
    size_t len = strlen(op->path);
    uint32_t from_index = (uint32_t)(from - d->names);
    struct mem_name *to_name = name_make(d, op->path_to); /* may move d->names */
    uint32_t to_index = (uint32_t)(to_name - d->names);
    d->names[to_index].now = d->names[from_index].now;
    d->names[from_index].now = NO_FILE;
    for (uint32_t i = 0, count = d->name_count; is_dir && i < count; i++) {
        if (strncmp(d->names[i].path, op->path, len) != 0 || d->names[i].path[len] != '/' ||
            d->names[i].now == NO_FILE)
            continue;
        char to[512];
        snprintf(to, sizeof to, "%s%s", op->path_to, d->names[i].path + len);
        struct mem_name *n = name_make(d, to);
        n->now = d->names[i].now;
        n->safe = d->names[i].safe;
        d->names[i].now = d->names[i].safe = NO_FILE;
    }
    return ERR_OK;
}

static int64_t
op_unlink(struct disk_mem *d, const struct disk_op *op)
{
    struct mem_name *n = name_find(d, op->path);
    if (!n || n->now == NO_FILE)
        return ERR_NOT_FOUND;
    bool is_dir = n->now == DIR_FILE;
    if (is_dir != !!(op->flags & DISK_DIRECTORY) || (is_dir && !dir_empty(d, op->path)))
        return ERR_INVALID;
    n->now = NO_FILE;
    return ERR_OK;
}

static int64_t
op_mkdir(struct disk_mem *d, const struct disk_op *op)
{
    char dir[256];
    parent_of(op->path, dir);
    if (!dir_there(d, dir))
        return ERR_NOT_FOUND;
    struct mem_name *n = name_make(d, op->path);
    if (n->now != NO_FILE)
        return ERR_EXISTS;
    n->now = DIR_FILE;
    return ERR_OK;
}

static int64_t
op_sync_dir(struct disk_mem *d, const struct disk_op *op)
{
    if (!dir_there(d, op->path))
        return ERR_NOT_FOUND;
    for (uint32_t i = 0; i < d->name_count; i++) {
        char dir[256];
        parent_of(d->names[i].path, dir);
        if (strcmp(dir, op->path) == 0)
            d->names[i].safe = d->names[i].now;
    }
    return ERR_OK;
}

/* Why an operation fails; ERR_OK when it does not. */
static int
op_fails(const struct disk_mem *d, const struct disk_op *op)
{
    const char *path = op->path;
    if (op->kind == DISK_READ || op->kind == DISK_WRITE || op->kind == DISK_SYNC ||
        op->kind == DISK_ALLOCATE || op->kind == DISK_TRUNCATE)
        path = d->names[d->path_of_open[op->file]].path;
    uint64_t dir = path && path[0] == '@' ? strtoul(path + 1, NULL, 10) : 0;
    if (path && d->dir_error[dir] != ERR_OK)
        return d->dir_error[dir];
    if (!d->fail_part[0] || op->kind != d->fail_kind || !path || !strstr(path, d->fail_part))
        return ERR_OK;
    return d->fail_error;
}

static int64_t
op_apply(struct disk_mem *d, struct queued *q)
{
    char path[256], path_to[256];
    struct disk_op image = *q->op; /* with paths of the image */
    if (image.path)
        image.path = image_path(image.dir, image.path, path);
    if (image.path_to)
        image.path_to = image_path(image.dir, image.path_to, path_to);
    const struct disk_op *op = &image;
    d->counts[op->kind]++;
    int error = op_fails(d, op);
    if (error != ERR_OK)
        return error;
    switch (op->kind) {
    case DISK_OPEN:
        return op_open(d, op);
    case DISK_CLOSE:
        file_of(d, op->file);
        d->open[op->file] = -1;
        return ERR_OK;
    case DISK_READ:
        return op_read(d, op);
    case DISK_WRITE:
        return op_write(d, op);
    case DISK_SYNC:
        sync_apply(d, q);
        return ERR_OK;
    case DISK_ALLOCATE:
        return op_allocate(d, op);
    case DISK_TRUNCATE:
        file_truncate(file_of(d, op->file), op->offset);
        return ERR_OK;
    case DISK_RENAME:
        return op_rename(d, op);
    case DISK_UNLINK:
        return op_unlink(d, op);
    case DISK_MKDIR:
        return op_mkdir(d, op);
    case DISK_SYNC_DIR:
        return op_sync_dir(d, op);
    case DISK_SIZE:
        return (int64_t)file_of(d, op->file)->size;
    }
    return ERR_INVALID;
}

/* What the contract asks of a caller who opened with DISK_DIRECT. */
static void
direct_check(const struct disk_mem *d, const struct disk_op *op)
{
    if ((op->kind != DISK_READ && op->kind != DISK_WRITE) || !d->direct[op->file])
        return;
    must((uintptr_t)op->at % 4096 == 0);
    must(op->len % 4096 == 0);
    must(op->offset % 4096 == 0);
}

/* Writes in flight may have reached any of their sectors. */
static void
cut_writes(struct disk_mem *d)
{
    for (uint32_t i = 0; i < d->queue_count; i++) {
        const struct disk_op *op = d->queue[i].op;
        if (op->kind != DISK_WRITE || d->open[op->file] < 0 || mem_random(d) % 2)
            continue;
        struct mem_file *f = file_of(d, op->file);
        file_grow(f, op->offset + op->len);
        for (uint64_t s = 0; s < op->len / SECTOR; s++) {
            if (mem_random(d) % 2)
                continue;
            uint64_t sector = op->offset / SECTOR + s;
            memcpy(f->now + sector * SECTOR, (uint8_t *)op->at + s * SECTOR, SECTOR);
            f->dirty[sector] = 1;
        }
    }
    for (uint32_t i = 0; i < d->queue_count; i++)
        free(d->queue[i].copied);
    d->queue_count = 0; /* what the operations point to may go now */
}

static bool
op_counts(struct disk_mem *d)
{
    if (d->left == 0)
        return false;
    if (d->left != UINT64_MAX && --d->left == 0) {
        cut_writes(d);
        return false;
    }
    d->ops++;
    return true;
}

static void
mem_submit(void *self, struct disk_op *op)
{
    struct disk_mem *d = ((struct mem_port *)self)->disk;
    must(d->queue_count < MEM_QUEUE_MAX);
    if (d->left == 0)
        return;
    direct_check(d, op);
    struct queued *q = &d->queue[d->queue_count++];
    *q = (struct queued){.op = op, .by = self};
    if (op->kind == DISK_SYNC && op_fails(d, op) == ERR_OK)
        sync_copy(d, q);
}

static uint32_t
mem_poll(void *self, struct disk_op **done, uint32_t max)
{
    struct disk_mem *d = ((struct mem_port *)self)->disk;
    uint32_t count = 0, mine[MEM_QUEUE_MAX], mine_count = 0;
    for (uint32_t i = 0; i < d->queue_count; i++)
        mine_count += d->queue[i].by == self;
    uint32_t want = mine_count ? 1 + (uint32_t)(mem_random(d) % mine_count) : 0;
    while (count < want && count < max && op_counts(d)) {
        mine_count = 0;
        for (uint32_t i = 0; i < d->queue_count; i++)
            if (d->queue[i].by == self)
                mine[mine_count++] = i;
        uint32_t pick = mine[mem_random(d) % mine_count];
        struct queued q = d->queue[pick];
        d->queue[pick] = d->queue[--d->queue_count];
        q.op->result = op_apply(d, &q);
        free(q.copied);
        done[count++] = q.op;
    }
    return count;
}

static int64_t
mem_run(void *self, struct disk_op *op)
{
    struct disk_mem *d = ((struct mem_port *)self)->disk;
    direct_check(d, op);
    if (!op_counts(d)) {
        op->result = ERR_IO;
        return op->result;
    }
    struct queued q = {.op = op};
    if (op->kind == DISK_SYNC && op_fails(d, op) == ERR_OK)
        sync_copy(d, &q);
    op->result = op_apply(d, &q);
    free(q.copied);
    return op->result;
}

static int
mem_list(void *self, uint8_t number, const char *path, void (*each)(void *user, const char *name),
         void *user)
{
    struct disk_mem *d = ((struct mem_port *)self)->disk;
    char image[256];
    if (d->left == 0 || d->dir_error[number] != ERR_OK)
        return ERR_IO;
    path = image_path(number, path, image);
    if (!dir_there(d, path))
        return ERR_NOT_FOUND;
    for (uint32_t i = 0; i < d->name_count; i++) {
        char dir[256];
        parent_of(d->names[i].path, dir);
        if (d->names[i].now == NO_FILE || strcmp(dir, path) != 0)
            continue;
        const char *slash = strrchr(d->names[i].path, '/');
        each(user, slash ? slash + 1 : d->names[i].path);
    }
    return ERR_OK;
}

static void
mem_arena(void *self, void *at, size_t bytes)
{
    (void)self, (void)at, (void)bytes;
}

static void
mem_facts(void *self, uint8_t dir, struct disk_facts *out)
{
    const struct disk_mem *d = ((struct mem_port *)self)->disk;
    *out = (struct disk_facts){.align_bytes = 4096, .direct = true, .file_system = "mem"};
    out->free_bytes = d->dir_error[dir] != ERR_OK ? 0 : space_left(d);
    out->total_bytes = d->capacity;
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
        d->ports[i] = (struct mem_port){{&mem_ops, &d->ports[i]}, d};
    d->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x2545f4914f6cdd1d);
    d->left = d->capacity = UINT64_MAX;
    for (int i = 0; i < MEM_OPEN_MAX; i++)
        d->open[i] = -1;
    return d;
}

void
disk_mem_free(struct disk_mem *d)
{
    for (uint32_t i = 0; i < d->file_count; i++) {
        free(d->files[i].now);
        free(d->files[i].safe);
        free(d->files[i].dirty);
    }
    for (uint32_t i = 0; i < d->queue_count; i++)
        free(d->queue[i].copied);
    free(d->names);
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
        cut_writes(d);
}

bool
disk_mem_is_cut(const struct disk_mem *d)
{
    return d->left == 0;
}

void
disk_mem_reopen(struct disk_mem *d)
{
    for (uint32_t i = 0; i < d->queue_count; i++)
        free(d->queue[i].copied);
    d->queue_count = 0;
    d->left = UINT64_MAX;
    for (int i = 0; i < MEM_OPEN_MAX; i++)
        d->open[i] = -1;
}

static void
cut_file(struct disk_mem *d, struct mem_file *f)
{
    uint64_t mode = mem_random(d) % 4; /* nothing, all, or each for itself */
    for (uint64_t s = 0; s < f->room / SECTOR; s++) {
        if (f->dirty[s] && (mode == 0 || (mode > 1 && mem_random(d) % 2)))
            memcpy(f->now + s * SECTOR, f->safe + s * SECTOR, SECTOR);
        else if (f->dirty[s])
            memcpy(f->safe + s * SECTOR, f->now + s * SECTOR, SECTOR);
        f->dirty[s] = 0;
    }
    if (mem_random(d) % 2)
        f->size = f->safe_size;
    if (f->size < f->room) {
        memset(f->now + f->size, 0, f->room - f->size);
        memset(f->safe + f->size, 0, f->room - f->size);
    }
    f->safe_size = f->size;
}

/* All changes of one directory since its last sync survive together, or none does. */
static void
cut_names(struct disk_mem *d)
{
    uint64_t salt = mem_random(d);
    for (uint32_t i = 0; i < d->name_count; i++) {
        struct mem_name *n = &d->names[i];
        if (n->now == n->safe)
            continue;
        char dir[256];
        parent_of(n->path, dir);
        uint64_t h = salt;
        for (const char *c = dir; *c; c++)
            h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
        if (h >> 40 & 1)
            n->now = n->safe;
        else
            n->safe = n->now;
    }
    /* What lies in a directory that is gone is gone. */
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < d->name_count; i++) {
            char dir[256];
            parent_of(d->names[i].path, dir);
            if (d->names[i].now == NO_FILE || dir_there(d, dir))
                continue;
            d->names[i].now = d->names[i].safe = NO_FILE;
            again = true;
        }
    }
}

void
disk_mem_restart(struct disk_mem *d)
{
    if (d->left)
        cut_writes(d);
    for (uint32_t i = 0; i < d->file_count; i++)
        cut_file(d, &d->files[i]);
    cut_names(d);
    disk_mem_reopen(d);
}

void
disk_mem_capacity(struct disk_mem *d, uint64_t bytes)
{
    d->capacity = bytes;
}

void
disk_mem_fail(struct disk_mem *d, const char *part, enum disk_kind kind, int error)
{
    snprintf(d->fail_part, sizeof d->fail_part, "%s", part ? part : "");
    d->fail_kind = kind;
    d->fail_error = error;
}

void
disk_mem_fail_dir(struct disk_mem *d, uint8_t dir, int error)
{
    d->dir_error[dir] = error;
}

uint8_t *
disk_mem_bytes(struct disk_mem *d, const char *path, uint64_t *size)
{
    struct mem_name *n = name_find(d, path);
    if (!n || n->now < 0)
        return NULL;
    file_room(&d->files[n->now], 1); /* an empty file has an address too */
    *size = d->files[n->now].size;
    return d->files[n->now].now;
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
    for (int i = 0; i < MEM_OPEN_MAX; i++)
        count += d->open[i] >= 0;
    return count;
}
