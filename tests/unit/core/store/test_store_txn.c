#include "core/wire/batch_control.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* Makes the batch in f->batch one of a transaction. */
static void
make_transactional(struct fixture *f, struct batch_info *info, int64_t id, int16_t epoch,
                   int32_t sequence)
{
    set_u16(f->batch + BATCH_AT_ATTRIBUTES,
            get_u16(f->batch + BATCH_AT_ATTRIBUTES) | BATCH_TRANSACTIONAL);
    fixture_producer(f->batch, id, epoch, sequence, info);
}

/* One record of a transaction, verified when it has to be; a code. */
static int
write_txn(struct fixture *f, struct plog *p, int64_t id, int16_t epoch, int32_t sequence,
          struct store_appended *out)
{
    struct batch_info info;
    uint64_t guard;
    fixture_batch(f->batch, 1, 50, (uint64_t)sequence, 5, &info);
    make_transactional(f, &info, id, epoch, sequence);
    struct store *s = f->store[0];
    int code = store_txn_verify(s, p, &info, false, 1000, &guard);
    if (code == KERR_NONE && guard)
        assert_true(store_txn_verified(s, p, id, guard));
    return code != KERR_NONE
               ? code
               : store_append(s, p, &info, view_of(f->batch, info.bytes), 3, 1000, out);
}

static int
end_txn(struct fixture *f, struct plog *p, int64_t id, int16_t epoch, bool commit,
        struct store_appended *out)
{
    struct store_marker m = {.producer_id = id, .producer_epoch = epoch, .commit = commit};
    return store_append_marker(f->store[0], p, &m, 3, 1000, out);
}

static int64_t
last_stable(const struct plog *p)
{
    struct plog_facts facts;
    plog_facts(p, &facts);
    return facts.last_stable_offset;
}

static void
a_transaction_that_nobody_vouched_for_is_not_begun(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    uint64_t guard;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 1, 50, 1, 5, &info);
    make_transactional(&f, &info, 4, 0, 0);
    struct view batch = view_of(f.batch, info.bytes);
    assert_int_equal(store_append(f.store[0], p, &info, batch, 3, 1000, &out),
                     KERR_INVALID_TXN_STATE);
    assert_int_equal(store_txn_verify(f.store[0], p, &info, true, 1000, &guard), KERR_NONE);
    assert_int_equal(store_append(f.store[0], p, &info, batch, 3, 1000, &out),
                     KERR_INVALID_TXN_STATE);
    assert_true(store_txn_verified(f.store[0], p, 4, guard));
    assert_int_equal(store_append(f.store[0], p, &info, batch, 3, 1000, &out), KERR_NONE);
    fixture_end(&f);
}

static void
the_last_stable_offset_moves_when_the_marker_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    struct store_appended out;
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 3, 50, 1, 5);
    assert_int_equal(write_txn(&f, p, 4, 0, 0, &out), KERR_NONE);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(last_stable(p), 3);
    assert_int_equal(end_txn(&f, p, 4, 0, false, &out), KERR_NONE);
    assert_int_equal(out.base_offset, 4);
    assert_int_equal(last_stable(p), 3);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(last_stable(p), 5);
    fixture_end(&f);
}

