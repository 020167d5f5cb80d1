/* plog.h: one partition log, as its users see it.  Owned by a struct store; lent pointers stay
 * valid until the log is deleted. */
#ifndef SLUICE_STORE_PLOG_H
#define SLUICE_STORE_PLOG_H

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

struct plog_facts {
    enum plog_state state;
    int64_t log_start_offset;
    int64_t high_watermark; /* first offset that consumers may not see: durable end */
    int64_t log_end_offset; /* next offset to be given */
    int32_t leader_epoch;   /* of the last batch, -1 when empty */
    uint64_t bytes;         /* of all segments */
};
void plog_facts(const struct plog *p, struct plog_facts *out);

/* The user's own word, for finding its partition from a log (NULL at creation). */
void plog_user_set(struct plog *p, void *user);
void *plog_user(const struct plog *p);

#endif
