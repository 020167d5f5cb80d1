/* The fake must be as unkind as it says: each promise of disk_mem.h, and each thing it does not
 * promise. */
#include "core/base/err.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { TRIES = 200, PAGE = 4096 };

static uint8_t page[PAGE] __attribute__((aligned(PAGE)));

static int64_t
run(struct disk_mem *d, struct disk_op op)
{
    struct disk *port = disk_mem_port(d, 0);
    return port->ops->run(port->self, &op);
}

static int32_t
open_file(struct disk_mem *d, const char *path)
{
    int64_t got = run(
        d, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_CREATE | DISK_WRITABLE});
    assert_true(got >= 0);
    return (int32_t)got;
}

static void
write_page(struct disk_mem *d, int32_t file, uint8_t fill, uint64_t offset, uint32_t flags)
{
    memset(page, fill, PAGE);
    assert_int_equal(run(d, (struct disk_op){.kind = DISK_WRITE,
                                             .file = file,
                                             .at = page,
                                             .len = PAGE,
                                             .offset = offset,
                                             .flags = flags}),
                     PAGE);
}

static int64_t
sync_file(struct disk_mem *d, int32_t file)
{
    return run(d, (struct disk_op){.kind = DISK_SYNC, .file = file});
}

static void
sync_dir(struct disk_mem *d, const char *path)
{
    assert_int_equal(run(d, (struct disk_op){.kind = DISK_SYNC_DIR, .path = path}), ERR_OK);
}

/* The byte at `at` of a file; -1: there is none. */
static int
byte_at(struct disk_mem *d, const char *path, uint64_t at)
{
    uint64_t size;
    const uint8_t *bytes = disk_mem_bytes(d, path, &size);
    return bytes && at < size ? bytes[at] : -1;
}

/* Which of the fills were left at the front of file "f" over many seeds: a bit each. */
static uint32_t
fills_left(void (*work)(struct disk_mem *d, int32_t file))
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        int32_t file = open_file(d, "f");
        write_page(d, file, 1, 0, DISK_DURABLE);
        sync_dir(d, ".");
        work(d, file);
        disk_mem_restart(d);
        int byte = byte_at(d, "f", 0);
        assert_true(byte > 0 && byte < 8);
        seen |= 1u << byte;
        disk_mem_free(d);
    }
    return seen;
}

static void
work_twice_unsynced(struct disk_mem *d, int32_t file)
{
    write_page(d, file, 2, 0, 0);
    write_page(d, file, 3, 0, 0);
}

static void
a_cut_leaves_the_old_a_middle_or_the_new_version(void **state)
{
    (void)state;
    assert_int_equal(fills_left(work_twice_unsynced), 1 << 1 | 1 << 2 | 1 << 3);
}

static void
work_synced(struct disk_mem *d, int32_t file)
{
    write_page(d, file, 2, 0, 0);
    assert_int_equal(sync_file(d, file), ERR_OK);
}

static void
a_synced_write_survives(void **state)
{
    (void)state;
    assert_int_equal(fills_left(work_synced), 1 << 2);
}

static void
work_sync_before_a_write(struct disk_mem *d, int32_t file)
{
    struct disk *port = disk_mem_port(d, 0);
    write_page(d, file, 2, 0, 0);
    struct disk_op sync = {.kind = DISK_SYNC, .file = file}, *done;
    port->ops->submit(port->self, &sync);
    write_page(d, file, 3, 0, 0); /* not covered by it */
    while (port->ops->poll(port->self, &done, 1) == 0)
        ;
    assert_int_equal(sync.result, ERR_OK);
}

static void
a_sync_covers_what_was_written_before_it_was_submitted(void **state)
{
    (void)state;
    assert_int_equal(fills_left(work_sync_before_a_write), 1 << 2 | 1 << 3);
}

