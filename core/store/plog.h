/* plog.h: one partition log, as its users see it.  Owned by a struct store; lent pointers stay
 * valid until the log is deleted. */
#ifndef SLUICE_STORE_PLOG_H
#define SLUICE_STORE_PLOG_H

#include "core/store/stable.h"

#include <stdbool.h>
#include <stdint.h>

struct plog;

/* Kafka's topic keys, as far as they concern the log; all zero is a log that is never cleaned.
 * Written to the journal and to checkpoints by the table in plog_config.c. */
struct plog_config {
    uint32_t segment_bytes;        /* roll when a batch would exceed it */
    uint32_t index_interval_bytes; /* bytes between entries of the in-memory index */
    uint32_t segment_index_bytes;  /* roll when Kafka's offset index would exceed it; 0 no limit */
    uint32_t min_dirty_millionths; /* min.cleanable.dirty.ratio */
    int64_t segment_ms;            /* roll when the first batch is older; by record time */
    int64_t segment_jitter_ms;
    int64_t retention_ms, retention_bytes; /* -1 no limit; only with cleanup_delete */
    int64_t file_delete_delay_ms;
    int64_t min_compaction_lag_ms, max_compaction_lag_ms, delete_retention_ms;
    bool log_append_time;                 /* message.timestamp.type=LogAppendTime */
    bool cleanup_delete, cleanup_compact; /* cleanup.policy; both at once is allowed */
    bool write_caching;                   /* acknowledge before it is on stable storage */
    bool preallocate;
};

enum plog_state { PLOG_ONLINE, PLOG_OFFLINE };

/* Why a log is offline although its disk works: a start found that acknowledged records of it are
 * missing, or may be.  Such a log serves nothing, is never cleaned, and stays so over restarts
 * until `sluice log repair` decides.  Values stand in checkpoints. */
enum plog_damage {
    PLOG_WHOLE,
    PLOG_DAMAGE_MISSING,    /* a segment file is not there */
    PLOG_DAMAGE_SHORT,      /* a segment file ends before what was written to it */
    PLOG_DAMAGE_UNREADABLE, /* a segment file cannot be read; looked at again by each start */
    PLOG_DAMAGE_JOURNAL,    /* journal records of it are unreadable: seen by what follows them */
    PLOG_DAMAGE_UNPROVEN,   /* journal records are unreadable and may have been of it */
    PLOG_DAMAGE_UNKNOWN,    /* only its directory is known */
    PLOG_DAMAGE_EXTENT,     /* a large batch is not in its segment file as the journal says */
    PLOG_DAMAGES
};
const char *plog_damage_text(enum plog_damage damage);

struct plog_facts {
    enum plog_state state;
    int64_t log_start_offset;
    int64_t high_watermark;     /* first offset that consumers may not see: durable end */
    int64_t last_stable_offset; /* everything below is durable and decided; <= high_watermark */
    int64_t log_end_offset;     /* next offset to be given */
    int32_t leader_epoch;       /* of the last batch, -1 when empty */
    uint64_t bytes;             /* of all segments */
    uint8_t dir;                /* number of its data directory; 255: that is not there */
    enum plog_damage damage;
    int64_t good_end; /* with damage: records below it are not known to be bad */
};
void plog_facts(const struct plog *p, struct plog_facts *out);
/* Of these the one that every acknowledgement has. */
int64_t plog_log_start(const struct plog *p);

/* Aborted transactions that wrote in [first, limit), in order of their markers: copies at most
 * `room`, returns how many there are.  For what is below the last stable offset they are all. */
uint32_t plog_aborted(const struct plog *p, int64_t first, int64_t limit,
                      struct stable_aborted *out, uint32_t room);

struct plog_producer {
    int64_t id;
    int16_t epoch;
    int32_t last_sequence, coordinator_epoch; /* -1: none */
    int64_t last_ms;                          /* timestamp of its last batch or marker */
    int64_t txn_first;                        /* where its open transaction begins, -1: none */
};
/* What is known of the producers, in no order: copies at most `room`, returns how many there are.
 */
uint32_t plog_producers(const struct plog *p, struct plog_producer *out, uint32_t room);

/* Where a leader epoch ends: the first offset of a later one, or the log end.  epoch: the asked
 * one, or the greatest below it that led; -1, and offset -1, when it is not known (later than
 * `leading`, the epoch that leads now, or -1).  Source: Kafka LeaderEpochFileCache.endOffsetFor. */
struct plog_epoch_end {
    int32_t epoch;
    int64_t offset;
};
struct plog_epoch_end plog_epoch_end(const struct plog *p, int32_t asked, int32_t leading);

/* The user's own word, for finding its partition from a log (NULL at creation). */
void plog_user_set(struct plog *p, void *user);
void *plog_user(const struct plog *p);

#endif
