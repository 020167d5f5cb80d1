#include "core/base/err.h"
#include "drivers/uring/uring.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char path[64];
    int dir;
    struct uring *uring;
    struct clock clock;
    struct disk disk;
};

static int
scratch_make(void **state)
{
    struct scratch *s = calloc(1, sizeof *s);
    /* Of the working directory, which is on a real disk more often than the system's temporary one.
     */
    snprintf(s->path, sizeof s->path, "disk_uring.XXXXXX");
    assert_non_null(mkdtemp(s->path));
    s->dir = open(s->path, O_RDONLY | O_DIRECTORY);
    assert_true(s->dir >= 0);
    struct uring_config config = {
        .wake_fd = -1, .data_dir_fds = {s->dir}, .data_dirs = 1, .sq_entries = 8};
    assert_int_equal(uring_create(&config, &s->uring), ERR_OK);
    s->clock = uring_clock(s->uring);
    s->disk = uring_disk(s->uring);
    *state = s;
    return 0;
}

static void
scratch_remove(void *user, const char *name)
{
    struct scratch *s = user;
    if (unlinkat(s->dir, name, 0) < 0)
        (void)unlinkat(s->dir, name, AT_REMOVEDIR);
}

static int
scratch_drop(void **state)
{
    struct scratch *s = *state;
    s->disk.ops->list(s->disk.self, 0, ".", scratch_remove, s);
    uring_destroy(s->uring);
    close(s->dir);
    rmdir(s->path);
    free(s);
    return 0;
}

static int64_t
run(struct scratch *s, struct disk_op op)
{
    return s->disk.ops->run(s->disk.self, &op);
}

static int32_t
open_file(struct scratch *s, const char *path, uint32_t flags)
{
    int64_t file = run(s, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = flags});
    assert_true(file >= 0);
    return (int32_t)file;
}

static int64_t
file_size(struct scratch *s, int32_t file)
{
    return run(s, (struct disk_op){.kind = DISK_SIZE, .file = file});
}

static void
what_is_written_is_read(void **state)
{
    struct scratch *s = *state;
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE);
    char text[] = "some bytes", got[32] = {0};
    struct disk_op write = {.kind = DISK_WRITE, .file = file, .at = text, .len = 10, .offset = 100};
    assert_int_equal(run(s, write), 10);
    assert_int_equal(file_size(s, file), 110);
    struct disk_op read = {.kind = DISK_READ, .file = file, .at = got, .len = 10, .offset = 100};
    assert_int_equal(run(s, read), 10);
    assert_string_equal(got, text);
    read.len = sizeof got; /* short only at the end of the file */
    read.offset = 105;
    assert_int_equal(run(s, read), 5);
    read.offset = 110;
    assert_int_equal(run(s, read), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file}), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file}), ERR_INVALID);
}

static void
a_direct_read_ends_where_the_file_ended_though_it_grows_meanwhile(void **state)
{
    struct scratch *s = *state;
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE | DISK_DIRECT);
    int plain = openat(s->dir, "a", O_WRONLY);
    assert_int_equal(pwrite(plain, "begin", 5, 0), 5);
    uint8_t *got = aligned_alloc(4096, 8192);
    for (int i = 0; i < 200; i++) { /* the kernel decides who is first */
        assert_int_equal(ftruncate(plain, 5), 0);
        struct disk_op read = {.kind = DISK_READ, .file = file, .at = got, .len = 8192};
        struct disk_op *done;
        s->disk.ops->submit(s->disk.self, &read);
        s->clock.ops->wait(s->clock.self, 0);
        assert_int_equal(ftruncate(plain, 8192), 0);
        while (s->disk.ops->poll(s->disk.self, &done, 1) == 0)
            s->clock.ops->wait(s->clock.self, CLOCK_NEVER);
        assert_true(read.result >= 5);
        assert_memory_equal(got, "begin", 5);
    }
    free(got);
    close(plain);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static void
a_durable_write_and_a_sync_succeed(void **state)
{
    struct scratch *s = *state;
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE);
    char text[] = "durable";
    struct disk_op write = {
        .kind = DISK_WRITE, .flags = DISK_DURABLE, .file = file, .at = text, .len = 7};
    assert_int_equal(run(s, write), 7);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_SYNC, .file = file}), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."}), 0);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static void
