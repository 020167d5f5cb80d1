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
#include "dataplane/broker/cleaner.h"
#include "dataplane/broker/conn.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/holds.h"
#include "dataplane/broker/inner.h"
#include "dataplane/broker/mesh.h"
#include "dataplane/broker/route.h"
#include "dataplane/broker/timing.h"
#include "dataplane/broker/vouch.h"

#include <stdatomic.h>

enum {
    SHARD_EVENTS_MAX = 256,
    SHARD_SCRATCH_BYTES = 5 << 20, /* decode and encode arena of one request */
    SHARD_ANSWER_BYTES = 64 << 20, /* answers, forwarded copies, records for other shards */
    SHARD_ANSWER_BLOCK_MAX = 16 << 20,
    SHARD_ANSWER_BULK = 16 << 10, /* larger answers leave the last quarter to the others */
    SHARD_ANSWER_BULK_BYTES = SHARD_ANSWER_BYTES / 4 * 3,
    SHARD_REQS_SPARE = 8192, /* requests beyond one for each connection */
    SHARD_CONNS_SPARE = 64,  /* connections beyond max.connections, which wait or are refused */
    SHARD_STOP_MS = 5000,
    SHARD_TICK_MS = 100,
    SHARD_PRODUCERS_MS = 1000,         /* between two looks for idempotent producers to forget */
    SHARD_BURST = 1024,                /* jobs, reads or changes taken in one turn */
    SHARD_RETRY_MS = 10,               /* between two looks at what is short or torn */
    SHARD_CALM_MS = 10,                /* without an append: nobody waits behind what is sent */
    SHARD_SEND_CALM_BYTES = 128 << 10, /* of log memory, begun in one turn beside appends */
};

struct shard_config {
    uint32_t shard, shard_count;
    const struct conf *conf;
    struct region *region;
    struct clock clock;
    struct stream stream;
    struct store *store;
    struct mesh_end *mesh;
    struct quota_usage *quota_usage; /* shared by the shards; NULL: quotas are not obeyed */
    struct seats *seats;             /* shared by the shards */
    struct cleaner *cleaner;         /* carries out long work on files; NULL: nobody does */
    atomic_uint
        *drained; /* shards that have nothing left to answer after *stop; NULL: do not wait */
};

/* What waits for durability. */
struct shard_wait {
    uint64_t lsn;
    struct req *req; /* one of the two */
    struct job *job;
};

/* A ring in the order of lsn. */
struct shard_waits {
    struct shard_wait *ring;
    uint32_t head, tail;
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
    struct timing timing;
    struct chan to_control, from_control;
    struct inner inner; /* control's own connection */
    struct buddy *memory;
    struct wire_arena scratch;
    uint32_t generation;         /* of the data process in the region */
    uint32_t control_generation; /* last seen ready, 0: none yet */
    uint32_t published;          /* control's generation whose tables are all applied */
    bool control_bad;        /* a ring broke its format: logged, not used until control restarts */
    bool forwards_unsent;    /* some of `forwards` wait for room or for control */
    bool have_unsent;        /* a doorbell about an own partition waits for room */
    bool to_control_sent;    /* something went to control in this turn */
    uint64_t now_ns;         /* of this turn */
    int64_t now_ms;          /* wall clock of this turn */
    uint64_t route_retry_ns; /* when to read torn rows again, CLOCK_NEVER: none */
    uint64_t expire_ns, fetch_ns, forward_next_ns, store_ns, vouch_ns; /* next, of each part */
    struct conn *conns; /* [conn_slots], index = low 32 bits of the stream id */
    struct conn_pieces *pieces;
    uint32_t conn_slots, conn_count, conn_high, conn_sweep;
    struct list conns_dirty, conns_stalled, conns_muted, conns_line;
    uint64_t mute_ns; /* when the next of the muted may go on */
    uint64_t door_ns; /* when to look at conns_line */
    struct quota quota;
    struct list forwards;         /* struct req by u.forward.waiting, oldest first */
    struct list forwards_endless; /* the same, without a time limit */
    uint32_t appends_out;         /* own JOB_APPEND that are not home */
    struct list appends; /* struct job: JOB_APPEND and JOB_MARKER that wait for journal space,
                            oldest first */
    struct list trims;   /* struct job: JOB_TRIM, JOB_MOVE_LOG, the same */
    struct req *reqs;    /* pool */
    struct list reqs_free;
    uint32_t req_count;
    struct shard_waits waits[2]; /* for store_written_lsn, store_durable_lsn */
    uint32_t waits_mask;
    struct store_hold hold; /* of the moment; never zeroed */
    uint32_t holds_out;     /* of other shards, asked for and not given back */
    struct list reqs_held;  /* struct req by held: answers that have holds until the turn ends, */
    struct list reqs_stay;  /* and until the next one does */
    /* From the configuration, once: */
    uint32_t request_bytes_max, in_flight_max, fetch_bytes_max;
    uint64_t idle_ns, stall_ns, forward_ns;
    int32_t node_id;
    bool spin;
    bool stopping;         /* nothing new is parsed */
    bool is_drained;       /* counted in *drained */
    bool fenced;           /* the lease has run out: answer NOT_LEADER_OR_FOLLOWER */
    uint32_t work;         /* of this turn: 0 means that it found nothing to do */
    bool was_fenced;       /* in the turn before */
    uint64_t lease_ns;     /* when it runs out, if control does not renew it */
    uint64_t producers_ns; /* next store_expire_producers */
    struct vouch *vouch;
    bool txn_verify;                     /* transaction.partition.verification.enable */
    int64_t producer_ms;                 /* unused so long: forgotten */
    uint64_t retain_ns, retain_every_ns; /* next store_retain; pause between two rounds */
    bool clean_on;                       /* logs of this shard are compacted */
    uint64_t clean_ns, clean_every_ns;   /* next look for one; pause between two */
    uint64_t tick_ns;                    /* next heartbeat and copy of the store's counters */
    uint64_t durable_lsn;                /* as seen in the last turn */
    uint64_t append_ns;                  /* of the turn that last had an append to answer */
    uint64_t turn_bytes;                 /* of log memory, sent in this turn */
    void *memory_at, *arena_at, *scratch_at;
};

