/* disk.h: port for files.
 *
 * Drivers: io_uring (drivers/uring), a simulated disk with faults (tests/sim).  One instance a
 * loop.  The caller owns a struct disk_op and everything it points to until poll() or run() hands
 * it back.  There are one or more data directories, 0 first; paths are relative to the one that the
 * operation names, and a rename stays in it.  Every path of a directory that could not be opened at
 * start, or that there is not, gives ERR_IO.  Operations of one instance complete in any order; an
 * order that matters is made by waiting.  Nothing is retried: an error is the result. */
#ifndef SLUICE_STORE_DISK_H
#define SLUICE_STORE_DISK_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_DIRS_MAX = 32 };

enum disk_kind {
    DISK_OPEN,  /* path, flags -> result: file number */
    DISK_CLOSE, /* file */
    DISK_READ,  /* file, at, len, offset -> result: bytes read, short only at the end of the file */
    DISK_WRITE, /* file, at, len, offset, flags -> result: len, or an error (never short) */
    DISK_SYNC,  /* file: fdatasync; covers writes that had completed before it was submitted */
    DISK_ALLOCATE, /* file, offset, length: blocks without data, size grows to cover them */
    DISK_TRUNCATE, /* file, offset: new size */
    DISK_PUNCH, /* file without a name, offset, length: gives these blocks back, they read as zeros.
                 * ERR_EXISTS: it has a name, a hard link: nothing is done.  Or the file system
                 * cannot. */
    DISK_RENAME,   /* path, path_to; replaces */
    DISK_UNLINK,   /* path of a file, or of an empty directory with DISK_DIRECTORY */
    DISK_MKDIR,    /* path; ERR_EXISTS when there */
    DISK_SYNC_DIR, /* path of a directory: its entries are durable */
    DISK_SIZE,     /* file -> result: bytes */
    DISK_WAIT, /* with run() only: until poll() has something to hand back -> result: 1; 0 at once
                * when nothing is in flight */
};

enum disk_flags {
    DISK_CREATE = 1,   /* OPEN: create if missing */
    DISK_WRITABLE = 2, /* OPEN */
    DISK_DIRECT = 4,  /* OPEN: bypass the page cache where the file system can; buffers, lengths and
                       * offsets must then be multiples of facts().align_bytes */
    DISK_DURABLE = 8, /* WRITE: result only when the bytes are on stable storage (RWF_DSYNC) */
    DISK_EXCLUSIVE = 16, /* OPEN with DISK_CREATE: ERR_EXISTS when there */
    DISK_DIRECTORY = 32, /* UNLINK: a directory */
};

struct disk_op {
    enum disk_kind kind;
    uint8_t dir; /* of path and path_to: which data directory */
    uint32_t flags;
    int32_t file;
    uint32_t len;
    void *at;
    uint64_t offset;
    uint64_t length;
    const char *path, *path_to;
    int64_t result; /* >= 0, or a negative enum err: ERR_IO, ERR_NO_SPACE, ERR_NOT_FOUND, ... */
    void *user;     /* the caller's */
    uint32_t tag;   /* the caller's */
    struct disk_op *link; /* the driver's while it has the op */
};

/* Of one data directory. */
struct disk_facts {
    uint32_t dirs;        /* how many data directories the port has; 0: one */
    uint8_t id[16];       /* of this directory, whatever its number; all zero: it has none */
    bool online;          /* it was there at the start */
    uint32_t align_bytes; /* of memory, length and offset for DISK_DIRECT: 4096 or less */
    bool direct;          /* DISK_DIRECT really bypasses the page cache */
    bool volatile_cache;  /* the device has a volatile write cache (unknown counts as true) */
    char file_system[16]; /* "ext4", "xfs", "tmpfs", ... */
    uint64_t free_bytes;  /* 0 when the directory cannot be asked */
    uint64_t total_bytes; /* of the file system; 0 unknown */
};

struct disk_ops {
    void (*submit)(void *self, struct disk_op *op);
    /* Hands back completed operations, at most max. */
    uint32_t (*poll)(void *self, struct disk_op **done, uint32_t max);
    /* Submits one operation and blocks until it is done; returns op->result.  Boot, recovery and
     * tools only; operations submitted before stay in flight. */
    int64_t (*run)(void *self, struct disk_op *op);
    /* Calls each(user, name) for every entry of a directory but "." and ".."; blocks.
     * ERR_NOT_FOUND. */
    int (*list)(void *self, uint8_t dir, const char *path,
                void (*each)(void *user, const char *name), void *user);
    /* Tells the driver about a long-lived buffer area, so that it can register it with the kernel.
     * Failing only costs speed: the driver logs it. */
    void (*arena)(void *self, void *at, size_t bytes);
    void (*facts)(void *self, uint8_t dir, struct disk_facts *out);
};

struct disk {
    const struct disk_ops *ops;
    void *self;
};

/* One operation, blocking: ops->run. */
static inline int64_t
disk_do(struct disk *d, struct disk_op op)
{
    return d->ops->run(d->self, &op);
}

#endif
