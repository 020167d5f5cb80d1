#include "tests/unit/dataplane/net/host.h"

#include <stdio.h>

static uint32_t ended;

static void
ref_ended(struct packet_ref *ref)
{
    ended++;
}

/* Only ARP requests, those of one address. */
static uint32_t
requests(const struct host *h, const char *ip)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->out_count; i++)
        count += get_u16(h->out[i] + 12) == IPNET_TYPE_ARP && get_u16(h->out[i] + 20) == 1 &&
                 memcmp(h->out[i] + 38, ip_of(ip) + 12, 4) == 0;
    return count;
}

static void
send_to(struct host *h, const char *dst)
{
    struct packet_out p = packet_to(dst, NULL, NULL, 0);
    host_send(h, &p);
    host_collect(h);
}

static void
a_packet_waits_for_the_answer_and_then_leaves_to_it(void **state)
{
    static struct host h;
    host_ready(&h);
    send_to(&h, "10.77.0.9");
    assert_int_equal(h.out_count, 1);
    assert_int_equal(requests(&h, "10.77.0.9"), 1);
    assert_memory_equal(h.out[0], all_mac, 6);
    struct put w = arp_frame(host_mac, 2, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 2);
    assert_memory_equal(h.out[1], peer_mac, 6);
    assert_int_equal(get_u16(h.out[1] + 12), IPNET_TYPE_IP4);
    send_to(&h, "10.77.0.9");
    assert_int_equal(h.out_count, 3);
    host_stop(&h);
}

static void
no_more_than_three_packets_wait_and_all_go_when_nobody_answers(void **state)
{
    static struct host h;
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct ipnet_stat s;
    host_ready(&h);
    ended = 0;
    for (int i = 0; i < 5; i++) {
        struct packet_out p = packet_to("10.77.0.9", &ref, "payload", 7);
        host_send(&h, &p);
    }
    assert_int_equal(ref.holds, 1 + IPNET_WAITING_EACH_MAX);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NEIGHBOUR_WAIT), 2);
    host_wait(&h, 2900);
    assert_int_equal(requests(&h, "10.77.0.9"), IPNET_ASK_TRIES);
    assert_int_equal(ref.holds, 1 + IPNET_WAITING_EACH_MAX);
    host_wait(&h, 200);
    assert_int_equal(ref.holds, 1);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NEIGHBOUR_DEAD), 3);
    ipnet_stat(h.n, &s);
    assert_int_equal(s.neighbours + s.resolving + s.waiting + s.slots, 0);
    assert_int_equal(ended, 0);
    packet_drop(&ref);
    assert_int_equal(ended, 1);
    host_stop(&h);
}

static void
an_old_confirmation_is_renewed_by_asking_the_neighbour_itself(void **state)
{
    static struct host h;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    host_wait(&h, 29000);
    host_clear(&h);
    send_to(&h, "10.77.0.9");
    assert_int_equal(h.out_count, 1);
    host_wait(&h, 1500);
    host_clear(&h);
    send_to(&h, "10.77.0.9");
    assert_int_equal(h.out_count, 2); /* the packet left at once, and so did a request */
    assert_int_equal(requests(&h, "10.77.0.9"), 1);
    assert_memory_equal(h.out[1], peer_mac, 6);
    struct put w = arp_frame(host_mac, 2, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&h, &w);
    host_clear(&h);
    host_wait(&h, 5000);
    send_to(&h, "10.77.0.9");
    assert_int_equal(h.out_count, 1);
    host_stop(&h);
}

static void
a_neighbour_that_is_silent_when_asked_again_is_forgotten(void **state)
{
    static struct host h;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    host_wait(&h, 31000);
    send_to(&h, "10.77.0.9");
    assert_non_null(ipnet_neigh_find(h.n, ip_of("10.77.0.9")));
    host_wait(&h, 3100);
    assert_null(ipnet_neigh_find(h.n, ip_of("10.77.0.9")));
    host_stop(&h);
}

static void
a_link_address_changes_at_most_once_a_second(void **state)
{
    static struct host h;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    struct put w = arp_frame(all_mac, 1, other_mac, "10.77.0.9", "10.77.0.9");
    host_feed(&h, &w);
    assert_memory_equal(ipnet_neigh_find(h.n, ip_of("10.77.0.9"))->mac, peer_mac, 6);
    host_wait(&h, 1000);
    w = arp_frame(all_mac, 1, other_mac, "10.77.0.9", "10.77.0.9");
    host_feed(&h, &w);
    assert_memory_equal(ipnet_neigh_find(h.n, ip_of("10.77.0.9"))->mac, other_mac, 6);
    host_stop(&h);
}

