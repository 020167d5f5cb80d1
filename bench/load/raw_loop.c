/* raw_loop.c: one thread, one epoll, every producer, consumer and idle connection of the raw
 * client. */
#include "bench/load/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 };
static const uint64_t WAIT_NS_MAX = 20000000; /* intervals and the end are looked at so often */

uint32_t
raw_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
raw_put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void
raw_arm(struct raw_loop *l, struct raw_peer *peer, bool want)
{
    if (peer->armed == want)
        return;
    peer->armed = want;
    struct epoll_event e = {.events = EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0), .data.ptr = peer};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, peer->fd, &e))
        bench_die("epoll_ctl");
}

void
raw_watch(struct raw_loop *l, struct raw_peer *peer, enum raw_role role)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = peer};
    peer->role = role;
    if (peer->fd == 0)
        peer->fd = raw_connect(l->o);
    if (fcntl(peer->fd, F_SETFL, O_NONBLOCK) || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, peer->fd, &e))
        bench_die("epoll_ctl");
}

static void
templates_make(struct raw_loop *l)
{
    const struct bench_options *o = l->o;
    uint64_t each = (uint64_t)o->records * (o->record_bytes + 32);
    uint64_t most = RAW_TEMPLATE_BYTES_MAX / (each + RAW_HEAD_BYTES) / o->partitions;
    l->variants = 1;
    if (o->keys > 0)
        l->variants = o->keys / (o->records * o->partitions);
    if (l->variants > most)
        l->variants = (uint32_t)most;
    if (l->variants > RAW_TEMPLATES_MAX / o->partitions)
        l->variants = RAW_TEMPLATES_MAX / o->partitions;
    if (l->variants == 0)
        l->variants = 1;
    l->template_count = o->partitions * l->variants;
    l->templates = calloc(l->template_count, sizeof *l->templates);
    if (!l->templates)
        bench_die("memory for the templates");
    for (uint32_t i = 0; i < l->template_count; i++)
        l->templates[i] = o->load == BENCH_COMMITS
                              ? raw_commit_template(o, i)
                              : raw_produce_template(o, i % o->partitions, i / o->partitions);
    const struct raw_template *t = &l->templates[0];
    if (t->stamp_at == 0)
        return;
    l->stamp = malloc(sizeof *l->stamp);
    if (!l->stamp)
        bench_die("memory for the stamps");
    /* The checksum covers what follows it, up to the end of the batch: the three tag counts of the
     * request come after that. */
    enum { CRC_BYTES = 4, TAIL_BYTES = 3 };
    size_t from = t->crc_at + CRC_BYTES;
    raw_stamp_init(l->stamp, t->len - TAIL_BYTES - from, t->stamp_at - from);
}

static void
idlers_open(struct raw_loop *l)
{
    l->idlers = calloc(l->o->idle + 1, sizeof *l->idlers);
    if (!l->idlers)
        bench_die("memory");
    for (uint32_t i = 0; i < l->o->idle; i++) {
        l->idlers[i].fd = raw_connect(l->o);
        raw_greet(l->idlers[i].fd);
        raw_watch(l, &l->idlers[i], RAW_IDLER);
    }
}

static void
turn(struct raw_loop *l, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec ts = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
    int n = epoll_pwait2(l->epoll_fd, events, EVENTS_MAX, &ts, NULL);
    for (int i = 0; i < n; i++) {
        struct raw_peer *peer = events[i].data.ptr;
        bool readable = events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR);
        switch (peer->role) {
        case RAW_PRODUCER:
            if (readable)
                raw_producer_readable(l, (struct raw_producer *)peer);
            raw_producer_go(l, (struct raw_producer *)peer);
            break;
        case RAW_CONSUMER:
            raw_consumer_readable(l, (struct raw_consumer *)peer);
            break;
        case RAW_TXN:
            raw_txn_readable(l, (struct raw_txn *)peer);
            break;
        case RAW_IDLER:
            bench_die("the broker closed an idle connection");
        }
    }
}

static void
end(struct raw_loop *l)
{
    const struct bench_options *o = l->o;
    for (uint32_t i = 0; l->producers && i < o->producers; i++) {
        close(l->producers[i].peer.fd);
        free(l->producers[i].slots);
    }
    for (uint32_t i = 0; i < o->consumers; i++) {
        struct raw_consumer *c = &l->consumers[i];
        close(c->peer.fd);
        free(c->offsets);
        free(c->limits);
        free(c->request);
        free(c->buffer);
    }
    for (uint32_t i = 0; i < o->idle; i++)
        close(l->idlers[i].fd);
    for (uint32_t i = 0; i < l->template_count; i++)
        free(l->templates[i].bytes);
    close(l->epoll_fd);
    raw_txns_close(l);
    free(l->templates);
    free(l->stamp);
    free(l->producers);
    free(l->consumers);
    free(l->idlers);
    free(l->receive);
}

void
raw_run(const struct bench_options *o, struct bench_result *result)
{
    struct raw_loop *l = calloc(1, sizeof *l);
    if (!l)
        bench_die("memory");
    l->o = o;
    l->topic_len = strlen(o->topic);
    l->receive = malloc(RAW_RECEIVE_BYTES);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!l->receive || l->epoll_fd < 0)
        bench_die("memory");
    raw_prepare_topic(o);
    if (o->producers > 0) {
        templates_make(l);
        raw_first_round(l);
    }
    idlers_open(l);
    raw_consumers_open(l);
    if (o->txn_records > 0)
        raw_txns_open(l);
    else
        raw_producers_open(l);
    bench_clock_start(&l->clock, o, result);
    for (uint32_t i = 0; l->producers && i < o->producers; i++)
        raw_producer_go(l, &l->producers[i]);
    for (uint64_t now_ns = l->clock.start_ns; bench_clock_tick(&l->clock, now_ns);
         now_ns = bench_now_ns()) {
        uint64_t wait_ns = WAIT_NS_MAX, next_ns;
        if (o->rate > 0 && o->producers > 0) {
            next_ns = raw_hand_out(l, now_ns);
            wait_ns = next_ns < wait_ns ? next_ns : wait_ns;
        }
        next_ns = raw_consumers_go(l, now_ns);
        wait_ns = next_ns < wait_ns ? next_ns : wait_ns;
        if (l->txns) {
            next_ns = raw_txns_go(l, now_ns);
            wait_ns = next_ns < wait_ns ? next_ns : wait_ns;
        }
        if (o->drain && !raw_consumers_left(l))
            break;
        turn(l, wait_ns);
    }
    if (o->rate > 0 && o->producers > 0 && l->clock.measuring)
        raw_unanswered(l);
    bench_clock_end(&l->clock);
    end(l);
    free(l);
}
