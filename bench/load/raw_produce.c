/* raw_produce.c: producers: requests in flight, closed and open loop.
 *
 * Closed loop: every connection keeps `depth` requests in flight.  Open loop: request k is due at
 * start + k * records / rate on connection k mod connections, whether or not earlier ones were
 * answered; its latency counts from the time it was due.
 *
 * I1 Responses of a connection come in the order of its requests (Kafka's promise; correlation ids
 * are checked).  I2 Slots form a ring: answered <= sent <= filled <= answered + depth. */
#include "bench/load/raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { IOV_PAIRS_MAX = 64 };

/* Takes the next slot for a request that is due at due_ns. */
static void
fill(struct raw_loop *l, struct raw_producer *p, uint64_t due_ns)
{
    struct raw_slot *s = &p->slots[p->filled % l->o->depth];
    s->template = p->next_template;
    s->due_ns = due_ns;
    p->next_template = (p->next_template + 1) % l->template_count;
    const struct raw_template *t = &l->templates[s->template];
    memcpy(s->head, t->bytes, t->len < RAW_HEAD_BYTES ? t->len : RAW_HEAD_BYTES);
    raw_put_u32(s->head + RAW_CORRELATION_AT, (uint32_t)p->filled);
    if (l->stamp)
        raw_stamp_put(l->stamp, s->head + t->stamp_at, s->head + t->crc_at, due_ns);
    p->filled++;
}

/* Up to IOV_PAIRS_MAX filled requests as iovecs, starting in the middle of the first. */
static int
gather(const struct raw_loop *l, const struct raw_producer *p, struct iovec *iov)
{
    int n = 0;
    size_t skip = p->sent_bytes;
    for (uint64_t at = p->sent; at < p->filled && n < 2 * IOV_PAIRS_MAX; at++, skip = 0) {
        struct raw_slot *s = &p->slots[at % l->o->depth];
        const struct raw_template *t = &l->templates[s->template];
        size_t head = t->len < RAW_HEAD_BYTES ? t->len : RAW_HEAD_BYTES;
        if (skip < head)
            iov[n++] = (struct iovec){s->head + skip, head - skip};
        size_t from = skip > head ? skip : head;
        if (from < t->len)
            iov[n++] = (struct iovec){t->bytes + from, t->len - from};
    }
    return n;
}

static void
flush(struct raw_loop *l, struct raw_producer *p)
{
    struct iovec iov[2 * IOV_PAIRS_MAX + 2];
    while (p->sent < p->filled) {
        ssize_t n = writev(p->peer.fd, iov, gather(l, p, iov));
        if (n < 0 && errno == EAGAIN) {
            raw_arm(l, &p->peer, true);
            return;
        }
        if (n <= 0)
            bench_die("the broker closed a connection");
        p->sent_bytes += (size_t)n;
        while (p->sent < p->filled) {
            size_t len = l->templates[p->slots[p->sent % l->o->depth].template].len;
            if (p->sent_bytes < len)
                break;
            p->sent_bytes -= len;
            p->sent++;
        }
    }
    raw_arm(l, &p->peer, false);
}

static int
answer_error(const struct bench_options *o, const uint8_t *p, size_t n, size_t topic_len)
{
    return o->load == BENCH_COMMITS ? raw_commit_error(p, n, topic_len)
                                    : raw_produce_error(p, n, topic_len);
}

static void
answered(struct raw_loop *l, struct raw_producer *p, uint64_t now_ns)
{
    struct raw_slot *s = &p->slots[p->answered % l->o->depth];
    struct bench_tally *t = &l->clock.interval;
    size_t n = p->wanted - 4 < sizeof p->head - 4 ? p->wanted - 4 : sizeof p->head - 4;
    if (p->answered >= p->sent || raw_get_u32(p->head + 4) != (uint32_t)p->answered)
        bench_die("a response out of order");
    int error = answer_error(l->o, p->head + 4, n, l->topic_len);
    p->answered++;
    if (error) {
        if (t->errors++ == 0)
            fprintf(stderr, "sluice-bench: error %d\n", error);
        return;
    }
    t->requests++;
    t->records += l->o->records;
    t->bytes += (uint64_t)l->o->records * l->o->record_bytes;
    hist_add(&t->latency[BENCH_PRODUCE], now_ns - s->due_ns, 1);
}

/* Walks received bytes through the responses; only the head of each is kept. */
static void
take(struct raw_loop *l, struct raw_producer *p, const uint8_t *at, size_t n, uint64_t now_ns)
{
    while (n > 0) {
        size_t part = (p->got < 4 ? 4 : p->wanted) - p->got;
        if (part > n)
            part = n;
        if (p->got < sizeof p->head) {
            size_t room = sizeof p->head - p->got;
            memcpy(p->head + p->got, at, part < room ? part : room);
        }
        p->got += part;
        at += part;
        n -= part;
        if (p->got == 4)
            p->wanted = 4 + raw_get_u32(p->head);
        if (p->got > 4 && p->got == p->wanted) {
            answered(l, p, now_ns);
            p->got = p->wanted = 0;
        }
    }
}

