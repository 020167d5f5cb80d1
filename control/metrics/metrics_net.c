/* metrics_net.c: the network stacks of the cores (net=dpdk; with kernel sockets no family has a
 * series). */
#include "control/metrics/metrics_in.h"

#include "core/shm/region_sum.h"

static uint64_t
sum(const struct metrics_source *s, uint32_t counter)
{
    return region_sum_netview(s->region, (enum netview_counter)counter);
}

/* Of a device, where each has such a counter, else of all. */
static uint64_t
count_of(const struct metrics_source *s, uint32_t device, enum netview_counter c)
{
    return netview_of_device(c) ? region_sum_netview_device(s->region, device, c) : sum(s, c);
}

/* Samples of a counter: one for each device, labelled with its number in net.devices, where each
 * has one, else one.  A label before it when `label` is not NULL. */
static void
samples(struct metrics_out *o, const struct metrics_row *row, const struct metrics_source *s,
        uint32_t counter, const char *label, const char *value)
{
    bool each = netview_of_device((enum netview_counter)counter);
    uint32_t count = each ? conf_device_count(s->conf) : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        if (each)
            metrics_sample_number(&p, "port", i);
        if (label)
            metrics_sample_label(&p, label, view_of_text(value));
        metrics_sample_end(&p, count_of(s, i, (enum netview_counter)counter));
    }
}

void
metrics_net_sum(struct metrics_out *o, const struct metrics_row *row,
                const struct metrics_source *s)
{
    if (conf_own_net(s->conf))
        samples(o, row, s, row->arg, NULL, NULL);
}

/* Families of a few series, each with a value of one label. */
struct labelled {
    uint32_t family; /* row->arg */
    const char *label, *value;
    uint32_t counter;
};
static const struct labelled labels[] = {
    {METRICS_NET_FRAMES, "direction", "in", NETVIEW_N_RX_FRAMES},
    {METRICS_NET_FRAMES, "direction", "out", NETVIEW_N_TX_FRAMES},
    {METRICS_NET_BYTES, "direction", "in", NETVIEW_N_RX_BYTES},
    {METRICS_NET_BYTES, "direction", "out", NETVIEW_N_TX_BYTES},
    {METRICS_NET_PAYLOAD, "sent", "by_reference", NETVIEW_N_TX_BY_REFERENCE},
    {METRICS_NET_PAYLOAD, "sent", "copied", NETVIEW_N_TX_COPIED},
    {METRICS_NET_SEGMENTS, "direction", "in", NETVIEW_N_TCP_SEGS_IN},
    {METRICS_NET_SEGMENTS, "direction", "out", NETVIEW_N_TCP_SEGS_OUT},
    {METRICS_NET_CONNECTIONS, "state", "open", NETVIEW_N_TCP_CONNECTIONS},
    {METRICS_NET_CONNECTIONS, "state", "handshake", NETVIEW_N_TCP_HALF_OPEN},
    {METRICS_NET_CONNECTIONS, "state", "time_wait", NETVIEW_N_TCP_TIME_WAIT},
};

void
metrics_net_labelled(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    for (uint32_t i = 0; conf_own_net(s->conf) && i < sizeof labels / sizeof *labels; i++)
        if (labels[i].family == row->arg)
            samples(o, row, s, labels[i].counter, labels[i].label, labels[i].value);
}

void
metrics_net_drops(struct metrics_out *o, const struct metrics_row *row,
                  const struct metrics_source *s)
{
    for (uint32_t c = 0; conf_own_net(s->conf) && c < NETVIEW_COUNTERS; c++) {
        const struct netview_counter_row *r = netview_counter_row((enum netview_counter)c);
        bool each = netview_of_device((enum netview_counter)c);
        uint32_t count = each ? conf_device_count(s->conf) : 1;
        for (uint32_t i = 0; i < count && netview_is_drop((enum netview_counter)c); i++) {
            struct metrics_sample p;
            metrics_sample(&p, o, row);
            if (each)
                metrics_sample_number(&p, "port", i);
            metrics_sample_label(&p, "part", view_of_text(netview_part_name(r->part)));
            metrics_sample_label(&p, "reason", view_of_text(r->name));
            metrics_sample_end(&p, count_of(s, i, (enum netview_counter)c));
        }
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
    } stages[] = {{NETVIEW_N_RECEIVE_NS, "receive"},
                  {NETVIEW_N_SEND_NS, "send"},
                  {NETVIEW_N_FILES_NS, "files"}};
    for (uint32_t i = 0; conf_own_net(s->conf) && i < sizeof stages / sizeof *stages; i++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "stage", view_of_text(stages[i].stage));
        metrics_sample_end_nano(&p, sum(s, stages[i].counter));
    }
}

/* One counter of one core: a sample for each device that has it. */
static void
samples_of_core(struct metrics_out *o, const struct metrics_row *row,
                const struct metrics_source *s, uint32_t core, enum netview_counter c)
{
    const struct netview_counter_row *r = netview_counter_row(c);
    const struct netview *v = region_netview(s->region, core);
    bool each = netview_of_device(c);
    uint32_t count = each ? conf_device_count(s->conf) : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_number(&p, "core", core);
        if (each)
            metrics_sample_number(&p, "port", i);
        metrics_sample_label(&p, "part", view_of_text(netview_part_name(r->part)));
        metrics_sample_label(&p, "counter", view_of_text(r->name));
        metrics_sample_label(&p, "unit", view_of_text(r->unit));
        metrics_sample_end(&p, each ? netview_device_count(v, i, c) : netview_count(v, c));
    }
}

/* arg: gauges, not counters. */
void
metrics_net_each(struct metrics_out *o, const struct metrics_row *row,
                 const struct metrics_source *s)
{
    for (uint32_t c = 0; conf_own_net(s->conf) && c < NETVIEW_COUNTERS; c++)
        for (uint32_t i = 0; i < s->region->header->shard_count; i++)
            if (netview_counter_row((enum netview_counter)c)->gauge == row->arg)
                samples_of_core(o, row, s, i, (enum netview_counter)c);
}
