/* rdkafka_client BOOTSTRAP SUFFIX: what a C program does with librdkafka, against any Kafka broker:
 * idempotent producer, delivery reports, several partitions, assign, seek, large messages, offsets
 * for times, watermarks, and the admin calls for topics.  Prints "ok name" or "not ok name" a case.
 *
 * Payloads are a function of (partition, sequence), so that every consumer can check bytes alone.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 30000, PARTITIONS = 4, PER_PARTITION = 2000, LARGE_BYTES_MAX = 900000 };

static const char *bootstrap, *suffix;
static int failures;

#define expect(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("# line %d: %s: ", __LINE__, #condition);                                       \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

static void
die(const char *what, const char *why)
{
    printf("not ok librdkafka: %s: %s\n", what, why);
    exit(1);
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, const char *const settings[][2], size_t count)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof text))
        die("bootstrap.servers", text);
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text))
            die(settings[i][0], text);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk)
        die("rd_kafka_new", text);
    return rk;
}

static const char *
topic_name(const char *stem)
{
    static char names[8][128];
    static size_t next;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], "rdkafka-%s-%s", stem, suffix);
    return name;
}

/* The payload of a sequence number: its text, then bytes that depend on it. */
static size_t
payload_fill(char *out, size_t room, int partition, int sequence)
{
    size_t n = (size_t)snprintf(out, room, "%d/%d/", partition, sequence);
    size_t total = n + (size_t)(sequence % 200);
    for (; n < total && n < room; n++)
        out[n] = (char)(sequence * 31 + (int)n * 7);
    return n;
}

/* Delivery reports: one counter set per test, told by the message's opaque sequence. */
struct reports {
    int delivered, failed, disordered;
    int64_t next[PARTITIONS]; /* offset that the next report of a partition must carry */
    const char *error;
};

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct reports *r = opaque ? opaque : m->_private;
    (void)rk;
    if (!r)
        return;
    if (m->err) {
        r->failed++;
        r->error = rd_kafka_err2str(m->err);
        return;
    }
    r->delivered++;
    if (m->partition < PARTITIONS && m->offset != r->next[m->partition]++)
        r->disordered++;
}

static rd_kafka_t *
producer_new(struct reports *reports, const char *codec)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const settings[][2] = {{"bootstrap.servers", bootstrap},
                                       {"enable.idempotence", "true"},
                                       {"acks", "all"},
                                       {"linger.ms", "2"},
                                       {"compression.type", codec},
                                       {"message.max.bytes", "1000000"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text))
            die(settings[i][0], text);
    rd_kafka_conf_set_opaque(conf, reports);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        die("producer", text);
    return rk;
}

static rd_kafka_t *
consumer_new(void)
{
    const char *const settings[][2] = {
        {"group.id", "unused"},           {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"}, {"auto.offset.reset", "error"},
        {"fetch.wait.max.ms", "50"},      {"fetch.message.max.bytes", "1100000"}};
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, settings, 6);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

/* Runs one admin call; the event is the caller's to destroy. */
static rd_kafka_event_t *
admin_wait(rd_kafka_queue_t *q)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(q, WAIT_MS);
    if (!event)
        die("admin call", "no answer");
    return event;
}

