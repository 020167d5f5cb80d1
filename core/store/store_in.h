/* store_in.h: the parts of a store, shared by store*.c.
 *
 *   store.c            life, the turn (store_step); store_table.c: the table of logs
 *   store_append.c     append; the tail map; durable and evicted batches
 *   store_stage.c      append in two halves
 *   store_task.c       tasks: long work outside of the loop (task.h)
 *   store_job.c        jobs: the small programs of disk operations; open files (store_job.h)
 *   store_writeback.c  batches from the cache to segment files; sealing
 *   store_extent.c     large batches straight to their segment
 *   store_ckpt.c       core checkpoints
 *   store_delete.c     files of deleted logs
 *   store_retain.c     log starts that move up; segments and files that go
 *   store_shrink.c     long files that go, step by step
 *   store_clean.c      which log is compacted next
 *   store_swap.c       cleaned segments take the place of others
 *   store_move.c       a log moves to another data directory; store_move_last.c: the last of it;
 *                      store_wish.c: over restarts; store_copied.c: what they keep of it
 *   store_rescue.c     records of logs whose directory does not work
 *   store_dirs.c       data directories; store_room.c: room on them
 *   store_txn.c        verification of transactions, markers
 *   store_index.c      the index of a segment that is not known; store_sidecar.c: files beside them
 *   store_read.c       locate, hold; store_cold.c: read buffers (store_cold.h); store_time.c
 *   store_prove.c      is a batch that lies across read buffers what was written
 *   store_recover.c    boot; store_replay.c: journal records into segments */
#ifndef SLUICE_STORE_STORE_IN_H
#define SLUICE_STORE_STORE_IN_H

#include "core/base/clock.h"
#include "core/base/varint.h"
#include "core/store/clean_run.h"
#include "core/store/fill.h"
#include "core/store/journal.h"
#include "core/store/move_run.h"
#include "core/store/plog_in.h"
#include "core/store/store.h"
#include "core/store/store_cold.h"
#include "core/store/store_job.h"
#include "core/store/task.h"

enum store_record {
    STORE_REC_FULL = 1,   /* a batch, in rescue files: store_record.c */
    STORE_REC_CREATE = 2, /* u64 log, topic id, i32 partition, directory id, config: creates or
                           * reconfigures */
    STORE_REC_DELETE = 3, /* u64 log */
    STORE_REC_EXTENT = 4, /* a large batch written straight to its segment: store_extent.c */
    STORE_REC_START = 5,  /* u64 log, i64 start: the log start moves up */
    STORE_REC_SWAP = 6,  /* u64 log, i64 first, i64 limit, u64 tag, i64 clean to, u32 bytes, i64 max
                            time, i64 first time: one cleaned segment takes the place of all in
                            [first, limit) */
    STORE_REC_MOVE = 7,  /* u64 log, directory id: the log is in that one from now on */
    STORE_REC_AGAIN = 8, /* as FULL: an extent whose write failed */
    STORE_REC_WISH = 9,  /* u64 log, directory id: it is to move there; its own: to stay */
    STORE_REC_BATCH = 10, /* a batch: store_record.c */
    STORE_REC_COPY = 11,  /* how far a move has copied a log: store_copied.c */
};

