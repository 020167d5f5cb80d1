/* tcp_bench.c: our whole stack, TCP over IP over a device, without a network: a client and a server
 * in one thread, their devices joined in memory.  Beside it the kernel's TCP over loopback, the
 * same work in one thread by epoll.
 *
 *   tcp_bench [--only TEXT] [--rounds N] [--count N]       TEXT$: at the end of a row's name
 *
 * Each row is the median of N rounds (5), by the thread's processor time.  "both ends" is what one
 * core does when it is client and server; "server" is the server's part alone, by its share of the
 * time on the wall: the thread's own clock costs as much as half a pair.  A frame is copied
 * once from the sender's memory into the receiver's, as a device would; that is counted to the
 * sender.  --count: so many pairs, connections or segments a round, and how many frames went, for
 * stages.py. */
#include "bench/net/duel.h"
#include "bench/net/kernel_tcp.h"

#include "core/base/err.h"
#include "drivers/os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 51, OPENING = 64, BULK_VIEW = 64 << 10, RPC_MOST = 4096 };

struct end {
    uint64_t id, got, sent;
};

struct bench {
    struct duel *duel;
    const struct kernel_row *row;
    struct end *ends[2]; /* by the lower half of a connection's id: its place, see tcp_stack.c */
    uint64_t done, goal;
    uint64_t client_ns, server_ns; /* of the clock on the wall */
    uint64_t last_id[2];           /* of each side */
    uint32_t open, opening;
};

static const struct kernel_row rows[] = {
    {"64 bytes there and back, 1 connection", KERNEL_PAIRS, 64, 1, DUEL_PLAIN},
    {"64 bytes there and back, 100", KERNEL_PAIRS, 64, 100, DUEL_PLAIN},
    {"64 bytes there and back, 1000", KERNEL_PAIRS, 64, 1000, DUEL_PLAIN},
    {"64 bytes there and back, 10000", KERNEL_PAIRS, 64, 10000, DUEL_PLAIN},
    {"64 bytes there and back, 100000", KERNEL_PAIRS, 64, 100000, DUEL_PLAIN},
    {"64 bytes there and back, 1000, the device sums", KERNEL_PAIRS, 64, 1000, DUEL_SUMS},
    {"1 KiB there and back, 1000", KERNEL_PAIRS, 1024, 1000, DUEL_PLAIN},
    {"1 KiB there and back, 1000, the device sums", KERNEL_PAIRS, 1024, 1000, DUEL_SUMS},
    {"connect and close", KERNEL_CONNECTS, 0, 0, DUEL_PLAIN},
    {"bulk to the server", KERNEL_BULK, 0, 1, DUEL_PLAIN},
    {"bulk to the server, the device sums", KERNEL_BULK, 0, 1, DUEL_SUMS},
    {"bulk to the server, the device sums and cuts", KERNEL_BULK, 0, 1, DUEL_CUTS},
    {"bulk from the server", KERNEL_BULK_BACK, 0, 1, DUEL_PLAIN},
    {"bulk from the server, the device sums", KERNEL_BULK_BACK, 0, 1, DUEL_SUMS},
    {"bulk from the server, the device sums and cuts", KERNEL_BULK_BACK, 0, 1, DUEL_CUTS},
};

static uint8_t payload[BULK_VIEW];

static bool
is_bulk(const struct kernel_row *r)
{
    return r->kind == KERNEL_BULK || r->kind == KERNEL_BULK_BACK;
}

static uint64_t
cpu_ns(void)
{
    struct timespec ts;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- the two applications ---- */

static uint32_t
bytes_take(struct tcp *t, uint64_t id)
{
    struct view views[16];
    uint32_t all = 0;
    for (uint32_t count; (count = tcp_peek(t, id, views, 16)) > 0;) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count; i++)
            bytes += views[i].len;
        tcp_consume(t, id, bytes);
        all += bytes;
    }
    return all;
}

static void
send_one(struct bench *b, uint32_t side, uint64_t id)
{
    struct view v = view_of(payload, b->row->bytes);
    must(tcp_send(duel_tcp(b->duel, side), id, &v, 1) == (int)v.len);
    b->ends[side][(uint32_t)id].sent += v.len;
}

