#include "control/meta/meta.h"
#include "control/server/server.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/control/server/disk_fake.h"
#include "tests/unit/control/server/region_fixture.h"

#include <unistd.h>

struct fixture {
    struct region_fixture r;
    struct disk_fake *disk;
    struct server *server;
    uint8_t arena_at[1 << 20];
    struct wire_arena arena;
};

static uint64_t random_word = 99;

static void
random_fill(void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        random_word = random_word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)at)[i] = (uint8_t)(random_word >> 56);
    }
}

static int
control_start(struct fixture *f)
{
    struct server_config config = {
        .region = &f->r.region,
        .conf = &f->r.conf,
        .log = {.disk = disk_fake_port(f->disk),
                .clock = disk_fake_clock(f->disk),
                .file_bytes = 2 << 20,
                .arena_bytes = 4 << 20},
        .random = random_fill,
        .pid = 2,
    };
    return server_create(&config, &f->server);
}

static struct fixture *
setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->disk = calloc(1, sizeof *f->disk);
    assert_non_null(f->disk);
    region_fixture_open(&f->r, 64 << 10);
    assert_int_equal(control_start(f), ERR_OK);
    return f;
}

static void
teardown(struct fixture *f)
{
    if (f->server)
        server_destroy(f->server);
    disk_fake_free(f->disk);
    region_fixture_close(&f->r);
    free(f);
}

static uint64_t
turn(struct fixture *f)
{
    uint64_t deadline = 0;
    f->disk->now_ns += CLOCK_NS_PER_MS;
    assert_int_equal(server_turn(f->server, f->disk->now_ns, &deadline), ERR_OK);
    return deadline;
}

static void
send(struct fixture *f, uint32_t shard, uint64_t token, const uint8_t *bytes, uint32_t len)
{
    struct msg_request q = {.token = token};
    uint8_t *at = chan_reserve(&f->r.to_control[shard], (uint32_t)sizeof q + len);
    assert_non_null(at);
    memcpy(at, &q, sizeof q);
    memcpy(at + sizeof q, bytes, len);
    chan_publish(&f->r.to_control[shard], MSG_REQUEST, f->r.data_generation,
                 (uint32_t)sizeof q + len);
}

static void
send_create(struct fixture *f, uint32_t shard, uint64_t token, const char *name, int32_t partitions)
{
    struct wire_create_topics_request_creatable_topic topic = {
        .name = view_of_text(name), .num_partitions = partitions, .replication_factor = -1};
    struct wire_create_topics_request request = {.topics = {&topic, 1}, .timeout_ms = 500};
    uint8_t bytes[512] = {0, WIRE_API_CREATE_TOPICS, 0, 2, 0, 0, 0, 9, 0xff, 0xff};
    struct put w = put_of(bytes + 10, sizeof bytes - 10);
    assert_int_equal(wire_encode(&wire_create_topics_request_message, 2, &request, &w), ERR_OK);
    send(f, shard, token, bytes, 10 + put_len(&w));
}

/* The error code of a CreateTopics answer, or -99 when there is none. */
static int
create_answer(struct fixture *f, uint32_t shard, uint64_t token)
{
    uint8_t at[4096];
    uint32_t bytes;
    struct wire_create_topics_response response;
    if (!region_fixture_take(&f->r, shard, MSG_ANSWER, at, sizeof at, &bytes))
        return -99;
    struct msg_answer head;
    memcpy(&head, at, sizeof head);
    assert_int_equal(head.token, token);
    wire_arena_init(&f->arena, f->arena_at, sizeof f->arena_at);
    assert_int_equal(get_u32(at + sizeof head), 9);
    struct view body = view_of(at + sizeof head + 4, bytes - (uint32_t)sizeof head - 4);
    assert_int_equal(
        wire_decode(&wire_create_topics_response_message, 2, body, &response, &f->arena), ERR_OK);
    return response.topics.items[0].error_code;
}

static void
control_is_ready_with_published_tables(void **state)
{
    struct fixture *f = setup();
    struct region_header *h = f->r.region.header;
    assert_int_equal(atomic_load(&h->peers[REGION_CONTROL].generation), 1);
    assert_int_equal(atomic_load(&h->peers[REGION_CONTROL].ready), 1);
    assert_int_equal(atomic_load(&h->published), 1);
    assert_true(atomic_load(&h->lease_until_ns) == UINT64_MAX);
    uint64_t deadline = turn(f);
    assert_true(atomic_load(&h->peers[REGION_CONTROL].heartbeat_ns) == f->disk->now_ns);
    assert_true(deadline <= f->disk->now_ns + SERVER_HEARTBEAT_MS * CLOCK_NS_PER_MS);
    teardown(f);
}

