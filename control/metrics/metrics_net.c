/* metrics_net.c: the network stacks of the cores (net=dpdk; with kernel sockets no family has a
 * series). */
#include "control/metrics/metrics_in.h"

#include "core/shm/region_sum.h"

static uint64_t
sum(const struct metrics_source *s, uint32_t counter)
{
    return region_sum_netview(s->region, (enum netview_counter)counter);
}

void
metrics_net_sum(struct metrics_out *o, const struct metrics_row *row,
                const struct metrics_source *s)
{
    struct metrics_sample p;
    if (!conf_own_net(s->conf))
        return;
    metrics_sample(&p, o, row);
    metrics_sample_end(&p, sum(s, row->arg));
}

/* Families of a few series, each with a value of the one label. */
struct labelled {
    uint32_t family; /* row->arg */
    const char *value;
    uint32_t counter;
};
static const struct labelled labels[] = {
    {METRICS_NET_FRAMES, "in", NETVIEW_N_RX_FRAMES},
    {METRICS_NET_FRAMES, "out", NETVIEW_N_TX_FRAMES},
    {METRICS_NET_BYTES, "in", NETVIEW_N_RX_BYTES},
    {METRICS_NET_BYTES, "out", NETVIEW_N_TX_BYTES},
    {METRICS_NET_SEGMENTS, "in", NETVIEW_N_TCP_SEGS_IN},
    {METRICS_NET_SEGMENTS, "out", NETVIEW_N_TCP_SEGS_OUT},
    {METRICS_NET_CONNECTIONS, "open", NETVIEW_N_TCP_CONNECTIONS},
    {METRICS_NET_CONNECTIONS, "handshake", NETVIEW_N_TCP_HALF_OPEN},
    {METRICS_NET_CONNECTIONS, "time_wait", NETVIEW_N_TCP_TIME_WAIT},
};

void
metrics_net_labelled(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    for (uint32_t i = 0; conf_own_net(s->conf) && i < sizeof labels / sizeof *labels; i++) {
        struct metrics_sample p;
        if (labels[i].family != row->arg)
            continue;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, row->labels, view_of_text(labels[i].value));
        metrics_sample_end(&p, sum(s, labels[i].counter));
    }
}

void
metrics_net_drops(struct metrics_out *o, const struct metrics_row *row,
                  const struct metrics_source *s)
{
    for (uint32_t c = 0; conf_own_net(s->conf) && c < NETVIEW_COUNTERS; c++) {
        struct metrics_sample p;
        if (!netview_is_drop((enum netview_counter)c))
            continue;
        const struct netview_counter_row *r = netview_counter_row((enum netview_counter)c);
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "part", view_of_text(netview_part_name(r->part)));
        metrics_sample_label(&p, "reason", view_of_text(r->name));
        metrics_sample_end(&p, sum(s, c));
    }
}

void
metrics_net_polls(struct metrics_out *o, const struct metrics_row *row,
                  const struct metrics_source *s)
{
    for (uint32_t empty = 0; conf_own_net(s->conf) && empty < 2; empty++) {
        uint64_t all = sum(s, NETVIEW_N_POLLS), none = sum(s, NETVIEW_N_POLLS_EMPTY);
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "result", view_of_text(empty ? "empty" : "burst"));
        /* Both are being written. */
        metrics_sample_end(&p, empty ? none : all > none ? all - none : 0);
    }
}

void
metrics_net_seconds(struct metrics_out *o, const struct metrics_row *row,
                    const struct metrics_source *s)
{
    static const struct {
        uint32_t counter;
        const char *stage;
    } stages[] = {{NETVIEW_N_RECEIVE_NS, "receive"}, {NETVIEW_N_SEND_NS, "send"}};
    for (uint32_t i = 0; conf_own_net(s->conf) && i < 2; i++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "stage", view_of_text(stages[i].stage));
        metrics_sample_end_nano(&p, sum(s, stages[i].counter));
    }
}

/* arg: gauges, not counters. */
void
metrics_net_each(struct metrics_out *o, const struct metrics_row *row,
                 const struct metrics_source *s)
{
    for (uint32_t c = 0; conf_own_net(s->conf) && c < NETVIEW_COUNTERS; c++) {
        const struct netview_counter_row *r = netview_counter_row((enum netview_counter)c);
        for (uint32_t i = 0; i < s->region->header->shard_count && r->gauge == row->arg; i++) {
            struct metrics_sample p;
            metrics_sample(&p, o, row);
            metrics_sample_number(&p, "core", i);
            metrics_sample_label(&p, "part", view_of_text(netview_part_name(r->part)));
            metrics_sample_label(&p, "counter", view_of_text(r->name));
            metrics_sample_label(&p, "unit", view_of_text(r->unit));
            metrics_sample_end(
                &p, netview_count(region_netview(s->region, i), (enum netview_counter)c));
        }
    }
}
