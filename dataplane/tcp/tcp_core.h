/* tcp_core.h: the stack's own structures, shared by the files of this folder only.
 *
 * Indexes, one space for the flow table and the wheel: connections, then handshakes (the SYN
 * cache), then TIME_WAIT entries.
 *
 * I1 una <= nxt <= end + 1; the segments out cover exactly [una, nxt), but for a SYN of ours.
 * I2 extents cover [una's extent, end) without gaps.   I3 `edge`, the right edge of the receive
 * window, never moves left.   I4 with segments out a retransmission timer runs; without any, and
 * with something unsent that may not leave, the persist timer does; else neither.   I5 a
 * connection is in the flow table exactly while its state is before TCP_GONE.   I6 a connection
 * is in the event queue once, and once in the output or the starved queue. */
#ifndef SLUICE_TCP_CORE_H
#define SLUICE_TCP_CORE_H

#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/net/iptext.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_cc.h"
#include "dataplane/tcp/tcp_rcv.h"
#include "dataplane/tcp/tcp_rtt.h"
#include "dataplane/tcp/tcp_segs.h"
#include "dataplane/tcp/tcp_seq.h"
#include "dataplane/tcp/tcp_table.h"
#include "dataplane/tcp/tcp_wheel.h"

/* Names and meanings of RFC 9293; LISTEN, SYN-RECEIVED of passive opens and TIME-WAIT have tables
 * of their own. */
#define TCP_STATES(X)                                                                              \
    X(FREE)                                                                                        \
    X(SYN_SENT)     /* active open           -> ESTABLISHED, SYN_RECEIVED */                       \
    X(SYN_RECEIVED) /* simultaneous open     -> ESTABLISHED */                                     \
    X(ESTABLISHED)  /*                       -> FIN_WAIT_1, CLOSE_WAIT */                          \
    X(CLOSE_WAIT)   /* the peer has closed   -> LAST_ACK */                                        \
    X(FIN_WAIT_1)   /* we have closed        -> FIN_WAIT_2, CLOSING */                             \
    X(FIN_WAIT_2)   /* and that is known     -> GONE with a TIME_WAIT entry */                     \
    X(CLOSING)      /* both at once          -> GONE with a TIME_WAIT entry */                     \
    X(LAST_ACK)     /* the peer, then we     -> GONE */                                            \
    X(GONE)         /* only the user's events, unread bytes and loans are left -> FREE */

enum tcp_state {
#define TCP_STATE_ENUM(name) TCP_##name,
    TCP_STATES(TCP_STATE_ENUM)
#undef TCP_STATE_ENUM
};

enum tcp_rtx_kind { TCP_RTX_OFF, TCP_RTX_RTO, TCP_RTX_TLP, TCP_RTX_REORDER, TCP_RTX_PERSIST };
enum tcp_congestion { TCP_OPEN, TCP_RECOVERY, TCP_LOSS };

enum {
    TCP_LINE = 64,           /* of a cache */
    TCP_MSS_MIN = 216,       /* what a peer may ask for, at least */
    TCP_MSS_DEFAULT_4 = 536, /* when it does not say */
    TCP_MSS_DEFAULT_6 = 1220,
    TCP_CONN_BURST = 32,   /* segments of one connection in a row */
    TCP_TICK_BUDGET = 256, /* timers of one tcp_tick() */
    TCP_TICK_LOOKS = 1024, /* and deadlines that turn out to have been put off */
    TCP_OWED_ACKS = 8,     /* duplicate ACKs kept for a peer without SACK */
    TCP_PORT_TRIES = 64,
    TCP_PORT_FIRST = 32768,
    TCP_PORT_COUNT = 28232,
    TCP_COOKIE_PERIOD_SHIFT = 26, /* us: 67 s */
};

struct tcp_extent {
    struct packet_ref ref;
    struct tcp *stack;
    struct packet_ref *owner; /* the user's, one hold; NULL: none */
    struct view bytes;
    uint32_t seq, conn, next;
};

