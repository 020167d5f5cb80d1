/* tcpsim_app.c: the applications on both sides.  Byte n of a stream is pattern[(base + n) %
 * PATTERN] with a base of its own, so a byte of the wrong place or connection is seen at once. */
#include "tests/sim/tcp/tcpsim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int
app_pair_of(const struct sim *s, uint16_t port)
{
    uint32_t k = (uint32_t)port - CLIENT_PORT;
    return k < s->pair_count ? (int)k : -1;
}

static uint64_t
size_of(struct sim *s)
{
    return sim_random(s) >> (64 - 1 - sim_below(s, 21)) >> sim_below(s, 2);
}

void
app_start(struct sim *s)
{
    s->pair_count = 1 + sim_below(s, CONNS);
    for (uint32_t k = 0; k < s->pair_count; k++) {
        struct pair *p = &s->pairs[k];
        *p = (struct pair){.manner = sim_below(s, s->gentle ? MANNER_ABORT : MANNERS),
                           .start_us = s->now_us + sim_below(s, 200000),
                           .request = 1 + sim_below(s, 4000),
                           .answer = 1 + sim_below(s, 20000),
                           .slow_us = sim_chance(s, 3000) ? sim_below(s, 300000) : 0,
                           .aborter = (uint8_t)sim_below(s, 2)};
        for (uint32_t side = 0; side < SIDES; side++) {
            p->end[side].base = sim_below(s, PATTERN);
            p->end[side].total = size_of(s);
        }
        if (p->manner == MANNER_RPC) {
            uint32_t rounds = 1 + sim_below(s, 30);
            p->end[0].total = (uint64_t)rounds * p->request;
            p->end[1].total = (uint64_t)rounds * p->answer;
        }
        uint64_t coming = p->end[!p->aborter].total;
        p->abort_at = coming ? sim_random(s) % coming : 0;
    }
}

static void
opened(struct sim *s, uint32_t side, const struct tcp_event *e)
{
    if (side == 0)
        return; /* known since tcp_connect() */
    int k = app_pair_of(s, e->peer.port);
    if (k < 0)
        sim_fail(s, "a connection from port %u", e->peer.port);
    struct end *end = &s->pairs[k].end[1];
    /* A late copy of an ACK that answers a cookie is as good as the first. */
    if (end->open && !end->closed && s->config[1].half_open > 1)
        sim_fail(s, "pair %d is accepted twice", k);
    if (end->given || end->got || end->open) { /* the first try was given up by the client */
        tcp_abort(s->tcp[1], e->id);
        return;
    }
    end->open = true;
    end->id = e->id;
}

static struct end *
end_of(struct sim *s, uint32_t side, uint64_t id)
{
    for (uint32_t k = 0; k < s->pair_count; k++)
        if (s->pairs[k].end[side].id == id)
            return &s->pairs[k].end[side];
    return NULL;
}

static void
events(struct sim *s, uint32_t side)
{
    struct tcp_event e[16];
    for (uint32_t n; (n = tcp_poll(s->tcp[side], e, 1 + sim_below(s, 16))) > 0;) {
        for (uint32_t i = 0; i < n; i++) {
            if (e[i].kind == TCP_ACCEPTED)
                opened(s, side, &e[i]);
            struct end *end = end_of(s, side, e[i].id);
            if (!end)
                continue;
            if (end->closed && end->id == e[i].id)
                sim_fail(s, "an event after the last one");
            if (e[i].kind == TCP_CONNECTED)
                end->open = true;
            else if (e[i].kind == TCP_EOF)
                end->eof = true;
            else if (e[i].kind == TCP_SENT)
                end->ended += e[i].bytes;
            else if (e[i].kind == TCP_CLOSED) {
                end->closed = true;
                end->reason = e[i].reason;
                sim_say(s, "side %u id %" PRIx64 " closed: %d", side, e[i].id, e[i].reason);
                if (end->ended != end->given)
                    sim_fail(s, "closed with %" PRIu64 " of %" PRIu64 " lent bytes back",
                             end->ended, end->given);
            }
        }
    }
}

