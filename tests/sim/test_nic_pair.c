#include "tests/sim/nic_late.h"
#include "tests/sim/nic_pair.h"

#include "tests/unit/unit.h"

static uint32_t ended;

static void
ref_ended(struct packet_ref *ref)
{
    ended++;
}

static struct nic_tx
frame(uint8_t first, struct packet_ref *ref)
{
    struct nic_tx tx = {.header = {first}, .header_bytes = 20, .l2_bytes = 14};
    tx.spans[0] = (struct packet_span){view_of("payload", 7), ref};
    tx.span_count = 1;
    tx.payload_bytes = 7;
    return tx;
}

static uint32_t
offer(struct nic n, uint32_t count, struct packet_ref *ref)
{
    static struct nic_tx frames[NIC_BURST_MAX];
    const struct nic_tx *list[NIC_BURST_MAX];
    for (uint32_t i = 0; i < count; i++) {
        frames[i] = frame((uint8_t)i, ref);
        list[i] = &frames[i];
    }
    return n.ops->tx(n.self, list, count);
}

/* Takes all that has arrived; returns how many. */
static uint32_t
drain(struct nic n, uint8_t firsts[])
{
    struct nic_rx rx[8];
    uint32_t all = 0, count;
    while ((count = n.ops->rx(n.self, rx, 8)) > 0)
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(rx[i].bytes.len, 27);
            firsts[all++] = rx[i].bytes.at[0];
            n.ops->release(n.self, &rx[i].frame, 1);
        }
    return all;
}

static void
frames_arrive_at_the_other_side_whole_and_in_order(void **state)
{
    struct nic_pair *p = nic_pair_create(1500, 1);
    uint8_t firsts[NIC_PAIR_FRAMES];
    assert_int_equal(offer(nic_pair_port(p, 0), 20, NULL), 20);
    assert_int_equal(nic_pair_travelling(p), 20);
    assert_int_equal(drain(nic_pair_port(p, 0), firsts), 0);
    assert_int_equal(drain(nic_pair_port(p, 1), firsts), 20);
    for (uint8_t i = 0; i < 20; i++)
        assert_int_equal(firsts[i], i);
    nic_pair_free(p);
}

static void
holds_end_one_call_later(void **state)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_pair *p = nic_pair_create(1500, 1);
    struct nic n = nic_pair_port(p, 0);
    uint8_t firsts[NIC_PAIR_FRAMES];
    ended = 0;
    (void)offer(n, 5, &ref);
    packet_drop(&ref);
    assert_int_equal(ref.holds, 5);
    (void)drain(n, firsts);
    assert_int_equal(ended, 1);
    (void)drain(nic_pair_port(p, 1), firsts);
    nic_pair_free(p);
}

static void
a_side_that_releases_nothing_misses_frames(void **state)
{
    struct nic_pair *p = nic_pair_create(1500, 1);
    struct nic n = nic_pair_port(p, 1);
    struct nic_stat stat;
    uint8_t firsts[NIC_PAIR_FRAMES];
    for (int i = 0; i < 10; i++)
        (void)offer(nic_pair_port(p, 0), 60, NULL);
    n.ops->stat(n.self, &stat);
    assert_int_equal(stat.rx_missed, 600 - NIC_PAIR_FRAMES);
    assert_int_equal(drain(n, firsts), NIC_PAIR_FRAMES);
    nic_pair_free(p);
}

