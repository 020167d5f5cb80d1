/* raw_wire.c: just enough of Kafka's protocol to create a topic, produce one batch, fetch it back
 * and commit offsets: ApiVersions 0, CreateTopics 4, Metadata 4, ListOffsets 2, OffsetCommit 7,
 * FindCoordinator 1, InitProducerId 1, EndTxn 5, Produce 12 (flexible, topics by name), Fetch 12.
 * raw_read.c reads what a Fetch gives. */
#include "bench/load/raw.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_OFFSET_COMMIT = 8,
    API_FIND_COORDINATOR = 10,
    API_INIT_PRODUCER_ID = 22,
    API_END_TXN = 26,
    API_API_VERSIONS = 18,
    API_CREATE_TOPICS = 19
};
enum {
    TOPIC_EXISTS = 36,
    BATCH_HEAD_BYTES = 61,
    BATCH_CRC_AT = 17,
    BATCH_ATTRIBUTES_AT = 21,
    BATCH_PRODUCER_AT = 43, /* id 8, epoch 2, base sequence 4 */
    TRANSACTIONAL = 16,
    KEY_BYTES = 14,             /* "key-0123456789" */
    RECORD_OVERHEAD_BYTES = 48, /* at most, with its key */
    SETUP_BYTES_MAX = 1 << 20
};

/* Big-endian writer over memory that is large enough by construction. */
struct out {
    uint8_t *p;
};

static void
put_n(struct out *o, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *o->p++ = (uint8_t)(v >> (8 * i));
}

static void
put_text(struct out *o, const char *s) /* STRING */
{
    size_t n = strlen(s);
    put_n(o, n, 2);
    memcpy(o->p, s, n);
    o->p += n;
}

static void
put_uvarint(struct out *o, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        *o->p++ = (uint8_t)(v | 0x80);
    *o->p++ = (uint8_t)v;
}

