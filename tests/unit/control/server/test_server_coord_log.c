/* Records to appends, replies held back, and the log read again. */
#include "core/wire/batch_build.h"
#include "core/wire/batch_control.h"
#include "tests/unit/control/server/coord_fixture.h"

static void
a_reply_waits_until_its_records_are_durable(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    f->hold = true;
    ask(f, 1, "+a");
    ask(f, 2, "?a"); /* no record of its own, but it saw one that is not durable */
    turns(f, 3);
    assert_int_equal(f->answer_count, 0);
    assert_int_equal(f->produces, 1);
    f->hold = false;
    turns(f, 1);
    expect(f, 0, 1, KERR_NONE, 1);
    expect(f, 1, 2, KERR_NONE, 1);
    ask(f, 3, "?a");
    expect(f, 2, 3, KERR_NONE, 1); /* all durable: at once */
    teardown(f);
}

static void
steps_of_one_turn_share_an_append(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    for (uint64_t i = 1; i <= 20; i++)
        ask(f, i, "+a");
    turns(f, 2);
    assert_int_equal(f->produces, 1);
    assert_int_equal(f->answer_count, 20);
    expect(f, 19, 20, KERR_NONE, 20);
    assert_int_equal(f->log_end, 20);
    teardown(f);
}

static void
a_step_of_many_records_is_parted_at_its_boundaries(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    f->hold = true;
    ask(f, 1, "#a");
    turns(f, 3);
    assert_in_range(f->produces, 2, SERVER_COORD_FLIGHT_MAX);
    assert_int_equal(f->log_end, MANY);
    assert_int_equal(f->answer_count, 0); /* the reply waits for the last of them */
    f->hold = false;
    turns(f, 1);
    expect(f, 0, 1, KERR_NONE, MANY % 256);
    ask(f, 2, "*a"); /* without a boundary: one batch */
    turns(f, 2);
    expect(f, 1, 2, KERR_NONE, (MANY + 2) % 256);
    teardown(f);
}

static void
the_state_comes_back_from_the_log(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    for (uint64_t i = 1; i <= 9; i++) {
        ask(f, i, i % 2 ? "*a" : "+b");
        turns(f, 1 + (uint32_t)i % 2);
    }
    turns(f, 2);
    server_coord_free(f->coord);
    coord_start(f);
    f->answer_count = 0;
    turns(f, 20);
    ask(f, 10, "?a");
    ask(f, 11, "?b");
    expect(f, 0, 10, KERR_NONE, 10);
    expect(f, 1, 11, KERR_NONE, 4);
    ask(f, 12, "+a");
    turns(f, 2);
    expect(f, 2, 12, KERR_NONE, 11);
    teardown(f);
}

static void
the_log_may_be_compressed(void **state)
{
    (void)state;
    uint32_t plain = 0;
    for (uint8_t codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        struct fixture *f = setup();
        server_coord_free(f->coord);
        f->codec = codec;
        coord_start(f);
        connect(f);
        turns(f, 5);
        ask(f, 1, "#a");
        turns(f, 9);
        struct batch_info info;
        assert_int_equal(batch_header(view_of(f->log, f->log_len), &info), ERR_OK);
        assert_int_equal(info.attributes & BATCH_CODEC_MASK, codec);
        assert_int_equal(f->log_end, MANY);
        plain = codec == BATCH_NONE ? f->log_len : plain;
        assert_true(codec == BATCH_NONE || f->log_len < plain);
        ask(f, 2, "+a"); /* what a codec would make larger is kept as it is */
        turns(f, 2);
        server_coord_free(f->coord);
        coord_start(f);
        f->answer_count = 0;
        turns(f, 30);
        ask(f, 3, "?a");
        expect(f, 0, 3, KERR_NONE, (uint8_t)(MANY + 1));
        teardown(f);
    }
}

static void
a_marker_takes_its_offset(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    ask(f, 1, "+a");
    turns(f, 2);
    struct coord_place place = {.offset = f->log_end++, .producer_id = 9};
    server_coord_marker(f->coord, PARTITION, &place, true);
    ask(f, 2, "+a");
    turns(f, 2);
    expect(f, 1, 2, KERR_NONE, 2); /* the toy checks that offsets rise */
    teardown(f);
}

static void
what_compaction_left_is_read_over(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    for (uint64_t i = 1; i <= 6; i++) {
        ask(f, i, i == 3 ? "+b" : "+a");
        turns(f, 2);
    }
    /* The first two batches are gone; of the last nothing is left but its offsets. */
    struct batch_info info;
    assert_int_equal(batch_header(view_of(f->log, f->log_len), &info), ERR_OK);
    f->log_len -= 2 * info.bytes;
    memmove(f->log, f->log + 2 * info.bytes, f->log_len);
    uint8_t *last = f->log + f->log_len - info.bytes;
    struct batch_template form = {.base_offset = 5,
                                  .leader_epoch = 4,
                                  .producer_id = -1,
                                  .producer_epoch = -1,
                                  .base_sequence = -1};
    f->log_len -= info.bytes - BATCH_HEADER_BYTES;
    batch_build_empty(last, &form, 0);
    server_coord_free(f->coord);
    coord_start(f);
    f->answer_count = 0;
    turns(f, 20);
    ask(f, 10, "?a");
    expect(f, 0, 10, KERR_NONE, 4); /* what the batch of offset 4 said */
    ask(f, 11, "?b");
    expect(f, 1, 11, KERR_NONE, 1);
    ask(f, 12, "+b");
    turns(f, 2);
    assert_int_equal(f->log_end, 7);
    teardown(f);
}

static void
a_marker_in_the_log_reaches_the_machine(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    ask(f, 1, "+a");
    turns(f, 2);
    struct batch_control c = {.type = BATCH_CONTROL_COMMIT, .producer_id = 9};
    struct batch_info info;
    batch_control_build(f->log + f->log_len, &c, &info);
    batch_stamp(f->log + f->log_len, f->log_end++, 4);
    f->log_len += BATCH_CONTROL_BYTES;
    server_coord_free(f->coord);
    coord_start(f);
    turns(f, 20);
    assert_int_equal(last_toy->markers, 1);
    assert_int_equal(last_toy->last_offset, 1);
    teardown(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_waits_until_its_records_are_durable),
        cmocka_unit_test(steps_of_one_turn_share_an_append),
        cmocka_unit_test(a_step_of_many_records_is_parted_at_its_boundaries),
        cmocka_unit_test(the_state_comes_back_from_the_log),
        cmocka_unit_test(the_log_may_be_compressed),
        cmocka_unit_test(a_marker_takes_its_offset),
        cmocka_unit_test(what_compaction_left_is_read_over),
        cmocka_unit_test(a_marker_in_the_log_reaches_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
