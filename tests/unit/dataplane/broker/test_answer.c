#include "dataplane/broker/answer.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

struct memory {
    void *book, *arena;
    struct buddy *buddy;
};

static void
memory_open(struct memory *m, size_t bytes, size_t block_max)
{
    m->book = calloc(1, buddy_footprint(bytes));
    m->arena = aligned_alloc(4096, bytes);
    assert_non_null(m->book);
    assert_non_null(m->arena);
    m->buddy = buddy_init(m->book, m->arena, bytes, block_max);
}

static void
memory_close(struct memory *m)
{
    assert_int_equal(buddy_used(m->buddy), 0);
    free(m->book);
    free(m->arena);
}

static void
text_add(struct answer *a, struct memory *m, const char *text)
{
    assert_true(answer_reserve(a, m->buddy, (uint32_t)strlen(text)));
    struct put w = answer_writer(a);
    put_bytes(&w, text, (uint32_t)strlen(text));
    answer_commit(a, &w);
}

static void
the_length_counts_bytes_and_ranges_but_not_itself(void **state)
{
    (void)state;
    struct memory m;
    struct answer a = {0};
    memory_open(&m, 1 << 16, 1 << 16);
    text_add(&a, &m, "....head");
    struct store_range range = {.len = 1000};
    assert_true(answer_add_range(&a, m.buddy, 3, &range));
    text_add(&a, &m, "tail");
    assert_int_equal(answer_bytes(&a), 12 + 1000);
    answer_seal(&a);
    assert_int_equal(get_u32(a.bytes), 8 + 1000);
    assert_int_equal(a.ranges[0].at, 8);
    assert_int_equal(a.ranges[0].shard, 3);
    answer_free(&a, m.buddy);
    memory_close(&m);
}

static void
what_was_written_survives_growth(void **state)
{
    (void)state;
    struct memory m;
    struct answer a = {0};
    memory_open(&m, 1 << 20, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%08d", i);
        text_add(&a, &m, text);
    }
    for (int i = 0; i < 100; i++) {
        struct store_range range = {.at = (uint32_t)i, .len = 1};
        assert_true(answer_add_range(&a, m.buddy, 0, &range));
    }
    for (int i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%08d", i);
        assert_memory_equal(a.bytes + i * 8, text, 8);
    }
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(a.ranges[i].range.at, i);
    answer_free(&a, m.buddy);
    memory_close(&m);
}

static void
without_memory_nothing_changes(void **state)
{
    (void)state;
    struct memory m;
    struct answer a = {0};
    memory_open(&m, 1 << 12, 1 << 12);
    text_add(&a, &m, "....");
    assert_false(answer_reserve(&a, m.buddy, 1 << 13));
    assert_false(answer_reserve(&a, m.buddy, UINT32_MAX - 2));
    assert_int_equal(a.len, 4);
    size_t room;
    void *rest[16];
    int n = 0;
    while ((rest[n] = buddy_take(m.buddy, 256, &room)))
        n++;
    struct store_range range = {.len = 1};
    assert_false(answer_add_range(&a, m.buddy, 0, &range));
    assert_int_equal(a.range_count, 0);
    assert_memory_equal(a.bytes, "....", 4);
    while (n)
        buddy_give(m.buddy, rest[--n]);
    answer_free(&a, m.buddy);
    memory_close(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_length_counts_bytes_and_ranges_but_not_itself),
        cmocka_unit_test(what_was_written_survives_growth),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