static void
a_marker_is_stored_as_a_control_batch(void **state)
{
    (void)state;
    struct fixture f;
    struct store_appended out;
    struct store_range range;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    assert_int_equal(end_txn(&f, p, 4, 2, true, &out), KERR_NONE);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    uint8_t bytes[256];
    assert_int_equal(fixture_read(&f, p, 0, sizeof bytes, bytes, &range), BATCH_CONTROL_BYTES);
    struct batch_info info;
    struct batch_control c;
    struct view batch = view_of(bytes, BATCH_CONTROL_BYTES);
    assert_int_equal(batch_header(batch, &info), ERR_OK);
    assert_true(batch_crc_ok(batch, &info));
    assert_int_equal(info.leader_epoch, 3);
    assert_int_equal(info.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    assert_int_equal(batch_control_read(batch, &info, &c), ERR_OK);
    assert_int_equal(c.type, BATCH_CONTROL_COMMIT);
    assert_int_equal(c.time_ms, 1000);
    fixture_end(&f);
}

static void
markers_of_old_epochs_and_without_a_producer_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct store_appended out;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    assert_int_equal(write_txn(&f, p, 4, 5, 0, &out), KERR_NONE);
    assert_int_equal(end_txn(&f, p, 4, 4, true, &out), KERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end_txn(&f, p, -1, 4, true, &out), KERR_UNKNOWN_SERVER_ERROR);
    assert_int_equal(end_txn(&f, p, 4, -1, true, &out), KERR_UNKNOWN_SERVER_ERROR);
    struct store_marker m = {.producer_id = 4, .producer_epoch = 5, .coordinator_epoch = 2};
    assert_int_equal(store_append_marker(f.store[0], p, &m, 3, 1000, &out), KERR_NONE);
    m.coordinator_epoch = 1;
    assert_int_equal(store_append_marker(f.store[0], p, &m, 3, 1000, &out),
                     KERR_TRANSACTION_COORDINATOR_FENCED);
    assert_int_equal(out.base_offset, 1);
    fixture_end(&f);
}

static void
an_offline_log_refuses_markers_and_questions(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    uint64_t guard;
    fixture_init(&f, 5);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 1, 50, 1, 5, &info);
    make_transactional(&f, &info, 4, 0, 0);
    p->state = PLOG_OFFLINE;
    assert_int_equal(end_txn(&f, p, 4, 0, true, &out), KERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(store_txn_verify(f.store[0], p, &info, true, 1000, &guard),
                     KERR_KAFKA_STORAGE_ERROR);
    p->state = PLOG_ONLINE;
    fixture_end(&f);
}

/* ---- lives: whatever happens, the state is what the log says -----------------------------------
 */

enum { LIFE_STEPS = 600, LIFE_IDS = 6, LIFE_EVENTS = 8192 };

/* What was written to the log, batch by batch. */
struct event {
    int64_t offset, id;
    int16_t epoch;
    int32_t sequence; /* -1: marker */
    bool transactional, commit;
    uint64_t lsn;
};

struct life {
    struct fixture f;
    struct event events[LIFE_EVENTS];
    uint32_t count, acked;
    int16_t epochs[LIFE_IDS];
    int32_t next[LIFE_IDS];
    bool open[LIFE_IDS];
    uint64_t random;
};

static uint64_t
below(struct life *l, uint64_t limit)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random % limit;
}

/* Brute force over the first `count` events: where the producer's transaction began, -1. */
static int64_t
open_since(const struct life *l, uint32_t count, int64_t id)
{
    int64_t first = -1;
    for (uint32_t i = 0; i < count; i++) {
        const struct event *e = &l->events[i];
        if (e->id != id)
            continue;
        if (e->sequence < 0)
            first = -1;
        else if (e->transactional && first < 0)
            first = e->offset;
    }
    return first;
}

static void
check_producers(const struct life *l, const struct plog *p)
{
    int64_t oldest = INT64_MAX;
    for (int64_t id = 0; id < LIFE_IDS; id++) {
        int64_t first = open_since(l, l->count, id);
        const struct producer *r = producer_find(&p->producers, id);
        int32_t last = -1;
        int16_t epoch = -1;
        for (uint32_t i = 0; i < l->count; i++) {
            const struct event *e = &l->events[i];
            if (e->id != id)
                continue;
            if (e->epoch != epoch || e->sequence >= 0)
                last = e->sequence;
            epoch = e->epoch;
        }
        assert_int_equal(r != NULL, epoch >= 0);
        if (!r)
            continue;
        assert_int_equal(r->txn_first, first);
        assert_int_equal(r->epoch, epoch);
        assert_int_equal(producer_last_sequence(r), last);
        if (first >= 0 && first < oldest)
            oldest = first;
    }
    assert_int_equal(stable_first_open(&p->stable), oldest);
    if (oldest < p->start)
        oldest = p->start;
    assert_int_equal(last_stable(p), oldest < p->end ? oldest : p->end);
}

