#include "core/base/crc32c.h"
#include "core/store/check.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

/* Findings of a look, as one text. */
struct told {
    char text[8192];
    uint64_t count;
};

static void
note(void *user, const struct check_finding *f)
{
    struct told *t = user;
    size_t n = strlen(t->text);
    snprintf(t->text + n, sizeof t->text - n, "%d %s %lld %d: %s\n", f->bad, f->path,
             (long long)f->position, f->topic ? f->partition : -1, f->what);
    t->count++;
}

static struct told told;

static uint64_t
look(struct fixture *f, struct check *c)
{
    told = (struct told){0};
    *c = (struct check){.disk = disk_mem_port(f->disk, 0), .tell = note, .user = &told};
    assert_int_equal(check_verify(c), ERR_OK);
    return c->bad;
}

static void
filled(struct fixture *f, bool clean)
{
    fixture_init(f, 1);
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 8; i++)
        for (int32_t k = 0; k < 3; k++)
            fixture_append(f, fixture_log(f, 1, k), 1, 700, (uint64_t)i, i);
    if (!clean) {
        assert_int_equal(fixture_checkpoint(f), ERR_OK);
        for (int32_t k = 0; k < 3; k++) {
            fixture_append(f, fixture_log(f, 1, k), 1, 700, 9, 9);
            assert_int_equal(fixture_settle(f), ERR_OK);
        }
        for (int i = 0; i < 20; i++)
            assert_int_equal(fixture_turns(f, 4), ERR_OK);
        disk_mem_cut_after(f->disk, 0);
        fixture_kill(f);
        disk_mem_restart(f->disk);
        return;
    }
    assert_int_equal(fixture_stop(f), ERR_OK);
}

static void
a_whole_directory_has_no_finding_and_is_not_changed(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        struct fixture f;
        struct check c;
        filled(&f, clean);
        uint64_t writes = disk_mem_count(f.disk, DISK_WRITE),
                 cuts = disk_mem_count(f.disk, DISK_TRUNCATE);
        assert_int_equal(look(&f, &c), 0);
        assert_string_equal(told.text, "");
        assert_int_equal(c.logs, 3);
        assert_int_equal(c.batches, 24);
        assert_int_equal(c.journal_records, clean ? 0 : 3);
        assert_int_equal(disk_mem_count(f.disk, DISK_WRITE), writes);
        assert_int_equal(disk_mem_count(f.disk, DISK_TRUNCATE), cuts);
        fixture_end(&f);
    }
}

static void
a_flipped_byte_of_a_segment_is_found_with_file_and_place(void **state)
{
    (void)state;
    struct fixture f;
    struct check c;
    uint8_t id[16];
    char path[PLOG_PATH_BYTES], want[256];
    uint64_t size;
    filled(&f, true);
    struct plog p;
    plog_init(&p);
    fixture_topic(1, id);
    memcpy(p.topic, id, sizeof id);
    p.partition = 1;
    plog_path_segment(&p, 0, ".log", path);
    disk_mem_bytes(f.disk, path, &size)[size / 8 * 5 + 100] ^= 1;
    assert_int_equal(look(&f, &c), 1);
    snprintf(want, sizeof want, "1 %s %llu 1: ", path, (unsigned long long)size / 8 * 5);
    assert_int_equal(strncmp(told.text, want, strlen(want)), 0);
    fixture_end(&f);
}

static void
a_flipped_byte_of_the_journal_is_found_with_file_and_place(void **state)
{
    (void)state;
    struct fixture f;
    struct check c;
    uint64_t size;
    filled(&f, false);
    /* The first of the three frames behind the checkpoint. */
    uint8_t *at = disk_mem_bytes(f.disk, "core-0/journal-0000", &size);
    uint64_t place = 0;
    for (uint64_t n = 4096; n + 4096 <= size; n += 4096)
        if (get_u32(at + n) == 0x534c4a46 && get_u64(at + n + 8) == 1 && get_u32(at + n + 44) == 1)
            place = place ? place : n;
    assert_true(place > 0);
    /* Those before the checkpoint hold several records each, or none. */
    for (uint64_t n = place; n + 4096 <= size; n += 4096)
        if (get_u32(at + n + 44) == 1)
            place = n;
    at[place + 300] ^= 1;
    assert_int_equal(look(&f, &c), 1);
    assert_non_null(strstr(told.text, "core-0/journal-0000"));
    char text[32];
    snprintf(text, sizeof text, " %llu ", (unsigned long long)place);
    assert_non_null(strstr(told.text, text));
    fixture_end(&f);
}

