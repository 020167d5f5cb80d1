/* server_txn.h: what the coordinators of transactions (control/txn) need around them: their
 * configuration, producer ids, markers (server_markers.h), offsets that are part of a transaction
 * (server_verify.h), and whether the partitions of a request exist. */
#ifndef SLUICE_SERVER_SERVER_TXN_H
#define SLUICE_SERVER_SERVER_TXN_H

#include "control/server/server_coord.h"
#include "control/server/server_core.h"
#include "control/server/server_markers.h"
#include "control/server/server_verify.h"

struct server_txn_config {
    struct server_core *core; /* borrowed for ever, as the next three */
    const struct server_publish *publish;
    struct server_inner *inner;
    const struct regex_port *regex; /* for ListTransactions; NULL: it refuses patterns */
    uint8_t kind;                   /* in the top byte of the tokens of calls */
    /* The answer of a request, from the correlation id on; at NULL: close its connection. */
    void (*answer)(void *user, uint32_t shard, uint64_t token, struct view bytes);
    void *user; /* of answer */
};

struct server_txn;

/* NULL without memory. */
struct server_txn *server_txn_new(const struct server_txn_config *config);
/* The machine_config of the runtime; valid as long as this is. */
void *server_txn_machine(struct server_txn *t);
/* The two runtimes, once, before anything else is called. */
must_check int server_txn_attach(struct server_txn *t, struct server_coord *groups,
                                 struct server_coord *transactions);
void server_txn_free(struct server_txn *t);

/* A request for one partition of `kind` (server_internal.h).  True: it is taken care of here;
 * false: it is one for server_coord_request. */
bool server_txn_request(struct server_txn *t, int32_t partition,
                        const struct server_coord_origin *from, const struct coord_request *r,
                        int64_t now_ms);
/* The answer to a question of our own: its origin is SERVER_VERIFY_SHARD. */
void server_txn_answered(struct server_txn *t, uint64_t token, struct view bytes);
/* A call of our kind ended. */
void server_txn_done(struct server_txn *t, uint64_t token, int err, struct view body,
                     int64_t now_ms);
/* Once a turn, before the step of the groups' runtime, and behind it.  Both return when they want
 * to be called again (wall clock). */
int64_t server_txn_step(struct server_txn *t, int64_t now_ms);
int64_t server_txn_markers(struct server_txn *t, int64_t now_ms);

#endif
