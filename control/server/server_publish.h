/* server_publish.h: brings the image into the tables of the region, and says so to the shards.
 *
 * I1 A row is written only once the entry that last changed it is committed.
 * I2 A row's version grows with every change for as long as the region lives, over restarts of
 *    control: the row itself remembers it.  A row that is right already is not touched.
 * I3 A change that a shard has not been told of has its bit set in that shard's bell set; a full
 * ring only delays it. */
#ifndef SLUICE_SERVER_SERVER_PUBLISH_H
#define SLUICE_SERVER_SERVER_PUBLISH_H

#include "control/meta/meta.h"
#include "core/shm/chan.h"
#include "core/shm/quotas.h"
#include "core/shm/region.h"
#include "core/shm/table.h"

struct server_shard {
    struct chan to_data, to_control;
    uint64_t *topic_bells, *want_bells; /* bit sets over rows */
    bool bells;                         /* some bit is set */
    bool sent;                          /* something was published this turn */
};

struct server_publish {
    const struct region *region;
    struct meta_image *image;
    const struct meta_rules *rules;
    uint32_t generation; /* of control */
    uint32_t shard_count;
    uint64_t quotas_index; /* of the image, as published */
    bool quotas_known;     /* it was published by us */
    struct quotas_fact *quotas;
    uint64_t overrides_index;
    const char *overrides; /* max.connections.per.ip.overrides of the start, lent; NULL: none */
    uint64_t settings_index;
    bool settings_known;
    struct server_shard shards[REGION_SHARDS_MAX];
};

void server_publish_init(struct server_publish *p, const struct region *region,
                         struct meta_image *image, const struct meta_rules *rules,
                         uint32_t generation);
void server_publish_free(struct server_publish *p);

/* Every row is to be looked at again (at start: the region may hold those of a former control). */
void server_publish_all(struct server_publish *p);
/* Writes the rows whose last change is committed. */
void server_publish_rows(struct server_publish *p, uint64_t committed);
/* Rings for every row in use: the dataplane was restarted. */
void server_publish_ring_all(struct server_publish *p);
/* Sends bells while there is room.  True when some are left. */
bool server_publish_bells(struct server_publish *p);
/* Wakes the shards that got something. */
void server_publish_wake(struct server_publish *p);

/* server_publish_quota.c: the quotas of the user that every connection has, and what there is for
 * single addresses, once committed. */
void server_publish_quotas(struct server_publish *p, uint64_t committed);

/* server_publish_setting.c: the settings of the broker that shards obey, once committed. */
void server_publish_settings(struct server_publish *p, uint64_t committed);

/* What the shards made of a topic that is published. */
enum server_progress { SERVER_WAITING, SERVER_DONE };
/* SERVER_DONE: each partition is open, or its shard said that it cannot be; or the topic is gone.
 */
enum server_progress server_publish_opened(const struct server_publish *p, uint32_t row);
/* The shard that has this slot open as it is wanted now; ERR_AGAIN: none does. */
must_check int server_publish_shard(const struct server_publish *p, uint32_t slot, uint32_t *shard);
/* SERVER_DONE: no shard has anything left of a topic that is being deleted. */
enum server_progress server_publish_gone(const struct server_publish *p, uint32_t row);

#endif