static void
a_creation_is_answered_when_its_partitions_are_open(void **state)
{
    struct fixture *f = setup();
    send_create(f, 1, 77, "t", 2);
    for (uint32_t i = 0; i < 5; i++)
        turn(f);
    assert_int_equal(create_answer(f, 1, 77), -99);
    region_fixture_report(&f->r, 0, TABLE_OPEN);
    turn(f);
    assert_int_equal(create_answer(f, 1, 77), -99);
    region_fixture_report(&f->r, 1, TABLE_OPEN);
    turn(f);
    assert_int_equal(create_answer(f, 1, 77), KERR_NONE);
    teardown(f);
}

static void
a_creation_is_answered_at_its_deadline_all_the_same(void **state)
{
    struct fixture *f = setup();
    send_create(f, 0, 5, "t", 1);
    uint32_t turns = 0;
    int code = -99;
    while (code == -99 && turns++ < 600) {
        turn(f);
        code = create_answer(f, 0, 5);
    }
    assert_int_equal(code, KERR_NONE);
    assert_true(turns >= 490);
    teardown(f);
}

static void
nothing_leaves_before_it_is_committed(void **state)
{
    struct fixture *f = setup();
    f->disk->hold = true;
    send_create(f, 0, 5, "t", 1);
    for (uint32_t i = 0; i < 5; i++)
        turn(f);
    struct table_topic_fact row;
    assert_int_equal(table_topic_read(&region_topics(&f->r.region)[0], &row), ERR_OK);
    assert_int_equal(row.state, TABLE_FREE);
    send_create(f, 0, 6, "t", 1); /* an error, but it tells of what is not committed */
    for (uint32_t i = 0; i < 5; i++)
        turn(f);
    assert_int_equal(create_answer(f, 0, 5), -99);
    f->disk->hold = false;
    turn(f);
    turn(f);
    assert_int_equal(create_answer(f, 0, 6), KERR_TOPIC_ALREADY_EXISTS);
    teardown(f);
}

static void
a_malformed_request_closes_its_connection(void **state)
{
    struct fixture *f = setup();
    const uint8_t bytes[] = {0, WIRE_API_CREATE_TOPICS, 0, 2, 0, 0, 0, 9, 0xff, 0xff, 1};
    send(f, 1, 31, bytes, sizeof bytes);
    turn(f);
    uint8_t at[64];
    uint32_t len;
    assert_true(region_fixture_take(&f->r, 1, MSG_CLOSE, at, sizeof at, &len));
    uint64_t token;
    memcpy(&token, at, sizeof token);
    assert_int_equal(token, 31);
    teardown(f);
}

/* Who sends rubbish writes nothing into the log of the broker: it is counted where it is closed. */
static void
malformed_requests_leave_no_lines_in_the_log(void **state)
{
    struct fixture *f = setup();
    const uint8_t cut[] = {0, WIRE_API_CREATE_TOPICS, 0, 2, 0, 0, 0, 9, 0xff, 0xff, 1};
    const uint8_t unknown[] = {0x7f, 0xff, 0, 0, 0, 0, 0, 9, 0xff, 0xff};
    const uint8_t old[] = {0, WIRE_API_CREATE_TOPICS, 0x7f, 0xff, 0, 0, 0, 9, 0xff, 0xff};
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    send(f, 1, 31, cut, sizeof cut);
    send(f, 1, 32, unknown, sizeof unknown);
    send(f, 1, 33, old, sizeof old);
    turn(f);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    char text[256] = "";
    ssize_t n = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    assert_string_equal(text, "");
    assert_int_equal(n, 0);
    uint8_t at[64];
    uint32_t len;
    for (int i = 0; i < 3; i++)
        assert_true(region_fixture_take(&f->r, 1, MSG_CLOSE, at, sizeof at, &len));
    teardown(f);
}

static void
a_deleted_topic_is_forgotten_when_its_logs_are_gone(void **state)
{
    struct fixture *f = setup();
    send_create(f, 0, 1, "t", 1);
    turn(f);
    region_fixture_report(&f->r, 0, TABLE_OPEN);
    turn(f);
    assert_int_equal(create_answer(f, 0, 1), KERR_NONE);
    struct view names[] = {view_of_text("t")};
    struct wire_delete_topics_request request = {.topic_names = {names, 1}, .timeout_ms = 100};
    uint8_t bytes[128] = {0, WIRE_API_DELETE_TOPICS, 0, 1, 0, 0, 0, 9, 0xff, 0xff};
    struct put w = put_of(bytes + 10, sizeof bytes - 10);
    assert_int_equal(wire_encode(&wire_delete_topics_request_message, 1, &request, &w), ERR_OK);
    send(f, 0, 2, bytes, 10 + put_len(&w));
    turn(f);
    turn(f);
    struct table_want_fact want;
    assert_int_equal(table_want_read(&region_want(&f->r.region)[0], &want), ERR_OK);
    assert_int_equal(want.state, TABLE_DELETING);
    region_fixture_report(&f->r, 0, TABLE_GONE);
    turn(f);
    turn(f);
    assert_int_equal(table_want_read(&region_want(&f->r.region)[0], &want), ERR_OK);
    assert_int_equal(want.state, TABLE_FREE);
    teardown(f);
}