struct tcp_conn {
    /* Every segment touches what stands before TCP_CONN_HOT: that is asked for ahead. */
    _Alignas(TCP_LINE) uint8_t state;
    uint8_t rtx_kind, congestion;
    uint8_t snd_scale, rcv_scale;
    bool ts, sack, ack_now, queued, evented;
    uint8_t owed_acks, rto_count, events;
    bool fin_queued, fin_in_seen, fin_in, user_closed; /* closing */
    bool tlp_out, undo, syn_due;                       /* losses */
    uint8_t keep_count, probe_count;                   /* probes without an answer */
    bool ecn, ece_due, cwr_due;                        /* RFC 3168, see tcp_ecn.c */
    uint32_t generation, queue_next, event_next;
    uint32_t una, nxt, end; /* sent and not acknowledged, to be sent, given by the user */
    uint32_t snd_wnd, wl1, wl2, wnd_max;
    uint32_t edge, wire_edge, acked_to; /* right edge; as last told; the last ACK sent */
    uint32_t unacked_in;                /* bytes received since */
    uint32_t rcv_held;                  /* consumed, and still in the user's memory */
    uint32_t ts_recent, ts_offset;
    uint32_t seg_max, mss; /* options and payload; payload alone */
    uint32_t iss, reno_sacked;
    uint32_t resent_bytes, resent_until; /* since the reduction, not reported as duplicates */
    /* What is lent to us. */
    uint32_t ext_first, ext_last, ext_next; /* the last: of `nxt` */
    uint32_t ext_count, ended_bytes;
    uint64_t ts_recent_us, rtx_due, ack_due, keep_due, linger_due;
    uint64_t rto_base_us, tlp_base_us, reorder_due, sent_us, heard_us;
    struct tcp_segs segs;
    struct tcp_rcv rcv;
    struct tcp_rtt rtt;
    struct tcp_cc cc;
    /* The others seldom. */
    bool tlp_resent, undo_stamped;
    bool path_guess;         /* seg_max is small since large segments got no answer */
    uint8_t reason, backoff; /* the latter of the persist timer */
    uint16_t listener;
    uint32_t burst_bytes; /* header and payload of the largest burst (packet.h); 0: none */
    uint32_t fin_in_seq;
    uint32_t recover_to, dupacks, tlp_end, undo_ts, ecn_to;
    uint32_t irs, peer_mss;
    uint64_t challenge_us, outside_us;
    uint64_t path_due_us;   /* seg_max goes back to what both ends take; TCP_NEVER: it is that */
    uint64_t path_tried_us; /* when a guess was last put to the test; 0: never */
    uint64_t resent_segs, timeouts, undone;
};

enum { TCP_CONN_HOT = offsetof(struct tcp_conn, cc.cubic.growth) };
_Static_assert(TCP_CONN_HOT <= 7 * TCP_LINE, "lines of memory that each segment waits for");

struct tcp_syn {
    uint32_t irs, iss, ts_recent, ts_offset, window;
    uint16_t mss, listener;
    uint8_t scale, tries;
    bool has_scale, ts, sack, ecn;
    uint64_t sent_us;
    uint32_t next;
};

struct tcp_wait {
    uint32_t nxt, rcv_next, ts_recent, ts_offset;
    uint16_t window;
    bool ts;
    uint64_t due_us, reply_us;
    uint32_t prev, next;
};

struct tcp_queue {
    uint32_t first, last, count;
};

/* The last packet of `out`, while the next segment of its connection may join it (tcp_burst.c). */
struct tcp_burst {
    const struct tcp_conn *conn; /* NULL: none may */
    uint64_t now_us;
    uint32_t next, mss;            /* number of the first byte behind it; of all its segments */
    uint32_t ack, edge, ts_recent; /* what its header says */
    bool fresh, ece;
};

struct tcp {
    struct tcp_config config;
    struct tcp_key key;
    struct packet_port port;
    uint64_t now_us;
    struct tcp_table *table;
    struct tcp_wheel *wheel;
    struct tcp_conn *conns;
    struct tcp_syn *syns;
    struct tcp_wait *waits;
    struct tcp_extent *extents;
    struct tcp_nodes nodes;
    struct tcp_seg_pool segs;
    struct tcp_frames frames;
    uint32_t conn_free, syn_free, wait_free, extent_free;
    uint32_t conns_used, syns_used, waits_used, extents_used;
    struct tcp_queue output, event, starved;    /* the last: wait for a free segment */
    struct tcp_queue blocked[PACKET_LINKS_MAX]; /* of several links: wait for room of theirs */
    uint32_t blocked_count;
    uint32_t wait_first, wait_last;
    struct tcp_addr listeners[TCP_LISTENERS_MAX];
    uint32_t listener_count, listener_kept;
    uint64_t cookie_us, port_next;
    uint64_t reply_tokens_us; /* budget of replies to strangers, in time */
    uint64_t counters[TCP_COUNTER_KINDS];
    struct tcp_flow last; /* of the segment before, and its hash: trains need it once */
    uint64_t last_hash;
    uint32_t out_count, out_room, out_link;
    uint32_t out_full;    /* bits of links that took nothing more in this flush */
    uint32_t frame_bytes; /* the most that a frame of the device has pinned */
    struct tcp_burst burst;
    struct packet_out out[PACKET_BURST];
};

/* The link over which packets of a flow leave. */
static inline uint32_t
tcp_link(const struct tcp *t, const struct tcp_flow *f)
{
    const struct packet_port *p = &t->port;
    return p->ops->link ? p->ops->link(p->self, f->local) : 0;
}

