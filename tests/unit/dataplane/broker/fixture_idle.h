/* fixture_idle.h: what is left when nobody waits; for tests over the fake store. */
#ifndef SLUICE_TESTS_FIXTURE_IDLE_H
#define SLUICE_TESTS_FIXTURE_IDLE_H

#include "tests/unit/dataplane/broker/harness.h"

/* Everything that a fetch holds has been given back. */
static inline void
assert_idle(struct harness *h)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        assert_int_equal(buddy_used(h->shards[i].memory), 0);
        assert_int_equal(mesh_jobs_out(h->shards[i].mesh), 0);
        assert_int_equal(h->stores[i]->holds, 0);
    }
}

#endif