static void
a_restarted_control_knows_its_topics_and_grows_its_generation(void **state)
{
    struct fixture *f = setup();
    send_create(f, 0, 1, "t", 2);
    for (uint32_t i = 0; i < 3; i++)
        turn(f);
    server_destroy(f->server); /* as if killed: no snapshot */
    f->server = NULL;
    disk_fake_cut(f->disk);
    send_create(f, 0, 2, "lost", 1); /* left in the ring: the dataplane sends it again */
    assert_int_equal(control_start(f), ERR_OK);
    assert_int_equal(atomic_load(&f->r.region.header->published), 2);
    turn(f);
    send_create(f, 0, 3, "t", 1);
    turn(f);
    turn(f);
    assert_int_equal(create_answer(f, 0, 3), KERR_TOPIC_ALREADY_EXISTS);
    struct table_want_fact want;
    assert_int_equal(table_want_read(&region_want(&f->r.region)[1], &want), ERR_OK);
    assert_int_equal(want.version, 1);
    teardown(f);
}

static void
an_answer_for_a_dead_dataplane_is_dropped(void **state)
{
    struct fixture *f = setup();
    send_create(f, 0, 1, "t", 1);
    turn(f);
    region_fixture_data_start(&f->r);
    region_fixture_report(&f->r, 0, TABLE_OPEN);
    turn(f);
    turn(f);
    assert_int_equal(create_answer(f, 0, 1), -99);
    teardown(f);
}

static void
a_log_of_another_node_is_refused(void **state)
{
    struct fixture *f = setup();
    char error[CONF_ERROR_BYTES];
    assert_int_equal(server_stop(f->server), ERR_OK);
    server_destroy(f->server);
    f->server = NULL;
    assert_int_equal(conf_set(&f->r.conf, "node.id", "2", CONF_OPTION, error), ERR_OK);
    assert_int_equal(control_start(f), ERR_INVALID);
    f->server = NULL;
    teardown(f);
}

static void
a_failed_disk_stops_control(void **state)
{
    struct fixture *f = setup();
    uint64_t deadline;
    f->disk->fail_from = f->disk->ops + 1;
    send_create(f, 0, 1, "t", 1);
    int rc = ERR_OK;
    for (uint32_t i = 0; i < 5 && rc == ERR_OK; i++)
        rc = server_turn(f->server, f->disk->now_ns += CLOCK_NS_PER_MS, &deadline);
    assert_int_equal(rc, ERR_IO);
    assert_int_equal(create_answer(f, 0, 1), -99);
    teardown(f);
}

static void
sleep_is_refused_while_requests_wait(void **state)
{
    struct fixture *f = setup();
    turn(f);
    assert_false(server_sleep(f->server));
    send_create(f, 0, 1, "t", 1);
    assert_true(chan_must_wake(&f->r.to_control[0]));
    server_awake(f->server);
    assert_true(server_sleep(f->server));
    server_awake(f->server);
    turn(f);
    assert_false(server_sleep(f->server));
    teardown(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_is_ready_with_published_tables),
        cmocka_unit_test(a_creation_is_answered_when_its_partitions_are_open),
        cmocka_unit_test(a_creation_is_answered_at_its_deadline_all_the_same),
        cmocka_unit_test(nothing_leaves_before_it_is_committed),
        cmocka_unit_test(a_malformed_request_closes_its_connection),
        cmocka_unit_test(malformed_requests_leave_no_lines_in_the_log),
        cmocka_unit_test(a_deleted_topic_is_forgotten_when_its_logs_are_gone),
        cmocka_unit_test(a_restarted_control_knows_its_topics_and_grows_its_generation),
        cmocka_unit_test(an_answer_for_a_dead_dataplane_is_dropped),
        cmocka_unit_test(a_log_of_another_node_is_refused),
        cmocka_unit_test(a_failed_disk_stops_control),
        cmocka_unit_test(sleep_is_refused_while_requests_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
