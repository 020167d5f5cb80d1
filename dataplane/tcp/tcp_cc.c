/* tcp_cc.c: see tcp_cc.h.
 *
 * CUBIC: W(t) = C (t - K)^3 + w_max segments, C = 0.4, beta = 0.7, K the cube root of
 * (w_max - w_start) / C.  Times are ms here, so (t - K)^3 is in 1e-9 s^3. */
#include "dataplane/tcp/tcp_cc.h"

#include "core/base/must.h"

enum { BETA_TENTHS = 7, PAUSE_MS_MAX = 60000 };

static uint32_t
initial_window(uint32_t mss)
{
    uint32_t ten = 10 * mss, most = 14600 > 2 * mss ? 14600 : 2 * mss;
    return ten < most ? ten : most;
}

void
tcp_cc_init(struct tcp_cc *c, uint32_t mss, bool reno)
{
    must(mss > 0);
    *c = (struct tcp_cc){.cwnd = initial_window(mss),
                         .ssthresh = TCP_CC_WINDOW_MAX,
                         .mss = mss,
                         .reno = reno,
                         .prior_ssthresh = TCP_CC_WINDOW_MAX};
    c->prior_cwnd = c->cwnd;
    tcp_hystart_init(&c->hystart);
}

static void
set_cwnd(struct tcp_cc *c, uint64_t bytes)
{
    if (bytes > TCP_CC_WINDOW_MAX)
        bytes = TCP_CC_WINDOW_MAX;
    c->cwnd = bytes < c->mss ? c->mss : (uint32_t)bytes;
}

void
tcp_cc_mss(struct tcp_cc *c, uint32_t mss)
{
    must(mss > 0);
    c->mss = mss;
    set_cwnd(c, c->cwnd);
    if (c->ssthresh < 2 * mss)
        c->ssthresh = 2 * mss;
}

static uint32_t
cube_root(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 20; bit; bit >>= 1) {
        uint64_t r = root | bit;
        if (r * r * r <= x)
            root = r;
    }
    return (uint32_t)root;
}

static void
epoch_start(struct tcp_cc *c, uint64_t now_us)
{
    struct tcp_cubic *q = &c->cubic;
    q->epoch_us = now_us ? now_us : 1;
    q->w_start = c->cwnd;
    q->w_est = c->cwnd;
    q->growth = q->est_growth = 0;
    q->k_ms = 0;
    if (q->w_max > c->cwnd) /* 1e9 / C = 2.5e9; segments at 16 bits of fraction */
        q->k_ms = cube_root(((uint64_t)(q->w_max - c->cwnd) << 8) / c->mss * 2500000000 >> 8);
    else
        q->w_max = c->cwnd;
}

/* The window that CUBIC wants at a time, at most half as much again as there is. */
static uint32_t
cubic_target(const struct tcp_cc *c, uint64_t at_us)
{
    const struct tcp_cubic *q = &c->cubic;
    uint64_t t_ms = (at_us - q->epoch_us) / 1000;
    int64_t d = (int64_t)(t_ms > PAUSE_MS_MAX * 2 ? PAUSE_MS_MAX * 2 : t_ms) - q->k_ms;
    if (d > PAUSE_MS_MAX)
        d = PAUSE_MS_MAX;
    if (d < -2 * PAUSE_MS_MAX)
        d = -2 * PAUSE_MS_MAX;
    int64_t segments_e3 = d * d * d / 1000000 * 4 / 10; /* thousandths */
    int64_t w = (int64_t)q->w_max + segments_e3 * c->mss / 1000;
    int64_t most = (int64_t)c->cwnd + c->cwnd / 2;
    if (w < (int64_t)c->cwnd)
        return c->cwnd;
    return w > most ? (uint32_t)most : (uint32_t)w;
}

/* One segment for each window acknowledged; numerator and denominator scale that. */
static uint32_t
additive(uint32_t *rest, uint32_t window, uint32_t acked, uint64_t per_window)
{
    uint64_t sum = (uint64_t)acked * per_window + *rest;
    uint64_t whole = sum / window;
    *rest = (uint32_t)(sum % window);
    return whole > UINT32_MAX ? UINT32_MAX : (uint32_t)whole;
}

static void
cubic_grow(struct tcp_cc *c, uint32_t bytes, uint64_t now_us, uint32_t srtt_us)
{
    struct tcp_cubic *q = &c->cubic;
    if (q->epoch_us == 0)
        epoch_start(c, now_us);
    /* alpha = 3 (1 - beta) / (1 + beta) = 9/17 until the window of the reduction is passed. */
    uint64_t alpha = q->w_est < q->w_max ? (uint64_t)c->mss * 9 / 17 : c->mss;
    q->w_est += additive(&q->est_growth, c->cwnd, bytes, alpha);
    if (q->w_est > TCP_CC_WINDOW_MAX)
        q->w_est = TCP_CC_WINDOW_MAX;
    uint32_t target = cubic_target(c, now_us + srtt_us);
    uint64_t wish = (uint64_t)c->cwnd +
                    additive(&q->growth, c->cwnd, bytes, target > c->cwnd ? target - c->cwnd : 0);
    set_cwnd(c, wish > q->w_est ? wish : q->w_est);
}

