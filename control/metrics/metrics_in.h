/* metrics_in.h: what the files of control/metrics share. */
#ifndef SLUICE_METRICS_METRICS_IN_H
#define SLUICE_METRICS_METRICS_IN_H

#include "control/metrics/metrics.h"

/* ---- writing (metrics_text.c) ---- */

void metrics_text(struct metrics_out *o, const char *text);
void metrics_text_view(struct metrics_out *o, struct view v);
void metrics_text_u64(struct metrics_out *o, uint64_t v);
void metrics_text_double(struct metrics_out *o, double v); /* finite */
void metrics_text_i64(struct metrics_out *o, int64_t v);
/* A decimal number with nine places at most: v / 10^9. */
void metrics_text_nano(struct metrics_out *o, uint64_t v);
/* A label's value between its quotes. */
void metrics_text_escaped(struct metrics_out *o, struct view v);

/* A sample is begun with its name, gets labels, and ends with one value. */
struct metrics_sample {
    struct metrics_out *o;
    bool labelled;
};
void metrics_sample(struct metrics_sample *p, struct metrics_out *o, const struct metrics_row *row);
void metrics_sample_named(struct metrics_sample *p, struct metrics_out *o,
                          const struct metrics_row *row, const char *suffix);
void metrics_sample_label(struct metrics_sample *p, const char *name, struct view value);
void metrics_sample_number(struct metrics_sample *p, const char *name, int64_t value);
void metrics_sample_end(struct metrics_sample *p, uint64_t value);
void metrics_sample_end_signed(struct metrics_sample *p, int64_t value);
void metrics_sample_end_double(struct metrics_sample *p, double value);
void metrics_sample_end_nano(struct metrics_sample *p, uint64_t value);

/* ---- families, by file ---- */

typedef void metrics_emit_fn(struct metrics_out *o, const struct metrics_row *row,
                             const struct metrics_source *s);

/* metrics_cluster.c */
enum metrics_fact {
    METRICS_FACT_TOPICS,
    METRICS_FACT_TOPICS_MAX,
    METRICS_FACT_PARTITIONS,
    METRICS_FACT_PARTITIONS_MAX,
    METRICS_FACT_OFFLINE,
    METRICS_FACT_BYTES,
    METRICS_FACT_CORES,
    METRICS_FACT_BROKERS,
    METRICS_FACT_LEFT_OUT,
    METRICS_FACT_TORN,
    METRICS_FACT_FRESH,
    METRICS_FACT_DATA_UP,
};
enum metrics_of_process {
    METRICS_PROCESS_STARTS,
    METRICS_PROCESS_SILENCE,
    METRICS_PROCESS_MEMORY,
    METRICS_PROCESS_CPU,
    METRICS_PROCESS_UP,
};
enum metrics_of_disk { METRICS_DISK_FREE, METRICS_DISK_TOTAL };
metrics_emit_fn metrics_cluster_build, metrics_cluster_node, metrics_cluster_config;
metrics_emit_fn metrics_cluster_fact, metrics_cluster_process, metrics_cluster_disk;
metrics_emit_fn metrics_cluster_broker, metrics_cluster_features;

/* metrics_counters.c: arg is a counter; sum over the shards and control. */
metrics_emit_fn metrics_counters_sum, metrics_counters_drops, metrics_counters_each;
metrics_emit_fn metrics_counters_apis, metrics_counters_errors, metrics_counters_seconds,
    metrics_counters_stalls;

/* metrics_hists.c */
metrics_emit_fn metrics_hists_total, metrics_hists_stages, metrics_hists_one, metrics_hists_each;

/* metrics_net.c: arg is a netview_counter, or a family. */
enum metrics_of_net {
    METRICS_NET_FRAMES,
    METRICS_NET_BYTES,
    METRICS_NET_PAYLOAD,
    METRICS_NET_SEGMENTS,
    METRICS_NET_CONNECTIONS
};
metrics_emit_fn metrics_net_sum, metrics_net_labelled, metrics_net_drops, metrics_net_polls;
metrics_emit_fn metrics_net_seconds, metrics_net_each;

/* metrics_partitions.c */
enum metrics_of_partition {
    METRICS_PARTITION_START,
    METRICS_PARTITION_HIGH,
    METRICS_PARTITION_END,
    METRICS_PARTITION_BYTES,
    METRICS_PARTITION_ONLINE,
    METRICS_PARTITION_LEADER,
    METRICS_PARTITION_REPLICAS,
    METRICS_PARTITION_UNDER,
    METRICS_PARTITION_PREFERRED,
};
metrics_emit_fn metrics_partitions_each, metrics_partitions_of_topic, metrics_partitions_bytes;

/* metrics_groups.c */
enum metrics_of_group { METRICS_GROUP_MEMBERS, METRICS_GROUP_LAG, METRICS_GROUP_LAG_MAX };
enum metrics_of_offset { METRICS_OFFSET_COMMITTED, METRICS_OFFSET_LAG };
metrics_emit_fn metrics_groups_states, metrics_groups_each, metrics_groups_topics;
metrics_emit_fn metrics_groups_offsets, metrics_groups_txns, metrics_groups_oldest;

/* metrics_clients.c: arg: counters, not gauges. */
metrics_emit_fn metrics_clients_count, metrics_clients_each;

#endif
