/* Each request is put to two brokers: one gets it in one piece and copies what it has for another
 * shard, the other gets it in pieces and lends them.  Their answers and their logs must be the
 * same, whatever is wrong with it. */
#include "tests/unit/dataplane/broker/harness.h"

#include <stdlib.h>

/* From STAGED on a batch in one piece is staged too. */
enum { V = 12, PARTS = 4, PIECE = 1448, LARGE = 30000, STAGED = 50000 };

static unsigned chance = 1;

struct pair {
    struct harness *whole, *pieces;
    size_t at[2]; /* answers read */
};

static const struct table_topic_config topics[] = {
    {.max_message_bytes = 100000,
     .segment_bytes = 1 << 30,
     .min_insync_replicas = 1,
     .timestamp_before_max_ms = INT64_MAX,
     .timestamp_after_max_ms = INT64_MAX,
     .compression = TABLE_COMPRESSION_PRODUCER},
    {.max_message_bytes = 100000,
     .segment_bytes = 1 << 30,
     .min_insync_replicas = 1,
     .cleanup_compact = true,
     .timestamp_before_max_ms = INT64_MAX,
     .timestamp_after_max_ms = INT64_MAX,
     .compression = TABLE_COMPRESSION_PRODUCER},
    {.max_message_bytes = 100000,
     .segment_bytes = 1 << 30,
     .min_insync_replicas = 1,
     .timestamp_before_max_ms = INT64_MAX,
     .timestamp_after_max_ms = INT64_MAX,
     .compression = BATCH_LZ4},
    {.max_message_bytes = 100000,
     .segment_bytes = 1 << 30,
     .min_insync_replicas = 1,
     .timestamp_before_max_ms = 1000,
     .timestamp_after_max_ms = 1000,
     .compression = TABLE_COMPRESSION_PRODUCER},
};
enum { TOPICS = sizeof topics / sizeof *topics };
static const char *const names[TOPICS] = {"0plain", "1compacted", "2lz4", "3timed"};

static struct harness *
harness_with_topics(uint32_t shards, uint32_t piece_bytes)
{
    struct harness *h = harness_new_pieces(shards, NULL, piece_bytes);
    for (uint32_t i = 0; i < TOPICS; i++) {
        uint32_t first = h->slots;
        harness_topic_write(h, i, names[i], PARTS, &topics[i]);
        harness_ring_row(h, MSG_TOPIC, i);
        for (uint32_t k = first; k < h->slots; k++)
            harness_ring_row(h, MSG_WANT, k);
        harness_turns(h, 2);
    }
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static struct pair
pair_new(uint32_t shards)
{
    struct pair p = {.whole = harness_with_topics(shards, 0),
                     .pieces = harness_with_topics(shards, PIECE)};
    p.whole->streams[0].keeps_none = true;
    return p;
}

static void
pair_free(struct pair *p)
{
    harness_free(p->whole);
    harness_free(p->pieces);
}

static uint32_t
scattered(const struct pair *p)
{
    return p->pieces->streams[0].conns[0].scattered;
}

/* A batch of about `bytes`, which do not compress. */
static struct view
batch_of(uint32_t bytes, enum make_codec codec, bool keyless)
{
    static struct make_batch m;
    static uint8_t value[1000];
    make_begin(&m);
    uint32_t count = bytes / sizeof value + 1;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < sizeof value; k++)
            value[k] = (uint8_t)rand_r(&chance);
        make_add(&m, (struct make_record){
                         .offset_delta = (int32_t)i,
                         .key = keyless && i % 3 == 1 ? (struct view){0} : view_of_text("key"),
                         .value = view_of(value, bytes < sizeof value ? bytes : sizeof value)});
    }
    return make_end(&m, codec);
}

static uint8_t *
bytes_of(struct view batch)
{
    return (uint8_t *)(uintptr_t)batch.at;
}

struct part {
    uint32_t topic;
    int32_t partition;
    struct view records;
};

static void
send_parts(struct harness *h, int16_t version, int16_t acks, const struct part *parts,
           uint32_t count)
{
    struct wire_produce_request_partition_produce_data p[8];
    struct wire_produce_request_topic_produce_data t[8];
    memset(t, 0, sizeof t);
    must(count <= 8);
    for (uint32_t i = 0; i < count; i++) {
        p[i] = (struct wire_produce_request_partition_produce_data){parts[i].partition,
                                                                    parts[i].records};
        if (version < 13)
            t[i].name = view_of_text(parts[i].topic < TOPICS ? names[parts[i].topic] : "none");
        else
            harness_topic_id(t[i].topic_id, parts[i].topic);
        t[i].partition_data.items = &p[i];
        t[i].partition_data.count = 1;
    }
    struct wire_produce_request body = {
        .acks = acks, .timeout_ms = 1000, .topic_data = {t, (int32_t)count}};
    harness_request(h, 0, 0, WIRE_API_PRODUCE, version, 77, &body);
}