static void
read_bytes(struct sim *s, struct pair *p, uint32_t side)
{
    struct end *own = &p->end[side];
    const struct end *peer = &p->end[!side];
    struct view views[8];
    if (s->now_us < own->read_us)
        return;
    if (p->slow_us)
        own->read_us = s->now_us + 1 + sim_below(s, p->slow_us);
    uint32_t count = tcp_peek(s->tcp[side], own->id, views, 8), taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t at = 0; at < views[i].len;) {
            uint32_t from = (uint32_t)((peer->base + own->got + taken) % PATTERN);
            uint32_t part = views[i].len - at < PATTERN - from ? views[i].len - at : PATTERN - from;
            if (memcmp(views[i].at + at, s->pattern + from, part) != 0)
                sim_fail(s, "wrong bytes at %" PRIu64, own->got + taken);
            at += part;
            taken += part;
        }
    }
    if (own->got + taken > peer->given)
        sim_fail(s, "%" PRIu64 " bytes of %" PRIu64 " sent", own->got + taken, peer->given);
    if (taken && sim_chance(s, 2000))
        taken = 1 + sim_below(s, taken);
    if (p->manner == MANNER_UNREAD && side == p->aborter && own->got + taken > p->abort_at)
        taken = (uint32_t)(p->abort_at - own->got);
    tcp_consume(s->tcp[side], own->id, taken);
    own->got += taken;
}

/* How far the stream may be given by now. */
static uint64_t
allowed(const struct pair *p, uint32_t side)
{
    const struct end *own = &p->end[side];
    uint64_t limit = own->total;
    if (p->manner == MANNER_HALF_CLOSE && side == 1 && !(own->eof && own->got == p->end[0].total))
        limit = 0;
    if (p->manner == MANNER_RPC)
        limit =
            side == 0 ? (own->got / p->answer + 1) * p->request : own->got / p->request * p->answer;
    return limit < own->total ? limit : own->total;
}

static void
send_bytes(struct sim *s, struct pair *p, uint32_t side)
{
    struct end *own = &p->end[side];
    uint64_t limit = allowed(p, side);
    while (own->given < limit) {
        struct view views[8];
        uint32_t count = 0;
        uint64_t at = own->given;
        for (; count < 8 && at < limit; count++) {
            uint32_t from = (uint32_t)((own->base + at) % PATTERN);
            uint32_t part = 1 + sim_below(s, sim_chance(s, 1000) ? 20 : 30000);
            if (part > PATTERN - from)
                part = PATTERN - from;
            if (part > limit - at)
                part = (uint32_t)(limit - at);
            views[count] = view_of(s->pattern + from, part);
            at += part;
        }
        int taken = tcp_send(s->tcp[side], own->id, views, count);
        if (taken <= 0)
            return;
        own->given += (uint64_t)taken;
    }
}

static void
finish(struct sim *s, struct pair *p, uint32_t side)
{
    struct end *own = &p->end[side];
    const struct end *peer = &p->end[!side];
    struct tcp *t = s->tcp[side];
    if (p->manner >= MANNER_ABORT && side == p->aborter && own->given == own->total &&
        (own->got >= p->abort_at || own->eof)) {
        if (p->manner == MANNER_ABORT)
            tcp_abort(t, own->id);
        else
            tcp_close(t, own->id);
        own->closing = true;
        return;
    }
    bool all_given = own->given == own->total;
    bool wait = p->manner == MANNER_RPC && side == 0 && own->got < peer->total;
    if (p->manner == MANNER_HALF_CLOSE && side == 1)
        wait = !own->eof;
    if (all_given && !own->shut && !wait) {
        own->shut = true;
        tcp_shutdown(t, own->id);
    }
    if (own->shut && own->eof && own->got == peer->total) {
        own->closing = true;
        tcp_close(t, own->id);
    }
}

static void
begin(struct sim *s, uint32_t k)
{
    struct tcp_addr local = {.port = (uint16_t)(CLIENT_PORT + k)}, remote = {.port = SERVER_PORT};
    memcpy(local.ip, s->address[0], 16);
    memcpy(remote.ip, s->address[1], 16);
    int err = tcp_connect(s->tcp[0], &local, &remote, &s->pairs[k].end[0].id);
    if (err)
        sim_fail(s, "connect: %d", err);
}

