#include "core/store/check.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

/* A log of batches with one record each, cleanly stopped; its first segment. */
static uint8_t *
segment(struct fixture *f, char path[PLOG_PATH_BYTES], uint64_t *size)
{
    fixture_init(f, 1);
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < 8; i++)
        fixture_append(f, p, 1, 700, (uint64_t)i, i);
    plog_path_segment(p, 0, ".log", path);
    assert_int_equal(fixture_stop(f), ERR_OK);
    return disk_mem_bytes(f->disk, path, size);
}

static struct check_scan
scanned(struct fixture *f, const char *path, int64_t base)
{
    struct check_scan s = {.path = path, .base = base, .limit = UINT64_MAX, .epoch = -1};
    assert_int_equal(check_scan(disk_mem_port(f->disk, 0), &s), ERR_OK);
    return s;
}

static void
a_good_segment_has_all_batches(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    segment(&f, path, &size);
    struct check_scan s = scanned(&f, path, 0);
    assert_null(s.what);
    assert_int_equal(s.batches, 8);
    assert_int_equal(s.good_bytes, size);
    assert_int_equal(s.end, 8);
    fixture_end(&f);
}

static void
every_flipped_byte_ends_the_good_part_at_its_batch(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    uint8_t *at = segment(&f, path, &size);
    uint64_t batch = size / 8;
    for (uint64_t i = 0; i < size; i += 7) {
        at[i] ^= 0x40;
        struct check_scan s = scanned(&f, path, 0);
        assert_non_null(s.what);
        /* A higher epoch looks well until the next batch has a lower one. */
        assert_true(s.good_bytes == i / batch * batch || i % batch < 16);
        assert_true(s.good_bytes <= (i / batch + 1) * batch);
        at[i] ^= 0x40;
        if (i / batch == 6 && i % batch > 16)
            i = size; /* the last batch's epoch is seen by nobody */
    }
    fixture_end(&f);
}

static void
a_file_that_ends_early_says_so(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    segment(&f, path, &size);
    struct check_scan s = {.path = path, .limit = size + 10, .epoch = -1};
    assert_int_equal(check_scan(disk_mem_port(f.disk, 0), &s), ERR_OK);
    assert_non_null(s.what);
    s = (struct check_scan){.path = path, .limit = size - 10, .epoch = -1};
    assert_int_equal(check_scan(disk_mem_port(f.disk, 0), &s), ERR_OK);
    assert_non_null(s.what);
    s.partial = true;
    s.epoch = -1;
    assert_int_equal(check_scan(disk_mem_port(f.disk, 0), &s), ERR_OK);
    assert_null(s.what);
    assert_int_equal(s.batches, 7);
    fixture_end(&f);
}

static void
offsets_that_do_not_go_on_are_seen(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    uint8_t *at = segment(&f, path, &size);
    set_u64(at + size / 8 * 3, 4); /* of the batch with offset 3 */
    struct check_scan s = scanned(&f, path, 0);
    assert_non_null(s.what);
    assert_int_equal(s.end, 3);
    set_u64(at + size / 8 * 3, 2);
    s = scanned(&f, path, 0);
    assert_non_null(s.what);
    assert_int_equal(s.end, 3);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_segment_has_all_batches),
        cmocka_unit_test(every_flipped_byte_ends_the_good_part_at_its_batch),
        cmocka_unit_test(a_file_that_ends_early_says_so),
        cmocka_unit_test(offsets_that_do_not_go_on_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
