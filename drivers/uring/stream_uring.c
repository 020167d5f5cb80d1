/* stream_uring.c: listening, the life of a connection, events and sending.  Receiving and memory
 * are stream_uring_recv.c; the states stand in stream_conn.h.
 *
 * Sending: one sendmsg in flight a connection, MSG_DONTWAIT: the kernel takes what its socket
 * buffer has room for while the entry is submitted and answers in the same turn, so a loan lasts
 * one turn and a slow reader never pins memory.  What it did not take goes back; POLLOUT then says
 * when to offer again.
 *
 * Events are bits of the connection, not a queue: no number of them can overflow, and poll() emits
 * them in the order OPENED, SENT, WRITABLE, READABLE, CLOSED: a loan
 * has ended when its consumer is told of the next request. */
#include "drivers/uring/stream_uring.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "drivers/uring/stream_conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void
stream_conn_raise(struct stream_uring *s, struct conn *c, enum conn_event event)
{
    must(c->state != CONN_FREE);
    if (c->events == 0)
        list_push_back(&s->ready, &c->ready);
    c->events |= (uint8_t)event;
}

static stream_id
conn_id(const struct conn *c)
{
    return (stream_id)c->generation << 32 | c->index;
}

static struct conn *
conn_find(struct stream_uring *s, stream_id id)
{
    uint32_t index = (uint32_t)id;
    if (index >= s->connections_max)
        return NULL;
    struct conn *c = &s->conns[index];
    return c->state != CONN_FREE && c->generation == id >> 32 ? c : NULL;
}

/* Whether answers may still be sent. */
static bool
conn_serves(const struct conn *c)
{
    return c->state == CONN_OPEN || c->state == CONN_HALF;
}

static void
conn_shut(struct conn *c)
{
    c->shut = true;
    (void)shutdown(c->fd, SHUT_RDWR); /* ends the recv and the poll that are in the kernel */
}

void
stream_conn_settle(struct stream_uring *s, struct conn *c)
{
    if (c->state != CONN_CLOSING || c->sending)
        return;
    if (!c->shut)
        conn_shut(c);
    if (c->receiving || c->blocked)
        return;
    close(c->fd);
    c->fd = -1;
    c->state = CONN_CLOSED;
    if (c->deaf)
        stream_recv_release(s, c);
    stream_conn_raise(s, c, EVENT_CLOSED);
}

void
stream_conn_close(struct stream_uring *s, struct conn *c, int err)
{
    if (!conn_serves(c))
        return;
    c->state = CONN_CLOSING;
    c->err = err;
    c->deaf |= err == ERR_LIMIT; /* a request cut off is of no use: its memory goes back early */
    list_remove(&c->arm);
    list_remove(&c->place);
    list_remove(&c->linger);
    stream_conn_settle(s, c);
}

/* Whether an answer may still be expected by a peer that sends nothing more. */
static bool
conn_answers(const struct conn *c)
{
    return c->sending || c->blocked || (c->events & EVENT_SENT) || conn_whole(c);
}

void
stream_conn_end_of_file(struct stream_uring *s, struct conn *c)
{
    if (c->owed == 0 && !conn_answers(c)) {
        stream_conn_close(s, c, ERR_CLOSED);
        return;
    }
    c->state = CONN_HALF;
    c->linger_ns = uring_now_ns(s->ring);
    list_push_back(&s->linger, &c->linger);
}

static void
linger_touch(struct stream_uring *s, struct conn *c)
{
    if (c->state != CONN_HALF)
        return;
    c->linger_ns = uring_now_ns(s->ring);
    list_remove(&c->linger);
    list_push_back(&s->linger, &c->linger);
}

static void
linger_close(struct stream_uring *s, uint64_t now_ns)
{
    struct list *node;
    while ((node = list_first(&s->linger)) != NULL) {
        struct conn *c = list_item(node, struct conn, linger);
        if (now_ns - c->linger_ns < s->linger_ns)
            return;
        if (conn_answers(c))
            linger_touch(s, c);
        else
            stream_conn_close(s, c, ERR_CLOSED);
    }
}

