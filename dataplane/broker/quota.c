/* quota.c: see quota.h.
 *
 * I1 A cell is written by its shard alone; others may read a cell that is just being reused and see
 * too little of it for one look.  I2 The place of a client id is the same for all shards: it is
 * claimed with one compare-and-swap on its key, and given to another key in the same way. */
#include "dataplane/broker/quota.h"

#include "core/base/clock.h"
#include "core/base/err.h"

#include <stdatomic.h>

/* Places that have one owner each; behind them those of client ids, then those of addresses. */
enum {
    SENSOR_CLIENTS,   /* that found no place of their own */
    SENSOR_ADDRESSES, /* the same */
    SENSOR_USER,
    SENSOR_TOTALS,
    SENSOR_CLIENT_FIRST = SENSOR_TOTALS + QUOTA_LISTENER + 1,
    SENSOR_ADDRESS_FIRST = SENSOR_CLIENT_FIRST + QUOTA_CLIENTS_MAX,
    SENSORS = SENSOR_ADDRESS_FIRST + QUOTA_ADDRESSES_MAX
};

struct cell {
    _Atomic uint64_t second, amount;
};

struct quota_usage {
    uint32_t shard_count;
    _Atomic uint64_t keys[SENSORS]; /* 0: free */
    _Atomic uint64_t used_s[SENSORS];
    struct cell cells[][SENSORS][QUOTAS_COUNTED][QUOTA_CELLS]; /* by shard */
};

size_t
quota_footprint(uint32_t shard_count)
{
    const struct quota_usage *u = NULL;
    return sizeof *u + shard_count * sizeof u->cells[0];
}

struct quota_usage *
quota_init(void *memory, uint32_t shard_count)
{
    struct quota_usage *u = memory;
    u->shard_count = shard_count;
    return u;
}

/* ---- bounds ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t
name_hash(struct view name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < name.len; i++)
        h = (h ^ name.at[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static void
kinds_note(struct quota *q, const double bounds[QUOTAS_KINDS])
{
    for (uint32_t k = 0; k < QUOTAS_KINDS; k++) {
        q->kinds[k] = q->kinds[k] || bounds[k] > 0;
        q->on = q->on || bounds[k] > 0;
    }
}

void
quota_refresh(struct quota *q, const struct quotas_table *table)
{
    if (quotas_version(table) == q->version || !q->usage ||
        quotas_read(table, &q->fact, &q->version) != ERR_OK)
        return;
    q->on = false;
    memset(q->kinds, 0, sizeof q->kinds);
    memset(q->index, 0, sizeof q->index);
    for (uint32_t d = 0; d < QUOTAS_DEFAULTS; d++)
        kinds_note(q, q->fact.defaults[d]);
    for (uint32_t i = 0; i < q->fact.count; i++) {
        const struct quotas_row *r = &q->fact.rows[i];
        uint32_t at = (uint32_t)(name_hash(view_of(r->name, r->name_bytes)) % QUOTA_INDEX);
        while (q->index[at])
            at = (at + 1) % QUOTA_INDEX;
        q->index[at] = (uint16_t)(i + 1);
        for (uint32_t n = 0; n < QUOTAS_NAMED; n++)
            kinds_note(q, r->bounds[n]);
    }
}

static const struct quotas_row *
row_find(const struct quota *q, struct view name, uint64_t hash)
{
    for (uint32_t at = (uint32_t)(hash % QUOTA_INDEX); q->index[at]; at = (at + 1) % QUOTA_INDEX) {
        const struct quotas_row *r = &q->fact.rows[q->index[at] - 1];
        if (view_equal(name, view_of(r->name, r->name_bytes)))
            return r;
    }
    return NULL;
}

/* In the order of Kafka's levels; *whole: the bound is the user's, whatever his client ids. */
static double
bound_find(const struct quota *q, enum quotas_kind kind, const struct quotas_row *row, bool *whole)
{
    static const struct level {
        bool named, user;
        uint8_t at;
    } levels[] = {
        {true, false, QUOTAS_USER_CLIENT},
        {false, false, QUOTAS_USER_ANY_CLIENT},
        {false, true, QUOTAS_USER},
        {true, false, QUOTAS_ANY_USER_CLIENT},
        {false, false, QUOTAS_ANY_USER_ANY_CLIENT},
        {false, true, QUOTAS_ANY_USER},
        {true, false, QUOTAS_CLIENT},
        {false, false, QUOTAS_ANY_CLIENT},
    };
    for (uint32_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const struct level *l = &levels[i];
        if (l->named && !row)
            continue;
        double bound = l->named ? row->bounds[l->at][kind] : q->fact.defaults[l->at][kind];
        *whole = l->user;
        if (bound > 0)
            return bound;
    }
    return 0;
}

