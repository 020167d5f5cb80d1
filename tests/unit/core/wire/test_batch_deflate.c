#include "core/base/err.h"
#include "core/wire/batch_deflate.h"
#include "core/wire/batch_records.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { ROOM = 2 << 20 };

static uint8_t plain[ROOM], packed[ROOM + ROOM / 2], again[ROOM + ROOM / 2];

/* Packs all of v, in pieces of at most `piece` bytes, into `room` bytes of `to`. */
static int
deflate_all(enum batch_codec codec, int32_t level, struct view v, uint32_t piece, struct put *to)
{
    struct batch_deflate *z;
    int e = batch_deflate_open(codec, level, to, &z);
    for (uint32_t at = 0; e == ERR_OK && at < v.len; at += piece)
        e = batch_deflate_more(z, view_of(v.at + at, piece < v.len - at ? piece : v.len - at));
    return e == ERR_OK ? batch_deflate_end(z) : e;
}

static void
inflates_to(enum batch_codec codec, struct view v, struct view expected)
{
    struct batch_inflate *z;
    uint32_t at = 0;
    assert_int_equal(batch_inflate_open(codec, v, &z), ERR_OK);
    for (;;) {
        uint8_t *window;
        uint32_t n;
        assert_int_equal(batch_inflate_more(z, &window, &n), ERR_OK);
        if (n == 0)
            break;
        assert_true(n <= expected.len - at);
        assert_memory_equal(window, expected.at + at, n);
        at += n;
    }
    assert_int_equal(at, expected.len);
}

static void
fill_plain(void)
{
    uint64_t seed = 20261122;
    print_message("seed %lu\n", (unsigned long)seed);
    make_noise(&seed, plain, sizeof plain / 4);
    for (uint32_t i = sizeof plain / 4; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i / 1000);
}

static void
what_is_packed_inflates_to_the_same_in_every_codec_size_and_piece(void **state)
{
    static const uint32_t sizes[] = {1,
                                     100,
                                     BATCH_XERIAL_BLOCK_BYTES,
                                     BATCH_CHUNK_BYTES - 1,
                                     BATCH_CHUNK_BYTES,
                                     BATCH_CHUNK_BYTES + 1,
                                     1000003};
    static const uint32_t pieces[] = {ROOM, 1000, BATCH_CHUNK_BYTES + 7};
    fill_plain();
    for (int codec = BATCH_GZIP; codec < BATCH_CODECS; codec++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
                struct view v = {plain + 1000, sizes[s]};
                struct put to = put_of(packed, sizeof packed);
                assert_int_equal(deflate_all((enum batch_codec)codec, 5, v, pieces[p], &to),
                                 ERR_OK);
                inflates_to((enum batch_codec)codec, view_of(packed, put_len(&to)), v);
            }
}

static void
no_codec_copies(void **state)
{
    struct put to = put_of(packed, sizeof packed);
    assert_int_equal(deflate_all(BATCH_NONE, 0, view_of_text("abcdef"), 2, &to), ERR_OK);
    assert_int_equal(put_len(&to), 6);
    assert_memory_equal(packed, "abcdef", 6);
}

/* Readers with other pieces must not make other batches: a repeated compaction keeps bytes. */
static void
the_pieces_that_bytes_come_in_do_not_show_in_what_is_written(void **state)
{
    fill_plain();
    struct view v = {plain + ROOM / 4 - 100000, 300000};
    for (int codec = BATCH_GZIP; codec < BATCH_CODECS; codec++) {
        struct put one = put_of(packed, sizeof packed), two = put_of(again, sizeof again);
        assert_int_equal(deflate_all((enum batch_codec)codec, 3, v, v.len, &one), ERR_OK);
        assert_int_equal(deflate_all((enum batch_codec)codec, 3, v, 777, &two), ERR_OK);
        assert_int_equal(put_len(&one), put_len(&two));
        assert_memory_equal(packed, again, put_len(&one));
    }
}