uint64_t
stream_uring_prepare(struct stream_uring *s, uint64_t now_ns)
{
    linger_close(s, now_ns);
    stream_recv_arm_all(s, now_ns);
    uint64_t next_ns = stream_recv_reclaim(s, now_ns);
    const struct list *node = list_first(&s->linger);
    if (node) {
        uint64_t at_ns = list_item(node, struct conn, linger)->linger_ns + s->linger_ns;
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    return next_ns;
}

void
stream_conn_open(struct stream_uring *s, int fd, uint32_t listener, const struct stream_addr *peer)
{
    struct list *node = list_first(&s->free);
    if (node == NULL) {
        s->refused++;
        close(fd);
        return;
    }
    list_remove(node);
    struct conn *c = list_item(node, struct conn, ready);
    uint32_t generation = c->generation + 1 ? c->generation + 1 : 1;
    uint32_t index = c->index;
    memset(c, 0, offsetof(struct conn, msg));
    c->index = index;
    c->generation = generation;
    c->fd = fd;
    c->state = CONN_OPEN;
    c->listener = (uint16_t)listener;
    c->peer = *peer;
    list_init(&c->ready);
    list_init(&c->arm);
    list_init(&c->place);
    list_init(&c->linger);
    stream_conn_raise(s, c, EVENT_OPENED);
    conn_arm_later(s, c);
}

/* --- sending --- */

static void
send_done(struct stream_uring *s, struct conn *c, int res)
{
    must(c->sending);
    c->sending = false;
    c->sent = res > 0 ? (uint32_t)res : 0;
    must(c->sent <= c->loan);
    c->back = c->loan - c->sent;
    stream_conn_raise(s, c, EVENT_SENT);
    if (res < 0 && res != -EAGAIN && res != -EINTR)
        stream_conn_close(s, c, res == -EPIPE ? ERR_CLOSED : ERR_IO);
    linger_touch(s, c);
    if (!conn_serves(c)) { /* CLOSED already, when nothing else of it was in the kernel */
        stream_conn_settle(s, c);
        return;
    }
    if (c->back > 0) {
        struct io_uring_sqe *sqe = uring_sqe(s->ring);
        io_uring_prep_poll_add(sqe, c->fd, POLLOUT);
        uring_sqe_tag(sqe, URING_ROOM, c->index);
        c->blocked = true;
    } else if (c->send_refused) {
        stream_conn_raise(s, c, EVENT_WRITABLE);
    }
    c->send_refused = false;
}

static void
room_done(struct stream_uring *s, struct conn *c)
{
    must(c->blocked);
    c->blocked = false;
    if (conn_serves(c))
        stream_conn_raise(s, c, EVENT_WRITABLE);
    else
        stream_conn_settle(s, c);
}

/* Copies the spans (not the bytes) up to the limits; returns their number. */
static uint32_t
spans_take(struct conn *c, const struct view *spans, uint32_t count)
{
    uint32_t taken = 0;
    c->loan = 0;
    for (uint32_t i = 0; i < count && taken < STREAM_SPANS_MAX; i++) {
        uint32_t len = spans[i].len;
        if (len > STREAM_SEND_BYTES_MAX - c->loan)
            len = STREAM_SEND_BYTES_MAX - c->loan;
        if (len == 0)
            continue;
        c->iov[taken++] = (struct iovec){(void *)(uintptr_t)spans[i].at, len};
        c->loan += len;
    }
    return taken;
}

static int
stream_send(void *self, stream_id id, const struct view *spans, uint32_t count)
{
    struct stream_uring *s = self;
    struct conn *c = conn_find(s, id);
    if (c == NULL || !conn_serves(c))
        return ERR_CLOSED;
    if (c->sending || (c->events & EVENT_SENT)) {
        c->send_refused = true;
        return 0;
    }
    if (c->blocked)
        return 0; /* room_done raises STREAM_WRITABLE */
    uint32_t taken = spans_take(c, spans, count);
    if (taken == 0)
        return 0;
    struct io_uring_sqe *sqe = uring_sqe(s->ring);
    if (taken == 1) {
        io_uring_prep_send(sqe, c->fd, c->iov[0].iov_base, c->iov[0].iov_len,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        c->msg = (struct msghdr){.msg_iov = c->iov, .msg_iovlen = taken};
        io_uring_prep_sendmsg(sqe, c->fd, &c->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    uring_sqe_tag(sqe, URING_SEND, c->index);
    c->sending = true;
    c->owed -= c->owed > 0;
    return (int)c->loan;
}

/* --- the other calls --- */

void
stream_uring_done(struct stream_uring *s, const struct uring_done *done)
{
    if (done->kind == URING_ACCEPT) {
        stream_listen_done(s, done);
        return;
    }
    if (done->kind == URING_ACCEPT_RETRY) {
        stream_listen_arm(s, (uint32_t)done->value);
        return;
    }
    must(done->value < s->connections_max);
    struct conn *c = &s->conns[done->value];
    if (done->kind == URING_RECV)
        stream_recv_done(s, c, done);
    else if (done->kind == URING_SEND)
        send_done(s, c, done->res);
    else
        room_done(s, c);
}

static struct view
stream_peek(void *self, stream_id id)
{
    struct conn *c = conn_find(self, id);
    if (c == NULL || c->deaf || conn_held(c) == 0)
        return (struct view){0};
    return view_of(c->block + c->start, conn_held(c));
}

static void
stream_consume(void *self, stream_id id, uint32_t bytes, uint32_t want)
{
    struct stream_uring *s = self;
    struct conn *c = conn_find(s, id);
    if (c == NULL || c->deaf)
        return;
    must(bytes <= conn_held(c));
    c->start += bytes;
    c->owed += bytes > 0;
    c->want = want;
    linger_touch(s, c);
    if (c->state == CONN_OPEN && !c->receiving && list_empty(&c->place))
        conn_arm_later(s, c);
}

static stream_kept
stream_keep(void *self, stream_id id, uint32_t bytes)
{
    struct stream_uring *s = self;
    struct conn *c = conn_find(s, id);
    if (c == NULL || c->deaf)
        return 0;
    must(bytes <= conn_held(c));
    return rxbuf_keep(s->rxbuf, c->block) ? (stream_kept)(uintptr_t)c->block : 0;
}

static void
stream_release(void *self, stream_kept kept)
{
    struct stream_uring *s = self;
    rxbuf_give(s->rxbuf, (uint8_t *)(uintptr_t)kept);
    s->given_ns = uring_now_ns(s->ring);
}

static void
stream_close(void *self, stream_id id)
{
    struct stream_uring *s = self;
    struct conn *c = conn_find(s, id);
    if (c == NULL)
        return;
    c->deaf = true;
    c->events &= (uint8_t) ~(EVENT_READABLE | EVENT_WRITABLE);
    if (c->events == 0)
        list_remove(&c->ready);
    stream_conn_close(s, c, ERR_CLOSED);
}

static void
conn_free(struct stream_uring *s, struct conn *c)
{
    stream_recv_release(s, c);
    c->state = CONN_FREE;
    list_push_back(s->free.next, &c->ready); /* to the front: its memory is warm */
}

/* Takes the lowest event bit that poll() should emit; false when none is left. */
static bool
event_next(struct conn *c, struct stream_event *out)
{
    static const enum stream_event_kind kinds[] = {STREAM_OPENED, STREAM_SENT, STREAM_WRITABLE,
                                                   STREAM_READABLE, STREAM_CLOSED};
    while (c->events) {
        uint32_t bit = (uint32_t)__builtin_ctz(c->events);
        c->events &= (uint8_t)(c->events - 1);
        if (1u << bit == EVENT_READABLE && !conn_whole(c))
            continue; /* consumed since */
        *out = (struct stream_event){.id = conn_id(c), .kind = kinds[bit]};
        if (out->kind == STREAM_OPENED) {
            out->peer = c->peer;
            out->listener = c->listener;
        } else if (out->kind == STREAM_SENT) {
            out->bytes_sent = c->sent;
            out->bytes_back = c->back;
        } else if (out->kind == STREAM_CLOSED) {
            out->err = c->err;
        }
        return true;
    }
    return false;
}

static uint32_t
stream_poll(void *self, struct stream_event *out, uint32_t max)
{
    struct stream_uring *s = self;
    uint32_t n = 0;
    struct list *node;
    while (n < max && (node = list_first(&s->ready)) != NULL) {
        struct conn *c = list_item(node, struct conn, ready);
        bool closed = false;
        while (n < max && event_next(c, &out[n]))
            closed = out[n++].kind == STREAM_CLOSED;
        if (c->events == 0)
            list_remove(node);
        if (closed)
            conn_free(s, c);
    }
    return n;
}

bool
stream_uring_ready(const struct stream_uring *s)
{
    return !list_empty(&s->ready);
}

static const struct stream_ops stream_ops = {
    .listen = stream_listen_on,
    .poll = stream_poll,
    .peek = stream_peek,
    .consume = stream_consume,
    .keep = stream_keep,
    .release = stream_release,
    .send = stream_send,
    .close = stream_close,
};

struct stream
stream_uring_port_of(struct stream_uring *s)
{
    return (struct stream){&stream_ops, s};
}

uint64_t
stream_uring_refused(const struct stream_uring *s)
{
    return s->refused;
}

uint64_t
stream_uring_memory(const struct stream_uring *s)
{
    return rxbuf_bytes_used(s->rxbuf);
}

/* --- creation --- */

static size_t
pages(size_t bytes)
{
    return (bytes + RXBUF_BLOCK_MIN - 1) / RXBUF_BLOCK_MIN * RXBUF_BLOCK_MIN;
}

static struct rxbuf_config
memory_plan(const struct uring_config *config)
{
    uint32_t request = config->request_bytes_max;
    struct rxbuf_config plan = {.block_bytes_max = rxbuf_class(request)};
    if (plan.block_bytes_max < RXBUF_AHEAD)
        plan.block_bytes_max = RXBUF_AHEAD;
    size_t least = plan.block_bytes_max + (size_t)config->connections_max * RXBUF_BLOCK_MIN;
    plan.bytes = pages(config->receive_bytes_max);
    if (plan.bytes < least) {
        if (plan.bytes > 0)
            log_info("stream",
                     "receive memory raised to %zu bytes: one largest request and %u connections",
                     least, config->connections_max);
        plan.bytes = least;
    }
    return plan;
}

static void
state_init(struct stream_uring *s, struct uring *u, const struct uring_config *config)
{
    s->ring = u;
    s->connections_max = config->connections_max;
    s->stall_ns = config->stall_ns ? config->stall_ns : 5 * CLOCK_NS_PER_S;
    s->idle_ns = config->idle_ns ? config->idle_ns : CLOCK_NS_PER_S;
    s->linger_ns = config->linger_ns ? config->linger_ns : CLOCK_NS_PER_S;
    list_init(&s->ready);
    list_init(&s->arm);
    list_init(&s->linger);
    list_init(&s->free);
    list_init(&s->idle);
    list_init(&s->middle);
    list_init(&s->waiting);
    for (uint32_t i = 0; i < s->connections_max; i++) {
        s->conns[i].index = i;
        list_push_back(&s->free, &s->conns[i].ready);
    }
}

int
stream_uring_create(struct uring *u, const struct uring_config *config, struct stream_uring **out)
{
    if (config->connections_max > URING_CONNECTIONS_LIMIT ||
        config->request_bytes_max > RXBUF_BLOCK_MAX)
        return ERR_INVALID;
    struct rxbuf_config rxbuf = memory_plan(config);
    size_t conns_at = pages(sizeof(struct stream_uring));
    size_t book_at = conns_at + pages(config->connections_max * sizeof(struct conn));
    size_t rx_at = book_at + pages(rxbuf_footprint(&rxbuf));
    size_t bytes = rx_at + rxbuf.bytes;
    uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return uring_err(errno);
    struct stream_uring *s = (struct stream_uring *)(void *)at;
    s->memory = at;
    s->memory_bytes = bytes;
    s->conns = (struct conn *)(void *)(at + conns_at);
    rxbuf.memory = at + rx_at;
    s->rxbuf = rxbuf_init(at + book_at, &rxbuf);
    state_init(s, u, config);
    *out = s;
    return ERR_OK;
}

void
stream_uring_destroy(struct stream_uring *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++)
        close(s->listeners[i].fd);
    for (uint32_t i = 0; i < s->connections_max; i++)
        if (s->conns[i].state != CONN_FREE && s->conns[i].fd >= 0)
            close(s->conns[i].fd);
    munmap(s->memory, s->memory_bytes);
}
