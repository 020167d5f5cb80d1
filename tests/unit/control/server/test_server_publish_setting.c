#include "control/meta/meta_resource.h"
#include "control/server/server_publish.h"
#include "core/base/err.h"
#include "tests/unit/control/server/region_fixture.h"

static struct meta_image image;
static struct server_publish publish;
static struct region_fixture region;
static const struct meta_rules rules = {.node_id = 7};

static int
open_region(void **state)
{
    region_fixture_open(&region, 1 << 16);
    meta_image_init(&image, FIXTURE_TOPICS, FIXTURE_PARTITIONS);
    server_publish_init(&publish, &region.region, &image, &rules, 1);
    return 0;
}

static int
close_region(void **state)
{
    server_publish_free(&publish);
    meta_image_free(&image);
    region_fixture_close(&region);
    return 0;
}

static void
set(const char *broker, const char *key, const char *value)
{
    uint8_t entry[512];
    struct put w = put_of(entry, sizeof entry);
    meta_put_setting(&w, META_RESOURCE_BROKER, view_of_text(broker), view_of_text(key), value);
    assert_int_equal(meta_apply(&image, 1, image.index + 1, view_of(entry, put_len(&w))), ERR_OK);
}

static int64_t
word(enum region_setting key)
{
    return region_setting(&region.region, key, 4711);
}

static void
a_setting_reaches_its_word_and_leaves_it(void **state)
{
    server_publish_settings(&publish, image.index);
    assert_int_equal(word(REGION_PRODUCER_EXPIRY_MS), 4711);
    set("", "producer.id.expiration.ms", "500");
    set("", "transaction.partition.verification.enable", "false");
    set("7", "max.connections", "9");
    set("7", "max.connections.per.ip", "5");
    set("", "max.connection.creation.rate", "6");
    set("7", "listener.name.plaintext.max.connections", "8");
    set("7", "listener.name.plaintext.max.connection.creation.rate", "3");
    set("7", "log.cleaner.backoff.ms", "0");
    set("7", "log.cleaner.io.max.bytes.per.second", "1000000");
    server_publish_settings(&publish, image.index);
    assert_true(publish.shards[0].sent); /* a shard that sleeps is to look */
    assert_int_equal(word(REGION_PRODUCER_EXPIRY_MS), 500);
    assert_int_equal(word(REGION_TXN_VERIFY), 0);
    assert_int_equal(word(REGION_MAX_CONNECTIONS), 9);
    assert_int_equal(word(REGION_CONNECTIONS_PER_IP), 5);
    assert_int_equal(word(REGION_CONNECTION_RATE), 6);
    assert_int_equal(word(REGION_LISTENER_CONNECTIONS), 8);
    assert_int_equal(word(REGION_LISTENER_RATE), 3);
    assert_int_equal(word(REGION_CLEANER_BACKOFF_MS), 0);
    assert_int_equal(word(REGION_CLEANER_RATE), 1000000);
    set("", "transaction.partition.verification.enable", "true");
    set("7", "max.connections", NULL);
    server_publish_settings(&publish, image.index);
    assert_int_equal(word(REGION_TXN_VERIFY), 1);
    assert_int_equal(word(REGION_MAX_CONNECTIONS), 4711);
}

static void
a_setting_is_not_published_before_it_is_committed(void **state)
{
    set("", "producer.id.expiration.ms", "500");
    server_publish_settings(&publish, image.index - 1);
    assert_int_equal(word(REGION_PRODUCER_EXPIRY_MS), 4711);
    server_publish_settings(&publish, image.index);
    assert_int_equal(word(REGION_PRODUCER_EXPIRY_MS), 500);
}

static void
a_new_control_publishes_what_it_has_read(void **state)
{
    set("", "producer.id.expiration.ms", "500");
    server_publish_settings(&publish, image.index);
    set("", "producer.id.expiration.ms", NULL);
    server_publish_free(&publish);
    server_publish_init(&publish, &region.region, &image, &rules, 2);
    server_publish_settings(&publish, image.index);
    assert_int_equal(word(REGION_PRODUCER_EXPIRY_MS), 4711);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_setting_reaches_its_word_and_leaves_it, open_region,
                                        close_region),
        cmocka_unit_test_setup_teardown(a_setting_is_not_published_before_it_is_committed,
                                        open_region, close_region),
        cmocka_unit_test_setup_teardown(a_new_control_publishes_what_it_has_read, open_region,
                                        close_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
