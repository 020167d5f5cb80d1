#include "control/txn/txn_in.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

/* Bytes of Kafka 4.3.1's TransactionLog.keyToBytes and valueToBytes. */
static const uint8_t kafka_key[] = {0x00, 0x00, 0x00, 0x08, 0x6f, 0x72,
                                    0x64, 0x65, 0x72, 0x73, 0x2d, 0x31};
static const uint8_t kafka_value[] = {
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x03, 0x00, 0x00,
    0xea, 0x60, 0x02, 0x02, 0x03, 0x69, 0x6e, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
    0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68,
    0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x01, 0x08,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x02, 0x02, 0x00, 0x02};
static const uint8_t kafka_empty[] = {
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00,
    0x00, 0x00, 0xea, 0x60, 0x00, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5,
    0x68, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
};

static const struct txn_values values = {.producer_id = 7,
                                         .previous_id = 5,
                                         .next_id = 9,
                                         .epoch = 3,
                                         .last_epoch = -1,
                                         .version = 2,
                                         .timeout_ms = 60000,
                                         .status = TXN_PREPARE_COMMIT,
                                         .start_ms = 1700000000000,
                                         .update_ms = 1700000000123};
static const struct txn_values empty_values = {.producer_id = 7,
                                               .previous_id = -1,
                                               .next_id = -1,
                                               .last_epoch = -1,
                                               .timeout_ms = 60000,
                                               .start_ms = -1,
                                               .update_ms = 1700000000123};

static void
records_have_the_bytes_of_kafkas(void **state)
{
    (void)state;
    uint8_t at[256];
    struct put w = put_of(at, sizeof at);
    txn_record_key(&w, view_of_text("orders-1"));
    assert_int_equal(put_len(&w), sizeof kafka_key);
    assert_memory_equal(at, kafka_key, sizeof kafka_key);
    assert_int_equal(txn_record_key_bytes(view_of_text("orders-1")), sizeof kafka_key);
    struct txn_part part = {.topic = view_of_text("in"), .partition = 2};
    w = put_of(at, txn_record_value_bytes(&part, 1));
    txn_record_value(&w, &values, &part, 1);
    assert_false(w.bad);
    assert_int_equal(put_len(&w), sizeof kafka_value);
    assert_memory_equal(at, kafka_value, sizeof kafka_value);
    w = put_of(at, txn_record_value_bytes(NULL, 0));
    txn_record_value(&w, &empty_values, NULL, 0);
    assert_int_equal(put_len(&w), sizeof kafka_empty);
    assert_memory_equal(at, kafka_empty, sizeof kafka_empty);
}

struct seen {
    uint32_t count;
    int32_t partition;
};

static void
see(void *user, struct view topic, int32_t partition)
{
    struct seen *s = user;
    assert_true(topic.len > 0);
    s->count++;
    s->partition = partition;
}

static void
assert_same(const struct txn_values *a, const struct txn_values *b)
{
    assert_int_equal(a->producer_id, b->producer_id);
    assert_int_equal(a->previous_id, b->previous_id);
    assert_int_equal(a->next_id, b->next_id);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->last_epoch, b->last_epoch);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->timeout_ms, b->timeout_ms);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->start_ms, b->start_ms);
    assert_int_equal(a->update_ms, b->update_ms);
}

static void
what_kafka_wrote_is_read(void **state)
{
    (void)state;
    struct view id;
    struct txn_values v;
    struct seen seen = {0};
    assert_int_equal(txn_record_read_key(view_of(kafka_key, sizeof kafka_key), &id), ERR_OK);
    assert_true(view_equal(id, view_of_text("orders-1")));
    assert_int_equal(
        txn_record_read_value(view_of(kafka_value, sizeof kafka_value), &v, see, &seen), ERR_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.partition, 2);
    assert_same(&v, &values);
    seen.count = 0;
    assert_int_equal(
        txn_record_read_value(view_of(kafka_empty, sizeof kafka_empty), &v, see, &seen), ERR_OK);
    assert_int_equal(seen.count, 0);
    assert_same(&v, &empty_values);
}

static void
the_old_form_is_read_too(void **state)
{
    (void)state;
    uint8_t at[128];
    struct put w = put_of(at, sizeof at);
    put_u16(&w, 0);
    put_u64(&w, 7);
    put_u16(&w, 3);
    put_u32(&w, 60000);
    put_u8(&w, TXN_ONGOING);
    put_u32(&w, 1);
    put_u16(&w, 2);
    put_bytes(&w, "in", 2);
    put_u32(&w, 1);
    put_u32(&w, 4);
    put_u64(&w, 11);
    put_u64(&w, 10);
    struct txn_values v;
    struct seen seen = {0};
    assert_int_equal(txn_record_read_value(view_of(at, put_len(&w)), &v, see, &seen), ERR_OK);
    assert_int_equal(seen.partition, 4);
    assert_int_equal(v.start_ms, 10);
    assert_int_equal(v.version, 0);
    assert_int_equal(v.previous_id, -1);
}

static void
what_is_cut_is_corrupt_and_other_kinds_are_told(void **state)
{
    (void)state;
    struct view id;
    struct txn_values v;
    struct seen seen = {0};
    for (uint32_t cut = 0; cut < sizeof kafka_value; cut++)
        assert_int_equal(txn_record_read_value(view_of(kafka_value, cut), &v, see, &seen),
                         ERR_CORRUPT);
    for (uint32_t cut = 0; cut < sizeof kafka_key; cut++)
        assert_int_equal(txn_record_read_key(view_of(kafka_key, cut), &id), ERR_CORRUPT);
    static const uint8_t later[] = {0, 1, 0, 0};
    assert_int_equal(txn_record_read_key(view_of(later, sizeof later), &id), ERR_NOT_FOUND);
    uint8_t at[sizeof kafka_value];
    memcpy(at, kafka_value, sizeof at);
    at[16] = 9; /* no such status */
    assert_int_equal(txn_record_read_value(view_of(at, sizeof at), &v, see, &seen), ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_the_bytes_of_kafkas),
        cmocka_unit_test(what_kafka_wrote_is_read),
        cmocka_unit_test(the_old_form_is_read_too),
        cmocka_unit_test(what_is_cut_is_corrupt_and_other_kinds_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