static void
work_failed_sync(struct disk_mem *d, int32_t file)
{
    write_page(d, file, 2, 0, 0);
    disk_mem_fault(
        d, &(struct disk_fault){.kind = DISK_SYNC, .part = "f", .count = 1, .error = ERR_IO});
    assert_int_equal(sync_file(d, file), ERR_IO);
    assert_int_equal(sync_file(d, file), ERR_OK); /* a lie */
}

static void
a_sync_after_one_that_failed_saves_nothing_of_it(void **state)
{
    (void)state;
    assert_int_equal(fills_left(work_failed_sync), 1 << 1 | 1 << 2);
}

static void
work_lost(struct disk_mem *d, int32_t file)
{
    disk_mem_fault(
        d, &(struct disk_fault){
               .what = DISK_FAULT_LOST, .kind = DISK_WRITE, .part = "f", .skip = 1, .count = 1});
    write_page(d, file, 2, 0, DISK_DURABLE);
    write_page(d, file, 3, 0, DISK_DURABLE); /* lost */
}

static void
a_sync_that_ends_late_takes_nothing_back_of_one_submitted_after_it(void **state)
{
    (void)state;
    uint32_t late = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        struct disk *port = disk_mem_port(d, 0);
        int32_t file = open_file(d, "f");
        sync_dir(d, ".");
        struct disk_op syncs[2] = {{.kind = DISK_SYNC, .file = file},
                                   {.kind = DISK_SYNC, .file = file}};
        struct disk_op *done;
        port->ops->submit(port->self, &syncs[0]);
        write_page(d, file, 1, 0, 0);
        port->ops->submit(port->self, &syncs[1]);
        while (port->ops->poll(port->self, &done, 1) == 0)
            ;
        late += done == &syncs[1];
        while (port->ops->poll(port->self, &done, 1) == 0)
            ;
        disk_mem_restart(d);
        assert_int_equal(byte_at(d, "f", 0), 1);
        disk_mem_free(d);
    }
    assert_in_range(late, TRIES / 10, TRIES - TRIES / 10);
}

static void
a_lost_write_says_that_it_was_stored(void **state)
{
    (void)state;
    assert_int_equal(fills_left(work_lost), 1 << 2);
}

static void
a_stray_write_lands_elsewhere_in_the_file(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(1);
    int32_t file = open_file(d, "f");
    for (uint64_t at = 0; at < 4 * PAGE; at += PAGE)
        write_page(d, file, 1, at, DISK_DURABLE);
    disk_mem_fault(d, &(struct disk_fault){.what = DISK_FAULT_ASTRAY,
                                           .kind = DISK_WRITE,
                                           .part = "f",
                                           .count = 1,
                                           .shift = 2 * PAGE});
    write_page(d, file, 2, PAGE, DISK_DURABLE);
    struct disk_hit hit;
    disk_mem_hit(d, &hit);
    assert_string_equal(hit.path, "f");
    assert_int_equal(hit.offset, 3 * PAGE);
    assert_int_equal(byte_at(d, "f", PAGE), 1);
    assert_int_equal(byte_at(d, "f", 3 * PAGE), 2);
    disk_mem_free(d);
}

static void
a_name_without_a_directory_sync_may_go_but_a_synced_one_stays(void **state)
{
    (void)state;
    uint32_t kept = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        write_page(d, open_file(d, "safe"), 1, 0, DISK_DURABLE);
        sync_dir(d, ".");
        write_page(d, open_file(d, "new"), 1, 0, DISK_DURABLE);
        disk_mem_restart(d);
        assert_int_equal(byte_at(d, "safe", 0), 1);
        kept += byte_at(d, "new", 0) == 1;
        disk_mem_free(d);
    }
    assert_in_range(kept, TRIES / 10, TRIES - TRIES / 10);
}

