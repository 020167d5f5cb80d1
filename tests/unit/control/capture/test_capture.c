#include "control/capture/capture.h"

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/shm/chan.h"
#include "core/shm/msg.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

enum { CORES = 2, PACKET = 6, STATISTICS = 5 };

/* A file in memory, and the cores' ends of the rings. */
static struct {
    struct region region;
    struct capture *capture;
    struct capring_order *order;
    struct capring_task tasks[CORES];
    struct chan rings[CORES];
    uint8_t bytes[1 << 20];
    size_t len;
    int opened, closed, open_err, write_err;
    char path[64];
} f;

static uint64_t now_ns;

static int
file_open(void *self, const char *path)
{
    if (f.open_err)
        return f.open_err;
    f.opened++;
    f.len = 0;
    (void)snprintf(f.path, sizeof f.path, "%s", path);
    return ERR_OK;
}

static int
file_write(void *self, const void *at, size_t bytes)
{
    if (f.write_err)
        return f.write_err;
    assert_true(f.len + bytes <= sizeof f.bytes);
    memcpy(f.bytes + f.len, at, bytes);
    f.len += bytes;
    return ERR_OK;
}

static void
file_close(void *self)
{
    f.closed++;
}

static uint64_t
clock_now(void)
{
    return now_ns;
}

static int64_t
clock_wall(void)
{
    return (int64_t)now_ns + 1000000;
}

static void
capture_start(void)
{
    f.capture = capture_new(&(struct capture_config){
        .region = &f.region,
        .file = {.open = file_open, .write = file_write, .close = file_close},
        .now_ns = clock_now,
        .wall_ns = clock_wall,
    });
}

static int
setup(void **state)
{
    struct region_shape shape = {CORES, 1, 1, 64 << 10};
    memset(&f, 0, sizeof f);
    now_ns = CLOCK_NS_PER_S;
    assert_int_equal(region_create(&f.region, &shape, ""), ERR_OK);
    f.order = region_capring_order(&f.region);
    for (uint32_t i = 0; i < CORES; i++)
        chan_join(&f.rings[i], region_capring(&f.region, i)->ring, CAPRING_BYTES);
    capture_start();
    return 0;
}

static int
teardown(void **state)
{
    capture_free(f.capture);
    region_destroy(&f.region);
    return 0;
}

/* A turn of both cores, then of the capture. */
static void
turn(void)
{
    for (uint32_t i = 0; i < CORES; i++)
        (void)capring_look(region_capring(&f.region, i), &f.tasks[i]);
    now_ns += CLOCK_NS_PER_MS;
    (void)capture_turn(f.capture);
}

static int
give(struct capring_want want)
{
    uint32_t number;
    assert_int_equal(capring_order_give(f.order, &want, &number), ERR_OK);
    for (int i = 0; i < 300 && !capring_order_answered(f.order, number); i++)
        turn();
    assert_true(capring_order_answered(f.order, number));
    turn();
    return f.order->err;
}

static int
start(uint64_t frames_max, uint64_t bytes_max)
{
    return give((struct capring_want){.start = 1,
                                      .snap = 64,
                                      .frames_max = frames_max,
                                      .bytes_max = bytes_max,
                                      .path = "/x/y.pcapng"});
}

static void
put_frame(uint32_t core, uint64_t at_ns, const char *text, uint32_t number)
{
    struct msg_frame m = {.at_ns = at_ns, .wire_bytes = 1000};
    uint32_t n = (uint32_t)strlen(text);
    uint8_t *at = chan_reserve(&f.rings[core], (uint32_t)sizeof m + n);
    assert_non_null(at);
    memcpy(at, &m, sizeof m);
    memcpy(at + sizeof m, text, n);
    chan_publish(&f.rings[core], MSG_FRAME, number, (uint32_t)sizeof m + n);
}

static void
frame(uint32_t core, uint64_t at_ns, const char *text)
{
    put_frame(core, at_ns, text, f.tasks[core].number);
}

