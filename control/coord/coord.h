/* coord.h: what the coordinator machines (control/group, control/txn) share: how a step of one
 * takes its time and gives its results.  Machines are pure; the runtime (control/server) keeps one
 * of each kind for every partition of the internal topic that this node leads, and stands behind
 * struct coord_ops.
 *
 * A machine's state is what a replay of its partition's records gives, and nothing of it changes
 * but by replay: a step that wants a change puts out a record and replays it itself, at once.  What
 * is not in records (timers, members that are joining) is begun anew when a partition is loaded.
 *
 * The runtime appends the records of one step as one batch, but for boundaries, and holds every
 * reply back until all records put out before it are below the high watermark.  When an append
 * fails it throws the machine away, answers what waits with an error that clients retry, and loads
 * the partition anew: there is no rollback.  Source: Kafka CoordinatorRuntime, CoordinatorShard;
 * KIP-848. */
#ifndef SLUICE_COORD_COORD_H
#define SLUICE_COORD_COORD_H

#include "core/base/bytes.h"
#include "core/wire/wire.h"

enum { COORD_CLIENT_BYTES = 256 };

/* Where a record stands in its log. */
struct coord_place {
    int64_t offset, timestamp_ms;
    int64_t producer_id; /* -1; else the record is part of a transaction that is not decided yet */
    int16_t producer_epoch;
};

struct coord_ops {
    /* A record of this step; bytes are copied.  value.at NULL: a tombstone.  `place` is filled in
     * for the replay; its producer id and epoch are given: -1, or those of the transaction that the
     * record becomes part of. */
    void (*record)(void *user, struct view key, struct view value, struct coord_place *place);
    /* Answers a request with its generated response struct, which is encoded at once.  Once for
     * each token, in this step or in a later one. */
    void (*reply)(void *user, uint64_t token, const void *response);
    void (*random)(void *user, void *at, size_t bytes);
    /* What the step put out so far stands on its own: a crash may keep it and lose what follows.  A
     * step whose records may be many says so between them.  NULL: all are in one batch anyway. */
    void (*boundary)(void *user);
};

/* One step: the time, memory for responses that is gone after it, and where results go. */
struct coord_step {
    int64_t now_ms; /* wall clock, never behind that of the step before */
    struct wire_arena *arena;
    const struct coord_ops *ops;
    void *user;
};

/* One request of a client. */
struct coord_request {
    uint64_t token;
    const struct wire_api *api;
    int16_t version;
    const void *body;                     /* the generated request struct; lent for the step */
    struct view client_id;                /* at NULL: null */
    char client_host[COORD_CLIENT_BYTES]; /* "/127.0.0.1", as Kafka prints it */
};

/* A kind of machine, as the runtime sees it. */
struct coord_machine {
    /* One for a partition of the topic; NULL without memory. */
    void *(*create)(void *config, int32_t partition);
    void (*free)(void *m);
    /* The only mutator of what is in records.  value.at NULL: a tombstone.  Tolerates any legally
     * compacted log, and skips keys of versions that it does not know.  ERR_CORRUPT: a record that
     * cannot be read: the partition is not served. */
    int (*replay)(void *m, struct view key, struct view value, const struct coord_place *place);
    /* A transaction marker; NULL: none are expected. */
    void (*replay_marker)(void *m, const struct coord_place *place, bool commit);
    /* The log was replayed whole: timers begin. */
    void (*loaded)(void *m, struct coord_step *step);
    void (*request)(void *m, struct coord_step *step, const struct coord_request *r);
    /* What is due by step->now_ms. */
    void (*tick)(void *m, struct coord_step *step);
    /* When tick has something to do; INT64_MAX: never. */
    int64_t (*deadline_ms)(const void *m);
    /* Answers a request with this error wherever its response has one. */
    void (*refuse)(struct coord_step *step, const struct coord_request *r, int16_t error);
};

#endif