direct_writes_from_a_registered_arena_arrive(void **state)
{
    struct scratch *s = *state;
    struct disk_facts facts;
    s->disk.ops->facts(s->disk.self, 0, &facts);
    enum { BYTES = 256 << 10 };
    uint8_t *arena = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(arena != MAP_FAILED);
    s->disk.ops->arena(s->disk.self, arena, BYTES);
    for (uint32_t i = 0; i < BYTES / 2; i++)
        arena[i] = (uint8_t)(i * 31 >> 3);
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE | DISK_DIRECT);
    int mode = fcntl(file, F_GETFL);
    assert_int_equal((mode & O_DIRECT) != 0, facts.direct);
    struct disk_op write = {.kind = DISK_WRITE,
                            .flags = DISK_DURABLE,
                            .file = file,
                            .at = arena,
                            .len = BYTES / 2,
                            .offset = 4096};
    assert_int_equal(run(s, write), BYTES / 2);
    struct disk_op read = {
        .kind = DISK_READ, .file = file, .at = arena + BYTES / 2, .len = BYTES / 2, .offset = 4096};
    assert_int_equal(run(s, read), BYTES / 2);
    assert_memory_equal(arena, arena + BYTES / 2, BYTES / 2);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    munmap(arena, BYTES);
}

static void
an_arena_the_kernel_refuses_only_costs_speed(void **state)
{
    struct scratch *s = *state;
    s->disk.ops->arena(s->disk.self, (void *)(uintptr_t)4096, 4096); /* not mapped */
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE);
    char text[] = "x";
    struct disk_op write = {.kind = DISK_WRITE, .file = file, .at = text, .len = 1};
    assert_int_equal(run(s, write), 1);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static void
errors_are_codes_of_ours(void **state)
{
    struct scratch *s = *state;
    struct disk_op missing = {.kind = DISK_OPEN, .path = "missing"};
    assert_int_equal(run(s, missing), ERR_NOT_FOUND);
    run(s, (struct disk_op){.kind = DISK_CLOSE,
                            .file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE)});
    struct disk_op again = {
        .kind = DISK_OPEN, .path = "a", .flags = DISK_CREATE | DISK_EXCLUSIVE | DISK_WRITABLE};
    assert_int_equal(run(s, again), ERR_EXISTS);
    struct disk_op unlink = {.kind = DISK_UNLINK, .path = "missing"};
    assert_int_equal(run(s, unlink), ERR_NOT_FOUND);
    struct disk_op sync_dir = {.kind = DISK_SYNC_DIR, .path = "a"};
    assert_int_equal(run(s, sync_dir), ERR_INVALID);
    int32_t file = open_file(s, "a", 0);
    char text[] = "x";
    struct disk_op write = {.kind = DISK_WRITE, .file = file, .at = text, .len = 1};
    assert_int_equal(run(s, write), ERR_INVALID); /* opened for reading */
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static void
a_full_device_is_no_space(void **state)
{
    struct scratch *s = *state;
    int full = openat(AT_FDCWD, "/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    char text[] = "x";
    struct disk_op write = {.kind = DISK_WRITE, .file = full, .at = text, .len = 1};
    assert_int_equal(run(s, write), ERR_NO_SPACE);
    close(full);
}

static void
names_are_made_moved_and_removed(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_MKDIR, .path = "d"}), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_MKDIR, .path = "d"}), ERR_EXISTS);
    int32_t file = open_file(s, "d/a", DISK_CREATE | DISK_WRITABLE);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    struct disk_op remove_dir = {.kind = DISK_UNLINK, .path = "d", .flags = DISK_DIRECTORY};
    assert_int_equal(run(s, remove_dir), ERR_EXISTS); /* not empty */
    struct disk_op rename = {.kind = DISK_RENAME, .path = "d/a", .path_to = "b"};
    assert_int_equal(run(s, rename), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "d"}), 0);
    assert_int_equal(run(s, remove_dir), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_UNLINK, .path = "b"}), 0);
    assert_int_equal(faccessat(s->dir, "b", F_OK, 0), -1);
}

static void
allocate_grows_and_truncate_cuts(void **state)
{
    struct scratch *s = *state;
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE);
    struct disk_op allocate = {.kind = DISK_ALLOCATE, .file = file, .offset = 0, .length = 1 << 20};
    int64_t result = run(s, allocate);
    if (result != ERR_UNSUPPORTED) { /* by this file system */
        assert_int_equal(result, 0);
        assert_int_equal(file_size(s, file), 1 << 20);
    }
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_TRUNCATE, .file = file, .offset = 777}),
                     0);
    assert_int_equal(file_size(s, file), 777);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static void
