/* raw.h: the raw client of sluice-bench: what a Kafka client can do at the least cost.
 *
 * It has its own few lines of protocol (raw_wire.c, no code shared with the broker, so that it also
 * checks the broker), one thread and epoll.  A request is a template that was encoded and
 * checksummed once; sending it again costs a copy of its first bytes with a new correlation id and
 * the time it was due, for which the checksum is mended, not counted anew (raw_stamp.c).
 *
 * Not a client to take as an example: it knows one broker, one topic, and ends at the first
 * surprise. */
#ifndef SLUICE_BENCH_RAW_H
#define SLUICE_BENCH_RAW_H

#include "bench/load/bench.h"

#include <stddef.h>

enum {
    RAW_HEAD_BYTES = 512,          /* of a request, copied per send; small requests are all head */
    RAW_RESPONSE_HEAD_BYTES = 256, /* of a Produce response that is kept and looked at */
    RAW_TEMPLATES_MAX = 65536,
    RAW_TEMPLATE_BYTES_MAX = 512 << 20 /* all templates together */
};

/* An encoded request, complete with its length word. */
struct raw_template {
    uint8_t *bytes;
    size_t len;
    size_t crc_at, stamp_at; /* both 0: nothing to stamp */
};
enum { RAW_CORRELATION_AT = 8 }; /* in a request, counted from its length word */

/* How the CRC-32C of a message changes with the 8 bytes of the stamp: one word a byte and value. */
struct raw_stamp {
    uint32_t flip[BENCH_STAMP_BYTES][256];
};

enum raw_role { RAW_PRODUCER, RAW_CONSUMER, RAW_IDLER, RAW_TXN };

struct raw_slot {
    uint64_t due_ns;
    uint32_t template;
    uint8_t head[RAW_HEAD_BYTES];
};

/* What epoll points to; first member of each connection. */
struct raw_peer {
    int fd;
    enum raw_role role;
    bool armed; /* EPOLLOUT asked for */
};

struct raw_producer {
    struct raw_peer peer;
    uint32_t next_template;
    uint64_t filled, sent, answered; /* slot numbers, ever growing */
    size_t sent_bytes;               /* of slot `sent` */
    struct raw_slot *slots;
    size_t got, wanted; /* of the response that is arriving, with its length word */
    uint8_t head[RAW_RESPONSE_HEAD_BYTES];
};

struct raw_consumer {
    struct raw_peer peer;
    uint32_t first, step; /* its partitions: first, first + step, ... */
    int64_t *offsets, *limits;
    uint8_t *request, *buffer;
    size_t request_room, room, got, wanted;
    uint64_t sent_ns, next_ns; /* of the Fetch in flight (0: none); not before next_ns */
    uint64_t begun_ns, read;   /* records, for consume_rate */
    bool done;
};

/* A transactional producer: Produce, EndTxn, and again, one request in flight.  Transactions of
 * version 2 (KIP-890): Produce adds the partition by itself, EndTxn gives the next epoch. */
struct raw_txn {
    struct raw_peer peer;
    char id[BENCH_TOPIC_BYTES_MAX + 16];
    uint64_t producer_id;
    uint16_t epoch;
    uint32_t partition, correlation;
    bool ends;                   /* the request in flight, or to be sent, is EndTxn */
    uint64_t begun_ns, again_ns; /* again_ns: when to send it again; 0: it is in flight */
    struct raw_template batch;
    uint8_t *request;
    size_t len, got, wanted;
    uint8_t head[RAW_RESPONSE_HEAD_BYTES];
};

struct raw_loop {
    const struct bench_options *o;
    struct bench_clock clock;
    struct raw_template *templates;
    uint32_t template_count, variants; /* variants a partition */
    struct raw_stamp *stamp;           /* NULL: records too small for one */
    struct raw_producer *producers;
    struct raw_consumer *consumers;
    struct raw_txn *txns;
    struct raw_peer *idlers;
    uint8_t *receive;
    int epoll_fd;
    size_t topic_len;
    uint64_t due_count; /* open loop: requests that became due */
    bool held_back;     /* by a connection whose slots are all taken */
};
enum { RAW_RECEIVE_BYTES = 1 << 20 };

/* raw_stamp.c */
uint32_t raw_crc32c(const uint8_t *p, size_t n);
/* For a message of n bytes whose stamp stands at `at`. */
void raw_stamp_init(struct raw_stamp *s, size_t n, size_t at);
/* Writes `value` over a stamp of 0 and mends the checksum that stands at crc. */
void raw_stamp_put(const struct raw_stamp *s, uint8_t *at, uint8_t *crc, uint64_t value);

