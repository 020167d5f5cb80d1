/* sim.h: one life of a store on a disk in memory, and the model it is compared with.
 *
 *   store_sim.c   the program: seeds, processes, what failed
 *   sim_life.c    configuration, workload, crashes, recovery
 *   sim_io.c      turns, appends: what goes in is noted
 *   sim_read.c    reads: what comes out is compared; readers wait for what the store promises
 *   sim_txn.c     transactions
 *   sim_clean.c   compaction: what is left of a log; sim_view.c: what may be gone of it
 *   sim_retain.c  retention
 *   sim_dirs.c    several data directories
 *   sim_check.c   after a recovery: everything is compared
 *   sim_fault.c   faults of the device, and what they excuse
 *   sim_batch.c   batches; the rest of the model in sim_model.c
 *
 * A life is a function of its seed.  A check that fails prints the seed and ends the process. */
#ifndef SLUICE_TESTS_SIM_H
#define SLUICE_TESTS_SIM_H

#include "core/store/clean_map.h"
#include "core/store/store_in.h"
#include "tests/sim/disk_mem.h"

enum {
    SIM_CORES_MAX = 3,
    SIM_LOGS_MAX = 6,
    SIM_PRODUCERS = 3, /* ids of a log */
    SIM_BATCH_BYTES_MAX = 24 << 10,
    SIM_READ_BYTES = 1 << 20,
    SIM_LEADER_EPOCH = 3,
    SIM_KEYS = 20,
    SIM_RECORDS_MAX = 4, /* of a batch */
    SIM_ABORTED_MAX = 512,
    SIM_CONFIGS_MAX = 8,
    SIM_CLEAN_SLOTS = 200,
    SIM_READERS_MAX = 4,
    SIM_WAITER = 77,        /* who asks and does nothing else */
    SIM_WAITER_BESIDE = 78, /* nobody */
    SIM_PRODUCER_FIRST_ID = 1000,
    SIM_TXN_FIRST_ID = 2000, /* of transactional producers */
    SIM_TXN_IDS = 3,
};

/* What became of a batch's records, as the batches behind it say. */
enum sim_fate { SIM_VALID, SIM_ABORTED, SIM_OPEN };

struct sim_batch {
    int64_t base, first_ms; /* record i has time first_ms + i */
    int32_t records;
    uint32_t len, crc; /* of all bytes as stored */
    uint64_t lsn;      /* 0: known to be durable */
    int64_t producer;  /* -1 none */
    int16_t epoch;
    int32_t sequence;
    bool held;                      /* answered when large batches before it are durable too */
    bool extent;                    /* written straight to its segment */
    bool acked;                     /* somebody was told, or saw it */
    int32_t key;                    /* of record i: (key + i) % SIM_KEYS; -1: none */
    uint32_t sums[SIM_RECORDS_MAX]; /* of key and value */
    bool stamped;                   /* all records have time first_ms */
    bool txn;                       /* of a transaction */
    bool marker;                    /* ends one; sequence: the coordinator's epoch */
    bool commit;
    enum sim_fate fate; /* sim_txn_fates, like the next */
    uint32_t end;       /* the marker of its transaction, unless that is open */
    int64_t needed_ms;  /* a marker: data of its transaction were there then */
    bool gone;          /* found to be compacted away */
};

#define SIM_UNDECIDED UINT64_MAX /* for an lsn: the batch may be there, or not */

enum sim_log_state { SIM_NONE, SIM_THERE, SIM_DELETED };

struct sim_log {
    uint32_t topic;
    int32_t partition;
    enum sim_log_state state;
    uint64_t change_lsn; /* of its creation, or deletion; 0: durable */
    uint64_t config_lsn; /* 0: `config` is durable, else it may be config_before */
    struct plog_config config, config_before;
    struct plog_config configs[SIM_CONFIGS_MAX]; /* that it had before, the latest */
    uint32_t config_count;
    struct sim_batch *batches;
    uint32_t count, room, acked; /* acked: a prefix */
    int64_t seen;                /* consumers saw all below */
    int64_t start, start_asked;  /* of the log: somebody was told; the highest asked for */
    uint64_t start_lsn;          /* of the latter; 0: durable */
    bool damaged;                /* the device spoiled bytes of it: an error is an answer */
    bool offline;                /* may be */
    bool held;                   /* its directory is not there, and large batches may be torn */
    bool dies;                   /* was in the directory that died */
    uint32_t core;               /* that wrote lsns */
    uint32_t changes;            /* so often the store has handed it back */
};

