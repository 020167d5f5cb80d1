#include "core/base/buddy.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/session.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA = 8 << 20, BLOCK = 1 << 20 };

struct fixture {
    void *arena, *books, *memory;
    struct buddy *blocks;
    struct session_cache *cache;
};

static struct fixture
fixture(uint32_t slots, size_t arena_bytes)
{
    struct fixture f;
    f.arena = aligned_alloc(4096, arena_bytes);
    f.books = calloc(1, buddy_footprint(arena_bytes));
    f.blocks = buddy_init(f.books, f.arena, arena_bytes, BLOCK < arena_bytes ? BLOCK : arena_bytes);
    f.memory = calloc(1, session_footprint(slots));
    f.cache = session_init(f.memory, slots, f.blocks, 7);
    return f;
}

static void
fixture_end(struct fixture *f)
{
    free(f->arena);
    free(f->books);
    free(f->memory);
}

static struct session_params
at(int64_t offset)
{
    return (struct session_params){offset, -1, -1, 1000};
}

static int32_t
put(struct fixture *f, struct session *s, const char *topic, int32_t partition, int64_t offset)
{
    int32_t part = -1;
    struct session_params p = at(offset);
    assert_int_equal(session_put(f->cache, s, view_of_text(topic), partition, &p, &part), 0);
    return part;
}

static struct session *
made(struct fixture *f, uint32_t parts, uint64_t now_ms)
{
    struct session *s = session_create(f->cache, false, parts, now_ms);
    for (uint32_t i = 0; s && i < parts; i++)
        put(f, s, "t", (int32_t)i, 0);
    return s;
}

struct opening {
    const char *what;
    int32_t id_delta, epoch; /* id: of the session + delta; epoch of the request */
    bool uses_ids, no_id;
    enum session_kind kind;
    int16_t error;
    bool closes;
};