static void
check_aborted(const struct life *l, const struct plog *p)
{
    static struct stable_aborted got[LIFE_EVENTS];
    uint32_t n = plog_aborted(p, 0, p->end, got, LIFE_EVENTS), at = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct event *e = &l->events[i];
        int64_t first = e->sequence < 0 && !e->commit ? open_since(l, i, e->id) : -1;
        if (first < 0 || e->offset < p->start)
            continue;
        assert_true(at < n);
        assert_int_equal(got[at].producer_id, e->id);
        assert_int_equal(got[at].first, first);
        assert_int_equal(got[at].last, e->offset);
        int64_t stable = e->offset + 1;
        for (int64_t id = 0; id < LIFE_IDS; id++) {
            int64_t other = open_since(l, i + 1, id);
            stable = other >= 0 && other < stable ? other : stable;
        }
        assert_int_equal(got[at].stable, stable);
        at++;
    }
    assert_int_equal(at, n);
}

/* What the process knew of the producers, told anew from the log as it is. */
static void
life_resume(struct life *l, const struct plog *p)
{
    while (l->count && l->events[l->count - 1].offset >= p->end)
        l->count--;
    assert_true(l->count >= l->acked);
    assert_int_equal(p->end, l->count ? l->events[l->count - 1].offset + 1 : 0);
    l->acked = l->count;
    for (int64_t id = 0; id < LIFE_IDS; id++) {
        const struct producer *r = producer_find(&p->producers, id);
        l->epochs[id] = r ? r->epoch : 0;
        l->next[id] = r ? producer_last_sequence(r) + 1 : 0;
        l->open[id] = r && r->txn_first >= 0;
    }
    check_producers(l, p);
    check_aborted(l, p);
}

static void
life_write(struct life *l, struct plog *p)
{
    uint32_t id = (uint32_t)below(l, LIFE_IDS);
    struct store_appended out;
    struct event e = {.offset = p->end, .id = id, .epoch = l->epochs[id]};
    int rc;
    if (below(l, 4) == 0) {
        struct store_marker m = {.producer_id = id, .commit = below(l, 2)};
        m.version = l->open[id] && below(l, 2) ? 2 : 0;
        e.epoch = m.producer_epoch = (int16_t)(l->epochs[id] + (m.version == 2));
        e.commit = m.commit;
        e.sequence = -1;
        rc = store_append_marker(l->f.store[0], p, &m, 3, 1000, &out);
    } else if (l->open[id] || id % 2) {
        e.sequence = l->next[id];
        e.transactional = true;
        rc = write_txn(&l->f, p, id, e.epoch, e.sequence, &out);
    } else {
        struct batch_info info;
        e.sequence = l->next[id];
        fixture_batch(l->f.batch, 1, 50, (uint64_t)e.sequence, 5, &info);
        fixture_producer(l->f.batch, id, e.epoch, e.sequence, &info);
        rc = store_append(l->f.store[0], p, &info, view_of(l->f.batch, info.bytes), 3, 1000, &out);
    }
    if (rc == ERR_AGAIN || l->count == LIFE_EVENTS)
        return;
    assert_int_equal(rc, KERR_NONE);
    assert_int_equal(out.base_offset, e.offset);
    e.lsn = out.lsn;
    l->events[l->count++] = e;
    if (e.sequence < 0)
        l->next[id] = e.epoch == l->epochs[id] ? l->next[id] : 0;
    else
        l->next[id]++;
    l->epochs[id] = e.epoch;
    l->open[id] = e.sequence < 0 ? false : l->open[id] || e.transactional;
}

/* The last stable offset is what a reader of the durable part would find, and no crash moves it
 * back. */