/* Whether there is memory for an answer of that size.  Peers that ask for much and read nothing can
 * so not keep the others from their small answers. */
static inline bool
shard_answer_room(const struct shard *s, uint64_t bytes)
{
    return bytes <= SHARD_ANSWER_BULK || buddy_used(s->memory) + bytes <= SHARD_ANSWER_BULK_BYTES;
}

/* Memory for answers, or what some core lends of its log, is short: who takes no byte of his
 * answers is closed sooner. */
static inline bool
shard_memory_short(const struct shard *s)
{
    return buddy_used(s->memory) > SHARD_ANSWER_BULK_BYTES / 4 * 3 || mesh_lent_short(s->mesh);
}

/* What store_* calls get as `waiter`: a connection slot or a job that waits for the read.  A job
 * that waits must stay where it is until the read is done; it is then carried out again (JOB_HOLD:
 * conn_hold, JOB_TIME: offsets_read_done, JOB_LOCATE: fetch_locate). */
static inline uint64_t
shard_waiter_conn(uint32_t index)
{
    return (uint64_t)index << 1 | 1;
}

static inline uint64_t
shard_waiter_job(const struct job *j)
{
    return (uint64_t)(uintptr_t)j;
}

/* Makes s->hold what store_release and mesh_release want to see of a pin. */
static inline void
shard_hold_of(struct shard *s, const struct mesh_pin *pin)
{
    s->hold.pin = pin->pin;
    s->hold.pin_slabs = pin->slabs;
    s->hold.span_count = s->hold.bytes = 0;
}

/* Of a setting; one that is too long is as good as never. */
static inline uint64_t
shard_ns_of_ms(int64_t ms)
{
    uint64_t v = (uint64_t)ms;
    return v > CLOCK_NEVER / 2 / CLOCK_NS_PER_MS ? CLOCK_NEVER / 2 : v * CLOCK_NS_PER_MS;
}

/* Connections that a shard has room for: its share of max.connections, a quarter of that more where
 * there are several, since the kernel and cards spread connections by chance, and the spare ones.
 */
static inline uint32_t
shard_conns(const struct conf *c, uint32_t shard_count)
{
    uint32_t total = (uint32_t)conf_number(c, CONF_MAX_CONNECTIONS);
    uint32_t share = (total + shard_count - 1) / shard_count;
    return share + (shard_count > 1 ? share / 4 : 0) + (uint32_t)SHARD_CONNS_SPARE;
}

/* Looks at the clocks and the lease: they stay so for a turn. */
void shard_turn_begin(struct shard *s);
/* Takes all memory of a shard.  ERR_FULL: not enough. */
must_check int shard_init(struct shard *s, const struct shard_config *config);
/* Turns until control's tables are applied once, before the shard listens: so that no client is
 * told that its topic is unknown.  ERR_AGAIN: not within timeout_ns (the shard may listen all the
 * same). */
must_check int shard_await_control(struct shard *s, uint64_t timeout_ns, atomic_bool *stop);
/* Runs until *stop; returns ERR_OK, or why the shard cannot go on (ERR_IO: its journal failed).
 * After *stop it goes on until what was appended is durable and answered, at most SHARD_STOP_MS. */
int shard_run(struct shard *s, atomic_bool *stop);
/* One turn without the sleep at its end; *deadline_ns: how long it may sleep (0: not at all). */
must_check int shard_turn(struct shard *s, uint64_t *deadline_ns);
void shard_free(struct shard *s);

/* The request (or job) is told when lsn is durable, as store_written_lsn says, or with `held`
 * store_durable_lsn: req->pending goes down by one and, at 0, the request is finished; a job goes
 * home.  False: the ring is full (it has a place for each request
 * of this shard and each job of any shard, so that means a second wait for the same one). */
must_check bool shard_wait_durable(struct shard *s, uint64_t lsn, bool held, struct req *r,
                                   struct job *j);

/* Sends a job on its way: carried out at once when this shard is the owner. */
void shard_submit(struct shard *s, struct job *j);
/* Asks for a parked JOB_WATCH or JOB_LOCATE back (fetch_unwatch at its owner, at once when that is
 * this shard); it comes back in any case, maybe with a result. */
void shard_cancel(struct shard *s, struct job *j);
/* The owner is finished with a job: back home (at once when home is here). */
void shard_return(struct shard *s, struct job *j);

#endif
