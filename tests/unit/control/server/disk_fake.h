/* disk_fake.h: disk.h in memory, for the tests of control/server.  A file has its bytes and those
 * that a power cut would leave; a write with DISK_DURABLE or a sync makes the two equal.  Names are
 * durable at once. */
#ifndef SLUICE_TESTS_DISK_FAKE_H
#define SLUICE_TESTS_DISK_FAKE_H

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/store/disk.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_FILES = 32, FAKE_PATH = 96, FAKE_DONE = 64 };

struct fake_file {
    char path[FAKE_PATH]; /* "": free */
    uint8_t *bytes, *durable;
    size_t size, durable_size;
};

struct disk_fake {
    struct fake_file files[FAKE_FILES];
    struct disk_op *done[FAKE_DONE];
    uint32_t done_count;
    uint32_t ops, fail_from; /* every operation from this one on fails with ERR_IO; 0: none */
    bool hold;               /* nothing completes: submitted operations stay in flight */
    uint64_t now_ns;
};

static inline struct fake_file *
fake_find(struct disk_fake *d, const char *path)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++)
        if (d->files[i].path[0] && strcmp(d->files[i].path, path) == 0)
            return &d->files[i];
    return NULL;
}

static inline void
fake_resize(struct fake_file *f, size_t size)
{
    if (size <= f->size)
        return;
    f->bytes = realloc(f->bytes, size);
    assert_non_null(f->bytes);
    memset(f->bytes + f->size, 0, size - f->size);
    f->size = size;
}

static inline void
fake_sync(struct fake_file *f, size_t from, size_t to)
{
    if (f->durable_size < f->size) {
        f->durable = realloc(f->durable, f->size);
        assert_non_null(f->durable);
        memset(f->durable + f->durable_size, 0, f->size - f->durable_size);
        f->durable_size = f->size;
    }
    if (to > from)
        memcpy(f->durable + from, f->bytes + from, to - from);
}

static inline int64_t
fake_open(struct disk_fake *d, const struct disk_op *op)
{
    struct fake_file *f = fake_find(d, op->path);
    for (uint32_t i = 0; !f && (op->flags & DISK_CREATE) && i < FAKE_FILES; i++)
        if (!d->files[i].path[0]) {
            f = &d->files[i];
            (void)snprintf(f->path, sizeof f->path, "%s", op->path);
        }
    return f ? f - d->files : (int64_t)ERR_NOT_FOUND;
}

static inline void
fake_drop(struct fake_file *f)
{
    free(f->bytes);
    free(f->durable);
    *f = (struct fake_file){0};
}

static inline int64_t
fake_do(struct disk_fake *d, struct disk_op *op)
{
    struct fake_file *f = &d->files[op->file & (FAKE_FILES - 1)], *other;
    if (++d->ops >= d->fail_from && d->fail_from)
        return ERR_IO;
    switch (op->kind) {
    case DISK_OPEN:
        return fake_open(d, op);
    case DISK_READ:
        if (op->offset >= f->size)
            return 0;
        op->len = op->len > f->size - op->offset ? (uint32_t)(f->size - op->offset) : op->len;
        memcpy(op->at, f->bytes + op->offset, op->len);
        return op->len;
    case DISK_WRITE:
        fake_resize(f, op->offset + op->len);
        memcpy(f->bytes + op->offset, op->at, op->len);
        if (op->flags & DISK_DURABLE)
            fake_sync(f, op->offset, op->offset + op->len);
        return op->len;
    case DISK_SYNC:
        fake_sync(f, 0, f->size);
        return 0;
    case DISK_ALLOCATE:
        fake_resize(f, op->offset + op->length);
        return 0;
    case DISK_TRUNCATE:
        fake_resize(f, op->offset);
        f->size = op->offset;
        return 0;
    case DISK_PUNCH:
    case DISK_WAIT:
        return 0;
    case DISK_SIZE:
        return (int64_t)f->size;
    case DISK_RENAME:
        f = fake_find(d, op->path);
        other = fake_find(d, op->path_to);
        if (!f)
            return ERR_NOT_FOUND;
        if (other)
            fake_drop(other);
        (void)snprintf(f->path, sizeof f->path, "%s", op->path_to);
        return 0;
    case DISK_UNLINK:
        f = fake_find(d, op->path);
        if (f)
            fake_drop(f);
        return f ? 0 : (int64_t)ERR_NOT_FOUND;
    case DISK_CLOSE:
    case DISK_MKDIR:
    case DISK_SYNC_DIR:
        return 0;
    }
    return ERR_INVALID;
}