static void
put_varint(struct out *o, int64_t v)
{
    put_uvarint(o, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static void
put_compact_text(struct out *o, const char *s)
{
    size_t n = strlen(s);
    put_uvarint(o, n + 1);
    memcpy(o->p, s, n);
    o->p += n;
}

static uint64_t
get_n(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* Request header: version 1 for old requests, version 2 (tagged fields) for flexible ones.  Returns
 * where the length word stands; request_end fills it. */
static uint8_t *
request_begin(struct out *o, int api, int version, bool flexible)
{
    uint8_t *length_at = o->p;
    put_n(o, 0, 4);
    put_n(o, (uint64_t)api, 2);
    put_n(o, (uint64_t)version, 2);
    put_n(o, 0, 4);
    put_text(o, "sluice-bench");
    if (flexible)
        put_uvarint(o, 0);
    return length_at;
}

static size_t
request_end(struct out *o, uint8_t *length_at)
{
    size_t n = (size_t)(o->p - length_at);
    struct out at = {length_at};
    put_n(&at, n - 4, 4);
    return n;
}

/* Key number i of the template: each key lives in one partition, and all of them come round. */
static void
put_key(struct out *o, const struct bench_options *opt, uint32_t template, uint32_t i)
{
    char key[KEY_BYTES + 1];
    if (opt->keys == 0) {
        put_varint(o, -1);
        return;
    }
    snprintf(key, sizeof key, "key-%010u", template * opt->records + i);
    put_varint(o, KEY_BYTES);
    memcpy(o->p, key, KEY_BYTES);
    o->p += KEY_BYTES;
}

/* One v2 batch; values are a stamp of 0, where they have room for it, and bytes that do not
 * compress to nothing.  Returns where the first stamp stands. */
static uint8_t *
put_batch(struct out *o, const struct bench_options *opt, uint32_t template)
{
    uint8_t *batch = o->p;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    uint64_t now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
    put_n(o, 0, 8);                /* base offset */
    put_n(o, 0, 4);                /* length, below */
    put_n(o, UINT64_MAX, 4);       /* leader epoch */
    put_n(o, 2, 1);                /* magic */
    put_n(o, 0, 4);                /* crc, below */
    put_n(o, 0, 2);                /* attributes */
    put_n(o, opt->records - 1, 4); /* last offset delta */
    put_n(o, now_ms, 8);
    put_n(o, now_ms, 8);
    put_n(o, UINT64_MAX, 8); /* producer id */
    put_n(o, UINT64_MAX, 2); /* producer epoch */
    put_n(o, UINT64_MAX, 4); /* base sequence */
    put_n(o, opt->records, 4);
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
    uint8_t *stamp = NULL;
    for (uint32_t i = 0; i < opt->records; i++) {
        uint8_t head[RECORD_OVERHEAD_BYTES];
        struct out h = {head};
        put_n(&h, 0, 1);
        put_varint(&h, 0);
        put_varint(&h, i);
        put_key(&h, opt, template, i);
        put_varint(&h, opt->record_bytes);
        size_t head_len = (size_t)(h.p - head);
        put_varint(o, (int64_t)(head_len + opt->record_bytes + 1));
        memcpy(o->p, head, head_len);
        o->p += head_len;
        if (i == 0)
            stamp = o->p;
        for (uint32_t k = 0; k < opt->record_bytes; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            *o->p++ = k < BENCH_STAMP_BYTES ? 0 : (uint8_t)x;
        }
        put_varint(o, 0); /* headers */
    }
    size_t n = (size_t)(o->p - batch);
    struct out at = {batch + 8};
    put_n(&at, n - 12, 4);
    at.p = batch + BATCH_CRC_AT;
    put_n(&at, raw_crc32c(batch + BATCH_CRC_AT + 4, n - BATCH_CRC_AT - 4), 4);
    return stamp;
}

static size_t
batch_room(const struct bench_options *opt)
{
    return (size_t)opt->records * (opt->record_bytes + RECORD_OVERHEAD_BYTES) + BATCH_HEAD_BYTES;
}

/* A Produce request of one encoded batch; its bytes.  *batch_at: where the batch stands in it. */
static size_t
put_produce(struct out *o, const struct bench_options *opt, const char *txn_id, uint32_t partition,
            const struct raw_template *batch, size_t *batch_at)
{
    const uint8_t *begin = o->p;
    uint8_t *length_at = request_begin(o, API_PRODUCE, 12, true);
    if (txn_id)
        put_compact_text(o, txn_id);
    else
        put_uvarint(o, 0);
    put_n(o, (uint64_t)opt->acks, 2);
    put_n(o, 30000, 4);
    put_uvarint(o, 2); /* one topic */
    put_compact_text(o, opt->topic);
    put_uvarint(o, 2); /* one partition */
    put_n(o, partition, 4);
    put_uvarint(o, batch->len + 1);
    *batch_at = (size_t)(o->p - begin);
    memcpy(o->p, batch->bytes, batch->len);
    o->p += batch->len;
    put_uvarint(o, 0); /* tagged fields: partition, topic, request */
    put_uvarint(o, 0);
    put_uvarint(o, 0);
    return request_end(o, length_at);
}

struct raw_template
raw_batch_template(const struct bench_options *opt, uint32_t template)
{
    struct raw_template t = {.bytes = malloc(batch_room(opt))};
    if (!t.bytes)
        bench_die("memory for the templates");
    struct out o = {t.bytes};
    const uint8_t *stamp = put_batch(&o, opt, template);
    t.len = (size_t)(o.p - t.bytes);
    t.crc_at = BATCH_CRC_AT;
    t.stamp_at = (size_t)(stamp - t.bytes);
    return t;
}

struct raw_template
raw_produce_template(const struct bench_options *opt, uint32_t partition, uint32_t variant)
{
    /* The batch first, since its compact length stands before it. */
    struct raw_template batch = raw_batch_template(opt, variant * opt->partitions + partition);
    struct raw_template t = {.bytes = malloc(batch.len + RAW_HEAD_BYTES)};
    size_t batch_at;
    if (!t.bytes)
        bench_die("memory for the templates");
    struct out o = {t.bytes};
    t.len = put_produce(&o, opt, NULL, partition, &batch, &batch_at);
    if (opt->record_bytes >= BENCH_STAMP_BYTES) {
        t.crc_at = batch_at + batch.crc_at;
        t.stamp_at = batch_at + batch.stamp_at;
    }
    free(batch.bytes);
    return t;
}

size_t
raw_txn_produce(uint8_t *out, const struct bench_options *opt, const struct raw_txn *txn,
                uint64_t due_ns)
{
    struct out o = {txn->batch.bytes + BATCH_ATTRIBUTES_AT};
    uint8_t *bytes = txn->batch.bytes;
    size_t batch_at;
    put_n(&o, TRANSACTIONAL, 2);
    o.p = bytes + BATCH_PRODUCER_AT;
    put_n(&o, txn->producer_id, 8);
    put_n(&o, txn->epoch, 2);
    put_n(&o, 0, 4); /* each transaction has an epoch of its own: sequences begin anew */
    if (opt->record_bytes >= BENCH_STAMP_BYTES) {
        o.p = bytes + txn->batch.stamp_at;
        put_n(&o, due_ns, BENCH_STAMP_BYTES);
    }
    o.p = bytes + BATCH_CRC_AT;
    put_n(&o, raw_crc32c(bytes + BATCH_CRC_AT + 4, txn->batch.len - BATCH_CRC_AT - 4), 4);
    o.p = out;
    return put_produce(&o, opt, txn->id, txn->partition, &txn->batch, &batch_at);
}

size_t
raw_txn_end(uint8_t *out, const struct raw_txn *txn)
{
    struct out o = {out};
    uint8_t *length_at = request_begin(&o, API_END_TXN, 5, true);
    put_compact_text(&o, txn->id);
    put_n(&o, txn->producer_id, 8);
    put_n(&o, txn->epoch, 2);
    put_n(&o, 1, 1); /* commit */
    put_uvarint(&o, 0);
    return request_end(&o, length_at);
}

int
raw_txn_ended(const uint8_t *p, size_t n, struct raw_txn *txn)
{
    enum { ERROR_AT = 4 + 1 + 4, BYTES = ERROR_AT + 2 + 8 + 2 }; /* correlation, tags, throttle */
    if (n < BYTES)
        return -1;
    int error = (int)(int16_t)get_n(p + ERROR_AT, 2);
    if (error == 0) {
        txn->producer_id = get_n(p + ERROR_AT + 2, 8);
        txn->epoch = (uint16_t)get_n(p + ERROR_AT + 10, 2);
    }
    return error;
}

/* One offset of one partition, committed by nobody's member: each template is a group of its own.
 */
struct raw_template
raw_commit_template(const struct bench_options *opt, uint32_t index)
{
    char group[64];
    uint8_t *bytes = malloc(RAW_HEAD_BYTES);
    if (!bytes)
        bench_die("memory for the templates");
    struct out o = {bytes};
    uint8_t *length_at = request_begin(&o, API_OFFSET_COMMIT, 7, false);
    snprintf(group, sizeof group, "%s-%u", opt->group ? opt->group : "bench", index);
    put_text(&o, group);
    put_n(&o, UINT64_MAX, 4); /* generation: none */
    put_text(&o, "");         /* member */
    put_n(&o, UINT64_MAX, 2); /* instance: null */
    put_n(&o, 1, 4);
    put_text(&o, opt->topic);
    put_n(&o, 1, 4);
    put_n(&o, index % opt->partitions, 4);
    put_n(&o, index, 8);
    put_n(&o, UINT64_MAX, 4); /* leader epoch */
    put_text(&o, "");         /* metadata */
    return (struct raw_template){.bytes = bytes, .len = request_end(&o, length_at)};
}

enum { FETCH_HEAD_BYTES = 256, FETCH_PART_BYTES = 33 };

size_t
raw_fetch_room(const struct bench_options *opt)
{
    return FETCH_HEAD_BYTES + (size_t)opt->partitions * FETCH_PART_BYTES;
}

size_t
raw_fetch_request(uint8_t *out, const struct bench_options *opt, const struct raw_consumer *c)
{
    struct out o = {out};
    uint8_t *length_at = request_begin(&o, API_FETCH, 12, true);
    put_n(&o, UINT64_MAX, 4);       /* replica id */
    put_n(&o, 500, 4);              /* max wait ms */
    put_n(&o, 1, 4);                /* min bytes */
    put_n(&o, opt->fetch_bytes, 4); /* max bytes */
    put_n(&o, 0, 1);                /* isolation level */
    put_n(&o, 0, 4);                /* session id */
    put_n(&o, UINT64_MAX, 4);       /* session epoch: none */
    put_uvarint(&o, 2);
    put_compact_text(&o, opt->topic);
    put_uvarint(&o, (opt->partitions - c->first + c->step - 1) / c->step + 1);
    for (uint32_t p = c->first; p < opt->partitions; p += c->step) {
        put_n(&o, p, 4);
        put_n(&o, UINT64_MAX, 4); /* current leader epoch */
        put_n(&o, (uint64_t)c->offsets[p], 8);
        put_n(&o, UINT64_MAX, 4); /* last fetched epoch */
        put_n(&o, UINT64_MAX, 8); /* log start offset */
        put_n(&o, opt->fetch_bytes, 4);
        put_uvarint(&o, 0);
    }
    put_uvarint(&o, 0);
    put_uvarint(&o, 1); /* forgotten topics: none */
    put_uvarint(&o, 1); /* rack: empty */
    put_uvarint(&o, 0);
    return request_end(&o, length_at);
}

int
raw_produce_error(const uint8_t *p, size_t n, size_t topic_len)
{
    /* correlation 4, tags 1, topics 1, name 1 + n, partitions 1, index 4, error 2 */
    size_t at = 4 + 1 + 1 + 1 + topic_len + 1 + 4;
    return n < at + 2 ? -1 : (int)(int16_t)get_n(p + at, 2);
}

int
raw_commit_error(const uint8_t *p, size_t n, size_t topic_len)
{
    /* correlation 4, throttle 4, topics 4, name 2 + n, partitions 4, index 4, error 2 */
    size_t at = 4 + 4 + 4 + 2 + topic_len + 4 + 4;
    return n < at + 2 ? -1 : (int)(int16_t)get_n(p + at, 2);
}

int
raw_connect(const struct bench_options *o)
{
    char port[8];
    snprintf(port, sizeof port, "%u", o->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(o->host, port, &hints, &list))
        bench_die("address of the broker");
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen))
        bench_die("connect");
    freeaddrinfo(list);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Sends one request and reads its response into `in` (without its length word). */
static size_t
call(int fd, const uint8_t *request, size_t n, uint8_t *in, size_t room)
{
    while (n > 0) {
        ssize_t k = write(fd, request, n);
        if (k <= 0)
            bench_die("write");
        request += k;
        n -= (size_t)k;
    }
    size_t got = 0, wanted = 4;
    while (got < wanted) {
        ssize_t k = read(fd, in + got, wanted - got);
        if (k <= 0)
            bench_die("the broker closed the connection");
        got += (size_t)k;
        if (got == 4 && wanted == 4)
            wanted = 4 + get_n(in, 4);
        if (wanted > room)
            bench_die("a response of this size");
    }
    memmove(in, in + 4, wanted - 4);
    return wanted - 4;
}

int64_t
raw_list_offset(int fd, const struct bench_options *opt, uint32_t partition, bool first)
{
    enum { EARLIEST = -2, LATEST = -1 };
    uint8_t buffer[RAW_HEAD_BYTES];
    struct out o = {buffer};
    uint8_t *length_at = request_begin(&o, API_LIST_OFFSETS, 2, false);
    put_n(&o, UINT64_MAX, 4); /* replica id */
    put_n(&o, 0, 1);          /* isolation level */
    put_n(&o, 1, 4);
    put_text(&o, opt->topic);
    put_n(&o, 1, 4);
    put_n(&o, partition, 4);
    put_n(&o, (uint64_t)(int64_t)(first ? EARLIEST : LATEST), 8);
    size_t n = request_end(&o, length_at);
    call(fd, buffer, n, buffer, sizeof buffer);
    /* correlation 4, throttle 4, topics 4, name 2 + n, partitions 4, index 4 */
    const uint8_t *p = buffer + 4 + 4 + 4 + 2 + strlen(opt->topic) + 4 + 4;
    if (get_n(p, 2) != 0) {
        fprintf(stderr, "sluice-bench: ListOffsets: error %d\n", (int)(int16_t)get_n(p, 2));
        exit(1);
    }
    return (int64_t)get_n(p + 2 + 8, 8);
}

int
raw_find_coordinator(const struct bench_options *opt, const char *key, bool of_transactions)
{
    uint8_t buffer[RAW_HEAD_BYTES];
    struct out o = {buffer};
    int fd = raw_connect(opt);
    uint8_t *length_at = request_begin(&o, API_FIND_COORDINATOR, 1, false);
    put_text(&o, key);
    put_n(&o, of_transactions, 1);
    size_t n = request_end(&o, length_at);
    call(fd, buffer, n, buffer, sizeof buffer);
    close(fd);
    return (int)(int16_t)get_n(buffer + 4 + 4, 2);
}

int
raw_txn_init(int fd, struct raw_txn *txn)
{
    uint8_t buffer[RAW_HEAD_BYTES];
    struct out o = {buffer};
    uint8_t *length_at = request_begin(&o, API_INIT_PRODUCER_ID, 1, false);
    put_text(&o, txn->id);
    put_n(&o, 60000, 4); /* timeout ms */
    size_t n = request_end(&o, length_at);
    call(fd, buffer, n, buffer, sizeof buffer);
    const uint8_t *p = buffer + 4 + 4; /* correlation, throttle */
    txn->producer_id = get_n(p + 2, 8);
    txn->epoch = (uint16_t)get_n(p + 10, 2);
    return (int)(int16_t)get_n(p, 2);
}

void
raw_greet(int fd)
{
    uint8_t buffer[16384];
    struct out o = {buffer};
    uint8_t *length_at = request_begin(&o, API_API_VERSIONS, 0, false);
    size_t n = request_end(&o, length_at);
    call(fd, buffer, n, buffer, sizeof buffer);
}

/* Number of partitions of the topic that have a leader. */
static uint32_t
led_partitions(int fd, const struct bench_options *opt, uint8_t *buffer)
{
    struct out o = {buffer};
    uint8_t *length_at = request_begin(&o, API_METADATA, 4, false);
    put_n(&o, 1, 4);
    put_text(&o, opt->topic);
    put_n(&o, 0, 1);
    size_t n = request_end(&o, length_at);
    call(fd, buffer, n, buffer, SETUP_BYTES_MAX);
    const uint8_t *p = buffer + 8;
    uint64_t brokers = get_n(p, 4);
    p += 4;
    for (uint64_t i = 0; i < brokers; i++) {
        p += 4;
        p += 2 + get_n(p, 2) + 4;
        p += 2 + (get_n(p, 2) == 0xffff ? 0 : get_n(p, 2)); /* rack */
    }
    p += 2 + (get_n(p, 2) == 0xffff ? 0 : get_n(p, 2)); /* cluster id */
    p += 4 + 4;                                         /* controller, topics */
    uint64_t error = get_n(p, 2);
    p += 2 + 2 + strlen(opt->topic) + 1;
    uint64_t count = get_n(p, 4);
    p += 4;
    uint32_t led = 0;
    for (uint64_t i = 0; !error && i < count; i++) {
        led += get_n(p, 2) == 0 && (int32_t)get_n(p + 6, 4) >= 0;
        p += 10;
        p += 4 + 4 * get_n(p, 4); /* replicas */
        p += 4 + 4 * get_n(p, 4); /* isr */
    }
    return led;
}

void
raw_prepare_topic(const struct bench_options *opt)
{
    uint8_t *buffer = malloc(SETUP_BYTES_MAX);
    if (!buffer)
        bench_die("memory");
    int fd = raw_connect(opt);
    if (opt->create) {
        struct out o = {buffer};
        uint8_t *length_at = request_begin(&o, API_CREATE_TOPICS, 4, false);
        put_n(&o, 1, 4);
        put_text(&o, opt->topic);
        put_n(&o, opt->partitions, 4);
        put_n(&o, 1, 2);
        put_n(&o, 0, 4);
        put_n(&o, 0, 4);
        put_n(&o, 30000, 4);
        put_n(&o, 0, 1);
        size_t n = request_end(&o, length_at);
        call(fd, buffer, n, buffer, SETUP_BYTES_MAX);
        int error = (int)(int16_t)get_n(buffer + 4 + 4 + 4 + 2 + strlen(opt->topic), 2);
        if (error && error != TOPIC_EXISTS) {
            fprintf(stderr, "sluice-bench: CreateTopics: error %d\n", error);
            exit(1);
        }
    }
    for (uint64_t limit = bench_now_ns() + UINT64_C(60000000000);
         led_partitions(fd, opt, buffer) < opt->partitions;) {
        if (bench_now_ns() > limit)
            bench_die("the topic has too few partitions with a leader");
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    close(fd);
    free(buffer);
}