static inline void
tcp_bump(struct tcp *t, enum tcp_counter which)
{
    t->counters[which]++;
}

static inline uint32_t
tcp_index(const struct tcp *t, const struct tcp_conn *c)
{
    return (uint32_t)(c - t->conns);
}

static inline uint32_t
tcp_clock(const struct tcp *t, uint32_t offset)
{
    return (uint32_t)(t->now_us / 1000) + offset;
}

/* Where the FIN of ours would be in the sequence space: one number after `end`. */
static inline uint32_t
tcp_send_limit(const struct tcp_conn *c)
{
    return c->end + c->fin_queued;
}

/* Bytes thought to be in the network. */
static inline uint32_t
tcp_flight(const struct tcp_conn *c)
{
    uint32_t flight = tcp_segs_flight(&c->segs);
    return c->reno_sacked < flight ? flight - c->reno_sacked : 0;
}

/* The next number expected, the peer's FIN included. */
static inline uint32_t
tcp_rcv_next(const struct tcp_conn *c)
{
    return c->rcv.next + c->fin_in;
}

static inline uint32_t
tcp_rcv_window(const struct tcp_conn *c)
{
    return seq_before(c->rcv.next, c->edge) ? c->edge - c->rcv.next : 0;
}

/* Ask for memory that is looked at soon: of a connection, and, once that has come, of what it
 * refers to.  With many connections none of it is in a cache. */
static inline void
tcp_fetch_conn(const struct tcp *t, uint32_t i)
{
    const uint8_t *at = (const uint8_t *)&t->conns[i];
    for (uint32_t k = 0; k < TCP_CONN_HOT; k += TCP_LINE)
        __builtin_prefetch(at + k);
    tcp_wheel_fetch(t->wheel, i);
}

static inline void
tcp_fetch_out(const struct tcp *t, uint32_t i)
{
    const struct tcp_conn *c = &t->conns[i];
    if (c->segs.first != TCP_NONE) {
        const struct tcp_seg *g = &t->segs.at[c->segs.first];
        __builtin_prefetch(g);
        __builtin_prefetch(&g->flags);
    }
    if (c->ext_first != TCP_NONE) {
        const struct tcp_extent *e = &t->extents[c->ext_first];
        __builtin_prefetch(e);
        __builtin_prefetch(&e->seq);
    }
}

/* tcp_stack.c */
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_flow *f);
struct tcp_conn *tcp_conn_of(const struct tcp *t, uint64_t id);
uint64_t tcp_conn_id(const struct tcp *t, const struct tcp_conn *c);
/* Leaves the table: nothing comes or goes any more, loans end when the devices are done. */
void tcp_conn_gone(struct tcp *t, struct tcp_conn *c, enum tcp_reason reason);
void tcp_conn_event(struct tcp *t, struct tcp_conn *c, enum tcp_event_kind kind);
void tcp_conn_output(struct tcp *t, struct tcp_conn *c);
void tcp_conn_starve(struct tcp *t, struct tcp_conn *c);
void tcp_conn_block(struct tcp *t, struct tcp_conn *c);
void tcp_conn_loan_ended(struct tcp *t, struct tcp_conn *c, uint32_t bytes);
void tcp_conn_user_closed(struct tcp *t, struct tcp_conn *c);

/* tcp_open.c */
/* Segment size, windows and scoreboard once both SYNs are known: iss and irs are set. */
void tcp_conn_start(struct tcp *t, struct tcp_conn *c, const struct tcp_options *o,
                    uint32_t window);
uint32_t tcp_seg_max(const struct tcp *t, const struct tcp_flow *f, uint32_t peer_mss);
uint32_t tcp_isn(const struct tcp *t, const struct tcp_flow *f);
uint32_t tcp_ts_offset(const struct tcp *t, const struct tcp_flow *f);
uint8_t tcp_scale_for(const struct tcp *t);

/* tcp_ext.c: bytes lent by the user. */
void tcp_ext_init(struct tcp *t);
uint32_t tcp_ext_append(struct tcp *t, struct tcp_conn *c, struct view bytes,
                        struct packet_ref *owner);
void tcp_ext_acked(struct tcp *t, struct tcp_conn *c, uint32_t una);
void tcp_ext_drop(struct tcp *t, struct tcp_conn *c);
/* Adds spans for [seq, seq + len) to a packet, whose payload ends before seq if there is any;
 * returns how many bytes they cover. */
uint32_t tcp_ext_spans(struct tcp *t, struct tcp_conn *c, uint32_t seq, uint32_t len,
                       struct packet_out *p);

/* tcp_input.c */
struct tcp_seen {
    const struct packet_in *packet;
    struct tcp_header h;
    struct tcp_flow flow;
    uint64_t hash;
    uint32_t near; /* the connection that it probably belongs to; TCP_NONE */
    bool sound, frame_kept;
};