enum {
    STORE_PLACE_BYTES = 24, /* what FULL, AGAIN and EXTENT begin with */
    STORE_PREFIX_MAX = 2 * VARLONG_BYTES_MAX + VARINT_BYTES_MAX, /* of BATCH */
    STORE_CREATE_BYTES = 44 + PLOG_CONFIG_BYTES,
    STORE_EXTENT_PREFIX = 96,
    STORE_START_BYTES = 16,
    STORE_SWAP_BYTES = 60,
    STORE_MOVE_BYTES = 24,
    STORE_COPY_BYTES = 28,
    STORE_BLOCK = 4096,
    STORE_FILE_BYTES = 64 << 20, /* of one journal file, when the ring is large enough */
    STORE_JOBS_MAX = 80,
    STORE_EXTENTS_MAX = 16, /* in flight */
    STORE_WRITES_MAX = 8,   /* write-backs in flight */
    STORE_SYNCS_MAX = 8,
    STORE_BLOCKS_MAX = 1024,
    STORE_SIDECAR_BYTES = 8 << 20, /* default of config.sidecar_bytes */
    STORE_SIDECAR_EVERY = 4,       /* times that: by so much an active segment grows between two */
    STORE_WALKS_MAX = 4,           /* segments walked at a time */
    STORE_WALKS_BESIDE = 1,        /* the same while records are being appended */
    STORE_WALKS_CALLED = 8,        /* logs that are told of the end of one */
    STORE_BOUNCE_BYTES = 1 << 20,
    STORE_BOUNCE_ALL = STORE_WRITES_MAX * (STORE_BOUNCE_BYTES + STORE_BLOCK),
    STORE_WRITE_GOOD_BYTES = 256 << 10,
    STORE_FILES_MAX = 2048,    /* open segment files */
    STORE_STEP_MAX = 16 << 20, /* allocated ahead of a segment */
    STORE_READ_BUFFERS_MAX = 4096,
    STORE_WAITERS_MAX = 1 << 16,
    STORE_READS_BESIDE = 1,         /* reads under way at a time while records are being appended */
    STORE_SLICE_BESIDE = 128 << 10, /* the most that one of them asks of the device at once */
    STORE_AHEAD = 3,                /* reads begun behind the one that is needed */
    STORE_PROOFS_MAX = 256,         /* batches across buffers: being read, or lately found good */
    STORE_TRIMS_MAX = 1024,         /* START records not durable yet */
    STORE_SHRINKS_MAX = 64,         /* files without a name, open while their blocks go */
    STORE_SHRINK_BYTES = 1 << 20,   /* of them in one step */
    STORE_RETAIN_LOGS = 256,        /* looked at per call of store_retain */
    STORE_RETIRED_MAX = 256,        /* replaced segments that are kept for readers */
    STORE_INDEX_BYTES = 64 << 20,   /* indexes and sums of one core, beside */
    STORE_SLAB_LOG_BYTES = 1 << 10, /* what each log takes at least */
    STORE_SLAB_BLOCK_MAX = 1 << 20,
    STORE_INDEX_KEEP_NS = 50 * 1000 * 1000, /* an index stays so long after its last use */
    STORE_EVICTS = 16,                      /* looked at per turn */
    STORE_LARGE_MAX = 8,                    /* whole large batches read for store_find_time */
    STORE_MARKS_MAX = 32,           /* searches by time that wait and know how far they got */
    STORE_IDLE_TURNS_MAX = 1 << 20, /* more than a checkpoint of all logs takes */
    STORE_DONE_MAX = 32,            /* completions taken per poll */
    STORE_MOVE_REST = 1 << 20,      /* bytes of a move that are copied in the loop, at most */
    STORE_MOVE_ROUND = 64 << 20,    /* default of config.move_bytes */
};

/* store_record.c: where a batch goes, as a record says. */
struct batch_place {
    uint64_t log;
    int64_t base; /* of the segment */
    uint32_t pos, len;
    struct view rest; /* the batch; of EXTENT what follows the place */
};
bool store_record_of_batch(uint32_t kind);
/* For such a kind.  ERR_CORRUPT: it is not whole; the batch itself is not looked at. */
must_check int store_record_read(uint32_t kind, struct view body, struct batch_place *out);
/* The log of a record of any kind; false when the body does not say. */
must_check bool store_record_log(uint32_t kind, struct view body, uint64_t *log);
/* What stands before the batch in BATCH; its length.  ahead: its base offset - base of the segment.
 */
uint32_t store_record_prefix(uint8_t at[STORE_PREFIX_MAX], uint64_t log, uint32_t pos,
                             int64_t ahead);
void store_record_place(uint8_t at[STORE_PLACE_BYTES], const struct batch_place *x);

/* One batch in the cache.  Entries form a ring in the order of the journal; those of one log are
 * linked.  I1 first <= clean <= next, first <= durable <= written <= next.  I2 all before `clean`
 * are in files.  I3 durable and written: as of journal frames (journal.c, I5 and I6). */
struct tail_entry {
    uint64_t place; /* of the batch bytes */
    int64_t base;
    uint64_t next; /* of the same log, 0 none */
    uint32_t pos, len;
    uint32_t pieces; /* fill_keep, 0 none */
    int32_t span;    /* offsets */
    uint32_t slot;   /* of the log, UINT32_MAX: deleted */
    bool written;
    bool extent; /* its whole blocks get to the file without write-back */
    bool shared; /* an extent: its first block too, with the end of the batch before it */
};

