#include "core/base/err.h"
#include "core/store/stable.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* STABLE_SEED=n repeats one history. */
static uint64_t random_state;

static uint64_t
below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void
begin(struct stable *b, int64_t id, int64_t first)
{
    assert_int_equal(stable_reserve(b), ERR_OK);
    stable_begin(b, id, first);
}

static void
the_oldest_open_transaction_is_the_first_unstable(void **state)
{
    (void)state;
    struct stable b;
    stable_init(&b);
    assert_int_equal(stable_first_unstable(&b), STABLE_NONE);
    begin(&b, 1, 10);
    begin(&b, 2, 20);
    assert_int_equal(stable_first_unstable(&b), 10);
    stable_end(&b, 20, 30, false);
    stable_durable(&b, 31);
    assert_int_equal(stable_first_unstable(&b), 10);
    assert_int_equal(stable_open_count(&b), 1);
    stable_end(&b, 10, 31, false);
    stable_durable(&b, 32);
    assert_int_equal(stable_first_unstable(&b), STABLE_NONE);
    stable_free(&b);
}

static void
a_marker_that_is_not_durable_keeps_its_transaction_unstable(void **state)
{
    (void)state;
    struct stable b;
    stable_init(&b);
    begin(&b, 1, 10);
    stable_durable(&b, 15);
    stable_end(&b, 10, 15, false);
    assert_int_equal(stable_first_unstable(&b), 10);
    assert_int_equal(stable_first_open(&b), STABLE_NONE);
    stable_durable(&b, 15); /* the marker itself is not below it */
    assert_int_equal(stable_first_unstable(&b), 10);
    stable_durable(&b, 16);
    assert_int_equal(stable_first_unstable(&b), STABLE_NONE);
    stable_free(&b);
}

static void
what_ends_behind_one_long_transaction_takes_no_room_for_ever(void **state)
{
    (void)state;
    struct stable b;
    stable_init(&b);
    begin(&b, 1, 0);
    for (int64_t o = 1; o < 100000; o += 2) {
        begin(&b, 2, o);
        stable_end(&b, o, o + 1, false);
        stable_durable(&b, o + 2);
    }
    assert_true(b.txn_room <= 16);
    assert_int_equal(stable_first_unstable(&b), 0);
    stable_free(&b);
}

static void
too_many_open_transactions_are_refused_and_change_nothing(void **state)
{
    (void)state;
    struct stable b;
    stable_init(&b);
    int64_t o = 0;
    while (stable_reserve(&b) == ERR_OK)
        stable_begin(&b, o, o), o++;
    assert_int_equal(o, STABLE_TXNS_MAX);
    assert_int_equal(stable_open_count(&b), STABLE_TXNS_MAX);
    stable_end(&b, 5, o, true);
    stable_durable(&b, o + 1);
    assert_int_equal(stable_reserve(&b), ERR_OK);
    stable_free(&b);
}

static void
trimming_forgets_what_ended_below_the_start_only(void **state)
{
    (void)state;
    struct stable b;
    stable_init(&b);
    struct stable_aborted got[8];
    for (int64_t i = 0; i < 5; i++) {
        begin(&b, i, i * 10);
        stable_end(&b, i * 10, i * 10 + 5, true);
    }
    stable_trim(&b, 15);
    assert_int_equal(stable_aborted(&b, 0, 1000, got, 8), 4);
    assert_int_equal(got[0].last, 15);
    stable_trim(&b, 16);
    assert_int_equal(stable_aborted(&b, 0, 1000, got, 8), 3);
    stable_forget(&b, 35);
    stable_forget(&b, 36);
    assert_int_equal(stable_aborted(&b, 0, 1000, got, 8), 2);
    assert_int_equal(got[1].last, 45);
    stable_free(&b);
}

static void
a_short_array_is_filled_and_the_true_count_told(void **state)
{
    (void)state;
    struct stable b;
    stable_init(&b);
    struct stable_aborted got[3] = {0};
    for (int64_t i = 0; i < 5; i++) {
        begin(&b, i, i * 10);
        stable_end(&b, i * 10, i * 10 + 5, true);
    }
    assert_int_equal(stable_aborted(&b, 0, 1000, got, 2), 5);
    assert_int_equal(got[1].producer_id, 1);
    assert_int_equal(got[2].last, 0);
    assert_int_equal(stable_aborted(&b, 0, 1000, NULL, 0), 5);
    stable_free(&b);
}