/* What a reduction has told is better than what round trips tell. */
static bool
first_slow_start(const struct tcp_cc *c)
{
    return c->ssthresh == TCP_CC_WINDOW_MAX;
}

void
tcp_cc_round(struct tcp_cc *c, uint32_t una, uint32_t nxt, uint64_t rtt_us)
{
    uint32_t us = rtt_us > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt_us;
    if (first_slow_start(c) && tcp_hystart_acked(&c->hystart, una, nxt, us))
        c->ssthresh = c->cwnd;
}

void
tcp_cc_acked(struct tcp_cc *c, uint32_t bytes, uint64_t now_us, uint32_t srtt_us, bool full)
{
    if (!full)
        return;
    if (c->cwnd < c->ssthresh) {
        uint32_t room = c->ssthresh - c->cwnd;
        if (first_slow_start(c))
            bytes = tcp_hystart_growth(&c->hystart, bytes, c->mss);
        uint32_t part = bytes < room ? bytes : room;
        set_cwnd(c, (uint64_t)c->cwnd + part);
        bytes -= part;
        c->cubic.epoch_us = 0;
    }
    if (bytes == 0)
        return;
    if (c->reno)
        set_cwnd(c, (uint64_t)c->cwnd + additive(&c->cubic.growth, c->cwnd, bytes, c->mss));
    else
        cubic_grow(c, bytes, now_us, srtt_us);
}

void
tcp_cc_idle(struct tcp_cc *c)
{
    uint32_t w = initial_window(c->mss);
    if (c->cwnd > w) {
        if (c->ssthresh < c->cwnd / 4 * 3)
            c->ssthresh = c->cwnd / 4 * 3;
        c->cwnd = w;
    }
    c->cubic.epoch_us = 0;
}

void
tcp_cc_paused(struct tcp_cc *c, uint64_t us)
{
    if (c->cubic.epoch_us)
        c->cubic.epoch_us += us;
}

static uint32_t
reduced(const struct tcp_cc *c, uint32_t flight_bytes)
{
    uint32_t from = c->reno ? flight_bytes : c->cwnd;
    uint64_t to = c->reno ? from / 2 : (uint64_t)from * BETA_TENTHS / 10;
    return to < 2 * c->mss ? 2 * c->mss : (uint32_t)to;
}

static void
reduce(struct tcp_cc *c, uint32_t flight_bytes)
{
    c->prior_cwnd = c->cwnd;
    c->prior_ssthresh = c->ssthresh;
    c->prior_cubic = c->cubic;
    struct tcp_cubic *q = &c->cubic;
    /* Fast convergence: who loses below its last maximum makes room for others. */
    q->w_max =
        c->cwnd < q->w_max ? (uint32_t)((uint64_t)c->cwnd * (10 + BETA_TENTHS) / 20) : c->cwnd;
    q->epoch_us = 0;
    q->growth = 0;
    c->ssthresh = reduced(c, flight_bytes);
}

void
tcp_cc_recover(struct tcp_cc *c, uint32_t flight_bytes)
{
    reduce(c, flight_bytes);
    c->recover_bytes = flight_bytes ? flight_bytes : c->mss;
    c->prr_delivered = c->prr_out = 0;
}

void
tcp_cc_recovering(struct tcp_cc *c, uint32_t delivered, uint32_t flight_bytes, bool safe)
{
    c->prr_delivered += delivered;
    int64_t quota;
    if (flight_bytes > c->ssthresh) {
        uint64_t share = (uint64_t)c->prr_delivered * c->ssthresh;
        quota = (int64_t)((share + c->recover_bytes - 1) / c->recover_bytes) - c->prr_out;
    } else {
        quota = (int64_t)c->prr_delivered - c->prr_out;
        if (quota < delivered)
            quota = delivered;
        if (safe)
            quota += c->mss;
        if (quota > (int64_t)c->ssthresh - flight_bytes)
            quota = (int64_t)c->ssthresh - flight_bytes;
    }
    if (c->prr_out == 0 && quota < c->mss)
        quota = c->mss; /* the first retransmission always leaves */
    set_cwnd(c, (uint64_t)flight_bytes + (quota > 0 ? (uint64_t)quota : 0));
}

void
tcp_cc_sent(struct tcp_cc *c, uint32_t bytes)
{
    c->prr_out += bytes;
}

void
tcp_cc_recovered(struct tcp_cc *c)
{
    set_cwnd(c, c->ssthresh);
}

void
tcp_cc_timeout(struct tcp_cc *c, uint32_t flight_bytes, bool first)
{
    if (first)
        reduce(c, flight_bytes);
    c->cwnd = c->mss;
    c->cubic.epoch_us = 0;
}

void
tcp_cc_undo(struct tcp_cc *c)
{
    if (c->cwnd < c->prior_cwnd)
        set_cwnd(c, c->prior_cwnd);
    c->ssthresh = c->prior_ssthresh;
    c->cubic = c->prior_cubic;
}
