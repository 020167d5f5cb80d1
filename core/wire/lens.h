/* lens.h: hand-written readers and writers of Produce and Fetch that copy no records.  They must
 * agree with the table-driven walker (wire.h) on every input; tests/fuzz proves it.
 * Versions: Produce request 3-13, response 3-13; Fetch request 4-18, response 4-18 (Kafka 4.3). */
#ifndef SLUICE_WIRE_LENS_H
#define SLUICE_WIRE_LENS_H

#include "core/base/bytes.h"
#include "core/base/must.h"
#include "core/base/rope.h"

/* ---- Produce ---- */

struct lens_produce {
    int16_t version;
    struct view transactional_id; /* at NULL: null */
    int16_t acks;
    int32_t timeout_ms;
    uint32_t topic_count;
    struct cur topics; /* reads on from here */
    bool elided;       /* the records are not there: set it behind lens_produce_begin */
    uint64_t left_out; /* so many bytes of them, up to here */
    const uint8_t *body;
};

struct lens_produce_topic {
    struct view name;        /* len 0 from version 13 on */
    const uint8_t *topic_id; /* 16 bytes, NULL before version 13 */
    uint32_t partition_count;
};

struct lens_produce_partition {
    int32_t index;
    struct view records; /* at NULL: null, or left out */
    /* Of records that were left out: where they are in the whole body, and how long; else 0. */
    uint64_t elided_at;
    uint32_t elided_bytes;
};

/* Body of a request (after the request header).  The first call checks the fixed part only; then
 * for each topic next_topic and for each of its partitions next_partition, strictly in this order;
 * after the last, lens_produce_end checks the tagged fields; what lies behind them is ignored. All:
 * ERR_OK, or ERR_CORRUPT (then the request is malformed as a whole).  Views point into the body. */
must_check int lens_produce_begin(struct view body, int16_t version, struct lens_produce *out);
must_check int lens_produce_next_topic(struct lens_produce *l, struct lens_produce_topic *out);
must_check int lens_produce_next_partition(struct lens_produce *l,
                                           struct lens_produce_partition *out);
/* next_partition in two calls: up to where the records begin, and what follows them. */
must_check int lens_produce_records(struct lens_produce *l, struct lens_produce_partition *out);
must_check int lens_produce_end_partition(struct lens_produce *l);
/* Ends a topic (its tagged fields); call after its last partition. */
must_check int lens_produce_end_topic(struct lens_produce *l);
must_check int lens_produce_end(struct lens_produce *l);

/* A request that lies in pieces: copies all but its records to `out` (room bytes), for a lens with
 * `elided` set.  out->len bytes of the request, from its front, are there already; header_bytes: of
 * the request's header; elided_at counts from the body behind it.  False: it is malformed, or what
 * is not records takes more than the room or than is usual: read the whole in one piece. */
struct lens_skeleton {
    uint8_t *out;
    uint32_t room, len;
};
enum { LENS_FRONT_BYTES = 512 }; /* fixed fields, client id, transactional id: usually */
must_check bool lens_skeleton(struct lens_skeleton *k, struct rope *request, uint32_t header_bytes,
                              int16_t version);

struct lens_record_error {
    int32_t index; /* of the record in its batch */
    struct view text;
};

struct lens_produce_result {
    int32_t index;
    int16_t error;
    int64_t base_offset, log_append_time_ms, log_start_offset;
    const char *error_message;                     /* NULL: null */
    const struct lens_record_error *record_errors; /* version 8+ */
    uint32_t record_error_count;
    int32_t leader_id,
        leader_epoch; /* version 10+: written as a tagged field when leader_id >= 0 */
};

/* Writes a response body piece by piece; w->bad when there was no room. */
void lens_produce_answer_begin(struct put *w, int16_t version, uint32_t topic_count);
void lens_produce_answer_topic(struct put *w, int16_t version, const struct lens_produce_topic *t);
void lens_produce_answer_partition(struct put *w, int16_t version,
                                   const struct lens_produce_result *r);
