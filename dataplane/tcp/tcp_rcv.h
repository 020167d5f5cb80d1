/* tcp_rcv.h: received bytes of one connection, in the frames they came in: those in order, which
 * the user peeks and consumes, and runs of those that came too early.
 *
 * Frames are never written to and never copied.  Overlaps keep the bytes that came first.  What is
 * held is bounded in frames, in the memory they pin and in runs; whatever goes over a bound is
 * dropped, as if the network had.  A user may keep frames longer than their connection has them; it
 * no longer counts them then, but their number is bounded too.  Nodes come from a pool that all
 * connections share; early bytes may use three quarters of it, so that the bytes in order can
 * always get through.  A pure machine: an addition costs a walk over the runs, RCV_RUNS at most. */
#ifndef SLUICE_TCP_RCV_H
#define SLUICE_TCP_RCV_H

#include "core/net/packet.h"
#include "dataplane/tcp/tcp_opt.h"

enum {
    RCV_RUNS = 32,
    RCV_RECENT = 4,
    RCV_VIEWS = 64,
    TCP_KEEP_SHARE = 4, /* of the nodes so large a part may be kept by users */
};

struct tcp_node {
    const uint8_t *at;
    struct packet_frame *frame;
    uint32_t seq, len, pinned, next;
    uint16_t keepers; /* that the frame waits for, beside its connection */
    bool left;        /* its connection has consumed it */
    uint32_t run_limit, run_last, run_next, run_nodes; /* of the first node of an early run */
};

struct tcp_nodes {
    struct tcp_node *at;
    uint32_t count, used, free;
    uint32_t kept; /* that have keepers */
};

struct tcp_kept; /* tcp.h */

/* Frames to be given back, a burst at a time. */
struct tcp_frames {
    struct packet_port port;
    struct packet_frame *at[PACKET_BURST];
    uint32_t count;
};

struct tcp_rcv {
    uint32_t next;            /* the sequence number expected next */
    uint32_t ready_bytes;     /* in order and not consumed */
    uint32_t pinned_bytes;    /* of all frames held */
    uint32_t head, tail;      /* nodes in order */
    uint32_t runs, run_count; /* early ones, by sequence number */
    struct tcp_range dup;     /* bytes that came twice, to be reported once (RFC 2883) */
    uint32_t recent_count;
    uint32_t recent[RCV_RECENT]; /* a number within the runs that changed last */
};

enum tcp_rcv_result {
    TCP_RCV_DUPLICATE, /* nothing new */
    TCP_RCV_IN_ORDER,  /* `next` has moved */
    TCP_RCV_FILLED,    /* so it has, and early bytes have become ready or still wait */
    TCP_RCV_EARLY,     /* kept for later */
    TCP_RCV_DROPPED,   /* new bytes over a bound */
};

void tcp_nodes_init(struct tcp_nodes *n, struct tcp_node *at, uint32_t count);

void tcp_frames_put(struct tcp_frames *f, struct packet_frame *frame);
void tcp_frames_flush(struct tcp_frames *f);

void tcp_rcv_init(struct tcp_rcv *r, uint32_t next);

struct tcp_arrival {
    uint32_t seq;
    struct view bytes; /* not empty; within the window */
    struct packet_frame *frame;
    uint32_t pinned_bytes, pinned_max; /* the latter of the connection */
};

/* Takes over the frame, whatever the result. */
enum tcp_rcv_result tcp_rcv_add(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f,
                                const struct tcp_arrival *a);

/* Lends the bytes in order; fills at most max views and returns how many. */
uint32_t tcp_rcv_peek(const struct tcp_rcv *r, const struct tcp_nodes *n, struct view *out,
                      uint32_t max);

void tcp_rcv_consume(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, uint32_t bytes);

/* Keeps the frames of the first `bytes` in order, which are there: consuming them, or the end of
 * the connection, does not give them back before tcp_nodes_release.  False: a TCP_KEEP_SHARE-th of
 * all nodes would be kept, or one of them by too many. */
must_check bool tcp_rcv_keep(const struct tcp_rcv *r, struct tcp_nodes *n, uint32_t bytes,
                             struct tcp_kept *out);
void tcp_nodes_release(struct tcp_nodes *n, struct tcp_frames *f, const struct tcp_kept *kept);

/* The blocks to report: bytes that came twice first, then the runs, the latest changed first. */
uint32_t tcp_rcv_sacks(struct tcp_rcv *r, const struct tcp_nodes *n, struct tcp_range *out,
                       uint32_t max);

/* The end of what is held, early bytes included. */
uint32_t tcp_rcv_limit(const struct tcp_rcv *r, const struct tcp_nodes *n);

/* Bytes that came too early. */
uint32_t tcp_rcv_early(const struct tcp_rcv *r, const struct tcp_nodes *n);

/* Gives everything back. */
void tcp_rcv_drop(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f);

/* Invariants of tcp_rcv.c, for tests; costs a walk over everything. */
void tcp_rcv_check(const struct tcp_rcv *r, const struct tcp_nodes *n);

#endif
