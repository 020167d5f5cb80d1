/* conn.h: connections of one shard: framing, order of responses, sending, time-outs.
 *
 * A turn goes: conn_opened/_readable/_sent/_writable/_closed for each event, conn_run (parses what
 * the marked connections have), the store, conn_flush (one send for each marked connection). */
#ifndef SLUICE_BROKER_CONN_H
#define SLUICE_BROKER_CONN_H

#include "core/base/list.h"
#include "core/base/rope.h"
#include "core/net/stream.h"
#include "dataplane/broker/req.h"

enum {
    CONN_PINS_MAX = 16,         /* runs of log memory in one send */
    CONN_HOLDS_MAX = 15,        /* ranges asked for of other shards at a time */
    CONN_SWEEP_SLOTS = 256,     /* connections that one conn_expire looks at */
    CONN_SHORT_STALL_MS = 1000, /* socket.request.timeout.ms for sending, while memory is short */
    CONN_SHORT_SWEEP_MS = 20,
    CONN_UNSENT_MAX = 256 << 10,   /* own bytes of answers not out; with more nothing is parsed */
    CONN_PIECES_MIN = 8 << 10,     /* smaller requests are not read in pieces */
    CONN_PIECES_MAX = 1 << 20,     /* nor larger ones */
    CONN_SKELETON_BYTES = 8 << 10, /* of a request in pieces, all but its records */
    CONN_STALLED_LOOKS = 256,      /* stalled connections that one turn looks at */
    CONN_SOFTWARE_BYTES_MAX = 64,  /* of a name or version of a client's software; longer: none */
};

/* Of a shard: the request in pieces that is being read. */
struct conn_pieces {
    struct view at[STREAM_PIECES_MAX];
    struct rope rope;
    uint8_t skeleton[CONN_SKELETON_BYTES];
};

/* Log memory that a send refers to: given back when the loan ends. */
struct conn_pin {
    struct mesh_pin pin;
    uint32_t owner; /* shard */
};

enum conn_door { CONN_IN, CONN_LINE, CONN_SHUT, CONN_OUT }; /* conn_admit.c */

struct conn {
    stream_id id;         /* 0: the slot is free */
    struct list dirty;    /* in the shard's conns_dirty: something to parse or to send */
    struct list muted;    /* in the shard's conns_muted: over a quota */
    struct list stalled;  /* in the shard's conns_stalled: its next request got REQ_AGAIN */
    struct list line;     /* in the shard's conns_line: not let in yet, or to be closed */
    struct list requests; /* struct req, oldest first */
    struct req *again;    /* the request that got REQ_AGAIN; nothing behind it is parsed */
    uint32_t request_count;
    bool closing;           /* stream.close was called; only STREAM_CLOSED is awaited */
    bool unread;            /* the stream may have bytes that nobody has looked at */
    bool loan_out, blocked; /* blocked: nothing can be sent before STREAM_WRITABLE */
    bool reading;           /* the range at the front is being read from disk */
    bool was_read;          /* it was: map it before anything else, while it is still in memory */
    uint8_t pin_count;
    uint8_t door; /* enum conn_door; nothing is read but of CONN_IN */
    uint16_t listener;
    uint32_t seat;       /* seats.h; SEATS_NONE: none */
    uint64_t door_ns;    /* not before then: in, or closed; 0: not known yet */
    uint64_t muted_ns;   /* nothing is parsed before then, 0: not muted */
    uint64_t active_ns;  /* last progress in either direction */
    uint64_t partial_ns; /* since when an incomplete request is there, 0: none */
    /* Since when the peer has taken no byte of a loan, or made no room for one; 0: we wait for
     * something else, a read perhaps. */
    uint64_t send_ns;
    /* Where sending stands in the answer of the oldest request: */
    uint32_t sent_bytes;  /* of its own bytes */
    uint32_t range_index; /* next range */
    uint32_t range_sent;  /* bytes of that range that are out */
    /* JOB_HOLD for the next ranges of other shards, in their order: asked for together, used in the
     * turn the last of them is home, the rest given back then. */
    struct job *holds[CONN_HOLDS_MAX];
    uint8_t hold_count, hold_next, holds_out;
    uint16_t holds_home; /* bit i: holds[i] is home */
    struct stream_addr peer;
    /* Name, then version, of its software, as its ApiVersions request said. */
    uint8_t name_bytes, version_bytes;
    char software[2 * CONN_SOFTWARE_BYTES_MAX];
    struct conn_pin pins[CONN_PINS_MAX]; /* of the loan that is out */
};

void conn_opened(struct shard *s, const struct stream_event *e);
void conn_readable(struct shard *s, const struct stream_event *e);
void conn_sent(struct shard *s, const struct stream_event *e);
void conn_writable(struct shard *s, const struct stream_event *e);
void conn_closed(struct shard *s, const struct stream_event *e);

/* Marks a connection for conn_run and conn_flush. */
void conn_mark(struct shard *s, struct conn *c);
/* Parses what the marked connections have received, and tries again what got REQ_AGAIN. */
void conn_run(struct shard *s);
/* Sends what the marked connections have ready; marks again those that have more to parse. */
void conn_flush(struct shard *s);
/* The owner's side of JOB_HOLD: maps the range; the job goes home now or after a disk read. */
void conn_hold(struct shard *s, struct job *j);
/* A JOB_HOLD came home. */
void conn_held(struct shard *s, struct job *j);
/* A local read ended that connection slot `index` waited for. */
void conn_read_done(struct shard *s, uint32_t index);
/* Closes what has been idle or stalled too long; returns the next time to look (CLOCK_NEVER: no
 * connection is open). */
uint64_t conn_expire(struct shard *s, uint64_t now_ns);
/* Begins to close a connection; its requests end when STREAM_CLOSED arrives.  `drop`: an enum
 * counter that says why.  Harmless when it is being closed already. */
void conn_close(struct shard *s, struct conn *c, uint32_t drop);

/* Leaves a connection unread for so long (0: does nothing).  conn_unmute: ends that where it is
 * over, and returns when to look again. */
void conn_mute(struct shard *s, struct conn *c, uint32_t ms);
uint64_t conn_unmute(struct shard *s, uint64_t now_ns);

/* Decides what becomes of a connection that a client has opened; conn_depart: it has ended. */
void conn_arrive(struct shard *s, struct conn *c);
void conn_depart(struct shard *s, struct conn *c);
/* Lets in those whose turn it is and closes those that are too many; returns when to look again. */
uint64_t conn_door(struct shard *s, uint64_t now_ns);

/* Between conn.c and conn_send.c: the connection an event is for, NULL when it is none of ours (any
 * more); gives back what sending has pinned or asked for. */
struct conn *conn_of(struct shard *s, const struct stream_event *e);
/* Whether a connection may begin another request now. */
bool conn_may_parse(const struct shard *s, const struct conn *c);
void conn_send_abandon(struct shard *s, struct conn *c);

#endif
