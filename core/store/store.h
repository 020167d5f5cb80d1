/* store.h: the storage of one core.  Owns the core's journal, its partition logs (plog.h), the tail
 * cache, write-back to segments and checkpoints.  Used by the loop of that core only; talks to the
 * world through one struct disk and never looks at a clock (time is an argument).
 *
 * Life of a batch: store_append copies it once, into the open journal frame, which is also the tail
 * cache; the frame becomes durable (store_step); the plog's end of durable records moves, so the
 * waiting produce is answered and consumers may see it; later the bytes are written to the segment
 * file (those of a large batch go there at once, and the frame only tells of them), and a
 * checkpoint lets the journal go on in a circle.
 *
 * Failures: an error of the journal is fatal for the process (store_step returns it, the loop logs
 * it and exits: a retried sync lies).  An error of a segment takes that partition offline; its
 * records stay in the journal for the next start, and when the ring is full of them store_step
 * returns an error.  A full disk is no error: while free space is short appends and new logs are
 * refused, reads go on, and it ends by itself (store_room.c). */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include "core/base/bytes.h"
#include "core/base/must.h"
#include "core/store/disk.h"
#include "core/store/journal.h"
#include "core/store/plog.h"
#include "core/wire/batch.h"

struct store;

struct store_config {
    uint32_t core;             /* this core's number */
    uint32_t core_count;       /* logs belong to the core store_core_of() says */
    uint64_t journal_bytes;    /* size of the ring of journal files */
    uint64_t cache_bytes;      /* journal frames kept in memory: tail cache */
    uint32_t read_buffers;     /* buffers for cold reads, */
    uint32_t read_bytes;       /* each so large; whole STORE_READ_BYTES, or for tests less: two
                                * SUMS_PIECE or more (sums.h); 0: STORE_READ_BYTES */
    uint32_t sidecar_bytes;    /* after a clean stop so large an active segment has one, and again
                                * after each four times as much; 0: 8 MiB */
    uint32_t shrink_bytes;     /* blocks of a file that goes are given back in steps of so many, a
                                * multiple of 4096; 0: 1 MiB */
    uint32_t logs_max;         /* partitions of this core */
    uint32_t extent_bytes_min; /* batches from here on go straight to their segment; 0: none */
    enum journal_sync sync;    /* how frames are made durable; AUTO needs a clock */
    const struct clock *clock; /* for store_init only; may be NULL */
    uint64_t jitter_seed;      /* any number, other for each start: segment.jitter.ms */
    uint32_t frames_in_flight; /* K: journal writes submitted and not done, 1 to 8 */
    uint64_t hold_least_ns, hold_most_ns; /* see journal.h; 0: each frame goes out whole */
    uint64_t index_bytes;                 /* of memory for indexes of segments, about; 0: 64 MiB */
    uint64_t move_bytes; /* a move notes durably how far it is each so many bytes; 0: 64 MiB */
};

enum { STORE_READ_BYTES = 256 << 10, STORE_SPANS_MAX = 60, STORE_EXTENT_BYTES_LEAST = 8 << 10 };

/* ---- boot (main thread, before any loop runs) --------------------------------------------------
 */

struct store_boot; /* what recovery found, for all cores */

/* Recovers the data directory: newest checkpoint, journal frames replayed into segments, torn tails
 * cut, everything flushed, one boot checkpoint with a new generation written.  Copes with a
 * core_count other than last time's.  Blocks.  A fresh directory gives an empty result.
 * Damage to acknowledged data: the logs that it touches, or may have touched, come up offline
 * (plog.h), log lines say which file, where, and which logs; what a file holds stays, and damaged
 * journals are kept aside.  ERR_CORRUPT: it is not known which logs there are; nothing has been
 * changed then.  ERR_IO, ERR_NO_SPACE: the disk (a fresh directory needs room for the journals;
 * later ones only for what is replayed).  store_boot_free when all store_init calls are done. */
