/* mesh.h: jobs that travel between shards.
 *
 * A partition belongs to one shard; a request that arrives elsewhere makes a job, which goes to the
 * owner and comes back to its home shard with the result.  Ownership travels with it: whoever has
 * the job may touch it and what it points to.  A ring for each ordered pair of shards holds JOB_MAX
 * pointers, and a home shard has at most JOB_MAX jobs, so a send never fails.
 * A job may lend bytes that home has only received (struct stream, keep): the owner reads them and
 * nothing else, home leaves them as they are until it has them back, by mesh_give_back or with the
 * job.  Both ways the ring's release and acquire order that with the words that tell it.
 * One writer a ring, one reader; the writer wakes a sleeping reader once a turn (mesh_flush). */
#ifndef SLUICE_BROKER_MESH_H
#define SLUICE_BROKER_MESH_H

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/must.h"
#include "core/store/store.h"

#include <stdatomic.h>

enum { JOB_MAX = 8192 };

enum job_kind {
    JOB_APPEND,    /* produce one batch; back when durable (or at once for acks=0) */
    JOB_LOCATE,    /* offsets and a range for one fetch partition, and its front, if in memory */
    JOB_WATCH,     /* the same, parked at the owner until the partition changes, or cancelled */
    JOB_HOLD,      /* map the front of a range; back when it is in memory */
    JOB_TIME,      /* ListOffsets for one partition */
    JOB_TRIM,      /* DeleteRecords for one partition; back when durable */
    JOB_LOGDIR,    /* DescribeLogDirs for one partition */
    JOB_MOVE_LOG,  /* AlterReplicaLogDirs for one partition */
    JOB_EPOCH,     /* OffsetForLeaderEpoch for one partition */
    JOB_MARKER,    /* end a transaction in one partition; back when that is durable */
    JOB_PRODUCERS, /* what one log knows of its producers */
    JOB_KINDS
};

/* Of a file more is held in advance the surer it is that it goes out at once. */
enum job_lend {
    LEND_CACHED, /* of the tail cache only */
    LEND_READY,  /* and of files what is in a read buffer when the job comes */
    LEND_READ,   /* and what a file was read for it */
};

struct req;

/* What a partition is asked by asks.h, and what it says. */
struct job_ask {
    int64_t offset;       /* JOB_TRIM: the new log start, -1 the high watermark */
    int32_t leader_epoch; /* JOB_EPOCH: the one that leads as the client sees it, -1 not told */
    int32_t epoch;        /* JOB_EPOCH: the one to be found */
    int32_t found_epoch;
    int64_t found; /* log start; end of found_epoch; JOB_LOGDIR: bytes */
    /* JOB_LOGDIR: the data directory of a partition, and the one where it moves to, 255: it does
     * not; with the bytes that are there, and how many offsets are not.  JOB_MOVE_LOG: dir alone,
     * where it is to move to. */
    uint8_t dir, dir_to;
    int64_t moved, missing;
};

struct job {
    struct list link; /* in the list of whoever has it */
    uint8_t kind;
    uint8_t returning; /* on its way home */
    uint8_t cancelled; /* home wants it back (mesh_cancel); set where the owner takes the wish */
    _Atomic uint16_t
        at; /* owner + 1 while the owner has it; only mesh.c, and only the owner writes */
    uint16_t home, owner;
    uint32_t topic; /* route row */
    int32_t partition;
    uint8_t topic_id[16];
    struct req *req; /* home's; the owner does not look inside */
    uint32_t part;   /* which part of the request; home's */
    int16_t error;   /* Kafka error code, result */
    union {
        struct {
            /* One batch in home's memory, which batch_check accepted, unless it is `unchecked`:
             * then info has what its header says, and the owner's verdict.  Lent: it lies where it
             * was received, maybe in pieces (records.at is NULL then). */
            struct view records;
            const struct view *pieces;
            uint32_t piece_count;
            bool lent, unchecked;
            bool given_back; /* the owner's: mesh_give_back told so */
            int64_t now_ms;  /* unchecked: by which its times are judged */
            const char *why; /* the owner's: static text of a refusal, NULL: none */
            struct batch_info info;
            struct view transactional_id; /* behind the records; at NULL: null */
            uint64_t guard;               /* vouch.h: the question that was answered for it */
            int16_t acks, version;        /* of Produce */
            bool trusted;                 /* a coordinator's own batch */
            int64_t base_offset, log_append_time_ms, log_start_offset;
        } append;
        struct {
            int64_t offset;
            int32_t leader_epoch, fetched_epoch, max_bytes; /* epochs: -1 not told */
            bool at_least_one, read_committed;
            /* The batch before `offset` is not of fetched_epoch here: where its log parts from
             * ours, the range is empty.  Else epoch -1. */
            struct plog_epoch_end diverging;
            int64_t high_watermark, last_stable_offset, log_start_offset;
            struct store_range range;
            /* read_committed: the aborted transactions of the range.  More than there is room for:
             * the range is empty, ask again with more. */
            struct stable_aborted *aborted; /* home's memory */
            uint32_t aborted_room, aborted_count;
            uint64_t
                give_up_ns; /* owner's: waits no longer for a file to be read; 0: did not yet */
            int64_t seen;   /* JOB_WATCH: not parked unless the high watermark still is this */
            bool park;      /* JOB_LOCATE: parked, too, while there is nothing to tell */
            bool parked;    /* the owner's: it is */
            uint8_t lend;   /* enum job_lend: what `hold` may have */
            bool told;      /* JOB_WATCH: what is above is of when it left its owner */
            bool held;      /* `hold` has the front of the range; given back as of JOB_HOLD */
            struct store_hold *hold; /* home's memory for it; NULL: none is wanted */
        } locate;
        struct {
            struct store_range range;
            struct store_hold *hold; /* filled by the owner; given back by mesh_release */
            int result;              /* ERR_OK, ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT */
        } hold;
        struct store_marker marker;
        struct {
            struct plog_producer *out; /* home's memory */
            uint32_t room, count;      /* count: there are so many, all told or not */
        } producers;
        struct {
            int64_t timestamp; /* as in the request */
            int32_t leader_epoch;
            bool read_committed;
            int64_t offset, found_ms;
            int32_t found_epoch;
        } time;
        struct job_ask ask;
    } u;
};

