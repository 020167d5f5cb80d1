/* tcp_stream.h: stream.h over our TCP (tcp.h): the broker above does not see the difference.
 *
 * A turn of the loop: tcp_input() and tcp_tick(), tcp_stream_turn(), then the broker's work with
 * the port, then tcp_stream_prepare(), which must come before the loop sleeps, and tcp_flush().
 *
 * Receiving.  What lies in one frame is lent from that frame; what does not is copied into a block
 * of memory (core/net/rxbuf.h) that holds the whole request.  A frame stays for one turn at most,
 * unless its user reads pieces (stream.h, scatter), or memory for requests is used up: then the
 * connection waits, its window closes, and the one that stalled longest in mid-request is closed
 * with ERR_LIMIT.  Bytes that lie whole in a block and are not consumed count as unread for the
 * window.
 *
 * A request that may come in pieces stays in its frames, at most TCP_STREAM_SCATTER_US, if it is no
 * larger than scatter_bytes, and for as long as half of the frames of the stack are free and its
 * own are well filled: a peer that sends little in each gets the block.
 *
 * Sending.  Small sends are copied, and STREAM_SENT follows at once.  Of larger ones the bytes are
 * lent to TCP and come back when they are acknowledged and out of the device; no more is accepted
 * than can be acknowledged soon (tcp_room), so that a peer that does not read keeps little of ours.
 * Where a send is accepted in part, the last bytes of that part are copied: else the loan would
 * wait for an acknowledgement that the peer delays.
 *
 * The end of a stream is that of drivers/uring/stream_uring.h: reset or time-out ERR_IO; after the
 * peer's FIN answers that are owed are still sent. */
#ifndef SLUICE_TCP_TCP_STREAM_H
#define SLUICE_TCP_TCP_STREAM_H

#include "core/net/stream.h"
#include "dataplane/tcp/tcp.h"

enum {
    TCP_STREAM_COPY_BYTES = 4096,  /* one block of copies; sends of at most so much are copied */
    TCP_STREAM_RETRIES = 16,       /* connections that one turn tries again for lack of memory */
    TCP_STREAM_LARGE = 4096,       /* with so much wanted no block gets what comes behind it */
    TCP_STREAM_SCATTER_US = 10000, /* so long a request is waited for in frames, then in a block */
    TCP_STREAM_FRAME_SHARE = 4, /* of the memory of its frames a scattered request fills so much */
    TCP_STREAM_FRAME_SLACK = 16 << 10, /* bytes for which that is not looked at */
};

struct tcp_stream_config {
    uint32_t conns;             /* as tcp_config.conns */
    uint32_t request_bytes_max; /* largest `want` that will be asked for */
    size_t receive_bytes_max;   /* of all connections; raised to what one largest request needs */
    uint32_t scatter_bytes;     /* largest request in pieces, at most three quarters of
                                 * tcp_config.rcv_bytes, whose window it closes so far; 0: none */
    uint32_t copies;            /* blocks of copies; 0: none, all is lent */
    uint32_t tail_bytes;        /* two segments, or a little more */
    uint32_t stall_us; /* without a byte for so long in mid-request: may be closed for memory */
    uint32_t
        linger_us; /* after the peer's FIN: without a consume() or send() for so long, closed */
};

struct tcp_stream;

/* ERR_INVALID: a value out of its domain. */
must_check int tcp_stream_check(const struct tcp_stream_config *c);
size_t tcp_stream_footprint(const struct tcp_stream_config *c);
/* `at` is aligned to 4096 and zeroed, touched only as it is used (mmap it).  The stack is lent, and
 * its events (tcp_poll) are the stream's from now on. */
struct tcp_stream *tcp_stream_init(void *at, const struct tcp_stream_config *c, struct tcp *tcp);

struct stream tcp_stream_port(struct tcp_stream *s);

/* After input: takes the stack's events. */
void tcp_stream_turn(struct tcp_stream *s, uint64_t now_us);
/* Before sleeping: gives frames back, tries again what waits for memory.  Returns when it wants to
 * be called again at the latest; UINT64_MAX: no need. */
uint64_t tcp_stream_prepare(struct tcp_stream *s, uint64_t now_us);
/* True when poll() has something. */
bool tcp_stream_ready(const struct tcp_stream *s);
/* Ends every stream: as close() does, or `now`, with resets also for those being closed. */
void tcp_stream_end_all(struct tcp_stream *s, bool now);

struct tcp_stream_stat {
    uint64_t bytes_in;           /* consumed */
    uint64_t bytes_in_copied;    /* of them, into a block first */
    uint64_t requests_scattered; /* lent in pieces */
    uint64_t bytes_out;          /* accepted by send() */
    uint64_t bytes_out_copied;
    uint64_t evicted;       /* closed for memory */
    uint64_t memory_bytes;  /* of blocks for requests, now */
    uint32_t copies_in_use; /* now */
    uint32_t kept;          /* keep() without its release(), now */
};
void tcp_stream_stat(const struct tcp_stream *s, struct tcp_stream_stat *out);
/* bytes_in_copied alone; bytes_in and bytes_out. */
uint64_t tcp_stream_copied(const struct tcp_stream *s);
uint64_t tcp_stream_moved(const struct tcp_stream *s);

#endif
