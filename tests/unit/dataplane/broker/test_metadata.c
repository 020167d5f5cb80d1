/* Metadata through encoded bytes. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"

#include <unistd.h>

static uint8_t memory[4 << 20];

struct meta_ask {
    int16_t version;
    bool all, create, topic_operations, cluster_operations;
    const char *names[4];
    int rows[4]; /* ids to ask for, from 1 on; 0: none */
};

static void
send_meta(struct client *c, const struct meta_ask *a)
{
    struct wire_metadata_request q;
    struct wire_metadata_request_topic topics[8];
    memset(topics, 0, sizeof topics);
    wire_init(&wire_metadata_request_message, &q);
    q.allow_auto_topic_creation = a->create || a->version < 4;
    q.include_topic_authorized_operations = a->topic_operations;
    q.include_cluster_authorized_operations = a->cluster_operations;
    q.topics.items = topics;
    for (int i = 0; i < 4 && a->names[i]; i++)
        topics[q.topics.count++].name = view_of_text(a->names[i]);
    for (int i = 0; i < 4 && a->rows[i]; i++)
        harness_topic_id(topics[q.topics.count++].topic_id, (uint32_t)a->rows[i] - 1);
    if (a->all && a->version > 0)
        q.topics.count = -1;
    harness_request(c->h, c->shard, c->conn, WIRE_API_METADATA, a->version, 1, &q);
}

static bool
take_meta(struct client *c, int16_t version, struct wire_metadata_response *out)
{
    struct wire_arena arena;
    harness_turns(c->h, 3);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    if (v.len == 0)
        return false;
    uint32_t header = version >= 9 ? 5 : 4;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_metadata_response_message, version,
                                 view_of(v.at + header, v.len - header), out, &arena),
                     ERR_OK);
    return true;
}

static void
all_topics_come_in_every_version(void **state)
{
    static const char *const settings[] = {"advertised.listeners",
                                           "PLAINTEXT://broker.example:9192",
                                           "node.id",
                                           "1",
                                           "broker.rack",
                                           "r1",
                                           NULL};
    struct harness *h = harness_new(2, settings);
    memcpy(h->region.header->cluster_id, "cluster-of-the-test", 20);
    harness_topic(h, 0, "0", 3);
    harness_topic(h, 1, "1", 1);
    struct client c = client_new(h, 1, 0);
    for (int16_t version = 0; version <= 13; version++) {
        struct wire_metadata_response m;
        send_meta(&c, &(struct meta_ask){.version = version, .all = true});
        assert_true(take_meta(&c, version, &m));
        assert_int_equal(m.brokers.count, 1);
        assert_int_equal(m.brokers.items[0].node_id, 1);
        assert_true(view_equal(m.brokers.items[0].host, view_of_text("broker.example")));
        assert_int_equal(m.brokers.items[0].port, 9192);
        assert_true(view_equal(m.brokers.items[0].rack, view_of_text(version >= 1 ? "r1" : "")));
        assert_int_equal(m.controller_id, version ? 1 : -1);
        if (version >= 2)
            assert_true(view_equal(m.cluster_id, view_of_text("cluster-of-the-test")));
        assert_int_equal(m.topics.count, 2);
        assert_int_equal(m.topics.items[0].partitions.count, 3);
        assert_int_equal(m.topics.items[0].topic_authorized_operations, INT32_MIN);
        assert_int_equal(m.cluster_authorized_operations, INT32_MIN);
        const struct wire_metadata_response_partition *p = &m.topics.items[0].partitions.items[2];
        assert_int_equal(p->error_code, KERR_NONE);
        assert_int_equal(p->partition_index, 2);
        assert_int_equal(p->leader_id, 1);
        assert_int_equal(p->leader_epoch, version >= 7 ? 5 : -1);
        assert_int_equal(p->replica_nodes.count, 1);
        assert_int_equal(p->replica_nodes.items[0], 1);
        assert_int_equal(p->isr_nodes.items[0], 1);
        assert_int_equal(p->offline_replicas.count, 0);
    }
    harness_free(h);
}

/* Source: Kafka: a partition whose only replica is on a failed disk has no leader. */
static void
a_partition_that_failed_has_no_leader_and_an_offline_replica(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 1, 0);
    struct table_have_fact have;
    const struct route_part *part = route_part(route_by_row(h->shards[0].route, 0), 0);
    struct table_have *row = &region_have(&h->region)[part->slot];
    assert_int_equal(table_have_read(row, &have), ERR_OK);
    have.state = TABLE_FAILED;
    table_have_write(row, &have);
    struct wire_metadata_response m;
    send_meta(&c, &(struct meta_ask){.version = 12, .all = true});
    assert_true(take_meta(&c, 12, &m));
    for (int32_t i = 0; i < 2; i++) {
        const struct wire_metadata_response_partition *p = &m.topics.items[0].partitions.items[i];
        bool failed = p->partition_index == 0;
        assert_int_equal(p->error_code, failed ? KERR_LEADER_NOT_AVAILABLE : KERR_NONE);
        assert_int_equal(p->leader_id, failed ? -1 : 1);
        assert_int_equal(p->offline_replicas.count, failed);
        assert_int_equal(p->replica_nodes.count, 1);
    }
    harness_free(h);
}

