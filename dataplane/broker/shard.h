/* shard.h: the loop of one core.  Owns everything below it; nobody else touches it but through the
 * mesh.  One turn: control's messages, jobs of other shards, bytes of clients, disk completions,
 * timers; then one flush of every port. */
#ifndef SLUICE_BROKER_SHARD_H
#define SLUICE_BROKER_SHARD_H

#include "core/base/buddy.h"
#include "core/base/clock.h"
#include "core/conf/conf.h"
#include "core/net/stream.h"
#include "core/shm/chan.h"
#include "core/shm/counters.h"
#include "core/shm/region.h"
#include "core/store/store.h"
#include "core/wire/wire.h"
#include "dataplane/broker/conn.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/mesh.h"
#include "dataplane/broker/route.h"

#include <stdatomic.h>

enum {
    SHARD_EVENTS_MAX = 256,
    SHARD_SCRATCH_BYTES = 4 << 20, /* decode and encode arena of one request */
    SHARD_ANSWER_BYTES = 64 << 20, /* answers, forwarded copies, records for other shards */
    SHARD_ANSWER_BLOCK_MAX = 16 << 20,
};

struct shard_config {
    uint32_t shard, shard_count;
    const struct conf *conf;
    struct region *region;
    struct clock clock;
    struct stream stream;
    struct store *store;
    struct mesh_end *mesh;
};

/* What waits for durability, in order of lsn: a ring of SHARD_WAITS_MAX. */
struct shard_wait {
    uint64_t lsn;
    struct req *req; /* one of the two */
    struct job *job;
};

struct shard {
    struct shard_config config;
    struct clock clock;
    struct stream stream;
    struct store *store;
    struct mesh_end *mesh;
    struct region *region;
    struct route *route;
    struct fetch_state *fetch;
    struct counters counters;
    struct chan to_control, from_control;
    struct buddy *memory;
    struct wire_arena scratch;
    uint32_t generation;       /* of the data process in the region */
    uint32_t control_generation; /* last seen */
    uint64_t now_ns;           /* of this turn */
    int64_t now_ms;            /* wall clock of this turn */
    struct conn *conns;        /* [conn_max], index = low 32 bits of the stream id */
    uint32_t conn_max, conn_count;
    struct list conns_by_age, conns_dirty, conns_stalled;
    struct list forwards;      /* struct req by u.forward.waiting: sent or waiting to be */
    uint64_t token_next;
    struct req *reqs;          /* pool */
    struct list reqs_free;
    struct shard_wait *waits;  /* ring */
    uint32_t waits_head, waits_tail, waits_mask;
    /* From the configuration, once: */
    uint32_t request_bytes_max, in_flight_max, fetch_bytes_max;
    uint64_t idle_ns, stall_ns, forward_ns;
    int32_t node_id;
    bool spin;
    bool fenced;               /* the lease has run out: answer NOT_LEADER_OR_FOLLOWER */
    atomic_bool *stop;
};

must_check int shard_init(struct shard *s, const struct shard_config *config);
/* Runs until *stop; returns ERR_OK, or why the shard cannot go on (ERR_IO: its journal failed). */
int shard_run(struct shard *s, atomic_bool *stop);
void shard_free(struct shard *s);

/* The request (or job) is told when lsn is durable: req->pending goes down by one and, at 0, the
 * request is finished; a job goes home.  False: SHARD_WAITS_MAX are waiting. */
must_check bool shard_wait_durable(struct shard *s, uint64_t lsn, struct req *r, struct job *j);

/* Sends a job on its way: carried out at once when this shard is the owner. */
void shard_submit(struct shard *s, struct job *j);
/* The owner is finished with a job: back home (at once when home is here). */
void shard_return(struct shard *s, struct job *j);

#endif
