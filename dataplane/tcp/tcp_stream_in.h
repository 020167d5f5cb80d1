/* tcp_stream_in.h: what tcp_stream.c (life, events), tcp_stream_recv.c and tcp_stream_send.c share.
 *
 *   FREE -> OPEN -> HALF (the peer's FIN, answers are owed) -> CLOSING -> CLOSED -> FREE
 *
 * The slot of a connection has the index and the id of its tcp connection.  CLOSING: tcp_close()
 * was called, TCP_CLOSED is awaited.  CLOSED: STREAM_CLOSED waits to be polled. I1 while a slot is
 * CLOSED no event is taken from the stack: an index is used again only after its STREAM_CLOSED.  I2
 * a slot is in at most one of `middle` and `waiting`.  I3 the
 * frames of a slot that is not in `framed` are empty when the loop sleeps, unless it is in
 * `waiting`, or its block is full. */
#ifndef SLUICE_TCP_TCP_STREAM_IN_H
#define SLUICE_TCP_TCP_STREAM_IN_H

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/net/rxbuf.h"
#include "dataplane/tcp/tcp_stream.h"

enum tcp_slot_state { SLOT_FREE, SLOT_OPEN, SLOT_HALF, SLOT_CLOSING, SLOT_CLOSED };

/* In the order in which poll() emits them: a loan has ended when its user hears of the next
 * request. */
enum tcp_slot_event {
    SLOT_OPENED = 1,
    SLOT_SENT = 2,
    SLOT_WRITABLE = 4,
    SLOT_READABLE = 8,
    SLOT_ENDED = 16,
};

/* A block of copied bytes.  One hold is of the slot that fills it. */
struct tcp_copy {
    struct packet_ref ref;
    struct tcp_stream *stream;
    struct tcp_copy *next; /* of those that are free */
    uint8_t *at;
    uint32_t used;
};

struct tcp_slot {
    struct list ready;  /* in s->ready while events != 0 */
    struct list arm;    /* in s->fresh or s->later: look at what it received */
    struct list place;  /* in s->middle, of a request a part is held; or s->waiting, for memory */
    struct list framed; /* in s->framed: bytes stay in frames, of a request in pieces, or
                         * behind one in a block */
    struct list linger;
    struct list starved; /* in s->starved: a send was refused, and no event will tell of room */
    struct tcp_stream *stream;
    stream_id id;
    uint8_t state, events;
    bool loan_out, refused; /* refused: owes STREAM_WRITABLE */
    bool eof, deaf;
    bool filled;  /* the last copy filled the block */
    bool scatter; /* what is wanted may come in pieces */
    bool pieces;  /* its user asked for that before */
    bool late;    /* its bytes were in frames for as long as they may be */
    uint16_t listener;
    int err;
    uint8_t *block;
    uint32_t block_bytes, start, end; /* unconsumed: [start, end) of block */
    uint32_t want;
    uint32_t lent; /* by the last peek, less what was consumed since */
    uint32_t owed; /* consume() calls beyond send() calls */
    uint32_t loan; /* bytes of the send whose STREAM_SENT is due */
    struct packet_ref loan_ref;
    struct tcp_copy *copy; /* being filled; NULL: none */
    uint64_t since_us;     /* of its place */
    uint64_t framed_us;    /* since when it is in s->framed */
    uint64_t linger_us;
    struct stream_addr peer;
};

struct tcp_stream {
    struct tcp *tcp;
    struct tcp_stream_config config;
    uint64_t now_us;
    struct list ready, fresh, later, middle, waiting, framed, linger, starved;
    uint32_t closed; /* slots in SLOT_CLOSED */
    bool untaken;    /* because of I1 the stack has events left */
    struct rxbuf *rxbuf;
    uint64_t given_us; /* when a block last came back */
    struct tcp_copy *copy_free;
    struct tcp_stream_stat stat;
    struct tcp_slot *slots;
};

static inline uint32_t
tcp_slot_held(const struct tcp_slot *c)
{
    return c->end - c->start;
}

static inline bool
tcp_slot_serves(const struct tcp_slot *c)
{
    return c->state == SLOT_OPEN || c->state == SLOT_HALF;
}

/* tcp_stream.c; NULL: no such stream. */
struct tcp_slot *tcp_slot_find(struct tcp_stream *s, stream_id id);
void tcp_slot_raise(struct tcp_slot *c, enum tcp_slot_event event);
void tcp_slot_close(struct tcp_slot *c, int err);
void tcp_slot_touch(struct tcp_slot *c); /* lingers anew */
/* All that the peer sent has been taken in, and it sends no more. */
void tcp_slot_end_of_file(struct tcp_slot *c);

/* tcp_stream_recv.c */
bool tcp_slot_whole(const struct tcp_slot *c);    /* what is wanted has arrived */
bool tcp_slot_readable(const struct tcp_slot *c); /* and can be lent */
struct view tcp_slot_peek(void *self, stream_id id);
void tcp_slot_consume(void *self, stream_id id, uint32_t bytes, uint32_t want);
void tcp_slot_scatter(void *self, stream_id id);
uint32_t tcp_slot_pieces(void *self, stream_id id, struct view *out, uint32_t max);
stream_kept tcp_slot_keep(void *self, stream_id id, uint32_t bytes);
void tcp_slot_release(void *self, stream_kept kept);
void tcp_slot_fresh(struct tcp_slot *c); /* something was received: look at it in this turn */
void tcp_slot_block_drop(struct tcp_slot *c);
void tcp_stream_receive(struct tcp_stream *s);    /* what is fresh */
uint64_t tcp_stream_gather(struct tcp_stream *s); /* what was left; when to look again */

/* tcp_stream_send.c */
void tcp_copies_init(struct tcp_stream *s, struct tcp_copy *copies, uint8_t *memory);
int tcp_slot_send(void *self, stream_id id, const struct view *spans, uint32_t count);
void tcp_slot_acked(struct tcp_slot *c); /* TCP_SENT */
void tcp_slot_copy_drop(struct tcp_slot *c);
void tcp_stream_starved(struct tcp_stream *s);

#endif
