/* disk_uring.c: files over io_uring.
 *
 * While an operation is in the kernel, op->result counts the bytes done so far: a short read or
 * write is resubmitted for the rest here, so that callers never see one (but a read at the end of
 * the file). DISK_SYNC_DIR is two steps, open and fsync; op->result holds the descriptor between
 * them.
 *
 * Lists are chains through op->link: `queued` (over the limit in the kernel), `done` (for poll()).
 * An operation given to run() is told by its address and never enters `done`.
 *
 * O_DIRECT is probed once on a nameless file of each data directory; where the file system refuses
 * it, DISK_DIRECT opens the file buffered, and facts() says so. */
#include "drivers/uring/disk_uring.h"

#include "core/base/err.h"
#include "core/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    OPCODE_FTRUNCATE = 55, /* IORING_OP_FTRUNCATE, Linux 6.9; liburing 2.3 does not name it */
    ALIGN_DEFAULT = 4096,
    FILE_MODE = 0640,
    DIRECTORY_MODE = 0750,
};
#define ARENA_CHUNK_MAX ((size_t)1 << 30)

struct chain {
    struct disk_op *first, *last;
};

struct area {
    uint8_t *at;
    size_t bytes;
};

struct root {
    int fd; /* -1: out of order */
    bool direct, volatile_cache;
    uint32_t align_bytes;
    uint8_t id[16];
};

struct disk_uring {
    struct uring *ring;
    struct root roots[DISK_DIRS_MAX];
    uint32_t root_count;
    uint32_t running, running_max; /* operations in the kernel */
    struct chain queued, done;
    const struct disk_op *awaited; /* by run(); NULL once it is done */
    bool table;                    /* the kernel has our sparse buffer table */
    bool ring_truncate;
    uint32_t area_count;
    struct area areas[URING_ARENAS_MAX]; /* index: buffer number */
};

static void
chain_push(struct chain *chain, struct disk_op *op)
{
    op->link = NULL;
    if (chain->first)
        chain->last->link = op;
    else
        chain->first = op;
    chain->last = op;
}

static struct disk_op *
chain_pop(struct chain *chain)
{
    struct disk_op *op = chain->first;
    if (op)
        chain->first = op->link;
    return op;
}

static void
finish(struct disk_uring *d, struct disk_op *op, int64_t result)
{
    op->result = result;
    if (op == d->awaited)
        d->awaited = NULL;
    else
        chain_push(&d->done, op);
}

/* The registered buffer that holds [at, at + len), or -1. */
static int
area_of(const struct disk_uring *d, const uint8_t *at, size_t len)
{
    for (uint32_t i = 0; i < d->area_count; i++) {
        const struct area *a = &d->areas[i];
        if (at >= a->at && at < a->at + a->bytes && len <= (size_t)(a->at + a->bytes - at))
            return (int)i;
    }
    return -1;
}

static void
prepare_transfer(struct disk_uring *d, struct disk_op *op, struct io_uring_sqe *sqe)
{
    uint8_t *at = (uint8_t *)op->at + op->result;
    uint32_t len = op->len - (uint32_t)op->result;
    uint64_t offset = op->offset + (uint64_t)op->result;
    int area = area_of(d, at, len);
    if (op->kind == DISK_READ && area >= 0)
        io_uring_prep_read_fixed(sqe, op->file, at, len, offset, area);
    else if (op->kind == DISK_READ)
        io_uring_prep_read(sqe, op->file, at, len, offset);
    else if (area >= 0)
        io_uring_prep_write_fixed(sqe, op->file, at, len, offset, area);
    else
        io_uring_prep_write(sqe, op->file, at, len, offset);
    if (op->kind == DISK_WRITE && (op->flags & DISK_DURABLE))
        sqe->rw_flags = RWF_DSYNC;
}

static int
open_flags(const struct root *root, uint32_t flags)
{
    int f = O_CLOEXEC | (flags & DISK_WRITABLE ? O_RDWR : O_RDONLY);
    if (flags & DISK_CREATE)
        f |= O_CREAT;
    if (flags & DISK_EXCLUSIVE)
        f |= O_EXCL;
    if ((flags & DISK_DIRECT) && root->direct)
        f |= O_DIRECT;
    return f;
}

