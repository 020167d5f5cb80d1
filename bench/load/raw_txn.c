/* raw_txn.c: transactions one after the other on each connection, without a rate: Produce of one
 * request's records, EndTxn, and again.  What must be asked again (the last transaction's markers
 * are not written yet, the coordinator loads) is asked a millisecond later and is part of the
 * transaction's time. */
#include "bench/load/raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    COORDINATOR_LOADING = 14,
    COORDINATOR_NOT_AVAILABLE = 15,
    NOT_COORDINATOR = 16,
    CONCURRENT_TRANSACTIONS = 51,
    AGAIN_NS = 1000000
};

static bool
again(int error)
{
    return error == CONCURRENT_TRANSACTIONS || error == COORDINATOR_LOADING ||
           error == COORDINATOR_NOT_AVAILABLE || error == NOT_COORDINATOR;
}

static void
send_one(struct raw_loop *l, struct raw_txn *t)
{
    t->len =
        t->ends ? raw_txn_end(t->request, t) : raw_txn_produce(t->request, l->o, t, t->begun_ns);
    raw_put_u32(t->request + RAW_CORRELATION_AT, ++t->correlation);
    /* One request at a time on this connection: the kernel has room for it. */
    if (send(t->peer.fd, t->request, t->len, 0) != (ssize_t)t->len)
        bench_die("send");
    t->again_ns = 0;
}

static void
answered(struct raw_loop *l, struct raw_txn *t, uint64_t now_ns)
{
    struct bench_tally *tally = &l->clock.interval;
    size_t n = t->wanted - 4 < sizeof t->head - 4 ? t->wanted - 4 : sizeof t->head - 4;
    if (raw_get_u32(t->head + 4) != t->correlation)
        bench_die("a response out of order");
    int error = t->ends ? raw_txn_ended(t->head + 4, n, t)
                        : raw_produce_error(t->head + 4, n, l->topic_len);
    if (again(error)) {
        t->again_ns = now_ns + AGAIN_NS;
        return;
    }
    if (error) {
        fprintf(stderr, "sluice-bench: %s: error %d\n", t->ends ? "EndTxn" : "Produce", error);
        exit(1);
    }
    if (t->ends) {
        tally->requests++;
        tally->records += l->o->records;
        tally->bytes += (uint64_t)l->o->records * l->o->record_bytes;
        hist_add(&tally->latency[BENCH_COMMIT], now_ns - t->begun_ns, 1);
        t->begun_ns = now_ns;
    }
    t->ends = !t->ends;
    send_one(l, t);
}

void
raw_txn_readable(struct raw_loop *l, struct raw_txn *t)
{
    size_t most = sizeof t->head;
    ssize_t n = recv(t->peer.fd, t->head + t->got, most - t->got, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        bench_die("the broker closed a connection");
    t->got += (size_t)n;
    if (t->got < 4)
        return;
    t->wanted = 4 + raw_get_u32(t->head);
    if (t->wanted > most)
        bench_die("a response of this size");
    if (t->got < t->wanted)
        return;
    t->got = 0;
    answered(l, t, bench_now_ns());
}

uint64_t
raw_txns_go(struct raw_loop *l, uint64_t now_ns)
{
    uint64_t wait_ns = UINT64_MAX;
    for (uint32_t i = 0; i < l->o->producers; i++) {
        struct raw_txn *t = &l->txns[i];
        if (t->again_ns > now_ns)
            wait_ns = t->again_ns - now_ns < wait_ns ? t->again_ns - now_ns : wait_ns;
        else if (t->again_ns > 0)
            send_one(l, t);
    }
    return wait_ns;
}

/* Blocks until the coordinator has given the producer its id. */
static void
begin(const struct raw_loop *l, struct raw_txn *t)
{
    uint64_t limit_ns = bench_now_ns() + UINT64_C(60000000000);
    t->peer.fd = raw_connect(l->o);
    for (;;) {
        int error = raw_find_coordinator(l->o, t->id, true);
        if (error == 0)
            error = raw_txn_init(t->peer.fd, t);
        if (error == 0)
            return;
        if (!again(error) || bench_now_ns() > limit_ns) {
            fprintf(stderr, "sluice-bench: InitProducerId: error %d\n", error);
            exit(1);
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

void
raw_txns_open(struct raw_loop *l)
{
    const struct bench_options *o = l->o;
    l->txns = calloc(o->producers, sizeof *l->txns);
    if (!l->txns)
        bench_die("memory");
    for (uint32_t i = 0; i < o->producers; i++) {
        struct raw_txn *t = &l->txns[i];
        snprintf(t->id, sizeof t->id, "%s-txn-%u", o->topic, i);
        t->partition = i % o->partitions;
        t->batch = raw_batch_template(o, i);
        t->request = malloc(t->batch.len + 2 * RAW_HEAD_BYTES);
        if (!t->request)
            bench_die("memory");
        begin(l, t);
        raw_watch(l, &t->peer, RAW_TXN);
        t->begun_ns = bench_now_ns();
        t->again_ns = 1; /* at once */
    }
}

void
raw_txns_close(struct raw_loop *l)
{
    for (uint32_t i = 0; l->txns && i < l->o->producers; i++) {
        close(l->txns[i].peer.fd);
        free(l->txns[i].batch.bytes);
        free(l->txns[i].request);
    }
    free(l->txns);
}
