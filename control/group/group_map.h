/* group_map.h: hash table of intrusive nodes with bytes as key.  The owner of the nodes owns their
 * keys.  O(1); grows by itself; adding ends a walk. */
#ifndef SLUICE_GROUP_GROUP_MAP_H
#define SLUICE_GROUP_GROUP_MAP_H

#include "core/base/bytes.h"

#include <stddef.h>

struct group_node {
    struct group_node *next;
    struct view key;
    uint32_t hash;
};

struct group_map {
    struct group_node **buckets; /* zeroed: an empty map */
    uint32_t bucket_count, count;
};

#define group_item(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

struct group_node *group_map_find(const struct group_map *m, struct view key);
/* node->key is set and not in the map. */
void group_map_add(struct group_map *m, struct group_node *node);
void group_map_remove(struct group_map *m, struct group_node *node);
/* A walk in no order: NULL begins it, NULL ends it.  Remove only nodes that the walk has left. */
struct group_node *group_map_next(const struct group_map *m, const struct group_node *after);
void group_map_free(struct group_map *m);

/* Zeroed memory; never NULL (group.h tells why). */
void *group_alloc(size_t count, size_t size);
/* A copy to be freed with group_drop; null stays null, empty stays empty. */
struct view group_copy(struct view v);
void group_drop(struct view *v);

#endif
