/* route.h: one shard's own index of topics and partitions, made from the tables of the region.
 *
 * Every shard keeps all topics (it must answer Metadata and find owners) and, for the partitions it
 * owns, the open log and those who wait for it.  Lent pointers stay valid until the next
 * route_refresh_* of that row. */
#ifndef SLUICE_BROKER_ROUTE_H
#define SLUICE_BROKER_ROUTE_H

#include "core/base/bytes.h"
#include "core/base/list.h"
#include "core/base/must.h"
#include "core/shm/region.h"
#include "core/shm/table.h"
#include "core/store/store.h"

enum { ROUTE_PARTITIONS_PER_TOPIC_MAX = 100000 };

struct route_part {
    uint32_t slot;    /* row of want and have; UINT32_MAX: not published yet */
    uint32_t owner;   /* shard */
    uint32_t version; /* of the want row that is applied */
    int32_t leader_id, leader_epoch;
    struct plog *log;     /* owner only; NULL elsewhere and before it is open */
    bool unopened;        /* it could not be opened or configured now: the next refresh does */
    struct list watchers; /* owner only: see fetch.h */
    struct list changed;  /* in the route's list until route_take_changed */
    struct list stale;    /* in the route's list until route_report_stale */
    uint8_t topic_id[16];
    uint32_t topic; /* row */
    int32_t partition;
};

struct route_topic {
    struct table_topic_fact fact; /* state TABLE_LIVE, or the row is not indexed */
    struct route_part **parts;    /* [part_room]; NULL where not published */
    uint32_t part_room;
};

struct route;

/* Memory by calloc here and when a topic appears or grows: never per request. */
must_check int route_init(const struct region *region, uint32_t shard, uint32_t shard_count,
                          struct route **out);
void route_free(struct route *r);

/* Brings the index in line with one row, or with all of them (attach).  New, changed and vanished
 * partitions of this shard are opened in and deleted from `store`, and reported in their have row.
 * ERR_AGAIN: a row was torn (its writer died inside), or the store cannot open a log just now: try
 * route_refresh_all later. */
int route_refresh_topic(struct route *r, struct store *store, uint32_t row);
int route_refresh_want(struct route *r, struct store *store, uint32_t row);
int route_refresh_all(struct route *r, struct store *store);

struct route_topic *route_by_name(const struct route *r, struct view name);
/* Of any name, begun with a number that clients do not know. */
uint32_t route_hash(const struct route *r, struct view name);
struct route_topic *route_by_id(const struct route *r, const uint8_t id[16]);
struct route_part *route_part(const struct route_topic *t, int32_t partition); /* NULL: none */
/* Rows 0 .. limit-1; NULL for a row that is not a live topic. */
struct route_topic *route_by_row(const struct route *r, uint32_t row);
uint32_t route_rows(const struct route *r);

/* Takes one own partition that a refresh opened, failed to open, let go or deleted since it was
 * last taken; NULL when there is none.  Its log may be NULL now: who waits for it must look anew
 * (fetch_changed), and control gets a doorbell (slot, version). */
struct route_part *route_take_changed(struct route *r);
/* Has route_take_changed give a partition once more. */
void route_mark_changed(struct route *r, struct route_part *p);
/* Logs of this shard's store that no want row names. */
uint32_t route_unnamed(const struct route *r, struct store *store);
/* Writes what the log is now into the have row (owner only). */
void route_report(struct route *r, struct route_part *p, enum table_have_state state);
/* Offsets of an own partition moved: its row is written anew by the next route_report_stale, so
 * that a busy log costs its readers' view of it one row a tick, not one a batch. */
void route_mark_stale(struct route *r, struct route_part *p);
/* Writes at most `max` of those rows.  True: some are left. */
bool route_report_stale(struct route *r, uint32_t max);
bool route_stale(const struct route *r);

#endif
