/* raw_consume.c: consumers: one Fetch in flight each, over all partitions it has, by a full request
 * without a session.  A consumer with a rate waits before its next Fetch until what it has read is
 * due: a slow consumer. */
#include "bench/load/raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BUFFER_BYTES = 1 << 20 };
/* A stamp older than this is no stamp: records of somebody else. */
static const uint64_t STAMP_AGE_MAX_NS = UINT64_C(3600000000000);

struct reading {
    struct raw_loop *l;
    struct raw_consumer *c;
    uint64_t now_ns;
};

static void
visit(void *context, const struct raw_part *part)
{
    struct reading *r = context;
    struct raw_consumer *c = r->c;
    struct bench_tally *t = &r->l->clock.interval;
    const uint8_t *p = part->records, *end = p + part->len;
    if (part->partition < 0 || (uint32_t)part->partition >= r->l->o->partitions)
        bench_die("a partition nobody asked for");
    if (part->error) {
        if (t->errors++ == 0)
            fprintf(stderr, "sluice-bench: Fetch of partition %d: error %d\n", part->partition,
                    part->error);
        return;
    }
    int64_t *offset = &c->offsets[part->partition];
    struct raw_batch b;
    for (size_t n; (n = raw_batch_read(p, end, &b)) > 0; p += n) {
        if (b.next_offset <= *offset)
            continue;
        *offset = b.next_offset;
        t->consumed += b.records;
        c->read += b.records;
        t->consumed_bytes += n;
        if (b.stamp_ns && b.stamp_ns < r->now_ns && r->now_ns - b.stamp_ns < STAMP_AGE_MAX_NS)
            hist_add(&t->latency[BENCH_E2E], r->now_ns - b.stamp_ns, b.records);
    }
    c->limits[part->partition] = part->high;
}

static void
answered(struct raw_loop *l, struct raw_consumer *c)
{
    struct reading r = {.l = l, .c = c, .now_ns = bench_now_ns()};
    struct bench_tally *t = &l->clock.interval;
    int error = raw_fetch_read(c->buffer, c->wanted - 4, visit, &r);
    if (error && t->errors++ == 0)
        fprintf(stderr, "sluice-bench: Fetch: error %d\n", error);
    t->fetches++;
    hist_add(&t->latency[BENCH_FETCH], r.now_ns - c->sent_ns, 1);
    c->sent_ns = 0;
    c->got = c->wanted = 0;
    if (l->o->consume_rate > 0)
        c->next_ns = c->begun_ns + (uint64_t)((double)c->read * 1e9 / l->o->consume_rate);
    bool behind = false;
    for (uint32_t p = c->first; p < l->o->partitions; p += c->step)
        behind |= c->offsets[p] < c->limits[p];
    c->done = l->o->drain && !behind;
}

void
raw_consumer_readable(struct raw_loop *l, struct raw_consumer *c)
{
    uint8_t word[4];
    ssize_t n;
    if (c->wanted == 0) {
        n = recv(c->peer.fd, word, sizeof word, MSG_PEEK);
        if (n == (ssize_t)sizeof word) {
            n = recv(c->peer.fd, word, sizeof word, 0);
            c->wanted = 4 + raw_get_u32(word);
            c->got = 4;
        } else if (n > 0) {
            return;
        }
        if (c->wanted > c->room) {
            free(c->buffer);
            c->room = c->wanted + BUFFER_BYTES;
            c->buffer = malloc(c->room);
            if (!c->buffer)
                bench_die("memory for a response");
        }
    } else {
        n = 1;
    }
    while (n > 0 && c->got < c->wanted) {
        n = recv(c->peer.fd, c->buffer + c->got - 4, c->wanted - c->got, 0);
        c->got += n > 0 ? (size_t)n : 0;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN))
        bench_die("the broker closed a connection");
    if (c->wanted > 0 && c->got == c->wanted)
        answered(l, c);
}

uint64_t
raw_consumers_go(struct raw_loop *l, uint64_t now_ns)
{
    uint64_t wait_ns = UINT64_MAX;
    for (uint32_t i = 0; i < l->o->consumers; i++) {
        struct raw_consumer *c = &l->consumers[i];
        if (c->sent_ns || c->done)
            continue;
        if (c->next_ns > now_ns) {
            wait_ns = c->next_ns - now_ns < wait_ns ? c->next_ns - now_ns : wait_ns;
            continue;
        }
        size_t n = raw_fetch_request(c->request, l->o, c);
        /* One request at a time on this connection: the kernel has room for it. */
        if (send(c->peer.fd, c->request, n, 0) != (ssize_t)n)
            bench_die("send");
        c->sent_ns = now_ns;
    }
    return wait_ns;
}

bool
raw_consumers_left(const struct raw_loop *l)
{
    for (uint32_t i = 0; i < l->o->consumers; i++)
        if (!l->consumers[i].done)
            return true;
    return false;
}

void
raw_consumers_open(struct raw_loop *l)
{
    const struct bench_options *o = l->o;
    l->consumers = calloc(o->consumers + 1, sizeof *l->consumers);
    if (!l->consumers)
        bench_die("memory");
    for (uint32_t i = 0; i < o->consumers; i++) {
        struct raw_consumer *c = &l->consumers[i];
        c->first = o->fan_out ? 0 : i % o->partitions;
        c->step = o->fan_out ? 1 : o->consumers;
        c->offsets = calloc(o->partitions, sizeof *c->offsets);
        c->limits = calloc(o->partitions, sizeof *c->limits);
        c->request_room = raw_fetch_room(o);
        c->request = malloc(c->request_room);
        if (!c->offsets || !c->limits || !c->request)
            bench_die("memory for a consumer");
        c->peer.fd = raw_connect(o);
        for (uint32_t p = c->first; p < o->partitions; p += c->step) {
            c->offsets[p] = raw_list_offset(c->peer.fd, o, p, o->from_start);
            c->limits[p] = o->drain ? raw_list_offset(c->peer.fd, o, p, false) : 0;
        }
        raw_watch(l, &c->peer, RAW_CONSUMER);
        c->begun_ns = bench_now_ns();
    }
}
