/* server_inner.h: control's requests to its own shards, over the connection that each of them opens
 * for control (dataplane/broker/inner.h).  Encodes requests, matches answers; decides nothing.
 *
 * Every call ends exactly once, by `done`: with the body of its answer, or with ERR_CLOSED when the
 * connection went away; then nobody knows whether it was carried out. */
#ifndef SLUICE_SERVER_SERVER_INNER_H
#define SLUICE_SERVER_SERVER_INNER_H

#include "control/server/server_publish.h"
#include "core/wire/wire.h"

enum {
    SERVER_INNER_CALLS = 1024,    /* unanswered, of one shard */
    SERVER_INNER_BYTES = 4 << 20, /* of their requests; half of what the shard takes */
    SERVER_INNER_ANSWER_MAX = 64 << 20,
};

struct server_inner_call {
    uint64_t token;
    const struct wire_api *api;
    int16_t version;
    int32_t correlation_id;
    uint32_t bytes;
};

/* One connection. */
struct server_inner_link {
    uint32_t connection;             /* 0: none is open */
    struct server_inner_call *calls; /* ring, oldest first */
    uint32_t first, count;
    uint64_t bytes;
    uint8_t *rx; /* the front of the answers */
    uint32_t rx_len, rx_room;
    int32_t correlation_id;
};

struct server_inner {
    struct server_shard *shards;
    uint32_t shard_count, generation, data_generation;
    struct server_inner_link links[REGION_SHARDS_MAX];
    /* err ERR_OK: body is lent for the call. */
    void (*done)(void *user, uint64_t token, int err, struct view body);
    void *user;
};

/* Borrows the shards' rings; `generation` is control's. */
void server_inner_init(struct server_inner *i, struct server_shard *shards, uint32_t shard_count,
                       uint32_t generation, uint32_t data_generation);
void server_inner_free(struct server_inner *i);

/* Sends one request (a generated struct).  ERR_AGAIN: the connection is not open, or full: later.
 * ERR_LIMIT: larger than a message can be.  `done` may come from within later calls of
 * server_inner_take and server_inner_restarted only. */
must_check int server_inner_call(struct server_inner *i, uint32_t shard, const struct wire_api *api,
                                 int16_t version, const void *request, uint64_t token);
/* A REPLY of a shard.  ERR_CORRUPT: the dataplane broke the protocol. */
must_check int server_inner_take(struct server_inner *i, uint32_t shard,
                                 const struct chan_message *m);
/* The dataplane was restarted: all connections are gone. */
void server_inner_restarted(struct server_inner *i, uint32_t data_generation);
bool server_inner_open(const struct server_inner *i, uint32_t shard);

#endif
