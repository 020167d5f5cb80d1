/* What a store takes at its start is enough: nothing grows with time. */
#include "core/base/buddy.h"
#include "tests/unit/core/store/store_fixture.h"

static uint8_t bytes[FIXTURE_BATCH_MAX];

enum { SEGMENTS = 60, BATCHES = 8, LOGS = 4 };

/* Sealed segments with sidecars, and memory for the indexes of a few of them. */
static struct plog *
many_segments(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->config.segment_bytes = 64 << 10;
    f->config.index_interval_bytes = 4096;
    f->logs_max = LOGS;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < SEGMENTS * BATCHES; i++)
        fixture_append(f, p, 1, 8000, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    assert_true(p->segment_count >= SEGMENTS);
    return p;
}

static void
what_is_lent_for_reading_lies_in_the_memory_that_the_store_names(void **state)
{
    struct fixture f;
    struct store_memory rows[STORE_MEMORY_ROWS];
    struct store_range range;
    struct store_hold hold;
    uint32_t seen[STORE_MEMORY_ROWS] = {0};
    struct plog *p = many_segments(&f, 3);
    store_memory(f.store[0], rows);
    for (int64_t offset = 0; offset < p->end; offset += BATCHES) {
        int rc;
        do {
            rc = store_locate(f.store[0], p, offset, p->end, 1, true, &range);
            rc = rc ? rc : store_hold(f.store[0], &range, 1, &hold);
            assert_int_equal(fixture_turns(&f, rc == ERR_AGAIN), ERR_OK);
        } while (rc == ERR_AGAIN);
        assert_int_equal(rc, ERR_OK);
        for (uint32_t i = 0; i < hold.span_count; i++) {
            const uint8_t *at = hold.spans[i].at, *limit = at + hold.spans[i].len;
            uint32_t r = 0;
            while (r < STORE_MEMORY_ROWS && (at < rows[r].at || limit > rows[r].at + rows[r].bytes))
                r++;
            assert_true(r < STORE_MEMORY_ROWS);
            seen[r]++;
        }
        store_release(f.store[0], &hold);
    }
    assert_true(seen[0] > 0 && seen[1] > 0); /* from the tail cache, and from files */
    fixture_end(&f);
}

/* As if the arena were almost full. */
static void
fill_arena(struct store *s, void **taken)
{
    size_t room;
    *taken = NULL;
    void *at;
    while (buddy_used(s->slab) <= buddy_total(s->slab) / 4 * 3 &&
           (at = buddy_take(s->slab, 64 << 10, &room)) != NULL) {
        *(void **)at = *taken;
        *taken = at;
    }
}

static void
empty_arena(struct store *s, void *taken)
{
    while (taken) {
        void *next = *(void **)taken;
        buddy_give(s->slab, taken);
        taken = next;
    }
}

static void
read_all(struct fixture *f, struct plog *p)
{
    struct store_range range;
    for (int64_t offset = 0; offset < p->end; offset += BATCHES / 2) {
        int64_t got = fixture_read(f, p, offset, 1, bytes, &range);
        assert_true(got > 0);
        assert_int_equal(get_i64(bytes), offset);
    }
}

static void
indexes_of_sealed_segments_are_dropped_when_memory_is_short_and_read_again(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = many_segments(&f, 1);
    struct store *s = f.store[0];
    void *taken;
    read_all(&f, p);
    assert_int_equal(s->stats.indexes_dropped, 0);
    fill_arena(s, &taken);
    assert_int_equal(fixture_turns(&f, 400), ERR_OK); /* 120 ms */
    assert_true(s->stats.indexes_dropped >= SEGMENTS / 2);
    for (int round = 0; round < 3; round++) {
        uint64_t dropped = s->stats.indexes_dropped;
        for (uint32_t i = 0; i < f.read_buffers; i++)
            s->buffers[i].state = READ_FREE;
        read_all(&f, p);
        assert_true(s->stats.indexes_dropped > dropped);
        assert_true(buddy_used(s->slab) <= buddy_total(s->slab) / 4 * 3 + (64 << 10));
    }
    assert_int_equal(s->stats.sidecars_bad, 0);
    empty_arena(s, taken);
    fixture_end(&f);
}

static void
what_was_used_just_now_stays(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct plog *p = many_segments(&f, 2);
    struct store *s = f.store[0];
    void *taken;
    read_all(&f, p);
    fill_arena(s, &taken);
    for (int i = 0; i < 100; i++) { /* memory is as short as can be, and yet it is read */
        assert_true(fixture_read(&f, p, 0, 1, bytes, &range) > 0);
        assert_int_equal(fixture_turns(&f, 10), ERR_OK);
    }
    assert_true(s->stats.indexes_dropped > 0);
    assert_int_equal(p->segments[0]->indexed_from, 0);
    assert_true(p->segments[1]->indexed_from > 0);
    empty_arena(s, taken);
    fixture_end(&f);
}

static void
a_store_that_ends_has_given_every_block_back(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = many_segments(&f, 3);
    struct store *s = f.store[0];
    assert_true(buddy_used(s->slab) > 0);
    read_all(&f, p);
    store_delete(s, p);
    assert_int_equal(fixture_turns(&f, 2000), ERR_OK);
    assert_int_equal(buddy_used(s->slab), 0);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            indexes_of_sealed_segments_are_dropped_when_memory_is_short_and_read_again),
        cmocka_unit_test(what_was_used_just_now_stays),
        cmocka_unit_test(a_store_that_ends_has_given_every_block_back),
        cmocka_unit_test(what_is_lent_for_reading_lies_in_the_memory_that_the_store_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