struct tail {
    struct tail_entry *ring;
    uint64_t room, first, clean, durable, written, next; /* sequence numbers, from 1 */
};

enum ckpt_phase { CKPT_IDLE, CKPT_FLUSH, CKPT_SYNC, CKPT_SAVE, CKPT_DURABLE, CKPT_WRITE };

struct ckpt {
    uint64_t next_id; /* when saving began */
    enum ckpt_phase phase;
    uint64_t seq, goal, lsn, lsn_saved, began_ns;
    uint64_t lsn_done;     /* lsn of the last one that was completed */
    uint64_t lsn_header;   /* where a replay begins that starts from the one being written */
    uint64_t lsn_released; /* the same of the last one that was completed */
    uint64_t extent_bytes; /* written as extents when it began */
    uint64_t lsn_pin;      /* with logs offline: where replay begins at the latest */
    bool clean, failed;
    bool pinned;            /* a log was saved that was offline then */
    uint32_t slot;          /* next log to save */
    uint32_t count;         /* logs saved */
    struct list sync, dirs; /* segments and logs still to be synced */
    uint32_t flight;
    uint8_t *mem;
    uint64_t room, len;
};

/* A START record that is not durable yet. */
struct trim {
    uint64_t lsn, serial; /* serial: of the log */
    int64_t start;
    uint32_t slot;
};

/* Files without a name, in the order in which they go (store_shrink.c). */
struct shrink {
    struct shrink_file {
        int32_t file;
        uint64_t left; /* bytes in front that are not punched */
    } files[STORE_SHRINKS_MAX];
    uint32_t first, count, taken; /* taken: places of files to come */
    bool busy;                    /* a job of the first one is under way */
    uint64_t began_ns, next_ns;   /* its last step; of the next */
};

/* The look for the log that needs compaction most (store_clean.c). */
struct clean {
    uint32_t slot;      /* the next log to look at */
    bool found;         /* one of those seen is due: */
    uint32_t best_slot; /* the one with the greatest dirty part */
    uint64_t best_serial, best_ratio;
    bool busy; /* a task of it is under way */
    bool
        unnamed; /* a segment was sealed that can be cleaned once a checkpoint made its name last */
};

/* A result that is being put in place, one group after the other (store_swap.c). */
struct swap {
    struct clean_run *run;
    struct plog *log;
    bool unwanted;  /* remove the new files */
    bool under_way; /* a record may be durable whose names are not: no checkpoint begins */
    bool job;
    struct segment *old[CLEAN_GROUP_MAX], *seg; /* pinned by `busy` */
    uint32_t count;
    struct list retired; /* segments, in the order of retired_ns */
    uint32_t retired_count;
};

/* Why a move of a log waits (store_move.c). */
enum move_phase {
    MOVE_COPY,    /* a round of copying is under way outside of the loop */
    MOVE_STOPPED, /* that was given up, for the process ends */
    MOVE_DRAIN,   /* extents of the log are to be behind `written` */
    MOVE_LAST,    /* write-back stands still; the rest is copied here */
    MOVE_READY,   /* all is copied: the record can be appended */
    MOVE_RECORD,  /* until that is durable */
    MOVE_SHUT,    /* until no file is in use or open */
    MOVE_REMOVE,  /* files that do not count go */
};

struct move {
    struct list queue;    /* logs */
    struct move_run *run; /* NULL: nothing moves */
    struct plog *log;
    enum move_phase phase;
    bool out;  /* its task is with others, or waits for them */
    bool held; /* no checkpoint begins */
    bool unwanted;
    bool job;
    uint64_t drain_seq; /* the last tail entry that may be an extent */
    uint64_t lsn;       /* of the record */
    int64_t offset;     /* so far the log is copied */
    uint64_t kept;      /* bytes that an earlier process had copied, */
    uint64_t bytes;     /* with those that this one has */
};

/* The data directories, by their number in the port. */
struct store_dirs {
    uint32_t count;
    struct {
        uint8_t id[16];
        bool online, probing;
        uint32_t logs; /* of this core */
    } dirs[DISK_DIRS_MAX];
};

/* Of one data directory. */
struct room {
    uint64_t free;     /* bytes, as the last look found them */
    uint64_t credit;   /* bytes that may be appended before the next look */
    uint64_t wanted;   /* by an append that did not get them */
    uint64_t look_ns;  /* of the next look */
    uint64_t retry_ns; /* no work that needs space before */
    bool low;
};

