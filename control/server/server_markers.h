/* server_markers.h: writes the markers that end transactions: what the coordinator (control/txn)
 * orders becomes WriteTxnMarkers calls to the shards, and their results go back to it.
 *
 * An order waits until the records of its step are durable: what a power cut could take back ends
 * nothing.  A marker is on its way at most once: so none can come behind its transaction's end, and
 * end the next one of the same epoch.  Partitions of topics that are gone count as marked.  In
 * __consumer_offsets a marker goes behind the offsets that the group's coordinator has gathered,
 * and that coordinator is told of it.  Errors go back to the machine, which orders again. */
#ifndef SLUICE_SERVER_SERVER_MARKERS_H
#define SLUICE_SERVER_SERVER_MARKERS_H

#include "control/server/server_coord.h"
#include "control/server/server_core.h"
#include "control/txn/txn.h"

struct server_markers_config {
    const struct server_core *core; /* borrowed for ever, as all of this */
    const struct server_publish *publish;
    struct server_inner *inner;
    struct server_coord *groups, *transactions;
    uint8_t kind; /* in the top byte of the tokens of calls */
};

struct server_markers;

/* NULL without memory. */
struct server_markers *server_markers_new(const struct server_markers_config *config);
void server_markers_free(struct server_markers *m);

/* An order of the step that is under way in that partition of __transaction_state. */
void server_markers_order(struct server_markers *m, int32_t partition,
                          const struct txn_order *order);
/* A call ended whose token has our kind. */
void server_markers_done(struct server_markers *m, uint64_t token, int err, struct view body,
                         int64_t now_ms);
/* Once a turn.  Returns when it wants to be called again (wall clock). */
int64_t server_markers_step(struct server_markers *m, int64_t now_ms);
/* Markers that are due or on their way. */
uint32_t server_markers_count(const struct server_markers *m);

#endif