must_check int store_recover(struct disk *disk, uint32_t core_count, uint64_t journal_bytes,
                             struct store_boot **out);
void store_boot_free(struct store_boot *boot);

struct store_boot_facts {
    uint64_t logs, frames_replayed, bytes_replayed;
    bool clean;       /* the last stop was clean: nothing was replayed */
    uint64_t offline; /* logs that are damaged: they serve nothing */
    uint64_t cut; /* logs that end before a large batch that was torn, and never acknowledged; */
    uint64_t cut_records; /* left out behind those */
};
void store_boot_facts(const struct store_boot *boot, struct store_boot_facts *out);

/* Which core owns a partition: a hash of its identity, the same on every start with this count. */
uint32_t store_core_of(const uint8_t topic_id[16], int32_t partition, uint32_t core_count);

/* Builds the storage of one core (all its memory is taken here, by mmap; journal files are created
 * and zero-written when missing).  `disk` is the core's own port; keeps it.  Blocks. */
must_check int store_init(const struct store_config *config, struct disk *disk,
                          const struct store_boot *boot, struct store **out);

/* Clean stop: write-back, flush, checkpoint with the clean mark.  Blocks.  Frees everything.  On a
 * full disk ERR_OK without the mark: all is durable, the next start replays the journal.  No task
 * (task.h) may be handed out. */
int store_close(struct store *s);
/* Frees memory and files and writes nothing (after a failure; tests use it as "kill -9"). */
void store_abandon(struct store *s);

/* ---- logs -------------------------------------------------------------------------------------
 */

/* Lends the log, NULL when this core has none of that identity. */
struct plog *store_find(struct store *s, const uint8_t topic_id[16], int32_t partition);

/* Creates a log, or reconfigures the one that exists (ERR_OK both times; *out lent until deleted).
 * Creation is durable with the next frame; appends may follow at once.  ERR_LIMIT: logs_max.
 * ERR_AGAIN: no journal room just now, or files of a deleted log of that identity are still there,
 * or the disk is nearly full and the log would be a new one; call again after a store_step. */
must_check int store_create(struct store *s, const uint8_t topic_id[16], int32_t partition,
                            const struct plog_config *config, struct plog **out);

/* Ends a log: it is gone from store_find at once, its files go in the background.  Ranges located
 * before fail with ERR_NOT_FOUND. */
void store_delete(struct store *s, struct plog *p);

/* Calls each(user, log) for every log of this core. */
void store_each(struct store *s, void (*each)(void *user, struct plog *p), void *user);

/* ---- append ------------------------------------------------------------------------------------
 */

struct store_appended {
    int64_t base_offset;        /* of the batch; of the earlier one for a duplicate */
    int64_t log_append_time_ms; /* -1 under CreateTime */
    uint64_t lsn;               /* durable when store_written_lsn() >= lsn; or, */
    bool held; /* with large batches of its log on their way: when store_durable_lsn() >= lsn */
};

/* Appends one batch that batch_check accepted (info is its result; the bytes are copied, offset,
 * leader epoch and, under LogAppendTime, time stamped in the copy).  Returns a Kafka error code
 * (wire/kerr.h), KERR_NONE when *out is valid:
 *   KERR_DUPLICATE_SEQUENCE_NUMBER  the producer sent this batch before: *out is valid too and
 * holds the first append's offset and lsn; the caller answers success
 *   KERR_OUT_OF_ORDER_SEQUENCE_NUMBER, KERR_INVALID_PRODUCER_EPOCH
 *   KERR_INVALID_TXN_STATE          transactional, and its transaction is neither open here nor
 * verified (store_txn_verify); or not transactional while the producer's transaction is open
 *   KERR_KAFKA_STORAGE_ERROR        the partition is offline, or the disk is nearly full, or there
 * are too many producers with open transactions
 *   KERR_MESSAGE_TOO_LARGE          larger than a quarter of cache_bytes
 * or a negative enum err: ERR_AGAIN: no frame memory or journal space just now, call again after a
 * store_step that returned progress.  Source: Kafka UnifiedLog.append, ProducerAppendInfo. */
