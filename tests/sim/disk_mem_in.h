/* disk_mem_in.h: the parts of a disk in memory.
 *
 *   disk_mem.c    life; the port: queue, order of completion
 *   disk_file.c   bytes of files: as seen by reads, as durable, and what lay between
 *   disk_name.c   names: as seen, and the changes that are not durable yet
 *   disk_fault.c  errors, lost and stray writes, bit rot, a full disk
 *   disk_cut.c    what a power cut leaves */
#ifndef SLUICE_TESTS_DISK_MEM_IN_H
#define SLUICE_TESTS_DISK_MEM_IN_H

#include "tests/sim/disk_mem.h"

enum {
    DISK_SECTOR = 512,
    DISK_BLOCK = 4096,
    DISK_FILES_MAX = 4096,
    DISK_OPEN_MAX = 4096,
    DISK_QUEUE_MAX = 1024,
    DISK_PATH_BYTES = 256,
};

/* What a sector held at some time after its last durable state and before now. */
struct disk_version {
    uint64_t sector, stamp;
    uint8_t bytes[DISK_SECTOR];
};

/* Per sector: now_stamp > safe_stamp means that what reads see is not durable.  Versions up to
 * `stuck` were part of a sync that failed: no later sync saves them. */
struct disk_file {
    uint8_t *now, *safe;
    uint64_t *now_stamp, *safe_stamp, *stuck;
    struct disk_version *olds;
    uint32_t old_count, old_room;
    uint64_t size, safe_size, safe_size_stamp, room;
    bool used;
};

enum { DISK_NO_FILE = -1, DISK_IS_DIR = -2 };

struct disk_name {
    char path[DISK_PATH_BYTES];
    uint32_t hash, parent; /* of the path, of its directory */
    int32_t now, safe;     /* file, or one of the two above; safe: before the first name_op */
};

/* A change of one name, or of two at once.  In order of time; the durable ones at the front of the
 * list are folded into disk_name.safe. */
struct disk_name_op {
    uint32_t name[2], parent[2];
    int32_t to[2];
    uint32_t count;
    uint64_t stamp;
    bool durable[2], moves_dir;
};

struct disk_mem_port {
    struct disk port;
    struct disk_mem *disk;
};

struct disk_queued {
    struct disk_op *op;
    const struct disk_mem_port *by;
    uint64_t stamp, size, due; /* at submission: what a sync covers; when it may complete */
};

struct disk_armed {
    struct disk_fault fault;
    uint64_t seen, done;
};

struct disk_mem {
    struct disk_mem_port ports[DISK_MEM_PORTS];
    uint64_t rng, ops, left, capacity, stamp, tick;
    uint64_t counts[DISK_SIZE + 1];
    struct disk_file files[DISK_FILES_MAX];
    uint32_t file_count;
    struct disk_name *names;
    uint32_t name_count, name_room;
    struct disk_name_op *name_ops;
    uint32_t name_op_count, name_op_room;
    int32_t open[DISK_OPEN_MAX]; /* file of a file number */
    uint32_t open_name[DISK_OPEN_MAX], open_limit;
    bool direct[DISK_OPEN_MAX];
    struct disk_queued queue[DISK_QUEUE_MAX];
    uint32_t queue_count;
    struct disk_armed faults[DISK_FAULTS_MAX];
    uint32_t fault_count;
    int dir_error[UINT8_MAX + 1];   /* of a folder */
    uint8_t folders[UINT8_MAX + 1]; /* of the data directories, in their order */
    uint32_t dirs;
    struct disk_hit hit;
    uint32_t slow_permille, slow_polls, late_polls;
    const char *late_part;
    bool garbage, choosing, trace;
    uint64_t choice;
};

uint64_t disk_random(struct disk_mem *d);
bool disk_chance(struct disk_mem *d, uint32_t in);

/* disk_mem.c */
int64_t disk_apply(struct disk_mem *d, const struct disk_queued *q);

/* disk_file.c */
struct disk_file *disk_file_of(struct disk_mem *d, int32_t number);
void disk_file_room(struct disk_file *f, uint64_t bytes);
void disk_file_write(struct disk_mem *d, struct disk_file *f, uint64_t offset, const void *at,
                     uint64_t len);
void disk_file_durable(struct disk_file *f, uint64_t offset, uint64_t len);
void disk_file_truncate(struct disk_mem *d, struct disk_file *f, uint64_t size);
/* Everything up to a stamp is durable; or will never be. */
void disk_file_sync(struct disk_file *f, uint64_t stamp, uint64_t size);
void disk_file_stick(struct disk_file *f, uint64_t stamp);
void disk_file_free(struct disk_file *f);

/* disk_name.c */
/* The name of a path in the one image: see disk_mem.h. */
const char *disk_name_image(uint8_t dir, const char *path, char out[static DISK_PATH_BYTES]);
struct disk_name *disk_name_find(struct disk_mem *d, const char *path);
uint32_t disk_name_make(struct disk_mem *d, const char *path);
void disk_name_set(struct disk_mem *d, uint32_t name, int32_t to);
int64_t disk_name_rename(struct disk_mem *d, const struct disk_op *op);
int64_t disk_name_unlink(struct disk_mem *d, const struct disk_op *op);
int64_t disk_name_mkdir(struct disk_mem *d, const struct disk_op *op);
int64_t disk_name_sync(struct disk_mem *d, const struct disk_op *op, uint64_t stamp);
bool disk_name_parent_there(struct disk_mem *d, const char *path);
bool disk_name_dir_there(struct disk_mem *d, const char *path);
uint32_t disk_name_hash(const char *path, size_t len);
/* Takes what is in the way of a directory back to where it was. */
void disk_name_move_children(struct disk_mem *d, const char *from, const char *to);
/* Forgets names and files that are nowhere any more.  Only while nothing is open. */
void disk_name_sweep(struct disk_mem *d);

/* disk_fault.c: true when the fault decided the result. */
bool disk_fault_meets(struct disk_mem *d, const struct disk_queued *q, int64_t *result);
const char *disk_fault_path(const struct disk_mem *d, const struct disk_op *op);
uint64_t disk_fault_space(const struct disk_mem *d);
uint64_t disk_fault_size_limit(const struct disk_mem *d, const struct disk_file *f);

/* disk_cut.c */
void disk_cut_flight(struct disk_mem *d);

#endif
