/* tcp.h: our TCP: one instance a core, over core/net/packet.h.
 *
 * A pure library: the caller brings memory, time, packets and a secret key, and calls in from one
 * thread.  The turn of a loop is: tcp_input() for each burst with the time at which it was taken
 * from the device, tcp_tick(), tcp_poll() and what the user makes of the events, tcp_flush().
 * Nothing calls back, but packet_port.  Nothing is allocated after tcp_init().
 *
 * Receiving lends frames: tcp_peek() and tcp_consume(); what is not consumed closes the window.
 * Sending lends memory: the bytes given to tcp_send() must not change until TCP_SENT has counted
 * them, which is when the peer has acknowledged them and no device reads them any more.
 *
 * An id is never 0 and never reused within 2^32 connections.  Of a stale or foreign id every call
 * says ERR_NOT_FOUND, or nothing.  TCP_CLOSED is the last event of an id and comes exactly once. */
#ifndef SLUICE_TCP_H
#define SLUICE_TCP_H

#include "core/net/packet.h"
#include "dataplane/tcp/tcp_key.h"

enum { TCP_LISTENERS_MAX = 16, TCP_SEND_VIEWS_MAX = 64 };

struct tcp_addr {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d; all zero: any, for listeners */
    uint16_t port;
};

enum tcp_ecn {
    TCP_ECN_OFF,
    TCP_ECN_ACCEPT, /* when the peer asks for it */
    TCP_ECN_ASK,    /* and connections that we open ask */
};

struct tcp_config {
    uint32_t conns, half_open, waiting; /* connections; in the handshake; in TIME_WAIT */
    uint32_t nodes, segs, extents;      /* received frames; segments out; spans lent */
    /* Of one connection.  The window promises no more than fits in pinned_bytes when frames come
     * full; of smaller ones, what goes over it is dropped. */
    uint32_t rcv_bytes, snd_bytes, pinned_bytes;
    uint32_t mtu; /* of IP packets, 1280 or more; the largest that the port has */
    uint32_t rto_us, rto_min_us, rto_max_us;
    uint32_t delack_us;
    uint32_t wait_us;   /* TIME_WAIT */
    uint32_t linger_us; /* closed by the user: without progress for so long, it is reset */
    uint32_t keep_us;   /* idle for so long: probe it; 0: never */
    uint32_t keep_every_us, keep_probes;
    uint32_t persist_max_us;
    /* Retransmissions before giving up: of our SYN, of the answer to one, of one segment of bytes.
     */
    uint32_t open_tries, syn_tries, data_tries;
    uint32_t challenge_us;  /* at most one challenge ACK a connection in this time */
    uint32_t replies_per_s; /* resets and the like to strangers */
    bool nagle, reno;
    uint8_t ecn;                /* enum tcp_ecn */
    uint8_t dscp;               /* of everything that leaves, 0 to 63 (RFC 2474) */
    uint8_t key[TCP_KEY_BYTES]; /* random, the same on all cores of a start */
};

enum tcp_reason {
    TCP_DONE,    /* both sides closed in order */
    TCP_RESET,   /* by the peer */
    TCP_TIMEOUT, /* the peer does not answer */
    TCP_REFUSED, /* an active open was turned down */
    TCP_ABORTED, /* by the user, or closed with bytes unread */
};

enum tcp_event_kind {
    TCP_ACCEPTED,
    TCP_CONNECTED,
    TCP_READABLE, /* tcp_peek() has more than at the last event */
    TCP_EOF,      /* the peer sends no more; what it sent is still to be read */
    TCP_SENT,     /* `bytes` of loans have ended, in any order */
    TCP_CLOSED,   /* all loans have ended */
};

struct tcp_event {
    uint64_t id;
    enum tcp_event_kind kind;
    enum tcp_reason reason;
    uint32_t bytes;
    struct tcp_addr peer;
    uint16_t listener; /* TCP_ACCEPTED: which tcp_listen() call, from 0 */
};

