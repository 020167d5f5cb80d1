#include "tests/unit/core/store/store_fixture.h"
#include <stdio.h>

static void
a_header_is_read_back_and_damage_is_seen(void **state)
{
    (void)state;
    static uint8_t mem[CKPT_HEADER_BYTES + 100];
    struct ckpt_header h = {.generation = 4,
                            .seq = 5,
                            .lsn = 6,
                            .next_id = 7,
                            .core_count = 2,
                            .flags = 1,
                            .log_count = 3},
                       got;
    memset(mem + CKPT_HEADER_BYTES, 0x5a, 100);
    store_ckpt_header_write(&h, mem, view_of(mem + CKPT_HEADER_BYTES, 100));
    assert_int_equal(store_ckpt_header_read(mem, sizeof mem, &got), ERR_OK);
    assert_int_equal(got.generation, 4);
    assert_int_equal(got.lsn, 6);
    assert_int_equal(got.bytes, 100);
    assert_int_equal(store_ckpt_header_read(mem, sizeof mem - 1, &got), ERR_CORRUPT);
    for (uint32_t i = 0; i < sizeof mem; i++) {
        mem[i] ^= 8;
        assert_int_equal(store_ckpt_header_read(mem, sizeof mem, &got), ERR_CORRUPT);
        mem[i] ^= 8;
    }
}

static void
checkpoints_let_the_journal_go_round_for_ever(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats stats;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int i = 0; i < 1500; i++)
        fixture_append(&f, fixture_log(&f, 1, i % 5), 2, 900, (uint64_t)i, i);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    store_stats(f.store[0], &stats);
    assert_true(stats.batch_bytes > 8 * f.journal_bytes);
    assert_true(stats.checkpoints > 5);
    assert_true(stats.journal_used_bytes <= f.journal_bytes);
    fixture_end(&f);
}

/* Three segments of 100 KiB, the first of which a checkpoint knows: can the second be cleaned so
 * many seconds later? */
static bool
sealed_and_named(bool compact, uint32_t seconds)
{
    struct fixture f;
    fixture_init(&f, 1);
    f.config.segment_bytes = 100 << 10;
    f.journal_bytes = 4 << 20; /* never half full: that would bring a checkpoint, too */
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    p->config.cleanup_compact = compact;
    fixture_append(&f, p, 1, 900, 0, 0);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    for (int i = 0; i < 250; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    for (uint32_t i = 0; i < seconds; i++) {
        f.now_ns += CLOCK_NS_PER_S;
        assert_int_equal(fixture_turns(&f, 20), ERR_OK);
    }
    assert_int_equal(p->segment_count, 3);
    bool can = p->segments[1]->sealed && p->segments[1]->named;
    fixture_end(&f);
    return can;
}

static void
a_rolled_segment_that_compaction_waits_for_gets_its_name_soon(void **state)
{
    (void)state;
    assert_true(sealed_and_named(true, 10));
    assert_false(sealed_and_named(false, 10));
    assert_true(sealed_and_named(false, 70));
}

static void
what_a_checkpoint_covers_is_not_replayed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 20; i++)
        fixture_append(&f, p, 1, 500, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    fixture_append(&f, p, 1, 500, 99, 99);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_false(f.boot.clean);
    assert_int_equal(f.boot.frames_replayed, 1);
    assert_int_equal(fixture_log(&f, 1, 0)->hw, 21);
    fixture_end(&f);
}

static void
without_a_checkpoint_a_journal_that_has_moved_on_proves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 600; i++)
        fixture_append(&f, p, 2, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    for (char c = 'a'; c <= 'b'; c++) {
        char path[32];
        uint64_t size;
        snprintf(path, sizeof path, "core-0/ckpt-%c", c);
        uint8_t *at = disk_mem_bytes(f.disk, path, &size);
        if (at)
            at[70] ^= 1;
    }
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 1);
    assert_int_equal(fixture_log(&f, 1, 0)->damage, PLOG_DAMAGE_UNKNOWN);
    fixture_end(&f);
}

