/* group_beat.h: what the files of ConsumerGroupHeartbeat share; private to control/group. */
#ifndef SLUICE_GROUP_GROUP_BEAT_H
#define SLUICE_GROUP_GROUP_BEAT_H

#include "control/group/group_consumer.h"

enum { GROUP_MEMBER_ID_BYTES = 22 };

/* Of a view, for "%.*s". */
#define GROUP_TEXT(v) (int)(v).len, (v).at ? (const char *)(v).at : ""

struct group_beat {
    struct group_shard *shard;
    const struct coord_request *r;
    const struct wire_consumer_group_heartbeat_request *q;
    struct wire_consumer_group_heartbeat_response answer;
    struct view member_id;
    char made_id[GROUP_MEMBER_ID_BYTES];
    struct group_owned owned;
    struct group *group;
    struct group_consumer_member *member, *replaces; /* NULL: none */
};

/* Sets error and message of the answer; returns the error. */
int16_t group_beat_complain(struct group_beat *b, int16_t error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* KERR_NONE: m is the static member that the request says it comes from. */
int16_t group_beat_check_instance(struct group_beat *b, const struct group_consumer_member *m);
/* A random member id. */
struct view group_beat_id(struct group_shard *s, char at[GROUP_MEMBER_ID_BYTES]);
/* A static member came back: what was the old one's becomes the new one's. */
struct group_consumer_member *group_beat_replace(struct group_consumer *c,
                                                 struct group_consumer_member *old, struct view id);
/* Makes or updates a member.  True: its subscription changed; the group then has a new epoch, but
 * for an expression that is not resolved yet (unless `unresolved`). */
bool group_beat_profile(struct group_consumer *c, struct view id, const struct group_profile *after,
                        bool unresolved);
/* A new epoch if `bump`, or if the subscribed topics changed. */
void group_beat_epoch(struct group_consumer *c, bool bump);
/* Begins or ends the rebalance timer, as the state of the member says. */
void group_beat_rebalance(struct group_consumer_member *m);

/* ---- leaving (group_leave.c) ----------------------------------------------------------------- */

void group_beat_leave(struct group_beat *b);

/* ---- regular expressions (group_pattern.c) --------------------------------------------------- */

enum group_pattern_change { GROUP_PATTERN_SAME, GROUP_PATTERN_UPDATED, GROUP_PATTERN_RESOLVED };

/* KERR_NONE, or the request's expression is not valid. */
int16_t group_pattern_check(struct group_beat *b);
/* After a member's expression became `now`: drops one that nobody uses any more, and has the
 * group's expressions resolved in a later step where that is due.  RESOLVED: the member's topics
 * are others now. */
enum group_pattern_change group_pattern_update(struct group_consumer *c, struct view before,
                                               struct view now);
/* Resolves the group's expressions against all topics. */
void group_pattern_resolve(struct group_consumer *c);
/* Drops those that nobody uses. */
void group_pattern_drop(struct group_consumer *c, struct view regex);

#endif
