#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

static struct batch_info
info_of(uint32_t bytes, int32_t records)
{
    return (struct batch_info){.bytes = bytes, .last_offset_delta = records - 1, .producer_id = -1};
}

static void
make(struct plog *p)
{
    plog_init(p);
    fixture_topic(9, p->topic);
    p->partition = 12;
    p->config = (struct plog_config){.segment_bytes = 1000, .segment_ms = 50};
}

static void
a_log_rolls_by_size_by_age_and_by_offset(void **state)
{
    (void)state;
    struct plog p;
    make(&p);
    struct batch_info info = info_of(600, 10);
    assert_true(plog_roll_wanted(&p, &info, 100));
    struct segment *seg = plog_roll(&p, 0);
    assert_false(plog_roll_wanted(&p, &info, 100));
    plog_note(&p, seg, 0, &info, 1, 100);
    assert_true(plog_roll_wanted(&p, &info, 100));
    info.bytes = 400;
    assert_false(plog_roll_wanted(&p, &info, 150));
    assert_true(plog_roll_wanted(&p, &info, 151));
    p.end = INT32_MAX;
    assert_true(plog_roll_wanted(&p, &info, 100));
    plog_free(&p);
}

static void
a_batch_larger_than_a_segment_gets_one_of_its_own(void **state)
{
    (void)state;
    struct plog p;
    make(&p);
    struct batch_info info = info_of(5000, 1);
    plog_roll(&p, 0);
    assert_false(plog_roll_wanted(&p, &info, 0));
    plog_note(&p, plog_last(&p), 0, &info, 1, 0);
    assert_true(plog_roll_wanted(&p, &info, 0));
    plog_free(&p);
}

static void
offsets_find_their_segment(void **state)
{
    (void)state;
    struct plog p;
    make(&p);
    for (int64_t base = 100; base < 1000; base += 100)
        plog_roll(&p, base);
    p.end = 1000;
    assert_null(plog_segment_of(&p, 99));
    for (int64_t offset = 100; offset < 1000; offset++)
        assert_int_equal(plog_segment_of(&p, offset)->base, offset / 100 * 100);
    assert_int_equal(plog_segment_limit(&p, plog_segment_at(&p, 300)), 400);
    assert_int_equal(plog_segment_limit(&p, plog_segment_at(&p, 900)), 1000);
    assert_null(plog_segment_at(&p, 150));
    plog_free(&p);
}

static void
a_saved_log_loads_as_it_was(void **state)
{
    (void)state;
    struct plog p, q;
    make(&p);
    struct batch_info info = info_of(600, 10);
    info.producer_id = 4;
    for (int i = 0; i < 20; i++) {
        if (plog_roll_wanted(&p, &info, i))
            plog_roll(&p, p.end);
        info.base_sequence = i * 10;
        struct plog_when when = {p.end, i, i, 1};
        assert_int_equal(plog_note_producer(&p, &info, view_of(NULL, 0), &when), ERR_OK);
        assert_int_equal(plog_note(&p, plog_last(&p), p.end, &info, i / 4, i), ERR_OK);
        plog_last(&p)->named = i < 10;
        plog_last(&p)->written = plog_last(&p)->synced = 300;
    }
    uint64_t bytes = plog_save_bytes(&p);
    uint8_t *mem = malloc(bytes);
    struct put w = put_of(mem, (uint32_t)bytes);
    plog_save(&p, &w);
    assert_int_equal(put_len(&w), bytes);
    struct cur c = cur_of(view_of(mem, (uint32_t)bytes));
    assert_int_equal(plog_load(&q, &c), ERR_OK);
    assert_int_equal(q.end, 200);
    assert_int_equal(q.segment_count, 20);
    assert_int_equal(q.segments[3]->synced, 300);
    assert_int_equal(q.segments[15]->synced, 0); /* no durable name: nothing counts */
    assert_int_equal(q.epoch_count, 5);
    assert_int_equal(q.epochs[2].start, 80);
    assert_int_equal(q.producers.count, 1);
    assert_memory_equal(q.topic, p.topic, 16);
    plog_free(&q);
    for (uint32_t cut = 0; cut < bytes; cut += 13) {
        c = cur_of(view_of(mem, cut));
        assert_int_equal(plog_load(&q, &c), ERR_CORRUPT);
    }
    free(mem);
    plog_free(&p);
}

