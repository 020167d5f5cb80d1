#include "core/store/journal_in.h"
#include "tests/unit/core/store/journal_load.h"

#define US    UINT64_C(1000)
#define LEAST (1000 * US)
#define MOST  (2000 * US)
#define LOADS (1000 * 1000 * US)

static double
written(const struct load_result *r)
{
    return (double)r->frame_bytes / (double)(r->records * LOAD_BYTES);
}

static struct load_result
loaded(uint64_t rate, uint32_t clients, uint64_t write_ns, bool holds)
{
    struct load load = {.rate = rate,
                        .clients = clients,
                        .write_ns = write_ns,
                        .hold_least_ns = holds ? LEAST : 0,
                        .hold_most_ns = holds ? MOST : 0};
    return load_of(&load, LOADS);
}

static void
steady_load_fills_its_blocks(void **state)
{
    (void)state;
    static const struct {
        uint64_t rate, write_ns;
    } loads[] = {{50000, 100 * US},  {50000, 300 * US},  {50000, 1000 * US},
                 {100000, 100 * US}, {100000, 300 * US}, {100000, 1000 * US}};
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        struct load_result with = loaded(loads[i].rate, 0, loads[i].write_ns, true);
        struct load_result without = loaded(loads[i].rate, 0, loads[i].write_ns, false);
        assert_true(written(&with) < 1.12); /* with what came before it was steady */
        assert_true(written(&without) > 1.3);
    }
}

static void
clients_that_wait_for_answers_fill_blocks_too(void **state)
{
    (void)state;
    for (uint32_t clients = 64; clients <= 256; clients *= 2) {
        struct load load = {.clients = clients, .write_ns = 800 * US, .uneven_ns = 400 * US};
        struct load_result without = load_of(&load, LOADS);
        load.hold_least_ns = LEAST;
        load.hold_most_ns = MOST;
        struct load_result with = load_of(&load, LOADS);
        assert_true(written(&with) < 1.15);
        assert_true(written(&with) < written(&without));
        assert_true(with.records * 100 > without.records * 90);
    }
}

static void
a_record_is_held_as_long_as_a_write_takes_at_most(void **state)
{
    (void)state;
    for (uint64_t rate = 5000; rate <= 100000; rate += 5000)
        for (uint64_t write_ns = 100 * US; write_ns <= 900 * US; write_ns += 400 * US) {
            struct load_result r = loaded(rate, 0, write_ns, true);
            uint64_t held = write_ns > LEAST ? write_ns : LEAST;
            assert_true(r.most_ns <= held + write_ns + 5 * LOAD_TURN_NS);
        }
}

static void
who_is_alone_waits_for_the_write_only(void **state)
{
    (void)state;
    struct load_result r = loaded(0, 1, 100 * US, true);
    assert_int_equal(r.p50_ns, 100 * US);
    assert_int_equal(r.most_ns, 100 * US);
}

static void
few_clients_that_all_wait_are_hardly_ever_held(void **state)
{
    (void)state;
    for (uint32_t clients = 2; clients <= 16; clients *= 2) {
        struct load_result with = loaded(0, clients, 100 * US, true);
        struct load_result without = loaded(0, clients, 100 * US, false);
        assert_true(with.p99_ns <= without.p99_ns + 2 * LOAD_TURN_NS);
        assert_true(with.records * 100 > without.records * 97);
    }
}

/* The last records of a steady load, behind an extent or not. */
static uint64_t
wait_of_last(bool extent)
{
    struct load load = {.write_ns = 100 * US, .hold_least_ns = LEAST, .hold_most_ns = MOST};
    struct load_life l = {.load = &load};
    struct disk_mem *disk = disk_mem_new(1);
    load_start(&l, disk);
    for (int i = 0; i < 400; i++) {
        for (int k = 0; k < 3; k++)
            load_put(&l, l.device.now_ns, 0);
        load_turn(&l);
        l.device.now_ns += 20 * US;
    }
    struct journal_extent x = {.bytes = 4096};
    if (extent) {
        assert_int_equal(journal_extent_append(l.j, 8, 100, &x), ERR_OK);
        journal_extent_end(l.j, x.number);
    }
    for (int i = 0; i < 3; i++)
        load_put(&l, l.device.now_ns, 0);
    while (journal_written_lsn(l.j) < journal_last_lsn(l.j)) {
        load_turn(&l);
        load_wait(&l);
    }
    uint64_t waited = l.waited_ns[l.acked - 1];
    journal_free(l.j);
    disk_mem_free(disk);
    free(l.born_ns);
    free(l.waited_ns);
    free(l.client);
    return waited;
}

static void
a_frame_that_tells_of_an_extent_is_not_held(void **state)
{
    (void)state;
    assert_true(wait_of_last(false) > 400 * US);
    assert_true(wait_of_last(true) < 400 * US);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_load_fills_its_blocks),
        cmocka_unit_test(clients_that_wait_for_answers_fill_blocks_too),
        cmocka_unit_test(a_record_is_held_as_long_as_a_write_takes_at_most),
        cmocka_unit_test(who_is_alone_waits_for_the_write_only),
        cmocka_unit_test(few_clients_that_all_wait_are_hardly_ever_held),
        cmocka_unit_test(a_frame_that_tells_of_an_extent_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