static inline void
fake_submit(void *self, struct disk_op *op)
{
    struct disk_fake *d = self;
    assert_true(d->done_count < FAKE_DONE);
    op->result = fake_do(d, op);
    d->done[d->done_count++] = op;
}

static inline uint32_t
fake_poll(void *self, struct disk_op **done, uint32_t max)
{
    struct disk_fake *d = self;
    uint32_t n = d->hold ? 0 : d->done_count < max ? d->done_count : max;
    memcpy(done, d->done, n * sizeof *done);
    memmove(d->done, d->done + n, (d->done_count - n) * sizeof *done);
    d->done_count -= n;
    return n;
}

static inline int64_t
fake_run(void *self, struct disk_op *op)
{
    return op->result = fake_do(self, op);
}

static inline int
fake_list(void *self, uint8_t dir, const char *path, void (*each)(void *user, const char *name),
          void *user)
{
    (void)dir;
    struct disk_fake *d = self;
    size_t n = strlen(path);
    for (uint32_t i = 0; i < FAKE_FILES; i++)
        if (strncmp(d->files[i].path, path, n) == 0 && d->files[i].path[n] == '/')
            each(user, d->files[i].path + n + 1);
    return ERR_OK;
}

static inline void
fake_arena(void *self, void *at, size_t bytes)
{
    (void)self, (void)at, (void)bytes;
}

static inline void
fake_facts(void *self, uint8_t dir, struct disk_facts *out)
{
    (void)self, (void)dir;
    *out = (struct disk_facts){.align_bytes = 4096, .file_system = "fake", .free_bytes = 1u << 30};
}

static inline struct disk
disk_fake_port(struct disk_fake *d)
{
    static const struct disk_ops ops = {fake_submit, fake_poll,  fake_run,
                                        fake_list,   fake_arena, fake_facts};
    return (struct disk){&ops, d};
}

/* The power goes: only what was durable is left, nothing is in flight. */
static inline void
disk_fake_cut(struct disk_fake *d)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        struct fake_file *f = &d->files[i];
        if (f->path[0] && f->durable_size)
            memcpy(f->bytes, f->durable, f->durable_size < f->size ? f->durable_size : f->size);
        if (f->path[0] && f->size > f->durable_size)
            f->size = f->durable_size;
    }
    d->done_count = 0;
    d->fail_from = 0;
    d->hold = false;
}

static inline void
disk_fake_free(struct disk_fake *d)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++)
        fake_drop(&d->files[i]);
    free(d);
}

static inline uint64_t
fake_now(void *self)
{
    return ((struct disk_fake *)self)->now_ns += 1000;
}

static inline void
fake_wait(void *self, uint64_t deadline_ns)
{
    struct disk_fake *d = self;
    if (deadline_ns != CLOCK_NEVER && deadline_ns > d->now_ns)
        d->now_ns = deadline_ns;
}

static inline int64_t
fake_wall(void *self)
{
    return (int64_t)(((struct disk_fake *)self)->now_ns / CLOCK_NS_PER_MS);
}

static inline struct clock
disk_fake_clock(struct disk_fake *d)
{
    static const struct clock_ops ops = {
        .now_ns = fake_now, .wall_ms = fake_wall, .wait = fake_wait};
    return (struct clock){&ops, d};
}

#endif
