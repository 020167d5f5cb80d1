/* disk_name.c: names in one flat table, and the list of their changes that are not durable.
 *
 * A change of a name is done at once for who looks, and is durable when the directory it stands in
 * was synced afterwards; a rename between two directories when both were. */
#include "core/base/err.h"
#include "tests/sim/disk_mem_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t
disk_name_hash(const char *path, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)path[i]) * 16777619u;
    return h;
}

const char *
disk_name_image(uint8_t dir, const char *path, char out[static DISK_PATH_BYTES])
{
    if (dir == 0)
        return path;
    bool top = strcmp(path, ".") == 0;
    must(snprintf(out, DISK_PATH_BYTES, "@%u%s%s", dir, top ? "" : "/", top ? "" : path) <
         DISK_PATH_BYTES);
    return out;
}

/* How long the directory part is; 0: the name has none. */
static size_t
parent_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static uint32_t
parent_hash(const char *path)
{
    size_t n = parent_length(path);
    return n ? disk_name_hash(path, n) : disk_name_hash(".", 1);
}

static bool
stands_in(const struct disk_name *n, const char *dir, uint32_t hash)
{
    if (n->parent != hash)
        return false;
    size_t len = parent_length(n->path);
    return len ? strlen(dir) == len && memcmp(dir, n->path, len) == 0 : strcmp(dir, ".") == 0;
}

