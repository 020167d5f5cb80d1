#include "core/shm/table.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <string.h>

enum { STRESS_WRITES = 200000 };

static struct table_topic topic;
static struct table_want want;
static struct table_have have;

static int
zero_rows(void **state)
{
    memset(&topic, 0, sizeof topic);
    memset(&want, 0, sizeof want);
    memset(&have, 0, sizeof have);
    return 0;
}

static void
each_kind_of_row_reads_back_what_was_written(void **state)
{
    struct table_topic_fact t = {.state = TABLE_LIVE, .version = 3, .name_bytes = 2}, t2;
    memcpy(t.name, "ab", 2);
    t.config.retention_ms = -1;
    struct table_want_fact w = {.state = TABLE_LIVE, .partition = 5, .leader_epoch = 8}, w2;
    struct table_have_fact h = {.state = TABLE_OPEN, .log_end_offset = INT64_MAX, .bytes = 7}, h2;
    table_topic_write(&topic, &t);
    table_want_write(&want, &w);
    table_have_write(&have, &h);
    assert_int_equal(table_topic_read(&topic, &t2), ERR_OK);
    assert_int_equal(table_want_read(&want, &w2), ERR_OK);
    assert_int_equal(table_have_read(&have, &h2), ERR_OK);
    assert_memory_equal(&t, &t2, sizeof t);
    assert_memory_equal(&w, &w2, sizeof w);
    assert_memory_equal(&h, &h2, sizeof h);
}

static void
a_row_never_written_reads_as_free(void **state)
{
    struct table_want_fact w;
    assert_int_equal(table_want_read(&want, &w), ERR_OK);
    assert_int_equal(w.state, TABLE_FREE);
}

static void
a_row_left_odd_by_a_dead_writer_is_not_read(void **state)
{
    struct table_want_fact w;
    atomic_store(&want.seq, 41);
    assert_int_equal(table_want_read(&want, &w), ERR_AGAIN);
}

static void
the_next_write_mends_a_row_left_odd(void **state)
{
    struct table_want_fact w = {.state = TABLE_LIVE, .version = 9}, seen;
    atomic_store(&want.seq, 41);
    want.fact.version = 0xdead; /* half a write */
    table_want_write(&want, &w);
    assert_int_equal(atomic_load(&want.seq), 42);
    assert_int_equal(table_want_read(&want, &seen), ERR_OK);
    assert_memory_equal(&w, &seen, sizeof w);
}

static void
the_sequence_survives_its_wrap(void **state)
{
    struct table_want_fact w = {.version = 1}, seen;
    atomic_store(&want.seq, UINT32_MAX - 1);
    table_want_write(&want, &w);
    assert_int_equal(atomic_load(&want.seq), 0);
    assert_int_equal(table_want_read(&want, &seen), ERR_OK);
    assert_int_equal(seen.version, 1);
}

static void *
stress_write(void *arg)
{
    for (uint32_t i = 1; i <= STRESS_WRITES; i++) {
        struct table_have_fact h = {.version = i};
        memset(h.topic_id, (int)(i & 0xff), sizeof h.topic_id);
        h.log_start_offset = h.high_watermark = h.log_end_offset = i;
        h.bytes = i;
        table_have_write(&have, &h);
    }
    return arg;
}

static void
a_reader_never_sees_half_a_write(void **state)
{
    pthread_t thread;
    uint32_t last = 0;
    assert_int_equal(pthread_create(&thread, NULL, stress_write, NULL), 0);
    while (last < STRESS_WRITES) {
        struct table_have_fact h;
        if (table_have_read(&have, &h))
            continue;
        assert_true(h.version >= last);
        assert_int_equal(h.log_start_offset, h.version);
        assert_int_equal(h.high_watermark, h.version);
        assert_int_equal(h.log_end_offset, h.version);
        assert_int_equal(h.bytes, h.version);
        for (size_t i = 0; i < sizeof h.topic_id; i++)
            assert_int_equal(h.topic_id[i], h.version & 0xff);
        last = h.version;
    }
    pthread_join(thread, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_kind_of_row_reads_back_what_was_written, zero_rows),
        cmocka_unit_test_setup(a_row_never_written_reads_as_free, zero_rows),
        cmocka_unit_test_setup(a_row_left_odd_by_a_dead_writer_is_not_read, zero_rows),
        cmocka_unit_test_setup(the_next_write_mends_a_row_left_odd, zero_rows),
        cmocka_unit_test_setup(the_sequence_survives_its_wrap, zero_rows),
        cmocka_unit_test_setup(a_reader_never_sees_half_a_write, zero_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