/* Where a batch is to lie: in its record, or in an extent. */
struct store_landing {
    struct fill fill; /* begun for an extent */
    uint8_t *at;
    uint64_t place, lsn;
    bool extent;
    struct journal_extent x;
};

/* An extent that has not ended; log NULL: a free place. */
struct extent_flight {
    struct plog *log;
    int64_t base; /* of its batch */
};

/* A batch between store_stage and its end; log NULL: there is none. */
struct stage {
    struct plog *log;
    uint64_t room; /* taken for it */
    struct store_landing land;
};

/* What the broker stamps on a batch. */
struct store_stamp {
    int32_t leader_epoch;
    int64_t now_ms;
};

struct store {
    struct store_config config;
    struct disk *disk;
    struct journal *journal;
    struct journal_config journal_config;
    char dir[32];
    uint64_t generation, now_ns, append_ns; /* append_ns: of the last append */
    int error;
    struct plog *logs;
    uint32_t log_count, log_limit, *free_slots, free_count;
    uint32_t *buckets, bucket_count;
    uint64_t next_id, next_serial;
    struct tail tail;
    struct fill_ring fills; /* of the extents in the tail map */
    struct stage stage;
    struct list changed, dirty, unsynced, dirs_unsynced, dying, open_files;
    uint32_t files_open;
    uint8_t *blocks; /* the last, partial blocks of files that were written lately */
    struct plog *block_owners[STORE_BLOCKS_MAX];
    uint32_t block_hand;
    struct list unread;       /* logs that were refused a read buffer, longest first */
    bool unread_called;       /* one of them was, in this turn */
    struct plog *unread_turn; /* of them, who was called: no read ahead before its own */
    struct list indexed;      /* segments whose index a sidecar has, longest unused first */
    struct list unwalked;     /* logs of which a segment waits to be walked, longest first */
    uint32_t walks;           /* under way */
    struct buddy *slab;       /* slab.h: segments, their indexes and sums */
    void *slab_books, *slab_arena;
    uint8_t *bounce;
    bool bounce_busy[STORE_WRITES_MAX];
    uint32_t sidecar_slot;            /* of the stop: the next log to look at */
    uint32_t extents, extents_failed; /* not ended; of them those whose write failed */
    struct extent_flight flights[STORE_EXTENTS_MAX];
    uint32_t idle_turns;                /* of the stop, one after the other: nothing in flight */
    uint32_t writes, frozen;            /* frozen: logs offline; they pin the journal */
    bool flushing;                      /* write back whatever is durable */
    bool ending;                        /* no new work: what is under way ends */
    struct trim trims[STORE_TRIMS_MAX]; /* ring, in the order of lsn */
    uint32_t trim_first, trim_count, retain_slot;
    struct list trimmed;  /* logs with segments that are to leave */
    struct list dropping; /* segments that left: their files get the name PLOG_DELETED */
    struct list dropped;  /* ... and go, in the order of drop_ns */
    bool drop_busy;
    struct shrink shrink;
    uint64_t rescue_lsn; /* of a rescue that waits, and one; 0: none */
    uint32_t rescue_number;
    bool rescuing, rescue_failed;
    struct store_dirs dirs;
    struct room rooms[DISK_DIRS_MAX];
    uint64_t room_hits; /* results ERR_NO_SPACE */
    struct clean clean;
    struct swap swap;
    struct move move;
    struct job jobs[STORE_JOBS_MAX];
    uint32_t jobs_used;
    struct list tasks; /* struct store_task: to be taken */
    uint32_t tasks_out;
    struct ckpt ckpt;
    struct read_buffer *buffers;
    uint8_t *buffer_mem;
    uint32_t buffers_lent; /* to readers: not read into until they are given back */
    struct proof proofs[STORE_PROOFS_MAX];
    uint64_t tick;
    struct read_waiter *waiters;
    uint32_t waiter_count, waiter_room;
    uint64_t *ready; /* ring of waiters to hand back */
    uint32_t ready_first, ready_count, ready_room;
    struct large {
        struct plog *log;
        uint64_t serial, used, segment_serial;
        uint32_t pos, len;
        uint8_t *mem;
        enum read_state state;
        int error;
    } large[STORE_LARGE_MAX];
    struct seek_mark {
        uint64_t serial, segment_serial, used; /* as in struct read_buffer; used 0: none */
        int64_t time_ms;
        uint32_t pos;
    } marks[STORE_MARKS_MAX];
    uint32_t expire_slot;
    struct store_stats stats;
};