static void
faults_happen_about_as_often_as_asked_for(void **state)
{
    static const struct nic_pair_faults rows[] = {
        {.lose = 4}, {.repeat = 4}, {.swap = 4}, {.corrupt = 1}};
    uint32_t seen[4] = {0};
    for (int r = 0; r < 4; r++) {
        struct nic_pair *p = nic_pair_create(1500, 7);
        nic_pair_faults(p, &rows[r]);
        for (int round = 0; round < 20; round++) {
            uint8_t firsts[NIC_PAIR_FRAMES], wrong = 0;
            (void)offer(nic_pair_port(p, 0), 50, NULL);
            uint32_t count = drain(nic_pair_port(p, 1), firsts);
            for (uint8_t i = 0; i < 50 && i < count; i++)
                wrong = (uint8_t)(wrong + (firsts[i] != i));
            seen[r] += r == 0 ? 50 - count : r == 1 ? count - 50 : wrong > 0;
        }
        nic_pair_free(p);
    }
    assert_in_range(seen[0], 150, 350);
    assert_in_range(seen[1], 150, 350);
    assert_in_range(seen[2], 18, 20);
    assert_in_range(seen[3], 10, 20);
}

static void
a_slow_side_takes_as_many_frames_as_it_was_told(void **state)
{
    struct nic_pair *p = nic_pair_create(1500, 1);
    struct nic n = nic_pair_port(p, 0);
    struct nic_facts facts;
    uint8_t firsts[NIC_PAIR_FRAMES];
    nic_pair_faults(p, &(struct nic_pair_faults){.tx_most = 3});
    assert_int_equal(offer(n, 10, NULL), 3);
    assert_int_equal(drain(nic_pair_port(p, 1), firsts), 3);
    n.ops->facts(n.self, &facts);
    assert_int_equal(facts.mtu, 1500);
    assert_int_equal(facts.mac[5], 1);
    nic_pair_free(p);
}

static void
a_machine_that_is_gone_holds_nothing_and_another_takes_its_device(void **state)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_pair *p = nic_pair_create(1500, 1);
    struct nic left = nic_pair_port(p, 0), right = nic_pair_port(p, 1);
    uint8_t firsts[NIC_PAIR_FRAMES];
    struct nic_rx rx[8];
    ended = 0;
    assert_int_equal(offer(left, 3, &ref), 3);
    assert_int_equal(offer(right, 10, NULL), 10);
    assert_int_equal(left.ops->rx(left.self, rx, 4), 4);
    assert_int_equal(offer(left, 2, &ref), 2);
    nic_pair_reset(p, 0);
    assert_int_equal(ended, 0);
    assert_int_equal(drain(left, firsts), 0);
    assert_int_equal(drain(right, firsts), 5); /* what had left is on its way */
    assert_int_equal(offer(right, NIC_PAIR_RING, NULL), NIC_PAIR_RING);
    assert_int_equal(drain(left, firsts), NIC_PAIR_RING);
    nic_pair_free(p);
}

static void
late_frames_come_in_order_and_not_before_their_time(void **state)
{
    struct nic_pair *p = nic_pair_create(1500, 1);
    struct nic_late l;
    uint64_t now_ns = 1000;
    uint8_t firsts[NIC_PAIR_FRAMES];
    nic_late_init(&l, nic_pair_port(p, 1), &now_ns, 7);
    nic_late_set(&l, 500, 300);
    struct nic late = nic_late_port(&l);
    assert_int_equal(offer(nic_pair_port(p, 0), 20, NULL), 20);
    assert_int_equal(drain(late, firsts), 0);
    now_ns += 499;
    assert_int_equal(drain(late, firsts), 0);
    uint32_t got = 0;
    for (; now_ns < 1000 + 800; now_ns += 10)
        got += drain(late, firsts + got);
    assert_int_equal(got, 20);
    for (uint8_t i = 0; i < 20; i++)
        assert_int_equal(firsts[i], i);
    nic_pair_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_at_the_other_side_whole_and_in_order),
        cmocka_unit_test(holds_end_one_call_later),
        cmocka_unit_test(a_side_that_releases_nothing_misses_frames),
        cmocka_unit_test(faults_happen_about_as_often_as_asked_for),
        cmocka_unit_test(a_slow_side_takes_as_many_frames_as_it_was_told),
        cmocka_unit_test(a_machine_that_is_gone_holds_nothing_and_another_takes_its_device),
        cmocka_unit_test(late_frames_come_in_order_and_not_before_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
