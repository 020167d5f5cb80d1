#include "core/base/crc32c.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

enum { LARGE = 20000, LEADER_EPOCH = 3, NOW_MS = 1000 };

static struct plog *
start(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->cache_bytes = 1 << 20;
    f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 512 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    fixture_append(f, p, 1, LARGE, 1, 1);
    for (int i = 0; i < 200 && (!plog_last(p)->named || journal_missing(f->store[0]->journal)); i++)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    assert_int_equal(fixture_turns(f, 50), ERR_OK);
    return p;
}

/* In parts of any size. */
static void
put(struct fixture *f, const uint8_t *at, const struct batch_info *info)
{
    for (uint32_t done = 0, n = 1; done < info->bytes; done += n, n = n * 7 % 5003) {
        n = n < info->bytes - done ? n : info->bytes - done;
        store_stage_put(f->store[0], f->batch + done, n);
    }
    assert_memory_equal(at, f->batch, info->bytes);
    uint32_t len = info->bytes - BATCH_AT_ATTRIBUTES;
    assert_int_equal(store_stage_crc(f->store[0]), crc32c(0, f->batch + BATCH_AT_ATTRIBUTES, len));
}

static int
stage(struct fixture *f, struct plog *p, const struct batch_info *info)
{
    const uint8_t *at;
    int rc = store_stage(f->store[0], p, info, NOW_MS, &at);
    if (rc == ERR_OK)
        put(f, at, info);
    return rc;
}

static int
append_staged(struct fixture *f, const struct batch_info *info, struct store_appended *out)
{
    return store_append_staged(f->store[0], info, LEADER_EPOCH, NOW_MS, out);
}

static void
check_read(struct fixture *f, struct plog *p, const uint32_t *sizes, int64_t count)
{
    uint8_t *bytes = malloc(1 << 20);
    for (int64_t offset = 0; offset < count; offset++) {
        struct store_range range;
        struct batch_info info;
        uint32_t n = fixture_batch(f->batch, 1, sizes[offset], (uint64_t)offset + 1, 5, &info);
        batch_stamp(f->batch, offset, LEADER_EPOCH);
        assert_int_equal(fixture_read(f, p, offset, n, bytes, &range), n);
        assert_memory_equal(bytes, f->batch, n);
    }
    free(bytes);
}

/* Batches, small and large, some of which are given up at first, or for good. */
static void
staged_batches_are_read_back_and_those_given_up_are_not(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        print_message("# seed %u\n", seed);
        unsigned rnd = seed;
        struct fixture f;
        struct plog *p;
        uint32_t sizes[60];
        int64_t count = 0;
        fixture_init(&f, seed);
        f.cache_bytes = f.journal_bytes = 1 << 20;
        f.extent_bytes = 2 * STORE_BLOCK;
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        for (int i = 0; i < 200; i++) {
            struct batch_info info;
            struct store_appended out;
            uint32_t size = rand_r(&rnd) % 2 ? LARGE : (uint32_t)rand_r(&rnd) % 300;
            bool real = rand_r(&rnd) % 3 == 0 && count < 60;
            if (rand_r(&rnd) % 4 == 0)
                assert_int_equal(fixture_turns(&f, 1), ERR_OK);
            (void)fixture_batch(f.batch, 1, size, real ? (uint64_t)count + 1 : 999, 5, &info);
            int rc = stage(&f, p, &info);
            if (rc != ERR_OK) {
                assert_true(rc == ERR_AGAIN || rc == ERR_LIMIT);
                assert_int_equal(fixture_settle(&f), ERR_OK);
                if (rc == ERR_LIMIT && real) { /* the first of all */
                    sizes[count] = size;
                    assert_int_equal(fixture_append(&f, p, 1, size, (uint64_t)count + 1, 5), count);
                    count++;
                }
                continue;
            }
            if (!real) {
                store_unstage(f.store[0]);
                continue;
            }
            assert_int_equal(append_staged(&f, &info, &out), KERR_NONE);
            assert_int_equal(out.base_offset, count);
            sizes[count++] = size;
        }
        assert_true(count > 20);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        assert_int_equal(p->hw, count);
        check_read(&f, p, sizes, count);
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(p->hw, count);
        check_read(&f, p, sizes, count);
        fixture_end(&f);
    }
}

