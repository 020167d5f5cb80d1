/* tcp_stack.c: memory, life of a connection, queues and events.  See tcp.h, tcp_core.h. */
#include "dataplane/tcp/tcp_core.h"

struct layout {
    size_t table, wheel, conns, syns, waits, nodes, segs, extents, bytes;
};

static size_t
place(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at = (here + bytes + 63) & ~(size_t)63;
    return here;
}

static uint32_t
indexes(const struct tcp_config *c)
{
    return c->conns + c->half_open + c->waiting;
}

static struct layout
layout_of(const struct tcp_config *c)
{
    struct layout l;
    size_t at = 0;
    place(&at, sizeof(struct tcp));
    l.table = place(&at, tcp_table_footprint(indexes(c)));
    l.wheel = place(&at, tcp_wheel_footprint(c->conns + c->half_open));
    l.conns = place(&at, c->conns * sizeof(struct tcp_conn));
    l.syns = place(&at, c->half_open * sizeof(struct tcp_syn));
    l.waits = place(&at, c->waiting * sizeof(struct tcp_wait));
    l.nodes = place(&at, c->nodes * sizeof(struct tcp_node));
    l.segs = place(&at, c->segs * sizeof(struct tcp_seg));
    l.extents = place(&at, c->extents * sizeof(struct tcp_extent));
    l.bytes = at;
    return l;
}

size_t
tcp_footprint(const struct tcp_config *c)
{
    return layout_of(c).bytes;
}

struct tcp *
tcp_init(void *at, const struct tcp_config *c, const struct packet_port *port, uint64_t now_us)
{
    must(tcp_config_check(c) == ERR_OK);
    must((uintptr_t)at % 64 == 0);
    struct layout l = layout_of(c);
    char *base = at;
    struct tcp *t = at;
    memset(t, 0, sizeof *t);
    t->config = *c;
    t->key = tcp_key_of(c->key);
    t->port = t->frames.port = *port;
    t->now_us = now_us;
    t->table = tcp_table_init(base + l.table, indexes(c), &t->key);
    t->last_hash = tcp_table_hash(t->table, &t->last);
    t->wheel = tcp_wheel_init(base + l.wheel, c->conns + c->half_open, now_us);
    t->conns = (void *)(base + l.conns);
    t->syns = (void *)(base + l.syns);
    t->waits = (void *)(base + l.waits);
    t->extents = (void *)(base + l.extents);
    tcp_nodes_init(&t->nodes, (void *)(base + l.nodes), c->nodes);
    tcp_seg_pool_init(&t->segs, (void *)(base + l.segs), c->segs);
    memset(t->conns, 0, c->conns * sizeof *t->conns);
    for (uint32_t i = 0; i < c->conns; i++) {
        t->conns[i].queue_next = i + 1 < c->conns ? i + 1 : TCP_NONE;
        t->conns[i].generation = 1;
    }
    for (uint32_t i = 0; i < c->half_open; i++)
        t->syns[i].next = i + 1 < c->half_open ? i + 1 : TCP_NONE;
    for (uint32_t i = 0; i < c->waiting; i++)
        t->waits[i].next = i + 1 < c->waiting ? i + 1 : TCP_NONE;
    tcp_ext_init(t);
    t->wait_first = t->wait_last = TCP_NONE;
    t->output = t->event = t->starved = (struct tcp_queue){TCP_NONE, TCP_NONE, 0};
    for (uint32_t i = 0; i < PACKET_LINKS_MAX; i++)
        t->blocked[i] = t->output;
    return t;
}

uint64_t
tcp_conn_id(const struct tcp *t, const struct tcp_conn *c)
{
    return (uint64_t)c->generation << 32 | tcp_index(t, c);
}

struct tcp_conn *
tcp_conn_of(const struct tcp *t, uint64_t id)
{
    uint32_t i = (uint32_t)id;
    if (i >= t->config.conns)
        return NULL;
    struct tcp_conn *c = &t->conns[i];
    return c->state != TCP_FREE && c->generation == id >> 32 ? c : NULL;
}

