/* Control's own connection: through the real rings and the whole shard. */
#include "tests/unit/dataplane/broker/harness.h"

/* The control side of the connection. */
struct inside {
    uint32_t connection, hellos;
    uint8_t bytes[1 << 20];
    uint32_t len;
};

static void
inside_take(struct harness *h, struct inside *in)
{
    struct chan_message m;
    while (chan_peek(&h->from_data[0], &m) == ERR_OK) {
        struct msg_call head;
        memcpy(&head, m.body.at, sizeof head);
        uint32_t n = m.body.len - (uint32_t)sizeof head;
        if (m.kind == MSG_REPLY && n == 0) {
            in->connection = head.connection;
            in->hellos++;
            in->len = 0;
        } else if (m.kind == MSG_REPLY) {
            assert_int_equal(head.connection, in->connection);
            assert_true(in->len + n <= sizeof in->bytes);
            memcpy(in->bytes + in->len, m.body.at + sizeof head, n);
            in->len += n;
        }
        chan_done(&h->from_data[0]);
    }
}

static void
inside_send(struct harness *h, uint32_t connection, uint32_t control_generation, const void *bytes,
            uint32_t len)
{
    struct msg_call head = {.generation = h->shards[0].generation, .connection = connection};
    uint8_t *at = chan_reserve(&h->to_data[0], (uint32_t)sizeof head + len);
    assert_non_null(at);
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, bytes, len);
    chan_publish(&h->to_data[0], MSG_CALL, control_generation, (uint32_t)sizeof head + len);
}

/* A framed ApiVersions request, version 0. */
static uint32_t
request(uint8_t out[64], int32_t correlation)
{
    struct put w = put_of(out, 64);
    put_u32(&w, 10);
    put_u16(&w, WIRE_API_API_VERSIONS);
    put_u16(&w, 0);
    put_u32(&w, (uint32_t)correlation);
    put_u16(&w, UINT16_MAX);
    return put_len(&w);
}

/* Correlation id of the next answer; -1: none is whole. */
static int32_t
answer_take(struct inside *in)
{
    if (in->len < 8 || in->len - 4 < get_u32(in->bytes))
        return -1;
    int32_t id = get_i32(in->bytes + 4);
    uint32_t n = 4 + get_u32(in->bytes);
    memmove(in->bytes, in->bytes + n, in->len - n);
    in->len -= n;
    return id;
}

static uint32_t
control_generation(struct harness *h)
{
    return atomic_load(&h->region.header->peers[REGION_CONTROL].generation);
}

static void
a_ready_control_finds_its_connection_open_on_every_shard(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_turns(h, 2);
    for (uint32_t i = 0; i < 2; i++) {
        struct chan_message m;
        assert_int_equal(chan_peek(&h->from_data[i], &m), ERR_OK);
        assert_int_equal(m.kind, MSG_REPLY);
        assert_int_equal(m.body.len, sizeof(struct msg_call));
        assert_int_equal(h->shards[i].conn_count, 0); /* no client's */
    }
    harness_free(h);
}

static void
requests_are_answered_in_order(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    static struct inside in;
    in = (struct inside){0};
    harness_turns(h, 2);
    inside_take(h, &in);
    uint8_t two[128];
    uint32_t n = request(two, 7);
    n += request(two + n, 8);
    inside_send(h, in.connection, control_generation(h), two, n - 5); /* cut anywhere */
    harness_turns(h, 2);
    inside_send(h, in.connection, control_generation(h), two + n - 5, 5);
    harness_turns(h, 3);
    inside_take(h, &in);
    assert_int_equal(answer_take(&in), 7);
    assert_int_equal(answer_take(&in), 8);
    assert_int_equal(answer_take(&in), -1);
    harness_free(h);
}

