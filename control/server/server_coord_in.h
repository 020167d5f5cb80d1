/* server_coord_in.h: the parts of a coordinator runtime, shared by server_coord*.c. */
#ifndef SLUICE_SERVER_SERVER_COORD_IN_H
#define SLUICE_SERVER_SERVER_COORD_IN_H

#include "control/server/server_coord.h"
#include "core/base/list.h"

enum coord_state { COORD_IDLE, COORD_END, COORD_LOAD, COORD_ACTIVE };

/* What a call was for; in its token. */
enum coord_call { COORD_CALL_END, COORD_CALL_FETCH, COORD_CALL_APPEND };

/* A request on its way.  I1 in part->early while its partition is not ACTIVE, in part->waiting
 * until the machine replied, then in part->held until everything up to `barrier` is durable. */
struct coord_pending {
    struct list link;
    struct coord_part *part;
    uint64_t barrier;
    uint32_t shard;
    uint64_t token;   /* of the shard's */
    int64_t until_ms; /* of an early one: refused then */
    int32_t correlation_id;
    const struct wire_api *api;
    int16_t version;
    char client_host[COORD_CLIENT_BYTES];
    uint8_t *reply; /* from the correlation id on; NULL: none yet */
    uint32_t reply_bytes;
    uint32_t request_bytes;
    uint8_t request[];
};

/* Records gathered for one batch: {u32 key bytes, u32 value bytes (UINT32_MAX: null), key, value}.
 */
struct coord_gather {
    struct list link;
    uint8_t *mem;
    uint32_t len, room, count;
    int64_t producer_id;
    int16_t producer_epoch;
};

struct coord_part {
    struct server_coord *c;
    int32_t partition;
    enum coord_state state;
    uint32_t life; /* grows with every start anew: calls of an earlier one are nobody's */
    struct server_coord_home home;
    void *machine;
    int64_t next, end;                /* offsets: of the next record; where loading ends */
    int64_t retry_ms;                 /* IDLE, and calls that found no room: not before */
    bool call_due;                    /* the call of this state is still to be sent */
    struct list gathers;              /* batches not sent, oldest first; the last may still grow */
    uint64_t built, sent, durable;    /* batches: begun, sent, answered */
    struct list early, waiting, held; /* oldest first */
    struct list node;                 /* in c->touched */
};

struct server_coord {
    struct server_coord_config config;
    struct coord_part *parts;
    struct coord_part nowhere; /* of requests for partitions that are not there; never begun */
    int32_t count;
    uint32_t loading, active, requests;
    uint64_t request_bytes; /* of those requests */
    uint32_t lives;
    struct list touched; /* parts with records gathered and not sent */
    uint8_t *arena_at;
    struct wire_arena arena;
    uint8_t *batch; /* one batch being built */
    uint32_t batch_room;
    uint8_t *scratch; /* records of compressed batches */
    uint32_t scratch_bytes;
    int64_t now_ms;
    bool blocked; /* a call found no room */
    bool linked;  /* every shard knows this control: nothing of a former one is on its way */
};

/* One step of a machine under way: struct coord_step's user. */
struct coord_turn {
    struct coord_part *part;
    struct coord_gather *gather; /* of this step's records; NULL: it had none yet */
    struct list replied;         /* in this step: their barrier is known at its end */
};

/* server_coord.c; what: for the log, NULL: no line */
void server_coord_fail(struct coord_part *p, int16_t error, const char *what);
uint64_t server_coord_token(const struct coord_part *p, enum coord_call call);

/* server_coord_log.c: records to batches to appends. */
extern const struct coord_ops server_coord_ops;
void server_coord_turn_begin(struct coord_turn *t, struct coord_part *p, struct coord_step *step);
void server_coord_turn_end(struct coord_turn *t);
/* Sends what is gathered, as far as there is room. */
void server_coord_flush(struct coord_part *p);
/* The oldest append in flight was answered. */
void server_coord_appended(struct coord_part *p, int err, struct view body);
/* Sends held replies whose records are durable. */
void server_coord_release(struct coord_part *p);
void server_coord_pending_free(struct coord_pending *q);
void server_coord_gathers_free(struct coord_part *p);
/* Replays the batches of one Fetch response.  ERR_CORRUPT. */
must_check int server_coord_replay(struct coord_part *p, struct view records);

#endif