/* What an operator may see of one connection. */
struct tcp_info {
    const char *state;
    uint32_t srtt_us, rto_us, cwnd, ssthresh, flight, snd_wnd, rcv_wnd, mss;
    uint32_t unread, unsent;
    uint64_t resent_segs, timeouts, undone;
};

struct tcp;

/* Fills in what suits a data centre; the key stays zero and must be set. */
void tcp_config_init(struct tcp_config *c);

/* ERR_INVALID: a value out of its domain. */
must_check int tcp_config_check(const struct tcp_config *c);

size_t tcp_footprint(const struct tcp_config *c);

/* `at` is aligned to 64. */
struct tcp *tcp_init(void *at, const struct tcp_config *c, const struct packet_port *port,
                     uint64_t now_us);

/* Takes over all frames.  now_us never goes back. */
void tcp_input(struct tcp *t, const struct packet_in *packets, uint32_t count, uint64_t now_us);

/* An ICMP error that IP has checked; believed only if it quotes what is in flight. */
void tcp_error(struct tcp *t, const struct packet_error *e, uint64_t now_us);

/* Runs what is due, a bounded number of connections. */
void tcp_tick(struct tcp *t, uint64_t now_us);

/* Hands down what is to be sent, as far as there is room. */
void tcp_flush(struct tcp *t, uint64_t now_us);

/* When to call tcp_tick() and tcp_flush() again; UINT64_MAX: when something comes. */
uint64_t tcp_next(const struct tcp *t);

uint32_t tcp_poll(struct tcp *t, struct tcp_event *out, uint32_t max);

/* ERR_EXISTS: somebody listens there; ERR_LIMIT. */
must_check int tcp_listen(struct tcp *t, const struct tcp_addr *at);

/* No new connections from now on, handshakes under way are dropped. */
void tcp_unlisten(struct tcp *t);

/* Opens from an address of ours; local->port 0: any free one.  Ends in TCP_CONNECTED or TCP_CLOSED.
 * ERR_LIMIT, ERR_EXISTS (the port is in use towards that peer), ERR_INVALID. */
must_check int tcp_connect(struct tcp *t, const struct tcp_addr *local,
                           const struct tcp_addr *remote, uint64_t *id);

/* Lends what has arrived; returns how many views were filled. */
uint32_t tcp_peek(const struct tcp *t, uint64_t id, struct view *out, uint32_t max);

void tcp_consume(struct tcp *t, uint64_t id, uint32_t bytes);

/* Keeps the frames of the first `bytes` that tcp_peek() lends: what it lent stays until
 * tcp_release(), though it is consumed and the connection ends.  The window does not count it.
 * False: a part of all frames (tcp_rcv.h, TCP_KEEP_SHARE) is kept already. */
struct tcp_kept {
    uint32_t first, count; /* nodes of tcp_rcv.h */
};
must_check bool tcp_keep(struct tcp *t, uint64_t id, uint32_t bytes, struct tcp_kept *out);
void tcp_release(struct tcp *t, const struct tcp_kept *kept);

/* Bytes that have arrived in order and were not consumed. */
uint32_t tcp_unread(const struct tcp *t, uint64_t id);

/* Memory of the frames that hold bytes of a connection, in order or not. */
uint32_t tcp_pinned(const struct tcp *t, uint64_t id);
/* More than half of the frames that all connections may hold are out. */
bool tcp_frames_short(const struct tcp *t);

/* Of what was consumed so many bytes are still in the user's memory: the window counts them as
 * unread.  Gives frames back to the device without asking the peer for more. */
void tcp_hold(struct tcp *t, uint64_t id, uint32_t bytes);

/* Borrows bytes from the front of the views and returns how many (0: no room, or not open yet);
 * ERR_CLOSED, ERR_NOT_FOUND. */
must_check int tcp_send(struct tcp *t, uint64_t id, const struct view *views, uint32_t count);

/* As tcp_send, and each view has a hold of `owner` for as long as its bytes are lent: for users who
 * must know which of their loans have ended.  The last packet_drop() comes out of any call of this
 * stack, or of the device's. */
