/* inner.c: see inner.h.
 *
 * Sending copies into the ring at once, so a loan ends with the next poll; without room in the ring
 * it ends with bytes back, and each poll offers to try again.
 *
 * I1 At most one loan.  I2 Every id that was opened gets one STREAM_CLOSED, its last event. */
#include "dataplane/broker/inner.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/shm/msg.h"

#include <sys/mman.h>

int
inner_init(struct inner *i, uint32_t index)
{
    *i = (struct inner){.index = index};
    void *at = mmap(NULL, INNER_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    i->memory = at == MAP_FAILED ? NULL : at;
    return i->memory ? ERR_OK : ERR_FULL;
}

void
inner_free(struct inner *i)
{
    if (i->memory)
        munmap(i->memory, INNER_BYTES);
    i->memory = NULL;
}

void
inner_attach(struct inner *i, struct chan *to_control, uint32_t generation, bool *sent)
{
    i->to_control = to_control;
    i->generation = generation;
    i->sent = sent;
}

static void
end(struct inner *i)
{
    if (!i->id)
        return;
    i->ended = i->opened ? 0 : i->id; /* opened is still due: the broker has never heard of it */
    i->id = 0;
    i->opened = i->hello = i->readable = i->loan = i->blocked = false;
    i->first = i->len = i->want = i->bytes_sent = i->bytes_back = 0;
}

void
inner_open(struct inner *i, uint32_t control_generation)
{
    end(i);
    i->control_generation = control_generation;
    i->connection++;
    i->id = (uint64_t)i->connection << 32 | i->index;
    i->opened = i->hello = true;
}

void
inner_take(struct inner *i, uint32_t control_generation, struct view body)
{
    struct msg_call head;
    memcpy(&head, body.at, sizeof head);
    struct view bytes = view_of(body.at + sizeof head, body.len - (uint32_t)sizeof head);
    if (!i->id || control_generation != i->control_generation || head.generation != i->generation ||
        head.connection != i->connection)
        return;
    if (bytes.len > INNER_BYTES - i->len) {
        log_error("inner", "control sent more than it may: its connection ends bytes=%u",
                  i->len + bytes.len);
        inner_open(i, i->control_generation);
        return;
    }
    if (bytes.len > INNER_BYTES - i->first - i->len) {
        memmove(i->memory, i->memory + i->first, i->len);
        i->first = 0;
    }
    memcpy(i->memory + i->first + i->len, bytes.at, bytes.len);
    i->len += bytes.len;
    i->readable = i->len >= i->want;
}

bool
inner_waits(const struct inner *i, bool *blocked)
{
    *blocked = (i->blocked && !i->loan) || i->hello;
    return i->ended || i->opened || i->loan || (i->readable && i->id);
}

/* Puts the first `total` bytes of the spans into the ring; false: it is full. */
static bool
message_put(struct inner *i, const struct view *spans, uint32_t count, uint32_t total)
{
    struct msg_call head = {.generation = i->control_generation, .connection = i->connection};
    uint8_t *at = chan_reserve(i->to_control, total + (uint32_t)sizeof head);
    if (!at)
        return false;
    memcpy(at, &head, sizeof head);
    uint32_t fill = 0;
    for (uint32_t k = 0; k < count && fill < total; k++) {
        uint32_t n = spans[k].len < total - fill ? spans[k].len : total - fill;
        memcpy(at + sizeof head + fill, spans[k].at, n);
        fill += n;
    }
    chan_publish(i->to_control, MSG_REPLY, i->generation, total + (uint32_t)sizeof head);
    *i->sent = true;
    return true;
}

/* ---- the port ----------------------------------------------------------------------------------
 */

static int
inner_listen(void *self, const struct stream_addr *at)
{
    struct inner *i = self;
    return i->real.ops->listen(i->real.self, at);
}

/* The next event of ours, in the order of a stream's life. */
static bool
event_take(struct inner *i, struct stream_event *e)
{
    *e = (struct stream_event){.id = i->id};
    if (i->ended) {
        e->id = i->ended;
        e->kind = STREAM_CLOSED;
        e->err = ERR_CLOSED;
        i->ended = 0;
    } else if (i->opened) {
        e->kind = STREAM_OPENED;
        e->listener = INNER_LISTENER;
        i->opened = false;
    } else if (i->loan) {
        e->kind = STREAM_SENT;
        e->bytes_sent = i->bytes_sent;
        e->bytes_back = i->bytes_back;
        i->loan = false;
    } else if (i->blocked) {
        e->kind = STREAM_WRITABLE;
        i->blocked = false;
    } else if (i->readable) {
        e->kind = STREAM_READABLE;
        i->readable = false;
    } else {
        return false;
    }
    return true;
}

static uint32_t
inner_poll(void *self, struct stream_event *out, uint32_t max)
{
    struct inner *i = self;
    uint32_t n = 0;
    if (i->hello)
        i->hello = !message_put(i, NULL, 0, 0);
    while (n < max && event_take(i, &out[n]))
        n++;
    return n + i->real.ops->poll(i->real.self, out + n, max - n);
}

static struct view
inner_peek(void *self, stream_id id)
{
    struct inner *i = self;
    if (id != i->id || !id)
        return i->real.ops->peek(i->real.self, id);
    return view_of(i->memory + i->first, i->len);
}

static void
inner_consume(void *self, stream_id id, uint32_t bytes, uint32_t want)
{
    struct inner *i = self;
    if (id != i->id || !id) {
        i->real.ops->consume(i->real.self, id, bytes, want);
        return;
    }
    must(bytes <= i->len);
    i->first += bytes;
    i->len -= bytes;
    if (i->len == 0)
        i->first = 0;
    i->want = want ? want : 1;
    i->readable = want && i->len >= want;
}

static void
inner_scatter(void *self, stream_id id)
{
    struct inner *i = self;
    if (id != i->id || !id)
        i->real.ops->scatter(i->real.self, id);
}

static uint32_t
inner_pieces(void *self, stream_id id, struct view *out, uint32_t max)
{
    struct inner *i = self;
    if (id != i->id || !id)
        return i->real.ops->pieces(i->real.self, id, out, max);
    out[0] = view_of(i->memory + i->first, i->len);
    return 1;
}

static stream_kept
inner_keep(void *self, stream_id id, uint32_t bytes)
{
    struct inner *i = self;
    return id != i->id || !id ? i->real.ops->keep(i->real.self, id, bytes) : 0;
}

static void
inner_release(void *self, stream_kept kept)
{
    struct inner *i = self;
    i->real.ops->release(i->real.self, kept);
}

static int
inner_send(void *self, stream_id id, const struct view *spans, uint32_t count)
{
    struct inner *i = self;
    if (id != i->id || !id)
        return i->real.ops->send(i->real.self, id, spans, count);
    if (i->loan)
        return 0;
    uint32_t total = 0;
    for (uint32_t k = 0; k < count; k++)
        total += spans[k].len;
    uint32_t most = chan_body_max(i->to_control) - (uint32_t)sizeof(struct msg_call);
    uint32_t part = total < INNER_MESSAGE_MAX ? total : INNER_MESSAGE_MAX;
    part = part < most ? part : most;
    i->blocked = i->hello || !message_put(i, spans, count, part);
    if (i->blocked)
        return 0;
    i->blocked = part < total;
    i->loan = true;
    i->bytes_sent = part;
    i->bytes_back = total - part;
    return (int)total;
}

static void
inner_close(void *self, stream_id id)
{
    struct inner *i = self;
    if (id != i->id || !id) {
        if ((uint32_t)id != i->index)
            i->real.ops->close(i->real.self, id);
        return;
    }
    log_warn("inner", "control's connection ends and is opened anew");
    inner_open(i, i->control_generation);
}

struct stream
inner_stream(struct inner *i, struct stream real)
{
    static const struct stream_ops ops = {.listen = inner_listen,
                                          .poll = inner_poll,
                                          .peek = inner_peek,
                                          .consume = inner_consume,
                                          .keep = inner_keep,
                                          .release = inner_release,
                                          .send = inner_send,
                                          .close = inner_close};
    static const struct stream_ops in_pieces = {.listen = inner_listen,
                                                .poll = inner_poll,
                                                .peek = inner_peek,
                                                .consume = inner_consume,
                                                .scatter = inner_scatter,
                                                .pieces = inner_pieces,
                                                .keep = inner_keep,
                                                .release = inner_release,
                                                .send = inner_send,
                                                .close = inner_close};
    i->real = real;
    return (struct stream){real.ops->scatter ? &in_pieces : &ops, i};
}
