/* raw_loop.c: connections, in-flight requests and the epoll loop.
 *
 * Closed loop: every connection keeps `depth` requests in flight.  Open loop: request k is due at
 * start + k / rate on connection k mod connections, whether or not earlier ones were answered; its
 * latency counts from the time it was due, so a stalled broker cannot hide (no coordinated
 * omission).
 *
 * I1 Responses of a connection come in the order of its requests (Kafka's promise; correlation ids
 * are checked).  I2 Slots form a ring: answered <= sent <= filled <= answered + depth. */
#include "bench/load/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, IOV_PAIRS_MAX = 64, RECEIVE_BYTES = 1 << 20 };

struct slot {
    uint64_t due_ns;
    uint32_t partition;
    uint8_t head[RAW_HEAD_BYTES];
};

struct connection {
    int fd;
    bool armed; /* EPOLLOUT asked for */
    uint32_t next_partition, correlation;
    uint64_t filled, sent, answered; /* slot numbers, ever growing */
    size_t sent_bytes;               /* of slot `sent` */
    struct slot *slots;
    size_t got, wanted; /* of the response that is arriving, with its length word */
    uint8_t head[RAW_RESPONSE_HEAD_BYTES];
};

struct loop {
    const struct raw_options *o;
    struct raw_result *result;
    struct raw_template *templates; /* one a partition */
    struct connection *connections;
    uint8_t *receive;
    int epoll_fd;
    size_t topic_len;
    uint64_t start_ns, measure_ns, stop_ns;
    uint64_t due_count; /* open loop: requests that became due */
    bool measuring;
};

void
raw_histogram_add(struct raw_histogram *h, uint64_t ns)
{
    uint32_t octave = ns < RAW_STEPS ? 0 : 63 - (uint32_t)__builtin_clzll(ns) - 5;
    uint32_t step = (uint32_t)(octave ? (ns >> (octave - 1)) - RAW_STEPS : ns);
    uint32_t index = octave * RAW_STEPS + step;
    h->counts[index < RAW_BUCKETS ? index : RAW_BUCKETS - 1]++;
    h->total++;
    if (ns > h->most_ns)
        h->most_ns = ns;
}

uint64_t
raw_histogram_at(const struct raw_histogram *h, double fraction)
{
    uint64_t goal = (uint64_t)((double)h->total * fraction), seen = 0;
    for (uint32_t i = 0; i < RAW_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen > goal || (seen == h->total && seen > 0)) {
            uint32_t octave = i / RAW_STEPS, step = i % RAW_STEPS;
            uint64_t ns = octave ? ((uint64_t)step + RAW_STEPS + 1) << (octave - 1) : step + 1;
            return ns < h->most_ns ? ns : h->most_ns;
        }
    }
    return 0;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Takes the next slot for a request that is due at due_ns. */
static void
fill(struct loop *l, struct connection *c, uint64_t due_ns)
{
    struct slot *s = &c->slots[c->filled % l->o->depth];
    const struct raw_template *t;
    s->partition = c->next_partition;
    s->due_ns = due_ns;
    c->next_partition = (c->next_partition + 1) % l->o->partitions;
    t = &l->templates[s->partition];
    memcpy(s->head, t->bytes, t->len < RAW_HEAD_BYTES ? t->len : RAW_HEAD_BYTES);
    put_u32(s->head + RAW_CORRELATION_AT, (uint32_t)c->filled);
    c->filled++;
}

