/* What all requests of asks.h have in common, by the example of OffsetForLeaderEpoch. */
#include "dataplane/broker/asks.h"
#include "tests/unit/dataplane/broker/fixture_fetch.h"

enum { MANY = 320 };

static void
send_many(struct client *c, uint32_t count)
{
    struct wire_offset_for_leader_epoch_request q;
    struct wire_offset_for_leader_epoch_request_offset_for_leader_partition parts[MANY];
    struct wire_offset_for_leader_epoch_request_offset_for_leader_topic topic = {
        fixture_name(0), {parts, (int32_t)count}};
    wire_init(&wire_offset_for_leader_epoch_request_message, &q);
    for (uint32_t i = 0; i < count; i++)
        parts[i] = (struct wire_offset_for_leader_epoch_request_offset_for_leader_partition){
            (int32_t)i, -1, 5};
    q.topics.items = &topic;
    q.topics.count = 1;
    harness_request(c->h, c->shard, c->conn, WIRE_API_OFFSET_FOR_LEADER_EPOCH, 4, 1, &q);
}

static int32_t
answered(struct client *c)
{
    static uint8_t memory[1 << 18];
    struct wire_arena arena;
    struct wire_offset_for_leader_epoch_response a;
    harness_turns(c->h, 8);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    if (v.len == 0)
        return -1;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_offset_for_leader_epoch_response_message, 4,
                                 view_of(v.at + 5, v.len - 5), &a, &arena),
                     ERR_OK);
    return a.topics.count ? a.topics.items[0].partitions.count : 0;
}

static void
a_request_without_partitions_is_answered_at_once(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    struct client c = client_new(h, 0, 0);
    send_many(&c, 0);
    assert_int_equal(answered(&c), 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
partitions_of_all_shards_come_together(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 40);
    struct client c = client_new(h, 0, 0);
    send_many(&c, 40);
    assert_int_equal(answered(&c), 40);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_request_waits_while_jobs_are_short(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    struct client c = client_new(h, 0, 0);
    static struct job *held[JOB_MAX];
    uint32_t n = 0;
    while (n < JOB_MAX && (held[n] = mesh_job(h->shards[0].mesh)))
        n++;
    send_many(&c, 4);
    assert_int_equal(answered(&c), -1);
    while (n > 0)
        mesh_done(h->shards[0].mesh, held[--n]);
    assert_int_equal(answered(&c), 4);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_without_partitions_is_answered_at_once),
        cmocka_unit_test(partitions_of_all_shards_come_together),
        cmocka_unit_test(a_request_waits_while_jobs_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