static void
checkpoints_are_looked_at(void **state)
{
    (void)state;
    struct fixture f;
    struct check c;
    uint64_t size;
    filled(&f, true);
    disk_mem_bytes(f.disk, "boot-checkpoint", &size)[20] ^= 1;
    assert_int_equal(look(&f, &c), 0); /* the copy does */
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(told.text, "boot-checkpoint 0"));
    disk_mem_bytes(f.disk, "boot-checkpoint.copy", &size)[20] ^= 1;
    assert_int_equal(look(&f, &c), 1);
    fixture_end(&f);
}

static void
a_bad_sidecar_is_a_remark_and_no_damage(void **state)
{
    (void)state;
    struct fixture f;
    struct check c;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 1);
    f.config.segment_bytes = 100 << 10;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 300; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_true(p->segment_count > 2);
    plog_path_segment(p, p->segments[1]->base, ".idx", path);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(look(&f, &c), 0);
    assert_int_equal(told.count, 0);
    disk_mem_bytes(f.disk, path, &size)[0] ^= 1;
    assert_int_equal(look(&f, &c), 0);
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(told.text, path));
    assert_non_null(strstr(told.text, "index beside the segment is damaged"));
    fixture_end(&f);
}

/* As a crash leaves it behind between the end of a segment and the sidecar of all of it. */
static void
a_sidecar_of_the_front_of_a_segment_is_no_finding(void **state)
{
    (void)state;
    struct fixture f;
    struct check c;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 1);
    f.sidecar_bytes = 16 << 10;
    f.config.segment_bytes = 100 << 10;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 80; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    f.now_ns += 2 * CLOCK_NS_PER_S;
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    plog_path_segment(p, 0, ".idx", path);
    uint8_t *at = disk_mem_bytes(f.disk, path, &size);
    assert_non_null(at);
    disk_mem_fail(f.disk, ".idx", DISK_OPEN, ERR_IO);
    for (int i = 80; i < 200; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_true(p->segment_count > 1);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    disk_mem_fail(f.disk, NULL, DISK_OPEN, ERR_OK);
    assert_int_equal(look(&f, &c), 0);
    assert_string_equal(told.text, "");
    disk_mem_bytes(f.disk, path, &size)[1] ^= 1;
    assert_int_equal(look(&f, &c), 0);
    assert_non_null(strstr(told.text, "index beside the segment is damaged"));
    fixture_end(&f);
}

static void
a_checkpoint_of_another_version_is_told_and_nothing_is_repaired(void **state)
{
    (void)state;
    static const char *const paths[] = {"boot-checkpoint", "core-0/ckpt-a"};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        uint64_t size;
        filled(&f, true);
        uint8_t *at = disk_mem_bytes(f.disk, paths[i], &size);
        uint64_t content = get_u64(at + 48);
        set_u32(at + 4, 9);
        set_u32(at + 60, crc32c(crc32c(0, at, 60), at + 64, content));
        told = (struct told){0};
        struct check c = {.disk = disk_mem_port(f.disk, 0), .tell = note, .user = &told};
        assert_int_equal(check_verify(&c), ERR_VERSION);
        assert_non_null(strstr(told.text, "the format of another version"));
        assert_non_null(strstr(told.text, paths[i]));
        uint64_t renames = disk_mem_count(f.disk, DISK_RENAME);
        assert_int_equal(check_repair(&c), ERR_VERSION);
        assert_int_equal(disk_mem_count(f.disk, DISK_RENAME), renames);
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_directory_has_no_finding_and_is_not_changed),
        cmocka_unit_test(a_flipped_byte_of_a_segment_is_found_with_file_and_place),
        cmocka_unit_test(a_flipped_byte_of_the_journal_is_found_with_file_and_place),
        cmocka_unit_test(checkpoints_are_looked_at),
        cmocka_unit_test(a_bad_sidecar_is_a_remark_and_no_damage),
        cmocka_unit_test(a_checkpoint_of_another_version_is_told_and_nothing_is_repaired),
        cmocka_unit_test(a_sidecar_of_the_front_of_a_segment_is_no_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
