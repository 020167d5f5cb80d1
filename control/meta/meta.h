/* meta.h: the cluster's metadata as a state machine: topics, partitions, topic configuration,
 * producer ids.  Pure: no clock, no file, no random source.
 *
 * meta_apply is the only function that changes an image, and it takes nothing but records; so the
 * image of a snapshot plus the records behind it equals the image of all records.  The meta_plan_*
 * functions judge a request against an image and write the records that carry it out, or say which
 * error of the Kafka protocol it earns; they change nothing.
 *
 * One loop owns an image.  Memory comes from the C heap; running out of it is a must(). */
#ifndef SLUICE_META_META_H
#define SLUICE_META_META_H

#include "core/base/bytes.h"
#include "core/base/must.h"
#include "core/wire/kerr.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    META_ID_BYTES = 16,
    META_NAME_BYTES_MAX = 249,   /* Kafka Topic.MAX_NAME_LENGTH */
    META_VALUE_BYTES_MAX = 8192, /* of one configuration value */
    META_REQUEST_PARTITIONS_MAX =
        10000, /* Kafka ReplicationControlManager.MAX_PARTITIONS_PER_BATCH */
    META_CLUSTER_BYTES_MAX = 23,
    META_TEXT_BYTES = 512,      /* of an error message, with its NUL */
    META_PRODUCER_BLOCK = 1000, /* producer ids handed out per record, Kafka ProducerIdsBlock */
    META_ENTRY_BYTES_MAX = 512 << 10, /* records of one request against one topic */
};
#define META_NONE UINT32_MAX

/* ---- Topic configuration (topic_config.def, meta_config.c) ---- */

enum meta_config_type { /* values of DescribeConfigs' ConfigType */
                        META_TYPE_BOOLEAN = 1,
                        META_TYPE_STRING = 2,
                        META_TYPE_INT = 3,
                        META_TYPE_LONG = 5,
                        META_TYPE_DOUBLE = 6,
                        META_TYPE_LIST = 7,
                        META_TYPE_PASSWORD = 9, /* keys of the broker only */
};

enum meta_config {
#define CONFIG(id, name, type, fallback, min, max, choices, synonyms, why_fixed, help)             \
    META_CONFIG_##id,
#include "control/meta/topic_config.def"
#undef CONFIG
    META_CONFIGS
};

struct meta_config_row {
    const char *name;
    enum meta_config_type type;
    const char *fallback;  /* Kafka's default, as text */
    int64_t min, max;      /* of numbers, inclusive */
    const char *choices;   /* "a|b|c", or "" */
    const char *synonyms;  /* broker keys that give the default, most specific first: "a|b" */
    const char *why_fixed; /* "" when any valid value may be set; else why only the default may */
    const char *help;
};
const struct meta_config_row *meta_config_row(enum meta_config c);
/* META_CONFIGS when there is no such key. */
enum meta_config meta_config_find(struct view name);

/* ---- The image ---- */

enum meta_state { META_LIVE = 1, META_DELETING };

struct meta_partition {
    uint32_t slot; /* row of want and have, for the partition's life */
    int32_t leader, leader_epoch;
};

struct meta_topic {
    uint32_t row; /* of the topics table, for the topic's life */
    enum meta_state state;
    uint8_t id[META_ID_BYTES];
    bool internal;
    uint8_t name_bytes;
    char name[META_NAME_BYTES_MAX + 1]; /* NUL-terminated */
    uint32_t partition_count;
    struct meta_partition *partitions;
    char *overrides[META_CONFIGS]; /* NULL: the default holds */
    uint32_t name_next, id_next;   /* rows of the same hash chain */
};

struct meta_slot {
    uint32_t topic; /* row, META_NONE: free */
    int32_t partition;
};

/* Readers use the fields; only meta_apply and meta_snapshot_decode write them. */
struct meta_image {
    uint32_t topics_max, partitions_max;
    uint32_t topic_count, partition_count; /* rows in use, topics being deleted included */
    uint32_t deleting_count;               /* of topic_count, those being deleted */
    struct meta_topic **topics;            /* by row; NULL: free */
    struct meta_slot *slots;
    uint64_t *topic_index, *slot_index; /* the last entry that changed this row */
    uint64_t *topic_dirty, *slot_dirty; /* bit sets: changed since the owner cleared the bit */
    uint32_t *name_heads, *id_heads;
    uint32_t hash_mask;
    uint32_t row_free, slot_free; /* no free one lies below */
    int64_t producer_id_next;
    char cluster_id[META_CLUSTER_BYTES_MAX + 1]; /* "" until the first CLUSTER record */
    int32_t node_id;
    struct meta_resource **resources; /* meta_resource.h */
    uint32_t resource_count;
    uint64_t quota_index;  /* the last entry that changed a quota */
    uint64_t broker_index; /* the same of a broker's setting */
    uint64_t term, index;  /* of the last entry applied */
};

