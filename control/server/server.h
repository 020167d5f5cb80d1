/* server.h: the control process as one loop: requests and doorbells of the dataplane in, answers
 * and published tables out, the metadata log behind it.  One thread owns it. */
#ifndef SLUICE_SERVER_SERVER_H
#define SLUICE_SERVER_SERVER_H

#include "control/census/census_desk.h"
#include "control/server/server_log.h"
#include "core/base/regex.h"
#include "core/conf/conf.h"
#include "core/shm/region.h"

#include <stdbool.h>

enum {
    SERVER_BURST = 64,                   /* messages taken from one shard in a turn */
    SERVER_ANSWERS_MAX = 4096,           /* answers that wait, for a commit or for room in a ring */
    SERVER_ANSWER_BYTES_MAX = 256 << 20, /* of all of them */
    SERVER_ARENA_BYTES = 256 << 20, /* one request, decoded, and its response; touched as needed */
    SERVER_ARENA_KEEP_BYTES = 16 << 20, /* given back to the system when a request took more */
    SERVER_HEARTBEAT_MS = 100,
    SERVER_POLL_MS = 1, /* while something waits for the shards: a doorbell may be lost */
};

struct server;

struct server_config {
    const struct region *region; /* attached, writable; borrowed for ever, as is conf */
    const struct conf *conf;
    struct server_log_config log;
    void (*random)(void *at, size_t bytes);
    const struct regex_port *regex; /* borrowed for ever */
    struct census_desk *desk;       /* where others ask for groups; NULL: nobody does */
    int32_t pid;
};

/* Joins the region, recovers the metadata, publishes it and says ready; blocks.  Errors of
 * server_log_open; ERR_INVALID: the configuration or the identity of the data directory. */
must_check int server_create(const struct server_config *config, struct server **out);
/* Frees everything; takes no snapshot. */
void server_destroy(struct server *s);

/* One turn.  Returns ERR_OK, or why the process must stop; *deadline_ns: sleep until then. */
int server_turn(struct server *s, uint64_t now_ns, uint64_t *deadline_ns);
/* Before a sleep: true when something came meanwhile, so do not.  After it: server_awake. */
bool server_sleep(struct server *s);
void server_awake(struct server *s);

/* Commits what is under way and writes a snapshot, for a short next start; blocks. */
must_check int server_stop(struct server *s);

#endif
