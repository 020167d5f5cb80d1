#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"
#include "tests/unit/unit.h"

static _Alignas(16) uint8_t memory[1 << 16];
static struct wire_arena arena;

static int
decode(const struct wire_message *m, int16_t version, const void *bytes, uint32_t n, void *out)
{
    wire_arena_init(&arena, memory, sizeof memory);
    return wire_decode(m, version, view_of(bytes, n), out, &arena);
}

#define decode_text(m, version, text, out) decode(m, version, text, sizeof(text) - 1, out)

static void
a_plain_version_is_read_field_by_field(void **state)
{
    struct wire_create_topics_request r;
    static const char bytes[] = "\0\0\0\1\0\1t\0\0\0\5\0\3\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0\11"
                                "\0\0\0\1\0\1k\xff\xff\0\0\0\x64\1";
    assert_int_equal(decode_text(&wire_create_topics_request_message, 2, bytes, &r), ERR_OK);
    assert_int_equal(r.topics.count, 1);
    const struct wire_create_topics_request_creatable_topic *t = r.topics.items;
    assert_true(view_equal(t->name, view_of_text("t")));
    assert_int_equal(t->num_partitions, 5);
    assert_int_equal(t->replication_factor, 3);
    assert_int_equal(t->assignments.items[0].partition_index, 2);
    assert_int_equal(t->assignments.items[0].broker_ids.count, 1);
    assert_int_equal(t->assignments.items[0].broker_ids.items[0], 9);
    assert_true(view_equal(t->configs.items[0].name, view_of_text("k")));
    assert_null(t->configs.items[0].value.at);
    assert_int_equal(r.timeout_ms, 100);
    assert_true(r.validate_only);
}

static void
fields_that_the_version_lacks_get_their_defaults(void **state)
{
    struct wire_fetch_request r;
    static const char v4[] = "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\1\0\0\0\0";
    assert_int_equal(decode_text(&wire_fetch_request_message, 4, v4, &r), ERR_OK);
    assert_int_equal(r.replica_id, 1);
    assert_int_equal(r.session_epoch, -1);
    assert_int_equal(r.replica_state.replica_id, -1);
    assert_null(r.cluster_id.at);
    assert_non_null(r.rack_id.at);
    assert_int_equal(r.rack_id.len, 0);
    assert_int_equal(r.forgotten_topics_data.count, 0);
}

static void
null_and_empty_are_told_apart(void **state)
{
    struct wire_metadata_request r;
    assert_int_equal(decode_text(&wire_metadata_request_message, 1, "\xff\xff\xff\xff", &r),
                     ERR_OK);
    assert_int_equal(r.topics.count, -1);
    assert_int_equal(decode_text(&wire_metadata_request_message, 1, "\0\0\0\0", &r), ERR_OK);
    assert_int_equal(r.topics.count, 0);
    assert_int_equal(decode_text(&wire_metadata_request_message, 9, "\0\1\0\0\0", &r), ERR_OK);
    assert_int_equal(r.topics.count, -1);
}

static void
null_where_the_version_allows_none_is_corrupt(void **state)
{
    struct wire_metadata_request r;
    assert_int_equal(decode_text(&wire_metadata_request_message, 0, "\xff\xff\xff\xff", &r),
                     ERR_CORRUPT);
    struct wire_heartbeat_request h;
    assert_int_equal(decode_text(&wire_heartbeat_request_message, 0, "\xff\xff\0\0\0\1\0\1m", &h),
                     ERR_CORRUPT);
}

static void
a_nullable_struct_is_a_pointer(void **state)
{
    struct wire_describe_topic_partitions_request r;
    assert_int_equal(
        decode_text(&wire_describe_topic_partitions_request_message, 0, "\1\0\0\0\7\xff\0", &r),
        ERR_OK);
    assert_null(r.cursor);
    assert_int_equal(decode_text(&wire_describe_topic_partitions_request_message, 0,
                                 "\1\0\0\0\7\1\2t\0\0\0\3\0\0", &r),
                     ERR_OK);
    assert_non_null(r.cursor);
    assert_true(view_equal(r.cursor->topic_name, view_of_text("t")));
    assert_int_equal(r.cursor->partition_index, 3);
}

