/* attack.c: each attack at the device's full rate, with honest clients beside it.
 *
 *   attack [--seed S] [--ms N] [--only TEXT]
 *
 * For N ms (300) of virtual time each of CLIENTS clients connects, sends MESSAGES messages in turn,
 * gets as much back, closes and begins anew.  Of those that began at least GRACE before the end 99
 * in 100 must finish, each within LATE; what the server read must be what was sent; no table and no
 * device may go over its limit; and a counter must name the attack. */
#include "tests/sim/tcp/attack.h"

#include "core/base/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LATE_US = 2000000,
    THINK_US = 5000,
    CLIENT_PORT = 10000,
    SETTLE_US = 2500000, /* IPv6 looks for duplicates of its addresses for a second */
    WARM_US = 2000000,   /* clients without an attack */
    SEGMENT = 1460,
};

uint64_t
random_next(struct world *w)
{
    w->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = w->random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t
random_below(struct world *w, uint32_t limit)
{
    return (uint32_t)(random_next(w) % limit);
}

void
fail(const struct world *w, const char *format, ...)
{
    va_list args;
    (void)fprintf(stderr, "%s at %" PRIu64 " us: ", w->attack->name, w->now_us);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    exit(1);
}

/* ---- the server ---- */

static void
served_read(struct world *w, struct served *c)
{
    struct view views[16];
    struct tcp *t = w->hosts[SERVER].tcp;
    for (uint32_t count; (count = tcp_peek(t, c->id, views, 16)) > 0;) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t k = 0; c->honest && k < views[i].len; k++)
                if (views[i].at[k] != w->pattern[(c->got + bytes + k) % PATTERN])
                    fail(w, "byte %" PRIu64 " of a client is another's", c->got + bytes + k);
            bytes += views[i].len;
        }
        c->got += bytes;
        tcp_consume(t, c->id, bytes);
    }
}

/* Gives back what came, or the source; ends when the peer has, or the source is at its end. */
static void
served_go(struct world *w, struct served *c)
{
    struct tcp *t = w->hosts[SERVER].tcp;
    uint64_t limit = c->source ? SOURCE_BYTES : c->got;
    while (c->sent < limit) {
        uint64_t from = c->sent % PATTERN, bytes = limit - c->sent;
        if (bytes > PATTERN - from)
            bytes = PATTERN - from;
        struct view v = view_of(w->pattern + from, (uint32_t)bytes);
        int sent = tcp_send(t, c->id, &v, 1);
        if (sent <= 0)
            return;
        c->sent += (uint64_t)sent;
    }
    if (c->eof || c->source || c->closer)
        tcp_close(t, c->id);
}

static void
server_turn(struct world *w)
{
    struct tcp *t = w->hosts[SERVER].tcp;
    struct tcp_event e[64];
    for (uint32_t n; (n = tcp_poll(t, e, 64)) > 0;)
        for (uint32_t i = 0; i < n; i++) {
            struct served *c = &w->served[(uint32_t)e[i].id];
            if (e[i].kind == TCP_ACCEPTED) {
                bool honest = memcmp(e[i].peer.ip, w->address[CLIENT], 16) == 0;
                *c = (struct served){.id = e[i].id,
                                     .honest = honest,
                                     .source = e[i].listener == 1,
                                     .closer = e[i].listener == 2};
            }
            c->eof |= e[i].kind == TCP_EOF;
            if (e[i].kind == TCP_CLOSED)
                c->id = 0;
            if (!c->id)
                continue;
            served_read(w, c);
            served_go(w, c);
        }
}

/* ---- honest clients ---- */

static void
client_begin(struct world *w, uint32_t k)
{
    struct client *c = &w->clients[k];
    struct tcp_addr local = {.port = (uint16_t)(CLIENT_PORT + k)}, remote = {.port = SERVER_PORT};
    memcpy(local.ip, w->address[CLIENT], 16);
    memcpy(remote.ip, w->address[SERVER], 16);
    *c = (struct client){.start_us = w->now_us};
    if (tcp_connect(w->hosts[CLIENT].tcp, &local, &remote, &c->id) == ERR_EXISTS) /* TIME_WAIT */
        *c = (struct client){.start_us = w->now_us + THINK_US};
}

