#include "tests/unit/control/txn/txn_fixture.h"

#include <stdio.h>

static void
markers_that_fail_are_ordered_again_and_only_those(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    fixture_add(f, 4, "a", 1000, 0, "in", 1);
    fixture_add(f, 4, "a", 1000, 0, "in", 2);
    fixture_end(f, 5, "a", 1000, 0, false);
    struct fixture_order first = f->orders[0], one = first;
    one.count = 1;
    fixture_marked(f, &one, KERR_NONE);
    one.partitions[0] = 2;
    fixture_marked(f, &one, KERR_NOT_LEADER_OR_FOLLOWER);
    fixture_tick(f, TXN_MARKER_RETRY_MS - 1);
    assert_int_equal(f->order_count, 1);
    fixture_tick(f, 1);
    assert_int_equal(f->order_count, 2);
    assert_int_equal(f->orders[1].count, 1);
    assert_int_equal(f->orders[1].partitions[0], 2);
    fixture_marked(f, &first, KERR_NONE); /* that of partition 1 is old news */
    assert_int_equal(fixture_facts(f, "a").status, TXN_COMPLETE_ABORT);
    uint32_t records = f->record_count;
    fixture_marked(f, &first, KERR_NONE); /* of a transaction that is over */
    assert_int_equal(f->record_count, records);
    fixture_free(f);
}

static void
the_deadline_is_when_something_may_be_due(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(txn_deadline_ms(f->txn), INT64_MAX);
    fixture_init(f, "a", -1, -1);
    assert_int_equal(txn_deadline_ms(f->txn), f->now_ms + FIXTURE_TICK_MS);
    fixture_add(f, 4, "a", 1000, 0, "in", 1);
    fixture_end(f, 5, "a", 1000, 0, true);
    fixture_marked(f, &f->orders[0], KERR_REQUEST_TIMED_OUT);
    assert_int_equal(txn_deadline_ms(f->txn), f->now_ms + TXN_MARKER_RETRY_MS);
    fixture_tick(f, 10); /* too soon */
    assert_int_equal(f->order_count, 1);
    assert_int_equal(txn_deadline_ms(f->txn), f->now_ms + TXN_MARKER_RETRY_MS - 10);
    fixture_tick(f, TXN_MARKER_RETRY_MS - 10);
    assert_int_equal(f->order_count, 2);
    assert_int_equal(txn_deadline_ms(f->txn), f->now_ms + FIXTURE_TICK_MS);
    fixture_free(f);
}

static void
a_fenced_coordinator_stops_writing_markers(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    fixture_add(f, 4, "a", 1000, 0, "in", 1);
    fixture_end(f, 5, "a", 1000, 0, true);
    fixture_marked(f, &f->orders[0], KERR_TRANSACTION_COORDINATOR_FENCED);
    fixture_tick(f, 100000);
    assert_int_equal(f->order_count, 1);
    assert_int_equal(fixture_facts(f, "a").status, TXN_PREPARE_COMMIT);
    fixture_free(f);
}

static void
a_transaction_past_its_timeout_is_aborted_and_its_producer_fenced(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_init(f, "a", -1, -1);
    fixture_add(f, 4, "a", 1000, 0, "in", 1);
    fixture_tick(f, 60000);
    assert_int_equal(fixture_facts(f, "a").status, TXN_ONGOING);
    fixture_tick(f, 1);
    assert_int_equal(fixture_facts(f, "a").status, TXN_PREPARE_ABORT);
    assert_int_equal(f->orders[0].epoch, 1);
    assert_false(f->orders[0].commit);
    fixture_marked(f, &f->orders[0], KERR_NONE);
    assert_int_equal(fixture_end(f, 5, "a", 1000, 0, true), KERR_INVALID_TXN_STATE);
    assert_int_equal(fixture_add(f, 4, "a", 1000, 0, "in", 1), KERR_PRODUCER_FENCED);
    fixture_free(f);
}

static void
an_id_unused_for_its_time_is_forgotten_but_no_open_transaction(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    f->config.expiration_ms = 5000;
    txn_free(f->txn);
    f->txn = txn_new(&f->config);
    fixture_init(f, "a", -1, -1);
    fixture_init(f, "b", -1, -1);
    fixture_add(f, 4, "b", 1001, 0, "in", 1);
    fixture_tick(f, 4999);
    assert_int_equal(txn_count(f->txn), 2);
    fixture_tick(f, 1);
    assert_int_equal(txn_count(f->txn), 1);
    assert_true(f->records[f->record_count - 1].gone);
    assert_int_equal(fixture_facts(f, "b").status, TXN_ONGOING);
    fixture_free(f);
}

/* ---- whatever happens, the state is what any compacted log says ---- */

enum { IDS = 5, STEPS = 1500 };

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
assert_same(const struct txn_meta *a, const struct txn_meta *b)
{
    assert_int_equal(a->v.producer_id, b->v.producer_id);
    assert_int_equal(a->v.previous_id, b->v.previous_id);
    assert_int_equal(a->v.next_id, b->v.next_id);
    assert_int_equal(a->v.epoch, b->v.epoch);
    assert_int_equal(a->v.version, b->v.version);
    assert_int_equal(a->v.timeout_ms, b->v.timeout_ms);
    assert_int_equal(a->v.status, b->v.status);
    assert_int_equal(a->v.start_ms, b->v.start_ms);
    assert_int_equal(a->v.update_ms, b->v.update_ms);
    assert_int_equal(a->part_count, b->part_count);
    for (uint32_t i = 0; i < a->part_count; i++) {
        assert_true(view_equal(a->parts[i].topic, b->parts[i].topic));
        assert_int_equal(a->parts[i].partition, b->parts[i].partition);
    }
}

