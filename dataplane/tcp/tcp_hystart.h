/* tcp_hystart.h: when the first slow start should end: HyStart++ (RFC 9406).
 *
 * A round is the time until what was sent last at its beginning is acknowledged.  When the smallest
 * round-trip time of a round is that much longer than that of the one before, a queue is building:
 * the window then grows four times slower for some rounds, and slow start is over unless the times
 * become short again meanwhile (it was jitter).  A pure machine; it decides nothing about windows.
 */
#ifndef SLUICE_TCP_TCP_HYSTART_H
#define SLUICE_TCP_TCP_HYSTART_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TCP_HYSTART_SAMPLES = 8,          /* of a round, before it says anything */
    TCP_HYSTART_LONGER_MIN_US = 4000, /* how much longer: an eighth, within these */
    TCP_HYSTART_LONGER_MAX_US = 16000,
    TCP_HYSTART_SLOWER = 4, /* in the conservative phase */
    TCP_HYSTART_ROUNDS = 5, /* of it */
    TCP_HYSTART_SEGS = 8,   /* growth by one acknowledgement, since we do not pace */
};

struct tcp_hystart {
    uint32_t round_end;      /* the round is over when this is acknowledged */
    uint32_t before_us, us;  /* the smallest time of the last round and of this; 0: none */
    uint32_t base_us;        /* when the conservative phase began: shorter ends it */
    uint8_t samples, rounds; /* rounds of the conservative phase, with this one; 0: not in it */
    bool begun;
};

void tcp_hystart_init(struct tcp_hystart *h);

/* New bytes were acknowledged, up to una; nxt is sent next; rtt_us: measured by this, 0: nothing
 * was.  True: slow start is over. */
bool tcp_hystart_acked(struct tcp_hystart *h, uint32_t una, uint32_t nxt, uint32_t rtt_us);

/* By how much these acknowledged bytes let the window grow. */
uint32_t tcp_hystart_growth(const struct tcp_hystart *h, uint32_t bytes, uint32_t mss);

#endif