static void
same_logs(struct pair *p)
{
    for (uint32_t shard = 0; shard < p->whole->shard_count; shard++) {
        for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++) {
            struct plog *a = &p->whole->stores[shard]->logs[i];
            struct plog *b = &p->pieces->stores[shard]->logs[i];
            assert_int_equal(a->used, b->used);
            assert_int_equal(a->end, b->end);
            assert_int_equal(a->len, b->len);
            if (a->len)
                assert_memory_equal(a->bytes, b->bytes, a->len);
        }
    }
}

static void
same_counters(struct pair *p)
{
    static const enum counter which[] = {
        COUNTER_PRODUCE_REQUESTS, COUNTER_PRODUCE_BATCHES, COUNTER_PRODUCE_RECORDS,
        COUNTER_PRODUCE_BYTES,    COUNTER_PRODUCE_ERRORS,  DROP_BATCH_CORRUPT,
        DROP_BATCH_MAGIC,         DROP_BATCH_RECORD,       DROP_BATCH_SIZE,
    };
    for (uint32_t i = 0; i < sizeof which / sizeof *which; i++)
        assert_int_equal(harness_counter(p->whole, 0, which[i]),
                         harness_counter(p->pieces, 0, which[i]));
}

/* Puts it to both.  Returns the error of its first partition. */
static int16_t
ask(struct pair *p, int16_t version, const struct part *parts, uint32_t count)
{
    struct harness *both[] = {p->whole, p->pieces};
    struct view answers[2];
    for (int i = 0; i < 2; i++) {
        send_parts(both[i], version, -1, parts, count);
        harness_turns(both[i], 8);
        answers[i] = harness_response(both[i], 0, 0, &p->at[i]);
    }
    assert_true(answers[0].len > 0);
    assert_int_equal(answers[0].len, answers[1].len);
    assert_memory_equal(answers[0].at, answers[1].at, answers[0].len);
    same_logs(p);
    same_counters(p);
    assert_null(p->pieces->stores[0]->staged);
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct wire_produce_response body;
    uint32_t header = version >= 9 ? 5 : 4;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_produce_response_message, version,
                                 view_of(answers[0].at + header, answers[0].len - header), &body,
                                 &arena),
                     ERR_OK);
    assert_int_equal(body.responses.count, count);
    return body.responses.items[0].partition_responses.items[0].error_code;
}

static int16_t
ask_one(struct pair *p, uint32_t topic, int32_t partition, struct view records)
{
    struct part part = {topic, partition, records};
    return ask(p, V, &part, 1);
}

static void
a_large_batch_is_copied_to_its_place_in_the_log(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    for (int16_t version = 3; version <= 13; version++) {
        struct part part = {0, 1, batch_of(LARGE, MAKE_NONE, false)};
        assert_int_equal(ask(&p, version, &part, 1), KERR_NONE);
    }
    assert_int_equal(scattered(&p), 11);
    assert_int_equal(p.pieces->stores[0]->stages, 11);
    assert_int_equal(p.pieces->stores[0]->unstages, 0);
    assert_int_equal(buddy_used(p.pieces->shards[0].memory), buddy_used(p.whole->shards[0].memory));
    pair_free(&p);
}