static void
no_topics_are_none_from_version_one_on(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct wire_metadata_response m;
    send_meta(&c, &(struct meta_ask){.version = 1});
    assert_true(take_meta(&c, 1, &m));
    assert_int_equal(m.topics.count, 0);
    assert_int_equal(m.brokers.count, 1);
    assert_true(view_equal(m.brokers.items[0].host, view_of_text("127.0.0.1")));
    harness_free(h);
}

static void
named_topics_come_once_and_unknown_ones_as_errors(void **state)
{
    static const char *const settings[] = {"auto.create.topics.enable", "false", NULL};
    struct harness *h = harness_new(1, settings);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct wire_metadata_response m;
    send_meta(&c, &(struct meta_ask){.version = 9,
                                     .create = true,
                                     .topic_operations = true,
                                     .cluster_operations = true,
                                     .names = {"0", "none", "0", "not/valid"}});
    assert_true(take_meta(&c, 9, &m));
    assert_int_equal(m.topics.count, 3);
    assert_int_equal(m.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(m.topics.items[0].topic_authorized_operations, 3576);
    assert_int_equal(m.topics.items[1].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_true(view_equal(m.topics.items[1].name, view_of_text("none")));
    assert_int_equal(m.topics.items[2].error_code, KERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(m.cluster_authorized_operations, 8096);
    harness_free(h);
}

static void
ids_are_found_and_unknown_ones_said(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct wire_metadata_response m;
    send_meta(&c, &(struct meta_ask){.version = 12, .create = true, .rows = {1, 8}});
    assert_true(take_meta(&c, 12, &m));
    assert_int_equal(m.topics.count, 2);
    assert_true(view_equal(m.topics.items[0].name, view_of_text("0")));
    assert_int_equal(m.topics.items[1].error_code, KERR_UNKNOWN_TOPIC_ID);
    assert_null(m.topics.items[1].name.at);
    assert_int_equal(m.topics.items[1].topic_id[0], 8);
    send_meta(&c, &(struct meta_ask){.version = 10, .create = true, .rows = {1}, .names = {"0"}});
    assert_true(take_meta(&c, 10, &m));
    assert_int_equal(m.topics.items[0].error_code, KERR_INVALID_REQUEST);
    harness_free(h);
}

static void
a_topic_that_may_be_created_is_a_matter_of_control(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct wire_metadata_response m;
    uint64_t before = harness_counter(h, 0, COUNTER_REQUESTS_FORWARDED);
    send_meta(&c, &(struct meta_ask){.version = 12, .names = {"none"}}); /* creation not allowed */
    assert_true(take_meta(&c, 12, &m));
    assert_int_equal(m.topics.items[0].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    send_meta(&c, &(struct meta_ask){.version = 12, .create = true, .names = {"0"}});
    assert_true(take_meta(&c, 12, &m));
    assert_int_equal(harness_counter(h, 0, COUNTER_REQUESTS_FORWARDED), before);
    send_meta(&c, &(struct meta_ask){.version = 12, .create = true, .names = {"0", "none"}});
    assert_false(take_meta(&c, 12, &m));
    assert_int_equal(harness_counter(h, 0, COUNTER_REQUESTS_FORWARDED), before + 1);
    harness_free(h);
}

static void
an_address_that_means_all_is_not_told_to_anybody(void **state)
{
    static const char *const settings[] = {"listeners", "PLAINTEXT://0.0.0.0:9092", NULL};
    struct harness *h = harness_new(1, settings);
    struct client c = client_new(h, 0, 0);
    struct wire_metadata_response m;
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    send_meta(&c, &(struct meta_ask){.version = 1, .all = true});
    assert_true(take_meta(&c, 1, &m));
    assert_true(view_equal(m.brokers.items[0].host, view_of_text(host)));
    assert_int_equal(m.brokers.items[0].port, 9092);
    harness_free(h);
}

static void
a_listing_beyond_the_scratch_memory_still_comes(void **state)
{
    struct harness *h = harness_new(1, NULL);
    /* Announced, not yet published one by one: many more than the scratch memory has room for. */
    struct table_topic_fact t = {.state = TABLE_LIVE, .version = 1, .partition_count = 60000};
    harness_topic_id(t.id, 0);
    t.name_bytes = 1;
    t.name[0] = '0';
    t.config = harness_topic_config;
    table_topic_write(&region_topics(&h->region)[0], &t);
    harness_ring_row(h, MSG_TOPIC, 0);
    harness_turn(h);
    struct client c = client_new(h, 0, 0);
    send_meta(&c, &(struct meta_ask){.version = 12, .all = true});
    harness_turns(h, 4);
    struct view v = harness_response(h, 0, 0, &c.at);
    assert_true(v.len > 60000 * 20);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_topics_come_in_every_version),
        cmocka_unit_test(a_partition_that_failed_has_no_leader_and_an_offline_replica),
        cmocka_unit_test(no_topics_are_none_from_version_one_on),
        cmocka_unit_test(named_topics_come_once_and_unknown_ones_as_errors),
        cmocka_unit_test(ids_are_found_and_unknown_ones_said),
        cmocka_unit_test(a_topic_that_may_be_created_is_a_matter_of_control),
        cmocka_unit_test(an_address_that_means_all_is_not_told_to_anybody),
        cmocka_unit_test(a_listing_beyond_the_scratch_memory_still_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