/* ---- places ---- */

/* One of the `count` places from `first` on; SENSORS: none is free. */
static uint32_t
sensor_take(struct quota_usage *u, uint64_t hash, uint64_t now_s, uint32_t first, uint32_t count)
{
    uint64_t key = hash ? hash : 1;
    for (uint32_t i = 0; i < QUOTA_PROBES; i++) {
        uint32_t at = first + (uint32_t)((key + i) % count);
        uint64_t is = atomic_load_explicit(&u->keys[at], memory_order_relaxed);
        uint64_t used = atomic_load_explicit(&u->used_s[at], memory_order_relaxed);
        bool free = is == 0 || used + QUOTA_IDLE_S < now_s;
        if (is == key ||
            (free && atomic_compare_exchange_strong_explicit(
                         &u->keys[at], &is, key, memory_order_relaxed, memory_order_relaxed)) ||
            is == key)
            return at;
    }
    return SENSORS;
}

struct quota_claim
quota_claim(struct quota *q, enum quotas_kind kind, struct view client_id, uint64_t now_ns)
{
    struct quota_claim c = {0};
    if (!q->kinds[kind])
        return c;
    uint64_t hash = name_hash(client_id), now_s = now_ns / CLOCK_NS_PER_S;
    bool whole;
    c.bound = bound_find(q, kind, row_find(q, client_id, hash), &whole);
    if (c.bound > 0) {
        c.sensor = whole
                       ? (uint32_t)SENSOR_USER
                       : sensor_take(q->usage, hash, now_s, SENSOR_CLIENT_FIRST, QUOTA_CLIENTS_MAX);
        if (c.sensor == SENSORS)
            c.sensor = SENSOR_CLIENTS;
        atomic_store_explicit(&q->usage->used_s[c.sensor], now_s, memory_order_relaxed);
    }
    return c;
}

const struct quotas_address *
quota_address(const struct quota *q, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < q->fact.address_count; i++)
        if (memcmp(q->fact.addresses[i].ip, ip, sizeof q->fact.addresses[i].ip) == 0)
            return &q->fact.addresses[i];
    return NULL;
}

struct quota_claim
quota_claim_address(struct quota *q, const uint8_t ip[16], uint64_t hash, uint64_t now_ns)
{
    struct quota_claim c = {0};
    uint64_t now_s = now_ns / CLOCK_NS_PER_S;
    const struct quotas_address *row = quota_address(q, ip);
    c.bound = row && row->creation_rate ? row->creation_rate : q->fact.creation_rate;
    if (c.bound > 0) {
        c.sensor = sensor_take(q->usage, hash, now_s, SENSOR_ADDRESS_FIRST, QUOTA_ADDRESSES_MAX);
        if (c.sensor == SENSORS)
            c.sensor = SENSOR_ADDRESSES;
        atomic_store_explicit(&q->usage->used_s[c.sensor], now_s, memory_order_relaxed);
    }
    return c;
}

struct quota_claim
quota_claim_total(enum quota_total which, int64_t per_second)
{
    struct quota_claim c = {.sensor = (uint32_t)SENSOR_TOTALS + (uint32_t)which};
    if (per_second < INT32_MAX)
        c.bound = per_second > 0 ? (double)per_second : 1e-9; /* as Kafka: one a window */
    return c;
}

/* ---- amounts ---- */

