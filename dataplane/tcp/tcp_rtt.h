/* tcp_rtt.h: round-trip time and retransmission timeout (RFC 6298), in microseconds. */
#ifndef SLUICE_TCP_RTT_H
#define SLUICE_TCP_RTT_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_rtt {
    uint32_t srtt_us, var_us; /* srtt_us 0: no sample yet */
    uint32_t rto_us;          /* with the backoff */
    uint32_t base_us;         /* without */
    uint32_t min_us;          /* the smallest sample; 0: none */
    uint32_t rto_min_us, rto_max_us;
};

/* The initial timeout is rto_us. */
void tcp_rtt_init(struct tcp_rtt *r, uint32_t rto_us, uint32_t rto_min_us, uint32_t rto_max_us);

/* One measurement of a segment that was sent once; 0 counts as 1.  Ends the backoff. */
void tcp_rtt_sample(struct tcp_rtt *r, uint64_t sample_us);

/* The SYN was sent twice, so there is no measurement: begins with three seconds (RFC 6298 5.7). */
void tcp_rtt_unknown(struct tcp_rtt *r);

/* Doubles the timeout, up to the limit. */
void tcp_rtt_backoff(struct tcp_rtt *r);

/* Takes the backoff back: something new was acknowledged. */
void tcp_rtt_progress(struct tcp_rtt *r);

#endif