must_check int store_append(struct store *s, struct plog *p, const struct batch_info *info,
                            struct view batch, int32_t leader_epoch, int64_t now_ms,
                            struct store_appended *out);

/* An append in two halves, for a batch that is checked while it is copied, or does not lie in one
 * piece.  `info` is of its header alone.  ERR_OK: store_stage_put gives it all info->bytes, which
 * *at lends; then store_append_staged, with the info that batch_check made of them, or
 * store_unstage, and no other call for this store in between.  ERR_AGAIN as store_append;
 * ERR_LIMIT: only store_append can take this one, or say why not. */
must_check int store_stage(struct store *s, struct plog *p, const struct batch_info *info,
                           int64_t now_ms, const uint8_t **at);
/* The next n bytes.  They are fetched from memory once: every checksum is made in the same pass. */
void store_stage_put(struct store *s, const void *from, uint32_t n);
/* crc-32c of the whole from BATCH_AT_ATTRIBUTES on. */
uint32_t store_stage_crc(const struct store *s);
/* As store_append.  Unless it gives KERR_NONE the place is given back; ERR_LIMIT: as above.  What
 * was written there can be read until the next call for this store that appends. */
must_check int store_append_staged(struct store *s, const struct batch_info *info,
                                   int32_t leader_epoch, int64_t now_ms,
                                   struct store_appended *out);
void store_unstage(struct store *s);

/* ---- transactions ------------------------------------------------------------------------------
 */

/* May the transaction that this batch belongs to begin here?  *guard 0: it is open here already,
 * append.  Otherwise the question for the coordinator: when it says yes, store_txn_verified with
 * the same guard, and append at once.  KERR_NONE, or a Kafka error code to refuse the batch with.
 * `bumps`: the client bumps its epoch with each transaction (KIP-890: Produce from version 12 on).
 * Source: Kafka UnifiedLog.maybeStartTransactionVerification. */
must_check int store_txn_verify(struct store *s, struct plog *p, const struct batch_info *info,
                                bool bumps, int64_t now_ms, uint64_t *guard);
/* False: a marker came meanwhile, or the question was forgotten: refuse with INVALID_TXN_STATE. */
must_check bool store_txn_verified(struct store *s, struct plog *p, int64_t producer_id,
                                   uint64_t guard);

struct store_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int8_t version; /* of transactions, WriteTxnMarkers: 0 or 1: epoch of the data; 2: higher */
    bool commit;
};

/* Ends a producer's transaction with a control batch; written also when none is open.  Returns as
 * store_append: KERR_INVALID_PRODUCER_EPOCH, KERR_TRANSACTION_COORDINATOR_FENCED,
 * KERR_KAFKA_STORAGE_ERROR; ERR_AGAIN.  Source: Kafka ProducerAppendInfo.appendEndTxnMarker. */
must_check int store_append_marker(struct store *s, struct plog *p, const struct store_marker *m,
                                   int32_t leader_epoch, int64_t now_ms,
                                   struct store_appended *out);

/* All records with an lsn at or below this are on stable storage, */
uint64_t store_durable_lsn(const struct store *s);
/* and those at or below this, except for large batches on their way and what follows them in their
 * logs: for one log that is slow to write no other waits. */
uint64_t store_written_lsn(const struct store *s);

/* Takes completions from the disk port, submits the next frames, moves write-back and checkpoints
 * on.  Call every turn.  *deadline_ns: when it wants to be called again at the latest (CLOCK_NEVER:
 * only after a completion).  Negative: the journal failed, stop the process. */
must_check int store_step(struct store *s, uint64_t now_ns, uint64_t *deadline_ns);

/* Takes one log whose durable end (high watermark) or state changed since it was last taken; NULL
 * when there is none.  The caller wakes what waits for it. */
struct plog *store_take_changed(struct store *s);

