/* server_relay.h: WriteTxnMarkers of a client that names __consumer_offsets: an administrator ends
 * a transaction that hangs (kafka-transactions --abort).
 *
 * Control writes these markers as a client of its shards, as it writes its own (server_markers.h):
 * behind the offsets that the groups' coordinators have gathered, which are told of what was
 * written; so a group is what a replay of its partition gives. The answer of the shards goes to
 * the client as it is. */
#ifndef SLUICE_SERVER_SERVER_RELAY_H
#define SLUICE_SERVER_SERVER_RELAY_H

#include "control/server/server_coord.h"
#include "control/server/server_core.h"

enum {
    SERVER_RELAYS_MAX = 256,
    /* How long coordinators that are being loaded are waited for; then the shards say why. */
    SERVER_RELAY_WAIT_MS = 10000,
};

struct server_relay_config {
    const struct server_core *core; /* borrowed for ever, as the next two */
    struct server_inner *inner;
    struct server_coord *groups;
    uint8_t kind; /* in the top byte of the tokens of calls */
    /* The answer of a request, from the correlation id on; at NULL: close its connection. */
    void (*answer)(void *user, uint32_t shard, uint64_t token, struct view bytes);
    void *user;
};

struct server_relay;

/* NULL without memory. */
struct server_relay *server_relay_new(const struct server_relay_config *config);
void server_relay_free(struct server_relay *r);

/* A request: `body` is copied. ERR_CORRUPT: malformed; ERR_LIMIT: too many. */
must_check int server_relay_request(struct server_relay *r, const struct server_coord_origin *from,
                                    const struct wire_api *api, int16_t version, struct view body,
                                    int64_t now_ms);
/* A call ended whose token has our kind. */
void server_relay_done(struct server_relay *r, uint64_t token, int err, struct view body,
                       int64_t now_ms);
/* Once a turn. Returns when it wants to be called again (wall clock). */
int64_t server_relay_step(struct server_relay *r, int64_t now_ms);

#endif
