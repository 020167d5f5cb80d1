#include "core/base/crc32c.h"
#include "core/store/journal_in.h"
#include "tests/unit/core/store/journal_rig.h"

/* A journal with one record, of a process that is gone. */
static void
left(struct rig *r)
{
    struct journal_slot slot;
    rig_start(r, 3);
    assert_int_equal(put_record(r, 5000, &slot), ERR_OK);
    settle(r);
    disk_mem_cut_after(r->disk, 0);
    journal_free(r->j);
    r->j = NULL;
    disk_mem_restart(r->disk);
    disk_mem_cut_after(r->disk, UINT64_MAX);
}

static int
found(struct rig *r, struct journal_config *c, uint64_t *generation)
{
    return journal_found(disk_mem_port(r->disk, 0), "j", c, generation);
}

static void
geometry_and_generation_are_found(void **state)
{
    (void)state;
    struct rig r;
    struct journal_config c;
    uint64_t generation;
    left(&r);
    assert_int_equal(found(&r, &c, &generation), ERR_OK);
    assert_int_equal(c.file_bytes, small.file_bytes);
    assert_int_equal(c.file_count, small.file_count);
    assert_int_equal(generation, 1);
    rig_end(&r);
}

static void
a_torn_frame_tells_no_generation(void **state)
{
    (void)state;
    struct rig r;
    struct journal_config c;
    uint64_t generation, size;
    left(&r);
    disk_mem_bytes(r.disk, "j/journal-0000", &size)[2 * JOURNAL_BLOCK + 9] ^= 1;
    assert_int_equal(found(&r, &c, &generation), ERR_OK);
    assert_int_equal(generation, 0);
    rig_end(&r);
}

static void
another_version_is_told(void **state)
{
    (void)state;
    struct rig r;
    struct journal_config c;
    uint64_t generation, size;
    left(&r);
    uint8_t *at = disk_mem_bytes(r.disk, "j/journal-0000", &size);
    set_u32(at + 4, JOURNAL_VERSION + 1);
    set_u32(at + 24, crc32c(0, at, 24));
    assert_int_equal(found(&r, &c, &generation), ERR_VERSION);
    rig_end(&r);
}

static void
without_files_nothing_is_found(void **state)
{
    (void)state;
    struct rig r = {.disk = disk_mem_new(1)};
    struct journal_config c;
    uint64_t generation;
    assert_int_equal(found(&r, &c, &generation), ERR_NOT_FOUND);
    rig_end(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_and_generation_are_found),
        cmocka_unit_test(a_torn_frame_tells_no_generation),
        cmocka_unit_test(another_version_is_told),
        cmocka_unit_test(without_files_nothing_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
