/* chan.c: the ring of chan.h.
 *
 *   +0 u32 bytes of the body   +4 u32 kind (0: filler)   +8 u32 generation
 *   +12 u32 CRC-32C of the 12 bytes before, begun with the low word of the message's position
 *   +16 body, padded to CHAN_ALIGN
 *
 * I1 tail <= head <= tail + bytes; both are multiples of CHAN_ALIGN.
 * I2 Everything in [tail, head) is whole messages; [head, tail + bytes) is the producer's to write.
 * I3 No message crosses the end of the data area: a filler covers what is left there, and is
 *    published by the same store as the message after it.
 * I4 A word in memory has one writer; a struct chan holds the truth about its own word, so that
 *    what the other side writes over it does no harm before the next join. */
#include "core/shm/chan.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/shm/msg.h"

struct header {
    uint32_t bytes, kind, generation, crc;
};
_Static_assert(sizeof(struct header) == CHAN_HEADER_BYTES, "layout in shared memory");
_Static_assert(CHAN_HEADER_BYTES % CHAN_ALIGN == 0, "a filler always fits");
_Static_assert(offsetof(struct chan_memory, data) == 3 * CHAN_LINE, "a line for each word");

static uint32_t
header_crc(const struct header *h, uint64_t position)
{
    return crc32c((uint32_t)position, h, offsetof(struct header, crc));
}

/* Bytes that a message takes in the ring.  No overflow: `body` is at most chan_body_max. */
static uint64_t
message_bytes(uint32_t body)
{
    return CHAN_HEADER_BYTES + (((uint64_t)body + CHAN_ALIGN - 1) & ~(uint64_t)(CHAN_ALIGN - 1));
}

static uint64_t
bytes_to_end(const struct chan *c, uint64_t position)
{
    return c->bytes - position % c->bytes;
}

static uint8_t *
data_at(const struct chan *c, uint64_t position)
{
    return c->memory->data + position % c->bytes;
}

/* I1, of words that the other side may have written. */
static bool
words_agree(const struct chan *c)
{
    return (c->head | c->tail) % CHAN_ALIGN == 0 && c->head - c->tail <= c->bytes;
}

void
chan_format(void *memory, uint32_t bytes)
{
    must((uintptr_t)memory % CHAN_LINE == 0);
    must(bytes >= CHAN_BYTES_MIN);
    struct chan_memory *m = memory;
    atomic_init(&m->head, 0);
    atomic_init(&m->tail, 0);
    atomic_init(&m->sleeps, 0);
}

void
chan_join(struct chan *c, void *memory, uint32_t bytes)
{
    must((uintptr_t)memory % CHAN_LINE == 0);
    must(bytes >= CHAN_BYTES_MIN);
    *c = (struct chan){.memory = memory};
    c->bytes = (bytes - sizeof(struct chan_memory)) & ~(uint64_t)(CHAN_ALIGN - 1);
    /* A new consumer pairs with the release in chan_publish, a new producer with chan_done's. */
    c->head = atomic_load_explicit(&c->memory->head, memory_order_acquire);
    c->tail = atomic_load_explicit(&c->memory->tail, memory_order_acquire);
    c->bad = !words_agree(c);
}

uint32_t
chan_body_max(const struct chan *c)
{
    /* With I3 an empty ring has room for one: the filler before it is smaller than the message. */
    return (uint32_t)((c->bytes / 2 & ~(uint64_t)(CHAN_ALIGN - 1)) - CHAN_HEADER_BYTES);
}

uint8_t *
chan_reserve(struct chan *c, uint32_t bytes)
{
    c->at = UINT64_MAX;
    if (c->bad || bytes > chan_body_max(c))
        return NULL;
    uint64_t to_end = bytes_to_end(c, c->head), need = message_bytes(bytes);
    uint64_t filler = need > to_end ? to_end : 0;
    if (c->head + filler + need - c->tail > c->bytes) {
        /* Pairs with the release in chan_done: the consumer has finished reading those bytes. */
        c->tail = atomic_load_explicit(&c->memory->tail, memory_order_acquire);
        c->bad = !words_agree(c);
        if (c->bad || c->head + filler + need - c->tail > c->bytes)
            return NULL;
    }
    c->at = c->head + filler;
    c->reserved = bytes;
    return data_at(c, c->at) + CHAN_HEADER_BYTES;
}

static void
header_write(const struct chan *c, uint64_t position, struct header h)
{
    h.crc = header_crc(&h, position);
    memcpy(data_at(c, position), &h, sizeof h);
}

