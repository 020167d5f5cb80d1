/* server_census.h: fills a census of groups, transactions and clients that push for who asks at the
 * desk (control/census/census_desk.h), in pieces of bounded work, so that no scrape holds up the
 * loop.
 *
 * It is no snapshot of one moment: each group is told whole, but one group earlier than another.
 * Partitions that are being loaded are left out. */
#ifndef SLUICE_SERVER_SERVER_CENSUS_H
#define SLUICE_SERVER_SERVER_CENSUS_H

#include "control/census/census_desk.h"
#include "control/server/server_coords.h"

enum {
    SERVER_CENSUS_ROWS = 512,      /* groups, offsets and transactions of one turn, about */
    SERVER_CENSUS_BUCKETS = 16384, /* looked at in one turn, most of them empty */
};

struct server_census {
    struct census_desk *desk; /* NULL: nobody ever asks */
    const struct server_coords *coords;
    const struct server_core *core; /* for what clients pushed; NULL: without it */
    struct census *filling;         /* NULL: nobody asked */
    uint64_t ticket;
    uint32_t kind; /* enum server_coordinator, then the clients */
    int32_t partition;
    uint32_t bucket, bucket_count; /* of that partition; count 0: not begun */
    const void *machine;
    struct census_mark mark; /* where the partition began */
    uint8_t client[16];      /* that was told of last; its values follow */
};

void server_census_init(struct server_census *c, struct census_desk *desk,
                        const struct server_coords *coords, const struct server_core *core);
void server_census_free(struct server_census *c);
/* Once a turn.  True: there is more to do at once. */
bool server_census_step(struct server_census *c);

#endif
