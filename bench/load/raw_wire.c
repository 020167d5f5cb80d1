/* raw_wire.c: just enough of Kafka's protocol to create a topic, produce one batch and fetch it
 * back: CreateTopics 4, Metadata 4, Produce 12 (flexible, topics by name), Fetch 12. */
#include "bench/load/raw.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { API_PRODUCE = 0, API_FETCH = 1, API_METADATA = 3, API_CREATE_TOPICS = 19 };
enum { TOPIC_EXISTS = 36, BATCH_HEAD_BYTES = 61, BATCH_CRC_AT = 17, SETUP_BYTES_MAX = 1 << 20 };

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

uint32_t
raw_crc32c(const uint8_t *p, size_t n)
{
    static uint32_t table[256];
    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++)
                c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
            table[i] = c;
        }
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++)
        c = c >> 8 ^ table[(c ^ p[i]) & 0xff];
    return c ^ 0xffffffff;
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
    put_text(o, "sluice-raw");
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

/* One v2 batch of equal records without keys; values are bytes that do not compress to nothing. */
static void
put_batch(struct out *o, const struct raw_options *opt)
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
    for (uint32_t i = 0; i < opt->records; i++) {
        uint8_t head[32];
        struct out h = {head};
        put_n(&h, 0, 1);
        put_varint(&h, 0);
        put_varint(&h, i);
        put_varint(&h, -1);
        put_varint(&h, opt->record_bytes);
        size_t head_len = (size_t)(h.p - head);
        put_varint(o, (int64_t)(head_len + opt->record_bytes + 1));
        memcpy(o->p, head, head_len);
        o->p += head_len;
        for (uint32_t k = 0; k < opt->record_bytes; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            *o->p++ = (uint8_t)x;
        }
        put_varint(o, 0); /* headers */
    }
    size_t n = (size_t)(o->p - batch);
    struct out at = {batch + 8};
    put_n(&at, n - 12, 4);
    at.p = batch + BATCH_CRC_AT;
    put_n(&at, raw_crc32c(batch + BATCH_CRC_AT + 4, n - BATCH_CRC_AT - 4), 4);
}

struct raw_template
raw_produce_template(const struct raw_options *opt, uint32_t partition)
{
    /* Encoded twice, since the compact length of the batch stands before the batch. */
    size_t room = (size_t)opt->records * (opt->record_bytes + 32) + BATCH_HEAD_BYTES;
    uint8_t *batch = malloc(room), *bytes = malloc(room + RAW_HEAD_BYTES);
    if (!batch || !bytes)
        raw_die("memory for the templates");
    struct out b = {batch}, o = {bytes};
    put_batch(&b, opt);
    size_t batch_len = (size_t)(b.p - batch);
    uint8_t *length_at = request_begin(&o, API_PRODUCE, 12, true);
    put_uvarint(&o, 0); /* no transactional id */
    put_n(&o, (uint64_t)opt->acks, 2);
    put_n(&o, 30000, 4);
    put_uvarint(&o, 2); /* one topic */
    put_compact_text(&o, opt->topic);
    put_uvarint(&o, 2); /* one partition */
    put_n(&o, partition, 4);
    put_uvarint(&o, batch_len + 1);
    memcpy(o.p, batch, batch_len);
    o.p += batch_len;
    put_uvarint(&o, 0); /* tagged fields: partition, topic, request */
    put_uvarint(&o, 0);
    put_uvarint(&o, 0);
    free(batch);
    return (struct raw_template){.bytes = bytes, .len = request_end(&o, length_at)};
}

