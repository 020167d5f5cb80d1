/* AlterReplicaLogDirs through encoded bytes. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"

typedef struct wire_alter_replica_log_dirs_response answer;

static struct plog *
log_of(struct harness *h, int32_t partition)
{
    uint8_t id[16];
    harness_topic_id(id, 0);
    return store_find(h->stores[store_core_of(id, partition, h->shard_count)], id, partition);
}

static struct harness *
two_directories(void)
{
    struct harness *h = harness_new(2, NULL);
    harness_set(h, "log.dirs", "/first,/second");
    harness_topic_write(h, 0, "0", 4, &harness_topic_config);
    h->shards[0].route_retry_ns = h->shards[1].route_retry_ns = 0;
    harness_turns(h, 2);
    for (uint32_t i = 0; i < 2; i++)
        h->stores[i]->dirs = 2;
    for (int32_t i = 0; i < 4; i++)
        fixture_append(h, 0, i, 100);
    harness_turn(h);
    return h;
}

/* Decodes the answer to a request that was sent. */
static void
answered(struct client *c, int16_t version, answer *out)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    harness_turns(c->h, 6);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    assert_true(v.len > 0);
    uint32_t header = version >= 2 ? 5 : 4;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_alter_replica_log_dirs_response_message, version,
                                 view_of(v.at + header, v.len - header), out, &arena),
                     ERR_OK);
}

/* Asks for partitions of topic 0 in a directory, and for one of a topic that is not known. */
static void
move(struct client *c, int16_t version, const char *path, int32_t *parts, int32_t count,
     answer *out)
{
    struct wire_alter_replica_log_dirs_request q;
    struct wire_alter_replica_log_dirs_request_alter_replica_log_dir_topic topics[] = {
        {fixture_name(0), {parts, count}}, {fixture_name(7), {parts, 1}}};
    struct wire_alter_replica_log_dirs_request_alter_replica_log_dir dirs[] = {
        {view_of_text(path), {topics, 2}}};
    wire_init(&wire_alter_replica_log_dirs_request_message, &q);
    q.dirs.items = dirs;
    q.dirs.count = 1;
    harness_request(c->h, c->shard, c->conn, WIRE_API_ALTER_REPLICA_LOG_DIRS, version, 1, &q);
    answered(c, version, out);
    assert_int_equal(out->results.count, 2);
    assert_int_equal(out->results.items[0].partitions.count, count);
}

