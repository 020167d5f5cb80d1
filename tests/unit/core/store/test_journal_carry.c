#include "core/store/journal_in.h"
#include "tests/unit/core/store/journal_rig.h"

#include <stdlib.h>

enum { ROUNDS = 200, PER_ROUND = 60, RECORDS_MAX = ROUNDS * PER_ROUND, CACHED = 400 };
enum { HOLD_NS = 1000000 };
enum { EXTENT_BYTES = 4096, EXTENT_BODY_BYTES = 3000 };

static const struct journal_config large = {.dir = "j",
                                            .file_bytes = 2 << 20,
                                            .file_count = 4,
                                            .arena_bytes = 1 << 20,
                                            .record_bytes_max = 16 << 10,
                                            .frames_in_flight = 4};

struct trace {
    struct rig rig;
    struct journal_config config;
    uint64_t *place; /* of each lsn */
    uint8_t *moves;
};

static void
trace_start(struct trace *t, uint64_t hold_ns, uint64_t seed)
{
    t->config = large;
    t->config.hold_least_ns = hold_ns;
    t->config.hold_most_ns = hold_ns;
    t->rig = (struct rig){.disk = disk_mem_new(seed), .now_ns = CLOCK_NS_PER_S};
    t->place = calloc(RECORDS_MAX + 1, sizeof *t->place);
    t->moves = calloc(RECORDS_MAX + 1, 1);
    assert_non_null(t->place);
    assert_non_null(t->moves);
    assert_int_equal(journal_init(disk_mem_port(t->rig.disk, 0), &t->config, 1, &t->rig.j), ERR_OK);
}

static void
trace_end(struct trace *t)
{
    free(t->place);
    free(t->moves);
    rig_end(&t->rig);
}

static uint32_t
length(uint64_t lsn)
{
    return 100 + (uint32_t)(lsn * 37 % 90);
}

static void
append(struct trace *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct journal_slot slot;
        uint32_t bytes = length(journal_last_lsn(t->rig.j) + 1);
        assert_int_equal(put_record(&t->rig, bytes, &slot), ERR_OK);
        t->place[slot.lsn] = slot.place;
    }
}

static void
step(struct trace *t, uint64_t ns)
{
    turn(&t->rig, ns);
    struct journal_carry c;
    if (!journal_carried(t->rig.j, &c))
        return;
    for (uint64_t lsn = journal_last_lsn(t->rig.j); lsn && t->place[lsn] >= c.from; lsn--) {
        t->place[lsn] += c.by;
        t->moves[lsn]++;
    }
}

static void
assert_in_cache(const struct trace *t, uint64_t lsn)
{
    if (t->place[lsn] < journal_place_first(t->rig.j))
        return;
    const uint8_t *at = journal_at(t->rig.j, t->place[lsn]);
    for (uint32_t i = 0; i < length(lsn); i++)
        assert_int_equal(at[i], lsn & 0xff);
}

/* Load that keeps frames in flight; what the journal wrote. */
static struct journal_stats
loaded(struct trace *t)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        append(t, PER_ROUND);
        step(t, 100000);
        uint64_t last = journal_last_lsn(t->rig.j);
        for (uint64_t lsn = last > CACHED ? last - CACHED : 1; lsn <= last; lsn++)
            assert_in_cache(t, lsn);
        journal_release(t->rig.j, journal_durable_lsn(t->rig.j) / 2);
    }
    while (journal_durable_lsn(t->rig.j) < journal_last_lsn(t->rig.j))
        step(t, 100000);
    struct journal_stats stats;
    journal_stats(t->rig.j, &stats);
    return stats;
}

static void
what_is_carried_lies_where_the_journal_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct trace t;
        trace_start(&t, HOLD_NS, seed);
        struct journal_stats stats = loaded(&t);
        assert_true(stats.carried > 100);
        trace_end(&t);
    }
}

static void
no_record_is_carried_twice(void **state)
{
    (void)state;
    struct trace t;
    trace_start(&t, HOLD_NS, 6);
    loaded(&t);
    for (uint64_t lsn = 1; lsn <= journal_last_lsn(t.rig.j); lsn++)
        assert_true(t.moves[lsn] <= 1);
    trace_end(&t);
}