size_t
raw_fetch_request(uint8_t *out, size_t room, const struct raw_options *opt, uint32_t partition,
                  int64_t offset)
{
    struct out o = {out};
    if (room < RAW_HEAD_BYTES)
        raw_die("room for a Fetch request");
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
    put_uvarint(&o, 2);
    put_n(&o, partition, 4);
    put_n(&o, UINT64_MAX, 4); /* current leader epoch */
    put_n(&o, (uint64_t)offset, 8);
    put_n(&o, UINT64_MAX, 4); /* last fetched epoch */
    put_n(&o, UINT64_MAX, 8); /* log start offset */
    put_n(&o, opt->fetch_bytes, 4);
    put_uvarint(&o, 0);
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

/* An unsigned varint at *p, before end; 0 and *p past end when it is cut. */
static uint64_t
get_uvarint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    *p = end + 1;
    return 0;
}

static int64_t
offset_after(const uint8_t *p, const uint8_t *end, int64_t offset)
{
    while (end - p >= BATCH_HEAD_BYTES) {
        uint64_t n = get_n(p + 8, 4) + 12;
        if (n > (uint64_t)(end - p))
            break;
        offset = (int64_t)(get_n(p, 8) + get_n(p + 23, 4) + 1);
        p += n;
    }
    return offset;
}

int
raw_fetch_read(const uint8_t *p, size_t n, int64_t *offset, int64_t *high, uint64_t *bytes)
{
    const uint8_t *end = p + n;
    enum { FIXED_BYTES = 4 + 2 + 8 + 8 + 8 };
    *bytes = 0;
    p += 4 + 1 + 4; /* correlation, tags, throttle */
    if (end - p < 8)
        return -1;
    int error = (int)(int16_t)get_n(p, 2);
    p += 6; /* error, session */
    if (error || get_uvarint(&p, end) != 2)
        return error ? error : -1;
    uint64_t name = get_uvarint(&p, end);
    if (p > end || name < 1 || name - 1 > (uint64_t)(end - p))
        return -1;
    p += name - 1;
    if (get_uvarint(&p, end) != 2 || end - p < FIXED_BYTES)
        return -1;
    error = (int)(int16_t)get_n(p + 4, 2);
    *high = (int64_t)get_n(p + 6, 8);
    p += FIXED_BYTES;
    uint64_t aborted = get_uvarint(&p, end);
    if (aborted > 1 || end - p < 4)
        return -1;
    p += 4; /* preferred replica */
    uint64_t len = get_uvarint(&p, end);
    if (p > end || len > (uint64_t)(end - p) + 1)
        return -1;
    if (len > 1) {
        *offset = offset_after(p, p + len - 1, *offset);
        *bytes = len - 1;
    }
    return error;
}

int
raw_connect(const struct raw_options *o)
{
    char port[8];
    snprintf(port, sizeof port, "%u", o->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(o->host, port, &hints, &list))
        raw_die("address of the broker");
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen))
        raw_die("connect");
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
            raw_die("write");
        request += k;
        n -= (size_t)k;
    }
    size_t got = 0, wanted = 4;
    while (got < wanted) {
        ssize_t k = read(fd, in + got, wanted - got);
        if (k <= 0)
            raw_die("the broker closed the connection");
        got += (size_t)k;
        if (got == 4 && wanted == 4)
            wanted = 4 + get_n(in, 4);
        if (wanted > room)
            raw_die("a response of this size");
    }
    memmove(in, in + 4, wanted - 4);
    return wanted - 4;
}

/* Number of partitions of the topic that have a leader. */
static uint32_t
led_partitions(int fd, const struct raw_options *opt, uint8_t *buffer)
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
raw_prepare_topic(const struct raw_options *opt)
{
    uint8_t *buffer = malloc(SETUP_BYTES_MAX);
    if (!buffer)
        raw_die("memory");
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
            fprintf(stderr, "sluice-raw: CreateTopics: error %d\n", error);
            exit(1);
        }
    }
    for (uint64_t limit = raw_now_ns() + UINT64_C(60000000000);
         led_partitions(fd, opt, buffer) < opt->partitions;) {
        if (raw_now_ns() > limit)
            raw_die("the topic has too few partitions with a leader");
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    close(fd);
    free(buffer);
}
