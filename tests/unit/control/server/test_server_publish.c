#include "control/server/server_publish.h"
#include "core/wire/batch.h"
#include "tests/unit/control/server/region_fixture.h"

struct fixture {
    struct region_fixture r;
    struct meta_image image;
    struct meta_rules rules;
    struct server_publish publish;
};

static void
setup(struct fixture *f, uint32_t ring_bytes)
{
    memset(f, 0, sizeof *f);
    region_fixture_open(&f->r, ring_bytes);
    meta_image_init(&f->image, FIXTURE_TOPICS, FIXTURE_PARTITIONS);
    f->rules = (struct meta_rules){.node_id = 1, .partitions_default = 1};
    server_publish_init(&f->publish, &f->r.region, &f->image, &f->rules, 1);
}

static void
teardown(struct fixture *f)
{
    server_publish_free(&f->publish);
    meta_image_free(&f->image);
    region_fixture_close(&f->r);
}

static void
entry(struct fixture *f, void (*fill)(struct put *out))
{
    uint8_t at[1024];
    struct put w = put_of(at, sizeof at);
    fill(&w);
    assert_int_equal(meta_apply(&f->image, 1, f->image.index + 1, view_of(at, put_len(&w))),
                     ERR_OK);
}

static const uint8_t topic_id[META_ID_BYTES] = {1, 2, 3};

static void
topic_made(struct put *w)
{
    meta_put_topic(w, 2, topic_id, false, view_of_text("t"));
    meta_put_config(w, 2, META_CONFIG_TIMESTAMP_TYPE, "LogAppendTime");
    meta_put_partitions(w, 2, 0, 1, (uint32_t[]){5, 7}, 2);
}

static void
topic_deleting(struct put *w)
{
    meta_put_deleting(w, 2);
}

static void
topic_gone(struct put *w)
{
    meta_put_gone(w, 2);
}

static struct table_topic_fact
topic_row(struct fixture *f, uint32_t row)
{
    struct table_topic_fact fact;
    assert_int_equal(table_topic_read(&region_topics(&f->r.region)[row], &fact), ERR_OK);
    return fact;
}

static struct table_want_fact
want_row(struct fixture *f, uint32_t row)
{
    struct table_want_fact fact;
    assert_int_equal(table_want_read(&region_want(&f->r.region)[row], &fact), ERR_OK);
    return fact;
}

static void
a_row_is_written_only_when_its_entry_is_committed(void **state)
{
    struct fixture f;
    setup(&f, 4096);
    entry(&f, topic_made);
    server_publish_rows(&f.publish, 0);
    assert_int_equal(topic_row(&f, 2).state, TABLE_FREE);
    server_publish_rows(&f.publish, 1);
    struct table_topic_fact t = topic_row(&f, 2);
    assert_int_equal(t.state, TABLE_LIVE);
    assert_int_equal(t.version, 1);
    assert_int_equal(t.partition_count, 2);
    assert_memory_equal(t.id, topic_id, sizeof topic_id);
    assert_int_equal(t.name_bytes, 1);
    assert_int_equal(t.config.log_append_time, 1);
    assert_int_equal(t.config.segment_bytes, 1073741824);
    assert_int_equal(t.config.cleanup_delete, 1);
    assert_int_equal(t.config.compression, TABLE_COMPRESSION_PRODUCER);
    assert_int_equal(t.config.write_caching, 0);
    struct table_want_fact w = want_row(&f, 7);
    assert_int_equal(w.state, TABLE_LIVE);
    assert_int_equal(w.topic, 2);
    assert_int_equal(w.partition, 1);
    assert_int_equal(w.leader_id, 1);
    teardown(&f);
}

static const char *codec_named;

static void
codec_set(struct put *w)
{
    meta_put_config(w, 2, META_CONFIG_COMPRESSION, codec_named);
    meta_put_config(w, 2, META_CONFIG_WRITE_CACHING, "true");
}

static void
a_codec_and_write_caching_reach_the_row(void **state)
{
    static const struct {
        const char *name;
        uint8_t codec;
    } codecs[] = {{"uncompressed", BATCH_NONE}, {"gzip", BATCH_GZIP}, {"snappy", BATCH_SNAPPY},
                  {"lz4", BATCH_LZ4},           {"zstd", BATCH_ZSTD}, {"producer", 255}};
    struct fixture f;
    setup(&f, 4096);
    entry(&f, topic_made);
    for (uint32_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        codec_named = codecs[i].name;
        entry(&f, codec_set);
        server_publish_rows(&f.publish, i + 2);
        assert_int_equal(topic_row(&f, 2).config.compression, codecs[i].codec);
        assert_int_equal(topic_row(&f, 2).config.write_caching, 1);
    }
    teardown(&f);
}