struct mesh;     /* of the process */
struct mesh_end; /* of one shard */

/* Before the loops start.  wakers[i] ends the sleep of shard i. */
must_check int mesh_create(uint32_t shard_count, struct mesh **out);
void mesh_free(struct mesh *m);
struct mesh_end *mesh_join(struct mesh *m, uint32_t shard, const struct clock *wakers);
/* Jobs that this shard has not got back. */
uint32_t mesh_jobs_out(const struct mesh_end *e);

/* Messages to other shards so far: jobs both ways, cancellations, releases, loans given back. */
uint64_t mesh_sent(const struct mesh_end *e);

/* A free job of this shard, NULL when JOB_MAX are out (the caller tries again next turn). */
struct job *mesh_job(struct mesh_end *e);
/* Home gives a job it got back (or never sent) to its pool. */
void mesh_done(struct mesh_end *e, struct job *j);
/* To its owner, or back home when j->returning. */
void mesh_send(struct mesh_end *e, struct job *j);
/* Home asks a parked job back that is out at another shard; it comes back in any case, maybe with a
 * result. At most once for each time it was sent.  The wish is dropped when the owner does not have
 * it any more (the rings keep order, so a later use of the same job is never meant). */
void mesh_cancel(struct mesh_end *e, struct job *j);
/* The owner has read what a job lends: home may have it again, though the job stays out.  At most
 * once for each time it was sent.  Wakes nobody: home looks when it is awake, or with the job. */
void mesh_give_back(struct mesh_end *e, struct job *j);
/* What this shard lends is short, or not any more; whether any shard says so. */
void mesh_lent_short_say(struct mesh_end *e, bool is_short);
bool mesh_lent_short(const struct mesh_end *e);

/* Gives a hold of another shard's memory back to it; `hold` may be reused at once.  At most JOB_MAX
 * holds may be out (asked for and not released).  Wakes nobody for memory of the tail cache: a
 * shard that needs it is awake, or looks again within SHARD_RETRY_MS; for a read buffer, who went
 * to sleep with reads that wait for one. */
void mesh_release(struct mesh_end *e, uint32_t owner, struct store_hold *hold);

/* What the store wants to see of a hold that is given back. */
struct mesh_pin {
    void *pin;
    uint64_t slabs; /* store_hold.pin_slabs */
};

/* What arrived: a job (to carry out, or back home), a cancellation, a pin to release, or what a job
 * of this shard has lent: the owner has that job still, so it is read only. */
enum mesh_kind { MESH_NOTHING, MESH_JOB, MESH_CANCEL, MESH_RELEASE, MESH_LENT };
enum mesh_kind mesh_take(struct mesh_end *e, struct job **job, struct mesh_pin *pin);
/* Publishes what was sent since the last call, and wakes the shards that it is for. */
void mesh_flush(struct mesh_end *e);
/* Around a sleep: mesh_sleep tells the writers to wake us, also for read buffers if reads of ours
 * wait for one; true when something came meanwhile. */
bool mesh_sleep(struct mesh_end *e, bool reads_wait);
void mesh_awake(struct mesh_end *e);

#endif
