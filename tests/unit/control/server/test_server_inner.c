/* Control's calls to its shards; the test plays the shards. */
#include "control/server/server_inner.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/control/server/region_fixture.h"

#include <stdlib.h>

enum { GENERATION = 5 };

struct ended {
    uint64_t token;
    int err;
    uint32_t bytes;
};

struct fixture {
    struct region_fixture r;
    struct server_shard shards[FIXTURE_SHARDS];
    struct server_inner inner;
    struct ended ended[8];
    uint32_t ended_count;
    int again; /* result of a call made from within done */
};

static const struct wire_find_coordinator_request question = {.key = {(const uint8_t *)"g", 1}};

static int
call(struct fixture *f, uint32_t shard, uint64_t token)
{
    return server_inner_call(&f->inner, shard, wire_api_find(WIRE_API_FIND_COORDINATOR), 3,
                             &question, token);
}

static void
done(void *user, uint64_t token, int err, struct view body)
{
    struct fixture *f = user;
    assert_true(f->ended_count < 8);
    f->ended[f->ended_count++] = (struct ended){token, err, body.len};
    if (err)
        f->again = call(f, 0, 99);
}

static struct fixture *
setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    region_fixture_open(&f->r, 1 << 20);
    for (uint32_t i = 0; i < FIXTURE_SHARDS; i++) {
        uint32_t bytes = f->r.region.header->ring_bytes;
        chan_join(&f->shards[i].to_data, region_ring_to_data(&f->r.region, i), bytes);
        chan_join(&f->shards[i].to_control, region_ring_to_control(&f->r.region, i), bytes);
    }
    server_inner_init(&f->inner, f->shards, FIXTURE_SHARDS, GENERATION, f->r.data_generation);
    f->inner.done = done;
    f->inner.user = f;
    return f;
}

static void
teardown(struct fixture *f)
{
    server_inner_free(&f->inner);
    region_fixture_close(&f->r);
    free(f);
}

static int
reply(struct fixture *f, uint32_t shard, uint32_t connection, const void *bytes, uint32_t len)
{
    uint8_t body[256];
    struct msg_call head = {.generation = GENERATION, .connection = connection};
    memcpy(body, &head, sizeof head);
    memcpy(body + sizeof head, bytes, len);
    struct chan_message m = {.kind = MSG_REPLY,
                             .generation = f->r.data_generation,
                             .body = view_of(body, (uint32_t)sizeof head + len)};
    return server_inner_take(&f->inner, shard, &m);
}

/* An answer with so many bytes of body. */
static uint32_t
answer(uint8_t *out, int32_t correlation, uint32_t body)
{
    memset(out, 0, 9 + body);
    set_u32(out, 5 + body);
    set_u32(out + 4, (uint32_t)correlation);
    return 9 + body;
}

static void
no_call_is_sent_before_the_shard_has_opened_the_connection(void **state)
{
    (void)state;
    struct fixture *f = setup();
    assert_false(server_inner_open(&f->inner, 0));
    assert_int_equal(call(f, 0, 1), ERR_AGAIN);
    assert_int_equal(reply(f, 0, 3, "", 0), ERR_OK);
    assert_true(server_inner_open(&f->inner, 0));
    assert_false(server_inner_open(&f->inner, 1));
    assert_int_equal(call(f, 0, 1), ERR_OK);
    struct chan_message m;
    assert_int_equal(chan_peek(&f->r.to_data[0], &m), ERR_OK);
    assert_int_equal(m.kind, MSG_CALL);
    struct msg_call head;
    memcpy(&head, m.body.at, sizeof head);
    assert_int_equal(head.connection, 3);
    assert_int_equal(head.generation, f->r.data_generation);
    struct view frame = view_of(m.body.at + sizeof head, m.body.len - (uint32_t)sizeof head);
    assert_int_equal(get_u32(frame.at), frame.len - 4);
    struct wire_header h;
    assert_int_equal(wire_header_read(view_of(frame.at + 4, frame.len - 4), &h), ERR_OK);
    assert_int_equal(h.api_key, WIRE_API_FIND_COORDINATOR);
    assert_int_equal(h.api_version, 3);
    teardown(f);
}