/* ---- read --------------------------------------------------------------------------------------
 */

/* A run of whole batches of one segment.  Bytes of a segment never change, so a range stays valid
 * as long as its segment exists, whatever memory holds it. */
struct store_range {
    struct plog *log;
    uint64_t log_serial;     /* detects that the log was deleted */
    int64_t segment_base;    /* base offset that names the segment file */
    uint64_t segment_serial; /* detects that compaction replaced it: it is read on for a while */
    uint32_t at, len;        /* bytes in the segment */
    int64_t offset_first, offset_limit; /* of the batches */
};

/* Finds what to send from `offset` on: whole batches from the one that contains it, at most
 * bytes_max, but at least one when `at_least_one`, never at or beyond offset_limit (high watermark
 * or last stable offset).  len 0: nothing there yet.  ERR_NOT_FOUND: offset outside [log start, log
 * end]: OFFSET_OUT_OF_RANGE.  ERR_AGAIN: index must be read first (a read was started; ask again
 * when store_take_changed hands the log back).  ERR_IO, ERR_CORRUPT: the file (damage
 * that a read has found ends a range, and is told until the next start).  Never crosses a segment.
 */
must_check int store_locate(struct store *s, struct plog *p, int64_t offset, int64_t offset_limit,
                            uint32_t bytes_max, bool at_least_one, struct store_range *out);

/* Memory that holds the front part of a range, pinned for the caller. */
struct store_hold {
    struct view spans[STORE_SPANS_MAX];
    uint32_t span_count, bytes; /* bytes <= range.len; the caller advances the range by them */
    bool whole;                 /* they end where a batch ends */
    void *pin;                  /* the store's, like the next one */
    uint64_t pin_slabs;
};
_Static_assert(sizeof(struct store_hold) <= 1024, "each waiting fetch may have room for one");

/* Maps the front of a range into memory.  ERR_OK: hold is filled from the tail cache or a read
 * buffer, valid until store_release; the shorter it is held, the more is left for others.
 * ERR_AGAIN: a disk read was started or has to wait for a buffer; `waiter` comes back from
 * store_take_read when it is worth asking again.  ERR_NOT_FOUND: deleted.  ERR_IO, ERR_CORRUPT. */
must_check int store_hold(struct store *s, const struct store_range *range, uint64_t waiter,
                          struct store_hold *out);
/* The same for whoever does not wait: ERR_AGAIN when the front is not in memory; or in a read
 * buffer, and he does not want `files`, or so many are lent that the rest is for those who ask by
 * store_hold. */
must_check int store_hold_ready(struct store *s, const struct store_range *range, bool files,
                                struct store_hold *out);
void store_release(struct store *s, struct store_hold *hold);

/* More than three quarters of the tail cache, or of the read buffers, are held.  Appends and reads
 * go on with the rest; when all is held they wait for it, so whoever holds for peers should give up
 * those that take nothing. */
must_check bool store_lent_short(const struct store *s);

/* Somebody waits for a read, maybe for a read buffer that is lent. */
must_check bool store_reads_wait(const struct store *s);

/* Hands back one `waiter` whose read ended; false when there is none. */
bool store_take_read(struct store *s, uint64_t *waiter);

/* ListOffsets by time: the first record with timestamp >= time_ms (or, with time_ms ==
 * STORE_TIME_MAX, the record that holds the largest timestamp).  ERR_OK: found, or *offset -1 when
 * there is none; ERR_AGAIN: as in store_hold.  Decompresses at most one batch. */
#define STORE_TIME_MAX INT64_C(-3)
must_check int store_find_time(struct store *s, struct plog *p, int64_t time_ms, uint64_t waiter,
                               int64_t *offset, int64_t *timestamp_ms);

/* ---- the front of a log ------------------------------------------------------------------------
 */

struct store_trimmed {
    int64_t log_start_offset; /* once lsn is durable */
    uint64_t lsn;             /* 0: nothing to wait for */
};