/* store_memory.c.  Both on the thread that starts the store; ERR_LIMIT: take what was taken back.
 */
must_check int store_memory_take(struct store *s);
void store_memory_register(struct store *s); /* what the disk reads into and writes from */
void store_memory_give(struct store *s);

/* store.c */
void store_log_changed(struct store *s, struct plog *p);
void store_offline(struct store *s, struct plog *p, int error, const char *what);

/* store_table.c */
void store_log_admit(struct store *s, struct plog *p, uint32_t slot); /* it is in that slot */
void store_log_forget(struct store *s, struct plog *p); /* frees the slot of a deleted log */
bool store_same_log(const struct plog *p, const uint8_t topic_id[16], int32_t partition);

/* The time of a batch in the log. */
static inline int64_t
store_time_of(const struct plog *p, const struct batch_info *info, int64_t now_ms)
{
    return p->config.log_append_time ? now_ms : info->found_timestamp_ms;
}

/* store_append.c */
/* Takes the place of a batch in the last segment; its bytes are the caller's to write there.
 * ERR_AGAIN, or as journal_append; the segment and everything else of the log is untouched. */
must_check int store_land(struct store *s, struct plog *p, const struct batch_info *info,
                          struct store_landing *out);
/* The batch lies there: stamps it and makes it the log's. */
void store_landed(struct store *s, struct plog *p, const struct batch_info *info,
                  struct store_landing *land, const struct store_stamp *stamp,
                  struct store_appended *out);
bool store_append_fits(const struct store *s, const struct batch_info *info);
/* What the producer's state says, as store_append; memory for the producer's entry. */
must_check int store_append_asked(const struct plog *p, const struct batch_info *info,
                                  struct store_appended *out);
must_check int store_append_reserve(struct plog *p, const struct batch_info *info);
/* store_append behind the checks of the producer. */
must_check int store_append_batch(struct store *s, struct plog *p, const struct batch_info *info,
                                  struct view batch, int32_t leader_epoch, int64_t now_ms,
                                  struct store_appended *out);
struct tail_entry *store_entry(const struct store *s, uint64_t seq); /* NULL when it is gone */
uint32_t store_entry_dirty(const struct tail_entry *e); /* bytes that write-back has to write */
void store_tail_durable(struct store *s);
/* The high watermark goes as far as is sure (plog_in.h, I4). */
void store_log_durable(struct store *s, struct plog *p);
void store_tail_evict(struct store *s);
void store_tail_carried(struct store *s);
void store_tail_clean(struct store *s);
/* Entries below an offset, all written, are not found any more. */
void store_tail_forget(struct store *s, struct plog *p, int64_t limit);
void store_tail_abandon(struct store *s, struct plog *p, bool gone);
uint64_t store_tail_dirty_bytes(const struct store *s);
int store_create_record(struct store *s, const struct plog *p);
void store_create_read(struct view body, struct plog *p);

/* store_extent.c */
/* True when a batch can go straight to its segment now; gets the file ready for later ones. */
bool store_extent_wanted(struct store *s, struct plog *p, struct segment *seg, uint32_t bytes);
/* Takes memory and a record; ERR_AGAIN, ERR_LIMIT: not this one. */
must_check int store_extent_take(struct store *s, uint32_t pos, uint32_t len,
                                 struct journal_extent *x);
/* Fills the record of the batch that lies there now, and begins to write it.  before: the last
 * entry of the log before it, 0 none. */
void store_extent_go(struct store *s, struct plog *p, struct segment *seg, uint64_t entry,
                     uint64_t before, struct store_landing *land);
/* Where in the segment the part of it begins that its extent writes. */
uint32_t store_extent_from(const struct tail_entry *e);
void store_extent_step(struct store *s); /* part of a turn */
/* Its interior in the segment. */
uint32_t store_extent_first(uint32_t pos);
uint32_t store_extent_limit(uint32_t pos, uint32_t len);

/* store_task.c: for what makes tasks.  A log has at most one. */
void store_task_add(struct store *s, struct plog *p, struct store_task *t);
void store_task_end(struct store *s, struct store_task *t); /* frees it */
/* Asks for its end; a task that nobody has taken ends at once, with ERR_CLOSED. */
void store_task_cancel(struct store *s, struct plog *p);
void store_task_drop(struct store *s); /* ends those that nobody took */