blocks_of_a_file_without_a_name_are_given_back(void **state)
{
    struct scratch *s = *state;
    enum { BYTES = 64 << 10 };
    static uint8_t bytes[BYTES], got[4096];
    struct stat before, after;
    memset(bytes, 7, sizeof bytes);
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE);
    struct disk_op write = {.kind = DISK_WRITE, .file = file, .at = bytes, .len = BYTES};
    assert_int_equal(run(s, write), BYTES);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_SYNC, .file = file}), 0);
    struct disk_op punch = {
        .kind = DISK_PUNCH, .file = file, .offset = BYTES / 2, .length = BYTES / 2};
    struct disk_op read = {.kind = DISK_READ, .file = file, .at = got, .len = 4096};
    /* It has a name; then a hard link, a backup perhaps: nothing may be taken from it. */
    assert_int_equal(run(s, punch), ERR_EXISTS);
    assert_int_equal(linkat(s->dir, "a", s->dir, "b", 0), 0);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_UNLINK, .path = "a"}), 0);
    assert_int_equal(run(s, punch), ERR_EXISTS);
    read.offset = BYTES / 2;
    assert_int_equal(run(s, read), 4096);
    assert_memory_equal(got, bytes, 4096);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_UNLINK, .path = "b"}), 0);
    assert_int_equal(fstat(file, &before), 0);
    int64_t result = run(s, punch);
    if (result >= 0) { /* else this file system cannot */
        assert_int_equal(fstat(file, &after), 0);
        assert_true(after.st_blocks < before.st_blocks);
        assert_int_equal(file_size(s, file), BYTES);
        assert_int_equal(run(s, read), 4096);
        assert_int_equal(got[0] | got[4095], 0);
        read.offset = 0;
        assert_int_equal(run(s, read), 4096);
        assert_memory_equal(got, bytes, 4096);
    }
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

enum { NAMES_BYTES = 64 };

static void
collect(void *user, const char *name)
{
    char *names = user;
    size_t at = strlen(names);
    snprintf(names + at, NAMES_BYTES - at, "%s", name);
}

static void
a_directory_is_listed_without_dots(void **state)
{
    struct scratch *s = *state;
    char names[NAMES_BYTES] = "";
    assert_int_equal(s->disk.ops->list(s->disk.self, 0, ".", collect, names), ERR_OK);
    assert_string_equal(names, "");
    int32_t file = open_file(s, "only", DISK_CREATE | DISK_WRITABLE);
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    assert_int_equal(s->disk.ops->list(s->disk.self, 0, ".", collect, names), ERR_OK);
    assert_string_equal(names, "only");
    assert_int_equal(s->disk.ops->list(s->disk.self, 0, "none", collect, names), ERR_NOT_FOUND);
}

/* Ring of 8: far more in flight than it has entries. */
static void
run_completes_alone_while_hundreds_are_in_flight(void **state)
{
    struct scratch *s = *state;
    enum { COUNT = 300 };
    int32_t file = open_file(s, "a", DISK_CREATE | DISK_WRITABLE);
    static struct disk_op ops[COUNT];
    static uint32_t words[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        words[i] = i * 2654435761u;
        ops[i] = (struct disk_op){
            .kind = DISK_WRITE, .file = file, .at = &words[i], .len = 4, .offset = i * 4, .tag = i};
        s->disk.ops->submit(s->disk.self, &ops[i]);
    }
    uint32_t marker = 0x55aa, got = 0;
    int32_t other = open_file(s, "b", DISK_CREATE | DISK_WRITABLE);
    struct disk_op write = {.kind = DISK_WRITE, .file = other, .at = &marker, .len = 4};
    assert_int_equal(run(s, write), 4);
    uint32_t seen = 0;
    uint8_t once[COUNT] = {0};
    while (seen < COUNT) {
        struct disk_op *done[7];
        uint32_t n = s->disk.ops->poll(s->disk.self, done, 7);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(done[i]->result, 4);
            assert_int_equal(once[done[i]->tag]++, 0);
            seen++;
        }
        if (n == 0)
            s->clock.ops->wait(s->clock.self, CLOCK_NEVER);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        struct disk_op read = {
            .kind = DISK_READ, .file = file, .at = &got, .len = 4, .offset = i * 4};
        assert_int_equal(run(s, read), 4);
        assert_int_equal(got, words[i]);
    }
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    run(s, (struct disk_op){.kind = DISK_CLOSE, .file = other});
}

/* A pipe gives and takes less than asked, as no test file does. */
static void
a_short_transfer_is_continued(void **state)
{
    struct scratch *s = *state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    enum { BYTES = 300 << 10 }; /* more than a pipe holds */
    uint8_t *out = malloc(BYTES), *in = malloc(BYTES);
    for (uint32_t i = 0; i < BYTES; i++)
        out[i] = (uint8_t)(i * 13 >> 2);
    struct disk_op write = {
        .kind = DISK_WRITE, .file = ends[1], .at = out, .len = BYTES, .offset = 0};
    s->disk.ops->submit(s->disk.self, &write);
    struct disk_op read = {.kind = DISK_READ, .file = ends[0], .at = in, .len = BYTES, .offset = 0};
    assert_int_equal(run(s, read), BYTES);
    assert_memory_equal(in, out, BYTES);
    struct disk_op *done;
    while (s->disk.ops->poll(s->disk.self, &done, 1) == 0)
        s->clock.ops->wait(s->clock.self, CLOCK_NEVER);
    assert_ptr_equal(done, &write);
    assert_int_equal(write.result, BYTES);
    close(ends[0]);
    close(ends[1]);
    free(out);
    free(in);
}