static void
a_request_is_judged_by_its_id_its_epoch_and_its_kind_of_topics(void **state)
{
    static const struct opening cases[] = {
        {"no id, final", 0, -1, false, true, SESSION_LESS, KERR_NONE, false},
        {"no id, initial", 0, 0, false, true, SESSION_FULL, KERR_NONE, false},
        {"final closes", 0, -1, false, false, SESSION_LESS, KERR_NONE, true},
        {"initial closes", 0, 0, false, false, SESSION_FULL, KERR_NONE, true},
        {"final of a stranger", 64, -1, false, false, SESSION_LESS, KERR_NONE, false},
        {"next epoch", 0, 1, false, false, SESSION_INCREMENTAL, KERR_NONE, false},
        {"epoch too far", 0, 2, false, false, SESSION_ERROR, KERR_INVALID_FETCH_SESSION_EPOCH,
         false},
        {"epoch below final", 0, -2, false, false, SESSION_ERROR, KERR_INVALID_FETCH_SESSION_EPOCH,
         false},
        {"unknown id", 64, 1, false, false, SESSION_ERROR, KERR_FETCH_SESSION_ID_NOT_FOUND, false},
        {"id 0 with an epoch", 0, 1, false, true, SESSION_ERROR, KERR_FETCH_SESSION_ID_NOT_FOUND,
         false},
        {"ids for names", 0, 1, true, false, SESSION_ERROR, KERR_FETCH_SESSION_TOPIC_ID_ERROR,
         false},
        {"epoch is judged before topics", 0, 9, true, false, SESSION_ERROR,
         KERR_INVALID_FETCH_SESSION_EPOCH, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct opening *c = &cases[i];
        struct fixture f = fixture(8, ARENA);
        struct session *s = made(&f, 1, 0), *out;
        int16_t error;
        enum session_kind kind = session_open(
            f.cache, c->uses_ids, c->no_id ? 0 : s->id + c->id_delta, c->epoch, &error, &out);
        if (kind != c->kind || error != c->error || session_count(f.cache) != !c->closes)
            fail_msg("%s: kind %d error %d count %u", c->what, kind, error, session_count(f.cache));
        assert_true((out == s) == (kind == SESSION_INCREMENTAL));
        if (c->closes)
            assert_int_equal(buddy_used(f.blocks), 0);
        fixture_end(&f);
    }
}

static void
the_epoch_goes_from_its_largest_value_to_one(void **state)
{
    struct fixture f = fixture(2, ARENA);
    struct session *s = made(&f, 1, 0);
    assert_int_equal(s->epoch, 1);
    assert_true(session_commit(f.cache, s, 0));
    assert_int_equal(s->epoch, 2);
    s->epoch = INT32_MAX;
    assert_true(session_commit(f.cache, s, 0));
    assert_int_equal(s->epoch, 1);
    fixture_end(&f);
}

static void
a_session_that_loses_its_last_partition_is_closed(void **state)
{
    struct fixture f = fixture(2, ARENA);
    struct session *s = made(&f, 1, 0);
    int32_t id = s->id;
    session_forget(f.cache, s, view_of_text("t"), 5);
    assert_int_equal(s->part_count, 1);
    session_forget(f.cache, s, view_of_text("t"), 0);
    assert_false(session_commit(f.cache, s, 0));
    assert_null(session_find(f.cache, id));
    assert_int_equal(session_count(f.cache), 0);
    assert_int_equal(buddy_used(f.blocks), 0);
    fixture_end(&f);
}

static void
only_news_is_answered_and_an_error_makes_its_end_news(void **state)
{
    struct fixture f = fixture(2, ARENA);
    struct session *s = made(&f, 1, 0);
    struct session_part *p = &s->parts[s->part_first];
    struct session_result same = {KERR_NONE, 0, 10, 0, false},
                          data = {KERR_NONE, 100, 10, 0, false},
                          higher = {KERR_NONE, 0, 11, 0, false},
                          start = {KERR_NONE, 0, 10, 3, false},
                          parted = {KERR_NONE, 0, 10, 0, true},
                          error = {KERR_NOT_LEADER_OR_FOLLOWER, 0, -1, -1, false};
    assert_true(session_news(p, &same)); /* never answered: -1 differs */
    session_answered(s, s->part_first, &same);
    assert_false(session_news(p, &same));
    assert_true(session_news(p, &data));
    assert_true(session_news(p, &higher));
    assert_true(session_news(p, &start));
    assert_true(session_news(p, &parted));
    assert_true(session_news(p, &error));
    session_answered(s, s->part_first, &error);
    assert_true(session_news(p, &error));
    assert_true(session_news(p, &same));
    fixture_end(&f);
}

static void
a_stale_session_is_evicted_first(void **state)
{
    struct fixture f = fixture(2, ARENA);
    struct session *a = made(&f, 9, 0), *b = made(&f, 9, 1);
    int32_t id_a = a->id, id_b = b->id;
    assert_null(made(&f, 50, SESSION_EVICT_MS)); /* not over the limit yet, and both are young */
    assert_true(session_commit(f.cache, a, SESSION_EVICT_MS));
    struct session *c = made(&f, 1, SESSION_EVICT_MS + 2); /* b has been idle for longer */
    assert_non_null(c);
    assert_null(session_find(f.cache, id_b));
    assert_non_null(session_find(f.cache, id_a));
    fixture_end(&f);
}

static void
an_old_session_in_use_gives_way_to_a_larger_one_only(void **state)
{
    struct fixture f = fixture(2, ARENA);
    struct session *a = made(&f, 4, 0), *b = made(&f, 3, 0);
    int32_t id_a = a->id, id_b = b->id;
    uint64_t now = SESSION_EVICT_MS + 1;
    assert_true(session_commit(f.cache, a, now));
    assert_true(session_commit(f.cache, b, now));
    assert_null(made(&f, 3, now + 1)); /* not larger than the smallest */
    assert_non_null(made(&f, 4, now + 1));
    assert_non_null(session_find(f.cache, id_a));
    assert_null(session_find(f.cache, id_b));
    assert_non_null(session_find(f.cache, id_a));
    fixture_end(&f);
}

static void
without_slots_there_is_no_session(void **state)
{
    struct fixture f = fixture(0, ARENA);
    assert_null(session_create(f.cache, false, 1, 0));
    assert_null(session_find(f.cache, 1));
    fixture_end(&f);
}

static void
a_session_that_cannot_grow_says_so_and_gives_everything_back(void **state)
{
    struct fixture f = fixture(2, 16 << 10);
    struct session *s = session_create(f.cache, true, 0, 0);
    struct session_params p = at(0);
    int err = 0;
    int32_t part;
    uint8_t id[16] = {1};
    for (int32_t i = 0; !err; i++) {
        assert_true(i < SESSION_PARTS_MAX);
        err = session_put(f.cache, s, view_of(id, 16), i, &p, &part);
    }
    session_remove(f.cache, s);
    assert_int_equal(buddy_used(f.blocks), 0);
    fixture_end(&f);
}

static void
a_name_that_no_topic_can_have_does_not_get_into_a_session(void **state)
{
    struct fixture f = fixture(2, ARENA);
    struct session *s = made(&f, 1, 0);
    static const uint8_t longest[4096] = {'x'};
    struct session_params p = at(0);
    int32_t part;
    assert_true(session_put(f.cache, s, view_of(longest, sizeof longest), 0, &p, &part) < 0);
    fixture_end(&f);
}

/* The model: an array in order, searched from the front. */
enum { MODEL_MAX = 400 };
struct model_part {
    char topic[8];
    int32_t partition;
    int64_t offset, hw;
};
struct model {
    struct model_part parts[MODEL_MAX];
    int count;
};

static int
model_find(const struct model *m, const char *topic, int32_t partition)
{
    for (int i = 0; i < m->count; i++)
        if (strcmp(m->parts[i].topic, topic) == 0 && m->parts[i].partition == partition)
            return i;
    return -1;
}

static void
model_take(struct model *m, int i)
{
    memmove(&m->parts[i], &m->parts[i + 1], (size_t)(m->count - i - 1) * sizeof m->parts[0]);
    m->count--;
}

static void
compare(const struct session *s, const struct model *m)
{
    int n = 0;
    int32_t last = SESSION_NO_PART;
    for (int32_t i = s->part_first; i != SESSION_NO_PART; i = s->parts[i].next, n++) {
        const struct session_part *p = &s->parts[i];
        assert_true(n < m->count);
        assert_true(view_equal(session_topic(s, p), view_of_text(m->parts[n].topic)));
        assert_int_equal(p->partition, m->parts[n].partition);
        assert_int_equal(p->params.fetch_offset, m->parts[n].offset);
        assert_int_equal(p->high_watermark, m->parts[n].hw);
        assert_int_equal(p->prev, last);
        last = i;
    }
    assert_int_equal(n, m->count);
    assert_int_equal(s->part_count, m->count);
    assert_int_equal(s->part_last, last);
}

static void
a_session_behaves_like_a_plain_ordered_list(void **state)
{
    struct fixture f = fixture(3, ARENA);
    struct session *s = session_create(f.cache, false, 0, 0);
    struct model *m = calloc(1, sizeof *m);
    uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int step = 0; step < 20000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = (uint32_t)(seed >> 33);
        char topic[8];
        snprintf(topic, sizeof topic, "t%u", r % 23);
        int32_t partition = (int32_t)(r / 23 % 17);
        int i = model_find(m, topic, partition);
        switch (r / 400 % 4) {
        case 0: /* forget */
            session_forget(f.cache, s, view_of_text(topic), partition);
            if (i >= 0)
                model_take(m, i);
            break;
        case 1: /* answered, with or without records */
            if (i >= 0) {
                struct session_result result = {KERR_NONE, step % 2 ? 10 : 0, step, 0, false};
                int32_t part = put(&f, s, topic, partition, m->parts[i].offset);
                session_answered(s, part, &result);
                struct model_part moved = m->parts[i];
                m->parts[i].hw = moved.hw = step;
                if (step % 2) {
                    model_take(m, i);
                    m->parts[m->count++] = moved;
                }
            }
            break;
        default:
            put(&f, s, topic, partition, step);
            if (i < 0) {
                i = m->count++;
                snprintf(m->parts[i].topic, sizeof m->parts[i].topic, "%s", topic);
                m->parts[i].partition = partition;
                m->parts[i].hw = -1;
            }
            m->parts[i].offset = step;
        }
        if (step % 16 == 0)
            compare(s, m);
    }
    compare(s, m);
    free(m);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_judged_by_its_id_its_epoch_and_its_kind_of_topics),
        cmocka_unit_test(the_epoch_goes_from_its_largest_value_to_one),
        cmocka_unit_test(a_session_that_loses_its_last_partition_is_closed),
        cmocka_unit_test(only_news_is_answered_and_an_error_makes_its_end_news),
        cmocka_unit_test(a_stale_session_is_evicted_first),
        cmocka_unit_test(an_old_session_in_use_gives_way_to_a_larger_one_only),
        cmocka_unit_test(without_slots_there_is_no_session),
        cmocka_unit_test(a_session_that_cannot_grow_says_so_and_gives_everything_back),
        cmocka_unit_test(a_name_that_no_topic_can_have_does_not_get_into_a_session),
        cmocka_unit_test(a_session_behaves_like_a_plain_ordered_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