/* store_writeback.c, store_ckpt.c, store_delete.c: their part of a turn */
void store_block_drop(struct store *s, struct plog *p);
void store_writeback_step(struct store *s);
uint64_t store_writeback_deadline(const struct store *s);
void store_seal_begin(struct store *s, struct plog *p, struct segment *seg);
void store_ckpt_step(struct store *s);
void store_ckpt_begin(struct store *s, bool clean);
void store_delete_step(struct store *s);

/* store_retain.c: its part of a turn, when it wants the next one, and the end of it. */
void store_retain_step(struct store *s);
uint64_t store_retain_deadline(const struct store *s);
bool store_retain_quiet(const struct store *s);
void store_retain_admit(struct store *s, struct plog *p); /* a log with segments below its start */
void store_retain_gather(struct store *s,
                         struct plog *p); /* a dead log takes back what it dropped */
void store_retain_free(struct store *s);
/* store_shrink.c */
bool store_shrink_long(const struct store *s, const struct segment *seg); /* its file is */
bool store_shrink_room(const struct store *s); /* false: a turn comes when there is */
/* Takes a place for its file; false: it is not long, or there is none. */
must_check bool store_shrink_take(struct store *s, const struct segment *seg);
/* Into the place goes an open file of so many bytes, whose name is gone; -1: nothing. */
void store_shrink_add(struct store *s, int32_t file, uint64_t bytes);
uint64_t store_shrink_step(struct store *s); /* part of a turn; when it wants the next one */
void store_shrink_forget(struct store *s);   /* closes them */
/* As DISK_UNLINK, outside of the loop: a long file goes in steps as `pace` lets them; NULL: in one.
 * Blocks. */
int64_t store_shrink_unlink(struct disk *disk, uint8_t dir, const char *path, struct pace *pace);
/* store_swap.c */
void store_swap_begin(struct store *s, struct clean_run *r, struct plog *p, bool unwanted);
uint64_t store_swap_step(struct store *s); /* part of a turn; when it wants the next one */
/* A segment that was replaced and can still be read; NULL: not any more. */
struct segment *store_swap_retired(const struct store *s, const struct plog *p, uint64_t serial);
void store_swap_forget(struct store *s); /* frees them at the end */

/* store_move.c */
void store_move_step(struct store *s); /* part of a turn */
void store_move_drop(struct store *s); /* before store_task_drop: a clean stop ends moves */
/* Lists what the copies miss of what is in the files, up to `most` bytes, and says how much it is
 * in all; false without memory. */
must_check bool store_move_list(struct move_run *r, const struct plog *p, uint64_t most,
                                uint64_t *bytes);
void store_move_note(struct move *m); /* these parts are copied */
void store_move_go(struct store *s);  /* another round */
void store_move_give_up(struct store *s, int error);
/* store_move_last.c: copies the rest, once no write is under way; then MOVE_READY. */
void store_move_last(struct store *s);

/* store_wish.c */
void store_wish_replay(struct plog *p, const uint8_t dir_id[16]);
void store_wish_met(struct plog *p); /* the log is in another directory now */
/* Wants a log that is, or will be in a moment, in `lives` in a directory.  *lsn: of the record that
 * says so; 0: there is none.  ERR_AGAIN: no journal space just now. */
must_check int store_wish_append(struct store *s, struct plog *p, uint8_t dir, uint8_t lives,
                                 uint64_t *lsn);
void store_wish_resume(struct store *s, struct plog *p); /* at the start */

/* store_copied.c */
void store_copied_note(struct store *s); /* behind a round of the move */
/* May a move of p to p->move_to begin?  Sees to it that nothing older can be taken for its copies.
 */
must_check bool store_copied_settled(struct store *s, struct plog *p);
/* Are there copies that a move to p->move_to goes on with? */
bool store_copied_goes_on(const struct plog *p);
uint64_t store_copied_bytes(const struct plog *p); /* of p->copied */
/* Do they fit the log?  They may be of segments that have left it. */
bool store_copied_fits(const struct plog *p);
/* Removes those that no move goes on with; false: a task of it is under way, or to come. */
must_check bool store_copied_tidy(struct store *s, struct plog *p);
void store_copied_replay(struct plog *p, struct cur *c);

