/* disk_mem.h: disk.h in memory, with power cuts and faults: a deterministic fake for tests.
 *
 * What survives a cut for sure: bytes of completed DISK_DURABLE writes and of writes that completed
 * before a completed DISK_SYNC was submitted; changes of names that completed before a completed
 * DISK_SYNC_DIR of their directory (both directories of a rename) was submitted.  Of anything else
 * each 512-byte sector is any version it had since, and each change of a name happened or not, as
 * the seed decides; so it is with operations in flight.  A rename is never half done.  Operations
 * submitted complete in random order, some per poll.
 *
 * A data directory other than folder 0 is a folder "@n" of one image: that is how the calls below
 * name a path of it.  All have the room of disk_mem_capacity together. */
#ifndef SLUICE_TESTS_DISK_MEM_H
#define SLUICE_TESTS_DISK_MEM_H

#include "core/store/disk.h"

struct disk_mem;

enum { DISK_MEM_PORTS = 8 };

struct disk_mem *disk_mem_new(uint64_t seed);
void disk_mem_free(struct disk_mem *d);
/* One instance of the port for each loop; they share the files. */
struct disk *disk_mem_port(struct disk_mem *d, uint32_t index);

/* ---- power -------------------------------------------------------------------------------------
 */

/* The power goes after so many more operations: nothing completes any more, run() gives ERR_IO.
 * UINT64_MAX, the default: never. */
void disk_mem_cut_after(struct disk_mem *d, uint64_t ops);
bool disk_mem_is_cut(const struct disk_mem *d);
/* Power is back: decides what survived; nothing is open any more.  Also works without a cut. */
void disk_mem_restart(struct disk_mem *d);
/* As disk_mem_restart, but like a process that died with the machine still up: all is there. */
void disk_mem_reopen(struct disk_mem *d);
/* The process dies: each operation in flight is done, though not durably, or is not. */
void disk_mem_kill(struct disk_mem *d);
/* Operations in flight of one instance never end: what they point to has gone with its loop. */
void disk_mem_drop(struct disk_mem *d, uint32_t index);
/* With `on`, a sector that a cut caught may also hold any bytes where its versions differ. */
void disk_mem_garbage(struct disk_mem *d, bool on);
/* How many yes or no decisions the next restart takes, and taking them from the bits of `choice`
 * (bit 0 first; 1: the newer) instead of from the seed: for trying all. */
uint32_t disk_mem_pending(const struct disk_mem *d);
void disk_mem_choose(struct disk_mem *d, uint64_t choice);

/* ---- faults ------------------------------------------------------------------------------------
 */

enum disk_fault_what {
    DISK_FAULT_ERROR,  /* the operation gives `error`; a write has then stored any of its sectors,
                        * and  what a sync should have saved is not saved by a later one either */
    DISK_FAULT_LOST,   /* a write that stores nothing and says it did */
    DISK_FAULT_ASTRAY, /* a write that goes `shift` bytes farther on in its file, and says nothing
                        */
};

struct disk_fault {
    enum disk_fault_what what;
    enum disk_kind kind;
    char part[64];  /* of the path */
    uint64_t skip;  /* operations that match and go well before the first */
    uint64_t count; /* operations that fail; then they go well again */
    int error;      /* ERROR */
    uint64_t shift; /* ASTRAY */
};

enum { DISK_FAULTS_MAX = 8 };

/* Adds a fault. */
void disk_mem_fault(struct disk_mem *d, const struct disk_fault *fault);
void disk_mem_fault_clear(struct disk_mem *d);
/* Every operation of this kind on a path that contains `part` fails from now on, and no other fault
 * is left; NULL: none does. */
void disk_mem_fail(struct disk_mem *d, const char *part, enum disk_kind kind, int error);

/* The data directories are these folders, in this order; the id of folder n is n and zeros.  255:
 * one that is not there.  Default: folder 0 alone. */
void disk_mem_dirs(struct disk_mem *d, const uint8_t *folders, uint32_t count);
/* Everything in folder `dir` fails with `error` from now on, as on a disk that died;
 * ERR_OK: it works again.  Nothing in it is lost. */
void disk_mem_fail_dir(struct disk_mem *d, uint8_t dir, int error);

/* The last operation that a fault was done to; path "" when there was none yet. */
struct disk_hit {
    char path[256];
    uint64_t offset, count; /* count: of all hits */
    uint32_t len;
};
void disk_mem_hit(const struct disk_mem *d, struct disk_hit *out);

/* So many of 1000 submitted operations take up to `polls` polls longer. */
void disk_mem_slow(struct disk_mem *d, uint32_t permille, uint32_t polls);
/* Every write to a path that contains `part` takes up to `polls` polls longer; lent. */
void disk_mem_late(struct disk_mem *d, const char *part, uint32_t polls);

/* The files may hold so many bytes together, counted in blocks of 4 KiB from 0 to their size;
 * UINT64_MAX, the default: any.  What does not fit gives ERR_NO_SPACE, and a write that does not
 * fit is done in part.  Files that have no name any more count nothing. */
void disk_mem_capacity(struct disk_mem *d, uint64_t bytes);
uint64_t disk_mem_used(const struct disk_mem *d);

/* Bit rot: turns bits of a stored byte, past every durability.  False: there is no such byte. */
bool disk_mem_rot(struct disk_mem *d, const char *path, uint64_t at, uint8_t bits);

/* ---- looking -----------------------------------------------------------------------------------
 */

/* The bytes of a file, for tests that damage it; NULL when there is none. */
uint8_t *disk_mem_bytes(struct disk_mem *d, const char *path, uint64_t *size);
/* Calls each(user, path, size) for every file there is. */
void disk_mem_each(struct disk_mem *d, void (*each)(void *user, const char *path, uint64_t size),
                   void *user);
/* Prints every operation that ends on stderr. */
void disk_mem_trace(struct disk_mem *d, bool on);
uint64_t disk_mem_ops(const struct disk_mem *d);
uint64_t disk_mem_count(const struct disk_mem *d, enum disk_kind kind);
/* Files open now. */
uint32_t disk_mem_open_files(const struct disk_mem *d);
/* The path of one of them, as it was when it was opened; NULL: none is open. */
const char *disk_mem_open_path(const struct disk_mem *d);

#endif