static void
start(struct disk_uring *d, struct disk_op *op)
{
    const struct root *root = op->path ? &d->roots[op->dir] : NULL;
    struct io_uring_sqe *sqe = uring_sqe(d->ring);
    switch (op->kind) {
    case DISK_OPEN:
        io_uring_prep_openat(sqe, root->fd, op->path, open_flags(root, op->flags), FILE_MODE);
        break;
    case DISK_CLOSE:
        io_uring_prep_close(sqe, op->file);
        break;
    case DISK_READ:
    case DISK_WRITE:
        prepare_transfer(d, op, sqe);
        break;
    case DISK_SYNC:
        io_uring_prep_fsync(sqe, op->file, IORING_FSYNC_DATASYNC);
        break;
    case DISK_ALLOCATE:
        io_uring_prep_fallocate(sqe, op->file, 0, (off_t)op->offset, (off_t)op->length);
        break;
    case DISK_TRUNCATE:
        io_uring_prep_rw(OPCODE_FTRUNCATE, sqe, op->file, NULL, 0, op->offset);
        break;
    case DISK_PUNCH:
        io_uring_prep_fallocate(sqe, op->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                (off_t)op->offset, (off_t)op->length);
        break;
    case DISK_RENAME:
        io_uring_prep_renameat(sqe, root->fd, op->path, root->fd, op->path_to, 0);
        break;
    case DISK_UNLINK:
        io_uring_prep_unlinkat(sqe, root->fd, op->path,
                               op->flags & DISK_DIRECTORY ? AT_REMOVEDIR : 0);
        break;
    case DISK_MKDIR:
        io_uring_prep_mkdirat(sqe, root->fd, op->path, DIRECTORY_MODE);
        break;
    case DISK_SYNC_DIR:
        io_uring_prep_openat(sqe, root->fd, op->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        break;
    case DISK_SIZE:
    case DISK_WAIT:
        must(false); /* at_once() and disk_run() have done them */
    }
    uring_sqe_tag(sqe, URING_DISK, (uint64_t)(uintptr_t)op);
}

/* Kinds that need no ring: they never sleep, or the kernel has no opcode for them.  True when done.
 */
static bool
at_once(struct disk_uring *d, struct disk_op *op)
{
    struct stat st;
    switch (op->kind) {
    case DISK_SIZE:
        finish(d, op, fstat(op->file, &st) < 0 ? uring_err(errno) : st.st_size);
        return true;
    case DISK_TRUNCATE:
        if (d->ring_truncate)
            return false;
        finish(d, op, ftruncate(op->file, (off_t)op->offset) < 0 ? uring_err(errno) : 0);
        return true;
    case DISK_PUNCH:
        if (fstat(op->file, &st) == 0 && st.st_nlink == 0)
            return false;
        finish(d, op, ERR_EXISTS);
        return true;
    case DISK_READ:
    case DISK_WRITE:
        if (op->len > 0)
            return false;
        finish(d, op, 0);
        return true;
    default:
        return false;
    }
}

static void
disk_submit(void *self, struct disk_op *op)
{
    struct disk_uring *d = self;
    op->result = 0;
    if (op->path && (op->dir >= d->root_count || d->roots[op->dir].fd < 0)) {
        finish(d, op, ERR_IO);
        return;
    }
    if (at_once(d, op))
        return;
    if (d->running == d->running_max) {
        chain_push(&d->queued, op);
        return;
    }
    d->running++;
    start(d, op);
}

/* Returns true when the rest has been submitted. */
static bool
transfer_goes_on(struct disk_uring *d, struct disk_op *op, int res)
{
    if (res == -EINTR) {
        start(d, op);
        return true;
    }
    if (res <= 0)
        return false;
    op->result += res;
    if (op->result >= op->len)
        return false;
    start(d, op);
    return true;
}

static int64_t
transfer_result(const struct disk_op *op, int res)
{
    /* What is left of a read that met the end of the file begins unaligned: direct I/O refuses it
     * when a write has made the file longer since. */
    if (res == -EINVAL && op->kind == DISK_READ && op->result > 0)
        return op->result;
    if (res < 0)
        return uring_err(-res);
    if (op->kind == DISK_WRITE && op->result < op->len)
        return ERR_IO; /* a write of nothing */
    return op->result;
}

/* Where a file system cannot allocate, only the size grows: ENOSPC then meets the write instead. */
static int
allocate_result(const struct disk_op *op, int res)
{
    struct stat st;
    if (res != -EOPNOTSUPP)
        return res;
    off_t end = (off_t)(op->offset + op->length);
    if (fstat(op->file, &st) < 0 || (st.st_size < end && ftruncate(op->file, end) < 0))
        return -errno;
    return 0;
}

/* A file on another file system than the probed one may still refuse O_DIRECT. */
static int
open_result(const struct disk_uring *d, const struct disk_op *op, int res)
{
    const struct root *root = &d->roots[op->dir];
    if (res != -EINVAL || !(op->flags & DISK_DIRECT))
        return res;
    uint32_t flags = op->flags & ~(uint32_t)DISK_DIRECT;
    int fd = openat(root->fd, op->path, open_flags(root, flags), FILE_MODE);
    if (fd < 0)
        return -errno;
    log_warn("disk", "no O_DIRECT for %s: the page cache is in between", op->path);
    return fd;
}

static void
sync_dir_second(struct disk_uring *d, struct disk_op *op, int fd)
{
    op->result = fd;
    struct io_uring_sqe *sqe = uring_sqe(d->ring);
    io_uring_prep_fsync(sqe, fd, 0);
    uring_sqe_tag(sqe, URING_DISK_DIR, (uint64_t)(uintptr_t)op);
}

void
disk_uring_done(struct disk_uring *d, const struct uring_done *done)
{
    struct disk_op *op = (struct disk_op *)(uintptr_t)done->value;
    int res = done->res;
    int64_t result;
    if (done->kind == URING_DISK_DIR) {
        close((int)op->result);
        result = res < 0 ? uring_err(-res) : 0;
    } else if (op->kind == DISK_SYNC_DIR && res >= 0) {
        sync_dir_second(d, op, res);
        return;
    } else if (op->kind == DISK_READ || op->kind == DISK_WRITE) {
        if (transfer_goes_on(d, op, res))
            return;
        result = transfer_result(op, res);
    } else {
        if (op->kind == DISK_OPEN)
            res = open_result(d, op, res);
        if (op->kind == DISK_ALLOCATE)
            res = allocate_result(op, res);
        result = res < 0 ? uring_err(-res) : res;
    }
    must(d->running > 0);
    d->running--;
    finish(d, op, result);
    struct disk_op *next = chain_pop(&d->queued);
    if (next) {
        d->running++;
        start(d, next);
    }
}

static uint32_t
disk_poll(void *self, struct disk_op **done, uint32_t max)
{
    struct disk_uring *d = self;
    uint32_t n = 0;
    while (n < max && (done[n] = chain_pop(&d->done)) != NULL)
        n++;
    return n;
}

static int64_t
disk_run(void *self, struct disk_op *op)
{
    struct disk_uring *d = self;
    must(d->awaited == NULL);
    if (op->kind == DISK_WAIT) {
        while (!d->done.first && d->running)
            uring_turn(d->ring, true);
        op->result = d->done.first != NULL;
        return op->result;
    }
    d->awaited = op;
    disk_submit(d, op);
    while (d->awaited)
        uring_turn(d->ring, true);
    return op->result;
}

static int
disk_list(void *self, uint8_t dir_number, const char *path,
          void (*each)(void *user, const char *name), void *user)
{
    struct disk_uring *d = self;
    must(dir_number < d->root_count);
    if (d->roots[dir_number].fd < 0)
        return ERR_IO;
    int fd = openat(d->roots[dir_number].fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return uring_err(errno);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int err = uring_err(errno);
        close(fd);
        return err;
    }
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(user, entry->d_name);
        errno = 0;
    }
    int err = errno ? uring_err(errno) : ERR_OK;
    closedir(dir);
    return err;
}

