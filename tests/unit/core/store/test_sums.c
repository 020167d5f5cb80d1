#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

static uint8_t *
noise(uint32_t bytes)
{
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    uint32_t x = 12345;
    for (uint32_t i = 0; i < bytes; i++) {
        x = x * 1103515245 + 12345;
        at[i] = (uint8_t)(x >> 16);
    }
    return at;
}

enum { BYTES = 3 * SUMS_PIECE + 100 };

static void
it_is_the_same_in_whatever_pieces_the_bytes_come(void **state)
{
    (void)state;
    uint8_t *at = noise(BYTES);
    struct sums a = {0}, b = {0};
    sums_add(&a, at, BYTES);
    for (uint32_t done = 0, n = 1; done < BYTES; done += n, n = n * 3 + 1) {
        n = n < BYTES - done ? n : BYTES - done;
        sums_add(&b, at + done, n);
    }
    assert_int_equal(sums_count(&a), 4);
    assert_int_equal(sums_count(&b), 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(sums_get(&a, i), sums_get(&b, i));
    sums_free(&a);
    sums_free(&b);
    free(at);
}

static void
a_changed_byte_is_found_in_its_piece(void **state)
{
    (void)state;
    uint8_t *at = noise(BYTES);
    struct sums a = {0};
    sums_add(&a, at, BYTES);
    at[SUMS_PIECE + 77] ^= 4;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t pos = i * SUMS_PIECE, len = i < 3 ? SUMS_PIECE : 100;
        assert_int_equal(sums_check(&a, pos, at + pos, len, a.run), i != 1);
    }
    sums_free(&a);
    free(at);
}

static void
a_partial_piece_is_checked_by_its_crc_of_that_time(void **state)
{
    (void)state;
    uint8_t *at = noise(BYTES);
    struct sums a = {0};
    sums_add(&a, at, SUMS_PIECE + 50);
    uint32_t run = a.run;
    sums_add(&a, at + SUMS_PIECE + 50, 1000);
    assert_true(sums_check(&a, SUMS_PIECE, at + SUMS_PIECE, 50, run));
    assert_false(sums_check(&a, SUMS_PIECE, at + SUMS_PIECE, 50, a.run));
    sums_free(&a);
    free(at);
}

static void
bad_stretches_are_kept_and_without_a_place_for_one_the_sums_are_lost(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 10];
    struct sums a = {0};
    for (uint32_t i = 0; i < 100; i++)
        sums_add(&a, zeros, sizeof zeros);
    for (uint32_t i = 0; i < SUMS_BAD_MAX; i++)
        assert_true(sums_note_bad(&a, i * 100 + 1000, i * 100 + 1010));
    assert_int_equal(sums_first_bad(&a, 1005, 1300), 1000);
    assert_int_equal(sums_first_bad(&a, 1010, 1100), UINT32_MAX);
    assert_false(sums_note_bad(&a, 1002, 1005));
    assert_int_equal(sums_covered(&a), 100 << 10);
    assert_true(sums_note_bad(&a, 5, 6));
    assert_int_equal(a.bad_count, SUMS_BAD_MAX);
    assert_int_equal(sums_covered(&a), 0);
    assert_int_equal(sums_first_bad(&a, 0, 10), 5);
    assert_int_equal(sums_first_bad(&a, 6, 1000), UINT32_MAX); /* nothing good between them */
    assert_int_equal(sums_first_bad(&a, 1600, 5000), 1600);
    assert_int_equal(sums_first_bad(&a, 1700, 5000), UINT32_MAX);
    assert_false(sums_note_bad(&a, 5, 6));
    sums_add(&a, zeros, sizeof zeros);
    assert_int_equal(sums_covered(&a), 0);
    sums_free(&a);
}

static void
loaded_sums_go_on_where_the_others_ended(void **state)
{
    (void)state;
    uint8_t *at = noise(BYTES);
    struct sums a = {0}, b = {0};
    uint32_t crcs[4];
    sums_add(&a, at, SUMS_PIECE + 10);
    for (uint32_t i = 0; i < sums_count(&a); i++)
        crcs[i] = sums_get(&a, i);
    assert_true(sums_load(&b, SUMS_PIECE + 10, crcs));
    sums_add(&a, at + SUMS_PIECE + 10, BYTES - SUMS_PIECE - 10);
    sums_add(&b, at + SUMS_PIECE + 10, BYTES - SUMS_PIECE - 10);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(sums_get(&a, i), sums_get(&b, i));
    sums_free(&a);
    sums_free(&b);
    free(at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_same_in_whatever_pieces_the_bytes_come),
        cmocka_unit_test(a_changed_byte_is_found_in_its_piece),
        cmocka_unit_test(a_partial_piece_is_checked_by_its_crc_of_that_time),
        cmocka_unit_test(bad_stretches_are_kept_and_without_a_place_for_one_the_sums_are_lost),
        cmocka_unit_test(loaded_sums_go_on_where_the_others_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