/* Up to IOV_PAIRS_MAX filled requests as iovecs, starting in the middle of the first. */
static int
gather(const struct loop *l, const struct connection *c, struct iovec *iov)
{
    int n = 0;
    size_t skip = c->sent_bytes;
    for (uint64_t at = c->sent; at < c->filled && n < 2 * IOV_PAIRS_MAX; at++, skip = 0) {
        struct slot *s = &c->slots[at % l->o->depth];
        const struct raw_template *t = &l->templates[s->partition];
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
arm(struct loop *l, struct connection *c, bool want)
{
    if (c->armed == want)
        return;
    c->armed = want;
    struct epoll_event e = {.events = EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void
flush(struct loop *l, struct connection *c)
{
    struct iovec iov[2 * IOV_PAIRS_MAX + 2];
    while (c->sent < c->filled) {
        ssize_t n = writev(c->fd, iov, gather(l, c, iov));
        if (n < 0 && errno == EAGAIN) {
            arm(l, c, true);
            return;
        }
        if (n <= 0)
            raw_die("the broker closed a connection");
        c->sent_bytes += (size_t)n;
        while (c->sent < c->filled) {
            size_t len = l->templates[c->slots[c->sent % l->o->depth].partition].len;
            if (c->sent_bytes < len)
                break;
            c->sent_bytes -= len;
            c->sent++;
        }
    }
    arm(l, c, false);
}

static void
answered(struct loop *l, struct connection *c, uint64_t now_ns)
{
    struct slot *s = &c->slots[c->answered % l->o->depth];
    size_t n = c->wanted - 4 < sizeof c->head - 4 ? c->wanted - 4 : sizeof c->head - 4;
    if (c->answered >= c->sent || get_u32(c->head + 4) != (uint32_t)c->answered)
        raw_die("a response out of order");
    int error = raw_produce_error(c->head + 4, n, l->topic_len);
    c->answered++;
    if (error && l->result->errors++ == 0)
        fprintf(stderr, "sluice-raw: partition %u: error %d\n", s->partition, error);
    if (!l->measuring || error)
        return;
    l->result->requests++;
    l->result->bytes += (uint64_t)l->o->records * l->o->record_bytes;
    raw_histogram_add(&l->result->latency, now_ns - s->due_ns);
}

/* Walks received bytes through the responses; only the head of each is kept. */
static void
take(struct loop *l, struct connection *c, const uint8_t *p, size_t n, uint64_t now_ns)
{
    while (n > 0) {
        size_t part = (c->got < 4 ? 4 : c->wanted) - c->got;
        if (part > n)
            part = n;
        if (c->got < sizeof c->head) {
            size_t room = sizeof c->head - c->got;
            memcpy(c->head + c->got, p, part < room ? part : room);
        }
        c->got += part;
        p += part;
        n -= part;
        if (c->got == 4)
            c->wanted = 4 + get_u32(c->head);
        if (c->got > 4 && c->got == c->wanted) {
            answered(l, c, now_ns);
            c->got = c->wanted = 0;
        }
    }
}

static void
readable(struct loop *l, struct connection *c)
{
    ssize_t n = recv(c->fd, l->receive, RECEIVE_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        raw_die("the broker closed a connection");
    take(l, c, l->receive, (size_t)n, raw_now_ns());
}

/* Closed loop: the room that answers left is filled at once. */
static void
refill(struct loop *l, struct connection *c)
{
    if (l->o->mode != RAW_CLOSED)
        return;
    uint64_t now_ns = raw_now_ns();
    while (c->filled - c->answered < l->o->depth)
        fill(l, c, now_ns);
}

/* Open loop: hands out what became due; a connection whose slots are all taken holds the rest back,
 * with their due times.  Returns the time until the next one. */
static uint64_t
hand_out(struct loop *l, uint64_t now_ns)
{
    double gap_ns = 1e9 / l->o->rate;
    for (;;) {
        uint64_t due_ns = l->start_ns + (uint64_t)((double)l->due_count * gap_ns);
        if (due_ns > now_ns)
            return due_ns - now_ns;
        struct connection *c = &l->connections[l->due_count % l->o->connections];
        if (c->filled - c->answered >= l->o->depth)
            return 1000000; /* its next answer wakes the loop */
        fill(l, c, due_ns);
        flush(l, c);
        l->due_count++;
        l->result->requests_sent += l->measuring;
    }
}

static void
connections_open(struct loop *l)
{
    for (uint32_t i = 0; i < l->o->connections; i++) {
        struct connection *c = &l->connections[i];
        c->fd = raw_connect(l->o);
        c->slots = calloc(l->o->depth, sizeof *c->slots);
        if (!c->slots || fcntl(c->fd, F_SETFL, O_NONBLOCK))
            raw_die("memory for the slots");
        c->next_partition = (uint32_t)((uint64_t)i * l->o->partitions / l->o->connections);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e))
            raw_die("epoll_ctl");
    }
}

static void
turn(struct loop *l, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec ts = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
    int n = epoll_pwait2(l->epoll_fd, events, EVENTS_MAX, &ts, NULL);
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            readable(l, c);
        refill(l, c);
        flush(l, c);
    }
}

/* Reads one whole response (its length word dropped) into *buffer, which grows as needed. */
static size_t
receive_whole(int fd, uint8_t **buffer, size_t *room)
{
    uint8_t word[4];
    if (recv(fd, word, 4, MSG_WAITALL) != 4)
        raw_die("the broker closed the connection");
    size_t n = get_u32(word);
    if (n > *room) {
        free(*buffer);
        *buffer = malloc(n);
        *room = n;
        if (!*buffer)
            raw_die("memory for a response");
    }
    for (size_t got = 0; got < n;) {
        ssize_t k = recv(fd, *buffer + got, n - got, 0);
        if (k <= 0)
            raw_die("the broker closed the connection");
        got += (size_t)k;
    }
    return n;
}

/* One acknowledged request to every partition: a broker may name a leader before that leader takes
 * records, and answers with an error until then, as clients expect. */
static void
first_round(const struct loop *l)
{
    enum { PAUSE_NS = 10000000 };
    uint8_t *buffer = NULL;
    size_t room = 0;
    int fd = raw_connect(l->o);
    uint64_t limit_ns = raw_now_ns() + UINT64_C(60000000000);
    for (uint32_t p = 0; p < l->o->partitions;) {
        const struct raw_template *t = &l->templates[p];
        for (size_t at = 0; at < t->len;) {
            ssize_t k = send(fd, t->bytes + at, t->len - at, 0);
            if (k <= 0)
                raw_die("the broker closed the connection");
            at += (size_t)k;
        }
        size_t n = receive_whole(fd, &buffer, &room);
        if (raw_produce_error(buffer, n, l->topic_len) == 0)
            p++;
        else if (raw_now_ns() > limit_ns)
            raw_die("a partition takes no records");
        else
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    free(buffer);
    close(fd);
}

void
raw_run(const struct raw_options *o, struct raw_result *result)
{
    struct loop l = {.o = o, .result = result, .topic_len = strlen(o->topic)};
    l.templates = calloc(o->partitions, sizeof *l.templates);
    l.connections = calloc(o->connections, sizeof *l.connections);
    l.receive = malloc(RECEIVE_BYTES);
    l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!l.templates || !l.connections || !l.receive || l.epoll_fd < 0)
        raw_die("memory");
    for (uint32_t p = 0; p < o->partitions; p++)
        l.templates[p] = raw_produce_template(o, p);
    first_round(&l);
    connections_open(&l);
    l.start_ns = raw_now_ns();
    l.measure_ns = l.start_ns + (uint64_t)(o->warmup_seconds * 1e9);
    l.stop_ns = l.measure_ns + (uint64_t)(o->seconds * 1e9);
    for (uint32_t i = 0; i < o->connections; i++) {
        refill(&l, &l.connections[i]);
        flush(&l, &l.connections[i]);
    }
    for (uint64_t now_ns = l.start_ns; now_ns < l.stop_ns; now_ns = raw_now_ns()) {
        if (!l.measuring && now_ns >= l.measure_ns) {
            l.measuring = true;
            l.measure_ns = now_ns;
            result->client_cpu_s = -raw_own_cpu_s();
            result->server_cpu_s = -raw_server_cpu_s(o);
        }
        turn(&l, o->mode == RAW_OPEN ? hand_out(&l, now_ns) : 100000000);
    }
    result->seconds = (double)(raw_now_ns() - l.measure_ns) / 1e9;
    result->client_cpu_s += raw_own_cpu_s();
    result->server_cpu_s += raw_server_cpu_s(o);
    result->server_resident_mb = raw_server_resident_mb(o);
    for (uint32_t i = 0; i < o->connections; i++)
        close(l.connections[i].fd);
}

void
raw_fetch_run(const struct raw_options *o, struct raw_result *result)
{
    uint8_t request[RAW_HEAD_BYTES], *buffer = NULL;
    size_t room = 0;
    int fd = raw_connect(o);
    uint64_t start_ns = raw_now_ns();
    result->client_cpu_s = -raw_own_cpu_s();
    result->server_cpu_s = -raw_server_cpu_s(o);
    for (uint32_t partition = 0; partition < o->partitions; partition++) {
        int64_t offset = 0, high = 1;
        while (offset < high) {
            uint64_t bytes, sent_ns = raw_now_ns();
            size_t n = raw_fetch_request(request, sizeof request, o, partition, offset);
            if (send(fd, request, n, 0) != (ssize_t)n)
                raw_die("send");
            n = receive_whole(fd, &buffer, &room);
            int error = raw_fetch_read(buffer, n, &offset, &high, &bytes);
            if (error) {
                fprintf(stderr, "sluice-raw: partition %u: error %d\n", partition, error);
                result->errors++;
                break;
            }
            result->requests++;
            result->bytes += bytes;
            raw_histogram_add(&result->latency, raw_now_ns() - sent_ns);
        }
    }
    result->seconds = (double)(raw_now_ns() - start_ns) / 1e9;
    result->client_cpu_s += raw_own_cpu_s();
    result->server_cpu_s += raw_server_cpu_s(o);
    result->server_resident_mb = raw_server_resident_mb(o);
    free(buffer);
    close(fd);
}