static void
a_rename_is_whole_or_not_at_all(void **state)
{
    (void)state;
    uint32_t done = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        write_page(d, open_file(d, "a"), 1, 0, DISK_DURABLE);
        write_page(d, open_file(d, "b"), 2, 0, DISK_DURABLE);
        sync_dir(d, ".");
        assert_int_equal(run(d, (struct disk_op){.kind = DISK_RENAME, .path = "b", .path_to = "a"}),
                         ERR_OK);
        disk_mem_restart(d);
        int a = byte_at(d, "a", 0), b = byte_at(d, "b", 0);
        assert_true((a == 1 && b == 2) || (a == 2 && b == -1));
        done += a == 2;
        disk_mem_free(d);
    }
    assert_in_range(done, TRIES / 10, TRIES - TRIES / 10);
}

static void
a_directory_that_was_not_moved_after_all_has_its_files(void **state)
{
    (void)state;
    uint32_t moved = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        run(d, (struct disk_op){.kind = DISK_MKDIR, .path = "from"});
        write_page(d, open_file(d, "from/f"), 1, 0, DISK_DURABLE);
        sync_dir(d, "from");
        sync_dir(d, ".");
        run(d, (struct disk_op){.kind = DISK_RENAME, .path = "from", .path_to = "to"});
        assert_int_equal(byte_at(d, "to/f", 0), 1);
        disk_mem_restart(d);
        assert_true((byte_at(d, "from/f", 0) == 1) != (byte_at(d, "to/f", 0) == 1));
        moved += byte_at(d, "to/f", 0) == 1;
        disk_mem_free(d);
    }
    assert_in_range(moved, TRIES / 10, TRIES - TRIES / 10);
}

static void
every_subset_of_pending_sectors_can_be_chosen(void **state)
{
    (void)state;
    uint32_t seen = 0;
    for (uint64_t choice = 0; choice < 4; choice++) {
        struct disk_mem *d = disk_mem_new(1);
        int32_t file = open_file(d, "f");
        write_page(d, file, 1, 0, DISK_DURABLE);
        sync_dir(d, ".");
        run(d, (struct disk_op){.kind = DISK_WRITE, .file = file, .at = "2", .len = 1});
        run(d,
            (struct disk_op){.kind = DISK_WRITE, .file = file, .at = "2", .len = 1, .offset = 512});
        assert_int_equal(disk_mem_pending(d), 2);
        disk_mem_choose(d, choice);
        disk_mem_restart(d);
        seen |= 1u << ((byte_at(d, "f", 0) == '2') + 2 * (byte_at(d, "f", 512) == '2'));
        disk_mem_free(d);
    }
    assert_int_equal(seen, 15);
}

static void
only_a_file_without_a_name_is_punched_and_a_cut_may_bring_both_back(void **state)
{
    (void)state;
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        int32_t file = open_file(d, "f");
        write_page(d, file, 1, 0, DISK_DURABLE);
        sync_dir(d, ".");
        struct disk_op punch = {.kind = DISK_PUNCH, .file = file, .length = PAGE};
        assert_int_equal(run(d, punch), ERR_EXISTS);
        assert_int_equal(byte_at(d, "f", 0), 1);
        assert_int_equal(run(d, (struct disk_op){.kind = DISK_UNLINK, .path = "f"}), ERR_OK);
        assert_int_equal(run(d, punch), ERR_OK);
        disk_mem_restart(d);
        seen |= 1u << (byte_at(d, "f", 0) + 1);
        disk_mem_free(d);
    }
    assert_int_equal(seen, 1 << 0 | 1 << 1 | 1 << 2); /* no file, zeros, what was there */
}

static void
rot_outlives_everything(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(1);
    write_page(d, open_file(d, "f"), 1, 0, DISK_DURABLE);
    sync_dir(d, ".");
    assert_true(disk_mem_rot(d, "f", 7, 0x10));
    assert_false(disk_mem_rot(d, "f", PAGE, 0x10));
    disk_mem_restart(d);
    assert_int_equal(byte_at(d, "f", 7), 0x11);
    disk_mem_free(d);
}

