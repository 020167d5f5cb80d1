#include "core/base/rope.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

enum { BYTES = 20000, PIECES = 40 };

static uint8_t bytes[BYTES], got[BYTES];
static struct view pieces[PIECES];

/* Cuts them anywhere; also pieces without a byte. */
static uint32_t
cut(unsigned *seed)
{
    uint32_t count = 0, at = 0;
    for (; count < PIECES - 1 && at < BYTES; at += pieces[count++].len) {
        uint32_t len = (uint32_t)rand_r(seed) % (rand_r(seed) % 3 ? 1500 : 2);
        pieces[count] = view_of(bytes + at, len < BYTES - at ? len : BYTES - at);
    }
    pieces[count++] = view_of(bytes + at, BYTES - at);
    return count;
}

static void
any_part_reads_as_from_one_piece(void **state)
{
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 131 + (i >> 3));
    for (unsigned seed = 1; seed <= 200; seed++) {
        unsigned rnd = seed;
        struct rope r;
        print_message("# seed %u\n", seed);
        assert_true(rope_init(&r, pieces, cut(&rnd), BYTES));
        for (int i = 0; i < 50; i++) {
            uint32_t at = (uint32_t)rand_r(&rnd) % (BYTES + 1);
            uint32_t n = (uint32_t)rand_r(&rnd) % (BYTES - at + 1);
            memset(got, 0, n);
            if (i % 2) {
                rope_read(&r, at, got, n);
            } else {
                for (uint32_t done = 0; done < n;) {
                    struct view v = rope_view(&r, at + done, n - done);
                    assert_true(v.len > 0 && v.len <= n - done);
                    memcpy(got + done, v.at, v.len);
                    done += v.len;
                }
            }
            assert_memory_equal(got, bytes + at, n);
        }
    }
}

static void
a_rope_longer_than_its_pieces_is_none(void **state)
{
    struct rope r;
    pieces[0] = view_of(bytes, 10);
    assert_true(rope_init(&r, pieces, 1, 9));
    assert_true(rope_init(&r, pieces, 1, 10));
    assert_false(rope_init(&r, pieces, 1, 11));
    assert_true(rope_init(&r, pieces, 0, 0));
    rope_read(&r, 0, got, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_reads_as_from_one_piece),
        cmocka_unit_test(a_rope_longer_than_its_pieces_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
