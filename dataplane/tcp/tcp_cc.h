/* tcp_cc.h: how much may be in the network: slow start (the first one with HyStart++, RFC 9406),
 * CUBIC (RFC 9438) or NewReno (RFC 5681), proportional rate reduction (RFC 9937), and taking a
 * reduction back (RFC 4015).
 *
 * All in bytes and microseconds, integers only.  The window is at least one segment.  A pure
 * machine: the caller says what was acknowledged, lost or found not to be lost. */
#ifndef SLUICE_TCP_CC_H
#define SLUICE_TCP_CC_H

#include "dataplane/tcp/tcp_hystart.h"

#include <stdbool.h>
#include <stdint.h>

enum { TCP_CC_WINDOW_MAX = 1 << 30 };

struct tcp_cubic {
    uint64_t epoch_us; /* start of the present growth; 0: it starts at the next acknowledgement */
    uint32_t w_max;    /* the window of the last reduction */
    uint32_t w_start;  /* at the start of the epoch */
    uint32_t w_est;    /* what NewReno would have */
    uint32_t k_ms;     /* from the epoch's start until w_max is reached */
    uint32_t growth;   /* bytes acknowledged that did not yet make a whole byte of window */
    uint32_t est_growth;
};

struct tcp_cc {
    uint32_t cwnd, ssthresh, mss;
    bool reno;
    struct tcp_hystart hystart; /* while ssthresh is as it was at first */
    struct tcp_cubic cubic;
    /* What undo restores. */
    uint32_t prior_cwnd, prior_ssthresh;
    struct tcp_cubic prior_cubic;
    /* RFC 9937: of the present recovery. */
    uint32_t recover_bytes, prr_delivered, prr_out;
};

/* The initial window of RFC 6928. */
void tcp_cc_init(struct tcp_cc *c, uint32_t mss, bool reno);

/* The path takes smaller or larger segments; the window stays as many bytes, one at least. */
void tcp_cc_mss(struct tcp_cc *c, uint32_t mss);

/* New bytes were acknowledged, up to una, before tcp_cc_acked() is told of them; nxt is sent next;
 * rtt_us: measured by this, 0: nothing was. */
void tcp_cc_round(struct tcp_cc *c, uint32_t una, uint32_t nxt, uint64_t rtt_us);

/* New bytes were acknowledged outside of a recovery by the fast path.  full: the window was the
 * limit; otherwise it does not grow. */
void tcp_cc_acked(struct tcp_cc *c, uint32_t bytes, uint64_t now_us, uint32_t srtt_us, bool full);

/* Nothing was sent for a whole timeout: start slowly again, from the initial window at most. */
void tcp_cc_idle(struct tcp_cc *c);

/* The application, not the window, was the limit for so long: that time does not count. */
void tcp_cc_paused(struct tcp_cc *c, uint64_t us);

/* A loss is seen while flight_bytes are out: reduces once and starts PRR. */
void tcp_cc_recover(struct tcp_cc *c, uint32_t flight_bytes);

/* An acknowledgement in recovery: sets cwnd so that the flight converges on ssthresh.
 * safe: it moved the left edge and shows no new loss. */
void tcp_cc_recovering(struct tcp_cc *c, uint32_t delivered, uint32_t flight_bytes, bool safe);

/* Bytes that left during recovery, new or again. */
void tcp_cc_sent(struct tcp_cc *c, uint32_t bytes);

void tcp_cc_recovered(struct tcp_cc *c);

/* Timeout.  first: of this loss; later ones do not reduce ssthresh again. */
void tcp_cc_timeout(struct tcp_cc *c, uint32_t flight_bytes, bool first);

/* The last reduction was for nothing. */
void tcp_cc_undo(struct tcp_cc *c);

#endif