enum sim_reader_state {
    SIM_READER_IDLE,
    SIM_READER_LOCATING,
    SIM_READER_TAKING,
    SIM_READER_HOLDING
};

struct sim_wait {
    uint32_t turns, idle; /* idle: of the store, one behind the other */
};

/* sim_read.c */
struct sim_reader {
    enum sim_reader_state state;
    struct sim_log *log;
    uint64_t serial; /* of its plog */
    struct store *store;
    int64_t offset;
    struct store_range range, left; /* being read; what of it is still to come */
    struct store_hold hold;
    struct sim_wait wait;
    uint64_t waiter;
    uint32_t changes; /* of its log when it asked last */
    uint32_t keeps;   /* turns that it holds on for */
    bool told;        /* to ask again */
};

enum sim_fault_kind {
    SIM_FAULT_NONE,
    SIM_FAULT_ERROR,
    SIM_FAULT_SPACE,
    SIM_FAULT_REST,
    SIM_FAULT_DIR
};
enum sim_dir_state { SIM_DIR_WELL, SIM_DIR_DEAD, SIM_DIR_MISSING };

struct sim {
    uint64_t seed, rng, next_value, step;
    struct disk_mem *disk;
    struct store *stores[SIM_CORES_MAX];
    uint32_t cores, cores_max, flight, read_buffers, log_count, batch_bytes_max, rounds;
    uint64_t hold_ns;
    uint32_t extent_bytes_min;
    bool txns;     /* there are transactions */
    bool compacts; /* some logs are compacted */
    bool mixed;    /* with transactions in them */
    bool hasty;    /* this stretch of work ends within a round of compaction */
    bool retains;  /* logs have a retention */
    bool crowded;  /* segments longer than read buffers, and readers beside readers */
    bool heavy;    /* many extents */
    bool late;     /* writes to segments take much longer than those to the journal */
    uint32_t dirs, die_round;
    uint8_t bad_dir; /* the one that dies */
    enum sim_dir_state dir_state;
    bool was_bad;
    struct clean_map map;
    struct clean_slot clean_slots[SIM_CLEAN_SLOTS];
    bool sidecars; /* files beside segments are damaged between two lives of the process */
    uint32_t reader_count;
    struct sim_reader readers[SIM_READERS_MAX];
    bool vanishing; /* some of them hold what they get for long */
    uint64_t reader_rng, waits, turn;
    uint32_t read_bytes; /* of a read buffer; 0: as many as ever */
    bool edges;          /* headers lie across what is read at once */
    uint32_t holds;      /* of memory, by readers */
    bool told;           /* SIM_WAITER was handed back */
    uint64_t journal_bytes, cache_bytes, now_ns, cut_ops;
    int64_t now_ms;
    struct sim_log logs[SIM_LOGS_MAX];
    uint8_t *batch, *bytes;
    enum sim_fault_kind faults;
    bool dead;           /* a store_step failed: the process would end */
    bool excused;        /* an injected error may be the reason of anything but a loss */
    bool rotten;         /* recovery may refuse */
    bool records_rotten; /* what the device spoiled is a journal or a checkpoint */
    bool verbose;
    uint64_t crashes, recoveries, refused, appends, reads; /* for the report */
    uint64_t cuts, cut_records;          /* logs that a recovery cut; records of them left out */
    uint64_t cuts_again, cuts_later;     /* recoveries with cuts behind one that was cut off itself;
                                          * crashes of lives that such a recovery had begun */
    bool was_cut;                        /* the last recovery cut a log */
    uint64_t rounds_seen[SIM_CORES_MAX]; /* of compaction, whose result was looked at */
    /* Of compacted logs with transactions: rounds looked at; batches found with all or some records
     * gone, by what they were. */
    uint64_t clean_rounds, gone_valid, gone_aborted, gone_markers;
};