void meta_image_init(struct meta_image *m, uint32_t topics_max, uint32_t partitions_max);
void meta_image_free(struct meta_image *m);

/* Live topics only; NULL when there is none. */
const struct meta_topic *meta_topic_by_name(const struct meta_image *m, struct view name);
const struct meta_topic *meta_topic_by_id(const struct meta_image *m, const uint8_t *id);
/* The live topic whose name is the same but for '.' and '_'; NULL when there is none. */
const struct meta_topic *meta_topic_colliding(const struct meta_image *m, struct view name);
/* Every live topic in order of row: start with META_NONE; META_NONE ends. */
uint32_t meta_topic_next(const struct meta_image *m, uint32_t row);

/* True when two images hold the same facts (dirty bits and indexes of rows aside). */
bool meta_image_equal(const struct meta_image *a, const struct meta_image *b);

/* Bit sets over rows or slots. */
void meta_dirty_set(uint64_t *set, uint32_t bit);
void meta_dirty_clear(uint64_t *set, uint32_t bit);
bool meta_dirty_has(const uint64_t *set, uint32_t bit);
/* The first set bit at or after `from`, or META_NONE. */
uint32_t meta_dirty_next(const uint64_t *set, uint32_t from, uint32_t limit);

/* ---- Records and entries ---- */

enum meta_kind {
    META_TOPIC = 1,          /* a topic without partitions */
    META_PARTITIONS = 2,     /* partitions [first, first + count) of a topic */
    META_CONFIG = 3,         /* one override, set or taken back */
    META_TOPIC_DELETING = 4, /* the name is free again; the logs are to go */
    META_TOPIC_GONE = 5,     /* no log is left: row and slots are free */
    META_PRODUCER_IDS = 6,   /* ids below `next` may be in use */
    META_CLUSTER = 7,        /* whose log this is */
    META_SETTING = 8,        /* one setting of what is no topic, set or taken back */
};

/* Writers of records; out->bad when there was no room. */
void meta_put_topic(struct put *out, uint32_t row, const uint8_t *id, bool internal,
                    struct view name);
void meta_put_partitions(struct put *out, uint32_t row, uint32_t first, int32_t leader,
                         const uint32_t *slots, uint32_t count);
void meta_put_config(struct put *out, uint32_t row, enum meta_config key, const char *value);
void meta_put_deleting(struct put *out, uint32_t row);
void meta_put_gone(struct put *out, uint32_t row);
void meta_put_producer_ids(struct put *out, int64_t next);
void meta_put_cluster(struct put *out, const char *cluster_id, int32_t node_id);

/* Applies one entry: its records, in order.  index is one more than m->index, term not less than
 * m->term. ERR_CORRUPT: malformed, or it contradicts the image; ERR_LIMIT: beyond topics_max or
 * partitions_max; ERR_UNSUPPORTED: a record or key that only a newer version knows.  After an error
 * the image is useless. */
must_check int meta_apply(struct meta_image *m, uint64_t term, uint64_t index, struct view records);

/* ---- Snapshots ---- */

/* Where the entries behind a snapshot stand: in which life of the journal, and behind which record.
 */
struct meta_place {
    uint64_t generation, lsn;
};

/* Bytes that meta_snapshot_encode will write at most. */
uint64_t meta_snapshot_bytes(const struct meta_image *m);
void meta_snapshot_encode(const struct meta_image *m, struct meta_place place, struct put *out);
/* Fills an image fresh from meta_image_init.  ERR_CORRUPT (also a bad checksum), ERR_LIMIT,
 * ERR_UNSUPPORTED. */
must_check int meta_snapshot_decode(struct meta_image *m, struct view bytes,
                                    struct meta_place *place);

/* ---- Plans ---- */

struct meta_error {
    int16_t code;               /* enum kerr */
    char text[META_TEXT_BYTES]; /* "": no message (null on the wire) */
};
int16_t meta_error_set(struct meta_error *e, int16_t code, const char *fmt, ...) must_printf(3, 4);

struct meta_rules {
    int32_t node_id;            /* the one broker there is */
    int32_t partitions_default; /* num.partitions */
    /* Default of a topic key, as text, when the broker's configuration gives one; else NULL. */
    const char *(*config_default)(const void *user, enum meta_config c);
    const void *user;
};

