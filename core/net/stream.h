/* stream.h: port for byte streams.  What the broker knows of TCP.
 *
 * Drivers: kernel sockets over io_uring (drivers/uring), our TCP over nic.h (dataplane/tcp), a
 * simulator (tests/sim).  One instance a loop, used by its thread only; no callback ever runs
 * inside a driver.  Every call is cheap and none blocks; the queued work leaves at clock.wait().
 *
 * Receiving is peek and consume: the driver lends what has arrived, in order and contiguous, until
 * it is consumed.  Not consuming closes the window of the peer: that is the back-pressure.  A
 * driver bounds the memory of all connections together; a connection that does not get any waits,
 * and the one that has stalled longest in the middle of a request is closed when memory is short.
 * A driver that receives in pieces may lend a large request as it lies, to who can read it so.
 * What another loop is to read can be kept where it lies: keep(), release().
 *
 * Sending is a loan: send() takes spans by reference.  The bytes must not change until STREAM_SENT
 * ends the loan. */
#ifndef SLUICE_NET_STREAM_H
#define SLUICE_NET_STREAM_H

#include "core/base/bytes.h"
#include "core/base/must.h"

typedef uint64_t stream_id; /* generation << 32 | index; never 0, never reused within 2^32 opens */
typedef uint64_t stream_kept; /* received bytes that stay where they are; 0: none */

struct stream_addr {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d, network order */
    uint16_t port;  /* host order */
};

enum stream_event_kind {
    STREAM_OPENED,   /* a peer was accepted; `peer` says who */
    STREAM_READABLE, /* peek() has more than before, at least `want` bytes of it */
    STREAM_SENT,     /* ends the loan of everything accepted by send(): bytes_sent were taken by the
                      * peer's side, bytes_back were not and are the caller's again */
    STREAM_WRITABLE, /* after a STREAM_SENT with bytes_back > 0, or a send() of 0: offer again */
    STREAM_CLOSED,   /* the last event of this id; all loans have ended; err says why (ERR_CLOSED:
                      * the peer; ERR_LIMIT: memory; ERR_IO: reset or failure) */
};

struct stream_event {
    stream_id id;
    enum stream_event_kind kind;
    int err;
    uint32_t bytes_sent, bytes_back;
    struct stream_addr peer;
    uint16_t listener; /* STREAM_OPENED: which listen() call, counted from 0 */
};

enum {
    STREAM_SPANS_MAX = 64,
    STREAM_SEND_BYTES_MAX = 1 << 20,
    STREAM_PIECES_MAX = 512, /* of one request; what lies in more is made one piece */
};

struct stream_ops {
    /* Listens on one address.  ERR_EXISTS: port in use; ERR_DENIED; ERR_INVALID: not an address of
     * this machine.  Several loops may listen on one address (SO_REUSEPORT).  NULL: ends all
     * listening, for good; connections stay. */
    int (*listen)(void *self, const struct stream_addr *at);
    /* Fills at most max events; returns how many.  An id that was closed by close() still gets its
     * STREAM_CLOSED. */
    uint32_t (*poll)(void *self, struct stream_event *out, uint32_t max);
    /* Lends the bytes received and not consumed; len 0 when there are none. */
    struct view (*peek)(void *self, stream_id id);
    /* Gives back the first `bytes` of the loan.  `want`: no STREAM_READABLE before that many
     * unconsumed bytes are there (0 or 1: as soon as there are any).  A driver may begin to wait
     * for them without holding memory for all of them. */
    void (*consume)(void *self, stream_id id, uint32_t bytes, uint32_t want);
    /* This and pieces(): NULL where all comes in one piece.  Directly after a consume(): what it
     * wants may come in pieces.  Until the next consume() STREAM_READABLE says that it is there,
     * though peek() may lend only the front of it; the driver may gather it all the same, and does
     * so when it lies in too many pieces, or was there long before it is consumed. */
    void (*scatter)(void *self, stream_id id);
    /* Lends the bytes received and not consumed, piece by piece from the front, at most `max`
     * pieces; returns how many. */
    uint32_t (*pieces)(void *self, stream_id id, struct view *out, uint32_t max);
    /* Keeps the first `bytes` of what peek() or pieces() lent last, before they are consumed: they
     * stay where they are and do not change until release(), whatever becomes of the stream.  Other
     * threads may read them meanwhile; what hands them over, and tells that they are done with,
     * orders that.  0: not now, since drivers bound what is kept: the caller copies.  Every keep()
     * ends by one release(), on the loop's own thread. */
    stream_kept (*keep)(void *self, stream_id id, uint32_t bytes);
    void (*release)(void *self, stream_kept kept);
    /* Offers at most STREAM_SPANS_MAX spans and STREAM_SEND_BYTES_MAX bytes.  Returns how many
     * bytes, from the front, it borrowed (0: a loan is still out, or no room), or ERR_CLOSED. */
    int (*send)(void *self, stream_id id, const struct view *spans, uint32_t count);
    /* Ends the stream: pending loans are ended first, then STREAM_CLOSED arrives by poll(). */
    void (*close)(void *self, stream_id id);
};

struct stream {
    const struct stream_ops *ops;
    void *self;
};

#endif
