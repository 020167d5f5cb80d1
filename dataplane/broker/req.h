/* req.h: one request from its last byte in to its last byte out.
 *
 * A connection's requests stay in the order they came; responses leave in that order.  The handler of
 * an API (the table in req.c: APIs are advertised from it) starts the request; some end at once, some
 * wait for the disk, for another shard, for data or for control. */
#ifndef SLUICE_BROKER_REQ_H
#define SLUICE_BROKER_REQ_H

#include "core/base/list.h"
#include "core/wire/wire.h"
#include "dataplane/broker/answer.h"
#include "dataplane/broker/mesh.h"

struct shard;
struct conn;
struct fetch; /* fetch.h */
struct offsets; /* offsets.h */

enum req_verdict {
    REQ_DONE,    /* r->answer is complete (or r->no_answer is set) */
    REQ_PENDING, /* req_finish comes later */
    REQ_AGAIN,   /* memory, jobs or journal space are short: same call, same body, next turn */
    REQ_BAD,     /* body malformed: counted, connection closed */
};

struct req {
    struct list link;  /* in conn->requests, oldest first */
    struct conn *conn; /* NULL once the connection is gone */
    const struct wire_api *api;
    int16_t version;
    int32_t correlation_id;
    bool done, no_answer;
    bool begun;        /* the handler returned REQ_AGAIN before: go on, do not start anew */
    uint32_t pending;  /* pieces of work on the way that point to this request; freed at 0 only */
    uint64_t arrived_ns;
    struct answer answer;
    union {
        struct {
            uint32_t parts_done; /* partitions carried out before a REQ_AGAIN */
            uint64_t lsn;        /* largest own append */
            uint32_t records_len;
            void *records[4];    /* blocks with records for other shards, given back at the end */
        } produce;
        struct fetch *fetch;
        struct offsets *offsets;
        struct {
            uint64_t token;
            uint8_t *copy; /* of the request, to send again when control was restarted */
            uint32_t len;
            uint32_t control_generation; /* it was sent to; 0: not sent yet */
            struct list waiting;
            uint64_t deadline_ns;
        } forward;
    } u;
};

/* Handler: body is lent for the call. */
typedef enum req_verdict req_start_fn(struct shard *s, struct req *r, struct view body);

struct req_handler {
    int16_t key;
    req_start_fn *start;
    /* Ends what the request still has on the way: its connection is gone.  NULL: nothing. */
    void (*abandon)(struct shard *s, struct req *r);
};
const struct req_handler *req_handler(int16_t key); /* NULL: not offered */

/* Begins the answer: length place and response header.  False: no memory. */
must_check bool req_answer_begin(struct shard *s, struct req *r, uint32_t body_bytes);
/* Encodes a whole body with the walker behind req_answer_begin.  REQ_DONE, or REQ_AGAIN. */
enum req_verdict req_answer_struct(struct shard *s, struct req *r, const void *body);

/* A pending request has its answer: seals it and lets its connection send. */
void req_finish(struct shard *s, struct req *r);
/* A pending request cannot be answered: closes its connection (counted by `drop`). */
void req_fail(struct shard *s, struct req *r, uint32_t drop);

#endif