/* The texts of all packets of the file, one behind the other; *statistics: blocks of these. */
static const char *
packets(uint32_t *statistics)
{
    static char texts[4096];
    size_t at = 0, n = 0;
    *statistics = 0;
    while (at < f.len) {
        const uint8_t *b = f.bytes + at;
        uint32_t bytes = get_u32(b + 4);
        assert_true(bytes >= 12 && at + bytes <= f.len);
        assert_int_equal(get_u32(b + bytes - 4), bytes);
        *statistics += get_u32(b) == STATISTICS;
        if (get_u32(b) == PACKET) {
            uint32_t len = get_u32(b + 20);
            memcpy(texts + n, b + 28, len);
            n += len;
        }
        at += bytes;
    }
    texts[n] = 0;
    return texts;
}

static void
frames_of_all_cores_are_written_in_the_order_of_their_time(void **state)
{
    uint32_t statistics;
    assert_int_equal(start(100, 1 << 20), ERR_OK);
    assert_string_equal(f.path, "/x/y.pcapng");
    assert_int_equal(f.order->state, CAPRING_RUNNING);
    frame(0, 30, "c");
    frame(1, 10, "a");
    frame(0, 40, "d");
    frame(1, 20, "b");
    turn();
    assert_int_equal(f.order->frames, 4);
    assert_int_equal(give((struct capring_want){.start = 0}), ERR_OK);
    assert_string_equal(packets(&statistics), "abcd");
    assert_int_equal(statistics, CORES);
    assert_int_equal(f.closed, 1);
    assert_int_equal(f.order->state, CAPRING_ENDED);
    assert_int_equal(f.order->why, CAPRING_ASKED);
    assert_int_equal(f.order->bytes, f.len);
}

static void
what_the_cores_put_in_before_they_see_the_end_is_in_the_file(void **state)
{
    uint32_t statistics;
    assert_int_equal(start(100, 1 << 20), ERR_OK);
    struct capring_want stop = {.start = 0};
    uint32_t number;
    assert_int_equal(capring_order_give(f.order, &stop, &number), ERR_OK);
    (void)capture_turn(f.capture);
    assert_false(capring_order_answered(f.order, number));
    frame(0, 10, "late");
    turn();
    turn();
    assert_true(capring_order_answered(f.order, number));
    assert_string_equal(packets(&statistics), "late");
}

static void
a_core_that_does_not_turn_does_not_hold_up_the_end(void **state)
{
    assert_int_equal(start(100, 1 << 20), ERR_OK);
    struct capring_want stop = {.start = 0};
    uint32_t number;
    assert_int_equal(capring_order_give(f.order, &stop, &number), ERR_OK);
    for (int i = 0; i < 2 * CAPTURE_END_MS && !capring_order_answered(f.order, number); i++) {
        (void)capture_turn(f.capture);
        now_ns += CLOCK_NS_PER_MS;
    }
    assert_true(capring_order_answered(f.order, number));
    assert_int_equal(f.closed, 1);
}

static void
it_ends_by_itself_at_as_many_frames_as_were_asked_for(void **state)
{
    uint32_t statistics;
    assert_int_equal(start(2, 1 << 20), ERR_OK);
    for (uint64_t i = 0; i < 5; i++)
        frame(0, i, "x");
    turn();
    assert_int_equal(f.order->state, CAPRING_ENDED);
    assert_int_equal(f.order->why, CAPRING_FRAMES);
    assert_string_equal(packets(&statistics), "xx");
    turn();
    assert_int_equal(f.tasks[0].snap, 0); /* the cores were told */
}

static void
the_file_is_never_longer_than_was_asked_for(void **state)
{
    enum { BYTES = 1000 };
    assert_int_equal(start(1000, BYTES), ERR_OK);
    for (uint64_t i = 0; i < 100; i++)
        frame(1, i, "0123456789012345678901234567890123456789");
    turn();
    assert_int_equal(f.order->state, CAPRING_ENDED);
    assert_int_equal(f.order->why, CAPRING_SIZE);
    assert_true(f.len <= BYTES && f.len > BYTES / 2);
    assert_int_equal(f.closed, 1);
}

static void
frames_of_an_earlier_capture_are_not_taken(void **state)
{
    uint32_t statistics;
    assert_int_equal(start(1, 1 << 20), ERR_OK);
    frame(0, 1, "a");
    frame(0, 2, "b");
    turn();
    assert_int_equal(start(10, 1 << 20), ERR_OK);
    frame(0, 3, "c");
    turn();
    assert_int_equal(give((struct capring_want){.start = 0}), ERR_OK);
    assert_string_equal(packets(&statistics), "c");
}