/* One log of two goes offline by a failing operation; *lost is how many records it has. */
static void
go_offline(struct fixture *f, enum disk_kind kind, int64_t *lost)
{
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *bad = fixture_log(f, 1, 7), *good = fixture_log(f, 1, 0);
    for (int i = 0; i < 10; i++) {
        fixture_append(f, bad, 1, 900, (uint64_t)i, i);
        fixture_append(f, good, 1, 900, (uint64_t)i, i);
    }
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    disk_mem_fail(f->disk, "/7/", kind, ERR_IO);
    for (int i = 0; i < 10; i++)
        fixture_append(f, bad, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    assert_int_equal(bad->state, PLOG_OFFLINE);
    *lost = 20;
}

static void
checkpoints_go_on_beside_a_log_that_is_offline(void **state)
{
    (void)state;
    static const enum disk_kind kinds[] = {DISK_WRITE, DISK_SYNC};
    for (uint64_t k = 0; k < 2; k++) {
        struct fixture f;
        int64_t lost;
        fixture_init(&f, 10 + k);
        go_offline(&f, kinds[k], &lost);
        disk_mem_fail(f.disk, NULL, DISK_WRITE, 0); /* a second sync would succeed, and lie */
        uint64_t released = f.store[0]->ckpt.lsn_released;
        /* As if a write had been under way. */
        struct segment *seg = plog_last(fixture_log(&f, 1, 7));
        list_push_back(&f.store[0]->unsynced, &seg->sync_node);
        for (int i = 0; i < 20; i++) {
            fixture_append(&f, fixture_log(&f, 1, 0), 1, 900, (uint64_t)i, i);
            if (i % 5 == 0)
                assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        }
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        assert_int_equal(f.store[0]->ckpt.lsn_released, released);
        assert_true(seg->synced < seg->bytes);
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_int_equal(fixture_log(&f, 1, 7)->hw, lost);
        assert_int_equal(fixture_log(&f, 1, 7)->state, PLOG_ONLINE);
        assert_int_equal(fixture_log(&f, 1, 0)->hw, 30);
        fixture_end(&f);
    }
}

/* The copy of what only the journal has fails, and the ring comes round to it: better stop than go
 * on for ever with nothing accepted. */
static void
the_process_stops_when_the_ring_is_full_of_what_is_only_there(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    int64_t lost, good = 10;
    fixture_init(&f, 12);
    go_offline(&f, DISK_WRITE, &lost);
    disk_mem_fail(f.disk, "rescue", DISK_WRITE, ERR_IO);
    struct store_worker w = {.disk = disk_mem_port(f.disk, 1)};
    struct plog *p = fixture_log(&f, 1, 0);
    int rc = ERR_OK;
    while (rc == ERR_OK && good < 1000) {
        struct store_task *t = store_task_take(f.store[0]);
        if (t) {
            store_task_run(&w, t);
            store_task_done(f.store[0], t);
        }
        fixture_batch(f.batch, 1, 900, 1, 1, &info);
        if (store_append(f.store[0], p, &info, view_of(f.batch, info.bytes), 3, 1, &out) ==
            KERR_NONE)
            good++;
        rc = fixture_turns(&f, 3);
    }
    assert_int_equal(rc, ERR_IO);
    struct store_stats stats;
    store_stats(f.store[0], &stats);
    assert_true(good < 1000 && stats.journal_used_bytes > f.journal_bytes / 2);
    int64_t acked = p->hw;
    fixture_kill(&f);
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    disk_mem_cut_after(f.disk, 0);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 7)->hw, lost);
    assert_true(fixture_log(&f, 1, 0)->hw >= acked);
    fixture_end(&f);
}

