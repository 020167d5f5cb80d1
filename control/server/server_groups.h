/* server_groups.h: what the group coordinator (control/group) is run with: the broker's keys, the
 * settings of single groups, topics, regular expressions; and which topics changed. */
#ifndef SLUICE_SERVER_SERVER_GROUPS_H
#define SLUICE_SERVER_SERVER_GROUPS_H

#include "control/group/group.h"
#include "control/server/server_core.h"

/* Fills in all of *g.  core is borrowed for as long as g is used. */
void server_groups_configure(struct group_config *g, struct server_core *core);

/* Tells each topic that has changed since entry *seen of the metadata log (made, grown, configured,
 * being deleted), and moves *seen to the newest.  Without a change it costs nothing. */
void server_groups_changed(const struct meta_image *m, uint64_t *seen,
                           void (*tell)(void *user, struct view name), void *user);

#endif