static void
readable(struct bench *b, uint32_t side, uint64_t id)
{
    struct end *e = &b->ends[side][(uint32_t)id];
    e->got += bytes_take(duel_tcp(b->duel, side), id);
    if (is_bulk(b->row)) {
        b->done = e->got / DUEL_MSS;
        return;
    }
    uint64_t whole = e->got / b->row->bytes * b->row->bytes;
    if (side == 1) {
        while (e->sent < whole)
            send_one(b, side, id);
    } else if (e->got == e->sent) {
        b->done++;
        if (b->done < b->goal)
            send_one(b, side, id);
    }
}

static void
connect_one(struct bench *b, uint32_t number)
{
    struct tcp_addr local, remote;
    uint64_t id;
    duel_addresses(&local, &remote, number);
    must(tcp_connect(duel_tcp(b->duel, 0), &local, &remote, &id) == ERR_OK);
    b->opening++;
}

static void
event_take(struct bench *b, uint32_t side, const struct tcp_event *e)
{
    struct tcp *t = duel_tcp(b->duel, side);
    bool connects = b->row->kind == KERNEL_CONNECTS;
    switch (e->kind) {
    case TCP_ACCEPTED:
        b->ends[side][(uint32_t)e->id] = (struct end){.id = e->id};
        b->last_id[side] = e->id;
        break;
    case TCP_CONNECTED:
        b->ends[side][(uint32_t)e->id] = (struct end){.id = e->id};
        b->opening--;
        b->open++;
        b->last_id[side] = e->id;
        if (connects)
            tcp_close(t, e->id);
        break;
    case TCP_READABLE:
        readable(b, side, e->id);
        break;
    case TCP_EOF:
        tcp_close(t, e->id);
        break;
    case TCP_CLOSED:
        must(e->reason == TCP_DONE);
        if (side == 0 && connects)
            b->done++;
        break;
    default:
        break;
    }
}

static void
connect_more(struct bench *b)
{
    while (b->open + b->opening < b->goal && b->open + b->opening < b->done + OPENING)
        connect_one(b, b->open + b->opening);
}

static void
send_all(struct bench *b, uint32_t side)
{
    struct view v = view_of(payload, BULK_VIEW);
    while (b->last_id[side] && tcp_send(duel_tcp(b->duel, side), b->last_id[side], &v, 1) > 0)
        continue;
}

static void
turn(struct bench *b, uint32_t side)
{
    struct tcp_event events[64];
    struct tcp *t = duel_tcp(b->duel, side);
    duel_receive(b->duel, side);
    for (uint32_t n; (n = tcp_poll(t, events, 64)) > 0;) {
        for (uint32_t i = 0; i < n; i++)
            __builtin_prefetch(&b->ends[side][(uint32_t)events[i].id]);
        for (uint32_t i = 0; i < n; i++)
            event_take(b, side, &events[i]);
    }
    if (side == 0 && b->row->kind == KERNEL_CONNECTS)
        connect_more(b);
    if (is_bulk(b->row) && side == (b->row->kind == KERNEL_BULK_BACK))
        send_all(b, side);
    duel_send(b->duel, side);
}

static void
run_to(struct bench *b, uint64_t goal)
{
    b->goal = goal;
    for (uint64_t from_ns = os_now_ns(); b->done < goal;) {
        turn(b, 0);
        uint64_t middle_ns = os_now_ns();
        turn(b, 1);
        b->client_ns += middle_ns - from_ns;
        from_ns = os_now_ns();
        b->server_ns += from_ns - middle_ns;
    }
}

/* Neighbours find each other: until then a burst of SYNs is cut to the few that may wait. */
static void
warm(struct bench *b)
{
    for (uint32_t k = 0; k < 2; k++) {
        connect_one(b, k * DUEL_PORTS);
        for (uint64_t before = b->done; b->done == before;) {
            turn(b, 0);
            turn(b, 1);
        }
    }
}

static void
open_all(struct bench *b)
{
    if (b->row->kind == KERNEL_CONNECTS)
        warm(b);
    uint32_t wanted = b->row->kind == KERNEL_CONNECTS ? 0 : b->row->conns;
    b->goal = 0;
    while (b->open < wanted) {
        while (b->opening < OPENING && b->open + b->opening < wanted)
            connect_one(b, b->open + b->opening);
        turn(b, 0);
        turn(b, 1);
    }
}