static void
neighbours_that_are_asked_for_are_bounded(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    struct ipnet_stat s;
    char error[IPNET_ERROR_BYTES], text[32];
    assert_int_equal(ipnet_text_addresses(&c, "10.77.0.2/16,fd00:77::2/64", error), ERR_OK);
    host_start(&h, &c);
    host_wait(&h, 5000);
    host_clear(&h);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof text, "10.77.%d.%d", 1 + i / 200, 1 + i % 200);
        send_to(&h, text);
        h.now_ns += 10 * CLOCK_NS_PER_MS / 10;
        (void)ipnet_step(h.n, h.now_ns);
    }
    ipnet_stat(h.n, &s);
    assert_true(s.resolving <= IPNET_RESOLVING_MAX && s.waiting <= IPNET_WAITING_MAX);
    assert_true(host_dropped(&h, IPNET_DROP_NEIGHBOUR_FULL) > 0);
    assert_true(host_dropped(&h, IPNET_DROP_NEIGHBOUR_WAIT) > 0);
    assert_true(ipnet_room(h.n) > 0);
    host_stop(&h);
}

static void
a_flood_of_strangers_leaves_those_alone_that_we_talk_to(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    struct ipnet_stat s;
    char error[IPNET_ERROR_BYTES], text[32];
    assert_int_equal(ipnet_text_addresses(&c, "10.77.0.2/16,fd00:77::2/64", error), ERR_OK);
    host_start(&h, &c);
    host_wait(&h, 5000);
    host_meets(&h, "10.77.0.9");
    send_to(&h, "10.77.0.9");
    host_clear(&h);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(text, sizeof text, "10.77.%d.%d", 1 + i / 250, 1 + i % 250);
        struct put w = arp_frame(all_mac, 1, other_mac, text, "10.77.0.2");
        host_feed(&h, &w);
        h.out_count = 0;
        h.now_ns += 1000;
    }
    ipnet_stat(h.n, &s);
    assert_true(s.neighbours <= IPNET_NEIGHBOURS_MAX);
    assert_true(s.neighbours > IPNET_NEIGHBOURS_MAX / 2); /* the hash spreads them */
    assert_non_null(ipnet_neigh_find(h.n, ip_of("10.77.0.9")));
    host_stop(&h);
}

static void
the_table_is_listed_with_what_others_call_stale(void **state)
{
    static struct host h;
    struct ipnet_neigh_fact f;
    uint32_t found = 0;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    host_wait(&h, 31000);
    for (uint32_t i = 0; i < IPNET_NEIGHBOURS_MAX; i++)
        if (ipnet_neighbour(h.n, i, &f)) {
            found++;
            assert_memory_equal(f.ip, ip_of("10.77.0.9"), 16);
            assert_memory_equal(f.mac, peer_mac, 6);
            assert_int_equal(f.state, IPNET_NEIGH_STALE);
        }
    assert_int_equal(found, 1);
    host_stop(&h);
}

/* A thousand steps of anything, then the counts must agree with the table. */
static void
the_counts_agree_with_the_table_after_any_history(void **state)
{
    static struct host h;
    uint32_t seed = 3;
    char text[32];
    host_ready(&h);
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        (void)snprintf(text, sizeof text, "10.77.0.%d", 3 + (seed >> 8) % 60);
        struct put w;
        switch (seed >> 16 & 7) {
        case 0:
        case 1:
        case 2:
            send_to(&h, text);
            break;
        case 3:
            w = arp_frame(host_mac, 2, seed >> 20 & 1 ? peer_mac : other_mac, text, "10.77.0.2");
            host_feed(&h, &w);
            break;
        case 4:
            w = arp_frame(all_mac, 1, peer_mac, text, "10.77.0.2");
            host_feed(&h, &w);
            break;
        default:
            h.now_ns += (seed >> 12 & 0xff) * 10 * CLOCK_NS_PER_MS;
            (void)ipnet_step(h.n, h.now_ns);
        }
        host_clear(&h);
    }
    struct ipnet_stat s;
    uint32_t count = 0, resolving = 0, waiting = 0;
    for (uint32_t i = 0; i < IPNET_NEIGHBOURS_MAX; i++) {
        const struct ipnet_neigh *e = &h.n->neigh[i];
        count += e->state != IPNET_NEIGH_FREE;
        resolving += e->state == IPNET_NEIGH_RESOLVING;
        waiting += e->waiting_count;
        assert_true(e->state == IPNET_NEIGH_RESOLVING || e->waiting_count == 0);
    }
    ipnet_stat(h.n, &s);
    assert_int_equal(s.neighbours, count);
    assert_int_equal(s.resolving, resolving);
    assert_int_equal(s.waiting, waiting);
    assert_int_equal(s.slots, waiting);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_waits_for_the_answer_and_then_leaves_to_it),
        cmocka_unit_test(no_more_than_three_packets_wait_and_all_go_when_nobody_answers),
        cmocka_unit_test(an_old_confirmation_is_renewed_by_asking_the_neighbour_itself),
        cmocka_unit_test(a_neighbour_that_is_silent_when_asked_again_is_forgotten),
        cmocka_unit_test(a_link_address_changes_at_most_once_a_second),
        cmocka_unit_test(neighbours_that_are_asked_for_are_bounded),
        cmocka_unit_test(a_flood_of_strangers_leaves_those_alone_that_we_talk_to),
        cmocka_unit_test(the_table_is_listed_with_what_others_call_stale),
        cmocka_unit_test(the_counts_agree_with_the_table_after_any_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
