/* ipnet_mesh.h: rings in which loops with queues of one device tell each other news (ipnet.h).
 *
 * One ring for each ordered pair of loops: one writer, one reader, no lock.  A full ring loses the
 * news and counts it.  Memory is the caller's, given once. */
#ifndef SLUICE_IPNET_IPNET_MESH_H
#define SLUICE_IPNET_IPNET_MESH_H

#include "dataplane/net/ipnet.h"

enum {
    IPNET_MESH_LOOPS_MAX = 64,
    IPNET_MESH_NEWS = 64, /* of one ring; a power of two */
};

struct ipnet_mesh;

size_t ipnet_mesh_footprint(uint32_t loops);
/* `at` is aligned to 64; loops is 1 to IPNET_MESH_LOOPS_MAX. */
struct ipnet_mesh *ipnet_mesh_init(void *at, uint32_t loops);

/* From the thread of loop `from`: to all others. */
void ipnet_mesh_tell(struct ipnet_mesh *m, uint32_t from, const struct ipnet_news *news);
/* In the thread of loop `to`: the oldest news of some other; false: there is none. */
bool ipnet_mesh_hear(struct ipnet_mesh *m, uint32_t to, struct ipnet_news *out);
/* News that loop `from` could not tell.  Any thread. */
uint64_t ipnet_mesh_lost(const struct ipnet_mesh *m, uint32_t from);

#endif