must_check int tcp_lend(struct tcp *t, uint64_t id, const struct view *views, uint32_t count,
                        struct packet_ref *owner);

/* What a user should lend now who wants his memory back soon: as much as can be acknowledged within
 * about two round trips.  Never 0 while nothing is lent. */
uint32_t tcp_room(const struct tcp *t, uint64_t id);

/* Sends no more after what was lent so far. */
void tcp_shutdown(struct tcp *t, uint64_t id);

/* The user is done with it: the same, and with bytes unread or still coming it is reset. */
void tcp_close(struct tcp *t, uint64_t id);

/* Ends it with a reset. */
void tcp_abort(struct tcp *t, uint64_t id);

/* False: no such connection. */
must_check bool tcp_inspect(const struct tcp *t, uint64_t id, struct tcp_info *out);

#define TCP_COUNTERS(X)                                                                            \
    X(SEGS_IN)     /* taken from IP */                                                             \
    X(SEGS_OUT)    /* given to IP */                                                               \
    X(SEGS_RESENT) /* retransmissions among them */                                                \
    X(TIMEOUTS)    /* retransmission timers that ran out */                                        \
    X(PROBES)      /* tail loss probes */                                                          \
    X(RECOVERIES)  /* losses seen without a timeout */                                             \
    X(UNDONE)      /* reductions taken back */                                                     \
    X(ACCEPTED)    /* connections opened by peers */                                               \
    X(CONNECTED)   /* connections opened by us */                                                  \
    X(COOKIES_OUT) /* SYNs answered without keeping anything */                                    \
    X(COOKIES_IN)  /* connections made of a cookie */                                              \
    X(CHALLENGES)  /* challenge ACKs */                                                            \
    X(RESETS_OUT)                                                                                  \
    X(DROP_SUM)         /* wrong checksum */                                                       \
    X(DROP_HEADER)      /* data offset or ports */                                                 \
    X(DROP_FLAGS)       /* a combination nobody sends */                                           \
    X(DROP_STRANGER)    /* of no connection, and no reply is due */                                \
    X(DROP_SEQ)         /* outside the window */                                                   \
    X(DROP_PAWS)        /* an old timestamp */                                                     \
    X(DROP_ACK)         /* acknowledges what was never sent, or long ago */                        \
    X(DROP_RST)         /* a reset that does not fit exactly */                                    \
    X(DROP_SYN)         /* a SYN inside a connection */                                            \
    X(DROP_MEMORY)      /* received bytes over a bound */                                          \
    X(DROP_CONN_LIMIT)  /* the last step of a handshake while all connections are in use */        \
    X(DROP_HALF_OPEN)   /* a handshake without an answer */                                        \
    X(DROP_COOKIE)      /* an ACK that is no cookie of ours */                                     \
    X(DROP_REPLY_LIMIT) /* a reply to a stranger over the rate */                                  \
    X(DROP_ICMP)        /* an ICMP error that quotes nothing in flight */                          \
    X(CE_IN)            /* segments with bytes that met congestion (RFC 3168) */                   \
    X(ECN_REDUCED)      /* reductions because the peer said so */                                  \
    X(WAIT_RECYCLED)    /* TIME_WAIT cut short, all entries in use */                              \
    X(SEGS_FULL)        /* sending waited for a free segment */

enum tcp_counter {
#define TCP_COUNTER_ENUM(name) TCP_N_##name,
    TCP_COUNTERS(TCP_COUNTER_ENUM)
#undef TCP_COUNTER_ENUM
        TCP_COUNTER_KINDS
};

uint64_t tcp_count(const struct tcp *t, enum tcp_counter which);

/* Connections, handshakes, TIME_WAIT entries, frames and spans in use: all 0 after all have ended.
 */
struct tcp_usage {
    uint32_t conns, half_open, waiting, nodes, segs, extents;
};

void tcp_usage(const struct tcp *t, struct tcp_usage *out);

/* The invariants of every connection (tcp_core.h), for tests. */
void tcp_check(const struct tcp *t);

#endif
