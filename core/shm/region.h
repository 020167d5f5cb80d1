/* region.h: the shared memory of one broker: sluice run makes it, sluice-data and sluice-control
 * map it, sluice stat reads it.
 *
 * One memfd, sealed against growing and shrinking, in parts whose offsets stand in the header:
 *
 *   header     struct region_header: identity, generations, heartbeats, lease; a line a writer
 *   conf       resolved configuration, text "key=value\n" (conf.h reads it)
 *   topics     struct table_topic[topics_max]         written by control
 *   want       struct table_want[partitions_max]      written by control
 *   have       struct table_have[partitions_max]      written by the owning shard
 *   quotas     struct quotas_table                    written by control
 *   rings      per shard two byte rings (chan.h): control to data, data to control
 *   counters   per shard and for control one block of words (counters.h, hists.h, slow.h)
 *   netviews   per shard one struct netview (netview.h): its network stack, seen from outside
 *   captures   the order of a tool, and per shard one struct capring_core (capring.h)
 *
 * I1 Offsets, never pointers.   I2 Every cache line has one writing process.   I3 abi_hash covers
 * the layout of everything here: attach refuses another.   I4 Either process may die at any
 * instruction: no lock is ever held, and a reader retries a torn row a bounded number of times. */
#ifndef SLUICE_SHM_REGION_H
#define SLUICE_SHM_REGION_H

#include "core/base/must.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REGION_LINE = 128,
    REGION_SHARDS_MAX = 64,
    REGION_CONF_BYTES = 64 << 10,
    REGION_ROWS_MAX = 1 << 20, /* topics, partitions */
    REGION_RING_BYTES_MAX = 1 << 30,
};

enum region_process { REGION_DATA, REGION_CONTROL, REGION_PROCESSES };

/* Keys of the broker that control may change while it runs and the dataplane obeys. */
enum region_setting {
    REGION_PRODUCER_EXPIRY_MS,
    REGION_TXN_VERIFY,
    REGION_MAX_CONNECTIONS,
    REGION_CONNECTIONS_PER_IP,
    REGION_CONNECTION_RATE, /* per second */
    REGION_LISTENER_CONNECTIONS,
    REGION_LISTENER_RATE,
    REGION_CLEANER_BACKOFF_MS,
    REGION_CLEANER_RATE, /* bytes per second */
    REGION_SETTINGS
};

/* What one process says of itself.  Only that process writes it. */
struct region_peer {
    _Alignas(REGION_LINE) _Atomic uint32_t generation; /* grows at each attach; 0 never attached */
    _Atomic uint32_t ready;                            /* equals generation once it serves */
    _Atomic uint64_t heartbeat_ns;                     /* CLOCK_MONOTONIC */
    _Atomic int32_t pid;
};

struct region_header {
    uint64_t magic; /* written last, release */
    uint64_t abi_hash;
    uint64_t bytes;
    uint8_t boot_id[16]; /* of this region: made anew with each supervisor */
    uint32_t shard_count, topics_max, partitions_max, ring_bytes;
    uint64_t conf_at, topics_at, want_at, have_at, quotas_at, rings_at, counters_at, netviews_at,
        captures_at;
    int32_t wake_fds[REGION_SHARDS_MAX + 1]; /* eventfds, inherited: shard i; last: control */
    struct region_peer peers[REGION_PROCESSES];
    /* control writes: */
    _Alignas(REGION_LINE) _Atomic uint64_t
        lease_until_ns;                /* CLOCK_MONOTONIC; UINT64_MAX: no limit */
    _Atomic uint32_t published;        /* control's generation once topics and want are complete */
    _Atomic uint64_t producer_id_next; /* informative */
    uint8_t cluster_id[24];  /* text, NUL-terminated; set by the supervisor, before any child */
    _Atomic int32_t node_id; /* the same */
    _Atomic int64_t features_epoch;
    /* Each a fact of its own; below 0: as in the configuration of the start. */
    _Alignas(REGION_LINE) _Atomic int64_t settings[REGION_SETTINGS];
};

struct region {
    struct region_header *header;
    int fd;
    size_t bytes;
};

struct region_shape {
    uint32_t shard_count, topics_max, partitions_max, ring_bytes;
};

/* Supervisor: makes a region of that shape, with eventfds, and writes `conf` into it.  The fd and
 * the eventfds are inheritable.  ERR_LIMIT: conf or shape beyond what a region holds; ERR_NO_SPACE.
 */
must_check int region_create(struct region *r, const struct region_shape *shape, const char *conf);

/* Child or reader: maps fd, read-only unless writable (a reader only reads, it neither joins nor
 * wakes).  ERR_CORRUPT: not a region, or not sealed; ERR_UNSUPPORTED: other abi_hash; ERR_IO,
 * ERR_DENIED: the kernel does not map it. */
must_check int region_attach(struct region *r, int fd, int writable);
/* Unmaps; the fd stays the caller's. */
void region_detach(struct region *r);
/* Supervisor: unmaps, and closes the fd and the eventfds that region_create made. */
void region_destroy(struct region *r);

/* The hash that attach compares: sizes, offsets, and the lists of messages and counters. */
uint64_t region_abi_hash(void);

/* A process announces itself: raises its generation and returns it; it is not ready then. */
uint32_t region_join(struct region *r, enum region_process who, int32_t pid);
void region_set_ready(struct region *r, enum region_process who);

const char *region_conf(const struct region *r);
struct table_topic *region_topics(const struct region *r);
struct table_want *region_want(const struct region *r);
struct table_have *region_have(const struct region *r);
struct quotas_table *region_quotas(const struct region *r);
/* The value that control has set, else `start`. */
int64_t region_setting(const struct region *r, enum region_setting key, int64_t start);
/* The two rings of a shard, as chan.h memory of header->ring_bytes each. */
void *region_ring_to_data(const struct region *r, uint32_t shard);
void *region_ring_to_control(const struct region *r, uint32_t shard);
/* Block `shard` of counter words (hists.h: HISTS_BLOCK_WORDS); shard_count is control's block. */
_Atomic uint64_t *region_counters(const struct region *r, uint32_t block);
/* SLOW_WORDS behind them. */
_Atomic uint64_t *region_slow(const struct region *r, uint32_t shard);
/* What shard `shard` shows of its network stack. */
struct netview *region_netview(const struct region *r, uint32_t shard);
struct capring_core *region_capring(const struct region *r, uint32_t shard);
struct capring_order *region_capring_order(const struct region *r);

/* Ends the sleep of a loop: writes its eventfd.  A full eventfd is a success. */
void region_wake(const struct region *r, uint32_t block);

#endif
