#include "core/base/crc32c.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a model: what was appended to each log ----------------------------------------------------
 */

enum { MODEL_LOGS = 4, MODEL_BATCHES = 4096 };

struct model_batch {
    int64_t base;
    int32_t records;
    uint32_t value_bytes;
    uint64_t seed;
    uint64_t lsn;
};

struct model_log {
    struct model_batch batches[MODEL_BATCHES];
    uint32_t count, acked; /* acked: a prefix */
    int64_t hw;
};

struct model {
    struct fixture f;
    struct model_log logs[MODEL_LOGS];
    uint64_t rng, next_seed;
    uint8_t *bytes;
    uint64_t extents; /* in all lives */
};

static uint64_t
model_random(struct model *m)
{
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 7;
    m->rng ^= m->rng << 17;
    return m->rng;
}

static void
note_acks(struct model *m)
{
    for (uint32_t i = 0; i < MODEL_LOGS; i++) {
        struct model_log *l = &m->logs[i];
        uint64_t durable = store_durable_lsn(fixture_core(&m->f, i, (int32_t)i));
        while (l->acked < l->count && l->batches[l->acked].lsn <= durable)
            l->acked++;
    }
}

/* Every batch that was acknowledged is there, identical, at its offset; nothing else is but a
 * prefix of what was appended. */
static void
check_log(struct model *m, uint32_t i)
{
    struct model_log *l = &m->logs[i];
    uint8_t id[16];
    fixture_topic(i, id);
    struct plog *p = store_find(fixture_core(&m->f, i, (int32_t)i), id, (int32_t)i);
    if (!p) {
        assert_int_equal(l->acked, 0);
        l->count = 0;
        return;
    }
    struct plog_facts facts;
    plog_facts(p, &facts);
    assert_true(facts.high_watermark >= l->hw);
    assert_int_equal(facts.high_watermark, facts.log_end_offset);
    uint32_t n = 0;
    int64_t offset = 0;
    while (offset < facts.log_end_offset) {
        struct store_range range;
        int64_t got = fixture_read(&m->f, p, offset, 20000, m->bytes, &range);
        assert_true(got > 0);
        for (uint32_t at = 0; at < (uint32_t)got;) {
            struct batch_info info;
            assert_true(n < l->count);
            const struct model_batch *b = &l->batches[n++];
            uint32_t bytes =
                fixture_batch(m->f.batch, b->records, b->value_bytes, b->seed, b->base, &info);
            batch_stamp(m->f.batch, b->base, 3);
            assert_int_equal(b->base, offset);
            assert_true(at + bytes <= (uint32_t)got);
            assert_memory_equal(m->bytes + at, m->f.batch, bytes);
            at += bytes;
            offset += b->records;
        }
        assert_int_equal(offset, range.offset_limit);
    }
    assert_true(n >= l->acked);
    l->count = l->acked = n;
    l->hw = facts.high_watermark;
    for (uint32_t k = 0; k < n; k++)
        l->batches[k].lsn = 0;
}

/* Appends one batch somewhere; false when the store cannot take it now. */
static bool
append_some(struct model *m)
{
    uint32_t i = (uint32_t)(model_random(m) % MODEL_LOGS);
    struct model_log *l = &m->logs[i];
    if (l->count == MODEL_BATCHES)
        return false;
    struct plog *p = fixture_log(&m->f, i, (int32_t)i);
    if (!p)
        return false;
    static const uint32_t sizes[] = {10, 100, 100, 1000, 6000, 20000};
    struct model_batch b = {
        .base = l->count ? l->batches[l->count - 1].base + l->batches[l->count - 1].records : 0,
        .records = 1 + (int32_t)(model_random(m) % 3),
        .value_bytes = sizes[model_random(m) % 6],
        .seed = ++m->next_seed};
    if (b.value_bytes * (uint32_t)b.records > 20000)
        b.records = 1;
    struct batch_info info;
    struct store_appended out;
    uint32_t bytes = fixture_batch(m->f.batch, b.records, b.value_bytes, b.seed, b.base, &info);
    int rc = store_append(fixture_core(&m->f, i, (int32_t)i), p, &info, view_of(m->f.batch, bytes),
                          3, 1, &out);
    if (rc == ERR_AGAIN)
        return false;
    assert_int_equal(rc, KERR_NONE);
    assert_int_equal(out.base_offset, b.base);
    b.lsn = out.lsn;
    l->batches[l->count++] = b;
    return true;
}

