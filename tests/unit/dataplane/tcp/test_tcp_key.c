#include "dataplane/tcp/tcp_key.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct tcp_key
counting_key(void)
{
    uint8_t bytes[TCP_KEY_BYTES];
    for (uint8_t i = 0; i < TCP_KEY_BYTES; i++)
        bytes[i] = i;
    return tcp_key_of(bytes);
}

static void
siphash_gives_the_published_vectors(void **state)
{
    /* Key 00..0f, message 00..(n-1): the authors' table for n = 0, 1, 8 and 15. */
    struct tcp_key key = counting_key();
    uint8_t message[15];
    for (uint8_t i = 0; i < sizeof message; i++)
        message[i] = i;
    assert_true(tcp_key_hash(&key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(tcp_key_hash(&key, message, 1) == UINT64_C(0x74f839c593dc67fd));
    assert_true(tcp_key_hash(&key, message, 8) == UINT64_C(0x93f5f5799a932462));
    assert_true(tcp_key_hash(&key, message, 15) == UINT64_C(0xa129ca6149be45e5));
}

static void
purpose_word_flow_and_key_each_change_the_hash(void **state)
{
    struct tcp_key key = counting_key(), other = key;
    other.k1++;
    struct tcp_flow f = {.local_port = 9092, .remote_port = 40000}, g = f;
    g.remote[15] = 1;
    uint64_t h = tcp_key_flow(&key, &f, TCP_FOR_ISN, 7);
    assert_true(h == tcp_key_flow(&key, &f, TCP_FOR_ISN, 7));
    assert_true(h != tcp_key_flow(&key, &f, TCP_FOR_COOKIE, 7));
    assert_true(h != tcp_key_flow(&key, &f, TCP_FOR_ISN, 8));
    assert_true(h != tcp_key_flow(&key, &g, TCP_FOR_ISN, 7));
    assert_true(h != tcp_key_flow(&other, &f, TCP_FOR_ISN, 7));
    assert_true(tcp_key_bucket(&key, &f) != tcp_key_bucket(&other, &f));
}

static void
flows_are_equal_only_when_every_byte_is(void **state)
{
    struct tcp_flow f;
    memset(&f, 0x5a, sizeof f);
    for (size_t i = 0; i < sizeof f; i++) {
        struct tcp_flow g = f;
        assert_true(tcp_flow_equal(&f, &g));
        ((uint8_t *)&g)[i] ^= 1;
        assert_false(tcp_flow_equal(&f, &g));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_published_vectors),
        cmocka_unit_test(purpose_word_flow_and_key_each_change_the_hash),
        cmocka_unit_test(flows_are_equal_only_when_every_byte_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
