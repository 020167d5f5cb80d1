/* raw.h: sluice-raw, a Kafka client that costs as little as a client can, to load a broker with.
 *
 * It has its own few lines of protocol (raw_wire.c, no code shared with the broker, so that it also
 * checks the broker), one thread and epoll.  A request is a template that was encoded and
 * checksummed once; sending it again costs a copy of its first bytes with a new correlation id. */
#ifndef SLUICE_BENCH_RAW_H
#define SLUICE_BENCH_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    RAW_CONNECTIONS_MAX = 4096,
    RAW_DEPTH_MAX = 1024,
    RAW_PARTITIONS_MAX = 4096,
    RAW_PIDS_MAX = 16,
    RAW_HEAD_BYTES = 512,          /* of a request, copied per send; small requests are all head */
    RAW_RESPONSE_HEAD_BYTES = 256, /* of a response that is kept and looked at */
    RAW_TOPIC_BYTES_MAX = 100
};

enum raw_mode { RAW_CLOSED, RAW_OPEN, RAW_FETCH };

struct raw_options {
    enum raw_mode mode;
    const char *mode_name, *topic;
    char host[64];
    uint16_t port;
    bool create;
    uint32_t connections, depth, partitions;
    uint32_t record_bytes, records; /* per request */
    uint32_t fetch_bytes;           /* most of one Fetch */
    double seconds, warmup_seconds, rate;
    int acks;
    int pids[RAW_PIDS_MAX];
    uint32_t pid_count;
};

/* Latencies in ns: log-linear, 64 steps an octave (error below 1.6 %). */
enum { RAW_STEPS = 64, RAW_BUCKETS = 64 * RAW_STEPS };
struct raw_histogram {
    uint64_t counts[RAW_BUCKETS];
    uint64_t total, most_ns;
};
void raw_histogram_add(struct raw_histogram *h, uint64_t ns);
/* Upper bound of the bucket that holds this fraction (0..1) of the values, in ns. */
uint64_t raw_histogram_at(const struct raw_histogram *h, double fraction);

/* What was counted in the measured part. */
struct raw_result {
    double seconds, client_cpu_s, server_cpu_s;
    uint64_t requests, errors, bytes;
    uint64_t requests_sent; /* open loop: falls behind rate*seconds when the broker does */
    double server_resident_mb;
    struct raw_histogram latency;
};

/* An encoded Produce request of one batch for one partition, complete with its length word. */
struct raw_template {
    uint8_t *bytes;
    size_t len;
};
enum { RAW_CORRELATION_AT = 8 }; /* in a request, counted from its length word */

/* raw_wire.c.  Functions that talk to the broker block, and end the program with a message when the
 * broker refuses. */
uint32_t raw_crc32c(const uint8_t *p, size_t n);
struct raw_template raw_produce_template(const struct raw_options *o, uint32_t partition);
size_t raw_fetch_request(uint8_t *out, size_t room, const struct raw_options *o, uint32_t partition,
                         int64_t offset);
/* Error code of a Produce response whose first n bytes (after the length word) are at p. */
int raw_produce_error(const uint8_t *p, size_t n, size_t topic_len);
/* Reads a whole Fetch response of one partition.  Returns its error code; the offset after the last
 * whole batch (`offset` when there is none), the high watermark and the bytes of records. */
int raw_fetch_read(const uint8_t *p, size_t n, int64_t *offset, int64_t *high, uint64_t *bytes);
int raw_connect(const struct raw_options *o);
void raw_prepare_topic(const struct raw_options *o);

/* raw_loop.c */
void raw_run(const struct raw_options *o, struct raw_result *result);
void raw_fetch_run(const struct raw_options *o, struct raw_result *result);

/* raw_main.c */
void raw_die(const char *what) __attribute__((noreturn));
uint64_t raw_now_ns(void);
/* CPU seconds (user and system) and resident megabytes of the server's processes. */
double raw_server_cpu_s(const struct raw_options *o);
double raw_server_resident_mb(const struct raw_options *o);
double raw_own_cpu_s(void);

#endif
