/* inner.h: control as a client of its own dataplane.
 *
 * Coordinators keep their state in ordinary logs.  Control reads and writes these with the requests
 * that every client uses, over a connection of its own: a byte stream in the rings between the two
 * processes.  inner_stream() is a port (core/net/stream.h) that offers the connections of a real
 * one and this one more, so that framing, order of answers, mesh and back-pressure are the same
 * code.
 *
 * Opened when control is ready; ended and opened anew when control was restarted, or after an error
 * that ends any connection.  Requests that were not carried out are gone with it.  Each connection
 * begins with an empty REPLY, so that control knows its number (core/shm/msg.h).  It is on listener
 * INNER_LISTENER: no time-out and no connection limit applies to it. */
#ifndef SLUICE_BROKER_INNER_H
#define SLUICE_BROKER_INNER_H

#include "core/net/stream.h"
#include "core/shm/chan.h"

enum {
    INNER_LISTENER = UINT16_MAX,
    /* Control keeps the bytes of its unanswered requests below this (core/shm/msg.h). */
    INNER_BYTES = 8 << 20,
    INNER_MESSAGE_MAX = 256 << 10, /* bytes of answers in one message */
};

struct inner {
    struct stream real;
    struct chan *to_control; /* the shard's, like the next two */
    bool *sent;
    uint32_t generation; /* of the dataplane */
    uint32_t index;      /* of its stream id */
    uint32_t control_generation, connection;
    stream_id id, ended; /* 0: none; ended: STREAM_CLOSED is due */
    uint8_t *memory;     /* received and not consumed: [first, first + len) */
    uint32_t first, len, want;
    uint32_t bytes_sent, bytes_back;             /* of the loan that the next poll ends */
    bool opened, hello, readable, loan, blocked; /* hello: the empty REPLY is due */
};

/* `index`: a number that the real port never uses in its ids.  ERR_FULL: no memory. */
must_check int inner_init(struct inner *i, uint32_t index);
void inner_free(struct inner *i);
/* Where answers go; `sent` is set when something was put into the ring. */
void inner_attach(struct inner *i, struct chan *to_control, uint32_t generation, bool *sent);
/* The port; keeps `real`, which is used for everything else. */
struct stream inner_stream(struct inner *i, struct stream real);

/* Control of that generation is ready, and has joined the rings. */
void inner_open(struct inner *i, uint32_t control_generation);
/* A CALL of that generation of control; dropped when it is not for this connection.  More than
 * INNER_BYTES: the connection ends, control is broken. */
void inner_take(struct inner *i, uint32_t control_generation, struct view body);
/* True when poll has an event; *blocked: something waits for room in the ring. */
bool inner_waits(const struct inner *i, bool *blocked);

#endif