static void
carried_records_come_back_in_order_after_a_restart(void **state)
{
    (void)state;
    struct trace t;
    trace_start(&t, HOLD_NS, 7);
    t.config.file_count = 4;
    for (uint32_t i = 0; i < ROUNDS / 2; i++) {
        append(&t, PER_ROUND);
        step(&t, 100000);
    }
    while (journal_durable_lsn(t.rig.j) < journal_last_lsn(t.rig.j))
        step(&t, 100000);
    struct journal_stats stats;
    journal_stats(t.rig.j, &stats);
    assert_true(stats.carried > 0);
    disk_mem_cut_after(t.rig.disk, 0);
    journal_free(t.rig.j);
    t.rig.j = NULL;
    disk_mem_restart(t.rig.disk);
    uint64_t next = 0;
    struct journal_end end;
    assert_int_equal(
        journal_recover(disk_mem_port(t.rig.disk, 0), &t.config, 1, 0, check_each, &next, &end),
        ERR_OK);
    assert_int_equal(end.lsn_last, ROUNDS / 2 * PER_ROUND);
    trace_end(&t);
}

static void
less_is_written_than_without(void **state)
{
    (void)state;
    struct trace with, without;
    trace_start(&with, HOLD_NS, 8);
    trace_start(&without, 0, 8);
    struct journal_stats a = loaded(&with), b = loaded(&without);
    assert_int_equal(b.carried, 0);
    assert_true(a.frame_bytes * 100 < b.frame_bytes * 95);
    trace_end(&with);
    trace_end(&without);
}

struct place {
    uint64_t lsn, place;
};

static struct place
put_extent(struct trace *t)
{
    struct journal_extent x = {.bytes = EXTENT_BYTES};
    for (int i = 0; journal_extent_append(t->rig.j, 8, EXTENT_BODY_BYTES, &x) != ERR_OK; i++) {
        assert_true(i < 1000);
        step(t, 100000); /* until a file of the ring is made */
    }
    memset(x.slot.body, 0, EXTENT_BODY_BYTES);
    journal_extent_end(t->rig.j, x.number);
    return (struct place){x.slot.lsn, x.place};
}

static void
an_extent_is_in_a_written_place_only_with_its_record(void **state)
{
    (void)state;
    struct trace t;
    trace_start(&t, HOLD_NS, 10);
    struct place extents[2 * ROUNDS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        extents[count++] = put_extent(&t);
        extents[count++] = put_extent(&t);
        append(&t, i % PER_ROUND);
        step(&t, 100000);
        for (uint32_t k = 0; k < count; k++) {
            const struct place *x = &extents[k];
            assert_int_equal(x->place < journal_place_written(t.rig.j),
                             x->lsn <= journal_written_lsn(t.rig.j));
            assert_int_equal(x->place < journal_place_durable(t.rig.j),
                             x->lsn <= journal_durable_lsn(t.rig.j));
        }
        journal_release(t.rig.j, journal_durable_lsn(t.rig.j));
    }
    struct journal_stats stats;
    journal_stats(t.rig.j, &stats);
    assert_true(stats.carried > 0);
    trace_end(&t);
}

static void
a_burst_into_an_idle_journal_goes_out_as_it_came(void **state)
{
    (void)state;
    struct trace t;
    trace_start(&t, HOLD_NS, 9);
    for (uint32_t i = 0; i < 20; i++) {
        append(&t, PER_ROUND);
        step(&t, 1000);
        while (journal_durable_lsn(t.rig.j) < journal_last_lsn(t.rig.j))
            step(&t, 1000);
        step(&t, 20 * HOLD_NS);
    }
    struct journal_stats stats;
    journal_stats(t.rig.j, &stats);
    assert_int_equal(stats.frames - stats.marks, 20);
    assert_int_equal(stats.carried, 0);
    trace_end(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_carried_lies_where_the_journal_says),
        cmocka_unit_test(no_record_is_carried_twice),
        cmocka_unit_test(carried_records_come_back_in_order_after_a_restart),
        cmocka_unit_test(less_is_written_than_without),
        cmocka_unit_test(an_extent_is_in_a_written_place_only_with_its_record),
        cmocka_unit_test(a_burst_into_an_idle_journal_goes_out_as_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
