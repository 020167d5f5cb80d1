#include "control/meta/meta_quota.h"
#include "control/server/server_publish.h"
#include "tests/unit/control/server/region_fixture.h"

static struct meta_image image;
static struct server_publish publish;
static struct region_fixture region;
static struct quotas_fact fact;
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

/* NULL: not part of the entity, "": the default. */
static void
set_parts(const char *const names[META_QUOTA_PARTS], const char *key, const char *value)
{
    struct meta_quota_entity q = {0};
    uint8_t bytes[META_RESOURCE_NAME_BYTES_MAX], entry[2048];
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++)
        if (names[p])
            q.parts[p] = (struct meta_quota_part){names[p][0] ? (uint8_t)META_QUOTA_NAMED
                                                              : (uint8_t)META_QUOTA_DEFAULT,
                                                  view_of_text(names[p])};
    struct put w = put_of(entry, sizeof entry);
    meta_put_setting(&w, META_RESOURCE_QUOTA, meta_quota_name(&q, bytes), view_of_text(key), value);
    assert_int_equal(meta_apply(&image, 1, image.index + 1, view_of(entry, put_len(&w))), ERR_OK);
}

static void
set(const char *user, const char *client, const char *key, const char *value)
{
    set_parts((const char *const[META_QUOTA_PARTS]){user, client}, key, value);
}

static void
set_address(const char *ip, const char *value)
{
    set_parts((const char *const[META_QUOTA_PARTS]){[META_QUOTA_IP] = ip},
              "connection_creation_rate", value);
}

static void
set_overrides(const char *broker, const char *value)
{
    uint8_t entry[512];
    struct put w = put_of(entry, sizeof entry);
    meta_put_setting(&w, META_RESOURCE_BROKER, view_of_text(broker),
                     view_of_text("max.connections.per.ip.overrides"), value);
    assert_int_equal(meta_apply(&image, 1, image.index + 1, view_of(entry, put_len(&w))), ERR_OK);
}

static uint32_t
published(uint64_t committed)
{
    uint32_t version;
    server_publish_quotas(&publish, committed);
    assert_int_equal(quotas_read(region_quotas(&region.region), &fact, &version), ERR_OK);
    return version;
}

static void
each_level_has_its_place(void **state)
{
    set("ANONYMOUS", "c", "producer_byte_rate", "1");
    set("", "c", "consumer_byte_rate", "2");
    set(NULL, "c", "request_percentage", "3");
    set("ANONYMOUS", "", "producer_byte_rate", "4");
    set("ANONYMOUS", NULL, "producer_byte_rate", "5");
    set("", "", "producer_byte_rate", "6");
    set("", NULL, "producer_byte_rate", "7");
    set(NULL, "", "producer_byte_rate", "8");
    set("somebody", NULL, "producer_byte_rate", "9");
    (void)published(image.index);
    assert_int_equal(fact.count, 1);
    assert_true(fact.rows[0].bounds[QUOTAS_USER_CLIENT][QUOTAS_PRODUCE] == 1);
    assert_true(fact.rows[0].bounds[QUOTAS_ANY_USER_CLIENT][QUOTAS_FETCH] == 2);
    assert_true(fact.rows[0].bounds[QUOTAS_CLIENT][QUOTAS_REQUEST] == 3e7);
    assert_true(fact.defaults[QUOTAS_USER_ANY_CLIENT][QUOTAS_PRODUCE] == 4);
    assert_true(fact.defaults[QUOTAS_USER][QUOTAS_PRODUCE] == 5);
    assert_true(fact.defaults[QUOTAS_ANY_USER_ANY_CLIENT][QUOTAS_PRODUCE] == 6);
    assert_true(fact.defaults[QUOTAS_ANY_USER][QUOTAS_PRODUCE] == 7);
    assert_true(fact.defaults[QUOTAS_ANY_CLIENT][QUOTAS_PRODUCE] == 8);
}

/* Rows are in no order: those of overrides come first. */
static void
an_address_has_its_limit_and_its_rate_in_one_row(void **state)
{
    publish.overrides = "192.0.2.7:5,2001:db8::1:6";
    set_address("192.0.2.7", "3");
    set_address("192.0.2.8", "4");
    set_address("", "9");
    set(NULL, "c", "producer_byte_rate", "1");
    (void)published(image.index);
    assert_int_equal(fact.address_count, 3);
    assert_int_equal(fact.addresses[0].connections_max, 5);
    assert_int_equal(fact.addresses[0].creation_rate, 3);
    assert_int_equal(fact.addresses[1].connections_max, 6);
    assert_int_equal(fact.addresses[1].creation_rate, 0);
    assert_int_equal(fact.addresses[2].connections_max, -1);
    assert_int_equal(fact.addresses[2].creation_rate, 4);
    assert_int_equal(fact.creation_rate, 9);
    assert_int_equal(fact.count, 1);
}

static void
overrides_that_were_altered_take_the_place_of_those_of_the_start(void **state)
{
    publish.overrides = "192.0.2.7:5";
    set_overrides("", "192.0.2.8:1,192.0.2.9:2");
    (void)published(image.index);
    assert_int_equal(fact.address_count, 2);
    set_overrides("7", "192.0.2.9:0");
    (void)published(image.index - 1); /* not committed */
    assert_int_equal(fact.address_count, 2);
    (void)published(image.index);
    assert_int_equal(fact.address_count, 1);
    assert_int_equal(fact.addresses[0].connections_max, 0);
    set_overrides("7", NULL);
    set_overrides("", NULL);
    (void)published(image.index);
    assert_int_equal(fact.address_count, 1);
    assert_int_equal(fact.addresses[0].connections_max, 5);
}

static void
nothing_is_published_before_it_is_committed(void **state)
{
    uint32_t before = published(0);
    set(NULL, "c", "producer_byte_rate", "1");
    assert_int_equal(published(image.index - 1), before);
    assert_int_equal(fact.count, 0);
    assert_int_not_equal(published(image.index), before);
    assert_int_equal(fact.count, 1);
    set(NULL, "c", "producer_byte_rate", NULL);
    (void)published(image.index);
    assert_int_equal(fact.count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_level_has_its_place, open_region, close_region),
        cmocka_unit_test_setup_teardown(an_address_has_its_limit_and_its_rate_in_one_row,
                                        open_region, close_region),
        cmocka_unit_test_setup_teardown(
            overrides_that_were_altered_take_the_place_of_those_of_the_start, open_region,
            close_region),
        cmocka_unit_test_setup_teardown(nothing_is_published_before_it_is_committed, open_region,
                                        close_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