void
app_turn(struct sim *s)
{
    events(s, 0);
    events(s, 1);
    for (uint32_t k = 0; k < s->pair_count; k++) {
        struct pair *p = &s->pairs[k];
        if (!p->end[0].id && s->now_us >= p->start_us)
            begin(s, k);
        for (uint32_t side = 0; side < SIDES; side++) {
            struct end *own = &p->end[side];
            if (!own->open || own->closed || own->closing)
                continue;
            read_bytes(s, p, side);
            send_bytes(s, p, side);
            finish(s, p, side);
        }
    }
    events(s, 0);
    events(s, 1);
}

/* Bytes are there that it means to read, without an event to come. */
static bool
unread(const struct sim *s, const struct pair *p, uint32_t side)
{
    const struct end *e = &p->end[side];
    struct view v;
    if (!e->open || e->closed || e->closing)
        return false;
    if (p->manner == MANNER_UNREAD && side == p->aborter && e->got >= p->abort_at)
        return false;
    return tcp_peek(s->tcp[side], e->id, &v, 1) > 0;
}

uint64_t
app_next(const struct sim *s)
{
    uint64_t next = NEVER;
    for (uint32_t k = 0; k < s->pair_count; k++) {
        const struct pair *p = &s->pairs[k];
        if (!p->end[0].id && p->start_us < next)
            next = p->start_us;
        for (uint32_t side = 0; side < SIDES; side++) {
            const struct end *e = &p->end[side];
            uint64_t at = e->read_us > s->now_us ? e->read_us : s->now_us + 100;
            if (unread(s, p, side) && at < next)
                next = at;
        }
    }
    return next;
}

bool
app_done(const struct sim *s)
{
    for (uint32_t k = 0; k < s->pair_count; k++)
        for (uint32_t side = 0; side < SIDES; side++) {
            const struct end *e = &s->pairs[k].end[side];
            bool never = side == 1 && !e->open && s->pairs[k].end[0].closed;
            if (!e->closed && !never)
                return false;
        }
    return true;
}

void
app_judge(const struct sim *s)
{
    for (uint32_t k = 0; k < s->pair_count; k++) {
        const struct pair *p = &s->pairs[k];
        if (p->manner >= MANNER_ABORT)
            continue;
        for (uint32_t side = 0; side < SIDES; side++) {
            const struct end *e = &p->end[side];
            bool whole = e->reason == TCP_DONE && e->got == p->end[!side].total;
            if (!whole && !s->gone_allowed)
                sim_fail(s, "pair %u side %u ended with reason %d, %" PRIu64 " of %" PRIu64, k,
                         side, e->reason, e->got, p->end[!side].total);
        }
    }
}

void
app_tell(const struct sim *s)
{
    for (uint32_t k = 0; k < s->pair_count; k++)
        for (uint32_t side = 0; side < SIDES; side++) {
            const struct end *e = &s->pairs[k].end[side];
            struct tcp_info i = {.state = "-"};
            if (e->closed || (e->id && !tcp_inspect(s->tcp[side], e->id, &i)))
                continue;
            fprintf(stderr,
                    "  pair %u manner %d side %u: %s given %" PRIu64 " of %" PRIu64
                    " ended %" PRIu64 " got %" PRIu64 " open %d eof %d shut %d closing %d\n",
                    k, s->pairs[k].manner, side, i.state, e->given, e->total, e->ended, e->got,
                    e->open, e->eof, e->shut, e->closing);
            fprintf(stderr,
                    "    rto %u srtt %u cwnd %u ssthresh %u flight %u snd_wnd %u rcv_wnd %u mss %u "
                    "unread %u unsent %u resent %" PRIu64 " timeouts %" PRIu64 "\n",
                    i.rto_us, i.srtt_us, i.cwnd, i.ssthresh, i.flight, i.snd_wnd, i.rcv_wnd, i.mss,
                    i.unread, i.unsent, i.resent_segs, i.timeouts);
        }
}