static void
every_room_that_is_too_small_is_full_and_nothing_is_written_past_it(void **state)
{
    fill_plain();
    struct view v = {plain + ROOM / 4 - 300, 600};
    for (int codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        struct put all = put_of(packed, sizeof packed);
        assert_int_equal(deflate_all((enum batch_codec)codec, 3, v, v.len, &all), ERR_OK);
        for (uint32_t room = 0; room < put_len(&all); room++) {
            struct put to = put_of(again, room);
            memset(again, 0xee, room + 16);
            assert_int_equal(deflate_all((enum batch_codec)codec, 3, v, v.len, &to), ERR_FULL);
            for (uint32_t i = 0; i < 16; i++)
                assert_int_equal(again[room + i], 0xee);
        }
        struct put exact = put_of(again, put_len(&all));
        assert_int_equal(deflate_all((enum batch_codec)codec, 3, v, v.len, &exact), ERR_OK);
    }
}

static uint32_t
packed_bytes(enum batch_codec codec, int32_t level, struct view v)
{
    struct put to = put_of(packed, sizeof packed);
    assert_int_equal(deflate_all(codec, level, v, v.len, &to), ERR_OK);
    inflates_to(codec, view_of(packed, put_len(&to)), v);
    return put_len(&to);
}

/* Words drawn from a few: what a higher level finds more in. */
static struct view
prose(uint32_t bytes)
{
    static const char *const words[] = {"alpha ", "beta ", "gamma ", "delta ",
                                        "eps ",   "zeta-", "eta ",   "theta, "};
    uint64_t seed = 7;
    struct put w = put_of(plain, bytes);
    while (!w.bad) {
        uint8_t which;
        make_noise(&seed, &which, 1);
        put_bytes(&w, words[which % 8], (uint32_t)strlen(words[which % 8]));
    }
    return view_of(plain, put_len(&w));
}

static void
a_higher_level_packs_tighter_after_a_lower_one_on_the_same_thread(void **state)
{
    struct view v = prose(400000);
    assert_true(packed_bytes(BATCH_GZIP, 9, v) < packed_bytes(BATCH_GZIP, 1, v));
    assert_true(packed_bytes(BATCH_LZ4, 12, v) < packed_bytes(BATCH_LZ4, 9, v));
    assert_true(packed_bytes(BATCH_ZSTD, 19, v) < packed_bytes(BATCH_ZSTD, 1, v));
    uint32_t gzip6 = packed_bytes(BATCH_GZIP, 6, v);
    assert_int_equal(packed_bytes(BATCH_GZIP, -1, v), gzip6);
}

static void
a_level_out_of_range_is_the_nearest_one(void **state)
{
    struct view v = prose(100000);
    for (int codec = BATCH_GZIP; codec < BATCH_CODECS; codec++) {
        (void)packed_bytes((enum batch_codec)codec, INT32_MIN, v);
        (void)packed_bytes((enum batch_codec)codec, INT32_MAX, v);
    }
    uint32_t most = packed_bytes(BATCH_GZIP, 9, v);
    assert_int_equal(packed_bytes(BATCH_GZIP, 10, v), most);
}

static void
a_stream_after_one_that_was_left_is_whole(void **state)
{
    struct view v = prose(5000);
    for (int codec = BATCH_GZIP; codec < BATCH_CODECS; codec++) {
        struct put to = put_of(again, sizeof again);
        struct batch_deflate *z;
        assert_int_equal(batch_deflate_open((enum batch_codec)codec, 3, &to, &z), ERR_OK);
        assert_int_equal(batch_deflate_more(z, v), ERR_OK);
        (void)packed_bytes((enum batch_codec)codec, 3, v);
    }
}

static void
the_scratch_can_be_freed_at_any_time(void **state)
{
    batch_thread_end();
    batch_deflate_forget();
    (void)packed_bytes(BATCH_ZSTD, 3, prose(1000));
    batch_thread_end();
    (void)packed_bytes(BATCH_LZ4, 3, prose(1000));
    batch_thread_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_inflates_to_the_same_in_every_codec_size_and_piece),
        cmocka_unit_test(no_codec_copies),
        cmocka_unit_test(the_pieces_that_bytes_come_in_do_not_show_in_what_is_written),
        cmocka_unit_test(every_room_that_is_too_small_is_full_and_nothing_is_written_past_it),
        cmocka_unit_test(a_higher_level_packs_tighter_after_a_lower_one_on_the_same_thread),
        cmocka_unit_test(a_level_out_of_range_is_the_nearest_one),
        cmocka_unit_test(a_stream_after_one_that_was_left_is_whole),
        cmocka_unit_test(the_scratch_can_be_freed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
