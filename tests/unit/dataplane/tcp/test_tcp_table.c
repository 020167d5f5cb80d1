#include "dataplane/tcp/tcp_table.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tcp_table *
table_of(uint32_t items)
{
    struct tcp_key key = {1, 2};
    size_t bytes = (tcp_table_footprint(items) + 63) & ~(size_t)63;
    return tcp_table_init(aligned_alloc(64, bytes), items, &key);
}

static struct tcp_flow
flow(uint32_t number)
{
    struct tcp_flow f = {.local_port = 9092, .remote_port = (uint16_t)number};
    f.remote[10] = f.remote[11] = 0xff;
    f.remote[15] = (uint8_t)(number >> 16);
    return f;
}

static void
a_flow_is_found_until_it_is_removed(void **state)
{
    struct tcp_table *t = table_of(4);
    struct tcp_flow f = flow(1), g = flow(2);
    assert_int_equal(tcp_table_find(t, &f), TCP_NONE);
    assert_true(tcp_table_put(t, &f, 3));
    assert_int_equal(tcp_table_find(t, &f), 3);
    assert_int_equal(tcp_table_find(t, &g), TCP_NONE);
    assert_memory_equal(tcp_table_flow(t, 3), &f, sizeof f);
    tcp_table_remove(t, 3);
    assert_int_equal(tcp_table_find(t, &f), TCP_NONE);
    assert_int_equal(tcp_table_count(t), 0);
    free(t);
}

static void
in_steps_it_is_found_as_at_once(void **state)
{
    struct tcp_table *t = table_of(1000);
    uint32_t near = 0;
    for (uint32_t i = 0; i < 500; i++) {
        struct tcp_flow f = flow(i);
        assert_true(tcp_table_put(t, &f, i));
    }
    for (uint32_t i = 0; i < 1000; i++) {
        struct tcp_flow f = flow(i);
        uint64_t hash = tcp_table_hash(t, &f);
        near += tcp_table_near(t, hash) == i;
        assert_int_equal(tcp_table_at(t, &f, hash), i < 500 ? i : TCP_NONE);
    }
    assert_in_range(near, 450, 500); /* a guess, and a good one */
    free(t);
}

static void
a_flow_moves_to_another_index(void **state)
{
    struct tcp_table *t = table_of(4);
    struct tcp_flow f = flow(1);
    assert_true(tcp_table_put(t, &f, 0));
    tcp_table_move(t, 0, 2);
    assert_int_equal(tcp_table_find(t, &f), 2);
    assert_int_equal(tcp_table_count(t), 1);
    free(t);
}

/* Puts, moves and removes at random; a plain array of what is in the table is the model. */
static void
it_agrees_with_a_plain_map(void **state)
{
    uint32_t seed = 4711;
    printf("seed %u\n", seed);
    enum { ITEMS = 1024, FLOWS = 3000 };
    struct tcp_table *t = table_of(ITEMS);
    uint32_t *index_of = malloc(FLOWS * sizeof *index_of), flow_of[ITEMS], count = 0;
    for (int i = 0; i < FLOWS; i++)
        index_of[i] = TCP_NONE;
    for (int i = 0; i < ITEMS; i++)
        flow_of[i] = TCP_NONE;
    for (int step = 0; step < 100000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t number = (seed >> 8) % FLOWS, index = (seed >> 20) % ITEMS;
        struct tcp_flow f = flow(number);
        assert_int_equal(tcp_table_find(t, &f), index_of[number]);
        if (index_of[number] == TCP_NONE && flow_of[index] == TCP_NONE) {
            assert_true(tcp_table_put(t, &f, index));
            index_of[number] = index;
            flow_of[index] = number;
            count++;
        } else if (index_of[number] != TCP_NONE && flow_of[index] == TCP_NONE) {
            tcp_table_move(t, index_of[number], index);
            flow_of[index_of[number]] = TCP_NONE;
            index_of[number] = index;
            flow_of[index] = number;
        } else if (index_of[number] != TCP_NONE && step % 3 == 0) {
            tcp_table_remove(t, index_of[number]);
            flow_of[index_of[number]] = TCP_NONE;
            index_of[number] = TCP_NONE;
            count--;
        }
        assert_int_equal(tcp_table_count(t), count);
    }
    free(index_of);
    free(t);
}

static void
every_index_can_be_in_use_and_all_spares_come_back(void **state)
{
    enum { ITEMS = 5000 };
    struct tcp_table *t = table_of(ITEMS);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            struct tcp_flow f = flow(i + (uint32_t)round * 7);
            assert_true(tcp_table_put(t, &f, i));
        }
        for (uint32_t i = 0; i < ITEMS; i++)
            tcp_table_remove(t, i * 7 % ITEMS);
        assert_int_equal(tcp_table_count(t), 0);
    }
    free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_is_found_until_it_is_removed),
        cmocka_unit_test(in_steps_it_is_found_as_at_once),
        cmocka_unit_test(a_flow_moves_to_another_index),
        cmocka_unit_test(it_agrees_with_a_plain_map),
        cmocka_unit_test(every_index_can_be_in_use_and_all_spares_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
