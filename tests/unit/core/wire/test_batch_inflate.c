#include "core/base/err.h"
#include "core/wire/batch_records.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { ROOM = 2 << 20 };

static uint8_t plain[ROOM], packed[ROOM], inflated[ROOM];

static enum batch_codec
codec_of(int made)
{
    return made == MAKE_RAW_SNAPPY ? BATCH_SNAPPY : (enum batch_codec)made;
}

/* Inflates all of v; the result is in inflated[0, *n). */
static int
inflate_all(enum batch_codec codec, struct view v, uint32_t *n)
{
    struct batch_inflate *z;
    *n = 0;
    assert_int_equal(batch_inflate_open(codec, v, &z), ERR_OK);
    for (;;) {
        uint8_t *at;
        uint32_t got;
        int e = batch_inflate_more(z, &at, &got);
        if (e != ERR_OK || got == 0)
            return e;
        assert_true(*n + got <= sizeof inflated);
        memcpy(inflated + *n, at, got);
        memset(at - BATCH_CARRY_BYTES, 0xcc,
               BATCH_CARRY_BYTES + got); /* ours until the next call */
        *n += got;
    }
}

static struct view
pack(int made, struct view v)
{
    struct put w = put_of(packed, sizeof packed);
    make_pack(&w, (enum make_codec)made, v);
    return view_of(packed, put_len(&w));
}

static void
what_was_packed_comes_back_in_every_codec_and_size(void **state)
{
    static const uint32_t sizes[] = {
        1, 100, MAKE_XERIAL_BLOCK, BATCH_WINDOW_BYTES, BATCH_WINDOW_BYTES + 1, 1000003};
    uint64_t seed = 20260820;
    print_message("seed %lu\n", (unsigned long)seed);
    make_noise(&seed, plain, sizeof plain / 4);
    for (uint32_t i = sizeof plain / 4; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i / 1000);
    for (int made = MAKE_GZIP; made < MAKE_CODECS; made++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint32_t n;
            struct view v = pack(made, view_of(plain + 1000, sizes[i]));
            assert_int_equal(inflate_all(codec_of(made), v, &n), ERR_OK);
            assert_int_equal(n, sizes[i]);
            assert_memory_equal(inflated, plain + 1000, n);
        }
    }
}

static void
a_stream_that_is_cut_off_is_corrupt(void **state)
{
    for (int made = MAKE_GZIP; made < MAKE_CODECS; made++) {
        struct view v = pack(made, view_of(plain, 5000));
        for (uint32_t len = 1; len < v.len; len += 1 + len / 16) {
            uint32_t n;
            assert_int_equal(inflate_all(codec_of(made), view_of(v.at, len), &n), ERR_CORRUPT);
        }
    }
}

static void
no_bytes_are_an_empty_stream(void **state)
{
    for (int codec = BATCH_GZIP; codec < BATCH_CODECS; codec++) {
        uint32_t n;
        assert_int_equal(inflate_all((enum batch_codec)codec, view_of(packed, 0), &n), ERR_OK);
        assert_int_equal(n, 0);
    }
}

static void
a_stream_after_a_corrupt_one_is_read(void **state)
{
    for (int made = MAKE_GZIP; made < MAKE_CODECS; made++) {
        uint32_t n;
        struct view v = pack(made, view_of(plain, 5000));
        assert_int_equal(inflate_all(codec_of(made), view_of(v.at, v.len / 2), &n), ERR_CORRUPT);
        assert_int_equal(inflate_all(codec_of(made), v, &n), ERR_OK);
        assert_int_equal(n, 5000);
    }
}

static void
gzip_members_zstd_frames_and_xerial_streams_in_a_row_are_one_stream(void **state)
{
    static const int rows[] = {MAKE_GZIP, MAKE_ZSTD, MAKE_XERIAL};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t n;
        struct put w = put_of(packed, sizeof packed);
        make_pack(&w, (enum make_codec)rows[i], view_of(plain, 300));
        make_pack(&w, (enum make_codec)rows[i], view_of(plain + 300, 700));
        assert_int_equal(inflate_all(codec_of(rows[i]), view_of(packed, put_len(&w)), &n), ERR_OK);
        assert_int_equal(n, 1000);
        assert_memory_equal(inflated, plain, n);
    }
}

static void
a_snappy_block_over_the_limit_is_refused_by_its_header(void **state)
{
    static const uint8_t block[] = {0x81, 0x80, 0x80, 0x20, 0, 0}; /* 64 MiB + 1 */
    uint32_t n;
    assert_int_equal(inflate_all(BATCH_SNAPPY, view_of(block, sizeof block), &n), ERR_LIMIT);
}

/* 300 MiB of zeros in a few hundred kilobytes, or less. */
static void
a_stream_over_the_limit_stops_there(void **state)
{
    enum { PIECE = 1 << 20, PIECES = BATCH_INFLATED_BYTES_MAX / PIECE + 2 };
    struct put w = put_of(packed, sizeof packed);
    memset(plain, 0, PIECE);
    for (int i = 0; i < PIECES; i++)
        make_pack(&w, MAKE_ZSTD, view_of(plain, PIECE));
    struct batch_inflate *z;
    uint64_t total = 0;
    uint8_t *at;
    uint32_t n;
    assert_int_equal(batch_inflate_open(BATCH_ZSTD, view_of(packed, put_len(&w)), &z), ERR_OK);
    int e = batch_inflate_more(z, &at, &n);
    for (; e == ERR_OK && n > 0; e = batch_inflate_more(z, &at, &n))
        total += n;
    assert_int_equal(e, ERR_LIMIT);
    assert_int_equal(total, BATCH_INFLATED_BYTES_MAX);
}

static void
the_scratch_can_be_made_ahead_and_freed(void **state)
{
    uint32_t n;
    batch_thread_end();
    assert_int_equal(batch_thread_ready(), ERR_OK);
    batch_thread_end();
    batch_thread_end();
    assert_int_equal(inflate_all(BATCH_GZIP, pack(MAKE_GZIP, view_of(plain, 10)), &n), ERR_OK);
    assert_int_equal(n, 10);
    batch_thread_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back_in_every_codec_and_size),
        cmocka_unit_test(a_stream_that_is_cut_off_is_corrupt),
        cmocka_unit_test(no_bytes_are_an_empty_stream),
        cmocka_unit_test(a_stream_after_a_corrupt_one_is_read),
        cmocka_unit_test(gzip_members_zstd_frames_and_xerial_streams_in_a_row_are_one_stream),
        cmocka_unit_test(a_snappy_block_over_the_limit_is_refused_by_its_header),
        cmocka_unit_test(a_stream_over_the_limit_stops_there),
        cmocka_unit_test(the_scratch_can_be_made_ahead_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
