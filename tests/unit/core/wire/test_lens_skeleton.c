#include "tests/unit/core/wire/lens_agree.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { BODY_BYTES = 1 << 20, PIECE_BYTES = 1448, PIECES = BODY_BYTES / 64 };

static uint8_t body[BODY_BYTES], out[8192];
static struct view pieces[PIECES];

struct shape {
    int32_t topics, partitions;
    uint32_t name_bytes, record_bytes;
};

static struct view
request(int16_t version, const struct shape *shape)
{
    static uint8_t records[BODY_BYTES / 2], name[INT16_MAX];
    struct wire_produce_request r;
    struct wire_produce_request_topic_produce_data *topics =
        calloc((size_t)shape->topics, sizeof *topics);
    struct wire_produce_request_partition_produce_data *parts =
        calloc((size_t)shape->partitions, sizeof *parts);
    memset(name, 'n', sizeof name);
    memset(records, 0xab, sizeof records);
    wire_init(&wire_produce_request_message, &r);
    for (int i = 0; i < shape->partitions; i++)
        parts[i] = (struct wire_produce_request_partition_produce_data){
            .index = i, .records = view_of(records, shape->record_bytes)};
    for (int i = 0; i < shape->topics; i++) {
        topics[i].name = view_of(name, shape->name_bytes);
        memset(topics[i].topic_id, version >= 13 ? i + 1 : 0, 16);
        topics[i].partition_data.items = parts;
        topics[i].partition_data.count = shape->partitions;
    }
    r.transactional_id = version % 2 ? view_of_text("tx") : (struct view){0};
    r.acks = -1;
    r.topic_data.items = topics;
    r.topic_data.count = shape->topics;
    struct put w = put_of(body, sizeof body);
    assert_int_equal(wire_encode(&wire_produce_request_message, version, &r, &w), ERR_OK);
    free(topics);
    free(parts);
    return view_of(body, put_len(&w));
}

static uint32_t
cut(struct view whole, uint32_t piece)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < whole.len; at += piece)
        pieces[count++] = view_of(whole.at + at, whole.len - at < piece ? whole.len - at : piece);
    return count;
}

/* Its length, or 0. */
static uint32_t
skeleton(struct view whole, int16_t version, uint32_t piece, uint32_t room)
{
    struct rope rope;
    struct lens_skeleton k = {.out = out, .room = room};
    assert_true(rope_init(&rope, pieces, cut(whole, piece), whole.len));
    return lens_skeleton(&k, &rope, 0, version) ? k.len : 0;
}

static void
all_but_the_records_is_copied_wherever_the_pieces_are_cut(void **state)
{
    static const struct shape shapes[] = {
        {1, 1, 10, 100000}, {2, 3, 40, 20000}, {3, 20, 249, 500}, {1, 100, 7, 0}};
    for (int16_t v = 3; v <= 13; v++)
        for (uint32_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            struct view whole = request(v, &shapes[i]);
            uint32_t all = (uint32_t)(shapes[i].topics * shapes[i].partitions);
            for (uint32_t piece = 64; piece < 3000; piece += 367) {
                uint32_t len = skeleton(whole, v, piece, sizeof out);
                assert_true(len > 0);
                assert_true(len <= whole.len - all * shapes[i].record_bytes + LENS_FRONT_BYTES);
            }
            assert_true(agree_produce(whole, v));
        }
}

static void
what_is_unusual_is_left_to_be_read_whole(void **state)
{
    static const struct shape named = {1, 1, 2000, 1000}, many = {1, 2000, 5, 20};
    assert_int_equal(skeleton(request(9, &named), 9, PIECE_BYTES, sizeof out), 0);
    assert_int_equal(skeleton(request(9, &many), 9, PIECE_BYTES, sizeof out), 0);
    static const struct shape fits = {1, 100, 5, 20};
    struct view whole = request(9, &fits);
    assert_true(skeleton(whole, 9, PIECE_BYTES, sizeof out) > 0);
    assert_int_equal(skeleton(whole, 9, PIECE_BYTES, 600), 0); /* no room */
    assert_int_equal(skeleton(whole, 2, PIECE_BYTES, sizeof out), 0);
    assert_int_equal(skeleton(whole, 14, PIECE_BYTES, sizeof out), 0);
}

static void
a_request_that_ends_early_has_none(void **state)
{
    static const struct shape shape = {2, 2, 10, 700};
    for (int16_t v = 3; v <= 13; v++) {
        struct view whole = request(v, &shape);
        for (uint32_t len = 1; len < whole.len; len++)
            assert_int_equal(skeleton(view_of(whole.at, len), v, 97, sizeof out), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_but_the_records_is_copied_wherever_the_pieces_are_cut),
        cmocka_unit_test(what_is_unusual_is_left_to_be_read_whole),
        cmocka_unit_test(a_request_that_ends_early_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