/* ---- against a model that keeps everything ---- */

enum { MODEL_TXNS = 4000 };

struct model {
    struct stable_aborted txns[MODEL_TXNS]; /* stable: 1 aborted, 0 committed */
    uint32_t count;
};

static int64_t
model_unstable(const struct model *m, int64_t durable, bool open_only)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->txns[i].last < 0 || (!open_only && m->txns[i].last >= durable))
            return m->txns[i].first;
    return STABLE_NONE;
}

static void
model_compare(const struct model *m, const struct stable *b, int64_t end)
{
    int64_t first = (int64_t)below((uint64_t)end + 1);
    int64_t limit = first + 1 + (int64_t)below(60);
    static struct stable_aborted got[MODEL_TXNS];
    uint32_t count = stable_aborted(b, first, limit, got, MODEL_TXNS), found = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct stable_aborted *t = &m->txns[i];
        if (t->last < first || !t->stable || t->first >= limit)
            continue;
        found++;
        bool same = false;
        for (uint32_t k = 0; k < count; k++)
            same |= got[k].first == t->first && got[k].last == t->last &&
                    got[k].producer_id == t->producer_id;
        assert_true(same);
    }
    assert_int_equal(found, count);
    for (uint32_t k = 1; k < count; k++)
        assert_true(got[k - 1].last < got[k].last);
}

static void
it_equals_a_model_that_keeps_everything_also_when_saved_and_loaded(void **state)
{
    (void)state;
    const char *env = getenv("STABLE_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 20261122;
    printf("seed %llu\n", (unsigned long long)seed);
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct model *m = calloc(1, sizeof *m);
    struct stable b;
    stable_init(&b);
    int64_t end = 0, durable = 0;
    while (m->count < MODEL_TXNS - 1) {
        uint32_t open[16], opens = 0;
        for (uint32_t i = m->count > 200 ? m->count - 200 : 0; i < m->count && opens < 16; i++)
            if (m->txns[i].last < 0)
                open[opens++] = i;
        if (opens < 12 && below(2)) {
            begin(&b, (int64_t)m->count, end);
            m->txns[m->count] = (struct stable_aborted){(int64_t)m->count, end, -1, 0};
            m->count++;
        } else if (opens) {
            struct stable_aborted *t = &m->txns[open[below(opens)]];
            t->last = end;
            t->stable = (int64_t)below(2);
            stable_end(&b, t->first, end, t->stable);
        }
        end += 1 + (int64_t)below(3);
        if (below(3) == 0)
            stable_durable(&b, durable += (int64_t)below((uint64_t)(end - durable) + 1));
        assert_int_equal(stable_first_unstable(&b), model_unstable(m, durable, false));
        assert_int_equal(stable_first_open(&b), model_unstable(m, durable, true));
        if (below(4) == 0)
            model_compare(m, &b, end);
    }
    uint64_t bytes = stable_save_bytes(&b);
    uint8_t *mem = malloc(bytes);
    struct put w = put_of(mem, (uint32_t)bytes);
    stable_save(&b, &w);
    assert_false(w.bad);
    assert_int_equal(put_len(&w), bytes);
    struct stable c;
    stable_init(&c);
    struct cur cur = cur_of(view_of(mem, (uint32_t)bytes));
    assert_int_equal(stable_load(&c, &cur), ERR_OK);
    assert_int_equal(cur_left(&cur), 0);
    for (uint32_t i = 0; i < 200; i++)
        model_compare(m, &c, end);
    for (uint64_t i = 0; i < bytes; i += 37) {
        mem[i] ^= 16;
        cur = cur_of(view_of(mem, (uint32_t)bytes));
        assert_int_equal(stable_load(&c, &cur), ERR_CORRUPT);
        mem[i] ^= 16;
    }
    free(mem);
    free(m);
    stable_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_open_transaction_is_the_first_unstable),
        cmocka_unit_test(a_marker_that_is_not_durable_keeps_its_transaction_unstable),
        cmocka_unit_test(what_ends_behind_one_long_transaction_takes_no_room_for_ever),
        cmocka_unit_test(too_many_open_transactions_are_refused_and_change_nothing),
        cmocka_unit_test(trimming_forgets_what_ended_below_the_start_only),
        cmocka_unit_test(a_short_array_is_filled_and_the_true_count_told),
        cmocka_unit_test(it_equals_a_model_that_keeps_everything_also_when_saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
