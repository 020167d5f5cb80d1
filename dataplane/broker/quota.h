/* quota.h: quotas obeyed: how much each client id has produced, fetched and cost, how many
 * connections each address has opened, and for how long it is to be left alone.  Pure: no clock, no
 * allocation.
 *
 * What is counted is shared by the shards of the process, since a client has connections to
 * several: each shard has cells of its own that only it writes, and adds up those of all when it
 * decides. Amounts are sampled in windows of a second; a rate is taken over the last 11, and over
 * 10 seconds at least.  Source: Kafka 4.3 ClientQuotaManager, QuotaUtils, SampledStat, Rate.
 *
 * Bounds: QUOTA_CLIENTS_MAX client ids and QUOTA_ADDRESSES_MAX addresses at a time; one unused for
 * QUOTA_IDLE_S gives its place away.  While all are in use, further ones share one place, and so
 * one allowance. */
#ifndef SLUICE_BROKER_QUOTA_H
#define SLUICE_BROKER_QUOTA_H

#include "core/base/bytes.h"
#include "core/base/must.h"
#include "core/shm/quotas.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    QUOTA_WINDOWS = 11,
    QUOTA_CELLS = 12, /* windows in use, and the one that is being reused */
    QUOTA_CLIENTS_MAX = 1024,
    QUOTA_ADDRESSES_MAX = 1024,
    QUOTA_PROBES = 16,
    QUOTA_IDLE_S = 60,
    QUOTA_THROTTLE_MAX_MS = 1000, /* of requests and connections.  Kafka: a window */
    QUOTA_INDEX = 2 * QUOTAS_ROWS_MAX,
};

struct quota_usage;

/* Zeroed memory for the shards of a process. */
size_t quota_footprint(uint32_t shard_count);
struct quota_usage *quota_init(void *memory, uint32_t shard_count);

/* One shard's view of the bounds. */
struct quota {
    struct quota_usage *usage; /* NULL: nothing is bounded */
    uint32_t shard, version;
    bool kinds[QUOTAS_KINDS]; /* somebody has a bound of that kind */
    bool on;                  /* any of them */
    struct quotas_fact fact;
    uint16_t index[QUOTA_INDEX]; /* of rows + 1, by hash of the name */
};

/* Takes over what control says now, when it is new. */
void quota_refresh(struct quota *q, const struct quotas_table *table);

/* What one request counts for: where, and its bound. */
struct quota_claim {
    double bound; /* 0: none */
    uint32_t sensor;
};
struct quota_claim quota_claim(struct quota *q, enum quotas_kind kind, struct view client_id,
                               uint64_t now_ns);
/* QUOTAS_CONNECTION of one address, whose hash (any, but always the same) is given. */
struct quota_claim quota_claim_address(struct quota *q, const uint8_t ip[16], uint64_t hash,
                                       uint64_t now_ns);
/* QUOTAS_CONNECTION of the whole broker, and of its listeners: so many a second. */
enum quota_total { QUOTA_BROKER, QUOTA_LISTENER };
struct quota_claim quota_claim_total(enum quota_total which, int64_t per_second);
/* The row of an address; NULL: nothing is said of it. */
const struct quotas_address *quota_address(const struct quota *q, const uint8_t ip[16]);
/* Counts an amount.  Returns for how many ms the client is to be left alone, 0: it is within its
 * bound. */
uint32_t quota_charge(struct quota *q, enum quotas_kind kind, const struct quota_claim *c,
                      uint64_t amount, uint64_t now_ns);
/* The same without counting anything. */
uint32_t quota_owed(const struct quota *q, enum quotas_kind kind, const struct quota_claim *c,
                    uint64_t now_ns);
/* Takes back what was counted at the same now_ns. */
void quota_return(struct quota *q, enum quotas_kind kind, const struct quota_claim *c,
                  uint64_t amount, uint64_t now_ns);
/* The most that one answer may have: what the bound lets through in ten seconds. */
uint64_t quota_most(const struct quota_claim *c);

#endif
