/* census_fixture.h: a region with topics "alpha" (2 partitions) and "beta" (1), made in this
 * process; two groups, one of which has a name that is no UTF-8, and one transaction. */
#ifndef SLUICE_TESTS_CENSUS_FIXTURE_H
#define SLUICE_TESTS_CENSUS_FIXTURE_H

#include "control/census/census.h"
#include "core/base/err.h"
#include "core/shm/counters.h"
#include "core/shm/table.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum { CENSUS_SHARDS = 2 };

static inline void
census_fixture_topic(const struct region *r, uint32_t row, const char *name, uint32_t partitions)
{
    struct table_topic_fact f = {.state = TABLE_LIVE,
                                 .version = 1,
                                 .partition_count = partitions,
                                 .name_bytes = (uint16_t)strlen(name),
                                 .internal = name[0] == '_'};
    memcpy(f.name, name, strlen(name));
    memset(f.id, (int)row + 1, sizeof f.id);
    table_topic_write(&region_topics(r)[row], &f);
}

/* A partition that shard 1 serves: offsets [10, end), all durable. */
static inline void
census_fixture_partition(const struct region *r, uint32_t slot, uint32_t topic, int32_t partition,
                         int64_t end)
{
    struct table_want_fact w = {.state = TABLE_LIVE,
                                .version = 1,
                                .topic = topic,
                                .partition = partition,
                                .leader_id = 1,
                                .leader_epoch = 3};
    struct table_have_fact h = {.state = TABLE_OPEN,
                                .version = 1,
                                .shard = 1,
                                .log_start_offset = 10,
                                .high_watermark = end,
                                .log_end_offset = end,
                                .bytes = 100};
    memset(w.topic_id, (int)topic + 1, sizeof w.topic_id);
    memset(h.topic_id, (int)topic + 1, sizeof h.topic_id);
    table_want_write(&region_want(r)[slot], &w);
    table_have_write(&region_have(r)[slot], &h);
}

static inline void
census_fixture_region(struct region *r)
{
    struct region_shape shape = {CENSUS_SHARDS, 4, 8, 64 << 10};
    assert_int_equal(region_create(r, &shape, ""), ERR_OK);
    memcpy(r->header->cluster_id, "abcdefghijklmnopqrstuv", 23);
    atomic_store(&r->header->node_id, 7);
    census_fixture_topic(r, 2, "alpha", 2);
    census_fixture_topic(r, 0, "beta", 1);
    census_fixture_partition(r, 5, 2, 1, 30);
    census_fixture_partition(r, 0, 2, 0, 20);
    census_fixture_partition(r, 3, 0, 0, 40);
}

/* Both processes serve at now_ns. */
static inline void
census_fixture_start(struct region *r, uint64_t now_ns)
{
    for (int i = 0; i < REGION_PROCESSES; i++) {
        (void)region_join(r, (enum region_process)i, 100 + i);
        region_set_ready(r, (enum region_process)i);
        atomic_store(&r->header->peers[i].heartbeat_ns, now_ns);
    }
    atomic_store(&r->header->published, 1);
}

static inline void
census_fixture_groups(struct census *c)
{
    struct census_group stable = {.state = "Stable", .type = "Classic", .members = 3};
    struct census_group empty = {.state = "Empty", .type = "Consumer", .coordinator = 2};
    struct census_txn txn = {.state = "Ongoing", .producer_id = 9, .start_ms = 5000, .epoch = 1};
    census_init(c);
    assert_true(census_add_group(c, &stable, view_of_text("g\"1"), view_of_text("consumer"),
                                 view_of_text("range")));
    assert_true(census_add_offset(c, view_of_text("alpha"), 0, 15, 1000));
    assert_true(census_add_offset(c, view_of_text("alpha"), 1, 28, 1001));
    assert_true(census_add_offset(c, view_of_text("gone"), 0, 4, 1002));
    assert_true(census_add_group(c, &empty, view_of("\xff", 1), view_of("", 0), view_of("", 0)));
    assert_true(census_add_offset(c, view_of_text("beta"), 0, 41, 1003));
    assert_true(census_add_txn(c, &txn, view_of_text("tx")));
    const struct census_client_texts texts = {view_of_text("app"), view_of_text("java"),
                                              view_of_text("4.3"), view_of_text("127.0.0.1")};
    const uint8_t id[16] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    assert_true(census_add_client(c, id, 6000, &texts));
    assert_true(census_add_value(c, view_of_text("open"), view_of("", 0), false, 2));
}

#endif
