#include "tests/unit/dataplane/net/host.h"

static void
the_footprint_holds_everything_and_init_uses_no_more(void **state)
{
    struct ipnet_config c = host_config();
    size_t bytes = ipnet_footprint(&c);
    uint8_t *memory = aligned_alloc(64, bytes + 64);
    memset(memory + bytes, 0x5a, 64);
    struct ipnet *n = ipnet_init(memory, &c, 1);
    struct ipnet_stat s;
    ipnet_stat(n, &s);
    assert_true((uint8_t *)n->slots[IPNET_SLOTS - 1].copy + c.mtu <= memory + bytes);
    for (int i = 0; i < 64; i++)
        assert_int_equal(memory[bytes + (size_t)i], 0x5a);
    assert_true(s.slots > 0); /* it looks for duplicates of its addresses */
    ipnet_end(n);
    free(memory);
}

static void
a_configuration_that_cannot_work_is_refused(void **state)
{
    static const struct {
        const char *addresses, *routes;
        int err;
    } rows[] = {
        {"10.77.0.2/24", "", ERR_OK},
        {"10.77.0.2/31,10.77.0.9/32", "", ERR_OK},
        {"10.77.0.0/24", "", ERR_INVALID},
        {"10.77.0.255/24", "", ERR_INVALID},
        {"127.0.0.1/8", "", ERR_INVALID},
        {"224.0.0.1/24", "", ERR_INVALID},
        {"::1/128", "", ERR_INVALID},
        {"ff02::1/64", "", ERR_INVALID},
        {"10.77.0.2/24,10.77.0.2/16", "", ERR_INVALID},
        {"10.77.0.2/24", "default via 10.78.0.1", ERR_INVALID},
        {"10.77.0.2/24", "default via fe80::1", ERR_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ipnet_config c = host_config();
        char error[IPNET_ERROR_BYTES];
        assert_int_equal(ipnet_text_addresses(&c, rows[i].addresses, error), ERR_OK);
        assert_int_equal(ipnet_text_routes(&c, rows[i].routes, error), ERR_OK);
        if (ipnet_check(&c) != rows[i].err)
            fail_msg("%s, %s", rows[i].addresses, rows[i].routes);
    }
    struct ipnet_config c = host_config();
    c.mtu = IPNET_MTU_LEAST - 1;
    assert_int_equal(ipnet_check(&c), ERR_INVALID);
    c = host_config();
    c.vlan = 4095;
    assert_int_equal(ipnet_check(&c), ERR_INVALID);
    c = host_config();
    c.mac[0] = 1;
    assert_int_equal(ipnet_check(&c), ERR_INVALID);
}

static void
the_longest_prefix_names_the_next_hop(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    char error[IPNET_ERROR_BYTES];
    assert_int_equal(ipnet_text_routes(&c,
                                       "default via 10.77.0.1,10.9.0.0/16 via 10.77.0.9,10.9.8.0/"
                                       "24 via 10.77.0.8,fd01::/16 via fd00:77::9",
                                       error),
                     ERR_OK);
    host_start(&h, &c);
    host_wait(&h, 2000);
    static const char *const rows[][2] = {
        {"10.77.0.5", "10.77.0.5"}, {"10.9.8.7", "10.77.0.8"}, {"10.9.7.7", "10.77.0.9"},
        {"8.8.8.8", "10.77.0.1"},   {"fd01::5", "fd00:77::9"}, {"fd00:77::5", "fd00:77::5"},
        {"fe80::5", "fe80::5"},     {"fd02::1", NULL},         {"ff02::1", NULL},
        {"127.0.0.1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t hop[16];
        int err = ipnet_hop(h.n, ip_of(rows[i][0]), hop);
        assert_int_equal(err, rows[i][1] ? ERR_OK : ERR_NOT_FOUND);
        if (rows[i][1])
            assert_memory_equal(hop, ip_of(rows[i][1]), 16);
    }
    uint8_t src[16];
    assert_true(ipnet_source(h.n, ip_of("8.8.8.8"), src));
    assert_memory_equal(src, ip_of("10.77.0.2"), 16);
    assert_false(ipnet_source(h.n, ip_of("fd02::1"), src));
    host_stop(&h);
}

static void
an_ipv4_address_is_announced_twice(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    host_start(&h, &c);
    assert_true(ipnet_is_ours(h.n, ip_of("10.77.0.2")));
    host_wait(&h, 10000);
    uint32_t announced = 0;
    for (uint32_t i = 0; i < h.out_count; i++) {
        const uint8_t *f = h.out[i];
        announced += get_u16(f + 12) == IPNET_TYPE_ARP && memcmp(f, all_mac, 6) == 0 &&
                     memcmp(f + 28, f + 38, 4) == 0;
    }
    assert_int_equal(announced, IPNET_ANNOUNCE_N);
    host_stop(&h);
}

static void
an_ipv6_address_is_ours_only_after_nobody_claimed_it_for_a_second(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    host_start(&h, &c);
    assert_int_equal(h.out_count, 2); /* one probe each for it and the link-local address */
    assert_int_equal(h.out[0][54], 135);
    assert_false(ipnet_is_ours(h.n, ip_of("fd00:77::2")));
    host_wait(&h, 900);
    assert_false(ipnet_is_ours(h.n, ip_of("fd00:77::2")));
    host_wait(&h, 100);
    assert_true(ipnet_is_ours(h.n, ip_of("fd00:77::2")));
    assert_true(ipnet_is_ours(h.n, ip_of("fe80::ff:fe00:1")));
    host_stop(&h);
}

static void
a_host_without_ipv6_addresses_does_not_speak_it(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    char error[IPNET_ERROR_BYTES];
    assert_int_equal(ipnet_text_addresses(&c, "10.77.0.2/24", error), ERR_OK);
    assert_int_equal(ipnet_text_routes(&c, "", error), ERR_OK);
    host_start(&h, &c);
    host_wait(&h, 10000);
    for (uint32_t i = 0; i < h.out_count; i++)
        assert_int_equal(get_u16(h.out[i] + 12), IPNET_TYPE_ARP);
    host_stop(&h);
}

static void
a_machine_with_nothing_to_do_asks_for_no_call(void **state)
{
    static struct host h;
    host_ready(&h);
    assert_true(ipnet_step(h.n, h.now_ns) == CLOCK_NEVER);
    host_stop(&h);
}

static void
an_address_is_in_a_network_when_the_bits_of_its_prefix_agree(void **state)
{
    uint8_t net[16], ip[16];
    for (uint32_t i = 0; i < sizeof net; i++)
        net[i] = (uint8_t)(i * 37 + 11);
    for (uint8_t prefix = 0; prefix <= 128; prefix++) {
        assert_true(ipnet_ip_in(net, net, prefix));
        for (uint32_t bit = 0; bit < 128; bit++) {
            memcpy(ip, net, sizeof ip);
            ip[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            assert_int_equal(ipnet_ip_in(ip, net, prefix), bit >= prefix);
        }
    }
}

static void
every_reason_to_drop_has_a_name_of_its_own(void **state)
{
    for (uint32_t i = 0; i < IPNET_DROPS; i++) {
        const char *name = ipnet_drop_name((enum ipnet_drop)i);
        assert_true(strlen(name) > 0);
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(name, ipnet_drop_name((enum ipnet_drop)j));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_footprint_holds_everything_and_init_uses_no_more),
        cmocka_unit_test(a_configuration_that_cannot_work_is_refused),
        cmocka_unit_test(the_longest_prefix_names_the_next_hop),
        cmocka_unit_test(an_ipv4_address_is_announced_twice),
        cmocka_unit_test(an_ipv6_address_is_ours_only_after_nobody_claimed_it_for_a_second),
        cmocka_unit_test(a_host_without_ipv6_addresses_does_not_speak_it),
        cmocka_unit_test(a_machine_with_nothing_to_do_asks_for_no_call),
        cmocka_unit_test(an_address_is_in_a_network_when_the_bits_of_its_prefix_agree),
        cmocka_unit_test(every_reason_to_drop_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