struct tcp_conn *
tcp_conn_new(struct tcp *t, const struct tcp_flow *f)
{
    uint32_t i = t->conn_free;
    if (i == TCP_NONE || !tcp_table_put(t->table, f, i))
        return NULL;
    struct tcp_conn *c = &t->conns[i];
    t->conn_free = c->queue_next;
    t->conns_used++;
    *c = (struct tcp_conn){
        .generation = c->generation,
        .ext_first = TCP_NONE,
        .ext_last = TCP_NONE,
        .ext_next = TCP_NONE,
        .ack_due = TCP_NEVER,
        .keep_due = TCP_NEVER,
        .linger_due = TCP_NEVER,
        .rtx_due = TCP_NEVER,
        .reorder_due = TCP_NEVER,
        .path_due_us = TCP_NEVER,
        .rto_base_us = t->now_us,
        .heard_us = t->now_us,
    };
    tcp_rtt_init(&c->rtt, t->config.rto_us, t->config.rto_min_us, t->config.rto_max_us);
    tcp_rcv_init(&c->rcv, 0);
    tcp_segs_init(&c->segs, 0);
    return c;
}

static void
push(struct tcp_queue *q, uint32_t i, uint32_t *last_next, uint32_t *own_next)
{
    *own_next = TCP_NONE;
    if (q->last == TCP_NONE)
        q->first = i;
    else
        *last_next = i;
    q->last = i;
    q->count++;
}

static void
queue_put(struct tcp *t, struct tcp_queue *q, struct tcp_conn *c)
{
    uint32_t *last = q->last == TCP_NONE ? NULL : &t->conns[q->last].queue_next;
    c->queued = true;
    push(q, tcp_index(t, c), last, &c->queue_next);
}

/* The first of a queue, which is not empty. */
static uint32_t
queue_take(struct tcp *t, struct tcp_queue *q)
{
    uint32_t i = q->first;
    q->first = t->conns[i].queue_next;
    if (q->first == TCP_NONE)
        q->last = TCP_NONE;
    q->count--;
    return i;
}

void
tcp_conn_output(struct tcp *t, struct tcp_conn *c)
{
    if (!c->queued)
        queue_put(t, &t->output, c);
}

/* No segment is free and none of its own is out: the next that is freed anywhere wakes it. */
void
tcp_conn_starve(struct tcp *t, struct tcp_conn *c)
{
    if (!c->queued)
        queue_put(t, &t->starved, c);
}

/* The port has one link. */
static bool
alone(const struct tcp *t)
{
    return t->port.ops->link == NULL;
}

/* There is no room below.  With one link it asks again with the others, in its place; of several,
 * it waits for its own, and the others are not asked in vain. */
void
tcp_conn_block(struct tcp *t, struct tcp_conn *c)
{
    if (alone(t)) {
        tcp_conn_output(t, c);
        return;
    }
    if (c->queued)
        return;
    queue_put(t, &t->blocked[tcp_link(t, tcp_table_flow(t->table, tcp_index(t, c)))], c);
    t->blocked_count++;
}

/* As many of each link as it has room for: those behind keep their place. */
static void
blocked_wake(struct tcp *t)
{
    for (uint32_t link = 0; link < PACKET_LINKS_MAX; link++) {
        struct tcp_queue *q = &t->blocked[link];
        uint32_t room = q->count ? t->port.ops->room(t->port.self, link) : 0;
        for (; room && q->count; room--) {
            uint32_t i = queue_take(t, q);
            t->blocked_count--;
            queue_put(t, &t->output, &t->conns[i]);
        }
    }
}

static void
starved_wake(struct tcp *t)
{
    static const struct tcp_segs none;
    if (t->starved.first == TCP_NONE || !tcp_segs_room(&none, &t->segs))
        return;
    if (t->output.last == TCP_NONE)
        t->output.first = t->starved.first;
    else
        t->conns[t->output.last].queue_next = t->starved.first;
    t->output.last = t->starved.last;
    t->output.count += t->starved.count;
    t->starved = (struct tcp_queue){TCP_NONE, TCP_NONE, 0};
}

void
tcp_conn_event(struct tcp *t, struct tcp_conn *c, enum tcp_event_kind kind)
{
    c->events |= (uint8_t)(1u << kind);
    if (c->evented)
        return;
    c->evented = true;
    uint32_t *last = t->event.last == TCP_NONE ? NULL : &t->conns[t->event.last].event_next;
    push(&t->event, tcp_index(t, c), last, &c->event_next);
}

/* Once the connection is gone and no loan is out the user gets its last event; after an orderly
 * end not before it has closed: it may still be reading. */
