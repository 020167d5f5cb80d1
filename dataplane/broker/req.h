/* req.h: one request from its last byte in to its last byte out.
 *
 * A connection's requests stay in the order they came; responses leave in that order.  The handler
 * of an API (the table in req.c: APIs are advertised from it) starts the request; some end at once,
 * some wait for the disk, for another shard, for data or for control.
 *
 * Life: req_take (conn), the handler, req_finish or req_fail, req_give once its answer is out or
 * its connection is gone.  A request whose connection goes away while pieces of it are on their way
 * (pending > 0) stays until the last of them is back. */
#ifndef SLUICE_BROKER_REQ_H
#define SLUICE_BROKER_REQ_H

#include "core/base/list.h"
#include "core/net/stream.h"
#include "core/wire/wire.h"
#include "dataplane/broker/answer.h"
#include "dataplane/broker/mesh.h"
#include "dataplane/broker/quota.h"

struct shard;
struct conn;
struct fetch;   /* fetch.h */
struct offsets; /* offsets.h */
struct asks;    /* asks.h */
struct scatter; /* scatter.h */

enum req_verdict {
    REQ_DONE,    /* r->answer is complete (or r->no_answer is set) */
    REQ_PENDING, /* req_finish comes later */
    REQ_AGAIN,   /* memory, jobs or journal space are short: same call, same body, next turn */
    REQ_BAD,     /* body malformed: counted, connection closed */
    REQ_FAILED,  /* cannot be answered: the handler counted why; connection closed */
};

struct req {
    struct list link;  /* in conn->requests, oldest first */
    struct conn *conn; /* NULL once the connection is gone or the answer is out */
    const struct wire_api *api;
    int16_t version;
    int32_t correlation_id;
    uint32_t header_bytes; /* of the request header, which lies right before the body */
    struct rope *pieces; /* during the call of the handler, where the body has no records: the whole
                          * request, header included; NULL */
    uint32_t front_bytes; /* during that call: of what the stream has lent, with the request */
    uint32_t index, generation; /* place in the pool; uses of that place */
    bool done, no_answer;
    bool forwarded;      /* to control, by a handler that does not send it every request */
    bool begun;          /* the handler returned REQ_AGAIN before: go on, do not start anew */
    uint32_t pending;    /* pieces of work on the way that point to this request; freed at 0 only */
    uint8_t kind;        /* enum hists_kind */
    uint64_t arrived_ns; /* by the clock of turns, as the next two */
    uint64_t begun_ns;   /* its handler has taken it */
    uint64_t done_ns;    /* its answer is complete */
    bool metered;        /* a quota may concern it: the next three are set */
    uint32_t throttle_ms;
    struct quota_claim quota, cost; /* of its bytes, of the work that it is */
    struct answer answer;
    struct list held; /* in the shard's reqs_held or reqs_stay: its answer has holds */
    union {
        struct {
            uint32_t steps_done; /* partitions carried out before a REQ_AGAIN */
            uint64_t lsn;        /* largest own append, 0: none */
            bool held;           /* one of them waits for a large batch of its log */
            int16_t acks;
            bool carried_out; /* every partition was appended, refused or sent to its owner */
            bool failed;      /* acks=0 and a partition failed */
            uint16_t jobs;    /* JOB_APPEND that are out */
            uint16_t lent;    /* of them, with bytes of `kept` */
            stream_kept kept;
            struct list refused; /* struct job that is home, its reason not in the answer yet; the
                                  * last part first */
        } produce;
        struct fetch *fetch;
        struct offsets *offsets;
        struct asks *asks;
        struct scatter *scatter;
        struct {
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
    /* Ends what the request still has on the way: its connection is gone (r->conn is NULL).
     * r->pending counts this call too, so r stays even when pieces come home inside.  Frees what
     * hangs on r->u when r->pending is 1 at the end; else whoever takes the last piece does. Called
     * for requests that are not done only (also after a REQ_AGAIN; r->u is zero before the first
     * call of the handler).  NULL: nothing to do. */
    void (*abandon)(struct shard *s, struct req *r);
};
const struct req_handler *req_handler(int16_t key); /* NULL: not offered */
/* All rows in order of their keys. */
const struct req_handler *req_handlers(uint32_t *count);

/* The pool.  req_pool_init takes its memory (calloc); req_take resets only what a new request
 * needs, NULL when all are in use. */
must_check int req_pool_init(struct shard *s, uint32_t count);
struct req *req_take(struct shard *s);
void req_give(struct shard *s, struct req *r);

/* Reads the header of one request (the bytes behind the length) and starts its handler.  REQ_BAD:
 * the header, the api, its version or the body is refused (counted). */
enum req_verdict req_start(struct shard *s, struct req *r, struct view request);

/* Begins the answer: length place and response header.  False: no memory; never where the handler
 * reserved room for them and the body before. */
must_check bool req_answer_begin(struct shard *s, struct req *r, uint32_t body_bytes);
/* Encodes a whole body with the walker behind req_answer_begin.  REQ_DONE, or REQ_AGAIN, or
 * REQ_FAILED when the body is larger than any answer can be. */
enum req_verdict req_answer_struct(struct shard *s, struct req *r, const void *body);

/* The answer is complete: writes its length, and how long the client is to be left alone. */
void req_seal(struct req *r);
/* A pending request has its answer: seals it and lets its connection send.  Frees the request when
 * its connection is gone and nothing is pending. */
void req_finish(struct shard *s, struct req *r);
/* A pending request cannot be answered: closes its connection (counted by `drop`). */
void req_fail(struct shard *s, struct req *r, uint32_t drop);
/* One piece of work of the request is back: pending goes down by one.  False: the request had no
 * connection any more and this was its last piece: it is freed, do not touch it again (free what
 * hangs on r->u before this call when r->conn is NULL and r->pending is 1). */
must_check bool req_piece_back(struct shard *s, struct req *r);
/* The connection of r is going away: abandons it and frees it as soon as nothing is pending. */
void req_orphan(struct shard *s, struct req *r);

#endif