/* Work until the power goes, or for so many rounds. */
static void
work(struct model *m, uint32_t rounds)
{
    for (uint32_t n = 0; n < rounds && !disk_mem_is_cut(m->f.disk); n++) {
        for (uint64_t k = model_random(m) % 6; k > 0; k--)
            append_some(m);
        int rc = fixture_turns(&m->f, 1 + (uint32_t)(model_random(m) % 3));
        assert_true(rc == ERR_OK || disk_mem_is_cut(m->f.disk));
        note_acks(m);
        if (model_random(m) % 64 == 0)
            m->f.now_ns += 2 * CLOCK_NS_PER_S;
    }
}

/* Power back; recovery may lose power again, some times. */
static void
restart(struct model *m)
{
    for (uint32_t i = 0; i < m->f.cores; i++)
        m->extents += m->f.store[i] ? m->f.store[i]->stats.extents : 0;
    disk_mem_cut_after(m->f.disk, 0);
    fixture_kill(&m->f);
    for (;;) {
        disk_mem_restart(m->f.disk);
        m->f.cores = 1 + (uint32_t)(model_random(m) % 2);
        bool again = model_random(m) % 3 == 0;
        disk_mem_cut_after(m->f.disk, again ? 1 + model_random(m) % 60 : UINT64_MAX);
        int rc = fixture_start(&m->f);
        if (rc == ERR_OK && !disk_mem_is_cut(m->f.disk))
            break;
        assert_true(again);
        fixture_kill(&m->f);
    }
    disk_mem_cut_after(m->f.disk, UINT64_MAX);
    for (uint32_t i = 0; i < MODEL_LOGS; i++)
        check_log(m, i);
}

static void
one_life(struct model *m, uint64_t seed)
{
    m->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252u;
    m->next_seed = 0;
    memset(m->logs, 0, sizeof m->logs);
    fixture_init(&m->f, seed);
    m->f.cache_bytes = model_random(m) % 2 ? 128 << 10 : 512 << 10;
    static const uint32_t extent_bytes[] = {0, 2 * STORE_BLOCK, 4 * STORE_BLOCK};
    m->f.extent_bytes = extent_bytes[seed % 3];
    m->f.config.segment_bytes = seed % 3 ? 256 << 10 : 32 << 10;
    m->f.cores = 1 + (uint32_t)(model_random(m) % 2);
    assert_int_equal(fixture_start(&m->f), ERR_OK);
    for (int crash = 0; crash < 4; crash++) {
        disk_mem_cut_after(m->f.disk, 1 + model_random(m) % (crash % 2 ? 300 : 1500));
        work(m, 400);
        if (!disk_mem_is_cut(m->f.disk) && model_random(m) % 2) {
            disk_mem_cut_after(m->f.disk, UINT64_MAX);
            assert_int_equal(fixture_stop(&m->f), ERR_OK);
            for (uint32_t i = 0; i < MODEL_LOGS; i++)
                m->logs[i].acked = m->logs[i].count;
        }
        restart(m);
    }
    fixture_end(&m->f);
}

/* STORE_SEEDS=n: so many lives instead of a few. */
static uint64_t
store_seeds(void)
{
    const char *env = getenv("STORE_SEEDS");
    return env ? strtoull(env, NULL, 10) : 150;
}

static void
no_acknowledged_batch_is_lost_whenever_the_power_goes(void **state)
{
    (void)state;
    static struct model m;
    m.bytes = malloc(1 << 20);
    const char *env = getenv("STORE_SEED");
    uint64_t first = env ? strtoull(env, NULL, 10) : 1, count = env ? 1 : store_seeds();
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (env)
            printf("seed %llu\n", (unsigned long long)seed);
        one_life(&m, seed);
    }
    if (count > 100)
        assert_true(m.extents > 10 * count); /* the lives did have some */
    free(m.bytes);
}

/* ---- what another version has left -------------------------------------------------------------
 */

static char said[4096];

