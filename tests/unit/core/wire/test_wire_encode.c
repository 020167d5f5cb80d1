#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

static uint8_t bytes[1 << 16];

static int
encode(const struct wire_message *m, int16_t version, const void *in, struct view *out)
{
    struct put w = put_of(bytes, sizeof bytes);
    int e = wire_encode(m, version, in, &w);
    *out = view_of(bytes, put_len(&w));
    assert_int_equal(wire_size(m, version, in), e == ERR_OK ? (int64_t)put_len(&w) : e);
    return e;
}

static void
assert_bytes(struct view v, const void *at, uint32_t n)
{
    assert_int_equal(v.len, n);
    assert_memory_equal(v.at, at, n);
}

static void
plain_and_flexible_versions_differ_in_lengths_and_tags(void **state)
{
    struct wire_heartbeat_request r;
    struct view v;
    wire_init(&wire_heartbeat_request_message, &r);
    r.group_id = view_of_text("g");
    r.generation_id = 2;
    r.member_id = view_of_text("m");
    assert_int_equal(encode(&wire_heartbeat_request_message, 0, &r, &v), ERR_OK);
    assert_bytes(v, "\0\1g\0\0\0\2\0\1m", 10);
    assert_int_equal(encode(&wire_heartbeat_request_message, 4, &r, &v), ERR_OK);
    assert_bytes(v, "\2g\0\0\0\2\2m\0\0", 10);
}

static void
tagged_fields_are_written_only_when_not_default(void **state)
{
    struct wire_fetch_request r;
    struct view v;
    wire_init(&wire_fetch_request_message, &r);
    assert_int_equal(encode(&wire_fetch_request_message, 15, &r, &v), ERR_OK);
    assert_int_equal(v.at[v.len - 1], 0);
    uint32_t without = v.len;
    r.replica_state.replica_id = 5;
    assert_int_equal(encode(&wire_fetch_request_message, 15, &r, &v), ERR_OK);
    static const char tags[] = "\1\1\15\0\0\0\5\xff\xff\xff\xff\xff\xff\xff\xff\0";
    assert_int_equal(v.len, without - 1 + sizeof tags - 1);
    assert_memory_equal(v.at + without - 1, tags, sizeof tags - 1);
}

static void
a_nullable_tagged_struct_is_written_even_when_null(void **state)
{
    /* As Kafka's ConsumerGroupMemberMetadataValue does: absent would mean a struct of defaults. */
    struct wire_consumer_group_member_metadata_value r, back;
    struct view v;
    wire_init(&wire_consumer_group_member_metadata_value_message, &r);
    assert_int_equal(encode(&wire_consumer_group_member_metadata_value_message, 0, &r, &v), ERR_OK);
    static const char null_tag[] = "\1\0\1\0";
    assert_memory_equal(v.at + v.len - 4, null_tag, 4);
    static uint8_t first[64];
    struct wire_arena none;
    wire_arena_init(&none, first, sizeof first);
    assert_int_equal(
        wire_decode(&wire_consumer_group_member_metadata_value_message, 0, v, &back, &none),
        ERR_OK);
    assert_null(back.classic_member_metadata);
    struct wire_consumer_group_member_metadata_value_classic_member_metadata classic = {
        .session_timeout_ms = 7};
    r.classic_member_metadata = &classic;
    assert_int_equal(encode(&wire_consumer_group_member_metadata_value_message, 0, &r, &v), ERR_OK);
    static uint8_t room[4096];
    struct wire_arena arena;
    wire_arena_init(&arena, room, sizeof room);
    assert_int_equal(
        wire_decode(&wire_consumer_group_member_metadata_value_message, 0, v, &back, &arena),
        ERR_OK);
    assert_int_equal(back.classic_member_metadata->session_timeout_ms, 7);
}

static void
a_null_that_the_version_forbids_is_invalid(void **state)
{
    struct wire_heartbeat_request r;
    struct view v;
    wire_init(&wire_heartbeat_request_message, &r);
    r.group_id = (struct view){0};
    assert_int_equal(encode(&wire_heartbeat_request_message, 4, &r, &v), ERR_INVALID);
    struct wire_metadata_request m;
    wire_init(&wire_metadata_request_message, &m);
    m.topics.count = -1;
    assert_int_equal(encode(&wire_metadata_request_message, 0, &m, &v), ERR_INVALID);
    assert_int_equal(encode(&wire_metadata_request_message, 1, &m, &v), ERR_OK);
    assert_bytes(v, "\xff\xff\xff\xff", 4);
}

