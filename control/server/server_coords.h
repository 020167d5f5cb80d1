/* server_coords.h: the coordinators of this node: one runtime (server_coord.h) for each internal
 * topic, which requests go to which, and what they need of the rest of control: where partitions
 * are open, what topics there are.  Topics and their partitions are looked at every turn; a topic
 * that was deleted and made anew is another one.
 *
 * The loop owns it and tells it of requests, of calls that ended, and of restarts. */
#ifndef SLUICE_SERVER_SERVER_COORDS_H
#define SLUICE_SERVER_SERVER_COORDS_H

#include "control/server/server_coord.h"
#include "control/server/server_core.h"
#include "control/server/server_internal.h"
#include "core/shm/msg.h"

struct server_coords_config {
    struct server_core *core; /* borrowed for ever, as the next two */
    struct server_publish *publish;
    struct server_inner *inner;
    /* The answer of a request, from the correlation id on; at NULL: close its connection. */
    void (*answer)(void *user, uint32_t shard, uint64_t token, struct view bytes);
    void *user;
};

struct server_coords;

/* NULL without memory. */
struct server_coords *server_coords_new(const struct server_coords_config *config);
void server_coords_free(struct server_coords *c);

/* Takes a request (from the api key on) that is for a coordinator; it is answered now or later.
 * ERR_NOT_FOUND: it is for somebody else.  ERR_CORRUPT, ERR_UNSUPPORTED, ERR_LIMIT: close the
 * connection.  The arena is used for the call only. */
must_check int server_coords_request(struct server_coords *c, uint32_t shard,
                                     const struct msg_request *head, struct view request,
                                     struct wire_arena *arena, int64_t now_ms);
/* A call of `inner` ended. */
void server_coords_done(struct server_coords *c, uint64_t token, int err, struct view body,
                        int64_t now_ms);
/* Once a turn.  Returns when it wants to be called again (wall clock). */
int64_t server_coords_step(struct server_coords *c, int64_t now_ms);
/* The dataplane was restarted: to be told before `inner` is.  What waits is answered, to those that
 * are gone. */
void server_coords_restarted(struct server_coords *c);
/* The coordinators of one internal topic, to look at. */
const struct server_coord *server_coords_runtime(const struct server_coords *c,
                                                 enum server_coordinator kind);
/* A topic is gone. */
void server_coords_deleted(struct server_coords *c, struct view name, int64_t now_ms);
/* True when a shard serves this partition of a topic. */
bool server_coords_open(const struct server_coords *c, const struct meta_topic *t,
                        int32_t partition);

#endif