struct meta_assignment {
    int32_t partition;
    const int32_t *brokers;
    uint32_t broker_count;
};

struct meta_setting {
    struct view name;
    struct view value; /* at NULL: null */
    int8_t operation;  /* of IncrementalAlterConfigs: 0 set, 1 delete, 2 append, 3 subtract */
};

struct meta_new_topic {
    struct view name;
    int32_t partition_count;    /* -1: the default */
    int16_t replication_factor; /* -1: the default */
    const struct meta_assignment *assignments;
    uint32_t assignment_count;
    const struct meta_setting *settings;
    uint32_t setting_count;
    uint8_t id[META_ID_BYTES]; /* fresh, from the caller */
};

/* Each returns e->code: KERR_NONE and records in `out`, or an error and nothing to apply.
 * meta_plan_create: *partitions gets the number of partitions. */
int16_t meta_plan_create(const struct meta_image *m, const struct meta_rules *rules,
                         const struct meta_new_topic *t, struct put *out, uint32_t *partitions,
                         struct meta_error *e);
int16_t meta_plan_delete(const struct meta_image *m, const struct meta_topic *t, struct put *out,
                         struct meta_error *e);
/* assignments NULL: none given. */
int16_t meta_plan_partitions(const struct meta_image *m, const struct meta_rules *rules,
                             struct view name, int32_t count,
                             const struct meta_assignment *assignments, uint32_t assignment_count,
                             struct put *out, struct meta_error *e);
int16_t meta_plan_config(const struct meta_image *m, const struct meta_rules *rules,
                         struct view name, const struct meta_setting *settings, uint32_t count,
                         struct put *out, struct meta_error *e);

/* One list of replicas, given by hand: exactly this broker, once.  KERR_NONE, or
 * KERR_INVALID_REPLICA_ASSIGNMENT with Kafka's words. */
int16_t meta_assignment_check(const struct meta_assignment *a, const struct meta_rules *rules,
                              struct meta_error *e);

/* KERR_NONE, or KERR_INVALID_TOPIC_EXCEPTION with Kafka's words (Topic.validate). */
int16_t meta_name_check(struct view name, struct meta_error *e);
bool meta_name_internal(struct view name);

/* ---- Values of topic configuration ---- */

/* The value in force: override, broker's default, Kafka's default.  Borrowed from them. */
const char *meta_config_value(const struct meta_topic *t, const struct meta_rules *rules,
                              enum meta_config c);
/* Of a key of type double: in millionths. */
uint32_t meta_config_millionths(const struct meta_topic *t, const struct meta_rules *rules,
                                enum meta_config c);
/* As a number (booleans 0 or 1); only for keys whose type is one.  */
int64_t meta_config_number(const struct meta_topic *t, const struct meta_rules *rules,
                           enum meta_config c);
/* Checks a value and writes it in normal form (trimmed, lower-case booleans).  KERR_NONE, or
 * KERR_INVALID_CONFIG with Kafka's words where Kafka has the check. */
int16_t meta_config_check(const struct meta_config_row *row, struct view value,
                          char normal[META_VALUE_BYTES_MAX], struct meta_error *e);

/* The value of a key after one change (set, append or subtract) of a setting that was `before`,
 * checked and in normal form; codes as meta_config_check. */
int16_t meta_setting_value(const struct meta_config_row *row, const char *before,
                           const struct meta_setting *s, char normal[META_VALUE_BYTES_MAX],
                           struct meta_error *e);

/* Values that must agree: min.compaction.lag.ms may not exceed max.compaction.lag.ms (Kafka
 * LogConfig.validateValues). */
struct meta_lags {
    int64_t min_ms, max_ms;
};
/* What is in force; t NULL: a topic without overrides. */
struct meta_lags meta_lags_of(const struct meta_topic *t, const struct meta_rules *rules);
/* Notes a key's new value; NULL: its default again.  Other keys change nothing. */
void meta_lags_note(struct meta_lags *lags, const struct meta_rules *rules, enum meta_config key,
                    const char *value);
int16_t meta_lags_check(const struct meta_lags *lags, struct meta_error *e);

/* ---- Ids ---- */

enum { META_ID_TEXT_BYTES = 22 };
/* Turns 16 random bytes into a version 4 UUID.  False: Kafka would not use it (reserved, or its
 * text begins with '-'): draw again.  Source: Kafka Uuid.randomUuid. */
must_check bool meta_id_shape(uint8_t id[META_ID_BYTES]);
bool meta_id_is_zero(const uint8_t *id);
/* base64url without padding. */
void meta_id_text(const uint8_t *id, char text[META_ID_TEXT_BYTES + 1]);

#endif
