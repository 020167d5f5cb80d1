/* tcp_wait.c: TIME_WAIT: who closed first remembers the connection for a while, so that a lost last
 * ACK can be given again and nothing old enters a new connection.
 *
 * All entries live equally long, so they stand in a list by due time.  Resets are ignored
 * (RFC 1337); a SYN that cannot be old opens a new connection (RFC 6191). */
#include "dataplane/tcp/tcp_core.h"

static uint32_t
index_of(const struct tcp *t, uint32_t k)
{
    return t->config.conns + t->config.half_open + k;
}

static void
list_out(struct tcp *t, uint32_t k)
{
    struct tcp_wait *w = &t->waits[k];
    if (w->prev == TCP_NONE)
        t->wait_first = w->next;
    else
        t->waits[w->prev].next = w->next;
    if (w->next == TCP_NONE)
        t->wait_last = w->prev;
    else
        t->waits[w->next].prev = w->prev;
}

static void
list_in(struct tcp *t, uint32_t k)
{
    struct tcp_wait *w = &t->waits[k];
    w->due_us = t->now_us + t->config.wait_us;
    w->prev = t->wait_last;
    w->next = TCP_NONE;
    if (t->wait_last == TCP_NONE)
        t->wait_first = k;
    else
        t->waits[t->wait_last].next = k;
    t->wait_last = k;
}

static void
wait_free(struct tcp *t, uint32_t k)
{
    list_out(t, k);
    tcp_table_remove(t->table, index_of(t, k));
    t->waits[k].next = t->wait_free;
    t->wait_free = k;
    t->waits_used--;
}

static void
reply(struct tcp *t, uint32_t k)
{
    const struct tcp_wait *w = &t->waits[k];
    const struct tcp_flow *f = tcp_table_flow(t->table, index_of(t, k));
    struct tcp_header h = {.src_port = f->local_port,
                           .dst_port = f->remote_port,
                           .seq = w->nxt,
                           .ack = w->rcv_next,
                           .window = w->window,
                           .flags = TCP_ACK,
                           .options = {.has_ts = w->ts,
                                       .ts_value = tcp_clock(t, w->ts_offset),
                                       .ts_echo = w->ts_recent}};
    tcp_output_bare(t, f, &h, false);
}

void
tcp_wait_start(struct tcp *t, struct tcp_conn *c)
{
    if (t->wait_free == TCP_NONE) {
        tcp_bump(t, TCP_N_WAIT_RECYCLED);
        wait_free(t, t->wait_first);
    }
    uint32_t k = t->wait_free;
    t->wait_free = t->waits[k].next;
    t->waits_used++;
    t->waits[k] = (struct tcp_wait){
        .nxt = c->nxt,
        .rcv_next = tcp_rcv_next(c),
        .ts_recent = c->ts_recent,
        .ts_offset = c->ts_offset,
        .window = UINT16_MAX,
        .ts = c->ts,
    };
    list_in(t, k);
    tcp_table_move(t->table, tcp_index(t, c), index_of(t, k));
    tcp_conn_gone(t, c, TCP_DONE);
    reply(t, k);
}

bool
tcp_wait_input(struct tcp *t, uint32_t i, struct tcp_seen *s, bool listens)
{
    uint32_t k = i - index_of(t, 0);
    struct tcp_wait *w = &t->waits[k];
    const struct tcp_header *h = &s->h;
    if (h->flags & TCP_RST) {
        tcp_bump(t, TCP_N_DROP_RST);
        return false;
    }
    bool newer = w->ts ? h->options.has_ts && seq_before(w->ts_recent, h->options.ts_value)
                       : seq_before(w->rcv_next, h->seq);
    if (mutant(MUTANT_TCP_SYN_TAKES_WAIT))
        listens = newer = true;
    if (listens && newer && (h->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        wait_free(t, k);
        return true;
    }
    bool fin = (h->flags & TCP_FIN) && h->seq + h->payload.len + 1 == w->rcv_next;
    if (fin) { /* the last ACK was lost */
        list_out(t, k);
        list_in(t, k);
    }
    bool answer = fin || (h->seq != w->rcv_next && t->now_us >= w->reply_us);
    if (answer) {
        if (!fin)
            w->reply_us = t->now_us + t->config.challenge_us;
        reply(t, k);
    }
    return false;
}

void
tcp_wait_expire(struct tcp *t)
{
    for (uint32_t left = TCP_TICK_BUDGET; left && t->wait_first != TCP_NONE; left--) {
        if (t->waits[t->wait_first].due_us > t->now_us)
            return;
        wait_free(t, t->wait_first);
    }
}