static void
a_value_that_the_version_cannot_carry_is_invalid_unless_ignorable(void **state)
{
    struct wire_fetch_request r;
    struct view v;
    wire_init(&wire_fetch_request_message, &r);
    r.rack_id = view_of_text("r"); /* 11+, ignorable */
    assert_int_equal(encode(&wire_fetch_request_message, 10, &r, &v), ERR_OK);
    r.replica_state.replica_epoch = 3; /* 15+, not ignorable */
    assert_int_equal(encode(&wire_fetch_request_message, 14, &r, &v), ERR_INVALID);
    assert_int_equal(encode(&wire_fetch_request_message, 15, &r, &v), ERR_OK);
}

static void
a_nullable_struct_is_a_byte_and_the_struct(void **state)
{
    struct wire_describe_topic_partitions_request r;
    struct wire_describe_topic_partitions_request_cursor cursor = {view_of_text("t"), 3};
    struct view v;
    wire_init(&wire_describe_topic_partitions_request_message, &r);
    r.response_partition_limit = 7;
    assert_int_equal(encode(&wire_describe_topic_partitions_request_message, 0, &r, &v), ERR_OK);
    assert_bytes(v, "\1\0\0\0\7\xff\0", 7);
    r.cursor = &cursor;
    assert_int_equal(encode(&wire_describe_topic_partitions_request_message, 0, &r, &v), ERR_OK);
    assert_bytes(v, "\1\0\0\0\7\1\2t\0\0\0\3\0\0", 14);
}

static void
a_string_over_32767_bytes_is_invalid(void **state)
{
    static char text[INT16_MAX + 1];
    struct wire_find_coordinator_request r;
    struct view v;
    wire_init(&wire_find_coordinator_request_message, &r);
    r.key = view_of(text, INT16_MAX);
    assert_int_equal(encode(&wire_find_coordinator_request_message, 0, &r, &v), ERR_OK);
    r.key = view_of(text, INT16_MAX + 1);
    assert_int_equal(encode(&wire_find_coordinator_request_message, 0, &r, &v), ERR_INVALID);
}

static void
no_room_is_full_and_bad(void **state)
{
    struct wire_metadata_request m;
    wire_init(&wire_metadata_request_message, &m);
    struct put w = put_of(bytes, 3);
    assert_int_equal(wire_encode(&wire_metadata_request_message, 0, &m, &w), ERR_FULL);
    assert_true(w.bad);
}

static void
a_version_outside_the_range_is_unsupported(void **state)
{
    struct wire_metadata_request m;
    struct view v;
    wire_init(&wire_metadata_request_message, &m);
    assert_int_equal(encode(&wire_metadata_request_message, 14, &m, &v), ERR_UNSUPPORTED);
}

static void
a_body_over_what_a_frame_can_hold_has_no_size(void **state)
{
    struct wire_produce_request r;
    struct wire_produce_request_topic_produce_data t = {0};
    struct wire_produce_request_partition_produce_data p[2] = {0};
    wire_init(&wire_produce_request_message, &r);
    p[0].records = p[1].records = view_of(bytes, INT32_MAX - 64); /* counted, never read */
    t.name = view_of_text("t");
    t.partition_data.items = p;
    t.partition_data.count = 2;
    r.topic_data.items = &t;
    r.topic_data.count = 1;
    assert_int_equal(wire_size(&wire_produce_request_message, 3, &r), ERR_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_flexible_versions_differ_in_lengths_and_tags),
        cmocka_unit_test(tagged_fields_are_written_only_when_not_default),
        cmocka_unit_test(a_nullable_tagged_struct_is_written_even_when_null),
        cmocka_unit_test(a_null_that_the_version_forbids_is_invalid),
        cmocka_unit_test(a_value_that_the_version_cannot_carry_is_invalid_unless_ignorable),
        cmocka_unit_test(a_nullable_struct_is_a_byte_and_the_struct),
        cmocka_unit_test(a_string_over_32767_bytes_is_invalid),
        cmocka_unit_test(no_room_is_full_and_bad),
        cmocka_unit_test(a_version_outside_the_range_is_unsupported),
        cmocka_unit_test(a_body_over_what_a_frame_can_hold_has_no_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