/* The code of a start, what it says in `said`. */
static int
start_said(struct fixture *f)
{
    int kept = dup(2);
    FILE *out = tmpfile();
    assert_non_null(out);
    fflush(stderr);
    assert_int_equal(dup2(fileno(out), 2), 2);
    int rc = fixture_start(f);
    fflush(stderr);
    assert_int_equal(dup2(kept, 2), 2);
    close(kept);
    rewind(out);
    said[fread(said, 1, sizeof said - 1, out)] = 0;
    fclose(out);
    return rc;
}

/* A log with some batches, stopped cleanly or not; then all journal files say version 1. */
static void
journals_of_version_1(struct fixture *f, bool clean)
{
    fixture_init(f, 3);
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 10; i++)
        fixture_append(f, fixture_log(f, 1, 0), 1, 700, (uint64_t)i, i);
    assert_int_equal(fixture_settle(f), ERR_OK);
    if (clean) {
        assert_int_equal(fixture_stop(f), ERR_OK);
    } else {
        disk_mem_cut_after(f->disk, 0);
        fixture_kill(f);
        disk_mem_restart(f->disk);
        disk_mem_cut_after(f->disk, UINT64_MAX);
    }
    uint8_t *at;
    uint64_t size;
    char path[32] = "core-0/journal-0000";
    for (uint32_t i = 0; (at = disk_mem_bytes(f->disk, path, &size)); i++) {
        set_u32(at + 4, 1);
        set_u32(at + 24, crc32c(0, at, 24));
        snprintf(path, sizeof path, "core-0/journal-%04u", i + 1);
    }
}

static void
a_journal_of_version_1_is_refused_and_the_line_says_which_and_what_to_do(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    journals_of_version_1(&f, false);
    uint64_t writes = disk_mem_count(f.disk, DISK_WRITE);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(start_said(&f), ERR_VERSION);
        assert_non_null(strstr(said, "the format of another version: start that version once more "
                                     "and stop it cleanly path=core-0/journal-0000 format=1 "));
    }
    assert_int_equal(disk_mem_count(f.disk, DISK_WRITE), writes); /* all is as it was */
    uint8_t *at = disk_mem_bytes(f.disk, "core-0/journal-0000", &size);
    set_u32(at + 4, 2);
    set_u32(at + 24, crc32c(0, at, 24));
    fixture_end(&f);
}

static void
a_journal_of_version_1_that_was_stopped_cleanly_is_not_needed(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    static uint8_t bytes[1024];
    journals_of_version_1(&f, true);
    assert_int_equal(start_said(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    assert_int_equal(p->hw, 10);
    assert_true(fixture_read(&f, p, 9, 1, bytes, &range) > 0);
    assert_int_equal(fixture_append(&f, p, 1, 700, 10, 10), 10);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    disk_mem_cut_after(f.disk, UINT64_MAX);
    assert_int_equal(start_said(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 0)->hw, 11);
    fixture_end(&f);
}

static void
a_checkpoint_of_another_version_is_refused_and_not_taken_for_damage(void **state)
{
    (void)state;
    static const char *const paths[] = {"boot-checkpoint", "core-0/ckpt-a"};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        uint64_t size;
        fixture_init(&f, 4);
        assert_int_equal(fixture_start(&f), ERR_OK);
        fixture_append(&f, fixture_log(&f, 1, 0), 1, 700, 1, 1);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        uint8_t *at = disk_mem_bytes(f.disk, paths[i], &size);
        assert_non_null(at);
        uint64_t content = get_u64(at + 48);
        set_u32(at + 4, 9);
        set_u32(at + 60, crc32c(crc32c(0, at, 60), at + 64, content));
        assert_int_equal(start_said(&f), ERR_VERSION);
        assert_non_null(strstr(said, "in the format of another version: start that version"));
        assert_non_null(strstr(said, paths[i]));
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_of_version_1_is_refused_and_the_line_says_which_and_what_to_do),
        cmocka_unit_test(a_journal_of_version_1_that_was_stopped_cleanly_is_not_needed),
        cmocka_unit_test(a_checkpoint_of_another_version_is_refused_and_not_taken_for_damage),
        cmocka_unit_test(no_acknowledged_batch_is_lost_whenever_the_power_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