static rd_kafka_resp_err_t
create_topic(rd_kafka_t *rk, const char *name, int partitions)
{
    char text[256];
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(name, partitions, 1, text, sizeof text);
    if (!t)
        die("NewTopic", text);
    rd_kafka_CreateTopics(rk, &t, 1, NULL, q);
    rd_kafka_event_t *event = admin_wait(q);
    size_t n;
    const rd_kafka_topic_result_t **rows =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    rd_kafka_resp_err_t err =
        n == 1 ? rd_kafka_topic_result_error(rows[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    rd_kafka_NewTopic_destroy(t);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(q);
    return err;
}

static rd_kafka_resp_err_t
delete_topic(rd_kafka_t *rk, const char *name)
{
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(name);
    rd_kafka_DeleteTopics(rk, &t, 1, NULL, q);
    rd_kafka_event_t *event = admin_wait(q);
    size_t n;
    const rd_kafka_topic_result_t **rows =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
    rd_kafka_resp_err_t err =
        n == 1 ? rd_kafka_topic_result_error(rows[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    rd_kafka_DeleteTopic_destroy(t);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(q);
    return err;
}

static rd_kafka_resp_err_t
create_partitions(rd_kafka_t *rk, const char *name, size_t total)
{
    char text[256];
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_NewPartitions_t *p = rd_kafka_NewPartitions_new(name, total, text, sizeof text);
    if (!p)
        die("NewPartitions", text);
    rd_kafka_CreatePartitions(rk, &p, 1, NULL, q);
    rd_kafka_event_t *event = admin_wait(q);
    size_t n;
    const rd_kafka_topic_result_t **rows =
        rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
    rd_kafka_resp_err_t err =
        n == 1 ? rd_kafka_topic_result_error(rows[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    rd_kafka_NewPartitions_destroy(p);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(q);
    return err;
}

/* Number of partitions with a leader, or -1 when the topic is unknown. */
static int
led_partitions(rd_kafka_t *rk, const char *name)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_topic_conf_t *tc = rd_kafka_topic_conf_new();
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, name, tc);
    int led = -1;
    if (rd_kafka_metadata(rk, 0, rkt, &md, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (md->topic_cnt == 1 && !md->topics[0].err) {
            led = 0;
            for (int i = 0; i < md->topics[0].partition_cnt; i++)
                led += md->topics[0].partitions[i].leader >= 0;
        }
        rd_kafka_metadata_destroy(md);
    }
    rd_kafka_topic_destroy(rkt);
    return led;
}

/* True once all partitions of a topic have a leader: CreateTopics may answer earlier. */
static bool
wait_led(rd_kafka_t *rk, const char *name, int partitions)
{
    for (int i = 0; i < WAIT_MS / 20; i++) {
        if (led_partitions(rk, name) == partitions)
            return true;
        rd_kafka_poll(rk, 20);
    }
    return false;
}

static bool
produce_all(rd_kafka_t *rk, const char *topic, int per_partition)
{
    char payload[512], key[32];
    for (int i = 0; i < per_partition; i++)
        for (int p = 0; p < PARTITIONS; p++) {
            size_t n = payload_fill(payload, sizeof payload, p, i);
            snprintf(key, sizeof key, "%d", i);
            rd_kafka_resp_err_t err;
            while ((err = rd_kafka_producev(
                        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(p),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, strlen(key)),
                        RD_KAFKA_V_VALUE(payload, n), RD_KAFKA_V_HEADER("part", &p, sizeof p),
                        RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                rd_kafka_poll(rk, 50);
            expect(!err, "produce: %s", rd_kafka_err2str(err));
            rd_kafka_poll(rk, 0);
        }
    expect(rd_kafka_flush(rk, WAIT_MS) == 0, "flush timed out");
    return true;
}

static bool
message_matches(const rd_kafka_message_t *m, int64_t offset)
{
    char payload[512];
    size_t n = payload_fill(payload, sizeof payload, m->partition, (int)offset);
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    expect(m->offset == offset, "offset %" PRId64 ", wanted %" PRId64, m->offset, offset);
    expect(m->len == n && memcmp(m->payload, payload, n) == 0, "bytes at %" PRId64, offset);
    expect(!rd_kafka_message_headers(m, &headers), "no headers");
    expect(!rd_kafka_header_get(headers, 0, "part", &value, &size), "header is missing");
    expect(size == sizeof(int) && memcmp(value, &m->partition, size) == 0, "header value");
    return true;
}

static void
assign(rd_kafka_t *rk, const char *topic, int first, int limit, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(limit - first);
    for (int p = first; p < limit; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = offset;
    if (rd_kafka_assign(rk, list))
        die("assign", topic);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reads the assigned partitions from `next` on until each has reached its end. */
static bool
consume_to_end(rd_kafka_t *rk, int64_t next[PARTITIONS], int partitions)
{
    for (int ended = 0; ended < partitions;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);
        expect(m, "no message in %d ms", WAIT_MS);
        rd_kafka_resp_err_t err = m->err;
        bool good = true;
        if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ended++;
        else if (!err)
            good = message_matches(m, next[m->partition]++);
        rd_kafka_message_destroy(m);
        expect(!err || err == RD_KAFKA_RESP_ERR__PARTITION_EOF, "%s", rd_kafka_err2str(err));
        if (!good)
            return false;
    }
    return true;
}

static bool
idempotent_producer_and_consumer(const char *codec)
{
    struct reports r = {0};
    char stem[32];
    snprintf(stem, sizeof stem, "produce-%s", codec);
    const char *topic = topic_name(stem);
    rd_kafka_t *rk = producer_new(&r, codec);
    expect(!create_topic(rk, topic, PARTITIONS), "create %s", topic);
    bool sent = produce_all(rk, topic, PER_PARTITION);
    rd_kafka_destroy(rk);
    expect(sent, "produce");
    expect(r.failed == 0, "%d failed: %s", r.failed, r.error);
    expect(r.delivered == PARTITIONS * PER_PARTITION, "%d delivered", r.delivered);
    expect(r.disordered == 0, "%d reports with an offset out of order", r.disordered);

    rd_kafka_t *c = consumer_new();
    int64_t next[PARTITIONS] = {0}, low, high;
    assign(c, topic, 0, PARTITIONS, RD_KAFKA_OFFSET_BEGINNING);
    bool got = consume_to_end(c, next, PARTITIONS);
    for (int p = 0; got && p < PARTITIONS; p++)
        if (rd_kafka_query_watermark_offsets(c, topic, p, &low, &high, WAIT_MS) || low != 0 ||
            high != PER_PARTITION || next[p] != PER_PARTITION)
            got = false;
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    expect(got, "consume: every message once, in order, same bytes");
    return true;
}

/* The next message of the consumer, which must be `offset`. */
static bool
next_is(rd_kafka_t *c, int64_t offset)
{
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, WAIT_MS);
        expect(m, "no message");
        rd_kafka_resp_err_t err = m->err;
        bool good = err ? true : message_matches(m, offset);
        rd_kafka_message_destroy(m);
        if (!err)
            return good;
        expect(err == RD_KAFKA_RESP_ERR__PARTITION_EOF, "%s", rd_kafka_err2str(err));
    }
}

static bool
seek_to(rd_kafka_t *c, const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(c, list, WAIT_MS);
    rd_kafka_topic_partition_list_destroy(list);
    if (error) {
        printf("# seek: %s\n", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return false;
    }
    return true;
}

static bool
seek_goes_back_and_forth(const char *unused)
{
    (void)unused;
    const char *topic = topic_name("produce-none"); /* written by the first case */
    static const int64_t stops[] = {0, 1999, 7, 1500, 1};
    rd_kafka_t *c = consumer_new();
    assign(c, topic, 0, 1, 1000);
    bool good = next_is(c, 1000) && next_is(c, 1001);
    for (size_t i = 0; good && i < sizeof stops / sizeof stops[0]; i++)
        good = seek_to(c, topic, stops[i]) && next_is(c, stops[i]);
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    return good;
}

static bool
reading_beyond_the_end_is_an_error(const char *unused)
{
    (void)unused;
    const char *topic = topic_name("produce-none");
    rd_kafka_t *c = consumer_new();
    assign(c, topic, 0, 1, PER_PARTITION + 1000);
    rd_kafka_message_t *m = rd_kafka_consumer_poll(c, WAIT_MS);
    rd_kafka_resp_err_t err = m ? m->err : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (m)
        rd_kafka_message_destroy(m);
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    expect(err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "%s", rd_kafka_err2str(err));
    return true;
}

static bool
large_messages(const char *unused)
{
    (void)unused;
    static const size_t sizes[] = {1, 1000, 65536, 300000, LARGE_BYTES_MAX};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct reports r = {0};
    const char *topic = topic_name("large");
    char *bytes = malloc(LARGE_BYTES_MAX);
    if (!bytes)
        die("large", "memory");
    for (size_t i = 0; i < LARGE_BYTES_MAX; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    rd_kafka_t *rk = producer_new(&r, "none");
    bool good = !create_topic(rk, topic, 1);
    for (size_t i = 0; good && i < COUNT; i++)
        good = !rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_VALUE(bytes, sizes[i]), RD_KAFKA_V_END);
    good = good && rd_kafka_flush(rk, WAIT_MS) == 0 && r.delivered == COUNT && !r.disordered;
    rd_kafka_destroy(rk);
    rd_kafka_t *c = consumer_new();
    assign(c, topic, 0, 1, RD_KAFKA_OFFSET_BEGINNING);
    for (size_t i = 0; good && i < COUNT;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, WAIT_MS);
        good = m && !m->err && m->offset == (int64_t)i && m->len == sizes[i] &&
               memcmp(m->payload, bytes, m->len) == 0;
        i++;
        if (m)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    free(bytes);
    return good;
}

static int64_t
offset_for_time(rd_kafka_t *rk, const char *topic, int64_t ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = ms;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(rk, list, WAIT_MS);
    int64_t found = err || list->elems[0].err ? -999 : list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return found;
}

static bool
offsets_for_times(const char *unused)
{
    (void)unused;
    struct reports r = {0};
    const char *topic = topic_name("times");
    const int64_t base = INT64_C(1700000000000);
    rd_kafka_t *rk = producer_new(&r, "none");
    bool good = !create_topic(rk, topic, 1);
    for (int i = 0; good && i < 500;
         i++) /* ten milliseconds apart; a batch boundary now and then */
        good = !rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_TIMESTAMP(base + i * 10), RD_KAFKA_V_VALUE("t", 1),
                                  RD_KAFKA_V_END) &&
               (i % 100 || rd_kafka_flush(rk, WAIT_MS) == 0);
    good = good && rd_kafka_flush(rk, WAIT_MS) == 0 && r.delivered == 500;
    static const int64_t asked[][2] = {{0, 0},      {10, 1},    {11, 2},     {2495, 250},
                                       {4990, 499}, {4991, -1}, {-100000, 0}};
    for (size_t i = 0; good && i < sizeof asked / sizeof asked[0]; i++) {
        int64_t got = offset_for_time(rk, topic, base + asked[i][0]);
        if (got != asked[i][1]) {
            printf("# time +%" PRId64 " gave %" PRId64 ", wanted %" PRId64 "\n", asked[i][0], got,
                   asked[i][1]);
            good = false;
        }
    }
    rd_kafka_destroy(rk);
    return good;
}

static bool
admin_topics(const char *unused)
{
    (void)unused;
    const char *topic = topic_name("admin");
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, NULL, 0);
    rd_kafka_resp_err_t made = create_topic(rk, topic, 2);
    rd_kafka_resp_err_t again = create_topic(rk, topic, 2);
    bool led = wait_led(rk, topic, 2);
    rd_kafka_resp_err_t grown = create_partitions(rk, topic, 5);
    rd_kafka_resp_err_t shrunk = create_partitions(rk, topic, 3);
    bool led_after = wait_led(rk, topic, 5);
    rd_kafka_resp_err_t invalid = create_topic(rk, "no/slash", 1);
    rd_kafka_resp_err_t gone = delete_topic(rk, topic);
    rd_kafka_resp_err_t twice = delete_topic(rk, topic);
    rd_kafka_destroy(rk);
    expect(!made, "create: %s", rd_kafka_err2str(made));
    expect(again == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, "%s", rd_kafka_err2str(again));
    expect(led, "two partitions with a leader");
    expect(!grown, "grow: %s", rd_kafka_err2str(grown));
    expect(shrunk == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, "%s", rd_kafka_err2str(shrunk));
    expect(led_after, "five partitions with a leader");
    expect(invalid == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "%s", rd_kafka_err2str(invalid));
    expect(!gone, "delete: %s", rd_kafka_err2str(gone));
    expect(twice == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "%s", rd_kafka_err2str(twice));
    return true;
}

/* Value of one configuration entry of a topic, or "" when it is not there. */
static void
config_of(rd_kafka_t *rk, const char *topic, const char *name, char *out, size_t room)
{
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, q);
    rd_kafka_event_t *event = admin_wait(q);
    size_t n, entries;
    out[0] = '\0';
    const rd_kafka_ConfigResource_t **rows =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    if (n == 1 && !rd_kafka_ConfigResource_error(rows[0])) {
        const rd_kafka_ConfigEntry_t **list = rd_kafka_ConfigResource_configs(rows[0], &entries);
        for (size_t i = 0; i < entries; i++)
            if (strcmp(rd_kafka_ConfigEntry_name(list[i]), name) == 0)
                snprintf(out, room, "%s", rd_kafka_ConfigEntry_value(list[i]));
    }
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(q);
}

static bool
describe_configs(const char *unused)
{
    (void)unused;
    const char *topic = topic_name("configs");
    char policy[64], segment[64], none[64];
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, NULL, 0);
    bool made = !create_topic(rk, topic, 1) && wait_led(rk, topic, 1);
    config_of(rk, topic, "cleanup.policy", policy, sizeof policy);
    config_of(rk, topic, "max.message.bytes", segment, sizeof segment);
    config_of(rk, topic, "no.such.entry", none, sizeof none);
    rd_kafka_destroy(rk);
    expect(made, "create");
    expect(strcmp(policy, "delete") == 0, "cleanup.policy=%s", policy);
    expect(strcmp(segment, "1048588") == 0, "max.message.bytes=%s", segment);
    expect(none[0] == '\0', "no.such.entry=%s", none);
    return true;
}

static const struct {
    const char *name;
    bool (*run)(const char *codec);
    const char *codec;
} tests[] = {
    {"idempotent producer, four partitions, reports in order, consumed as sent",
     idempotent_producer_and_consumer, "none"},
    {"the same with gzip", idempotent_producer_and_consumer, "gzip"},
    {"the same with snappy", idempotent_producer_and_consumer, "snappy"},
    {"the same with lz4", idempotent_producer_and_consumer, "lz4"},
    {"the same with zstd", idempotent_producer_and_consumer, "zstd"},
    {"seek goes back and forth", seek_goes_back_and_forth, NULL},
    {"reading beyond the end is an error", reading_beyond_the_end_is_an_error, NULL},
    {"messages from one byte to 900 kB", large_messages, NULL},
    {"offsets for times", offsets_for_times, NULL},
    {"topics are created, grown, refused and deleted", admin_topics, NULL},
    {"topic configuration is described", describe_configs, NULL},
};

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: rdkafka_client BOOTSTRAP SUFFIX\n");
        return 2;
    }
    bootstrap = argv[1];
    suffix = argv[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        bool good = tests[i].run(tests[i].codec);
        clock_gettime(CLOCK_MONOTONIC, &end);
        printf("# %.1f s\n",
               (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
        failures += !good;
        printf("%s librdkafka: %s\n", good ? "ok" : "not ok", tests[i].name);
    }
    return failures > 0;
}