void
chan_publish(struct chan *c, uint32_t kind, uint32_t generation, uint32_t bytes)
{
    must(c->at != UINT64_MAX);
    must(bytes <= c->reserved);
    must(kind != MSG_NONE);
    if (c->at != c->head) {
        uint32_t filler = (uint32_t)(c->at - c->head) - CHAN_HEADER_BYTES;
        header_write(c, c->head, (struct header){filler, MSG_NONE, generation, 0});
    }
    header_write(c, c->at, (struct header){bytes, kind, generation, 0});
    c->head = c->at + message_bytes(bytes);
    c->at = UINT64_MAX;
    /* Pairs with the acquire in chan_peek: publishes the headers and the body. */
    atomic_store_explicit(&c->memory->head, c->head, memory_order_release);
}

void
chan_clear(struct chan *c)
{
    /* Going back to tail, rather than moving tail, keeps the consumer's line the consumer's.  It is
     * dead, so nobody reads what lies between. */
    c->tail = atomic_load_explicit(&c->memory->tail, memory_order_acquire);
    c->head = c->tail;
    c->at = UINT64_MAX;
    c->bad = !words_agree(c);
    atomic_store_explicit(&c->memory->head, c->head, memory_order_release);
}

/* Reads the header at tail into *h.  ERR_CORRUPT when it cannot be what a producer wrote there. */
static int
header_read(const struct chan *c, struct header *h)
{
    uint64_t there = c->head - c->tail, to_end = bytes_to_end(c, c->tail);
    if (there < CHAN_HEADER_BYTES)
        return ERR_CORRUPT;
    /* A copy, so that what was checked is what is used. */
    memcpy(h, data_at(c, c->tail), sizeof *h);
    if (h->crc != header_crc(h, c->tail))
        return ERR_CORRUPT;
    if (h->kind == MSG_NONE)
        return h->bytes == to_end - CHAN_HEADER_BYTES && to_end <= there ? ERR_OK : ERR_CORRUPT;
    if (h->kind >= MSG_KINDS)
        return ERR_CORRUPT;
    if (h->bytes > chan_body_max(c) || h->bytes < msg_bytes(h->kind))
        return ERR_CORRUPT;
    uint64_t whole = message_bytes(h->bytes);
    return whole <= there && whole <= to_end ? ERR_OK : ERR_CORRUPT;
}

int
chan_peek(struct chan *c, struct chan_message *out)
{
    while (!c->bad) {
        if (c->head == c->tail) {
            /* Pairs with the release in chan_publish. */
            c->head = atomic_load_explicit(&c->memory->head, memory_order_acquire);
            c->bad = !words_agree(c);
            if (c->head == c->tail)
                return ERR_AGAIN;
            continue;
        }
        struct header h;
        if (header_read(c, &h)) {
            c->bad = true;
            break;
        }
        if (h.kind == MSG_NONE) {
            c->tail += message_bytes(h.bytes); /* given back with the message after it (I3) */
            continue;
        }
        c->lent = (uint32_t)message_bytes(h.bytes);
        *out = (struct chan_message){h.kind, h.generation,
                                     view_of(data_at(c, c->tail) + CHAN_HEADER_BYTES, h.bytes)};
        return ERR_OK;
    }
    return ERR_CORRUPT;
}

void
chan_done(struct chan *c)
{
    must(c->lent != 0);
    c->tail += c->lent;
    c->lent = 0;
    /* Pairs with the acquire in chan_reserve: our reads of the body happened before its reuse. */
    atomic_store_explicit(&c->memory->tail, c->tail, memory_order_release);
}

/* No wake-up is lost: consumer {sleeps = odd; fence; read head}, producer {head = new; fence; read
 * sleeps}.  The fences are in one total order, so at least one side sees the other's store. */
bool
chan_sleep(struct chan *c)
{
    uint32_t n = atomic_load_explicit(&c->memory->sleeps, memory_order_relaxed);
    atomic_store_explicit(&c->memory->sleeps, (n + 1) | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in chan_must_wake */
    if (atomic_load_explicit(&c->memory->head, memory_order_relaxed) == c->tail)
        return false;
    chan_awake(c);
    return true;
}

void
chan_awake(struct chan *c)
{
    uint32_t n = atomic_load_explicit(&c->memory->sleeps, memory_order_relaxed);
    if (n & 1)
        atomic_store_explicit(&c->memory->sleeps, n + 1, memory_order_relaxed);
}

bool
chan_must_wake(struct chan *c)
{
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in chan_sleep */
    uint32_t n = atomic_load_explicit(&c->memory->sleeps, memory_order_relaxed);
    if (!(n & 1) || n == c->rung)
        return false;
    c->rung = n;
    return true;
}