/* store_clean.c */
void store_clean_over(struct store *s); /* a result is in place */

/* store_room.c.  A look asks the disk. */
void store_room_look(struct store *s);
uint64_t store_room_step(struct store *s); /* part of a turn; when it wants the next one */
/* Takes room for an append in a directory: ERR_OK, ERR_AGAIN (after a look), ERR_NO_SPACE. */
must_check int store_room_take(struct store *s, uint8_t dir, uint64_t bytes);
void store_room_give(struct store *s, uint8_t dir, uint64_t bytes); /* of an append not made */
void store_room_hit(struct store *s, uint8_t dir);         /* an operation ended ERR_NO_SPACE */
bool store_room_waits(const struct store *s, uint8_t dir); /* a pause after that */
/* Bytes that may be allocated ahead. */
uint64_t store_room_ahead(const struct store *s, uint8_t dir);
/* Takes room for a whole segment (preallocate); false when half of what is there is less. */
must_check bool store_room_whole(struct store *s, uint8_t dir, uint64_t bytes);

void store_rescue_step(struct store *s); /* store_rescue.c: part of a turn */

/* store_dirs.c */
void store_dirs_read(struct disk *disk, struct store_dirs *out);
uint8_t store_dir_find(const struct store_dirs *d, const uint8_t id[16]); /* or PLOG_DIR_NONE */
/* Where a new log goes; PLOG_DIR_NONE: nowhere now. */
uint8_t store_dir_choose(const struct store *s);
/* A file of it failed: is it the whole directory? */
void store_dir_suspect(struct store *s, uint8_t dir);

/* store_ckpt.c: the files.  Content: u32 count, then logs (plog_save). */
struct ckpt_header {
    uint64_t generation, seq, lsn, next_id;
    uint32_t core_count, flags;
    uint64_t bytes; /* of the content */
    uint32_t log_count;
};
enum { CKPT_HEADER_BYTES = 64, CKPT_FLAG_CLEAN = 1, CKPT_FLAG_LOST = 2 };
/* The boot checkpoint and its copy; one of the two that a core writes in turn. */
extern const char *const store_boot_paths[2];
enum { CKPT_PATH_BYTES = 32 };
void store_ckpt_path(uint32_t core, uint32_t which, char out[static CKPT_PATH_BYTES]);
void store_ckpt_header_write(const struct ckpt_header *h, uint8_t *at, struct view content);
/* ERR_CORRUPT; ERR_VERSION: it is whole, and in another version's format. */
must_check int store_ckpt_header_read(const uint8_t *at, uint64_t bytes, struct ckpt_header *h);

/* store_read.c */
/* Reads the header of the batch at a position of a file from a read buffer; starts the read that is
 * missing (ERR_AGAIN; the log is then reported as changed). */
must_check int store_header(struct store *s, struct plog *p, struct segment *seg, uint32_t pos,
                            struct batch_info *info);
/* The cached batch that holds an offset, or a position, of a segment; 0 none. */
uint64_t store_tail_by_offset(const struct store *s, const struct plog *p,
                              const struct segment *seg, int64_t offset);
uint64_t store_tail_by_pos(const struct store *s, const struct plog *p, const struct segment *seg,
                           uint32_t pos);

/* store_recover.c */
struct store_boot {
    uint64_t generation, next_id;
    uint32_t core_count;
    uint8_t *mem; /* the boot checkpoint, header and all */
    uint64_t len;
    struct store_dirs dirs;
    struct store_boot_facts facts;
};
void store_journal_config(uint64_t journal_bytes, uint64_t cache_bytes, uint32_t flight,
                          const char *dir, struct journal_config *out);
/* Puts both copies in place, durably; blocks. */
must_check int store_boot_write(struct disk *disk, const struct store_boot *boot);
int64_t store_run(struct disk *disk, struct disk_op op); /* blocks */

/* store_leftover.c: removes files of dropped segments that a crash left in the directory of a log.
 */
must_check int store_leftover_clean(struct disk *disk, const struct plog *p);
/* Every file.  pace: as store_shrink_unlink. */
must_check int store_leftover_all(struct disk *disk, const struct plog *p, struct pace *pace);
/* Every file but segments that `keeps` says stay. */
must_check int store_leftover_but(struct disk *disk, const struct plog *p, struct pace *pace,
                                  bool (*keeps)(const void *user, int64_t base), const void *user);

#endif
