#include "core/base/crc32c.h"
#include "core/store/fill.h"
#include "core/wire/batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum { LEN_MAX = 300000, ROOM = 16 };

static uint8_t from[LEN_MAX], to[LEN_MAX];
static uint32_t crcs[ROOM];

static int
bytes_make(void **state)
{
    unsigned rnd = 1;
    for (uint32_t i = 0; i < LEN_MAX; i++)
        from[i] = (uint8_t)rand_r(&rnd);
    return 0;
}

/* Copies a batch in parts of any size. */
static void
copy(struct fill *f, struct fill_ring *ring, uint32_t pos, uint32_t len, unsigned *rnd)
{
    fill_begin(f, ring, to, pos, len);
    for (uint32_t done = 0; done < len;) {
        uint32_t n = 1 + (uint32_t)rand_r(rnd) % (rand_r(rnd) % 2 ? 100 : 90000);
        n = n < len - done ? n : len - done;
        fill_add(f, from + done, n);
        done += n;
    }
}

static uint32_t
position(unsigned *rnd)
{
    static const uint32_t starts[] = {0,     1,     4035,         4036,         8192,
                                      65535, 65536, 65536 - 4096, 65536 - 4097, 3u << 20};
    uint32_t i = (uint32_t)rand_r(rnd) % 20;
    return i < 10 ? starts[i] : (uint32_t)rand_r(rnd) % (1 << 20);
}

static void
the_copy_and_the_crc_are_those_of_the_batch(void **state)
{
    for (unsigned seed = 1; seed <= 300; seed++) {
        unsigned rnd = seed;
        struct fill f;
        struct fill_ring ring = {.at = crcs, .room = ROOM, .next = seed % ROOM};
        uint32_t pos = position(&rnd);
        uint32_t len = 61 + (uint32_t)rand_r(&rnd) % (LEN_MAX - 61);
        print_message("# seed %u\n", seed);
        copy(&f, seed % 3 ? &ring : NULL, pos, len, &rnd);
        assert_memory_equal(to, from, len);
        uint32_t n = len - BATCH_AT_ATTRIBUTES;
        assert_int_equal(fill_crc(&f), crc32c(0, from + BATCH_AT_ATTRIBUTES, n));
    }
}

/* Of its whole blocks too, and with a header that has been stamped since. */
static void
the_crc_of_the_blocks_is_of_what_lies_there(void **state)
{
    for (unsigned seed = 1; seed <= 300; seed++) {
        unsigned rnd = seed;
        struct fill f;
        struct fill_ring ring = {.at = crcs, .room = ROOM, .next = seed % ROOM};
        uint32_t pos = position(&rnd);
        uint32_t len = 8192 + (uint32_t)rand_r(&rnd) % (LEN_MAX - 8192);
        uint32_t first = (pos + FILL_BLOCK - 1) / FILL_BLOCK * FILL_BLOCK;
        uint32_t limit = (pos + len) / FILL_BLOCK * FILL_BLOCK;
        print_message("# seed %u\n", seed);
        copy(&f, seed % 3 ? &ring : NULL, pos, len, &rnd);
        for (uint32_t i = 0; i < BATCH_HEADER_BYTES; i++)
            to[i] ^= (uint8_t)rand_r(&rnd);
        uint32_t crc = crc32c(0, to + (first - pos), limit - first);
        assert_int_equal(fill_blocks_crc(&f, first, limit), crc);
    }
}

/* Sums of a segment made of batches, each passed in up to three parts, are those of its bytes; the
 * ring holds the pieces of the last few only. */
static void
sums_are_continued_without_reading(void **state)
{
    enum { BATCHES = 30, SEGMENT = 4 << 20 };
    uint8_t *segment = calloc(1, SEGMENT);
    for (unsigned seed = 1; seed <= 40; seed++) {
        unsigned rnd = seed;
        struct fill_ring ring = {.at = crcs, .room = ROOM};
        struct sums sums = {0}, right = {0};
        uint32_t pos = 0;
        print_message("# seed %u\n", seed);
        for (int i = 0; i < BATCHES; i++) {
            struct fill f;
            uint32_t len = 61 + (uint32_t)rand_r(&rnd) % 130000;
            copy(&f, rand_r(&rnd) % 4 ? &ring : NULL, pos, len, &rnd);
            if (rand_r(&rnd) % 4 == 0) /* taken back */
                copy(&f, &ring, pos, len, &rnd);
            uint32_t pieces = fill_keep(&f), from_pos = pos;
            to[rand_r(&rnd) % BATCH_HEADER_BYTES]++;
            memcpy(segment + pos, to, len);
            if (pieces) /* nobody reads what lies behind the first cut and before the last */
                memset(to + 2 * FILL_BLOCK, 0, len > 4 * FILL_BLOCK ? len - 4 * FILL_BLOCK : 0);
            struct fill_batch b = {to, pos, len, pieces};
            uint32_t first = (pos + FILL_BLOCK - 1) / FILL_BLOCK * FILL_BLOCK;
            uint32_t limit = (pos + len) / FILL_BLOCK * FILL_BLOCK;
            if (rand_r(&rnd) % 2 && first < limit) {
                fill_sum(&ring, &b, from_pos, first, &sums);
                from_pos = first;
            }
            if (limit > from_pos) {
                fill_sum(&ring, &b, from_pos, limit, &sums);
                from_pos = limit;
            }
            fill_sum(&ring, &b, from_pos, pos + len, &sums);
            pos += len;
        }
        sums_add(&right, segment, pos);
        assert_int_equal(sums.bytes, pos);
        assert_int_equal(sums_count(&sums), sums_count(&right));
        for (uint32_t i = 0; i < sums_count(&sums); i++)
            assert_int_equal(sums_get(&sums, i), sums_get(&right, i));
        sums_free(&sums);
        sums_free(&right);
    }
    free(segment);
}

/* Parts that end in the middle of a piece are read. */
static void
any_part_can_be_summed(void **state)
{
    for (unsigned seed = 1; seed <= 200; seed++) {
        unsigned rnd = seed;
        struct fill f;
        struct fill_ring ring = {.at = crcs, .room = ROOM};
        struct sums sums = {0}, right = {0};
        uint32_t len = 61 + (uint32_t)rand_r(&rnd) % (LEN_MAX - 61), at = 0;
        print_message("# seed %u\n", seed);
        copy(&f, &ring, 0, len, &rnd);
        struct fill_batch b = {to, 0, len, fill_keep(&f)};
        while (at < len) {
            uint32_t n = 1 + (uint32_t)rand_r(&rnd) % 100000;
            n = n < len - at ? n : len - at;
            fill_sum(&ring, &b, at, at + n, &sums);
            at += n;
        }
        sums_add(&right, to, len);
        for (uint32_t i = 0; i < sums_count(&right); i++)
            assert_int_equal(sums_get(&sums, i), sums_get(&right, i));
        sums_free(&sums);
        sums_free(&right);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_and_the_crc_are_those_of_the_batch),
        cmocka_unit_test(the_crc_of_the_blocks_is_of_what_lies_there),
        cmocka_unit_test(sums_are_continued_without_reading),
        cmocka_unit_test(any_part_can_be_summed),
    };
    return cmocka_run_group_tests(tests, bytes_make, NULL);
}
