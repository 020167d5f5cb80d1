/* conn.h: connections of one shard: framing, order of responses, sending, time-outs. */
#ifndef SLUICE_BROKER_CONN_H
#define SLUICE_BROKER_CONN_H

#include "core/base/list.h"
#include "core/net/stream.h"
#include "dataplane/broker/req.h"

struct conn {
    stream_id id;
    struct list link;      /* in the shard's list by age of the last request */
    struct list dirty;     /* in the shard's list of connections that have something to send or parse */
    struct list requests;  /* struct req, oldest first */
    uint32_t request_count;
    struct req *stalled;   /* got REQ_AGAIN: parse nothing behind it */
    bool closing, loan_out;
    uint16_t listener;
    struct stream_addr peer;
    uint64_t active_ns;    /* last progress in either direction */
    uint64_t partial_ns;   /* since when an incomplete request is there, 0: none */
    /* Sending the answer of the oldest request: */
    uint32_t sent_bytes;   /* of its own bytes */
    uint32_t range_index;  /* next range */
    uint32_t range_sent;   /* bytes of that range that are out */
    struct store_hold hold; /* of the front of that range; bytes 0: none */
    uint32_t hold_owner;
    struct job *hold_job;  /* on its way */
};

void conn_opened(struct shard *s, const struct stream_event *e);
void conn_readable(struct shard *s, const struct stream_event *e);
void conn_sent(struct shard *s, const struct stream_event *e);
void conn_writable(struct shard *s, const struct stream_event *e);
void conn_closed(struct shard *s, const struct stream_event *e);

/* Marks a connection for conn_run at the end of the turn. */
void conn_mark(struct shard *s, struct conn *c);
/* Parses what is there and sends what is ready, for every marked connection. */
void conn_run(struct shard *s);
/* A JOB_HOLD came home, or a local read ended (store_take_read gave `waiter` = connection index). */
void conn_held(struct shard *s, struct job *j);
void conn_read_done(struct shard *s, uint64_t waiter);
/* Closes what has been idle or stalled too long; returns the next time to look. */
uint64_t conn_expire(struct shard *s, uint64_t now_ns);
void conn_close(struct shard *s, struct conn *c, uint32_t drop);

#endif