static void
what_is_wrong_is_answered_as_ever_and_leaves_the_log_alone(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    struct view b = batch_of(LARGE, MAKE_NONE, false);
    bytes_of(b)[b.len - 1] ^= 1;
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_CORRUPT_MESSAGE);
    b = batch_of(LARGE, MAKE_NONE, false);
    bytes_of(b)[BATCH_AT_MAGIC] = 1;
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_INVALID_RECORD);
    b = batch_of(LARGE, MAKE_NONE, false);
    set_u32(bytes_of(b) + BATCH_AT_LENGTH, b.len); /* more than there is */
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_INVALID_RECORD);
    b = batch_of(LARGE, MAKE_NONE, false);
    set_u32(bytes_of(b) + BATCH_AT_LENGTH, 20);
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_CORRUPT_MESSAGE);
    assert_int_equal(ask_one(&p, 0, 0, batch_of(120000, MAKE_NONE, false)), KERR_MESSAGE_TOO_LARGE);
    assert_int_equal(harness_counter(p.whole, 0, DROP_BATCH_SIZE), 1);
    assert_int_equal(ask_one(&p, 1, 0, batch_of(LARGE, MAKE_NONE, true)), KERR_INVALID_RECORD);
    assert_int_equal(ask_one(&p, 3, 0, batch_of(LARGE, MAKE_NONE, false)), KERR_INVALID_TIMESTAMP);
    assert_int_equal(ask_one(&p, 7, 0, batch_of(LARGE, MAKE_NONE, false)),
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(ask_one(&p, 0, PARTS, batch_of(LARGE, MAKE_NONE, false)),
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    b = batch_of(LARGE, MAKE_NONE, false);
    set_u16(bytes_of(b) + BATCH_AT_ATTRIBUTES, BATCH_CONTROL);
    make_seal(bytes_of(b), b.len);
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_INVALID_RECORD);
    assert_int_equal(scattered(&p), 10);
    assert_true(p.pieces->stores[0]->unstages >= 4);
    assert_int_equal(p.pieces->stores[0]->lsn, 0);
    assert_int_equal(ask_one(&p, 0, 0, batch_of(LARGE, MAKE_NONE, false)), KERR_NONE);
    pair_free(&p);
}

static void
what_the_store_says_is_answered(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    assert_int_equal(ask_one(&p, 0, 0, batch_of(LARGE, MAKE_NONE, false)), KERR_NONE);
    p.whole->stores[0]->append_error = KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    p.pieces->stores[0]->append_error = KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    assert_int_equal(ask_one(&p, 0, 0, batch_of(LARGE, MAKE_NONE, false)),
                     KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    p.whole->stores[0]->append_error = KERR_DUPLICATE_SEQUENCE_NUMBER;
    p.pieces->stores[0]->append_error = KERR_DUPLICATE_SEQUENCE_NUMBER;
    assert_int_equal(ask_one(&p, 0, 0, batch_of(LARGE, MAKE_NONE, false)), KERR_NONE);
    p.whole->stores[0]->append_error = p.pieces->stores[0]->append_error = 0;
    p.pieces->stores[0]->stage_limit = true;
    assert_int_equal(ask_one(&p, 0, 0, batch_of(LARGE, MAKE_NONE, false)), KERR_NONE);
    p.pieces->stores[0]->stage_limit = false;
    p.pieces->stores[0]->staged_limit = true; /* its records begin a segment */
    assert_int_equal(ask_one(&p, 0, 0, batch_of(LARGE, MAKE_NONE, false)), KERR_NONE);
    assert_int_equal(scattered(&p), 5);
    pair_free(&p);
}

/* The log has exactly the batches that were accepted. */
static void
a_large_batch_in_one_piece_goes_the_same_way(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    struct store *store = p.whole->stores[0];
    struct view b = batch_of(STAGED, MAKE_NONE, false);
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_NONE);
    assert_int_equal(store->stages, 1);
    uint32_t len = b.len;
    b = batch_of(STAGED, MAKE_NONE, false);
    bytes_of(b)[b.len - 1] ^= 1;
    assert_int_equal(ask_one(&p, 0, 0, b), KERR_CORRUPT_MESSAGE);
    assert_int_equal(ask_one(&p, 1, 0, batch_of(STAGED, MAKE_NONE, true)), KERR_INVALID_RECORD);
    assert_int_equal(ask_one(&p, 3, 0, batch_of(STAGED, MAKE_NONE, false)), KERR_INVALID_TIMESTAMP);
    assert_int_equal(store->stages, 4);
    assert_int_equal(store->unstages, 3);
    assert_int_equal(ask_one(&p, 0, 0, batch_of(120000, MAKE_NONE, false)), KERR_MESSAGE_TOO_LARGE);
    assert_int_equal(ask_one(&p, 2, 0, batch_of(STAGED, MAKE_NONE, false)), KERR_NONE);
    assert_int_equal(store->stages, 4); /* another codec, or too large */
    store->staged_limit = true;         /* its records begin a segment */
    assert_int_equal(ask_one(&p, 0, 0, batch_of(STAGED, MAKE_NONE, false)), KERR_NONE);
    assert_int_equal(store->stages, 5);
    store->staged_limit = false;
    store->stage_limit = true;
    assert_int_equal(ask_one(&p, 0, 0, batch_of(STAGED, MAKE_NONE, false)), KERR_NONE);
    store->stage_limit = false;
    assert_int_equal(store->logs[0].len, 3 * len);
    assert_null(store->staged);
    assert_int_equal(buddy_used(p.pieces->shards[0].memory), buddy_used(p.whole->shards[0].memory));
    pair_free(&p);
}

