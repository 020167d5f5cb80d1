/* tcp_hystart.c: see tcp_hystart.h.  Names of RFC 9406: us is currentRoundMinRTT, before_us
 * lastRoundMinRTT, base_us cssBaselineMinRtt. */
#include "dataplane/tcp/tcp_hystart.h"

#include "dataplane/tcp/tcp_seq.h"

enum { LONGER_SHARE = 8 };

void
tcp_hystart_init(struct tcp_hystart *h)
{
    *h = (struct tcp_hystart){.begun = false};
}

static void
round_begin(struct tcp_hystart *h, uint32_t nxt)
{
    h->before_us = h->us;
    h->us = 0;
    h->samples = 0;
    h->round_end = nxt;
    h->begun = true;
}

static uint32_t
longer_us(uint32_t before_us)
{
    uint32_t us = before_us / LONGER_SHARE;
    if (us < TCP_HYSTART_LONGER_MIN_US)
        return TCP_HYSTART_LONGER_MIN_US;
    return us > TCP_HYSTART_LONGER_MAX_US ? TCP_HYSTART_LONGER_MAX_US : us;
}

static void
sample(struct tcp_hystart *h, uint32_t rtt_us)
{
    if (h->us == 0 || rtt_us < h->us)
        h->us = rtt_us;
    if (h->samples < TCP_HYSTART_SAMPLES)
        h->samples++;
    if (h->samples < TCP_HYSTART_SAMPLES)
        return;
    if (h->rounds && h->us < h->base_us) {
        h->rounds = 0; /* it was no queue */
    } else if (h->rounds == 0 && h->before_us &&
               (uint64_t)h->us >= (uint64_t)h->before_us + longer_us(h->before_us)) {
        h->rounds = 1; /* the rest of this round is the first */
        h->base_us = h->us;
    }
}

bool
tcp_hystart_acked(struct tcp_hystart *h, uint32_t una, uint32_t nxt, uint32_t rtt_us)
{
    if (!h->begun)
        round_begin(h, nxt);
    if (rtt_us)
        sample(h, rtt_us);
    if (seq_before(una, h->round_end))
        return false;
    round_begin(h, nxt);
    return h->rounds && h->rounds++ == TCP_HYSTART_ROUNDS;
}

uint32_t
tcp_hystart_growth(const struct tcp_hystart *h, uint32_t bytes, uint32_t mss)
{
    uint32_t most = TCP_HYSTART_SEGS * mss;
    uint32_t grown = bytes < most ? bytes : most;
    return h->rounds ? grown / TCP_HYSTART_SLOWER : grown;
}