static void
client_ended(struct world *w, struct client *c, enum tcp_reason reason)
{
    uint64_t took_us = w->now_us - c->start_us;
    bool whole = reason == TCP_DONE && c->got == MESSAGE * MESSAGES;
    w->finished += whole;
    w->failed += !whole;
    w->late += whole && took_us > LATE_US;
    if (took_us > w->slow_us)
        w->slow_us = took_us;
    *c = (struct client){.start_us = w->now_us + 1 + random_below(w, THINK_US)};
}

static void
client_read(struct world *w, struct client *c)
{
    struct view views[16];
    struct tcp *t = w->hosts[CLIENT].tcp;
    for (uint32_t count; (count = tcp_peek(t, c->id, views, 16)) > 0;) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (memcmp(views[i].at, w->pattern + (c->got + bytes) % PATTERN, views[i].len) != 0)
                fail(w, "an answer with other bytes");
            bytes += views[i].len;
        }
        c->got += bytes;
        tcp_consume(t, c->id, bytes);
    }
    if (c->got == c->sent && c->sent < MESSAGE * MESSAGES) {
        struct view v = view_of(w->pattern + c->sent, MESSAGE);
        must(tcp_send(t, c->id, &v, 1) == MESSAGE);
        c->sent += MESSAGE;
    } else if (c->got == MESSAGE * MESSAGES && !c->closing) {
        c->closing = true;
        tcp_close(t, c->id);
    }
}

