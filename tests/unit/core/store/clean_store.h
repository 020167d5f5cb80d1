/* clean_store.h: a log with keys on the small store of store_fixture.h, compacted step by step, and
 * what must be found in it. */
#ifndef SLUICE_TESTS_CLEAN_STORE_H
#define SLUICE_TESTS_CLEAN_STORE_H

#include "tests/unit/core/store/clean_fixture.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { CLEAN_KEYS = 30, CLEAN_OFFSETS = 4096, CLEAN_SLOTS = 4096, CLEAN_PORT = 7 };

struct clean_world {
    struct fixture f;
    struct plog *log;
    struct clean_map map;
    struct clean_slot slots[CLEAN_SLOTS];
    struct clean_record records[CLEAN_OFFSETS]; /* by offset: all that was ever appended */
    int64_t end;
};

static inline void
clean_world_init(struct clean_world *w, uint64_t seed)
{
    static const uint8_t secret[CLEAN_MAP_SECRET_BYTES] = "any";
    memset(w, 0, sizeof *w);
    fixture_init(&w->f, seed);
    w->f.config.segment_bytes = 8 << 10;
    w->f.config.cleanup_compact = true;
    w->f.config.delete_retention_ms = 1000;
    w->f.config.file_delete_delay_ms = 60000;
    assert_int_equal(clean_map_init(&w->map, w->slots, sizeof w->slots, secret), ERR_OK);
}

static inline int
clean_world_start(struct clean_world *w)
{
    int rc = fixture_start(&w->f);
    if (rc == ERR_OK)
        w->log = fixture_log(&w->f, 1, 0);
    return rc;
}

/* Appends some batches and makes them durable. */
static inline void
clean_world_append(struct clean_world *w, uint32_t batches)
{
    static uint8_t bytes[16 << 10];
    for (uint32_t n = 0; n < batches; n++) {
        struct batch_template form = {.producer_id = -1, .last_offset_delta = -1};
        uint32_t count = 1 + (uint32_t)random() % 8;
        struct clean_record *r = &w->records[w->end];
        assert_true(w->end + count <= CLEAN_OFFSETS);
        for (uint32_t i = 0; i < count; i++)
            r[i] = (struct clean_record){.key = (int)random() % CLEAN_KEYS,
                                         .tombstone = random() % 6 == 0,
                                         .offset = i,
                                         .time_ms = w->end + i};
        form.base_timestamp_ms = w->end;
        uint32_t len = clean_fixture_batch(bytes, sizeof bytes, &form, r, count);
        struct batch_info info;
        struct store_appended out;
        assert_int_equal(batch_header(view_of(bytes, len), &info), ERR_OK);
        info.found_timestamp_ms = info.max_timestamp_ms;
        int rc;
        while ((rc = store_append(w->f.store[0], w->log, &info, view_of(bytes, len), 1, w->end,
                                  &out)) == ERR_AGAIN)
            assert_int_equal(fixture_turns(&w->f, 1), ERR_OK);
        assert_int_equal(rc, KERR_NONE);
        assert_int_equal(out.base_offset, w->end);
        w->end += count;
    }
    assert_int_equal(fixture_settle(&w->f), ERR_OK);
}

/* The task of a log that is due, run where it stands; NULL: none is due. */
static inline struct store_task *
clean_world_run(struct clean_world *w, int64_t now_ms)
{
    struct store *s = w->f.store[0];
    while (!store_clean(s, now_ms))
        ;
    struct store_task *t = store_task_take(s);
    struct store_worker worker = {.disk = disk_mem_port(w->f.disk, CLEAN_PORT), .map = &w->map};
    if (t)
        store_task_run(&worker, t);
    return t;
}

/* A whole round; false: nothing was due, or the power went. */
static inline bool
clean_world_clean(struct clean_world *w, int64_t now_ms)
{
    struct store_task *t = clean_world_run(w, now_ms);
    if (!t)
        return false;
    store_task_done(w->f.store[0], t);
    for (int n = 0; w->log->task; n++) {
        if (disk_mem_is_cut(w->f.disk) || fixture_turns(&w->f, 1) != ERR_OK)
            return false;
        assert_true(n < 10000);
    }
    return !disk_mem_is_cut(w->f.disk);
}

/* Reads the whole log and compares it with all that was appended; returns how many records are
 * there.  Records may be missing only when a later one of the same key was appended, or when they
 * delete their key. */
static inline uint32_t
clean_world_check(struct clean_world *w, uint32_t bytes_max)
{
    static uint8_t bytes[512 << 10];
    static bool found[CLEAN_OFFSETS];
    uint32_t count = 0;
    struct plog *p = w->log;
    memset(found, 0, sizeof found);
    assert_int_equal(p->end, w->end);
    for (int64_t at = p->start; at < p->hw;) {
        struct store_range range;
        int64_t got = fixture_read(&w->f, p, at, bytes_max, bytes, &range);
        assert_true(got > 0);
        for (uint32_t pos = 0; pos < got;) {
            struct batch_read r;
            struct batch_record one;
            assert_int_equal(
                batch_read_open(&r, view_of(bytes + pos, (uint32_t)got - pos), NULL, 0), ERR_OK);
            assert_true(r.info.base_offset + r.info.last_offset_delta >= at);
            for (int32_t i = 0; i < r.info.record_count; i++, count++) {
                assert_int_equal(batch_read_next(&r, &one), ERR_OK);
                const struct clean_record *want = &w->records[one.offset];
                assert_int_equal(clean_fixture_key(&one), want->key);
                assert_int_equal(one.timestamp_ms, want->time_ms);
                assert_int_equal(!one.value.at, want->tombstone);
                found[one.offset] = true;
            }
            at = r.info.base_offset + r.info.last_offset_delta + 1;
            pos += r.info.bytes;
        }
        assert_int_equal(range.offset_limit >= at, 1);
        at = range.offset_limit;
    }
    bool later[CLEAN_KEYS] = {false};
    for (int64_t o = w->end - 1; o >= p->start; o--) {
        const struct clean_record *r = &w->records[o];
        assert_true(found[o] || later[r->key] || r->tombstone);
        later[r->key] = true;
    }
    return count;
}

struct clean_names {
    uint32_t files, cleaned;
};

static inline void
clean_names_look(void *user, const char *name)
{
    struct clean_names *n = user;
    n->files++;
    n->cleaned += strstr(name, CLEAN_SUFFIX_END) != NULL;
}

static inline struct clean_names
clean_world_names(struct clean_world *w)
{
    struct clean_names n = {0};
    char dir[PLOG_PATH_BYTES];
    struct disk *disk = disk_mem_port(w->f.disk, CLEAN_PORT);
    plog_path_dir(w->log, dir);
    assert_int_equal(disk->ops->list(disk->self, 0, dir, clean_names_look, &n), ERR_OK);
    return n;
}

#endif
