/* move_rig.h: a log in one of two data directories, shared by the tests of moves. */
#ifndef SLUICE_TESTS_MOVE_RIG_H
#define SLUICE_TESTS_MOVE_RIG_H

#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORKER_PORT = 7, OFFSETS = 4096 };

static const uint8_t two[] = {0, 1};
static struct fixture f;
static struct plog *log_now;
static uint64_t seeds[OFFSETS]; /* of the value of each offset */
static uint32_t value_bytes;
static uint64_t wish_lsn;

static inline void
start(void)
{
    assert_int_equal(fixture_start(&f), ERR_OK);
    log_now = fixture_log(&f, 1, 0);
}

static inline void
begin(uint64_t seed, uint32_t extent_bytes)
{
    fixture_init(&f, seed);
    if (extent_bytes) {
        f.extent_bytes = extent_bytes;
        f.cache_bytes = 8 << 20;
        f.journal_bytes = 16 << 20;
        f.config.segment_bytes = 1 << 20;
    }
    value_bytes = extent_bytes ? 90000 : 3000;
    f.config.cleanup_delete = true;
    f.config.retention_ms = f.config.retention_bytes = -1;
    disk_mem_dirs(f.disk, two, 2);
    start();
}

static inline uint8_t
other(void)
{
    return log_now->dir == 0 ? 1 : 0;
}

static inline int
move(struct plog *p, uint8_t dir)
{
    return store_move(f.store[0], p, dir, &wish_lsn);
}

static inline void
power_cut(void)
{
    disk_mem_cut_after(f.disk, 0);
    fixture_turns(&f, 3);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    disk_mem_cut_after(f.disk, UINT64_MAX);
}

/* Appends one-record batches until the power goes. */
static inline void
fill(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct batch_info info;
        struct store_appended out;
        uint64_t seed = (uint64_t)random();
        uint32_t bytes = fixture_batch(f.batch, 1, value_bytes, seed, log_now->end, &info);
        int rc;
        info.found_timestamp_ms = info.max_timestamp_ms;
        while ((rc = store_append(f.store[0], log_now, &info, view_of(f.batch, bytes), 1, 1000,
                                  &out)) == ERR_AGAIN)
            if (disk_mem_is_cut(f.disk) || fixture_turns(&f, 1) != ERR_OK)
                return;
        assert_int_equal(rc, KERR_NONE);
        seeds[out.base_offset] = seed;
        if (value_bytes > 10000) /* files are made ready for extents */
            fixture_turns(&f, 3);
    }
}

/* Reads the log from its start: every batch is the one that was appended there. */
static inline void
check(void)
{
    static uint8_t got[1 << 20];
    for (int64_t offset = log_now->start; offset < log_now->hw;) {
        struct store_range range;
        int64_t n = fixture_read(&f, log_now, offset, 64 << 10, got, &range);
        assert_true(n > 0);
        for (uint32_t at = 0; at < n;) {
            struct batch_info info, want;
            assert_int_equal(batch_header(view_of(got + at, (uint32_t)n - at), &info), ERR_OK);
            assert_int_equal(info.base_offset, offset);
            fixture_batch(f.batch, 1, value_bytes, seeds[offset], offset, &want);
            assert_int_equal(info.bytes, want.bytes);
            assert_int_equal(info.crc, want.crc);
            assert_true(batch_crc_ok(view_of(got + at, info.bytes), &info));
            at += info.bytes;
            offset++;
        }
    }
}

struct names {
    const char *part;
    uint32_t count[2];
};

static inline void
name_look(void *user, const char *path, uint64_t size)
{
    struct names *n = user;
    (void)size;
    if (strstr(path, n->part))
        n->count[strncmp(path, "@1", 2) == 0]++;
}

/* Files of the log in a directory. */
static inline uint32_t
files_in(uint8_t dir)
{
    char path[PLOG_PATH_BYTES];
    struct names n = {.part = path};
    plog_path_dir(log_now, path);
    disk_mem_each(f.disk, name_look, &n);
    return n.count[dir];
}

/* Without a move under way: files are there and in its directory, or copies that a move goes on
 * with. */
static inline uint32_t
files_known(uint8_t dir)
{
    return dir == log_now->dir || (log_now->copied.to && dir == log_now->copies_in) ? 0
                                                                                    : files_in(dir);
}

/* One piece of work: a task, or a turn.  False: the power went. */
static inline bool
work(void)
{
    struct store_worker w = {.disk = disk_mem_port(f.disk, WORKER_PORT)};
    struct store_task *t = store_task_take(f.store[0]);
    if (t) {
        store_task_run(&w, t);
        store_task_done(f.store[0], t);
    }
    return fixture_turns(&f, 1) == ERR_OK && !disk_mem_is_cut(f.disk);
}

static inline bool
moving(void)
{
    return f.store[0]->move.run || !list_empty(&f.store[0]->move.queue);
}

/* Until the move is over; with an append per piece of work, as many as given.  False: the power
 * went. */
static inline bool
finish(uint32_t appends)
{
    for (uint32_t n = 0; moving(); n++) {
        if (appends) {
            fill(1);
            appends--;
        } else {
            f.now_ns += CLOCK_NS_PER_S; /* batches get old enough to be written */
        }
        if (!work())
            return false;
        assert_true(n < 20000);
    }
    return true;
}

#endif
