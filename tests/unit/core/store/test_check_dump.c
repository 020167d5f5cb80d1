#include "core/store/check.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static char told[64 << 10];

static void
row(void *user, const struct check_row *r)
{
    (void)user;
    size_t n = strlen(told);
    n += (size_t)snprintf(told + n, sizeof told - n, "%s", r->kind);
    if (r->topic)
        n += (size_t)snprintf(told + n, sizeof told - n, " p%d", r->partition);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct check_cell *c = &r->cells[i];
        if (c->text)
            n += (size_t)snprintf(told + n, sizeof told - n, " %s=%s", c->name, c->text);
        else
            n += (size_t)snprintf(told + n, sizeof told - n, " %s=%lld", c->name,
                                  (long long)c->number);
    }
    snprintf(told + n, sizeof told - n, "\n");
}

static struct check_dump
dumped(struct fixture *f, const char *path, bool deep, int wanted)
{
    struct check_dump d = {.path = path, .deep = deep, .row = row};
    told[0] = 0;
    assert_int_equal(check_dump(disk_mem_port(f->disk, 0), &d), wanted);
    return d;
}

static void
filled(struct fixture *f)
{
    fixture_init(f, 1);
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 3; i++)
        fixture_append(f, fixture_log(f, 1, 6), 2, 700, (uint64_t)i, i);
}

static void
a_checkpoint_shows_its_logs_and_their_segments(void **state)
{
    (void)state;
    struct fixture f;
    filled(&f);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    struct check_dump d = dumped(&f, "core-0/ckpt-a", true, ERR_OK);
    assert_null(d.what);
    assert_non_null(strstr(told, "checkpoint generation=1 seq=1 lsn="));
    assert_non_null(strstr(told, " clean_stop=1 logs=1\n"));
    assert_non_null(strstr(told, "log p6 id=1 start=0 end=6 segments=1 "));
    assert_non_null(strstr(told, "state=whole\nsegment base=0 bytes="));
    dumped(&f, "boot-checkpoint", false, ERR_OK);
    assert_non_null(strstr(told, "checkpoint generation=1 seq=1 journal_bytes="));
    fixture_end(&f);
}

static void
a_journal_shows_its_frames_and_their_records(void **state)
{
    (void)state;
    struct fixture f;
    filled(&f);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    dumped(&f, "core-0/journal-0000", false, ERR_OK);
    assert_non_null(strstr(told, "frame position=4096 generation=1 seq=1 lsn=1 "));
    assert_null(strstr(told, "record p6"));
    dumped(&f, "core-0/journal-0000", true, ERR_OK);
    assert_non_null(strstr(told, "sum=good\n"));
    assert_non_null(strstr(told, "record p6 lsn=1 what=create "));
    assert_non_null(strstr(told, "what=batch "));
    assert_non_null(strstr(told, " log=1 segment=0 position=0 "));
    assert_non_null(strstr(told, " base_offset=4 records=2\n"));
    fixture_end(&f);
}

static void
damage_is_shown_and_other_files_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    filled(&f);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    disk_mem_bytes(f.disk, "core-0/journal-0000", &size)[4096 + 100] ^= 1;
    dumped(&f, "core-0/journal-0000", true, ERR_OK);
    assert_non_null(strstr(told, "frame position=4096 "));
    assert_non_null(strstr(told, "sum=bad\n"));
    disk_mem_bytes(f.disk, "boot-checkpoint", &size)[20] ^= 1;
    struct check_dump d = dumped(&f, "boot-checkpoint", true, ERR_OK);
    assert_non_null(d.what);
    assert_string_equal(told, "");
    dumped(&f, "core-0/ckpt-b", false, ERR_NOT_FOUND);
    dumped(&f, "log/x/0/00000000000000000000.log", false, ERR_INVALID);
    fixture_end(&f);
}

/* Kinds are the journal's owner's: control's are not the store's. */
static void
a_metadata_record_of_any_kind_shows_its_term(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    filled(&f);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    uint8_t *from = disk_mem_bytes(f.disk, "core-0/journal-0000", &size);
    struct disk *port = disk_mem_port(f.disk, 0);
    assert_true(store_run(port, (struct disk_op){.kind = DISK_MKDIR, .path = "control"}) >= 0);
    int64_t file = store_run(port, (struct disk_op){.kind = DISK_OPEN,
                                                    .path = "control/journal-0000",
                                                    .flags = DISK_CREATE | DISK_WRITABLE});
    assert_true(file >= 0);
    assert_int_equal(store_run(port, (struct disk_op){.kind = DISK_WRITE,
                                                      .file = (int32_t)file,
                                                      .at = from,
                                                      .len = (uint32_t)size}),
                     size);
    dumped(&f, "control/journal-0000", true, ERR_OK);
    /* A BATCH of log 1 begins with varints 1, 0, 0 and then the batch at offset 0. */
    assert_non_null(strstr(told, " what=metadata "));
    assert_non_null(strstr(told, " term=72057594037927936 index="));
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_shows_its_logs_and_their_segments),
        cmocka_unit_test(a_journal_shows_its_frames_and_their_records),
        cmocka_unit_test(a_metadata_record_of_any_kind_shows_its_term),
        cmocka_unit_test(damage_is_shown_and_other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
