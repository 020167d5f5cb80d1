/* tcp_rtt.c: see tcp_rtt.h.  alpha 1/8, beta 1/4, K 4.  The least timeout stands beside the round
 * trip, not in place of it: a steady long path has little spread, and a delayed ACK on top. */
#include "dataplane/tcp/tcp_rtt.h"

enum { AGAIN_US = 3000000 };

static uint32_t
clamp(uint64_t us, const struct tcp_rtt *r)
{
    if (us < r->rto_min_us)
        return r->rto_min_us;
    return us > r->rto_max_us ? r->rto_max_us : (uint32_t)us;
}

void
tcp_rtt_init(struct tcp_rtt *r, uint32_t rto_us, uint32_t rto_min_us, uint32_t rto_max_us)
{
    *r = (struct tcp_rtt){
        .rto_us = rto_us, .base_us = rto_us, .rto_min_us = rto_min_us, .rto_max_us = rto_max_us};
}

void
tcp_rtt_sample(struct tcp_rtt *r, uint64_t sample_us)
{
    uint32_t s = sample_us > r->rto_max_us ? r->rto_max_us : (uint32_t)sample_us;
    if (s == 0)
        s = 1;
    if (r->srtt_us == 0) {
        r->srtt_us = s;
        r->var_us = s / 2;
        r->min_us = s;
    } else {
        uint32_t off = s > r->srtt_us ? s - r->srtt_us : r->srtt_us - s;
        r->var_us = (uint32_t)(((uint64_t)r->var_us * 3 + off) / 4);
        r->srtt_us = (uint32_t)(((uint64_t)r->srtt_us * 7 + s) / 8);
        if (r->srtt_us == 0)
            r->srtt_us = 1;
        if (s < r->min_us)
            r->min_us = s;
    }
    uint64_t spread = (uint64_t)r->var_us * 4;
    if (spread < r->rto_min_us)
        spread = r->rto_min_us;
    r->base_us = clamp(r->srtt_us + spread, r);
    r->rto_us = r->base_us;
}

void
tcp_rtt_unknown(struct tcp_rtt *r)
{
    tcp_rtt_init(r, clamp(AGAIN_US, r), r->rto_min_us, r->rto_max_us);
}

void
tcp_rtt_backoff(struct tcp_rtt *r)
{
    r->rto_us = clamp((uint64_t)r->rto_us * 2, r);
}

void
tcp_rtt_progress(struct tcp_rtt *r)
{
    r->rto_us = r->base_us;
}
