/* server_coord.h: the runtime of coordinators: one machine (control/coord/coord.h) for each
 * partition of an internal topic.  Loads it from the log, appends what its steps put out, holds
 * replies back until that is durable, starts anew when an append failed or the dataplane was
 * restarted.  Reads and writes by control's own connection to the shards (server_inner.h).
 *
 * Life of a partition: IDLE (not open, or a pause after a failure), END (asks where the log ends
 * now), LOAD (reads up to there), ACTIVE.  END is asked only once all shards have opened a
 * connection to this control: what a former one had on its way is then in the log, or refused for
 * ever. */
#ifndef SLUICE_SERVER_SERVER_COORD_H
#define SLUICE_SERVER_SERVER_COORD_H

#include "control/coord/coord.h"
#include "control/server/server_errors.h"
#include "control/server/server_inner.h"

enum {
    SERVER_COORD_LOADS_MAX = 8, /* partitions being loaded at a time */
    SERVER_COORD_FETCH_BYTES = 1 << 20,
    /* Steps share an append until it has so many bytes; a step goes on in another one at its next
     * boundary.  Far below max.message.bytes, for the last step that joins. */
    SERVER_COORD_BATCH_BYTES = 64 << 10,
    SERVER_COORD_FLIGHT_MAX = 8, /* appends of a partition not answered */
    SERVER_COORD_PAUSE_MS = 100, /* after a failure */
    SERVER_COORD_EARLY_MS = 500, /* a request waits for its partition; then LOAD_IN_PROGRESS */
    SERVER_COORD_REQUESTS_MAX = 65536,          /* unanswered, of one kind */
    SERVER_COORD_REQUEST_BYTES_MAX = 256 << 20, /* of them; more: COORDINATOR_NOT_AVAILABLE */
};

/* Where a partition is served. */
struct server_coord_home {
    uint32_t shard;
    int32_t leader_epoch;
};

struct server_coord_config {
    const char *topic; /* borrowed for ever, as all of this */
    const struct coord_machine *machine;
    void *machine_config;
    struct server_inner *inner;
    uint8_t codec; /* of the batches that are appended: enum batch_codec */
    uint8_t
        kind; /* in the top byte of the tokens of calls, so that the owner of `inner` finds us */
    /* ERR_OK; ERR_AGAIN: not open yet; ERR_NOT_FOUND: no such topic or partition. */
    int (*home)(void *user, const char *topic, int32_t partition, struct server_coord_home *out);
    /* The answer of a request, from the correlation id on; at NULL: close its connection. */
    void (*answer)(void *user, uint32_t shard, uint64_t token, struct view bytes);
    void (*random)(void *user, void *at, size_t bytes);
    struct counters *counters; /* of control; NULL: errors are not counted */
    void *user;
};

struct server_coord;

/* NULL without memory. */
struct server_coord *server_coord_new(const struct server_coord_config *config);
void server_coord_free(struct server_coord *c);

/* The topic has so many partitions (0: it does not exist): those are loaded. */
void server_coord_partitions(struct server_coord *c, int32_t count);
/* Everything begins anew, with what is in the log then: the dataplane was restarted, or the topic
 * is another one. */
void server_coord_restart(struct server_coord *c, const char *why);

/* A request of a client for one partition; NOT_COORDINATOR when there is none of that number.
 * `bytes`: the whole request, copied; `r`: decoded from it, its token is set here.  Answered by
 * config.answer, now or later.  While its partition is being loaded it waits, since clients do not
 * repeat an asynchronous commit that is refused. */
struct server_coord_origin {
    uint32_t shard; /* that asks, and its token */
    uint64_t token;
    int32_t correlation_id;
    struct view bytes;
};
void server_coord_request(struct server_coord *c, int32_t partition,
                          const struct server_coord_origin *from, struct coord_request *r,
                          int64_t now_ms);

/* A call ended whose token has our kind. */
void server_coord_done(struct server_coord *c, uint64_t token, int err, struct view body,
                       int64_t now_ms);
/* Once a turn: loads, timers, appends.  Returns when it wants to be called again (wall clock). */
int64_t server_coord_step(struct server_coord *c, int64_t now_ms);
/* Something happened that every partition being served has to know of: one step for each. */
typedef void server_coord_event_fn(void *machine, struct coord_step *step, void *arg);
void server_coord_tell(struct server_coord *c, server_coord_event_fn *event, void *arg,
                       int64_t now_ms);
/* The same for one partition; nothing happens when it is not served. */
void server_coord_visit(struct server_coord *c, int32_t partition, server_coord_event_fn *event,
                        void *arg, int64_t now_ms);

/* A place in the records of a partition. */
struct server_coord_mark {
    uint32_t life;
    uint64_t built;
};
/* Behind all that was put out so far, also in the step that is under way. */
void server_coord_mark(const struct server_coord *c, int32_t partition,
                       struct server_coord_mark *out);
/* ERR_OK: everything before it is durable; ERR_AGAIN: not yet; ERR_NOT_FOUND: the partition began
 * anew, and nobody knows. */
int server_coord_reached(const struct server_coord *c, int32_t partition,
                         const struct server_coord_mark *mark);
/* The partition is served, and all that was put out is on its way to the log. */
bool server_coord_flushed(const struct server_coord *c, int32_t partition);

/* A marker was appended to a partition by a call of somebody else's, at this offset; -1: behind
 * all that is known. */
void server_coord_marker(struct server_coord *c, int32_t partition, const struct coord_place *place,
                         bool commit);

bool server_coord_active(const struct server_coord *c, int32_t partition);
/* The machine of a partition, to look at within this turn; NULL: it is not served.  *count gets the
 * number of partitions. */
const void *server_coord_machine(const struct server_coord *c, int32_t partition, int32_t *count);

#endif
