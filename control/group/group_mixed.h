/* group_mixed.h: members of the classic protocol in groups of the consumer protocol, and groups
 * that change their protocol (KIP-848); private to control/group. */
#ifndef SLUICE_GROUP_GROUP_MIXED_H
#define SLUICE_GROUP_GROUP_MIXED_H

#include "control/group/group_consumer.h"

/* ---- the consumer's protocol inside the classic one (group_embedded.c) ----------------------- */

struct group_subscription {
    int16_t version;
    struct group_names names;
    struct group_parts owned;
    struct view rack; /* lent; at NULL: none */
};

/* False: malformed; nothing is to be freed then. */
bool group_embedded_subscription(const struct group_port *port, struct view bytes,
                                 struct group_subscription *out);
void group_embedded_free(struct group_subscription *s);
/* custom: it has data of an assignor of its own, which would get lost.  False: malformed. */
bool group_embedded_assignment(const struct group_port *port, struct view bytes,
                               struct group_parts *out, bool *custom);
/* To be dropped. */
struct view group_embedded_encode(const struct group_port *port, const struct group_parts *p,
                                  int16_t version);

/* ---- changing the protocol (group_migrate.c) ------------------------------------------------- */

/* NULL, or why a classic group with members cannot become one of the consumer protocol, for
 * "Cannot upgrade classic group %s to consumer group because %s". */
const char *group_migrate_blocked(const struct group *g);
/* Does it: those that wait are told to join again.  Not blocked. */
void group_migrate_up(struct group *g);
/* Whether a group becomes a classic one when `leaving` is gone, or replaced by a classic member:
 * all others speak the classic protocol. */
bool group_migrate_due(const struct group_consumer *c, const struct group_consumer_member *leaving,
                       bool replaced);
/* Does it, without `leaving` (NULL: nobody leaves); the consumer part is then gone.  With a
 * rebalance if so asked. */
void group_migrate_down(struct group_consumer *c, const struct group_consumer_member *leaving,
                        bool rebalance);

/* ---- classic requests to a consumer group with members (group_mixed.c) ----------------------- */

void group_mixed_join(struct group *g, const struct coord_request *r);
void group_mixed_sync(struct group *g, const struct coord_request *r);
int16_t group_mixed_heartbeat(struct group *g, const struct wire_heartbeat_request *q);
/* KERR_NONE: the member is gone, and the group perhaps a classic one; if not, it is to have a new
 * epoch once all have left that leave with it. */
int16_t group_mixed_leave(struct group *g, struct view id, struct view instance);
/* That epoch, where there is still a group of consumers. */
void group_mixed_left(struct group *g);

#endif
