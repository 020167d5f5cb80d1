/* plog.h: one partition log, as its users see it.  Owned by a struct store; lent pointers stay
 * valid until the log is deleted. */
#ifndef SLUICE_STORE_PLOG_H
#define SLUICE_STORE_PLOG_H

#include <stdbool.h>
#include <stdint.h>

struct plog;

struct plog_config {
    uint32_t segment_bytes;        /* roll when a batch would exceed it */
    uint32_t index_interval_bytes; /* bytes between entries of the in-memory index */
    int64_t segment_ms;            /* roll when the first batch is older; by record time */
    bool log_append_time;          /* message.timestamp.type=LogAppendTime */
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
