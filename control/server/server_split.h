/* server_split.h: requests that name several groups (or transactions), or ask for all of them, cut
 * into one request for each partition of their topic, and the answers put together again.  Pure:
 * the caller sends the parts and holds their answers. */
#ifndef SLUICE_SERVER_SERVER_SPLIT_H
#define SLUICE_SERVER_SERVER_SPLIT_H

#include "core/wire/wire.h"

/* The part of a request for one partition. */
struct server_split_part {
    int32_t partition;
    const void *body;    /* the generated struct: the items of this partition, in order */
    struct view request; /* the same, encoded with its header */
    struct view reply;   /* filled in by the caller: the answer, from the correlation id on */
};

struct server_split {
    const struct wire_api *api;
    int16_t version;
    int32_t correlation_id;
    struct server_split_part *parts;
    uint32_t part_count;
    uint32_t *order; /* by item: its part; NULL: every partition was asked for everything */
    uint32_t item_count;
};

/* True when the request is one of several keys: server_split_request takes it. */
bool server_split_many(const struct wire_api *api, int16_t version);

/* Cuts a request for a topic of `partition_count` partitions (at least 1); everything is in the
 * arena, and `body` is borrowed.  ERR_LIMIT: the arena is full.  A request of no items has one
 * part, for partition 0. */
must_check int server_split_request(const struct wire_api *api, int16_t version,
                                    int32_t correlation_id, const void *body,
                                    int32_t partition_count, struct wire_arena *arena,
                                    struct server_split *out);

/* Puts the replies of all parts together, in the order of the request; *out, from the correlation
 * id on, is in the arena.  A part that failed as a whole (ListGroups has such an error) makes the
 * answer; NOT_COORDINATOR counts as none, as for Kafka.  ERR_CORRUPT: a reply cannot be read;
 * ERR_LIMIT. */
must_check int server_split_merge(const struct server_split *s, struct wire_arena *arena,
                                  struct view *out);

#endif