/* Fetch 15 without topics, then the given tag section. */
static int
decode_fetch_tags(const char *tags, uint32_t n, struct wire_fetch_request *r)
{
    uint8_t bytes[128];
    struct put w = put_of(bytes, sizeof bytes);
    put_bytes(&w, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1", 24);
    put_bytes(&w, tags, n);
    return decode(&wire_fetch_request_message, 15, bytes, put_len(&w), r);
}

#define REPLICA_5 "\1\15\0\0\0\5\0\0\0\0\0\0\0\6\0"

static void
known_tags_are_read_and_unknown_ones_skipped(void **state)
{
    struct wire_fetch_request r;
    static const char tags[] = "\3\0\3\2cd" REPLICA_5 "\x63\2xx";
    assert_int_equal(decode_fetch_tags(tags, sizeof tags - 1, &r), ERR_CORRUPT); /* size 3, not 2 */
    static const char good[] = "\3\0\2\2c" REPLICA_5 "\x63\2xx";
    assert_int_equal(decode_fetch_tags(good, sizeof good - 1, &r), ERR_OK);
    assert_true(view_equal(r.cluster_id, view_of_text("c")));
    assert_int_equal(r.replica_state.replica_id, 5);
    assert_int_equal(r.replica_state.replica_epoch, 6);
}

static void
of_a_repeated_tag_the_last_wins(void **state)
{
    struct wire_fetch_request r;
    static const char tags[] = "\2\0\2\2a\0\2\2b";
    assert_int_equal(decode_fetch_tags(tags, sizeof tags - 1, &r), ERR_OK);
    assert_true(view_equal(r.cluster_id, view_of_text("b")));
}

static void
a_tag_of_a_later_version_is_skipped_as_unknown(void **state)
{
    struct wire_fetch_request r; /* as above, but version 14: replica id, no replica state */
    static const char v14[] =
        "\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1\1" REPLICA_5;
    assert_int_equal(decode_text(&wire_fetch_request_message, 14, v14, &r), ERR_OK);
    assert_int_equal(r.replica_id, 2);
    assert_int_equal(r.replica_state.replica_id, -1);
}

static void
a_count_that_cannot_fit_takes_no_memory(void **state)
{
    struct wire_metadata_request r;
    assert_int_equal(decode_text(&wire_metadata_request_message, 1, "\x7f\xff\xff\xff", &r),
                     ERR_CORRUPT);
    assert_int_equal(arena.used, 0);
    struct wire_create_topics_request t; /* 2 topics need more than the 15 bytes left */
    assert_int_equal(decode_text(&wire_create_topics_request_message, 2,
                                 "\0\0\0\2"
                                 "\0\1t\0\0\0\5\0\3\0\0\0\1\0\0\0",
                                 &t),
                     ERR_CORRUPT);
    assert_int_equal(arena.used, 0);
}

static void
an_arena_that_is_too_small_is_a_limit_not_corruption(void **state)
{
    struct wire_metadata_request r;
    static const char bytes[] = "\0\0\0\2\0\1a\0\1b";
    wire_arena_init(&arena, memory, 8);
    assert_int_equal(wire_decode(&wire_metadata_request_message, 1,
                                 view_of(bytes, sizeof bytes - 1), &r, &arena),
                     ERR_LIMIT);
}

static void
a_version_outside_the_range_is_unsupported(void **state)
{
    struct wire_fetch_request r;
    assert_int_equal(decode_text(&wire_fetch_request_message, 3, "", &r), ERR_UNSUPPORTED);
    assert_int_equal(decode_text(&wire_fetch_request_message, 19, "", &r), ERR_UNSUPPORTED);
}

static void
a_string_over_32767_bytes_is_corrupt(void **state)
{
    static uint8_t bytes[40000] = {0x81, 0x80, 2}; /* compact length 32768 */
    struct wire_find_coordinator_request r;
    assert_int_equal(decode(&wire_find_coordinator_request_message, 3, bytes, 3 + 32768 + 2, &r),
                     ERR_CORRUPT);
    bytes[0] = 0x80; /* 32767 */
    assert_int_equal(decode(&wire_find_coordinator_request_message, 3, bytes, 3 + 32767 + 2, &r),
                     ERR_OK);
}

static void
init_and_items_give_the_schemas_defaults(void **state)
{
    struct wire_create_topics_request r;
    wire_init(&wire_create_topics_request_message, &r);
    assert_int_equal(r.timeout_ms, 60000);
    wire_arena_init(&arena, memory, sizeof memory);
    struct wire_metadata_response_partition *p =
        wire_items(&arena, &wire_metadata_response_partition_struct, 2);
    assert_int_equal(p[1].leader_epoch, -1);
    assert_null(wire_items(&arena, &wire_metadata_response_partition_struct, 1 << 20));
}

static void
the_arena_aligns_zeroes_and_ends(void **state)
{
    memset(memory, 0xee, sizeof memory);
    wire_arena_init(&arena, memory + 1, 64);
    uint8_t *a = wire_arena_take(&arena, 3), *b = wire_arena_take(&arena, 16);
    assert_int_equal((uintptr_t)a % 16, 0);
    assert_int_equal((uintptr_t)b % 16, 0);
    assert_int_equal(a[0] | a[1] | a[2] | b[15], 0);
    assert_null(wire_arena_take(&arena, 32));
    assert_null(wire_arena_take(&arena, SIZE_MAX));
    wire_arena_reset(&arena);
    assert_ptr_equal(wire_arena_take(&arena, 1), a);
}

static void
apis_are_found_by_key(void **state)
{
    uint32_t count;
    const struct wire_api *all = wire_api_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        assert_ptr_equal(wire_api_find(all[i].key), &all[i]);
        assert_true(i == 0 || all[i - 1].key < all[i].key);
    }
    assert_string_equal(wire_api_find(WIRE_API_CREATE_TOPICS)->name, "CreateTopics");
    static const int16_t none[] = {-1, INT16_MIN, 4, 7, 52, 93, 127, 128, INT16_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(wire_api_find(none[i]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_version_is_read_field_by_field),
        cmocka_unit_test(fields_that_the_version_lacks_get_their_defaults),
        cmocka_unit_test(null_and_empty_are_told_apart),
        cmocka_unit_test(null_where_the_version_allows_none_is_corrupt),
        cmocka_unit_test(a_nullable_struct_is_a_pointer),
        cmocka_unit_test(known_tags_are_read_and_unknown_ones_skipped),
        cmocka_unit_test(of_a_repeated_tag_the_last_wins),
        cmocka_unit_test(a_tag_of_a_later_version_is_skipped_as_unknown),
        cmocka_unit_test(a_count_that_cannot_fit_takes_no_memory),
        cmocka_unit_test(an_arena_that_is_too_small_is_a_limit_not_corruption),
        cmocka_unit_test(a_version_outside_the_range_is_unsupported),
        cmocka_unit_test(a_string_over_32767_bytes_is_corrupt),
        cmocka_unit_test(init_and_items_give_the_schemas_defaults),
        cmocka_unit_test(the_arena_aligns_zeroes_and_ends),
        cmocka_unit_test(apis_are_found_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