/* Moves the log start up to `offset`, -1: to the high watermark (DeleteRecords).  The start moves
 * when *out's lsn is durable, and never back; segments wholly below it leave the log then and their
 * files go after file.delete.delay.ms.  An offset at or below the start changes nothing. KERR_NONE,
 * KERR_OFFSET_OUT_OF_RANGE (below -1, above the high watermark), KERR_KAFKA_STORAGE_ERROR, or
 * ERR_AGAIN: no journal space just now.  Source: Kafka UnifiedLog.maybeIncrementLogStartOffset. */
must_check int store_trim(struct store *s, struct plog *p, int64_t offset,
                          struct store_trimmed *out);

/* Applies retention to a few logs, in turn; true when it has come round to the first.  Segments go
 * whole, from the front, never above the high watermark.  Call it in a loop of turns every
 * log.retention.check.interval.ms.  Source: Kafka UnifiedLog.deleteOldSegments. */
bool store_retain(struct store *s, int64_t now_ms);

/* Forgets producers not used for keep_ms, but none with an open transaction.  Looks at a few logs
 * per call, in turn: call it every second or so. */
void store_expire_producers(struct store *s, int64_t now_ms, int64_t keep_ms);

/* Looks for the log that needs compaction most, at some logs per call; true: the round is over, and
 * when a log was due there is a task for it (task.h).  Nothing is begun while one is under way. */
bool store_clean(struct store *s, int64_t now_ms);

/* Moves a log to another data directory, in the background; it is served meanwhile.  The last call
 * counts: the directory where it is ends a move.  A move that fails leaves the log where it is; one
 * that a stop or a crash meets goes on at the next start, once record *lsn is durable (0: nothing
 * to wait for), from the last point that was noted (config.move_bytes).  ERR_NOT_FOUND: there is no
 * such directory; ERR_IO: it, or the log, is offline; ERR_AGAIN: no journal space just now. Source:
 * Kafka ReplicaManager.alterReplicaLogDirs.
 */
must_check int store_move(struct store *s, struct plog *p, uint8_t dir, uint64_t *lsn);
struct store_move_facts {
    uint8_t dir; /* 255: it does not move, and the rest is of no meaning */
    uint64_t bytes;
    int64_t offset; /* copied so far */
};
void store_move_facts(const struct store *s, const struct plog *p, struct store_move_facts *out);

/* Where the bytes lie that store_hold lends: all of them, from store_init to store_close, in whole
 * pages.  For devices that read them by themselves. */
enum { STORE_MEMORY_ROWS = 2 };
struct store_memory {
    const uint8_t *at;
    uint64_t bytes;
};
void store_memory(const struct store *s, struct store_memory out[STORE_MEMORY_ROWS]);

struct store_dir_facts {
    bool online;
    uint64_t total_bytes, free_bytes; /* UINT64_MAX: unknown */
};
/* A data directory by its number.  ERR_NOT_FOUND: there are not so many. */
must_check int store_dir_facts(const struct store *s, uint32_t dir, struct store_dir_facts *out);

struct store_stats {
    uint64_t frames, frame_bytes, batch_bytes, syncs, writeback_bytes, writeback_again_bytes,
        checkpoints, checkpoint_bytes, sidecar_bytes, journal_padding_bytes, cold_reads,
        segments_dropped, sidecars, sidecars_bad, damaged, indexes_dropped, cache_reads, extents,
        extent_bytes, journal_used_bytes, journal_wait_turns;
    /* Compaction: */
    uint64_t clean_rounds, clean_bytes_read, clean_bytes_written, clean_records,
        clean_records_dropped, clean_keyless;
};
void store_stats(const struct store *s, struct store_stats *out);
/* What journal_writes and journal_extent_writes say of the last store_step. */
uint32_t store_writes(const struct store *s, const uint64_t **ns);
uint32_t store_extent_writes(const struct store *s, const uint64_t **ns);

#endif