static void
partitions_of_all_shards_are_moved(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    for (int16_t version = 1; version <= 2; version++) {
        int32_t parts[] = {0, 1, 2, 9};
        answer a;
        move(&c, version, version == 1 ? "/second" : "/first", parts, 4, &a);
        for (int32_t i = 0; i < 3; i++) {
            assert_int_equal(a.results.items[0].partitions.items[i].error_code, KERR_NONE);
            assert_int_equal(a.results.items[0].partitions.items[i].partition_index, i);
            assert_int_equal(log_of(h, i)->move_to, version == 1 ? 1 : 255);
        }
        assert_int_equal(log_of(h, 3)->move_to, 255);
        assert_int_equal(a.results.items[0].partitions.items[3].error_code,
                         KERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(a.results.items[1].partitions.items[0].error_code,
                         KERR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_directory_that_is_not_there_or_offline_has_an_error(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    int32_t parts[] = {0, 1};
    answer a;
    move(&c, 2, "/third", parts, 2, &a);
    for (int32_t i = 0; i < 2; i++)
        assert_int_equal(a.results.items[0].partitions.items[i].error_code, KERR_LOG_DIR_NOT_FOUND);
    h->stores[0]->dirs_offline = h->stores[1]->dirs_offline = 2;
    move(&c, 2, "/second", parts, 2, &a);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(a.results.items[0].partitions.items[i].error_code,
                         KERR_KAFKA_STORAGE_ERROR);
        assert_int_equal(log_of(h, i)->move_to, 255);
    }
    harness_free(h);
}

static void
a_topic_named_for_several_directories_is_answered_once(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    int32_t low[] = {0, 1}, high[] = {2, 3};
    struct wire_alter_replica_log_dirs_request q;
    struct wire_alter_replica_log_dirs_request_alter_replica_log_dir_topic topics[] = {
        {fixture_name(0), {low, 2}}, {fixture_name(0), {high, 2}}, {fixture_name(7), {low, 1}}};
    struct wire_alter_replica_log_dirs_request_alter_replica_log_dir dirs[] = {
        {view_of_text("/first"), {topics, 1}},
        {view_of_text("/second"), {topics + 1, 2}},
        {view_of_text("/third"), {topics + 2, 1}}};
    answer a;
    wire_init(&wire_alter_replica_log_dirs_request_message, &q);
    q.dirs.items = dirs;
    q.dirs.count = 3;
    harness_request(h, c.shard, c.conn, WIRE_API_ALTER_REPLICA_LOG_DIRS, 2, 1, &q);
    answered(&c, 2, &a);
    assert_int_equal(a.results.count, 2);
    assert_int_equal(a.results.items[0].partitions.count, 4);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(a.results.items[0].partitions.items[i].partition_index, i);
        assert_int_equal(a.results.items[0].partitions.items[i].error_code, KERR_NONE);
        assert_int_equal(log_of(h, i)->move_to, i < 2 ? 255 : 1);
    }
    assert_int_equal(a.results.items[1].partitions.count, 2);
    assert_int_equal(a.results.items[1].partitions.items[0].error_code,
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(a.results.items[1].partitions.items[1].error_code, KERR_LOG_DIR_NOT_FOUND);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_request_for_nothing_has_an_empty_answer(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    struct wire_alter_replica_log_dirs_request q;
    answer a;
    wire_init(&wire_alter_replica_log_dirs_request_message, &q);
    harness_request(h, c.shard, c.conn, WIRE_API_ALTER_REPLICA_LOG_DIRS, 2, 1, &q);
    answered(&c, 2, &a);
    assert_int_equal(a.results.count, 0);
    harness_free(h);
}

/* Sends a move of partitions 0 and 1. */
static void
move_two(struct client *c)
{
    int32_t parts[] = {0, 1};
    struct wire_alter_replica_log_dirs_request q;
    struct wire_alter_replica_log_dirs_request_alter_replica_log_dir_topic topics[] = {
        {fixture_name(0), {parts, 2}}};
    struct wire_alter_replica_log_dirs_request_alter_replica_log_dir dirs[] = {
        {view_of_text("/second"), {topics, 1}}};
    wire_init(&wire_alter_replica_log_dirs_request_message, &q);
    q.dirs.items = dirs;
    q.dirs.count = 1;
    harness_request(c->h, c->shard, c->conn, WIRE_API_ALTER_REPLICA_LOG_DIRS, 2, 1, &q);
    harness_turns(c->h, 6);
}

static void
the_answer_waits_until_the_wish_is_durable(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    answer a;
    h->stores[0]->disk_late = h->stores[1]->disk_late = true;
    move_two(&c);
    assert_int_equal(harness_response(h, c.shard, c.conn, &c.at).len, 0);
    h->stores[0]->disk_late = h->stores[1]->disk_late = false;
    answered(&c, 2, &a);
    for (int32_t i = 0; i < 2; i++)
        assert_int_equal(a.results.items[0].partitions.items[i].error_code, KERR_NONE);
    harness_free(h);
}

static void
a_move_without_journal_space_is_tried_again(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    answer a;
    h->stores[0]->trim_again = h->stores[1]->trim_again = true;
    move_two(&c);
    assert_int_equal(harness_response(h, c.shard, c.conn, &c.at).len, 0);
    assert_int_equal(log_of(h, 0)->move_to, 255);
    h->stores[0]->trim_again = h->stores[1]->trim_again = false;
    answered(&c, 2, &a);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(a.results.items[0].partitions.items[i].error_code, KERR_NONE);
        assert_int_equal(log_of(h, i)->move_to, 1);
    }
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_of_all_shards_are_moved),
        cmocka_unit_test(a_topic_named_for_several_directories_is_answered_once),
        cmocka_unit_test(a_request_for_nothing_has_an_empty_answer),
        cmocka_unit_test(a_directory_that_is_not_there_or_offline_has_an_error),
        cmocka_unit_test(the_answer_waits_until_the_wish_is_durable),
        cmocka_unit_test(a_move_without_journal_space_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