static void
a_large_staged_batch_is_an_extent(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    struct plog *p = start(&f, 1);
    uint64_t before = f.store[0]->stats.extents;
    fixture_batch(f.batch, 1, LARGE, 2, 2, &info);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    store_unstage(f.store[0]);
    assert_int_equal(f.store[0]->stats.extents, before);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    assert_int_equal(append_staged(&f, &info, &out), KERR_NONE);
    assert_int_equal(f.store[0]->stats.extents, before + 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    fixture_end(&f);
}

static void
a_refused_batch_gives_its_place_back(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out, again;
    struct plog *p = start(&f, 2);
    fixture_batch(f.batch, 2, 100, 7, 5, &info);
    fixture_producer(f.batch, 9, 0, 0, &info);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    assert_int_equal(append_staged(&f, &info, &out), KERR_NONE);
    uint64_t lsn = journal_last_lsn(f.store[0]->journal);
    int64_t end = p->end;
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    assert_int_equal(append_staged(&f, &info, &again), KERR_DUPLICATE_SEQUENCE_NUMBER);
    assert_int_equal(again.base_offset, out.base_offset);
    assert_int_equal(again.lsn, out.lsn);
    fixture_producer(f.batch, 9, 0, 7, &info);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    assert_int_equal(append_staged(&f, &info, &again), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(journal_last_lsn(f.store[0]->journal), lsn);
    assert_int_equal(p->end, end);
    fixture_end(&f);
}

static void
a_batch_that_begins_a_segment_is_not_staged(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info, late;
    struct store_appended out;
    fixture_init(&f, 3);
    f.config.segment_ms = 10000;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 100, 1, 1);
    fixture_batch(f.batch, 1, 100, 2, 2, &info);
    late = info;
    late.max_timestamp_ms = late.found_timestamp_ms = 1000000;
    uint32_t segments = p->segment_count;
    assert_int_equal(stage(&f, p, &late), ERR_LIMIT);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    late = info; /* what its records say, once they have been read */
    late.found_timestamp_ms = 1000000;
    assert_int_equal(append_staged(&f, &late, &out), ERR_LIMIT);
    assert_int_equal(p->segment_count, segments);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    assert_int_equal(append_staged(&f, &info, &out), KERR_NONE);
    fixture_end(&f);
}

static void
what_the_header_says_wrongly_is_corrected(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    struct store_range range;
    static uint8_t bytes[4096];
    struct plog *p = start(&f, 4);
    fixture_batch(f.batch, 2, 100, 7, 5, &info);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    info.found_timestamp_ms = info.max_timestamp_ms + 11; /* as batch_check tells it */
    int64_t found_ms = info.found_timestamp_ms;
    assert_int_equal(append_staged(&f, &info, &out), KERR_NONE);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    int64_t got = fixture_read(&f, p, out.base_offset, 4096, bytes, &range);
    assert_int_equal(batch_header(view_of(bytes, (uint32_t)got), &info), ERR_OK);
    assert_int_equal(info.max_timestamp_ms, found_ms);
    assert_true(batch_crc_ok(view_of(bytes, (uint32_t)got), &info));
    fixture_end(&f);
}

static void
a_batch_is_not_staged_where_an_append_would_be_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct plog *p = start(&f, 5);
    fixture_batch(f.batch, 1, 100, 1, 1, &info);
    p->state = PLOG_OFFLINE;
    assert_int_equal(stage(&f, p, &info), ERR_LIMIT);
    p->state = PLOG_ONLINE;
    f.store[0]->rooms[p->dir].low = true;
    assert_int_equal(stage(&f, p, &info), ERR_LIMIT);
    f.store[0]->rooms[p->dir].low = false;
    info.bytes = f.store[0]->journal_config.record_bytes_max;
    assert_int_equal(stage(&f, p, &info), ERR_LIMIT);
    uint64_t credit = f.store[0]->rooms[p->dir].credit;
    fixture_batch(f.batch, 1, 100, 1, 1, &info);
    assert_int_equal(stage(&f, p, &info), ERR_OK);
    assert_true(f.store[0]->rooms[p->dir].credit < credit);
    store_unstage(f.store[0]);
    assert_int_equal(f.store[0]->rooms[p->dir].credit, credit);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(staged_batches_are_read_back_and_those_given_up_are_not),
        cmocka_unit_test(a_large_staged_batch_is_an_extent),
        cmocka_unit_test(a_refused_batch_gives_its_place_back),
        cmocka_unit_test(a_batch_that_begins_a_segment_is_not_staged),
        cmocka_unit_test(what_the_header_says_wrongly_is_corrected),
        cmocka_unit_test(a_batch_is_not_staged_where_an_append_would_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
