#include "core/store/check.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static uint8_t bytes[1 << 20];

static void
nothing(void *user, const struct check_finding *f)
{
    (void)user;
    assert_true(f->what[0] != 0);
}

static uint64_t
repaired(struct fixture *f)
{
    struct check c = {.disk = disk_mem_port(f->disk, 0), .tell = nothing};
    assert_int_equal(check_repair(&c), ERR_OK);
    struct check after = {.disk = disk_mem_port(f->disk, 0), .tell = nothing};
    assert_int_equal(check_verify(&after), ERR_OK);
    assert_int_equal(after.bad, 0);
    return c.offline;
}

static void
filled(struct fixture *f, char path[PLOG_PATH_BYTES])
{
    fixture_init(f, 1);
    f->sidecar_bytes = 1;
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 8; i++)
        for (int32_t k = 0; k < 3; k++)
            fixture_append(f, fixture_log(f, 1, k), 1, 700, (uint64_t)i, i);
    plog_path_segment(fixture_log(f, 1, 1), 0, ".log", path);
    assert_int_equal(fixture_stop(f), ERR_OK);
}

/* Serves that many records, and takes one more. */
static void
assert_serves(struct fixture *f, int32_t partition, int64_t records)
{
    struct store_range range;
    struct plog *p = fixture_log(f, 1, partition);
    assert_int_equal(p->state, PLOG_ONLINE);
    assert_int_equal(p->damage, PLOG_WHOLE);
    assert_int_equal(p->hw, records);
    if (records)
        assert_true(fixture_read(f, p, 0, 30000, bytes, &range) > 0);
    assert_int_equal(fixture_append(f, p, 1, 10, 1, 1), records);
    assert_int_equal(fixture_settle(f), ERR_OK);
}

static void
a_log_is_cut_at_its_first_bad_batch_and_the_rest_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES], kept[256];
    uint64_t size, now;
    filled(&f, path);
    uint8_t *at = disk_mem_bytes(f.disk, path, &size);
    uint64_t cut = size / 8 * 5, left = size - cut;
    at[cut + 100] ^= 1;
    memcpy(bytes, at + cut, left);
    assert_int_equal(repaired(&f), 1);
    assert_non_null(disk_mem_bytes(f.disk, path, &now));
    assert_int_equal(now, cut);
    snprintf(kept, sizeof kept, "removed/2-%.22s-1-%020d.log-from-%llu", path + 4, 0,
             (unsigned long long)cut);
    uint8_t *copy = disk_mem_bytes(f.disk, kept, &now);
    assert_non_null(copy);
    assert_int_equal(now, left);
    assert_memory_equal(copy, bytes, left);
    memcpy(path + strlen(path) - 4, ".idx", 4); /* of bytes that may come to be others */
    assert_null(disk_mem_bytes(f.disk, path, &now));
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_serves(&f, 0, 8);
    assert_serves(&f, 1, 5);
    assert_serves(&f, 2, 8);
    fixture_end(&f);
}

static void
a_log_without_its_file_comes_back_empty_and_the_others_are_as_they_were(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    filled(&f, path);
    struct disk *port = disk_mem_port(f.disk, 0);
    assert_int_equal(store_run(port, (struct disk_op){.kind = DISK_UNLINK, .path = path}), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 1);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(repaired(&f), 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 0);
    assert_serves(&f, 0, 8);
    assert_serves(&f, 1, 0);
    assert_serves(&f, 2, 8);
    fixture_end(&f);
}

static void
a_log_that_was_only_in_doubt_comes_back_whole(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int i = 0; i < 3; i++)
        for (int32_t k = 0; k < 2; k++) {
            fixture_append(&f, fixture_log(&f, 1, k), 1, 700, (uint64_t)i, i);
            assert_int_equal(fixture_settle(&f), ERR_OK);
        }
    /* All is in files; the checkpoint is not reached, and the last frame is lost. */
    for (int i = 0; i < 50; i++) {
        f.now_ns += CLOCK_NS_PER_S / 10;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    plog_path_segment(fixture_log(&f, 1, 1), 0, ".log", path);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    disk_mem_cut_after(f.disk, UINT64_MAX);
    uint8_t *at = disk_mem_bytes(f.disk, "core-0/journal-0000", &size);
    for (uint64_t n = size - 4096; n >= 4096; n -= 4096)
        if (get_u32(at + n) == 0x534c4a46 && get_u32(at + n + 44) > 0) {
            memset(at + n, 0, 4096);
            break;
        }
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 2);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(repaired(&f), 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_serves(&f, 0, 3);
    assert_serves(&f, 1, 3); /* its last record was in the file */
    fixture_end(&f);
}

static void
a_power_cut_during_repair_leaves_it_to_be_done_again(void **state)
{
    (void)state;
    for (uint64_t ops = 5; ops < 140; ops += 9) {
        struct fixture f;
        char path[PLOG_PATH_BYTES];
        uint64_t size;
        filled(&f, path);
        uint8_t *at = disk_mem_bytes(f.disk, path, &size);
        at[size / 8 * 5 + 100] ^= 1;
        disk_mem_cut_after(f.disk, ops);
        struct check c = {.disk = disk_mem_port(f.disk, 0), .tell = nothing};
        int rc = check_repair(&c);
        assert_true(rc == ERR_OK || disk_mem_is_cut(f.disk));
        disk_mem_restart(f.disk);
        disk_mem_cut_after(f.disk, UINT64_MAX);
        (void)repaired(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_serves(&f, 0, 8);
        assert_serves(&f, 1, 5);
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_cut_at_its_first_bad_batch_and_the_rest_is_kept),
        cmocka_unit_test(a_log_without_its_file_comes_back_empty_and_the_others_are_as_they_were),
        cmocka_unit_test(a_log_that_was_only_in_doubt_comes_back_whole),
        cmocka_unit_test(a_power_cut_during_repair_leaves_it_to_be_done_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