static void
facts_name_the_file_system(void **state)
{
    struct scratch *s = *state;
    struct disk_facts facts;
    s->disk.ops->facts(s->disk.self, 0, &facts);
    assert_true(strlen(facts.file_system) > 0);
    assert_true(facts.free_bytes > 0);
    assert_true(facts.align_bytes > 0);
    assert_int_equal(facts.align_bytes & (facts.align_bytes - 1), 0);
    print_message("file system %s, align %u, direct %d, volatile cache %d\n", facts.file_system,
                  facts.align_bytes, facts.direct, facts.volatile_cache);
}

static void
directories_are_apart_and_a_missing_one_fails(void **state)
{
    const struct scratch *s = *state;
    assert_int_equal(mkdirat(s->dir, "second", 0700), 0);
    int second = openat(s->dir, "second", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct uring_config config = {
        .wake_fd = -1, .data_dir_fds = {s->dir, second, -1}, .data_dirs = 3, .sq_entries = 8};
    struct uring *u;
    assert_int_equal(uring_create(&config, &u), ERR_OK);
    struct disk disk = uring_disk(u);
    int64_t got[3];
    for (uint8_t dir = 0; dir < 3; dir++) {
        struct disk_op op = {
            .kind = DISK_OPEN, .dir = dir, .path = "of-one", .flags = DISK_CREATE | DISK_EXCLUSIVE};
        got[dir] = disk.ops->run(disk.self, &op);
    }
    assert_true(got[0] >= 0 && got[1] >= 0);
    assert_int_equal(got[2], ERR_IO);
    assert_int_equal(faccessat(second, "of-one", F_OK, 0), 0);
    struct disk_facts facts;
    disk.ops->facts(disk.self, 1, &facts);
    assert_true(facts.free_bytes > 0 && facts.total_bytes >= facts.free_bytes);
    disk.ops->facts(disk.self, 2, &facts);
    assert_int_equal(facts.free_bytes, 0);
    char names[NAMES_BYTES] = "";
    assert_int_equal(disk.ops->list(disk.self, 1, ".", collect, names), ERR_OK);
    assert_string_equal(names, "of-one");
    assert_int_equal(disk.ops->list(disk.self, 2, ".", collect, names), ERR_IO);
    close((int)got[0]);
    close((int)got[1]);
    assert_int_equal(unlinkat(second, "of-one", 0), 0);
    close(second);
    uring_destroy(u);
}

static void
a_file_is_no_data_directory(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct uring *u;
    struct uring_config config = {.wake_fd = -1, .data_dir_fds = {fd}, .data_dirs = 1};
    assert_int_equal(uring_create(&config, &u), ERR_INVALID);
    close(fd);
}

static void
a_wait_ends_with_an_operation_or_at_once_when_there_is_none(void **state)
{
    struct scratch *s = *state;
    struct disk_op sync = {.kind = DISK_SYNC_DIR, .path = "."}, *done;
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_WAIT}), 0);
    s->disk.ops->submit(s->disk.self, &sync);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_WAIT}), 1);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_WAIT}), 1); /* still to be taken */
    assert_int_equal(s->disk.ops->poll(s->disk.self, &done, 1), 1);
    assert_ptr_equal(done, &sync);
    assert_int_equal(run(s, (struct disk_op){.kind = DISK_WAIT}), 0);
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_drop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(what_is_written_is_read),
        scratch_test(a_direct_read_ends_where_the_file_ended_though_it_grows_meanwhile),
        scratch_test(a_durable_write_and_a_sync_succeed),
        scratch_test(direct_writes_from_a_registered_arena_arrive),
        scratch_test(an_arena_the_kernel_refuses_only_costs_speed),
        scratch_test(errors_are_codes_of_ours),
        scratch_test(a_full_device_is_no_space),
        scratch_test(names_are_made_moved_and_removed),
        scratch_test(allocate_grows_and_truncate_cuts),
        scratch_test(blocks_of_a_file_without_a_name_are_given_back),
        scratch_test(a_directory_is_listed_without_dots),
        scratch_test(run_completes_alone_while_hundreds_are_in_flight),
        scratch_test(a_wait_ends_with_an_operation_or_at_once_when_there_is_none),
        scratch_test(a_short_transfer_is_continued),
        scratch_test(facts_name_the_file_system),
        scratch_test(directories_are_apart_and_a_missing_one_fails),
        cmocka_unit_test(a_file_is_no_data_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