static void
batches_get_another_codec_also_in_pieces(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    for (int codec = 0; codec < MAKE_CODECS; codec++)
        assert_int_equal(ask_one(&p, 2, 0, batch_of(LARGE, (enum make_codec)codec, false)),
                         KERR_NONE);
    assert_int_equal(p.pieces->stores[0]->stages, 1); /* the one that is lz4 already */
    pair_free(&p);
}

static void
a_partition_of_another_shard_reads_the_pieces_unless_they_change(void **state)
{
    (void)state;
    struct pair p = pair_new(2);
    struct part parts[] = {
        {0, 0, batch_of(LARGE, MAKE_NONE, false)},
        {0, 1, parts[0].records},
        {2, 1, parts[0].records},
        {0, 3, (struct view){0}},
        {0, 2, parts[0].records},
    };
    assert_int_equal(ask(&p, V, parts, 5), KERR_NONE);
    assert_int_equal(p.pieces->stores[0]->stages, 2);
    assert_int_equal(p.pieces->stores[1]->stages, 1);
    assert_int_equal(harness_counter(p.pieces, 0, COUNTER_PRODUCE_LENT), parts[0].records.len);
    assert_int_equal(harness_counter(p.pieces, 0, COUNTER_PRODUCE_COLLECTED), parts[0].records.len);
    assert_int_equal(p.pieces->streams[0].kept_out, 0);
    assert_int_equal(scattered(&p), 1);
    assert_int_equal(buddy_used(p.pieces->shards[0].memory), buddy_used(p.whole->shards[0].memory));
    pair_free(&p);
}

static void
a_transaction_waits_for_its_coordinator(void **state)
{
    (void)state;
    struct harness *h = harness_with_topics(1, PIECE);
    struct view b = batch_of(LARGE, MAKE_NONE, false);
    set_u16(bytes_of(b) + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL);
    set_u64(bytes_of(b) + BATCH_AT_PRODUCER_ID, 5);
    set_u16(bytes_of(b) + BATCH_AT_PRODUCER_EPOCH, 0);
    set_u32(bytes_of(b) + BATCH_AT_BASE_SEQUENCE, 0);
    make_seal(bytes_of(b), b.len);
    struct wire_produce_request_partition_produce_data d = {0, b};
    struct wire_produce_request_topic_produce_data t = {.name = view_of_text(names[0]),
                                                        .partition_data = {&d, 1}};
    struct wire_produce_request body = {.transactional_id = view_of_text("transaction"),
                                        .acks = -1,
                                        .timeout_ms = 1000,
                                        .topic_data = {&t, 1}};
    harness_request(h, 0, 0, WIRE_API_PRODUCE, V, 77, &body);
    harness_turns(h, 4);
    assert_int_equal(h->streams[0].conns[0].scattered, 1);
    assert_int_equal(h->shards[0].appends_out, 1);
    assert_int_equal(h->stores[0]->stages, 0);
    assert_int_equal(h->stores[0]->lsn, 0);
    harness_free(h);
}

static void
a_full_journal_delays_the_partitions_that_are_left(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    struct part parts[] = {{0, 0, batch_of(LARGE, MAKE_NONE, false)}, {0, 1, parts[0].records}};
    p.pieces->stores[0]->append_again = true;
    send_parts(p.pieces, V, -1, parts, 2);
    harness_turns(p.pieces, 3);
    assert_int_equal(p.pieces->stores[0]->lsn, 0);
    assert_non_null(p.pieces->shards[0].conns[0].again);
    p.pieces->stores[0]->append_again = false;
    harness_turns(p.pieces, 6);
    assert_int_equal(p.pieces->stores[0]->lsn, 2);
    assert_int_equal(scattered(&p), 1);
    assert_true(harness_response(p.pieces, 0, 0, &p.at[1]).len > 0);
    /* What is in pieces at first may be in one when it is tried again. */
    p.pieces->stores[0]->append_again = true;
    send_parts(p.pieces, V, -1, parts, 2);
    harness_turns(p.pieces, 3);
    p.pieces->streams[0].conns[0].scatter = false;
    harness_turn(p.pieces);
    p.pieces->stores[0]->append_again = false;
    harness_turns(p.pieces, 6);
    assert_int_equal(p.pieces->stores[0]->lsn, 4);
    pair_free(&p);
}