static void
a_row_that_is_right_keeps_its_version_over_a_restart(void **state)
{
    struct fixture f;
    setup(&f, 4096);
    entry(&f, topic_made);
    server_publish_rows(&f.publish, 1);
    server_publish_all(&f.publish); /* as at every start */
    server_publish_rows(&f.publish, 1);
    assert_int_equal(topic_row(&f, 2).version, 1);
    assert_int_equal(want_row(&f, 5).version, 1);
    entry(&f, topic_deleting);
    server_publish_rows(&f.publish, 2);
    assert_int_equal(topic_row(&f, 2).version, 2);
    assert_int_equal(want_row(&f, 5).state, TABLE_DELETING);
    entry(&f, topic_gone);
    server_publish_rows(&f.publish, 3);
    assert_int_equal(topic_row(&f, 2).state, TABLE_FREE);
    assert_int_equal(want_row(&f, 5).version, 3);
    teardown(&f);
}

static uint32_t
bells_of(struct fixture *f, uint32_t shard, uint32_t kind)
{
    struct chan_message m;
    uint32_t n = 0;
    while (chan_peek(&f->r.to_data[shard], &m) == ERR_OK) {
        n += m.kind == kind;
        chan_done(&f->r.to_data[shard]);
    }
    return n;
}

static void
each_shard_hears_of_each_change(void **state)
{
    struct fixture f;
    setup(&f, 4096);
    entry(&f, topic_made);
    server_publish_rows(&f.publish, 1);
    assert_false(server_publish_bells(&f.publish));
    assert_int_equal(bells_of(&f, 0, MSG_TOPIC), 1);
    assert_int_equal(bells_of(&f, 1, MSG_WANT), 2);
    assert_false(server_publish_bells(&f.publish));
    assert_int_equal(bells_of(&f, 0, MSG_TOPIC), 0);
    server_publish_ring_all(&f.publish);
    assert_false(server_publish_bells(&f.publish));
    assert_int_equal(bells_of(&f, 0, MSG_WANT), 2);
    teardown(&f);
}

static void
a_full_ring_only_delays_bells(void **state)
{
    struct fixture f;
    setup(&f, 2048);
    entry(&f, topic_made);
    server_publish_rows(&f.publish, 1);
    while (chan_reserve(&f.publish.shards[0].to_data, sizeof(struct msg_answer)))
        chan_publish(&f.publish.shards[0].to_data, MSG_CLOSE, 1, sizeof(struct msg_answer));
    assert_true(server_publish_bells(&f.publish));
    assert_int_equal(bells_of(&f, 1, MSG_WANT), 2);
    assert_int_equal(bells_of(&f, 0, MSG_WANT), 0);
    assert_false(server_publish_bells(&f.publish));
    assert_int_equal(bells_of(&f, 0, MSG_WANT), 2);
    teardown(&f);
}

static void
a_topic_is_open_when_every_shard_said_so_of_this_version(void **state)
{
    struct fixture f;
    setup(&f, 4096);
    entry(&f, topic_made);
    assert_int_equal(server_publish_opened(&f.publish, 2), SERVER_WAITING);
    server_publish_rows(&f.publish, 1);
    region_fixture_report(&f.r, 5, TABLE_OPEN);
    assert_int_equal(server_publish_opened(&f.publish, 2), SERVER_WAITING);
    region_fixture_report(&f.r, 7, TABLE_FAILED);
    assert_int_equal(server_publish_opened(&f.publish, 2), SERVER_DONE);
    teardown(&f);
}

static void
a_topic_is_gone_when_no_shard_has_it(void **state)
{
    struct fixture f;
    setup(&f, 4096);
    entry(&f, topic_made);
    server_publish_rows(&f.publish, 1);
    region_fixture_report(&f.r, 5, TABLE_OPEN);
    region_fixture_report(&f.r, 7, TABLE_GONE); /* of the live row: means nothing */
    entry(&f, topic_deleting);
    assert_int_equal(server_publish_gone(&f.publish, 2), SERVER_WAITING);
    server_publish_rows(&f.publish, 2);
    assert_int_equal(server_publish_gone(&f.publish, 2), SERVER_WAITING);
    region_fixture_report(&f.r, 5, TABLE_GONE);
    region_fixture_report(&f.r, 7, TABLE_GONE);
    assert_int_equal(server_publish_gone(&f.publish, 2), SERVER_DONE);
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_written_only_when_its_entry_is_committed),
        cmocka_unit_test(a_codec_and_write_caching_reach_the_row),
        cmocka_unit_test(a_row_that_is_right_keeps_its_version_over_a_restart),
        cmocka_unit_test(each_shard_hears_of_each_change),
        cmocka_unit_test(a_full_ring_only_delays_bells),
        cmocka_unit_test(a_topic_is_open_when_every_shard_said_so_of_this_version),
        cmocka_unit_test(a_topic_is_gone_when_no_shard_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