void
raw_producer_readable(struct raw_loop *l, struct raw_producer *p)
{
    ssize_t n = recv(p->peer.fd, l->receive, RAW_RECEIVE_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        bench_die("the broker closed a connection");
    take(l, p, l->receive, (size_t)n, bench_now_ns());
}

void
raw_producer_go(struct raw_loop *l, struct raw_producer *p)
{
    if (l->o->rate <= 0) {
        uint64_t now_ns = bench_now_ns();
        while (p->filled - p->answered < l->o->depth)
            fill(l, p, now_ns);
    }
    flush(l, p);
}

/* A connection whose slots are all taken holds the rest back, with their due times: then the broker
 * is late, not the client, until all that was due is sent. */
uint64_t
raw_hand_out(struct raw_loop *l, uint64_t now_ns)
{
    double gap_ns = 1e9 * l->o->records / l->o->rate;
    for (;;) {
        uint64_t due_ns = l->clock.start_ns + (uint64_t)((double)l->due_count * gap_ns);
        if (due_ns > now_ns) {
            l->held_back = false;
            return due_ns - now_ns;
        }
        struct raw_producer *p = &l->producers[l->due_count % l->o->producers];
        if (p->filled - p->answered >= l->o->depth) {
            l->held_back = true;
            return 1000000; /* its next answer wakes the loop */
        }
        fill(l, p, due_ns);
        flush(l, p);
        l->due_count++;
        l->clock.interval.due += l->o->records;
        if (!l->held_back)
            hist_add(&l->clock.interval.latency[BENCH_LATE], now_ns - due_ns, 1);
    }
}

void
raw_unanswered(struct raw_loop *l)
{
    struct hist *h = &l->clock.interval.latency[BENCH_PRODUCE];
    uint64_t now_ns = bench_now_ns();
    double gap_ns = 1e9 * l->o->records / l->o->rate;
    for (uint32_t i = 0; i < l->o->producers; i++) {
        const struct raw_producer *p = &l->producers[i];
        for (uint64_t at = p->answered; at < p->filled; at++)
            hist_add(h, now_ns - p->slots[at % l->o->depth].due_ns, 1);
    }
    for (;; l->due_count++) {
        uint64_t due_ns = l->clock.start_ns + (uint64_t)((double)l->due_count * gap_ns);
        if (due_ns >= now_ns)
            return;
        hist_add(h, now_ns - due_ns, 1);
    }
}

void
raw_producers_open(struct raw_loop *l)
{
    const struct bench_options *o = l->o;
    l->producers = calloc(o->producers + 1, sizeof *l->producers);
    if (!l->producers)
        bench_die("memory");
    for (uint32_t i = 0; i < o->producers; i++) {
        struct raw_producer *p = &l->producers[i];
        p->slots = calloc(o->depth, sizeof *p->slots);
        if (!p->slots)
            bench_die("memory for the slots");
        p->next_template = (uint32_t)((uint64_t)i * l->template_count / o->producers);
        raw_watch(l, &p->peer, RAW_PRODUCER);
    }
}

/* Reads one whole response whose head is kept, its length word dropped. */
static size_t
receive_head(int fd, uint8_t *head)
{
    uint8_t word[4], rest[4096];
    if (recv(fd, word, 4, MSG_WAITALL) != 4)
        bench_die("the broker closed the connection");
    size_t n = raw_get_u32(word), kept = 0;
    for (size_t got = 0; got < n;) {
        size_t room = n - got < sizeof rest ? n - got : sizeof rest;
        ssize_t k = recv(fd, rest, room, 0);
        if (k <= 0)
            bench_die("the broker closed the connection");
        size_t keep = RAW_RESPONSE_HEAD_BYTES - kept;
        keep = keep < (size_t)k ? keep : (size_t)k;
        memcpy(head + kept, rest, keep);
        kept += keep;
        got += (size_t)k;
    }
    return kept;
}

static void
send_whole(int fd, const struct raw_template *t)
{
    for (size_t at = 0; at < t->len;) {
        ssize_t k = send(fd, t->bytes + at, t->len - at, 0);
        if (k <= 0)
            bench_die("the broker closed the connection");
        at += (size_t)k;
    }
}

/* One acknowledged request to every partition (of commits: one): a broker may name a leader before
 * that leader takes records, and answers with an error until then, as clients expect. */
void
raw_first_round(const struct raw_loop *l)
{
    enum { PAUSE_NS = 10000000 };
    uint8_t head[RAW_RESPONSE_HEAD_BYTES];
    struct bench_options plain = *l->o;
    if (plain.load == BENCH_RECORDS && plain.records > 1)
        plain.records = 1; /* it is not load yet */
    uint32_t count = plain.load == BENCH_COMMITS ? 1 : plain.partitions;
    int fd = raw_connect(&plain);
    uint64_t limit_ns = bench_now_ns() + UINT64_C(60000000000);
    for (uint32_t i = 0; i < count;) {
        if (plain.load == BENCH_COMMITS)
            raw_find_coordinator(&plain, "bench", false);
        struct raw_template t = plain.load == BENCH_COMMITS ? raw_commit_template(&plain, i)
                                                            : raw_produce_template(&plain, i, 0);
        send_whole(fd, &t);
        free(t.bytes);
        size_t n = receive_head(fd, head);
        int error = answer_error(&plain, head, n, l->topic_len);
        if (error == 0)
            i++;
        else if (bench_now_ns() > limit_ns) {
            fprintf(stderr, "sluice-bench: error %d\n", error);
            bench_die("the broker takes no records");
        } else
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    close(fd);
}