static void
clients_turn(struct world *w)
{
    struct tcp_event e[64];
    for (uint32_t n; (n = tcp_poll(w->hosts[CLIENT].tcp, e, 64)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < CLIENTS; k++) {
                struct client *c = &w->clients[k];
                if (c->id != e[i].id)
                    continue;
                c->open |= e[i].kind == TCP_CONNECTED;
                if (e[i].kind == TCP_CLOSED)
                    client_ended(w, c, e[i].reason);
            }
    for (uint32_t k = 0; k < CLIENTS; k++) {
        struct client *c = &w->clients[k];
        if (c->open)
            client_read(w, c);
        else if (!c->id && c->start_us <= w->now_us && !w->over)
            client_begin(w, k);
    }
}

/* ---- the world ---- */

static void
world_turn(struct world *w, uint32_t frames)
{
    w->now_us += TURN_US;
    attack_hear(w);
    if (frames)
        w->attack->turn(w, frames);
    host_receive(&w->hosts[CLIENT], UINT32_MAX);
    clients_turn(w);
    host_flush(&w->hosts[CLIENT]);
    host_receive(&w->hosts[SERVER], WORK);
    server_turn(w);
    host_flush(&w->hosts[SERVER]);
}

static struct world *
world_make(const struct attack *a, uint64_t seed)
{
    static const char *const names[2][HOSTS] = {{"10.77.0.1", "10.77.0.2", "10.77.0.3"},
                                                {"fd00:77::1", "fd00:77::2", "fd00:77::3"}};
    struct world *w = calloc(1, sizeof *w);
    must(w);
    w->attack = a;
    w->v6 = a->v6;
    w->now_us = 1000000;
    w->random = seed;
    for (uint32_t i = 0; i < PATTERN; i++)
        w->pattern[i] = (uint8_t)random_next(w);
    for (uint32_t n = 0; n < HOSTS; n++) {
        memcpy(w->mac[n], (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(n + 1)}, 6);
        must(iptext_read(names[a->v6][n], w->address[n]));
        host_make(w, n);
    }
    w->served = calloc(CONNS, sizeof *w->served);
    must(w->served);
    static const uint16_t ports[] = {SERVER_PORT, SOURCE_PORT, CLOSER_PORT};
    for (uint32_t i = 0; i < 3; i++)
        must(tcp_listen(w->hosts[SERVER].tcp, &(struct tcp_addr){.port = ports[i]}) == ERR_OK);
    w->puppet_port = SOURCE_PORT;
    return w;
}

/* Bytes that were acknowledged open the congestion window, not the number of ACKs. */
static void
window_judge(const struct world *w, const struct served *c)
{
    struct tcp_info info;
    if (!c->id || c->honest || !tcp_inspect(w->hosts[SERVER].tcp, c->id, &info))
        return;
    uint64_t acked = c->sent - info.unsent - info.flight;
    if (info.cwnd > 10 * SEGMENT + acked)
        fail(w, "a window of %u bytes after %" PRIu64 " acknowledged", info.cwnd, acked);
}

static void
judge(struct world *w)
{
    const struct host *server = &w->hosts[SERVER];
    const struct attack *a = w->attack;
    uint64_t all = w->finished + w->failed;
    tcp_check(server->tcp);
    printf("%-24s %6" PRIu64 " of %6" PRIu64 " clients, slowest %5.1f ms, %8" PRIu64
           " frames missed, %3u frames held at most",
           a->name, w->finished - w->late, all, (double)w->slow_us / 1e3, server->missed,
           server->lent_most);
    if (a->tcp_counter >= 0)
        printf(", counted %" PRIu64, tcp_count(server->tcp, (enum tcp_counter)a->tcp_counter));
    if (a->ip_drop >= 0)
        printf(", %s %" PRIu64, ipnet_drop_name((enum ipnet_drop)a->ip_drop),
               ipnet_dropped(server->port.net, (enum ipnet_drop)a->ip_drop));
    printf("\n");
    if (all < CLIENTS || (w->finished - w->late) * 100 < all * 99)
        fail(w, "%" PRIu64 " finished, %" PRIu64 " late, %" PRIu64 " failed", w->finished, w->late,
             w->failed);
    for (uint32_t i = 0; i < CONNS; i++)
        window_judge(w, &w->served[i]);
    if (a->tcp_counter >= 0 && !tcp_count(server->tcp, (enum tcp_counter)a->tcp_counter))
        fail(w, "no counter of TCP names it");
    if (a->ip_drop >= 0 && !ipnet_dropped(server->port.net, (enum ipnet_drop)a->ip_drop))
        fail(w, "no counter of IP names it");
    if (server->lent_most > FRAMES / 2 + WORK)
        fail(w, "%u frames of the device were held", server->lent_most);
}

static void
turns(struct world *w, uint64_t us, uint32_t frames, bool over)
{
    w->over = over;
    for (uint64_t until_us = w->now_us + us; w->now_us < until_us;)
        world_turn(w, frames);
}

static bool
clients_busy(const struct world *w)
{
    for (uint32_t k = 0; k < CLIENTS; k++)
        if (w->clients[k].id)
            return true;
    return false;
}

static void
run(const struct attack *a, uint64_t seed, uint64_t ms)
{
    struct world *w = world_make(a, seed);
    turns(w, SETTLE_US, 0, true);
    turns(w, WARM_US, 0, false);
    w->finished = w->failed = w->late = w->slow_us = 0;
    turns(w, ms * 1000, RATE, false);
    /* The attack goes on until those that have begun are through, or late. */
    for (uint64_t us = 0; clients_busy(w) && us < LATE_US; us += TURN_US)
        turns(w, TURN_US, RATE, true);
    for (uint32_t k = 0; k < CLIENTS; k++)
        w->failed += w->clients[k].id != 0;
    judge(w);
    for (uint32_t n = 0; n < HOSTS; n++)
        host_free(&w->hosts[n]);
    free(w->served);
    free(w);
}

int
main(int argc, char **argv)
{
    uint64_t seed = 1, ms = 300;
    const char *only = "";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--ms") == 0)
            ms = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0)
            only = argv[i + 1];
    }
    printf("seed %" PRIu64 "\n", seed);
    for (uint32_t i = 0; i < attack_count; i++)
        if (strstr(attacks[i].name, only))
            run(&attacks[i], seed, ms);
    return 0;
}