static void
last_event(struct tcp *t, struct tcp_conn *c)
{
    if (c->state == TCP_GONE && c->ext_count == 0 && (c->user_closed || c->reason != TCP_DONE))
        tcp_conn_event(t, c, TCP_CLOSED);
}

void
tcp_conn_gone(struct tcp *t, struct tcp_conn *c, enum tcp_reason reason)
{
    must(c->state != TCP_GONE);
    must(c->state != TCP_FREE);
    uint32_t i = tcp_index(t, c);
    const struct tcp_flow *f = tcp_table_flow(t->table, i);
    if (tcp_table_find(t->table, f) == i)
        tcp_table_remove(t->table, i);
    c->state = TCP_GONE;
    c->reason = (uint8_t)reason;
    c->rtx_kind = TCP_RTX_OFF;
    tcp_wheel_arm(t->wheel, i, TCP_NEVER);
    tcp_segs_drop(&c->segs, &t->segs);
    tcp_ext_drop(t, c);
    if (reason != TCP_DONE || c->user_closed)
        tcp_rcv_drop(&c->rcv, &t->nodes, &t->frames);
    last_event(t, c);
}

static void
conn_free(struct tcp *t, struct tcp_conn *c)
{
    must(c->ext_count == 0);
    tcp_rcv_drop(&c->rcv, &t->nodes, &t->frames);
    if (++c->generation == 0)
        c->generation = 1;
    c->state = TCP_FREE;
    t->conns_used--;
    if (c->queued)
        return; /* tcp_flush finds it in its queue, and frees it then */
    c->queue_next = t->conn_free;
    t->conn_free = tcp_index(t, c);
}

/* Takes the next connection that has something to send; TCP_NONE: none. */
static struct tcp_conn *
output_take(struct tcp *t)
{
    while (t->output.first != TCP_NONE) {
        uint32_t i = queue_take(t, &t->output);
        struct tcp_conn *c = &t->conns[i];
        if (t->output.first != TCP_NONE)
            tcp_fetch_conn(t, t->output.first);
        c->queued = false;
        if (c->state == TCP_FREE) {
            c->queue_next = t->conn_free;
            t->conn_free = i;
        } else if (c->state != TCP_GONE) {
            return c;
        }
    }
    return NULL;
}

void
tcp_flush(struct tcp *t, uint64_t now_us)
{
    t->now_us = now_us;
    t->out_full = 0;
    starved_wake(t);
    if (t->blocked_count)
        blocked_wake(t);
    for (uint32_t round = 0; round < TCP_TICK_BUDGET && t->output.first != TCP_NONE; round++) {
        uint64_t before = t->counters[TCP_N_SEGS_OUT];
        /* Once there is no room the rest keeps its place: asking for each would cost a walk over
         * all of them in every turn of a busy device. */
        for (uint32_t left = t->output.count; left && !(t->out_full && alone(t)); left--) {
            struct tcp_conn *c = output_take(t);
            if (!c)
                break;
            tcp_output_conn(t, c);
            tcp_timer_arm(t, c);
        }
        if (t->counters[TCP_N_SEGS_OUT] == before)
            break;
    }
    tcp_output_push(t);
    t->out_full = 0;
    tcp_frames_flush(&t->frames);
}

uint64_t
tcp_next(const struct tcp *t)
{
    bool more = t->output.first != TCP_NONE || t->blocked_count;
    uint64_t next = more ? t->now_us : tcp_wheel_next(t->wheel);
    if (t->wait_first != TCP_NONE && t->waits[t->wait_first].due_us < next)
        next = t->waits[t->wait_first].due_us;
    return next;
}

void
tcp_tick(struct tcp *t, uint64_t now_us)
{
    t->now_us = now_us;
    uint32_t looks = TCP_TICK_LOOKS;
    for (uint32_t left = TCP_TICK_BUDGET; left; left--) {
        uint32_t i = tcp_wheel_take(t->wheel, now_us, &looks);
        if (i == TCP_NONE)
            break;
        if (i >= t->config.conns)
            tcp_half_timer(t, i);
        else
            tcp_timer_run(t, &t->conns[i]);
    }
    tcp_wait_expire(t);
}