/* Once a process: every arena of every loop meets the same limit. */
static void
arena_unregistered(size_t bytes, int errno_value)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&told))
        return;
    log_warn("disk",
             "buffers are not registered (errno=%d %s, bytes=%zu): file I/O costs more CPU; %s",
             errno_value, strerror(errno_value), bytes,
             errno_value == ENOMEM || errno_value == EPERM
                 ? "raise the locked-memory limit (LimitMEMLOCK=infinity, ulimit -l unlimited)"
                 : "the kernel does not take this memory");
}

static void
disk_arena(void *self, void *at, size_t bytes)
{
    struct disk_uring *d = self;
    uint8_t *from = at;
    while (bytes > 0) {
        size_t chunk = bytes < ARENA_CHUNK_MAX ? bytes : ARENA_CHUNK_MAX;
        struct iovec iov = {from, chunk};
        int ret = -ENOSPC;
        if (d->table && d->area_count < URING_ARENAS_MAX)
            ret = io_uring_register_buffers_update_tag(uring_ring(d->ring), d->area_count, &iov,
                                                       NULL, 1);
        if (ret < 0) {
            arena_unregistered(bytes, -ret);
            return;
        }
        d->areas[d->area_count++] = (struct area){from, chunk};
        from += chunk;
        bytes -= chunk;
    }
}

static const struct {
    uint32_t magic;
    const char *name;
} file_systems[] = {
    {0xef53, "ext4"},     {0x58465342, "xfs"},     {0x01021994, "tmpfs"},    {0x9123683e, "btrfs"},
    {0xf2f52010, "f2fs"}, {0x794c7630, "overlay"}, {0x6969, "nfs"},          {0x2fc12fc1, "zfs"},
    {0x65735546, "fuse"}, {0x01021997, "9p"},      {0xca451a4e, "bcachefs"},
};

static const char *
file_system_name(uint32_t magic)
{
    for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++)
        if (file_systems[i].magic == magic)
            return file_systems[i].name;
    return "unknown";
}