/* Whether a later record has the same key. */
static bool
superseded(const struct fixture *f, uint32_t i)
{
    for (uint32_t k = i + 1; k < f->record_count; k++)
        if (f->records[k].key_len == f->records[i].key_len &&
            memcmp(f->records[k].at, f->records[i].at, f->records[i].key_len) == 0)
            return true;
    return false;
}

static struct txn *
replay_compacted(struct fixture *f)
{
    struct txn *t = txn_new(&f->config);
    uint32_t clean = (uint32_t)below(f->record_count + 1); /* what lies before was compacted */
    for (uint32_t i = 0; i < f->record_count; i++) {
        if (i < clean && below(4) && (superseded(f, i) || f->records[i].gone))
            continue;
        struct view value = {NULL, 0};
        if (!f->records[i].gone)
            value = view_of(f->records[i].at + f->records[i].key_len, f->records[i].value_len);
        assert_int_equal(txn_replay(t, view_of(f->records[i].at, f->records[i].key_len), value),
                         ERR_OK);
    }
    return t;
}

static void
check(struct fixture *f)
{
    struct txn *t = replay_compacted(f);
    assert_int_equal(t->count, f->txn->count);
    for (uint32_t i = 0; i < t->bucket_count; i++)
        for (const struct txn_meta *m = t->buckets[i]; m; m = m->next) {
            const struct txn_meta *live = txn_find(f->txn, m->id);
            assert_non_null(live);
            assert_same(live, m);
        }
    txn_free(t);
}

/* The coordinator begins anew from its log, as after a crash. */
static void
reload(struct fixture *f)
{
    struct txn *t = replay_compacted(f);
    txn_free(f->txn);
    f->txn = t;
    f->order_count = 0; /* who was to write them is gone, too */
    struct coord_step step = fixture_step(f);
    txn_loaded(f->txn, &step);
}

static void
one_step(struct fixture *f)
{
    static const char *const names[IDS] = {"a", "b", "c", "d", "e"};
    const char *id = names[below(IDS)];
    struct txn_facts facts = {.producer_id = -1, .producer_epoch = -1};
    (void)txn_facts(f->txn, view_of_text(id), &facts);
    int16_t epoch = (int16_t)(facts.producer_epoch - (below(6) == 0));
    int16_t version = below(3) ? 5 : 2;
    switch (below(8)) {
    case 0:
        fixture_init(f, id, -1, -1);
        break;
    case 1:
        fixture_init(f, id, facts.producer_id, epoch);
        break;
    case 2:
    case 3:
        fixture_add(f, version == 5 ? 4 : 3, id, facts.producer_id, epoch, "in", (int32_t)below(9));
        break;
    case 4:
    case 5:
        fixture_end(f, version, id, facts.producer_id, epoch, below(2));
        break;
    case 6:
        fixture_tick(f, (int64_t)below(20000));
        break;
    default:
        for (uint32_t i = 0; i < f->order_count; i++)
            fixture_marked(f, &f->orders[i], below(4) ? KERR_NONE : KERR_REQUEST_TIMED_OUT);
        f->order_count = 0;
    }
    if (f->order_count > FIXTURE_ORDERS / 2)
        f->order_count = 0; /* lost: ordered again by nobody but a reload */
}

static void
live_state_equals_the_replay_of_any_compacted_log(void **state)
{
    (void)state;
    const char *env = getenv("TXN_SEED");
    uint64_t first = env ? strtoull(env, NULL, 10) : 1, count = env ? 1 : 20;
    for (uint64_t seed = first; seed < first + count; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        struct fixture *f = fixture_new();
        f->config.expiration_ms = 200000;
        txn_free(f->txn);
        f->txn = txn_new(&f->config);
        for (uint32_t i = 0; i < STEPS && f->record_count < FIXTURE_RECORDS - 64; i++) {
            one_step(f);
            if (below(20) == 0)
                check(f);
            if (below(100) == 0)
                reload(f);
        }
        check(f);
        /* Liveness: with markers that work every decision is carried out. */
        reload(f);
        for (uint32_t i = 0; i < f->order_count; i++)
            fixture_marked(f, &f->orders[i], KERR_NONE);
        for (uint32_t i = 0; i < f->txn->bucket_count; i++)
            for (const struct txn_meta *m = f->txn->buckets[i]; m; m = m->next)
                assert_true(m->v.status != TXN_PREPARE_COMMIT && m->v.status != TXN_PREPARE_ABORT);
        fixture_free(f);
    }
}

static void
many_ids_are_found_again(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    char id[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(id, sizeof id, "id-%d", i);
        assert_int_equal(fixture_init(f, id, -1, -1), KERR_NONE);
    }
    assert_int_equal(txn_count(f->txn), 2000);
    for (int i = 0; i < 2000; i++) {
        snprintf(id, sizeof id, "id-%d", i);
        assert_int_equal(fixture_facts(f, id).producer_id, 1000 + i);
    }
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markers_that_fail_are_ordered_again_and_only_those),
        cmocka_unit_test(the_deadline_is_when_something_may_be_due),
        cmocka_unit_test(a_fenced_coordinator_stops_writing_markers),
        cmocka_unit_test(a_transaction_past_its_timeout_is_aborted_and_its_producer_fenced),
        cmocka_unit_test(an_id_unused_for_its_time_is_forgotten_but_no_open_transaction),
        cmocka_unit_test(live_state_equals_the_replay_of_any_compacted_log),
        cmocka_unit_test(many_ids_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