static void
check_stable(const struct life *l, const struct plog *p)
{
    struct plog_facts facts;
    plog_facts(p, &facts);
    uint32_t durable = l->count;
    while (durable && l->events[durable - 1].offset >= facts.high_watermark)
        durable--;
    int64_t want = facts.high_watermark;
    for (int64_t id = 0; id < LIFE_IDS; id++) {
        int64_t first = open_since(l, durable, id);
        want = first >= 0 && first < want ? first : want;
    }
    assert_int_equal(facts.last_stable_offset,
                     want < facts.log_start_offset ? facts.log_start_offset : want);
}

static void
life_work(struct life *l, struct plog *p)
{
    for (uint32_t n = 0; n < LIFE_STEPS && !disk_mem_is_cut(l->f.disk); n++) {
        for (uint64_t k = below(l, 6); k > 0; k--)
            life_write(l, p);
        int rc = fixture_turns(&l->f, 1 + (uint32_t)below(l, 3));
        assert_true(rc == ERR_OK || disk_mem_is_cut(l->f.disk));
        uint64_t durable = store_durable_lsn(l->f.store[0]);
        while (l->acked < l->count && l->events[l->acked].lsn <= durable)
            l->acked++;
        struct plog_facts facts;
        plog_facts(p, &facts);
        check_stable(l, p);
        if (below(l, 40) == 0) {
            struct store_trimmed trimmed;
            int64_t room = facts.high_watermark - facts.log_start_offset;
            int64_t to = facts.log_start_offset + (int64_t)below(l, (uint64_t)room / 2 + 1);
            rc = store_trim(l->f.store[0], p, to, &trimmed);
            assert_true(rc == KERR_NONE || rc == ERR_AGAIN);
        }
        if (below(l, 50) == 0)
            l->f.now_ns += 61 * CLOCK_NS_PER_S; /* a checkpoint is due */
    }
}

static void
one_life(struct life *l, uint64_t seed)
{
    l->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252u;
    l->count = l->acked = 0;
    fixture_init(&l->f, seed);
    l->f.config.segment_bytes = 4096;
    assert_int_equal(fixture_start(&l->f), ERR_OK);
    struct plog *p = fixture_log(&l->f, 1, 0);
    memset(l->epochs, 0, sizeof l->epochs);
    memset(l->next, 0, sizeof l->next);
    memset(l->open, 0, sizeof l->open);
    assert_int_equal(fixture_settle(&l->f), ERR_OK);
    for (int crash = 0; crash < 4; crash++) {
        disk_mem_cut_after(l->f.disk, 1 + below(l, crash % 2 ? 300 : 3000));
        life_work(l, p);
        bool clean = !disk_mem_is_cut(l->f.disk) && below(l, 2);
        disk_mem_cut_after(l->f.disk, clean ? UINT64_MAX : 0);
        if (clean) {
            assert_int_equal(fixture_stop(&l->f), ERR_OK);
            l->acked = l->count;
        } else {
            fixture_kill(&l->f);
        }
        disk_mem_restart(l->f.disk);
        disk_mem_cut_after(l->f.disk, UINT64_MAX);
        assert_int_equal(fixture_start(&l->f), ERR_OK);
        p = fixture_log(&l->f, 1, 0);
        life_resume(l, p);
    }
    fixture_end(&l->f);
}

/* TXN_SEED=n repeats one life, TXN_SEEDS=n lives that many. */
static void
after_every_crash_the_state_is_what_the_log_says(void **state)
{
    (void)state;
    struct life *l = calloc(1, sizeof *l);
    const char *one = getenv("TXN_SEED"), *many = getenv("TXN_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 10) : 60;
    for (uint64_t seed = first; seed < first + count; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        one_life(l, seed);
    }
    free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_that_nobody_vouched_for_is_not_begun),
        cmocka_unit_test(the_last_stable_offset_moves_when_the_marker_is_durable),
        cmocka_unit_test(a_marker_is_stored_as_a_control_batch),
        cmocka_unit_test(markers_of_old_epochs_and_without_a_producer_are_refused),
        cmocka_unit_test(an_offline_log_refuses_markers_and_questions),
        cmocka_unit_test(after_every_crash_the_state_is_what_the_log_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