/* Reads queue/write_cache of the device below `dir`, or of the disk it is a partition of. */
static bool
volatile_cache(int dir)
{
    static const char *const ups[] = {"", "../"};
    struct stat st;
    if (fstat(dir, &st) < 0)
        return true;
    for (size_t i = 0; i < sizeof ups / sizeof *ups; i++) {
        char path[64], text[32] = "";
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%squeue/write_cache", major(st.st_dev),
                 minor(st.st_dev), ups[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        return n <= 0 || strncmp(text, "write through", 13) != 0;
    }
    return true;
}

static void
disk_facts(void *self, uint8_t dir, struct disk_facts *out)
{
    const struct disk_uring *d = self;
    must(dir < d->root_count);
    const struct root *root = &d->roots[dir];
    *out = (struct disk_facts){
        .align_bytes = root->align_bytes,
        .direct = root->direct,
        .volatile_cache = root->volatile_cache,
        .dirs = d->root_count,
        .online = root->fd >= 0,
    };
    memcpy(out->id, root->id, sizeof out->id);
    struct statfs fs;
    if (root->fd < 0 || fstatfs(root->fd, &fs) < 0)
        return;
    snprintf(out->file_system, sizeof out->file_system, "%s",
             file_system_name((uint32_t)fs.f_type));
    /* Some file systems in memory do not tell: then only ENOSPC does. */
    out->free_bytes = fs.f_blocks ? (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize : UINT64_MAX;
    out->total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
}

bool
disk_uring_ready(const struct disk_uring *d)
{
    return d->done.first != NULL;
}

static const struct disk_ops disk_ops = {
    .submit = disk_submit,
    .poll = disk_poll,
    .run = disk_run,
    .list = disk_list,
    .arena = disk_arena,
    .facts = disk_facts,
};

struct disk
disk_uring_port_of(struct disk_uring *d)
{
    return (struct disk){&disk_ops, d};
}

static void
probe_direct(struct root *r)
{
    static const char name[] = ".direct-probe"; /* where there are no nameless files */
    r->align_bytes = ALIGN_DEFAULT;
    bool named = false;
    int fd = openat(r->fd, ".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        named = true;
        fd = openat(r->fd, name, O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    }
    r->direct = fd >= 0;
    if (fd >= 0) {
        struct statx sx;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
            (sx.stx_mask & STATX_DIOALIGN)) {
            uint32_t align = sx.stx_dio_mem_align > sx.stx_dio_offset_align
                                 ? sx.stx_dio_mem_align
                                 : sx.stx_dio_offset_align;
            r->direct = align > 0;
            r->align_bytes = align > 0 ? align : ALIGN_DEFAULT;
        }
        close(fd);
    }
    if (named)
        (void)unlinkat(r->fd, name, 0);
    static atomic_flag told = ATOMIC_FLAG_INIT; /* once a process */
    if (!r->direct && !atomic_flag_test_and_set(&told))
        log_warn("disk", "no O_DIRECT on this file system: data goes through the page cache, which "
                         "costs a copy and memory; put the data directory on ext4 or xfs");
}

int
disk_uring_create(struct uring *u, const struct uring_config *config, struct disk_uring **out)
{
    struct stat st;
    if (config->data_dirs > DISK_DIRS_MAX)
        return ERR_INVALID;
    for (uint32_t i = 0; i < config->data_dirs; i++)
        if (config->data_dir_fds[i] >= 0 &&
            (fstat(config->data_dir_fds[i], &st) < 0 || !S_ISDIR(st.st_mode)))
            return ERR_INVALID;
    struct disk_uring *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ERR_LIMIT;
    d->ring = u;
    d->root_count = config->data_dirs;
    d->running_max = uring_ring(u)->sq.ring_entries;
    d->table = io_uring_register_buffers_sparse(uring_ring(u), URING_ARENAS_MAX) == 0;
    struct io_uring_probe *probe = io_uring_get_probe_ring(uring_ring(u));
    if (probe) {
        d->ring_truncate = io_uring_opcode_supported(probe, OPCODE_FTRUNCATE);
        io_uring_free_probe(probe);
    }
    for (uint32_t i = 0; i < d->root_count; i++) {
        d->roots[i] = (struct root){.fd = config->data_dir_fds[i], .align_bytes = ALIGN_DEFAULT};
        memcpy(d->roots[i].id, config->data_dir_ids[i], sizeof d->roots[i].id);
        d->roots[i].volatile_cache = volatile_cache(d->roots[i].fd);
        if (d->roots[i].fd >= 0)
            probe_direct(&d->roots[i]);
    }
    *out = d;
    return ERR_OK;
}

void
disk_uring_destroy(struct disk_uring *d)
{
    free(d);
}
