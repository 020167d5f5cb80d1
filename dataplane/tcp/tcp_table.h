/* tcp_table.h: the flow table: which connection, half-open connection or TIME_WAIT entry a packet
 * belongs to.  Keys are flows, values are indexes below `items`; the table keeps the flow of each
 * index, nobody else does.
 *
 * Buckets are cache lines of eight 16-bit tags and eight indexes, at most half full on average, and
 * the hash is keyed, so a sender cannot choose its bucket.  A bucket that overflows is continued
 * in a spare one.  A pure machine: no allocation; a find costs one line, then one for the flow. */
#ifndef SLUICE_TCP_TABLE_H
#define SLUICE_TCP_TABLE_H

#include "core/base/must.h"
#include "dataplane/tcp/tcp_key.h"

#include <stdbool.h>

#define TCP_NONE UINT32_MAX

struct tcp_table;

size_t tcp_table_footprint(uint32_t items);
struct tcp_table *tcp_table_init(void *at, uint32_t items, const struct tcp_key *key);

/* The index of a flow, or TCP_NONE. */
uint32_t tcp_table_find(const struct tcp_table *t, const struct tcp_flow *f);

/* The same in three steps, so that for a burst of flows the memory of all is asked for before the
 * first is waited for.  tcp_table_near may name another flow's index, or TCP_NONE for one that is
 * there; only tcp_table_at is right. */
uint64_t tcp_table_hash(const struct tcp_table *t, const struct tcp_flow *f);
uint32_t tcp_table_near(const struct tcp_table *t, uint64_t hash);
uint32_t tcp_table_at(const struct tcp_table *t, const struct tcp_flow *f, uint64_t hash);

/* Enters a flow that is not there under an index that has none.  False: no spare bucket left (the
 * hash is broken or the key is known): refuse the connection. */
must_check bool tcp_table_put(struct tcp_table *t, const struct tcp_flow *f, uint32_t index);

/* Gives the flow of one index to another that has none, in place. */
void tcp_table_move(struct tcp_table *t, uint32_t from, uint32_t to);

void tcp_table_remove(struct tcp_table *t, uint32_t index);

/* The flow of an index that is in the table. */
const struct tcp_flow *tcp_table_flow(const struct tcp_table *t, uint32_t index);

uint32_t tcp_table_count(const struct tcp_table *t);

#endif
