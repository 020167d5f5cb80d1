/* plog_in.h: one partition log as the store itself sees it: plain memory, no I/O. */
#ifndef SLUICE_STORE_PLOG_IN_H
#define SLUICE_STORE_PLOG_IN_H

#include "core/base/bytes.h"
#include "core/base/list.h"
#include "core/base/must.h"
#include "core/store/plog.h"
#include "core/store/producer.h"
#include "core/store/stable.h"
#include "core/store/sums.h"
#include "core/wire/batch.h"

enum {
    PLOG_INDEX_MIN = 4096,        /* bytes between index entries, at least */
    PLOG_INDEX_SEALED = 64 << 10, /* the same in a segment that is done */
    INDEX_CHUNKS = 12,            /* 40,950 entries: more than a sealed segment has */
    PLOG_PATH_BYTES = 128,
    PLOG_EPOCHS_MAX = 1 << 16,
    PLOG_SEGMENTS_MAX = 1 << 20,
    PLOG_BLOCK_NONE = UINT16_MAX,
    PLOG_DIR_NONE = 255, /* a data directory that is not there */
    PLOG_CONFIG_BYTES = 4 * 4 + 8 * 8 + 5,
};

/* A batch that begins at `pos` with offset segment base + rel. */
struct index_entry {
    uint32_t rel, pos;
    int64_t max_ts;    /* largest of the batches of the segment before this one; INT64_MIN none */
    uint64_t tail_seq; /* its entry of the tail map, if that is still there */
};

/* Sorted by position, grows in chunks that never move.  May lack entries (no memory): it is sparse.
 */
struct index {
    struct buddy *memory; /* slab.h; NULL: the heap */
    struct index_entry *chunks[INDEX_CHUNKS];
    uint32_t count, step; /* step: 0, or about how far entries lie apart in its front */
};

/* I1 synced <= written <= bytes.  I2 only the last segment of a log grows.
 * I3 written and synced may end within a batch, also within its header.  While the log is online
 * and has started, that batch is in the tail map (it is not clean), and who looks for it there
 * first never seeks it in the file; who goes from batch to batch in the file ends before it.  The
 * journal has it, behind the lsn of every checkpoint that says so. */
struct segment {
    struct plog *log;
    uint64_t serial; /* within this process; compaction puts another one in its place */
    int64_t base;
    uint32_t bytes;   /* of batches, wherever they are */
    uint32_t written; /* of them in the file, all before it too */
    uint32_t synced;  /* of those on stable storage */
    uint64_t allocated;
    int64_t max_ts, first_ts;    /* INT64_MIN: no batch */
    int64_t appended_ms;         /* broker's clock at the last append; INT64_MIN: not known */
    uint32_t indexed_from;       /* the index knows the bytes from here on (0: all) */
    bool readying;               /* a job allocates ahead, and makes the name durable */
    bool index_busy, sealed;     /* sealed: cut to length and synced */
    bool created, naming, named; /* file made; its directory is being, has been, synced */
    struct index idx;
    bool gaps;        /* compaction took batches out: offsets need not follow each other */
    struct sums sums; /* of the bytes in the file; what they do not cover is not known */
    /* Entries that Kafka's offset and time index would have, for segment.index.bytes; of what was
     * appended by this process. */
    uint32_t offset_entries, time_entries, since_entry;
    int64_t entry_ts;
    bool sidecar_busy;   /* the file beside it is being written */
    bool sidecar;        /* the file beside it is written, or is being written */
    bool bare;           /* none that is of use is beside it, though it is sealed */
    uint32_t sidecar_to; /* while it is active: what the file beside it is taken to cover */
    int index_error;     /* why the index cannot be rebuilt */
    int32_t file;        /* -1: not open */
    uint32_t busy;       /* jobs that use the file */
    struct list open_node, sync_node, used_node;
    uint64_t used_ns; /* of used_node: when its index was used last */
    /* When it has left its log (store_retain.c): */
    struct list drop_node;
    uint64_t drop_ns;         /* the file goes then */
    bool renamed;             /* to PLOG_DELETED */
    struct list retired_node; /* replaced; read on by those who know it (store_swap.c) */
    uint64_t retired_ns;      /* until then */
};

#define PLOG_DELETED ".log.deleted" /* Kafka's name of a segment file that goes soon */

struct plog_epoch {
    int32_t epoch;
    int64_t start;
};

/* What a SWAP record says (store_swap.c): one cleaned segment takes the place of all in
 * [first, limit). */
struct plog_swap {
    uint64_t tag; /* of the file's name */
    int64_t first, limit, clean_to, max_ts, first_ts;
    uint32_t bytes;
};

/* Of a move to the directory that is wished (store_copied.c): the segments below `base` whole, and
 * `to` bytes of that one, are on stable storage there.  to 0: nothing is. */
struct plog_copied {
    int64_t base;
    uint32_t to;
    int64_t next; /* offset behind the last batch of these bytes */
    bool stale;   /* this does not count any more; a record that says so is to come */
};

