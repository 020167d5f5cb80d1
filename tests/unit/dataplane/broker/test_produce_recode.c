#include "dataplane/broker/produce_in.h"
#include "tests/unit/dataplane/broker/harness.h"

static struct make_batch maker;
static uint8_t value[20000];

/* A batch of one record; `noisy` bytes of its value do not compress. */
static struct view
batch_of(enum make_codec codec, uint32_t bytes, uint32_t noisy, struct batch_info *info)
{
    uint64_t seed = 11;
    memset(value, 'x', sizeof value);
    make_noise(&seed, value, noisy);
    make_begin(&maker);
    make_add(&maker,
             (struct make_record){.key = view_of_text("k"), .value = view_of(value, bytes)});
    struct view v = make_end(&maker, codec);
    assert_int_equal(batch_header(v, info), ERR_OK);
    info->found_timestamp_ms = 4711;
    return v;
}

static struct table_topic_config
topic_of(uint8_t compression, uint32_t bytes_max)
{
    return (struct table_topic_config){.max_message_bytes = bytes_max,
                                       .compression = compression,
                                       .gzip_level = -1,
                                       .lz4_level = 9,
                                       .zstd_level = 3};
}

static int
recode(struct harness *h, const struct table_topic_config *c, struct view *records,
       struct batch_info *info)
{
    void *block;
    const char *why = NULL;
    int error = produce_recode(&h->shards[0], c, records, info, &block, &why);
    assert_int_equal(why != NULL, error > KERR_NONE);
    if (block) {
        memcpy(maker.inside, records->at, records->len);
        *records = view_of(maker.inside, records->len);
        buddy_give(h->shards[0].memory, block);
    }
    return error;
}

static void
a_batch_of_the_topics_codec_or_of_any_for_producer_is_left_alone(void **state)
{
    struct harness *h = harness_new(1, NULL);
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        struct batch_info info, before;
        struct view v = batch_of((enum make_codec)codec, 500, 50, &info), was = v;
        struct table_topic_config any = topic_of(TABLE_COMPRESSION_PRODUCER, 100000);
        struct table_topic_config same = topic_of(info.attributes & BATCH_CODEC_MASK, 100000);
        before = info;
        assert_int_equal(recode(h, &any, &v, &info), KERR_NONE);
        assert_int_equal(recode(h, &same, &v, &info), KERR_NONE);
        assert_ptr_equal(v.at, was.at);
        assert_memory_equal(&before, &info, sizeof info);
    }
    assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_RECOMPRESSED), 0);
    harness_free(h);
}

static void
a_batch_of_another_codec_gets_the_topics(void **state)
{
    struct harness *h = harness_new(1, NULL);
    for (int from = MAKE_NONE; from < MAKE_CODECS; from++)
        for (uint8_t to = BATCH_NONE; to < BATCH_CODECS; to++) {
            struct batch_info info;
            struct view v = batch_of((enum make_codec)from, 5000, 500, &info);
            struct table_topic_config c = topic_of(to, 100000);
            assert_int_equal(recode(h, &c, &v, &info), KERR_NONE);
            assert_int_equal(info.attributes & BATCH_CODEC_MASK, to);
            assert_int_equal(info.bytes, v.len);
            assert_int_equal(info.found_timestamp_ms, 4711);
            assert_true(batch_crc_ok(v, &info));
        }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

/* Kafka checks the size again after it recompressed. */
static void
what_grows_beyond_max_message_bytes_is_too_large(void **state)
{
    struct harness *h = harness_new(1, NULL);
    struct batch_info info;
    struct view v = batch_of(MAKE_GZIP, 5000, 0, &info);
    assert_true(v.len < 500);
    struct table_topic_config small = topic_of(BATCH_NONE, 5000);
    assert_int_equal(recode(h, &small, &v, &info), KERR_MESSAGE_TOO_LARGE);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    struct table_topic_config large = topic_of(BATCH_NONE, 5100);
    assert_int_equal(recode(h, &large, &v, &info), KERR_NONE);
    harness_free(h);
}

static void
what_does_not_compress_may_grow_while_it_fits(void **state)
{
    struct harness *h = harness_new(1, NULL);
    for (uint8_t to = BATCH_GZIP; to < BATCH_CODECS; to++) {
        struct batch_info info;
        struct view v = batch_of(MAKE_NONE, sizeof value, sizeof value, &info);
        struct table_topic_config c = topic_of(to, 100000);
        assert_int_equal(recode(h, &c, &v, &info), KERR_NONE);
    }
    harness_free(h);
}

static void
without_memory_the_batch_waits(void **state)
{
    struct harness *h = harness_new(1, NULL);
    struct buddy *memory = h->shards[0].memory;
    static void *taken[SHARD_ANSWER_BYTES / SHARD_ANSWER_BLOCK_MAX];
    size_t room;
    uint32_t n = 0;
    while (n < sizeof taken / sizeof *taken &&
           (taken[n] = buddy_take(memory, SHARD_ANSWER_BLOCK_MAX, &room)))
        n++;
    struct batch_info info;
    struct view v = batch_of(MAKE_NONE, 100, 0, &info);
    struct table_topic_config c = topic_of(BATCH_ZSTD, 100000);
    assert_int_equal(recode(h, &c, &v, &info), ERR_AGAIN);
    assert_true(n > 0);
    while (n > 0)
        buddy_give(memory, taken[--n]);
    assert_int_equal(recode(h, &c, &v, &info), KERR_NONE);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_of_the_topics_codec_or_of_any_for_producer_is_left_alone),
        cmocka_unit_test(a_batch_of_another_codec_gets_the_topics),
        cmocka_unit_test(what_grows_beyond_max_message_bytes_is_too_large),
        cmocka_unit_test(what_does_not_compress_may_grow_while_it_fits),
        cmocka_unit_test(without_memory_the_batch_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