/* raw_wire.c.  Functions that talk to the broker block, and end the program with a message when the
 * broker refuses. */
struct raw_template raw_produce_template(const struct bench_options *o, uint32_t partition,
                                         uint32_t variant);
struct raw_template raw_commit_template(const struct bench_options *o, uint32_t index);
/* Error code of a response whose first n bytes (after the length word) are at p. */
int raw_produce_error(const uint8_t *p, size_t n, size_t topic_len);
int raw_commit_error(const uint8_t *p, size_t n, size_t topic_len);
size_t raw_fetch_room(const struct bench_options *o); /* for a request of all partitions */
size_t raw_fetch_request(uint8_t *out, const struct bench_options *o, const struct raw_consumer *c);
int raw_connect(const struct bench_options *o);
void raw_prepare_topic(const struct bench_options *o);
/* Error code of FindCoordinator for a group: the first one makes the topic of offsets. */
int raw_find_coordinator(const struct bench_options *o, const char *key, bool of_transactions);
struct raw_template raw_batch_template(const struct bench_options *o, uint32_t template);
/* InitProducerId; error code. */
int raw_txn_init(int fd, struct raw_txn *txn);
/* Encode the next request; its bytes.  ended: error code, and the next transaction's epoch. */
size_t raw_txn_produce(uint8_t *out, const struct bench_options *o, const struct raw_txn *txn,
                       uint64_t due_ns);
size_t raw_txn_end(uint8_t *out, const struct raw_txn *txn);
int raw_txn_ended(const uint8_t *p, size_t n, struct raw_txn *txn);
/* Offset of the first (or the next) record of a partition. */
int64_t raw_list_offset(int fd, const struct bench_options *o, uint32_t partition, bool first);
/* ApiVersions, as any client's first request; its answer is read. */
void raw_greet(int fd);

/* raw_read.c: the answer to a Fetch of one topic: one visit a partition. */
struct raw_part {
    int32_t partition;
    int error;
    int64_t high;
    const uint8_t *records; /* whole batches, and perhaps a part of one */
    size_t len;
};
typedef void raw_visit(void *context, const struct raw_part *part);
/* Error code of the response as a whole; -1 when it cannot be read. */
int raw_fetch_read(const uint8_t *p, size_t n, raw_visit *visit, void *context);
/* One whole batch at p (before end): offset after it, records and the first one's stamp, 0 when it
 * has none.  Returns its bytes, 0 when it is cut. */
struct raw_batch {
    int64_t next_offset;
    uint32_t records;
    uint64_t stamp_ns;
};
size_t raw_batch_read(const uint8_t *p, const uint8_t *end, struct raw_batch *out);

/* raw_produce.c */
void raw_producers_open(struct raw_loop *l);
void raw_producer_readable(struct raw_loop *l, struct raw_producer *p);
/* Closed loop: fills the room that answers left.  Both: sends what is filled. */
void raw_producer_go(struct raw_loop *l, struct raw_producer *p);
/* Open loop: hands out what became due; ns until the next one. */
uint64_t raw_hand_out(struct raw_loop *l, uint64_t now_ns);
/* Open loop, at the end: what was due and has no answer counts with the age it has.  Without it the
 * worst would be left out. */
void raw_unanswered(struct raw_loop *l);
void raw_first_round(const struct raw_loop *l);

/* raw_consume.c */
void raw_consumers_open(struct raw_loop *l);
void raw_consumer_readable(struct raw_loop *l, struct raw_consumer *c);
/* Sends the Fetches that are due; ns until the next one.  Draining: false when all is read. */
uint64_t raw_consumers_go(struct raw_loop *l, uint64_t now_ns);
bool raw_consumers_left(const struct raw_loop *l);

/* raw_txn.c */
void raw_txns_open(struct raw_loop *l);
void raw_txn_readable(struct raw_loop *l, struct raw_txn *t);
/* Sends what waited; ns until the next. */
uint64_t raw_txns_go(struct raw_loop *l, uint64_t now_ns);
void raw_txns_close(struct raw_loop *l);

/* raw_loop.c */
void raw_arm(struct raw_loop *l, struct raw_peer *peer, bool want);
/* Connects, non-blocking from here on, and lets epoll watch it. */
void raw_watch(struct raw_loop *l, struct raw_peer *peer, enum raw_role role);
uint32_t raw_get_u32(const uint8_t *p);
void raw_put_u32(uint8_t *p, uint32_t v);

#endif