/* With the bad log deleted the journal is free again. */
static void
deleting_the_log_that_is_offline_frees_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    int64_t lost;
    fixture_init(&f, 13);
    go_offline(&f, DISK_WRITE, &lost);
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    store_delete(f.store[0], fixture_log(&f, 1, 7));
    for (int i = 0; i < 1000; i++)
        fixture_append(&f, fixture_log(&f, 1, 0), 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 0)->hw, 1010);
    fixture_end(&f);
}

static void
append_only(struct fixture *f, struct plog *p)
{
    struct batch_info info;
    struct store_appended out;
    fixture_batch(f->batch, 1, 900, 1, 1, &info);
    assert_int_equal(store_append(f->store[0], p, &info, view_of(f->batch, info.bytes), 3, 1, &out),
                     KERR_NONE);
}

/* A log goes offline while a checkpoint is made, with records behind the checkpoint's lsn, is saved
 * like that, and is deleted before the checkpoint is written. */
static void
a_log_deleted_after_it_was_saved_offline_does_not_stop_the_next_start(void **state)
{
    (void)state;
    for (uint64_t cut = 1; cut < 40; cut++) {
        struct fixture f;
        uint64_t deadline;
        fixture_init(&f, 40 + cut);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *bad = fixture_log(&f, 1, 7), *good = fixture_log(&f, 1, 0);
        struct store *s = f.store[0];
        for (int i = 0; i < 10; i++)
            fixture_append(&f, bad, 1, 900, (uint64_t)i, i);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        disk_mem_fail(f.disk, "/7/", DISK_SYNC, ERR_IO);
        store_ckpt_begin(s, false);
        append_only(&f, bad);
        while (s->ckpt.phase != CKPT_DURABLE) {
            append_only(&f, good);
            f.now_ns += CLOCK_NS_PER_MS;
            assert_int_equal(store_step(s, f.now_ns, &deadline), ERR_OK);
        }
        assert_int_equal(bad->state, PLOG_OFFLINE);
        store_delete(s, bad);
        disk_mem_cut_after(f.disk, cut);
        fixture_turns(&f, 100);
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_fail(f.disk, NULL, DISK_SYNC, 0);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        fixture_end(&f);
    }
}

/* A log offline pins the journal, so that a replay sees all records of one that is long forgotten.
 */
static void
records_of_a_log_that_the_checkpoint_has_forgotten_are_passed_over(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 21);
    f.journal_bytes = 1 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    disk_mem_reopen(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK); /* its creation is no record any more */
    struct plog *other = fixture_log(&f, 2, 0);
    fixture_append(&f, other, 1, 900, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    store_offline(f.store[0], other, ERR_IO, "a test");
    f.config.segment_bytes *= 2;
    p = fixture_log(&f, 1, 0); /* a new configuration */
    fixture_append(&f, p, 1, 900, 2, 2);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    store_delete(f.store[0], p);
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    assert_int_equal(f.store[0]->log_count, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    uint8_t id[16];
    fixture_topic(1, id);
    assert_null(store_find(f.store[0], id, 0));
    fixture_topic(2, id);
    assert_int_equal(store_find(f.store[0], id, 0)->hw, 1);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_back_and_damage_is_seen),
        cmocka_unit_test(checkpoints_let_the_journal_go_round_for_ever),
        cmocka_unit_test(a_rolled_segment_that_compaction_waits_for_gets_its_name_soon),
        cmocka_unit_test(what_a_checkpoint_covers_is_not_replayed),
        cmocka_unit_test(without_a_checkpoint_a_journal_that_has_moved_on_proves_nothing),
        cmocka_unit_test(checkpoints_go_on_beside_a_log_that_is_offline),
        cmocka_unit_test(the_process_stops_when_the_ring_is_full_of_what_is_only_there),
        cmocka_unit_test(records_of_a_log_that_the_checkpoint_has_forgotten_are_passed_over),
        cmocka_unit_test(deleting_the_log_that_is_offline_frees_the_journal),
        cmocka_unit_test(a_log_deleted_after_it_was_saved_offline_does_not_stop_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