/* Requests of any size, one behind the other, in frames that are cut anywhere. */
static void
any_requests_behind_each_other_are_answered_alike(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        print_message("# seed %u\n", seed);
        chance = seed;
        struct pair p = pair_new(2);
        p.pieces->streams[0].piece_bytes = 100 + (uint32_t)rand_r(&chance) % 3000;
        for (int i = 0; i < 30; i++) {
            struct part parts[3];
            uint32_t count = 1 + (uint32_t)rand_r(&chance) % 3;
            uint32_t bytes = rand_r(&chance) % 3 ? (uint32_t)rand_r(&chance) % LARGE : 10;
            bytes = rand_r(&chance) % 8 == 0 ? STAGED : bytes;
            p.whole->streams[0].keeps_none = rand_r(&chance) % 2;
            p.pieces->streams[0].keeps_none = rand_r(&chance) % 4 == 0;
            p.whole->stores[1]->stage_limit = rand_r(&chance) % 4 == 0;
            p.pieces->stores[1]->stage_limit = rand_r(&chance) % 4 == 0;
            p.pieces->stores[1]->staged_limit = rand_r(&chance) % 4 == 0;
            struct view b = batch_of(bytes, rand_r(&chance) % 2 ? MAKE_NONE : MAKE_ZSTD,
                                     rand_r(&chance) % 4 == 0);
            if (rand_r(&chance) % 5 == 0)
                bytes_of(b)[(uint32_t)rand_r(&chance) % b.len] ^= 1;
            for (uint32_t k = 0; k < count; k++)
                parts[k] = (struct part){(uint32_t)rand_r(&chance) % (TOPICS + 1),
                                         rand_r(&chance) % PARTS, b};
            (void)ask(&p, (int16_t)(7 + rand_r(&chance) % 7), parts, count);
        }
        for (int i = 0; i < 4; i++) { /* without waiting for answers */
            struct part part = {0, i, batch_of(LARGE, MAKE_NONE, false)};
            send_parts(p.whole, V, -1, &part, 1);
            send_parts(p.pieces, V, -1, &part, 1);
        }
        harness_turns(p.whole, 10);
        harness_turns(p.pieces, 10);
        same_logs(&p);
        assert_true(scattered(&p) > 5);
        assert_true(p.pieces->streams[0].keeps > 2);
        assert_int_equal(p.pieces->streams[0].kept_out, 0);
        pair_free(&p);
    }
}

static void
a_request_that_is_unusual_is_read_in_one_piece(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    struct wire_produce_request_partition_produce_data d[2000];
    struct view b = batch_of(10, MAKE_NONE, false);
    for (int32_t i = 0; i < 2000; i++)
        d[i] = (struct wire_produce_request_partition_produce_data){i % PARTS, b};
    struct wire_produce_request_topic_produce_data t = {.name = view_of_text(names[0]),
                                                        .partition_data = {d, 2000}};
    struct wire_produce_request body = {.acks = -1, .topic_data = {&t, 1}};
    harness_request(p.pieces, 0, 0, WIRE_API_PRODUCE, V, 77, &body);
    harness_turns(p.pieces, 8);
    assert_int_equal(scattered(&p), 0);
    assert_int_equal(p.pieces->stores[0]->lsn, 2000);
    assert_true(harness_response(p.pieces, 0, 0, &p.at[1]).len > 0);
    pair_free(&p);
}

static void
a_malformed_request_closes_the_connection(void **state)
{
    (void)state;
    struct pair p = pair_new(1);
    static uint8_t body[LARGE];
    memset(body, 0xff, sizeof body);
    harness_request_raw(p.pieces, 0, 0, WIRE_API_PRODUCE, V, 77, true, view_of(body, sizeof body));
    harness_turns(p.pieces, 4);
    assert_int_equal(p.pieces->streams[0].conns[0].id, 0);
    assert_int_equal(harness_counter(p.pieces, 0, DROP_REQUEST_BODY), 1);
    pair_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_batch_is_copied_to_its_place_in_the_log),
        cmocka_unit_test(what_is_wrong_is_answered_as_ever_and_leaves_the_log_alone),
        cmocka_unit_test(what_the_store_says_is_answered),
        cmocka_unit_test(a_large_batch_in_one_piece_goes_the_same_way),
        cmocka_unit_test(batches_get_another_codec_also_in_pieces),
        cmocka_unit_test(a_partition_of_another_shard_reads_the_pieces_unless_they_change),
        cmocka_unit_test(a_transaction_waits_for_its_coordinator),
        cmocka_unit_test(a_full_journal_delays_the_partitions_that_are_left),
        cmocka_unit_test(any_requests_behind_each_other_are_answered_alike),
        cmocka_unit_test(a_request_that_is_unusual_is_read_in_one_piece),
        cmocka_unit_test(a_malformed_request_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