static void
a_wait_lets_the_time_pass_until_an_operation_can_end(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(1);
    struct disk *disk = disk_mem_port(d, 0), *other = disk_mem_port(d, 1);
    struct disk_op wait = {.kind = DISK_WAIT}, *done;
    struct disk_op sync = {.kind = DISK_SYNC_DIR, .path = "."};
    disk_mem_slow(d, 1000, 100);
    assert_int_equal(disk->ops->run(disk->self, &wait), 0);
    disk->ops->submit(disk->self, &sync);
    assert_int_equal(other->ops->run(other->self, &wait), 0);
    assert_int_equal(disk->ops->run(disk->self, &wait), 1);
    assert_int_equal(disk->ops->poll(disk->self, &done, 1), 1);
    disk_mem_cut_after(d, 0);
    assert_int_equal(disk->ops->run(disk->self, &wait), ERR_IO);
    disk_mem_free(d);
}

static void
writes_to_some_paths_can_be_late(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(2);
    struct disk *disk = disk_mem_port(d, 0);
    static uint8_t bytes[PAGE];
    struct disk_op *done, late = {.kind = DISK_WRITE, .file = open_file(d, "late"), .at = bytes};
    struct disk_op soon = {.kind = DISK_WRITE, .file = open_file(d, "soon"), .at = bytes};
    late.len = soon.len = PAGE;
    disk_mem_late(d, "late", 1000);
    disk->ops->submit(disk->self, &late);
    disk->ops->submit(disk->self, &soon);
    uint32_t ended = 0;
    for (int i = 0; i < 10; i++) {
        uint32_t n = disk->ops->poll(disk->self, &done, 1);
        ended += n;
        assert_true(n == 0 || done == &soon);
    }
    assert_int_equal(ended, 1);
    for (int i = 0; ended < 2; i++) {
        ended += disk->ops->poll(disk->self, &done, 1);
        assert_true(i < 1000);
    }
    disk_mem_free(d);
}

static void
a_process_that_dies_leaves_what_it_was_writing_to_chance(void **state)
{
    (void)state;
    bool seen[2] = {false};
    for (uint64_t seed = 1; seed < 30; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        struct disk *disk = disk_mem_port(d, 0);
        static uint8_t bytes[PAGE];
        memset(bytes, 7, PAGE);
        struct disk_op op = {
            .kind = DISK_WRITE, .file = open_file(d, "f"), .at = bytes, .len = PAGE};
        sync_dir(d, ".");
        disk->ops->submit(disk->self, &op);
        disk_mem_kill(d);
        disk_mem_reopen(d);
        uint64_t size;
        seen[disk_mem_bytes(d, "f", &size) && size == PAGE] = true;
        disk_mem_free(d);
    }
    assert_true(seen[0] && seen[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_leaves_the_old_a_middle_or_the_new_version),
        cmocka_unit_test(a_synced_write_survives),
        cmocka_unit_test(a_sync_covers_what_was_written_before_it_was_submitted),
        cmocka_unit_test(a_sync_after_one_that_failed_saves_nothing_of_it),
        cmocka_unit_test(a_sync_that_ends_late_takes_nothing_back_of_one_submitted_after_it),
        cmocka_unit_test(a_lost_write_says_that_it_was_stored),
        cmocka_unit_test(a_stray_write_lands_elsewhere_in_the_file),
        cmocka_unit_test(a_name_without_a_directory_sync_may_go_but_a_synced_one_stays),
        cmocka_unit_test(a_rename_is_whole_or_not_at_all),
        cmocka_unit_test(a_directory_that_was_not_moved_after_all_has_its_files),
        cmocka_unit_test(every_subset_of_pending_sectors_can_be_chosen),
        cmocka_unit_test(only_a_file_without_a_name_is_punched_and_a_cut_may_bring_both_back),
        cmocka_unit_test(rot_outlives_everything),
        cmocka_unit_test(a_wait_lets_the_time_pass_until_an_operation_can_end),
        cmocka_unit_test(writes_to_some_paths_can_be_late),
        cmocka_unit_test(a_process_that_dies_leaves_what_it_was_writing_to_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