struct plog {
    struct buddy *memory; /* of its segments (slab.h); NULL: the heap */
    uint64_t id, serial;  /* id: within the journal; serial: within this process */
    uint8_t topic[16];
    int32_t partition;
    uint8_t dir_id[16]; /* of its data directory: all zero is the first */
    /* The last generation whose start had its directory, or that made it, and its id then: no other
     * log had both.  Records in rescue files (store_rescue.c) are its own when they say the same.
     * Generation 0: not known. */
    uint64_t seen_generation, seen_id;
    struct plog_swap unfinished; /* offline within it: a start finishes that; limit 0: none */
    uint8_t dir;                 /* the number of that (disk.h) now, or PLOG_DIR_NONE */
    bool rescued; /* offline, and the journal is not needed for it (store_rescue.c) */
    uint32_t slot;
    bool used, dead;
    enum plog_state state;
    enum plog_damage damage; /* I3 with damage the state is PLOG_OFFLINE, and start <= good_end */
    int64_t good_end;
    struct plog_config config;
    void *user;
    int64_t start, hw, end;
    /* I4 hw <= hold: the first offset of its oldest extent that has not ended, when `extents` of it
     * have not; and hw <= written_end: so far its batches, or records of them, are in frames that
     * are written. */
    int64_t hold, written_end;
    uint32_t extents;
    struct plog_epoch *epochs;
    uint32_t epoch_count, epoch_room;
    struct segment **segments;
    uint32_t segment_count, segment_room;
    uint64_t bytes, next_segment_serial;
    struct producer_table producers;
    struct stable stable; /* transactions */
    /* tail map: sequence numbers of entries, 0 none */
    uint64_t tail_first, tail_last, dirty_first;
    uint64_t dirty_bytes, dirty_since_ns;
    uint32_t write_limit; /* in its segment: where the bytes end that a write under way takes */
    uint16_t block;       /* of the store, with the last bytes of the file; PLOG_BLOCK_NONE */
    bool writing, block_known, dirs_made, ready;
    uint8_t dirs_unsynced; /* 1: its own directory; 2: those above too */
    uint8_t move_to;       /* waits to move to that data directory, or PLOG_DIR_NONE */
    bool wished;           /* a durable wish, or one that becomes so, wants it elsewhere: */
    uint8_t wish_id[16];   /* in that directory (store_wish.c) */
    uint64_t wish_lsn; /* of its record, or a later one about `copied`; 0: an earlier process's */
    struct plog_copied copied;
    uint8_t copies_in; /* files of a move that a stop met are in that directory, or were; not of
                        * the move under way; PLOG_DIR_NONE */
    bool draining;     /* the end of a move (store_move.c): no extents, */
    bool held, shut;   /* no writes to its files, and then no reads */
    uint32_t jobs;
    struct store_task *task; /* under way, NULL: none */
    int64_t clean_to;        /* compaction got so far: the first dirty offset */
    bool clean_failed;       /* not tried again before the next start */
    uint32_t retired;        /* segments that were replaced and are still read */
    uint64_t delete_lsn;
    int64_t start_next;    /* start once the record at start_lsn is durable; start: none waits */
    uint64_t start_lsn;    /* of the last START record, 0 none */
    uint64_t jitter_seed;  /* for segment.jitter.ms */
    struct list trim_node; /* segments below start wait to leave */
    uint32_t hash_next;
    struct list changed_node, dirty_node, dir_node, dying_node, move_node;
    struct list unread_node; /* it was refused a read buffer */
    struct list walk_node;   /* a segment of it waits to be walked */
    bool changed;
};

/* Where its segments take memory from, from now on. */
void plog_use_memory(struct plog *p, struct buddy *memory);
/* Empty log; false without memory. */
bool plog_init(struct plog *p);
void plog_free(struct plog *p);

