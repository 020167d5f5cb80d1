/* table.h: facts that control publishes and shards report, one row each, a seqlock a row.
 *
 * Control writes topics and want, then rings a doorbell (msg.def) that only says which row changed;
 * the owning shard brings its log in line and writes have.  A lost doorbell is harmless: each side
 * reads the whole table when it attaches.  Truncation and high watermark are never orders. */
#ifndef SLUICE_SHM_TABLE_H
#define SLUICE_SHM_TABLE_H

#include "core/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TABLE_NAME_BYTES_MAX = 249,
    TABLE_READ_TRIES = 1000,
    TABLE_COMPRESSION_PRODUCER = 255, /* batches keep the codec that they came with */
};

enum table_row_state { TABLE_FREE, TABLE_LIVE, TABLE_DELETING };

/* Topic configuration that the dataplane acts on; meaning and units as Kafka's keys. */
struct table_topic_config {
    uint32_t max_message_bytes, segment_bytes, index_interval_bytes, segment_index_bytes;
    uint32_t min_insync_replicas, min_dirty_millionths;
    int64_t segment_ms, segment_jitter_ms, retention_ms, retention_bytes, file_delete_delay_ms;
    int64_t min_compaction_lag_ms, max_compaction_lag_ms, delete_retention_ms;
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    int32_t gzip_level, lz4_level, zstd_level;
    uint8_t log_append_time, cleanup_compact, cleanup_delete,
        compression /* enum batch_codec, or TABLE_COMPRESSION_PRODUCER */;
    uint8_t write_caching, preallocate;
    uint8_t spare[6];
};

struct table_topic_fact {
    uint32_t state;   /* enum table_row_state */
    uint32_t version; /* grows with every change of the row */
    uint8_t id[16];
    uint32_t partition_count;
    uint16_t name_bytes;
    uint8_t internal;
    uint8_t spare;
    uint8_t name[TABLE_NAME_BYTES_MAX + 7]; /* not NUL-terminated */
    struct table_topic_config config;
};

/* What control wants of one partition.  Row number = the partition's slot, stable for its life. */
struct table_want_fact {
    uint32_t state; /* enum table_row_state */
    uint32_t version;
    uint32_t topic; /* row in topics */
    int32_t partition;
    uint8_t topic_id[16];
    int32_t leader_id, leader_epoch;
};

/* What its shard made of it. */
enum table_have_state { TABLE_ABSENT, TABLE_OPEN, TABLE_FAILED, TABLE_GONE };
struct table_have_fact {
    uint32_t state;   /* enum table_have_state */
    uint32_t version; /* of the want row that this answers */
    uint32_t shard;
    uint32_t spare;
    uint8_t topic_id[16];
    int64_t log_start_offset, high_watermark, log_end_offset;
    uint64_t bytes;
};

#define TABLE_ROW(type)                                                                            \
    _Alignas(128) _Atomic uint32_t seq; /* odd while the writer is inside */                       \
    type fact

struct table_topic {
    TABLE_ROW(struct table_topic_fact);
};
struct table_want {
    TABLE_ROW(struct table_want_fact);
};
struct table_have {
    TABLE_ROW(struct table_have_fact);
};

/* Writers: the row's only writer calls these.  A row left odd by a dead writer is mended by the
 * next write. */
void table_topic_write(struct table_topic *row, const struct table_topic_fact *fact);
void table_want_write(struct table_want *row, const struct table_want_fact *fact);
void table_have_write(struct table_have *row, const struct table_have_fact *fact);

/* Readers: copy a row whole.  ERR_AGAIN after TABLE_READ_TRIES torn tries (a writer died inside or
 * is suspended): ask again later. */
must_check int table_topic_read(const struct table_topic *row, struct table_topic_fact *out);
must_check int table_want_read(const struct table_want *row, struct table_want_fact *out);
must_check int table_have_read(const struct table_have *row, struct table_have_fact *out);

#endif