static struct cell *
cell_of(const struct quota *q, enum quotas_kind kind, const struct quota_claim *c, uint64_t now_s)
{
    return &q->usage->cells[q->shard][c->sensor][kind][now_s % QUOTA_CELLS];
}

static void
count(const struct quota *q, enum quotas_kind kind, const struct quota_claim *c, uint64_t amount,
      uint64_t now_ns)
{
    uint64_t now_s = now_ns / CLOCK_NS_PER_S;
    struct cell *cell = cell_of(q, kind, c, now_s);
    uint64_t had = atomic_load_explicit(&cell->amount, memory_order_relaxed);
    if (atomic_load_explicit(&cell->second, memory_order_relaxed) != now_s) {
        had = 0;
        atomic_store_explicit(&cell->amount, 0, memory_order_relaxed);
        atomic_store_explicit(&cell->second, now_s, memory_order_release); /* I1 */
    }
    atomic_store_explicit(&cell->amount, had + amount, memory_order_relaxed);
}

/* Everybody's amount in the windows that still count; *oldest_s: when the first of them began. */
static uint64_t
total(const struct quota *q, enum quotas_kind kind, const struct quota_claim *c, uint64_t now_s,
      uint64_t *oldest_s)
{
    uint64_t sum = 0;
    *oldest_s = now_s;
    for (uint32_t s = 0; s < q->usage->shard_count; s++)
        for (uint32_t i = 0; i < QUOTA_CELLS; i++) {
            const struct cell *cell = &q->usage->cells[s][c->sensor][kind][i];
            uint64_t second = atomic_load_explicit(&cell->second, memory_order_acquire);
            uint64_t amount = atomic_load_explicit(&cell->amount, memory_order_relaxed);
            if (amount == 0 || second > now_s || second + QUOTA_WINDOWS <= now_s)
                continue;
            sum += amount;
            *oldest_s = second < *oldest_s ? second : *oldest_s;
        }
    return sum;
}

uint32_t
quota_owed(const struct quota *q, enum quotas_kind kind, const struct quota_claim *c,
           uint64_t now_ns)
{
    if (!(c->bound > 0))
        return 0;
    uint64_t oldest_s;
    double amount = (double)total(q, kind, c, now_ns / CLOCK_NS_PER_S, &oldest_s);
    double elapsed_s = (double)(now_ns - oldest_s * CLOCK_NS_PER_S) / (double)CLOCK_NS_PER_S;
    uint32_t full = (uint32_t)elapsed_s;
    if (full < QUOTA_WINDOWS - 1)
        elapsed_s += (double)(QUOTA_WINDOWS - 1 - full);
    if (amount <= c->bound * elapsed_s)
        return 0;
    double ms = (amount / c->bound - elapsed_s) * 1000 + 0.5;
    if (kind >= QUOTAS_REQUEST && ms > QUOTA_THROTTLE_MAX_MS)
        return QUOTA_THROTTLE_MAX_MS;
    return ms > INT32_MAX ? (uint32_t)INT32_MAX : (uint32_t)ms;
}

uint32_t
quota_charge(struct quota *q, enum quotas_kind kind, const struct quota_claim *c, uint64_t amount,
             uint64_t now_ns)
{
    if (!(c->bound > 0))
        return 0;
    count(q, kind, c, amount, now_ns);
    return quota_owed(q, kind, c, now_ns);
}

void
quota_return(struct quota *q, enum quotas_kind kind, const struct quota_claim *c, uint64_t amount,
             uint64_t now_ns)
{
    if (!(c->bound > 0))
        return;
    struct cell *cell = cell_of(q, kind, c, now_ns / CLOCK_NS_PER_S);
    uint64_t had = atomic_load_explicit(&cell->amount, memory_order_relaxed);
    must(had >= amount);
    atomic_store_explicit(&cell->amount, had - amount, memory_order_relaxed);
}

uint64_t
quota_most(const struct quota_claim *c)
{
    double most = c->bound * (QUOTA_WINDOWS - 1);
    return c->bound > 0 && most < (double)INT32_MAX ? (uint64_t)most : INT32_MAX;
}