/* tcp_state.c: a segment of a connection. */
void tcp_state_input(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s);
/* What follows the checks of sequence, RST and SYN: ACK, data, FIN. */
void tcp_state_accept(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s);
void tcp_state_acked_fin(struct tcp *t, struct tcp_conn *c);

/* tcp_ack.c.  False: the ACK is not acceptable, drop the segment. */
void tcp_ack_challenge(struct tcp *t, struct tcp_conn *c);
bool tcp_ack_input(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h);
void tcp_ack_enter_loss(struct tcp *t, struct tcp_conn *c);
/* RACK's timer: some segment may be lost by now. */
void tcp_ack_reorder_due(struct tcp *t, struct tcp_conn *c);

/* tcp_ecn.c */
/* Of a SYN: whether it asks, and we accept. */
bool tcp_ecn_asked(const struct tcp *t, const struct tcp_header *h);
uint8_t tcp_ecn_syn(const struct tcp *t, struct tcp_conn *c); /* flags of our SYN */
/* Their SYN-ACK, or the SYN of a simultaneous open. */
void tcp_ecn_answered(struct tcp_conn *c, const struct tcp_header *h);
/* Bytes of the peer, and what it says of ours; after the checks of sequence. */
void tcp_ecn_bytes(struct tcp *t, struct tcp_conn *c, const struct tcp_seen *s);
void tcp_ecn_acked(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h, uint32_t flight);
/* Marks what leaves.  fresh: bytes for the first time. */
void tcp_ecn_mark(struct tcp_conn *c, struct packet_out *p, struct tcp_header *h, bool fresh);

/* tcp_burst.c: segments that leave one behind the other as one packet, which the device cuts. */
struct tcp_leaving {
    uint32_t seq, len; /* payload */
    uint8_t flags;
    bool fresh; /* for the first time */
};
/* Puts a segment into the packet before it.  False: it wants a packet of its own. */
bool tcp_burst_join(struct tcp *t, struct tcp_conn *c, const struct tcp_leaving *s);
/* The packet that was handed out last holds that segment; more may join it, or not. */
void tcp_burst_open(struct tcp *t, struct tcp_conn *c, const struct tcp_leaving *s);

/* tcp_output.c */
void tcp_output_conn(struct tcp *t, struct tcp_conn *c);
void tcp_output_reset(struct tcp *t, struct tcp_conn *c);
void tcp_output_probe(struct tcp *t, struct tcp_conn *c);  /* a number before the window */
bool tcp_output_tail(struct tcp *t, struct tcp_conn *c);   /* the last segment again */
bool tcp_output_forced(struct tcp *t, struct tcp_conn *c); /* new bytes, whatever the size */
/* Opens the receive window as far as there is room; true: the peer should be told now. */
bool tcp_output_window(struct tcp *t, struct tcp_conn *c);
/* A packet of no connection: to the sender of what was seen.  False: no room or over the rate. */
bool tcp_output_bare(struct tcp *t, const struct tcp_flow *f, const struct tcp_header *h,
                     bool limited);
void tcp_output_push(struct tcp *t);

/* tcp_path.c: segments of at most seg_max bytes, options included, since larger ones get no answer;
 * what is out and larger counts as lost, but not as congestion. */
void tcp_path_guess(struct tcp *t, struct tcp_conn *c, uint32_t seg_max);
/* What was out when segments became small is acknowledged. */
void tcp_path_answered(struct tcp *t, struct tcp_conn *c);
/* Is it time to try longer ones again? */
void tcp_path_age(struct tcp *t, struct tcp_conn *c);

/* tcp_timer.c */
void tcp_timer_rtx(struct tcp *t, struct tcp_conn *c); /* which of I4 runs, and until when */
void tcp_timer_arm(struct tcp *t, struct tcp_conn *c); /* the wheel follows the deadlines */
void tcp_timer_run(struct tcp *t, struct tcp_conn *c);

/* tcp_half.c: handshakes of passive opens. */
void tcp_half_syn(struct tcp *t, struct tcp_seen *s, uint16_t listener);
void tcp_half_input(struct tcp *t, uint32_t i, struct tcp_seen *s);
/* False: cookies were not given out lately. */
bool tcp_half_cookie(struct tcp *t, struct tcp_seen *s, uint16_t listener);
void tcp_half_timer(struct tcp *t, uint32_t i);
void tcp_half_drop_all(struct tcp *t);

/* tcp_wait.c: TIME_WAIT. */
void tcp_wait_start(struct tcp *t, struct tcp_conn *c);
/* listens: somebody would take a new connection.  True: it was a SYN that may open one; the entry
 * is gone. */
bool tcp_wait_input(struct tcp *t, uint32_t i, struct tcp_seen *s, bool listens);
void tcp_wait_expire(struct tcp *t);

#endif