/* ---- sim_model.c -------------------------------------------------------------------------------
 */

uint64_t sim_random(struct sim *s);
uint32_t sim_below(struct sim *s, uint32_t limit);
bool sim_chance(struct sim *s, uint32_t in);
_Noreturn void sim_fail(const struct sim *s, const char *fmt, ...) must_printf(2, 3);
void sim_say(const struct sim *s, const char *fmt, ...) must_printf(2, 3);

void sim_topic(const struct sim_log *l, uint8_t id[16]);
int64_t sim_end(const struct sim_log *l);
struct sim_batch *sim_add(struct sim_log *l);
/* The batch that holds an offset; NULL: none. */
struct sim_batch *sim_at(const struct sim_log *l, int64_t offset);
void sim_forget(struct sim_log *l);
/* What a producer may be answered, from the batches alone (Kafka's rules, written anew): a code,
 * and for a duplicate which batch. */
int sim_producer(const struct sim_log *l, int64_t producer, int16_t epoch, int32_t sequence,
                 int32_t records, const struct sim_batch **duplicate);
/* Epoch and next sequence of a producer; false: it is not known. */
bool sim_producer_next(const struct sim_log *l, int64_t producer, int16_t *epoch,
                       int32_t *sequence);

/* ---- sim_batch.c -------------------------------------------------------------------------------
 */

/* Builds the batch that `b` describes (records, first_ms, producer, key) into s->batch and notes
 * its sums; info is its header. */
uint32_t sim_build(struct sim *s, struct sim_batch *b, uint32_t value_bytes,
                   struct batch_info *info);

/* ---- sim_io.c ----------------------------------------------------------------------------------
 */

struct store *sim_store(struct sim *s, const struct sim_log *l);
struct plog *sim_plog(struct sim *s, const struct sim_log *l);
/* Nothing more can come: the power is gone, or the process would be. */
bool sim_over(const struct sim *s);
void sim_turns(struct sim *s, uint32_t count);
/* Finds or creates; NULL when it cannot be now. */
struct plog *sim_open(struct sim *s, struct sim_log *l);
void sim_append(struct sim *s, struct sim_log *l);
void sim_find_time(struct sim *s, struct sim_log *l);
/* DeleteRecords. */
void sim_trim(struct sim *s, struct sim_log *l);
/* Notes what is durable now. */
void sim_note_acks(struct sim *s);

/* Notes what was appended: `bytes` in s->batch. */
void sim_appended(struct sim *s, struct sim_log *l, const struct sim_batch *b, uint32_t bytes,
                  const struct store_appended *out);

/* True when KAFKA_STORAGE_ERROR has a reason. */
bool sim_storage_excused(struct sim *s, const struct sim_log *l);
/* ---- sim_read.c --------------------------------------------------------------------------------
 */

/* Reads [from, limit) and compares; false when it ended early, for a reason that is excused. */
bool sim_read(struct sim *s, struct sim_log *l, int64_t from, int64_t limit, uint32_t piece);
/* Copies a range to s->bytes; a code. */
int sim_range_bytes(struct sim *s, struct store *store, const struct store_range *range);
/* True when an error of a read has a reason; fails otherwise. */
bool sim_read_excused(struct sim *s, const struct sim_log *l, int rc, int64_t offset);
/* The same of a range without bytes. */
bool sim_nothing_excused(struct sim *s, const struct sim_log *l, const struct plog *p,
                         int64_t offset);
/* Turns until SIM_WAITER, or the log, is handed back; false when the life is over.  `what` is it
 * that waits: it fails when it would for ever. */
bool sim_wait_read(struct sim *s, struct store *store, const char *what);
bool sim_wait_log(struct sim *s, struct store *store, const struct sim_log *l, const char *what);
/* Takes what a store hands back. */
void sim_readers_told(struct sim *s, struct store *store);
/* A step of those that read beside all work; before their stores go they give back what they hold.
 */
void sim_readers_step(struct sim *s);
void sim_readers_end(struct sim *s);

/* ---- sim_clean.c -------------------------------------------------------------------------------
 */