static void
answers_find_their_calls_however_they_are_cut(void **state)
{
    (void)state;
    struct fixture *f = setup();
    uint8_t bytes[128];
    assert_int_equal(reply(f, 0, 1, "", 0), ERR_OK);
    for (uint64_t token = 10; token < 13; token++)
        assert_int_equal(call(f, 0, token), ERR_OK);
    uint32_t n = answer(bytes, 1, 4);
    n += answer(bytes + n, 2, 20);
    n += answer(bytes + n, 3, 0);
    for (uint32_t at = 0; at < n; at += 7)
        assert_int_equal(reply(f, 0, 1, bytes + at, n - at < 7 ? n - at : 7), ERR_OK);
    assert_int_equal(f->ended_count, 3);
    const uint32_t lengths[] = {4, 20, 0};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(f->ended[i].token, 10 + i);
        assert_int_equal(f->ended[i].err, ERR_OK);
        assert_int_equal(f->ended[i].bytes, lengths[i]);
    }
    assert_int_equal(f->inner.links[0].bytes, 0);
    teardown(f);
}

static void
calls_of_a_connection_that_ended_are_told_so_once(void **state)
{
    (void)state;
    struct fixture *f = setup();
    uint8_t bytes[64];
    assert_int_equal(reply(f, 0, 1, "", 0), ERR_OK);
    assert_int_equal(call(f, 0, 1), ERR_OK);
    assert_int_equal(call(f, 0, 2), ERR_OK);
    assert_int_equal(reply(f, 0, 1, bytes, answer(bytes, 1, 3) - 1), ERR_OK); /* never whole */
    assert_int_equal(reply(f, 0, 2, "", 0), ERR_OK);
    assert_int_equal(f->ended_count, 2);
    assert_int_equal(f->ended[1].token, 2);
    assert_int_equal(f->ended[1].err, ERR_CLOSED);
    assert_int_equal(f->again, ERR_AGAIN);              /* not onto the connection that is ending */
    assert_int_equal(reply(f, 0, 1, bytes, 4), ERR_OK); /* late bytes of the old one: dropped */
    assert_int_equal(call(f, 0, 3), ERR_OK);
    assert_int_equal(reply(f, 0, 2, bytes, answer(bytes, 3, 0)), ERR_OK);
    assert_int_equal(f->ended_count, 3);
    assert_int_equal(f->ended[2].err, ERR_OK);
    teardown(f);
}

static void
a_restarted_dataplane_ends_all_calls(void **state)
{
    (void)state;
    struct fixture *f = setup();
    assert_int_equal(reply(f, 0, 1, "", 0), ERR_OK);
    assert_int_equal(reply(f, 1, 1, "", 0), ERR_OK);
    assert_int_equal(call(f, 0, 1), ERR_OK);
    assert_int_equal(call(f, 1, 2), ERR_OK);
    server_inner_restarted(&f->inner, ++f->r.data_generation);
    assert_int_equal(f->ended_count, 2);
    assert_int_equal(f->ended[0].err, ERR_CLOSED);
    assert_false(server_inner_open(&f->inner, 1));
    teardown(f);
}

static void
an_answer_that_nobody_asked_for_is_a_broken_dataplane(void **state)
{
    (void)state;
    struct fixture *f = setup();
    uint8_t bytes[64];
    assert_int_equal(reply(f, 0, 1, "", 0), ERR_OK);
    assert_int_equal(reply(f, 0, 1, bytes, answer(bytes, 1, 0)), ERR_CORRUPT);
    assert_int_equal(reply(f, 0, 2, "", 0), ERR_OK);
    assert_int_equal(call(f, 0, 1), ERR_OK);
    assert_int_equal(reply(f, 0, 2, bytes, answer(bytes, 77, 0)), ERR_CORRUPT);
    teardown(f);
}

static void
a_full_connection_takes_no_more_calls(void **state)
{
    (void)state;
    struct fixture *f = setup();
    assert_int_equal(reply(f, 0, 1, "", 0), ERR_OK);
    uint32_t n = 0;
    struct chan_message m;
    while (call(f, 0, n) == ERR_OK) {
        n++;
        while (chan_peek(&f->r.to_data[0], &m) == ERR_OK)
            chan_done(&f->r.to_data[0]);
    }
    assert_int_equal(n, SERVER_INNER_CALLS);
    uint8_t bytes[64];
    assert_int_equal(reply(f, 0, 1, bytes, answer(bytes, 1, 0)), ERR_OK);
    assert_int_equal(call(f, 0, n), ERR_OK);
    teardown(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_is_sent_before_the_shard_has_opened_the_connection),
        cmocka_unit_test(answers_find_their_calls_however_they_are_cut),
        cmocka_unit_test(calls_of_a_connection_that_ended_are_told_so_once),
        cmocka_unit_test(a_restarted_dataplane_ends_all_calls),
        cmocka_unit_test(an_answer_that_nobody_asked_for_is_a_broken_dataplane),
        cmocka_unit_test(a_full_connection_takes_no_more_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