/* ---- rows ---- */

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t
count_of(const struct kernel_row *r, uint64_t count)
{
    if (count)
        return count > r->conns ? count : r->conns;
    uint64_t least = r->kind == KERNEL_CONNECTS ? 50000 : 300000;
    return least > 2 * (uint64_t)r->conns ? least : 2 * (uint64_t)r->conns;
}

static void
print(const struct kernel_row *r, double both_ns, double server_ns, double kernel_ns)
{
    const char *unit = is_bulk(r) ? "Gb/s" : "M/s";
    double scale = is_bulk(r) ? DUEL_MSS * 8.0 : 1e3;
    printf("| %s | %s | %.2f | %.2f | ", r->name, unit, scale / both_ns, scale / server_ns);
    if (kernel_ns > 0)
        printf("%.2f |\n", scale / kernel_ns);
    else
        printf("|\n");
    (void)fflush(stdout);
}

static void
row_run(const struct kernel_row *r, uint32_t rounds, uint64_t count)
{
    double both_ns[ROUNDS_MAX], server_ns[ROUNDS_MAX], kernel_ns[ROUNDS_MAX];
    struct bench b = {.row = r};
    uint64_t each = count_of(r, count);
    uint32_t conns = r->conns ? r->conns : OPENING;
    b.duel = duel_make(2 * conns + OPENING, r->device);
    for (uint32_t side = 0; side < 2; side++)
        b.ends[side] = calloc(2 * conns + OPENING, sizeof *b.ends[side]);
    open_all(&b);
    /* One request of each connection goes round from now on. */
    for (uint32_t i = 0; r->kind == KERNEL_PAIRS && i < r->conns; i++)
        send_one(&b, 0, b.ends[0][i].id);
    b.done = r->kind == KERNEL_CONNECTS ? b.open : 0;
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t before = b.done, from_ns = cpu_ns();
        b.client_ns = b.server_ns = 0;
        run_to(&b, before + each);
        double took = (double)(b.done - before);
        both_ns[i] = (double)(cpu_ns() - from_ns) / took;
        server_ns[i] = both_ns[i] * (double)b.server_ns / (double)(b.client_ns + b.server_ns);
        /* The goal stops the circles: those that have come to rest begin again. */
        for (uint32_t k = 0; r->kind == KERNEL_PAIRS && k < r->conns; k++)
            if (b.ends[0][k].got == b.ends[0][k].sent)
                send_one(&b, 0, b.ends[0][k].id);
        kernel_ns[i] = count || r->device != DUEL_PLAIN ? 0 : kernel_run(r, each / 8);
    }
    qsort(both_ns, rounds, sizeof both_ns[0], compare);
    qsort(server_ns, rounds, sizeof server_ns[0], compare);
    qsort(kernel_ns, rounds, sizeof kernel_ns[0], compare);
    print(r, both_ns[rounds / 2], server_ns[rounds / 2], kernel_ns[rounds / 2]);
    if (count)
        printf("# frames %llu\n", (unsigned long long)duel_frames(b.duel));
    duel_free(b.duel);
    free(b.ends[0]);
    free(b.ends[1]);
}

/* TEXT stands in the name, or TEXT$ at its end. */
static bool
chosen(const char *name, const char *only)
{
    size_t have = strlen(name), want = strlen(only);
    if (want == 0 || only[want - 1] != '$')
        return strstr(name, only);
    return have >= want - 1 && memcmp(name + have - (want - 1), only, want - 1) == 0;
}

int
main(int argc, char **argv)
{
    const char *only = "";
    uint64_t rounds = 5, count = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--only") == 0)
            only = argv[i + 1];
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            count = strtoull(argv[i + 1], NULL, 10);
        else
            rounds = 0;
    }
    if (argc % 2 == 0 || rounds == 0 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: tcp_bench [--only TEXT] [--rounds N] [--count N]\n");
        return 2;
    }
    printf("| | unit | both ends | server | kernel, both ends |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (chosen(rows[i].name, only))
            row_run(&rows[i], (uint32_t)rounds, count);
    return 0;
}
