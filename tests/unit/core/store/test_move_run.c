#include "core/store/move_run.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

enum { BATCHES = 6 };

static uint8_t bytes[BATCHES * 8192];
static uint32_t length, starts[BATCHES + 1];

static void
make(void)
{
    static uint8_t one[FIXTURE_BATCH_MAX];
    length = 0;
    for (int64_t i = 0; i < BATCHES; i++) {
        struct batch_info info;
        starts[i] = length;
        uint32_t n = fixture_batch(one, 2, 100 + 700 * (uint32_t)i, (uint64_t)i, i, &info);
        batch_stamp(one, 2 * i, 0);
        memcpy(bytes + length, one, n);
        length += n;
    }
    starts[BATCHES] = length;
}

/* Feeds all in pieces of that size. */
static int
feed(struct move_check *c, uint32_t piece)
{
    int rc = ERR_OK;
    for (uint32_t at = 0; at < length && rc == ERR_OK; at += piece)
        rc = move_check_feed(c, view_of(bytes + at, length - at < piece ? length - at : piece));
    return rc;
}

static void
batches_are_checked_in_pieces_of_any_size(void **state)
{
    (void)state;
    make();
    for (uint32_t piece = 1; piece < length; piece += piece < 200 ? 1 : 97) {
        struct move_check c = {0};
        assert_int_equal(feed(&c, piece), ERR_OK);
        assert_true(move_check_whole(&c));
        assert_int_equal(c.next, 2 * BATCHES);
    }
    struct move_check c = {0};
    assert_int_equal(move_check_feed(&c, view_of(bytes, length - 1)), ERR_OK);
    assert_false(move_check_whole(&c));
    assert_int_equal(c.next, 2 * (BATCHES - 1));
}

static void
a_changed_byte_is_found_wherever_it_is(void **state)
{
    (void)state;
    make();
    for (uint32_t at = 0; at < length; at += 13) {
        uint32_t i = 0;
        while (starts[i + 1] <= at)
            i++;
        uint32_t in = at - starts[i];
        if (in < BATCH_AT_CRC && in != BATCH_AT_MAGIC)
            continue; /* not covered by the crc */
        struct move_check c = {0};
        bytes[at] ^= 0x10;
        assert_int_equal(feed(&c, 1000), ERR_CORRUPT);
        bytes[at] ^= 0x10;
    }
}

static void
offsets_that_go_back_are_found(void **state)
{
    (void)state;
    make();
    struct move_check c = {.next = 1};
    assert_int_equal(feed(&c, 1000), ERR_CORRUPT);
}

static void
a_part_that_is_shorter_than_it_should_be_is_damaged(void **state)
{
    (void)state;
    struct move_run r = {.mem = aligned_alloc(4096, MOVE_CHUNK + 8192)};
    assert_non_null(r.mem);
    make();
    memcpy(r.mem, bytes, length);
    struct move_part part = {.base = 0, .from = 0, .to = length};
    assert_int_equal(move_run_take(&r, &part, 0, length - 1), ERR_CORRUPT);
    assert_int_equal(move_run_take(&r, &part, 0, ERR_IO), ERR_IO);
    assert_int_equal(move_run_take(&r, &part, 0, length), ERR_OK);
    for (uint32_t i = length; i % 4096; i++)
        assert_int_equal(r.mem[i], 0);
    assert_int_equal(r.bytes, length);
    free(r.mem);
}

static void
all_files_and_empty_directories_of_a_log_are_removed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct disk *disk = disk_mem_port(f.disk, 7);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 100, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    char name[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, 0, ".log", name);
    assert_non_null(disk_mem_bytes(f.disk, name, &size));
    assert_int_equal(move_run_remove(disk, p, NULL), ERR_OK);
    assert_null(disk_mem_bytes(f.disk, name, &size));
    plog_path_topic(p, name);
    assert_int_equal(store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = name}),
                     ERR_NOT_FOUND);
    assert_int_equal(move_run_remove(disk, p, NULL), ERR_OK); /* nothing is there */
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_checked_in_pieces_of_any_size),
        cmocka_unit_test(a_changed_byte_is_found_wherever_it_is),
        cmocka_unit_test(offsets_that_go_back_are_found),
        cmocka_unit_test(a_part_that_is_shorter_than_it_should_be_is_damaged),
        cmocka_unit_test(all_files_and_empty_directories_of_a_log_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