static void
paths_use_the_topic_id_as_kafka_prints_it(void **state)
{
    (void)state;
    struct plog p;
    make(&p);
    char path[PLOG_PATH_BYTES];
    static const uint8_t id[16] = {0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    memcpy(p.topic, id, 16);
    plog_path_segment(&p, 1234, ".log", path);
    assert_string_equal(path, "log/-_8AAAAAAAAAAAAAAAAAAQ/12/00000000000000001234.log");
    plog_free(&p);
}

static void
facts_tell_the_epoch_of_the_last_batch(void **state)
{
    (void)state;
    struct plog p;
    struct plog_facts facts;
    make(&p);
    plog_facts(&p, &facts);
    assert_int_equal(facts.leader_epoch, -1);
    struct batch_info info = info_of(600, 10);
    plog_note(&p, plog_roll(&p, 0), 0, &info, 7, 5);
    plog_facts(&p, &facts);
    assert_int_equal(facts.leader_epoch, 7);
    assert_int_equal(facts.log_end_offset, 10);
    assert_int_equal(facts.bytes, 600);
    p.start = 4;
    plog_facts(&p, &facts);
    assert_int_equal(facts.log_start_offset, 4);
    assert_int_equal(plog_log_start(&p), 4);
    plog_free(&p);
}

static void
segments_roll_earlier_by_some_part_of_the_jitter(void **state)
{
    (void)state;
    struct batch_info info = {.bytes = 10};
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct plog p;
        plog_init(&p);
        p.config = (struct plog_config){
            .segment_bytes = 1000, .segment_ms = 1000, .segment_jitter_ms = 400};
        p.jitter_seed = seed;
        struct segment *seg = plog_roll(&p, 0);
        assert_int_equal(plog_note(&p, seg, 0, &info, 0, 5000), ERR_OK);
        int64_t at = 5000;
        while (!plog_roll_wanted(&p, &info, at))
            at++;
        assert_true(at > 5600 && at <= 6001);
        least = at < least ? at : least;
        most = at > most ? at : most;
        p.config.segment_jitter_ms = 0;
        assert_false(plog_roll_wanted(&p, &info, 6000));
        assert_true(plog_roll_wanted(&p, &info, 6001));
        plog_free(&p);
    }
    assert_true(most - least > 200);
}

/* Kafka: an entry each time that more than the interval has been appended since the last one. */
static void
a_full_index_rolls_the_segment(void **state)
{
    (void)state;
    struct batch_info info = {.bytes = 60};
    static const struct {
        uint32_t index_bytes;
        bool times_grow;
        int batches;
    } cases[] = {{40, false, 11}, {48, true, 7}, {4, false, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plog p;
        plog_init(&p);
        p.config = (struct plog_config){.segment_bytes = 100000,
                                        .index_interval_bytes = 100,
                                        .segment_index_bytes = cases[i].index_bytes};
        struct segment *seg = plog_roll(&p, 0);
        int n = 0;
        do {
            assert_int_equal(plog_note(&p, seg, n, &info, 0, cases[i].times_grow ? 5000 + n : 5000),
                             ERR_OK);
            n++;
            assert_true(n < 100);
        } while (!plog_roll_wanted(&p, &info, 5000));
        assert_int_equal(n, cases[i].batches);
        plog_free(&p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_rolls_by_size_by_age_and_by_offset),
        cmocka_unit_test(a_batch_larger_than_a_segment_gets_one_of_its_own),
        cmocka_unit_test(offsets_find_their_segment),
        cmocka_unit_test(a_saved_log_loads_as_it_was),
        cmocka_unit_test(paths_use_the_topic_id_as_kafka_prints_it),
        cmocka_unit_test(facts_tell_the_epoch_of_the_last_batch),
        cmocka_unit_test(segments_roll_earlier_by_some_part_of_the_jitter),
        cmocka_unit_test(a_full_index_rolls_the_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
