#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static const uint8_t two[] = {0, 1}, without[] = {0, UINT8_MAX};

enum { LARGE = 20000, TOPICS_MAX = 16, COUNTED = 1, ALL = 3 };

struct life {
    struct fixture f;
    uint32_t topic;             /* of the log, which is in the second directory */
    char path[PLOG_PATH_BYTES]; /* of its segment */
    uint32_t pos;               /* of the extent */
};

static struct plog *
log_of(struct life *l)
{
    return fixture_log(&l->f, l->topic, 0);
}

static void
power_off(struct life *l)
{
    disk_mem_cut_after(l->f.disk, 0);
    fixture_kill(&l->f);
    disk_mem_restart(l->f.disk);
}

/* A log with one batch, a large one written straight to its segment, and one behind: all durable,
 * and nothing says so of the large one.  Then the power goes, and a start does not find the
 * directory. */
static void
live(struct life *l, uint64_t seed)
{
    struct fixture *f = &l->f;
    fixture_init(f, seed);
    disk_mem_dirs(f->disk, two, 2);
    f->cache_bytes = f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 512 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    l->topic = 0;
    while (log_of(l)->dir != 1)
        assert_true(++l->topic < TOPICS_MAX);
    struct plog *p = log_of(l);
    fixture_append(f, p, 1, LARGE, 1, 1);
    assert_int_equal(fixture_turns(f, 300), ERR_OK);
    assert_true(plog_last(p)->named);
    char path[PLOG_PATH_BYTES - 8];
    plog_path_segment(p, 0, ".log", l->path);
    snprintf(path, sizeof path, "%.*s", (int)sizeof path - 1, l->path);
    snprintf(l->path, sizeof l->path, "@1/%s", path);
    l->pos = plog_last(p)->bytes;
    fixture_append(f, p, 1, LARGE, 2, 2);
    fixture_append(f, p, 1, 100, 3, 3);
    assert_int_equal(f->store[0]->stats.extents, 1);
    assert_int_equal(fixture_settle(f), ERR_OK);
    power_off(l);
    disk_mem_dirs(f->disk, without, 2);
    assert_int_equal(fixture_start(f), ERR_OK);
    assert_int_equal(log_of(l)->state, PLOG_OFFLINE);
    assert_int_equal(log_of(l)->end, COUNTED);
}

static void
spoil(struct life *l)
{
    uint64_t size;
    uint8_t *bytes = disk_mem_bytes(l->f.disk, l->path, &size);
    assert_non_null(bytes);
    bytes[store_extent_first(l->pos) + 5000] ^= 1;
}

static void
directory_back(struct life *l, int64_t end)
{
    struct store_range range;
    disk_mem_dirs(l->f.disk, two, 2);
    assert_int_equal(fixture_start(&l->f), ERR_OK);
    assert_int_equal(l->f.boot.offline, 0);
    assert_int_equal(log_of(l)->state, PLOG_ONLINE);
    assert_int_equal(log_of(l)->hw, end);
    for (int64_t offset = 0; offset < end; offset++)
        assert_true(fixture_read(&l->f, log_of(l), offset, 1, l->f.batch, &range) > 0);
}

static void
a_large_batch_that_was_written_is_there_when_its_directory_is_back(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct life l;
        live(&l, 1);
        if (cut)
            power_off(&l);
        else
            assert_int_equal(fixture_stop(&l.f), ERR_OK);
        directory_back(&l, ALL);
        fixture_end(&l.f);
    }
}

static void
a_large_batch_that_is_torn_ends_its_log_when_its_directory_is_back(void **state)
{
    (void)state;
    for (int starts = 1; starts < 3; starts++) {
        struct life l;
        live(&l, 2);
        for (int again = 1; again < starts; again++) {
            power_off(&l);
            assert_int_equal(fixture_start(&l.f), ERR_OK);
        }
        spoil(&l);
        power_off(&l);
        directory_back(&l, COUNTED);
        assert_int_equal(l.f.boot.cut, 1);
        assert_int_equal(fixture_append(&l.f, log_of(&l), 1, 100, 4, 4), COUNTED);
        fixture_end(&l.f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_batch_that_was_written_is_there_when_its_directory_is_back),
        cmocka_unit_test(a_large_batch_that_is_torn_ends_its_log_when_its_directory_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
