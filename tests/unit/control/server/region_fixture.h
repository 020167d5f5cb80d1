/* region_fixture.h: a region made in this process, with the test as its dataplane. */
#ifndef SLUICE_TESTS_REGION_FIXTURE_H
#define SLUICE_TESTS_REGION_FIXTURE_H

#include "core/base/err.h"
#include "core/conf/conf.h"
#include "core/shm/chan.h"
#include "core/shm/msg.h"
#include "core/shm/region.h"
#include "core/shm/table.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { FIXTURE_SHARDS = 2, FIXTURE_TOPICS = 8, FIXTURE_PARTITIONS = 32 };

struct region_fixture {
    struct region region;
    struct conf conf;
    uint32_t data_generation;
    struct chan to_data[FIXTURE_SHARDS], to_control[FIXTURE_SHARDS];
};

static inline void
region_fixture_data_start(struct region_fixture *f)
{
    f->data_generation = region_join(&f->region, REGION_DATA, 1);
    for (uint32_t i = 0; i < FIXTURE_SHARDS; i++) {
        uint32_t bytes = f->region.header->ring_bytes;
        chan_join(&f->to_data[i], region_ring_to_data(&f->region, i), bytes);
        chan_join(&f->to_control[i], region_ring_to_control(&f->region, i), bytes);
    }
}

static inline void
region_fixture_open(struct region_fixture *f, uint32_t ring_bytes)
{
    char error[CONF_ERROR_BYTES];
    static const char conf[] = "listeners=PLAINTEXT://127.0.0.1:9092\nnode.id=1\n"
                               "topics.max=8\npartitions.max=32\n";
    struct region_shape shape = {FIXTURE_SHARDS, FIXTURE_TOPICS, FIXTURE_PARTITIONS, ring_bytes};
    memset(f, 0, sizeof *f);
    assert_int_equal(region_create(&f->region, &shape, conf), ERR_OK);
    memcpy(f->region.header->cluster_id, "abcdefghijklmnopqrstuv", 23);
    conf_defaults(&f->conf);
    assert_int_equal(conf_parse(&f->conf, conf, CONF_OPTION, error), ERR_OK);
    region_fixture_data_start(f);
}

static inline void
region_fixture_close(struct region_fixture *f)
{
    region_destroy(&f->region);
}

/* What the owning shard would write when it has done what the want row says. */
static inline void
region_fixture_report(struct region_fixture *f, uint32_t slot, enum table_have_state state)
{
    struct table_want_fact want;
    assert_int_equal(table_want_read(&region_want(&f->region)[slot], &want), ERR_OK);
    struct table_have_fact have = {.state = state, .version = want.version};
    memcpy(have.topic_id, want.topic_id, sizeof have.topic_id);
    table_have_write(&region_have(&f->region)[slot], &have);
}

/* Takes the next message of that kind from a ring to the dataplane, skipping others; false: none.
 */
static inline bool
region_fixture_take(struct region_fixture *f, uint32_t shard, uint32_t kind, void *out,
                    uint32_t room, uint32_t *bytes)
{
    struct chan_message m;
    while (chan_peek(&f->to_data[shard], &m) == ERR_OK) {
        bool hit = m.kind == kind;
        if (hit) {
            *bytes = m.body.len < room ? m.body.len : room;
            memcpy(out, m.body.at, *bytes);
        }
        chan_done(&f->to_data[shard]);
        if (hit)
            return true;
    }
    return false;
}

#endif