static struct tcp_event
event_of(struct tcp *t, struct tcp_conn *c, enum tcp_event_kind kind)
{
    struct tcp_event e = {.id = tcp_conn_id(t, c), .kind = kind};
    if (kind == TCP_ACCEPTED || kind == TCP_CONNECTED) {
        const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
        memcpy(e.peer.ip, f->remote, sizeof e.peer.ip);
        e.peer.port = f->remote_port;
        e.listener = c->listener;
    }
    if (kind == TCP_SENT) {
        e.bytes = c->ended_bytes;
        c->ended_bytes = 0;
    }
    if (kind == TCP_CLOSED)
        e.reason = c->reason;
    return e;
}

uint32_t
tcp_poll(struct tcp *t, struct tcp_event *out, uint32_t max)
{
    uint32_t count = 0;
    while (t->event.first != TCP_NONE && count < max) {
        struct tcp_conn *c = &t->conns[t->event.first];
        while (c->events && count < max) {
            uint32_t kind = (uint32_t)__builtin_ctz(c->events);
            c->events &= (uint8_t)(c->events - 1);
            out[count++] = event_of(t, c, kind);
            if (kind == TCP_CLOSED)
                conn_free(t, c);
        }
        if (c->events)
            break;
        c->evented = false;
        t->event.first = c->event_next;
        if (t->event.first == TCP_NONE)
            t->event.last = TCP_NONE;
        t->event.count--;
    }
    return count;
}

uint64_t
tcp_count(const struct tcp *t, enum tcp_counter which)
{
    must(which < TCP_COUNTER_KINDS);
    return t->counters[which];
}

void
tcp_usage(const struct tcp *t, struct tcp_usage *out)
{
    *out = (struct tcp_usage){t->conns_used, t->syns_used, t->waits_used,
                              t->nodes.used, t->segs.used, t->extents_used};
}

static void
conn_check(const struct tcp *t, const struct tcp_conn *c)
{
    tcp_rcv_check(&c->rcv, &t->nodes);
    if (c->state == TCP_GONE || c->state <= TCP_SYN_RECEIVED)
        return;
    tcp_segs_check(&c->segs, &t->segs);
    must(seq_upto(c->una, c->nxt));
    must(seq_upto(c->nxt, tcp_send_limit(c)));
    must(c->segs.out_bytes == c->nxt - c->una);
    must(seq_upto(c->rcv.next, c->edge) || c->fin_in);
    must(c->rcv.ready_bytes <= t->config.rcv_bytes);
    must(c->cc.cwnd >= c->mss);
    must((c->segs.out_bytes > 0) <= (c->rtx_kind != TCP_RTX_OFF || c->queued));
    must(c->rtx_kind == TCP_RTX_OFF || c->rtx_kind == TCP_RTX_PERSIST || c->queued ||
         c->segs.out_bytes > 0);
    must(c->rtx_kind != TCP_RTX_OFF || c->queued || c->nxt == tcp_send_limit(c));
    uint64_t due = tcp_wheel_due(t->wheel, tcp_index(t, c));
    must(c->queued || c->rtx_due == TCP_NEVER || due <= c->rtx_due + TCP_TICK_US);
}

void
tcp_check(const struct tcp *t)
{
    uint32_t used = 0, segs = 0, extents = 0, queued = 0, blocked = 0;
    for (uint32_t i = 0; i < PACKET_LINKS_MAX; i++)
        blocked += t->blocked[i].count;
    must(blocked == t->blocked_count);
    for (uint32_t i = 0; i < t->config.conns; i++) {
        const struct tcp_conn *c = &t->conns[i];
        queued += c->queued;
        if (c->state == TCP_FREE)
            continue;
        used++;
        conn_check(t, c);
        const struct tcp_flow *f = tcp_table_flow(t->table, i);
        must((tcp_table_find(t->table, f) == i) == (c->state != TCP_GONE));
        segs += c->segs.count;
        extents += c->ext_count;
    }
    must(queued == t->output.count + t->starved.count + blocked);
    must(used == t->conns_used);
    must(segs == t->segs.used);
    must(extents == t->extents_used);
    must(tcp_table_count(t->table) <= t->conns_used + t->syns_used + t->waits_used);
}

/* Called by tcp_ext.c when a loan of the connection has ended. */
void
tcp_conn_loan_ended(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
    c->ext_count--;
    c->ended_bytes += bytes;
    tcp_conn_event(t, c, TCP_SENT);
    last_event(t, c);
}

void
tcp_conn_user_closed(struct tcp *t, struct tcp_conn *c)
{
    c->user_closed = true;
    last_event(t, c);
}