static void
a_restarted_control_gets_a_new_connection_and_old_requests_are_dropped(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    static struct inside in;
    in = (struct inside){0};
    harness_turns(h, 2);
    inside_take(h, &in);
    uint32_t old = in.connection, old_generation = control_generation(h);
    uint8_t bytes[64];
    uint32_t n = request(bytes, 1);
    inside_send(h, old, old_generation, bytes, n / 2);
    harness_control_starts(h);
    harness_turns(h, 2);
    inside_send(h, old, old_generation, bytes + n / 2, n - n / 2);
    inside_take(h, &in);
    assert_int_equal(in.hellos, 2);
    assert_int_not_equal(in.connection, old);
    inside_send(h, old, control_generation(h), bytes, n); /* a number of before */
    request(bytes, 2);
    inside_send(h, in.connection, control_generation(h), bytes, n);
    harness_turns(h, 3);
    inside_take(h, &in);
    assert_int_equal(answer_take(&in), 2);
    assert_int_equal(answer_take(&in), -1);
    harness_free(h);
}

static void
garbage_ends_the_connection_and_a_new_one_opens(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    static struct inside in;
    in = (struct inside){0};
    harness_turns(h, 2);
    inside_take(h, &in);
    uint32_t old = in.connection;
    inside_send(h, old, control_generation(h), "\0\0\0\1garbage", 11);
    harness_turns(h, 3);
    inside_take(h, &in);
    assert_int_equal(in.hellos, 2);
    uint8_t bytes[64];
    uint32_t n = request(bytes, 3);
    inside_send(h, in.connection, control_generation(h), bytes, n);
    harness_turns(h, 3);
    inside_take(h, &in);
    assert_int_equal(answer_take(&in), 3);
    harness_free(h);
}

static void
answers_wait_while_the_ring_is_full(void **state)
{
    (void)state;
    enum { COUNT = 2000 }; /* of answers of some 100 bytes or more: not all fit */
    const char *settings[] = {"max.requests.in.flight", "1024", NULL};
    struct harness *h = harness_new(1, settings);
    static struct inside in;
    in = (struct inside){0};
    harness_turns(h, 2);
    inside_take(h, &in);
    /* All the room of the ring but a little. */
    while (chan_reserve(&h->shards[0].to_control, 4096))
        chan_publish(&h->shards[0].to_control, MSG_HAVE, 1, 4096);
    uint8_t bytes[64];
    for (int32_t i = 0; i < COUNT; i++) {
        uint32_t n = request(bytes, i);
        inside_send(h, in.connection, control_generation(h), bytes, n);
    }
    for (int turn = 0; turn < 5; turn++)
        harness_turn(h);
    int32_t next = 0;
    for (int turn = 0; turn < 3000 && next < COUNT; turn++) {
        inside_take(h, &in);
        for (int32_t id; (id = answer_take(&in)) >= 0;)
            assert_int_equal(id, next++);
        harness_turn(h);
    }
    assert_int_equal(next, COUNT);
    assert_int_equal(in.hellos, 1);
    harness_free(h);
}

static void
no_timeout_applies_to_it(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    static struct inside in;
    in = (struct inside){0};
    fake_stream_open(&h->streams[0], 0);
    harness_turns(h, 2);
    inside_take(h, &in);
    for (int i = 0; i < 64; i++) {
        h->now_ns += 600 * CLOCK_NS_PER_S;
        harness_turn(h);
    }
    assert_int_equal(h->streams[0].conns[0].id, 0); /* the client was idle too long */
    inside_take(h, &in);
    assert_int_equal(in.hellos, 1);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_control_finds_its_connection_open_on_every_shard),
        cmocka_unit_test(requests_are_answered_in_order),
        cmocka_unit_test(a_restarted_control_gets_a_new_connection_and_old_requests_are_dropped),
        cmocka_unit_test(garbage_ends_the_connection_and_a_new_one_opens),
        cmocka_unit_test(answers_wait_while_the_ring_is_full),
        cmocka_unit_test(no_timeout_applies_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