void lens_produce_answer_end_topic(struct put *w, int16_t version);
void lens_produce_answer_end(struct put *w, int16_t version, int32_t throttle_ms);

/* ---- Fetch ---- */

struct lens_fetch {
    int16_t version;
    int32_t replica_id; /* from version 15 on it comes last: -1 until lens_fetch_end */
    int32_t max_wait_ms, min_bytes, max_bytes;
    int8_t isolation_level;
    int32_t session_id, session_epoch;
    uint32_t topic_count;
    struct cur topics;
    uint32_t forgotten_count; /* valid after lens_fetch_forgotten */
    int64_t replica_epoch; /* valid after lens_fetch_end; -1 unless a version 15+ replica says it */
    struct view rack_id;   /* valid after lens_fetch_end; len 0 before version 11 */
};

struct lens_fetch_topic {
    struct view name;        /* len 0 from version 13 on */
    const uint8_t *topic_id; /* 16 bytes, NULL before version 13 */
    uint32_t partition_count;
};

struct lens_fetch_partition {
    int32_t index, leader_epoch, last_fetched_epoch;
    int64_t fetch_offset, log_start_offset;
    int32_t max_bytes;
};

struct lens_fetch_forgotten {
    struct view name;
    const uint8_t *topic_id;
    uint32_t partition_count;
    struct cur partitions; /* partition_count big-endian i32 */
};

/* As for Produce: begin; (next_topic, next_partition..., end_topic)...; forgotten once;
 * next_forgotten per forgotten topic; end. */
must_check int lens_fetch_begin(struct view body, int16_t version, struct lens_fetch *out);
must_check int lens_fetch_next_topic(struct lens_fetch *l, struct lens_fetch_topic *out);
must_check int lens_fetch_next_partition(struct lens_fetch *l, struct lens_fetch_partition *out);
must_check int lens_fetch_end_topic(struct lens_fetch *l);
must_check int lens_fetch_forgotten(struct lens_fetch *l);
must_check int lens_fetch_next_forgotten(struct lens_fetch *l, struct lens_fetch_forgotten *out);
must_check int lens_fetch_end(struct lens_fetch *l);

struct lens_fetch_aborted {
    int64_t producer_id, first_offset;
};

/* Where the log of a follower that asked parts from ours (KIP-595). */
struct lens_fetch_diverging {
    int32_t epoch;
    int64_t end_offset;
};

struct lens_fetch_result {
    int32_t index;
    int16_t error;
    int64_t high_watermark, last_stable_offset, log_start_offset;
    uint32_t records_bytes; /* of the records that the caller sends after this piece */
    /* Tagged fields: they come after the records, so lens_fetch_answer_end_partition_tags writes
     * them.  CurrentLeader: version 16+ when leader_id >= 0; DivergingEpoch: 12+, NULL none. */
    int32_t leader_id, leader_epoch;
    const struct lens_fetch_diverging *diverging;
    const struct lens_fetch_aborted *aborted; /* NULL: a null list, as for read_uncommitted */
    uint32_t aborted_count;
};

/* Writes the response up to the place where the records go; the caller sends records_bytes of them,
 * then goes on with _end_partition.  The node endpoints of version 16 are written empty. */
void lens_fetch_answer_begin(struct put *w, int16_t version, int32_t throttle_ms, int16_t error,
                             int32_t session_id, uint32_t topic_count);
void lens_fetch_answer_topic(struct put *w, int16_t version, const struct lens_fetch_topic *t);
void lens_fetch_answer_partition(struct put *w, int16_t version, const struct lens_fetch_result *r);
void lens_fetch_answer_end_partition(struct put *w, int16_t version);
/* The same with the tagged fields of r. */
void lens_fetch_answer_end_partition_tags(struct put *w, int16_t version,
                                          const struct lens_fetch_result *r);
void lens_fetch_answer_end_topic(struct put *w, int16_t version);
void lens_fetch_answer_end(struct put *w, int16_t version);

#endif
