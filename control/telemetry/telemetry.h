/* telemetry.h: what clients measure and push to us (KIP-714): a pure machine in memory.
 *
 * Subscriptions say which clients push what, and how often; a client asks for its own, then pushes
 * OTLP metrics.  The newest value of each series is kept here, for the metrics endpoint, until the
 * client has been silent for max(TELEMETRY_EXPIRY_MS, 3 intervals).  Nothing is stored: after a
 * restart clients push on, since a subscription's id follows from what it asks for.
 *
 * Owned by control's loop.  Everything is bounded by the limits below; over them series are dropped
 * and counted, and the client that was silent longest is forgotten.  Rules and errors: Kafka 4.3
 * ClientMetricsManager and ClientMetricsInstance; payload: opentelemetry.proto.metrics.v1
 * MetricsData, gauges and sums. */
#ifndef SLUICE_TELEMETRY_TELEMETRY_H
#define SLUICE_TELEMETRY_TELEMETRY_H

#include "core/base/bytes.h"
#include "core/base/must.h"
#include "core/base/regex.h"

enum {
    TELEMETRY_ID_BYTES = 16,
    TELEMETRY_ADDRESS_BYTES = 48, /* of an address as text, with its NUL */
    TELEMETRY_CLIENTS_MAX = 16384,
    TELEMETRY_EXPIRY_MS = 60000,
    TELEMETRY_INTERVAL_MS = 300000, /* between two pushes where no subscription says */
    TELEMETRY_INFLATED_MAX = 8 << 20,
    TELEMETRY_SERIES_MAX = 2048,        /* of one client */
    TELEMETRY_SERIES_BYTES_MAX = 2048,  /* of a series' name and labels */
    TELEMETRY_LABEL_BYTES_MAX = 2048,   /* of the labels that a client has for all its series */
    TELEMETRY_MEMORY_MAX = 128 << 20,   /* of all clients and their series */
    TELEMETRY_PATTERN_BYTES_MAX = 256,  /* of one pattern of a subscription's match */
    TELEMETRY_SUBJECT_BYTES_MAX = 1024, /* an attribute longer than that matches nothing */
};

struct telemetry;

struct telemetry_config {
    const struct regex_port *regex; /* NULL: a subscription with a pattern matches nobody */
    uint32_t bytes_max;             /* of a push as it comes, telemetry.max.bytes */
    void (*random)(void *user, void *at, size_t bytes); /* for ids */
    void *user;
};

/* NULL without memory. */
struct telemetry *telemetry_new(const struct telemetry_config *config);
void telemetry_free(struct telemetry *t);

/* ---- Subscriptions: the whole list anew, between begin and end ---- */

struct telemetry_subscription {
    struct view metrics; /* prefixes of names, comma-separated; "*": all */
    int32_t interval_ms;
    struct view match; /* "key=pattern,...", all of which must match; empty: everyone */
};

/* True when `match` can be subscribed with: known keys, each with a pattern that compiles.  On
 * false *at is the first pair that is wrong. */
bool telemetry_match_valid(const struct regex_port *regex, struct view match, struct view *at);

void telemetry_subscribe_begin(struct telemetry *t);
void telemetry_subscribe(struct telemetry *t, const struct telemetry_subscription *s);
/* Clients learn of it with their next push or question. */
void telemetry_subscribe_end(struct telemetry *t);

/* ---- Requests.  Each returns a Kafka error code ---- */

/* Who asks.  Names at NULL: not known. */
struct telemetry_peer {
    struct view client_id, software_name, software_version;
    char address[TELEMETRY_ADDRESS_BYTES];
    uint16_t port;
};

struct telemetry_grant {
    uint8_t id[TELEMETRY_ID_BYTES];
    int32_t subscription_id, interval_ms;
    const struct view *metrics; /* sorted, lent until the next call */
    uint32_t metric_count;
};

/* A client asks what to push; the zero id: it has none yet.  KERR_THROTTLING_QUOTA_EXCEEDED: before
 * its interval is over. */
int16_t telemetry_get(struct telemetry *t, int64_t now_ms, const uint8_t id[TELEMETRY_ID_BYTES],
                      const struct telemetry_peer *peer, struct telemetry_grant *out);

struct telemetry_push {
    uint8_t id[TELEMETRY_ID_BYTES];
    int32_t subscription_id;
    bool terminating;
    int8_t codec;        /* of record batches: 0 none .. 4 zstd */
    struct view metrics; /* packed */
};
/* KERR_INVALID_REQUEST: no id, or after a terminating push.  KERR_THROTTLING_QUOTA_EXCEEDED.
 * KERR_UNKNOWN_SUBSCRIPTION_ID: ask anew.  KERR_UNSUPPORTED_COMPRESSION_TYPE.
 * KERR_TELEMETRY_TOO_LARGE: over bytes_max.  KERR_INVALID_RECORD: not MetricsData, or over
 * TELEMETRY_INFLATED_MAX. */
int16_t telemetry_push(struct telemetry *t, int64_t now_ms, const struct telemetry_peer *peer,
                       const struct telemetry_push *push);

/* Forgets clients that have been silent.  The requests do so too; this is for the others. */
void telemetry_expire(struct telemetry *t, int64_t now_ms);

/* ---- What arrived, for the metrics endpoint ---- */

/* Labels: pairs "key NUL value NUL", sorted by key; both are UTF-8 without NUL. */
struct telemetry_client {
    uint8_t id[TELEMETRY_ID_BYTES];
    const char *client_id, *software_name, *software_version; /* "" where not known */
    const char *address;
    struct view
        labels;        /* of all its series: OTLP resource attributes (client_rack, group_id, ..) */
    int64_t pushed_ms; /* last push */
};

struct telemetry_value {
    struct view name; /* as sent: "org.apache.kafka.producer.request.latency.avg" */
    struct view labels;
    bool counter; /* a monotonic sum since we first saw it: deltas are added up */
    double value; /* finite */
};

struct telemetry_stats {
    uint64_t clients, series, bytes;
    uint64_t pushes, unknown_subscriptions, throttled, too_large, malformed;
    uint64_t series_dropped;  /* over a limit, or of a kind that is not kept (histograms) */
    uint64_t clients_dropped; /* forgotten for want of room */
};
struct telemetry_stats telemetry_stats(const struct telemetry *t);

/* All is lent for the call.  False ends the walk. */
typedef bool telemetry_value_fn(void *user, const struct telemetry_client *client,
                                const struct telemetry_value *value);
/* Calls `each` for every value, client by client.  Gauges are those of a client's last push. */
void telemetry_each(const struct telemetry *t, telemetry_value_fn *each, void *user);
/* The same in pieces, for a walk over several turns: the clients of one bucket, of which a client
 * stays in its own.  Returns how many buckets there are, 0 when `each` ended it. */
uint32_t telemetry_bucket(const struct telemetry *t, uint32_t bucket, telemetry_value_fn *each,
                          void *user);

/* Takes the first pair off `labels`; false at the end. */
bool telemetry_label_next(struct view *labels, struct view *key, struct view *value);

#endif
