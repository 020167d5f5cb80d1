/* store_job.h: jobs, the small programs of disk operations of a store (store_job.c).  Of the loop
 * alone. */
#ifndef SLUICE_STORE_STORE_JOB_H
#define SLUICE_STORE_STORE_JOB_H

#include "core/store/disk.h"
#include "core/store/plog_in.h"

struct read_buffer;
struct store;
struct walk;

enum job_kind {
    JOB_WRITE,
    JOB_SEAL,
    JOB_SYNC,
    JOB_DIRS,
    JOB_READ,
    JOB_INDEX,
    JOB_LARGE,
    JOB_DELETE,
    JOB_DROP,
    JOB_SWAP,
    JOB_SIDECAR,
    JOB_CLOSE,
    JOB_CKPT,
    JOB_READY,
    JOB_EXTENT,
    JOB_PROBE,
    JOB_MOVE,
    JOB_SHRINK,
    JOB_KINDS,
};

enum { JOB_OPENED = 100 }; /* the step a job is in when its segment's file is open */

struct job {
    struct disk_op op;
    enum job_kind kind;
    uint8_t dir; /* data directory */
    bool used, holds_file;
    bool walks; /* it is one of store.walks */
    uint32_t step, at;
    struct plog *log;
    struct segment *seg;
    struct read_buffer *buffer;
    uint8_t *mem;
    uint32_t from, len, bounce;
    uint64_t extent, entry, place; /* of an extent: number, tail entry, place in the arena */
    uint64_t lsn;                  /* of the record that has its bytes, if its write failed */
    uint32_t flight;               /* of an extent: of store.flights */
    int64_t result;                /* of the operation that ended */
    int32_t file;
    struct index idx;
    int64_t max_ts;
    struct walk *walk; /* JOB_INDEX: store_index.c */
    int error;         /* told at the end */
    char path[PLOG_PATH_BYTES], path_to[PLOG_PATH_BYTES];
    struct list node;
};

struct job *store_job(struct store *s, enum job_kind kind, struct plog *p, struct segment *seg);
bool store_job_room(const struct store *s); /* for what is not urgent */
void store_job_run(struct store *s, struct job *j, const struct disk_op *op);
void store_job_open(struct store *s, struct job *j); /* then step JOB_OPENED comes */
void store_job_end(struct store *s, struct job *j);
void store_job_done(struct store *s, struct job *j); /* one operation ended */
void store_file_close(struct store *s, struct segment *seg);
int32_t store_file_give(struct store *s, struct segment *seg); /* open; it is the caller's now */
/* The next checkpoint makes the names in the log's directory durable. */
void store_dirs_note(struct store *s, struct plog *p);

/* one step of each kind of job */
void store_write_next(struct store *s, struct job *j);
void store_seal_next(struct store *s, struct job *j);
void store_sync_next(struct store *s, struct job *j);
void store_dirs_next(struct store *s, struct job *j);
void store_read_next(struct store *s, struct job *j);
void store_index_next(struct store *s, struct job *j);
void store_large_next(struct store *s, struct job *j);
void store_delete_next(struct store *s, struct job *j);
void store_swap_next(struct store *s, struct job *j);
void store_ckpt_next(struct store *s, struct job *j);
void store_ready_next(struct store *s, struct job *j);
void store_extent_next(struct store *s, struct job *j);
void store_probe_next(struct store *s, struct job *j);
void store_move_next(struct store *s, struct job *j);
void store_drop_next(struct store *s, struct job *j);
void store_shrink_next(struct store *s, struct job *j);
void store_sidecar_next(struct store *s, struct job *j);

#endif