static inline uint64_t
plog_round_block(uint64_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

/* The fixed form of a configuration: PLOG_CONFIG_BYTES. */
void plog_config_write(const struct plog_config *config, struct put *w);
void plog_config_read(struct plog_config *config, struct cur *c);
bool plog_config_same(const struct plog_config *a, const struct plog_config *b);

/* Takes the log offline for good; the first damage found stays the reason, the lowest end counts.
 */
void plog_damage_mark(struct plog *p, enum plog_damage damage, int64_t good_end);
/* At a new start: a file that could not be read is looked at again. */
void plog_damage_again(struct plog *p);
/* Its part of the checkpoint form; damage is not PLOG_WHOLE. */
enum { PLOG_DAMAGE_BYTES = 9 };
void plog_damage_save(const struct plog *p, struct put *w);
void plog_damage_load(struct plog *p, struct cur *c);
/* The topic id and partition that the names of a directory mean. */
must_check bool plog_path_read(const char *topic, const char *partition, uint8_t id[16],
                               int32_t *number);

struct segment *plog_last(const struct plog *p);
/* The segment that holds an offset, or NULL below the first. */
struct segment *plog_segment_of(const struct plog *p, int64_t offset);
struct segment *plog_segment_at(const struct plog *p, int64_t base);
/* First offset behind a segment. */
int64_t plog_segment_limit(const struct plog *p, const struct segment *seg);
/* Appends an empty segment; NULL without memory. */
struct segment *plog_roll(struct plog *p, int64_t base);
/* Puts one segment (plog_segment_new) in the place of `count`, which are the caller's then: their
 * pointers go to old[]. */
void plog_replace(struct plog *p, uint32_t first, uint32_t count, struct segment *seg,
                  struct segment **old);
/* All below `to` is compacted: no data of transactions that were aborted before are left, so they
 * are forgotten. */
void plog_cleaned(struct plog *p, int64_t to);
/* An empty segment that is not in the log; NULL without memory. */
struct segment *plog_segment_new(struct plog *p, int64_t base);
/* Where a segment stands in its log. */
uint32_t plog_segment_index(const struct plog *p, int64_t offset);
/* Must a batch go to a new segment? */
bool plog_roll_wanted(const struct plog *p, const struct batch_info *info, int64_t time_ms);

void plog_segment_free(struct segment *seg);

/* Notes a batch behind the last one of a segment; ERR_LIMIT without memory for its epoch. */
int plog_note(struct plog *p, struct segment *seg, int64_t base, const struct batch_info *info,
              int32_t leader_epoch, int64_t max_ts);
/* plog_txn.c */
struct plog_when {
    int64_t base;
    int64_t time_ms; /* largest timestamp of the batch as stored */
    int64_t now_ms;  /* our clock; INT64_MIN in recovery */
    uint64_t lsn;    /* 0 when found by recovery */
};
/* Notes the producer of a whole batch, and the transaction that it begins or ends.  ERR_LIMIT: no
 * memory, never after plog_reserve_producer; ERR_CORRUPT: a control batch that cannot be read. */
must_check int plog_note_producer(struct plog *p, const struct batch_info *info, struct view batch,
                                  const struct plog_when *when);
/* Makes room for that.  ERR_LIMIT. */
must_check int plog_reserve_producer(struct plog *p, int64_t producer_id, bool transactional);
/* Moves the high watermark, and with it the last stable offset. */
void plog_durable(struct plog *p, int64_t high_watermark);
/* High watermark, or where the oldest transaction begins whose end is not known and durable. */
int64_t plog_last_stable(const struct plog *p);
/* Opens the transactions that the producers have; once, after loading. */
must_check int plog_load_open(struct plog *p);

static inline struct producer_ask
producer_ask_of(const struct batch_info *info)
{
    return (struct producer_ask){.id = info->producer_id,
                                 .epoch = info->producer_epoch,
                                 .transactional = info->attributes & BATCH_TRANSACTIONAL,
                                 .sequence_first = info->base_sequence,
                                 .record_count = info->last_offset_delta + 1};
}

/* plog_trim.c.  The front segments that lie wholly below the log start (never the last one). */
uint32_t plog_droppable(const struct plog *p);
/* Takes the first segment out of the log; it is the caller's then. */
struct segment *plog_detach_first(struct plog *p);
/* Gives a segment to the log, in its place by offset; false without memory. */
bool plog_attach(struct plog *p, struct segment *seg);
/* Moves the log start up (never down), and with it the epochs that lie below. */
void plog_start_set(struct plog *p, int64_t start);
/* What retention leaves as log start at that time; *roll: the last segment goes too, so there must
 * be a new one first. */
int64_t plog_retained(struct plog *p, int64_t now_ms, bool *roll);

/* A full one makes room: it gets sparser, from its front on. */
void index_add(struct index *x, struct index_entry e);
/* Empties it; its memory stays where it gets blocks from. */
void index_free(struct index *x);
struct index_entry *index_get(const struct index *x, uint32_t i);
/* Entry with the greatest rel (or pos) at or below the wanted; -1 when there is none. */
int64_t index_by_rel(const struct index *x, uint32_t rel);
int64_t index_by_pos(const struct index *x, uint32_t pos);
/* The last entry whose max_ts is below time_ms; -1 when there is none. */
int64_t index_by_time(const struct index *x, int64_t time_ms);
/* Keeps about one entry per `bytes`. */
void index_thin(struct index *x, uint32_t bytes);
/* Puts the entries of `front` before those of x; front becomes empty. */
void index_join(struct index *x, struct index *front);

/* Paths under its data directory. */
void plog_path_topic(const struct plog *p, char out[static PLOG_PATH_BYTES]);
void plog_path_dir(const struct plog *p, char out[static PLOG_PATH_BYTES]);
void plog_path_segment(const struct plog *p, int64_t base, const char *suffix,
                       char out[static PLOG_PATH_BYTES]);

/* Checkpoint form.  plog_load makes a log whose files hold `synced` bytes of each segment, in the
 * directory dir_id; its number is for the caller to find. */
uint64_t plog_save_bytes(const struct plog *p);
void plog_save(const struct plog *p, struct put *w);
must_check int plog_load(struct plog *p, struct cur *c);

#endif
