/* seats.h: how many connections are open, of all and of each address, counted by all shards of a
 * process together: a limit over cores is one number, and a peer must not get more of it by being
 * spread over them.  Opening and closing a connection costs an atomic operation or two; nothing
 * else touches these words.  Pure: no clock, no allocation.
 *
 * An address is known by a hash under a secret, so that nobody can choose one that shares another's
 * seat; two that share one by chance (2^-44 for each pair) share an allowance.  With four seats for
 * each connection that can be open, one of SEATS_PROBES is as good as always free; an address that
 * finds none is counted with others of that kind. */
#ifndef SLUICE_BROKER_SEATS_H
#define SLUICE_BROKER_SEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEATS_PROBES = 32, SEATS_SECRET_BYTES = 32 };
#define SEATS_NONE UINT32_MAX

struct seats;

/* Zeroed memory for so many connections, of all shards. */
size_t seats_footprint(uint32_t connections);
struct seats *seats_init(void *memory, uint32_t connections,
                         const uint8_t secret[SEATS_SECRET_BYTES]);

/* The same for an address as long as the process lives. */
uint64_t seats_hash(const struct seats *s, const uint8_t ip[16]);
/* Takes a seat of an address for one connection, and returns it; SEATS_NONE: `max` of them are
 * taken.  Two that come for the last one at the same moment may both be refused. */
uint32_t seats_take(struct seats *s, uint64_t hash, uint32_t max);
void seats_give(struct seats *s, uint32_t seat);

/* Connections of all addresses: in, if fewer than `max` are. */
bool seats_enter(struct seats *s, uint32_t max);
void seats_leave(struct seats *s);
/* One leaves if more than `max` are in: whoever gets true closes one, and calls seats_leave for it
 * no more. */
bool seats_evict(struct seats *s, uint32_t max);
uint32_t seats_count(const struct seats *s);

#endif