/* Looks for a log that is due; the task runs with the next turn. */
void sim_clean(struct sim *s);
/* sim_read of a compacted log. */
bool sim_clean_read(struct sim *s, struct sim_log *l, int64_t from, int64_t limit, uint32_t piece);
/* As a consumer of committed data reads it, to the last stable offset. */
void sim_clean_read_committed(struct sim *s, struct sim_log *l, int64_t from);
/* Reads the logs whose compaction has come to an end. */
void sim_clean_look(struct sim *s);

/* ---- sim_view.c --------------------------------------------------------------------------------
 */

/* What a reader found of a compacted log at each offset of [from, limit). */
enum {
    SIM_FOUND_RECORD = 1,
    SIM_FOUND_HEADER = 2,    /* of a batch that begins there */
    SIM_FOUND_DELIVERED = 4, /* to a consumer of committed data, if the reader is one */
};
struct sim_found {
    int64_t from, limit;
    uint8_t *at; /* by offset */
    bool committed;
};

/* One Fetch of a consumer of committed data. */
struct sim_consumer {
    struct stable_aborted aborted[SIM_ABORTED_MAX];
    uint32_t count;
    bool skips[SIM_TXN_IDS]; /* the data of these producers */
};

/* The aborted transactions that a range comes with. */
void sim_consumer_begin(struct sim *s, const struct plog *p, const struct store_range *range,
                        int64_t offset, struct sim_consumer *c);
/* True when it delivers the records of the batch. */
bool sim_consumer_takes(struct sim_consumer *c, const struct batch_info *info, struct view batch);
/* Whether what is not there may be gone. */
void sim_found_check(struct sim *s, struct sim_log *l, const struct sim_found *found);

/* ---- sim_retain.c ------------------------------------------------------------------------------
 */

void sim_retain_choose(struct sim *s, struct sim_log *l); /* its configuration */
/* Applies retention, and looks at what goes. */
void sim_retain(struct sim *s);

/* ---- sim_dirs.c --------------------------------------------------------------------------------
 */

void sim_dirs_choose(struct sim *s, bool several, bool dies);
/* A path of the disk without its directory's name. */
const char *sim_dirs_path(const char *path, uint8_t *dir);
/* Its directory does not work: it may be offline. */
bool sim_dirs_is_bad(const struct sim *s, const struct sim_log *l, const struct plog *p);
void sim_dirs_arm(struct sim *s); /* before a stretch of work */
void sim_dirs_die(struct sim *s);
void sim_dirs_before_start(struct sim *s); /* does it work again? */
void sim_dirs_move(struct sim *s, struct sim_log *l);

/* ---- sim_txn.c ---------------------------------------------------------------------------------
 */

/* A step of a transaction: a batch, or its end. */
void sim_txn(struct sim *s, struct sim_log *l);
/* Sets fate and end of all batches. */
void sim_txn_fates(struct sim_log *l);
/* Last stable offset and aborted transactions, at any time. */
void sim_stable_check(struct sim *s, const struct sim_log *l);
/* All of it, after a recovery. */
void sim_txns_check(struct sim *s, const struct sim_log *l, const struct plog *p);

/* ---- sim_check.c -------------------------------------------------------------------------------
 */

/* After a recovery; the model then is what was found. */
void sim_check_all(struct sim *s);
/* Files: none that nobody knows, each as long as its log. */
void sim_check_files(struct sim *s);

/* ---- sim_fault.c -------------------------------------------------------------------------------
 */

void sim_fault_choose(struct sim *s);
void sim_fault_arm(struct sim *s);     /* before a stretch of work */
void sim_fault_clear(struct sim *s);   /* before recovery */
bool sim_fault_at_rest(struct sim *s); /* with nobody there; true: something was damaged */
/* Damages one file beside a segment, which excuses nothing. */
void sim_fault_sidecar(struct sim *s);

/* ---- sim_life.c --------------------------------------------------------------------------------
 */

int sim_start(struct sim *s); /* recovery and store_init; a code */
void sim_kill(struct sim *s);
void sim_life(struct sim *s, uint64_t seed);
/* A short life with one power cut; every subset of what was pending then is tried, if it is small
 * enough. */
void sim_life_small(struct sim *s, uint64_t seed);

#endif