static void
one_at_a_time(void **state)
{
    assert_int_equal(start(10, 1 << 20), ERR_OK);
    assert_int_equal(start(10, 1 << 20), ERR_BUSY);
    assert_int_equal(f.opened, 1);
    assert_int_equal(f.order->state, CAPRING_RUNNING);
}

static void
an_end_without_a_beginning_and_a_bad_order_are_refused(void **state)
{
    assert_int_equal(give((struct capring_want){.start = 0}), ERR_NOT_FOUND);
    assert_int_equal(give((struct capring_want){.start = 1, .snap = 1, .frames_max = 1}),
                     ERR_INVALID);
    f.open_err = ERR_EXISTS;
    assert_int_equal(start(10, 1 << 20), ERR_EXISTS);
    assert_int_equal(f.order->state, CAPRING_NONE);
}

static void
a_file_that_fails_ends_it_and_says_so(void **state)
{
    assert_int_equal(start(10, 1 << 20), ERR_OK);
    f.write_err = ERR_NO_SPACE;
    frame(0, 1, "x");
    turn();
    assert_int_equal(f.order->state, CAPRING_ENDED);
    assert_int_equal(f.order->why, CAPRING_FAILED);
    assert_int_equal(f.order->err, ERR_NO_SPACE);
    assert_int_equal(f.closed, 1);
}

static void
lost_frames_are_told_and_stand_in_the_file(void **state)
{
    assert_int_equal(start(10, 1 << 20), ERR_OK);
    atomic_store(&region_capring(&f.region, 1)->lost, 7);
    turn();
    assert_int_equal(f.order->lost, 7);
    assert_int_equal(give((struct capring_want){.start = 0}), ERR_OK);
    const uint8_t *last = f.bytes + f.len - 52;
    assert_int_equal(get_u32(last), STATISTICS);
    assert_true(get_u64(last + 36) == 7);
}

static void
a_control_that_is_started_anew_ends_what_ran_and_answers_without_obeying(void **state)
{
    struct capring_want want = {.start = 1, .snap = 64, .frames_max = 1, .bytes_max = 4096};
    uint32_t number;
    assert_int_equal(start(10, 1 << 20), ERR_OK);
    assert_int_equal(capring_order_give(f.order, &want, &number), ERR_OK);
    struct capture *dead = f.capture;
    capture_start();
    assert_true(capring_order_answered(f.order, number));
    assert_int_equal(f.order->err, ERR_AGAIN);
    assert_int_equal(f.order->state, CAPRING_ENDED);
    assert_int_equal(f.order->why, CAPRING_RESTART);
    for (uint32_t i = 0; i < CORES; i++)
        assert_int_equal(region_capring(&f.region, i)->number % 2, 0);
    capture_free(dead);
}

static void
a_ring_that_breaks_its_format_costs_its_frames_only(void **state)
{
    uint32_t statistics;
    assert_int_equal(start(10, 1 << 20), ERR_OK);
    struct chan_memory *broken = (void *)region_capring(&f.region, 0)->ring;
    frame(1, 5, "good");
    atomic_store(&broken->head, 3);
    turn();
    assert_int_equal(give((struct capring_want){.start = 0}), ERR_OK);
    assert_string_equal(packets(&statistics), "good");
}

int
main(void)
{
#define CAPTURE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        CAPTURE_TEST(frames_of_all_cores_are_written_in_the_order_of_their_time),
        CAPTURE_TEST(what_the_cores_put_in_before_they_see_the_end_is_in_the_file),
        CAPTURE_TEST(a_core_that_does_not_turn_does_not_hold_up_the_end),
        CAPTURE_TEST(it_ends_by_itself_at_as_many_frames_as_were_asked_for),
        CAPTURE_TEST(the_file_is_never_longer_than_was_asked_for),
        CAPTURE_TEST(frames_of_an_earlier_capture_are_not_taken),
        CAPTURE_TEST(one_at_a_time),
        CAPTURE_TEST(an_end_without_a_beginning_and_a_bad_order_are_refused),
        CAPTURE_TEST(a_file_that_fails_ends_it_and_says_so),
        CAPTURE_TEST(lost_frames_are_told_and_stand_in_the_file),
        CAPTURE_TEST(a_control_that_is_started_anew_ends_what_ran_and_answers_without_obeying),
        CAPTURE_TEST(a_ring_that_breaks_its_format_costs_its_frames_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
