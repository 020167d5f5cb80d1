/* disk_mem.h: disk.h in memory, with power cuts: a deterministic fake for tests.
 *
 * What survives a cut: bytes of completed DISK_DURABLE writes and of writes that completed before a
 * completed DISK_SYNC was submitted; names present at a completed DISK_SYNC_DIR.  Anything else is,
 * for each 512-byte sector and each directory, old or new as the seed decides; so are the sectors
 * of writes in flight.  Operations submitted complete in random order, some per poll.
 *
 * Data directory n > 0 is the folder "@n" of one image: that is how the calls below name a path of
 * it.  All have the room of disk_mem_capacity together. */
#ifndef SLUICE_TESTS_DISK_MEM_H
#define SLUICE_TESTS_DISK_MEM_H

#include "core/store/disk.h"

struct disk_mem;

enum { DISK_MEM_PORTS = 8 };

struct disk_mem *disk_mem_new(uint64_t seed);
void disk_mem_free(struct disk_mem *d);
/* One instance of the port for each loop; they share the files. */
struct disk *disk_mem_port(struct disk_mem *d, uint32_t index);

/* The power goes after so many more operations: nothing completes any more, run() gives ERR_IO.
 * UINT64_MAX, the default: never. */
void disk_mem_cut_after(struct disk_mem *d, uint64_t ops);
bool disk_mem_is_cut(const struct disk_mem *d);
/* Power is back: decides what survived; nothing is open any more.  Also works without a cut. */
void disk_mem_restart(struct disk_mem *d);
/* As disk_mem_restart, but like a process that died with the machine still up: all is there. */
void disk_mem_reopen(struct disk_mem *d);

/* Every operation of this kind on a path that contains `part` fails from now on; NULL: none does.
 */
void disk_mem_fail(struct disk_mem *d, const char *part, enum disk_kind kind, int error);
/* Everything in data directory `dir` fails with `error` from now on, as on a disk that died;
 * ERR_OK: it works again.  Nothing in it is lost. */
void disk_mem_fail_dir(struct disk_mem *d, uint8_t dir, int error);

/* The files may hold so many bytes together, counted in blocks of 4 KiB from 0 to their size;
 * UINT64_MAX, the default: any.  What does not fit gives ERR_NO_SPACE, and a write that does not
 * fit is done in part.  Files that have no name any more count nothing. */
void disk_mem_capacity(struct disk_mem *d, uint64_t bytes);
uint64_t disk_mem_used(const struct disk_mem *d);

/* The bytes of a file, for tests that damage it; NULL when there is none. */
uint8_t *disk_mem_bytes(struct disk_mem *d, const char *path, uint64_t *size);
uint64_t disk_mem_ops(const struct disk_mem *d);
uint64_t disk_mem_count(const struct disk_mem *d, enum disk_kind kind);
/* Files open now. */
uint32_t disk_mem_open_files(const struct disk_mem *d);

#endif
