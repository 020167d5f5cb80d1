/* tcp_segs.h: the segments that one connection has sent and the peer has not acknowledged: the
 * scoreboard of SACK (RFC 2018, 6675) and RACK (RFC 8985).
 *
 * A segment is in flight, or SACKED, or LOST (and not sent again since).  Payload stays where it
 * is; this keeps numbers only.  A segment counts as sacked when blocks cover it whole.  Memory is a
 * pool that all connections share.  A pure machine; a sack or a detection costs a walk over at most
 * the segments out, of which one connection has SEGS_EACH at most. */
#ifndef SLUICE_TCP_SEGS_H
#define SLUICE_TCP_SEGS_H

#include "core/base/must.h"
#include "dataplane/tcp/tcp_opt.h"

enum { SEGS_EACH = 4096, SEGS_DUPLICATES = 3 };

enum tcp_seg_flag {
    SEG_SACKED = 1,
    SEG_LOST = 2,
    SEG_RESENT = 4, /* sent more than once */
    SEG_FIN = 8,    /* its last number is the FIN */
};

struct tcp_seg {
    uint64_t sent_us;
    uint32_t seq, len;     /* numbers, the FIN's included */
    uint32_t prev, next;   /* by sequence number */
    uint32_t older, newer; /* by time of the last sending; only while in flight */
    uint16_t sends;
    uint8_t flags;
};

struct tcp_seg_pool {
    struct tcp_seg *at;
    uint32_t count, used, free;
};

struct tcp_segs {
    uint32_t first, last, oldest, newest;
    uint32_t count;
    uint32_t out_bytes, sacked_bytes, lost_bytes; /* the last two are parts of the first */
    uint32_t lost_hint;                           /* no lost segment stands before it */
    uint32_t highest;                             /* the end of what was acked or sacked so far */
    /* RACK: the segment sent last of those known to have arrived. */
    uint64_t rack_sent_us;
    uint32_t rack_end, rack_rtt_us;
    uint32_t reo_mult;  /* quarters of the minimal round trip to wait for reordered segments */
    uint32_t reo_keep;  /* recoveries until reo_mult falls back */
    uint32_t reo_round; /* no second widening before this number is acknowledged */
    bool rack_any, reordered;
};

/* What an acknowledgement says beside its numbers. */
struct tcp_ack_in {
    uint64_t now_us;
    uint32_t min_rtt_us;
    bool has_ts;
    uint32_t ts_echo, ts_offset; /* our timestamp is ms + offset */
};

/* What was learnt from one; zeroed by the caller first. */
struct tcp_ack_out {
    uint32_t acked, sacked; /* bytes newly covered; a byte counts in one of them, once ever */
    uint64_t rtt_us;        /* of the last sent segment that was sent once; 0: none */
    bool resent;            /* one of the segments acked had been sent again */
    uint32_t dup_bytes;     /* the peer reports bytes that it had got twice (DSACK) */
};

void tcp_seg_pool_init(struct tcp_seg_pool *p, struct tcp_seg *at, uint32_t count);
void tcp_segs_init(struct tcp_segs *s, uint32_t next);
void tcp_segs_drop(struct tcp_segs *s, struct tcp_seg_pool *p);

/* False: the pool, but for what splits may need, or the connection's share is used up; then nothing
 * new can be sent. */
must_check bool tcp_segs_room(const struct tcp_segs *s, const struct tcp_seg_pool *p);

/* Notes a segment just sent for the first time; there was room.  flags: 0 or SEG_FIN. */
void tcp_segs_sent(struct tcp_segs *s, struct tcp_seg_pool *p, const struct tcp_seg *seg);

void tcp_segs_resent(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t i, uint64_t now_us);

/* Makes two of segment i, the first of `len` numbers.  False: no room. */
must_check bool tcp_segs_split(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t i,
                               uint32_t len);

/* Everything before una has arrived. */
void tcp_segs_acked(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t una,
                    const struct tcp_ack_in *in, struct tcp_ack_out *out);

/* Blocks that the peer reports beside una.  Those that lie outside [una, next) are no news; the
 * first of them may report duplicates. */
void tcp_segs_sacked(struct tcp_segs *s, struct tcp_seg_pool *p, const struct tcp_header *h,
                     const struct tcp_ack_in *in, struct tcp_ack_out *out);

/* RACK: marks what must be lost by now; returns how long to wait for the next that may be, in us;
 * 0: none.  eager: in recovery, do not wait for reordering that was never seen. */
uint64_t tcp_segs_detect(struct tcp_segs *s, struct tcp_seg_pool *p, const struct tcp_ack_in *in,
                         uint32_t srtt_us, bool eager);

/* Without SACK: the first segment is lost. */
void tcp_segs_lose_first(struct tcp_segs *s, struct tcp_seg_pool *p);

/* Segments of more than `most` bytes cannot have arrived: the path is too narrow. */
void tcp_segs_lose_larger(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t most);

/* After a timeout all is lost, and what the peer had sacked may be gone (RFC 2018 8). */
void tcp_segs_lose_all(struct tcp_segs *s, struct tcp_seg_pool *p);

/* The spurious timeout is taken back: what counts as lost is in flight. */
void tcp_segs_unlose(struct tcp_segs *s, struct tcp_seg_pool *p);

/* The first lost segment; TCP_NONE: none. */
uint32_t tcp_segs_lost(struct tcp_segs *s, const struct tcp_seg_pool *p);

/* Bytes thought to be in the network. */
static inline uint32_t
tcp_segs_flight(const struct tcp_segs *s)
{
    return s->out_bytes - s->sacked_bytes - s->lost_bytes;
}

/* Invariants of tcp_segs.c, for tests; costs a walk over everything. */
void tcp_segs_check(const struct tcp_segs *s, const struct tcp_seg_pool *p);

#endif