struct disk_name *
disk_name_find(struct disk_mem *d, const char *path)
{
    uint32_t hash = disk_name_hash(path, strlen(path));
    for (uint32_t i = 0; i < d->name_count; i++)
        if (d->names[i].hash == hash && strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    return NULL;
}

uint32_t
disk_name_make(struct disk_mem *d, const char *path)
{
    struct disk_name *n = disk_name_find(d, path);
    if (n)
        return (uint32_t)(n - d->names);
    if (d->name_count == d->name_room) {
        d->name_room = d->name_room ? d->name_room * 2 : 64;
        d->names = realloc(d->names, d->name_room * sizeof *d->names);
        must(d->names);
    }
    n = &d->names[d->name_count];
    n->now = n->safe = DISK_NO_FILE;
    n->hash = disk_name_hash(path, strlen(path));
    n->parent = parent_hash(path);
    must(strlen(path) < sizeof n->path);
    snprintf(n->path, sizeof n->path, "%s", path);
    return d->name_count++;
}

bool
disk_name_dir_there(struct disk_mem *d, const char *path)
{
    if (strcmp(path, ".") == 0 || (path[0] == '@' && !strchr(path, '/')))
        return true;
    const struct disk_name *n = disk_name_find(d, path);
    return n && n->now == DISK_IS_DIR;
}

bool
disk_name_parent_there(struct disk_mem *d, const char *path)
{
    char dir[DISK_PATH_BYTES];
    size_t n = parent_length(path);
    snprintf(dir, sizeof dir, "%.*s", n ? (int)n : 1, n ? path : ".");
    return disk_name_dir_there(d, dir);
}

static bool
dir_empty(const struct disk_mem *d, const char *path)
{
    uint32_t hash = disk_name_hash(path, strlen(path));
    for (uint32_t i = 0; i < d->name_count; i++)
        if (d->names[i].now != DISK_NO_FILE && stands_in(&d->names[i], path, hash))
            return false;
    return true;
}

/* ---- changes -----------------------------------------------------------------------------------
 */

static struct disk_name_op *
change(struct disk_mem *d)
{
    if (d->name_op_count == d->name_op_room) {
        d->name_op_room = d->name_op_room ? d->name_op_room * 2 : 64;
        d->name_ops = realloc(d->name_ops, d->name_op_room * sizeof *d->name_ops);
        must(d->name_ops);
    }
    struct disk_name_op *o = &d->name_ops[d->name_op_count++];
    *o = (struct disk_name_op){.stamp = ++d->stamp};
    return o;
}

static void
change_add(struct disk_mem *d, struct disk_name_op *o, uint32_t name, int32_t to)
{
    o->name[o->count] = name;
    o->parent[o->count] = d->names[name].parent;
    o->to[o->count++] = to;
    d->names[name].now = to;
}

void
disk_name_set(struct disk_mem *d, uint32_t name, int32_t to)
{
    change_add(d, change(d), name, to);
}

void
disk_name_move_children(struct disk_mem *d, const char *from, const char *to)
{
    size_t len = strlen(from);
    for (uint32_t i = 0, count = d->name_count; i < count; i++) {
        if (strncmp(d->names[i].path, from, len) != 0 || d->names[i].path[len] != '/' ||
            (d->names[i].now == DISK_NO_FILE && d->names[i].safe == DISK_NO_FILE))
            continue;
        char path[2 * DISK_PATH_BYTES];
        snprintf(path, sizeof path, "%s%s", to, d->names[i].path + len);
        uint32_t n = disk_name_make(d, path);
        d->names[n].now = d->names[i].now;
        d->names[n].safe = d->names[i].safe;
        d->names[i].now = d->names[i].safe = DISK_NO_FILE;
        for (uint32_t k = 0; k < d->name_op_count; k++) {
            struct disk_name_op *o = &d->name_ops[k];
            for (uint32_t e = 0; e < o->count; e++)
                if (o->name[e] == i) {
                    o->name[e] = n;
                    o->parent[e] = d->names[n].parent;
                }
        }
    }
}

int64_t
disk_name_rename(struct disk_mem *d, const struct disk_op *op)
{
    const struct disk_name *from = disk_name_find(d, op->path);
    if (!from || from->now == DISK_NO_FILE || !disk_name_parent_there(d, op->path_to))
        return ERR_NOT_FOUND;
    int32_t file = from->now;
    uint32_t from_index = (uint32_t)(from - d->names);
    uint32_t to_index = disk_name_make(d, op->path_to); /* may move d->names */
    int32_t over = d->names[to_index].now;
    if (over != DISK_NO_FILE && ((over == DISK_IS_DIR) != (file == DISK_IS_DIR) ||
                                 (over == DISK_IS_DIR && !dir_empty(d, op->path_to))))
        return ERR_EXISTS;
    struct disk_name_op *o = change(d);
    change_add(d, o, from_index, DISK_NO_FILE);
    change_add(d, o, to_index, file);
    o->moves_dir = file == DISK_IS_DIR;
    if (o->moves_dir)
        disk_name_move_children(d, op->path, op->path_to);
    return ERR_OK;
}

int64_t
disk_name_unlink(struct disk_mem *d, const struct disk_op *op)
{
    const struct disk_name *n = disk_name_find(d, op->path);
    if (!n || n->now == DISK_NO_FILE)
        return ERR_NOT_FOUND;
    bool is_dir = n->now == DISK_IS_DIR;
    if (is_dir != !!(op->flags & DISK_DIRECTORY) || (is_dir && !dir_empty(d, op->path)))
        return ERR_INVALID;
    disk_name_set(d, (uint32_t)(n - d->names), DISK_NO_FILE);
    return ERR_OK;
}

int64_t
disk_name_mkdir(struct disk_mem *d, const struct disk_op *op)
{
    if (!disk_name_parent_there(d, op->path))
        return ERR_NOT_FOUND;
    uint32_t n = disk_name_make(d, op->path);
    if (d->names[n].now != DISK_NO_FILE)
        return ERR_EXISTS;
    disk_name_set(d, n, DISK_IS_DIR);
    return ERR_OK;
}

static bool
is_durable(const struct disk_name_op *o)
{
    return o->durable[0] && (o->count == 1 || o->durable[1]);
}

int64_t
disk_name_sync(struct disk_mem *d, const struct disk_op *op, uint64_t stamp)
{
    if (!disk_name_dir_there(d, op->path))
        return ERR_NOT_FOUND;
    uint32_t hash = disk_name_hash(op->path, strlen(op->path));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->name_op_count; i++) {
        struct disk_name_op *o = &d->name_ops[i];
        for (uint32_t e = 0; e < o->count && o->stamp <= stamp; e++)
            if (o->parent[e] == hash)
                o->durable[e] = true;
        if (kept == 0 && is_durable(o)) {
            for (uint32_t e = 0; e < o->count; e++)
                d->names[o->name[e]].safe = o->to[e];
            continue;
        }
        d->name_ops[kept++] = *o;
    }
    d->name_op_count = kept;
    return ERR_OK;
}

void
disk_name_sweep(struct disk_mem *d)
{
    must(d->name_op_count == 0);
    static bool named[DISK_FILES_MAX];
    memset(named, 0, sizeof named);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->name_count; i++) {
        if (d->names[i].now == DISK_NO_FILE)
            continue;
        if (d->names[i].now >= 0)
            named[d->names[i].now] = true;
        if (kept != i)
            d->names[kept] = d->names[i];
        kept++;
    }
    d->name_count = kept;
    for (uint32_t i = 0; i < d->file_count; i++)
        if (d->files[i].used && !named[i])
            disk_file_free(&d->files[i]);
}
