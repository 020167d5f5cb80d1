/* mesh.c: rings of words between shards; see mesh.h.
 *
 * A word is a pointer with its meaning in the top byte (user space has no pointer that uses it).
 * ring(a, b) carries what a sends to b: jobs of a on their way out, jobs of b on their way home,
 * a's cancellations and releases, and what jobs of b have lent, on its way home.
 *
 * I1 Words of ring(a, b) never exceed MESH_SLOTS: at most JOB_MAX jobs out, JOB_MAX coming home,
 *    JOB_MAX cancellations, JOB_MAX loans coming home, and JOB_MAX releases of two words: the
 *    pin, and which parts of the tail cache.
 * I2 slots[tail & mask .. ) belong to the writer, [head, tail) to the reader.
 * I3 No wake-up is lost: the reader does {sleeps = SLEEPS or SLEEPS_FOR_BUFFERS; fence; look at
 * every tail}, the writer {tail = new; fence; look at sleeps}.  The fences are in one total order,
 * so one of the two sees the other's store. */
#include "dataplane/broker/mesh.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { AWAKE, SLEEPS, SLEEPS_FOR_BUFFERS }; /* mesh_end.sleeps */
enum { MESH_LINE = 128, MESH_SLOTS = 8 * JOB_MAX, MESH_SHARDS_MAX = 64 };
_Static_assert((MESH_SLOTS & (MESH_SLOTS - 1)) == 0, "a mask finds the slot");

#define WORD_KIND_SHIFT 56
#define WORD_POINTER    ((UINT64_C(1) << WORD_KIND_SHIFT) - 1)

struct ring {
    _Alignas(MESH_LINE) _Atomic uint64_t tail; /* writer's: words ever published */
    uint64_t tail_next, head_seen;             /* writer's own */
    _Alignas(MESH_LINE) _Atomic uint64_t head; /* reader's: words ever taken */
    uint64_t tail_seen;                        /* reader's own */
    _Alignas(MESH_LINE) uint64_t slots[MESH_SLOTS];
};

struct mesh_end {
    _Alignas(MESH_LINE) _Atomic uint32_t sleeps; /* set by the reader, AWAKE by who wakes it */
    _Alignas(MESH_LINE) struct mesh *mesh;
    const struct clock *wakers;
    uint32_t shard;
    uint32_t next;    /* ring to look at first: no writer starves another */
    uint32_t out;     /* jobs that are not in `free` */
    uint64_t sent;    /* messages, of whatever number of words */
    uint64_t filled;  /* bit i: ring to shard i has unpublished words */
    uint64_t buffers; /* the same, of read buffers: it is woken if reads of its own wait for one */
    uint64_t quiet;   /* the same, of words that need not wake it */
    bool lent_short;  /* as last said */
    struct list free;
    struct job *jobs;
};

struct mesh {
    _Alignas(MESH_LINE) _Atomic uint64_t lent_short; /* bit i: shard i says so */
    _Alignas(MESH_LINE) uint32_t shard_count;
    struct mesh_end *ends;
    struct ring *rings; /* [writer * shard_count + reader] */
    size_t rings_bytes;
};

/* Zeroed by the kernel and touched only as it is used. */
static void *
pages_take(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

int
mesh_create(uint32_t shard_count, struct mesh **out)
{
    if (shard_count < 1 || shard_count > MESH_SHARDS_MAX)
        return ERR_LIMIT;
    struct mesh *m = aligned_alloc(MESH_LINE, sizeof *m);
    if (!m)
        return ERR_FULL;
    memset(m, 0, sizeof *m);
    m->shard_count = shard_count;
    m->rings_bytes = (size_t)shard_count * shard_count * sizeof(struct ring);
    m->rings = pages_take(m->rings_bytes);
    m->ends = aligned_alloc(MESH_LINE, shard_count * sizeof(struct mesh_end));
    if (m->ends)
        memset(m->ends, 0, shard_count * sizeof(struct mesh_end));
    *out = m;
    if (m->rings && m->ends)
        return ERR_OK;
    mesh_free(m);
    *out = NULL;
    return ERR_FULL;
}

void
mesh_free(struct mesh *m)
{
    if (!m)
        return;
    if (m->rings)
        munmap(m->rings, m->rings_bytes);
    for (uint32_t i = 0; m->ends && i < m->shard_count; i++)
        free(m->ends[i].jobs);
    free(m->ends);
    free(m);
}

struct mesh_end *
mesh_join(struct mesh *m, uint32_t shard, const struct clock *wakers)
{
    must(shard < m->shard_count);
    struct mesh_end *e = &m->ends[shard];
    must(!e->mesh);
    e->jobs = calloc(JOB_MAX, sizeof *e->jobs);
    if (!e->jobs)
        return NULL;
    e->mesh = m;
    e->wakers = wakers;
    e->shard = shard;
    list_init(&e->free);
    for (uint32_t i = 0; i < JOB_MAX; i++)
        list_push_back(&e->free, &e->jobs[i].link);
    return e;
}

struct job *
mesh_job(struct mesh_end *e)
{
    struct list *first = list_first(&e->free);
    if (!first)
        return NULL;
    list_remove(first);
    e->out++;
    struct job *j = list_item(first, struct job, link);
    j->returning = 0;
    j->cancelled = 0;
    j->home = (uint16_t)e->shard;
    j->error = 0;
    return j;
}

void
mesh_done(struct mesh_end *e, struct job *j)
{
    must(j->home == e->shard);
    must(e->out > 0);
    e->out--;
    /* Last in, first out: the job is still in this core's cache. */
    list_push_back(e->free.next, &j->link);
}

uint32_t
mesh_jobs_out(const struct mesh_end *e)
{
    return e->out;
}

uint64_t
mesh_sent(const struct mesh_end *e)
{
    return e->sent;
}

static struct ring *
ring_of(const struct mesh *m, uint32_t writer, uint32_t reader)
{
    return &m->rings[writer * m->shard_count + reader];
}

static void
raw_send(struct mesh_end *e, uint32_t to, uint64_t word)
{
    must(to < e->mesh->shard_count);
    must(to != e->shard);
    struct ring *r = ring_of(e->mesh, e->shard, to);
    if (r->tail_next - r->head_seen == MESH_SLOTS) {
        /* Pairs with the release in word_take: the reader has read those slots. */
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        must(r->tail_next - r->head_seen < MESH_SLOTS); /* I1 */
    }
    r->slots[r->tail_next & (MESH_SLOTS - 1)] = word;
    r->tail_next++;
}

/* `rings`: filled, buffers or quiet. */
static void
word_send(struct mesh_end *e, uint32_t to, enum mesh_kind kind, void *pointer, uint64_t *rings)
{
    must(((uintptr_t)pointer & ~WORD_POINTER) == 0);
    raw_send(e, to, (uint64_t)kind << WORD_KIND_SHIFT | (uint64_t)(uintptr_t)pointer);
    e->sent++;
    *rings |= UINT64_C(1) << to;
}

void
mesh_send(struct mesh_end *e, struct job *j)
{
    if (j->returning)
        atomic_store_explicit(&j->at, 0, memory_order_relaxed);
    word_send(e, j->returning ? j->home : j->owner, MESH_JOB, j, &e->filled);
}

void
mesh_cancel(struct mesh_end *e, struct job *j)
{
    must(j->home == e->shard);
    word_send(e, j->owner, MESH_CANCEL, j, &e->filled);
}

void
mesh_give_back(struct mesh_end *e, struct job *j)
{
    must(j->owner == e->shard);
    word_send(e, j->home, MESH_LENT, j, &e->quiet);
}

void
mesh_release(struct mesh_end *e, uint32_t owner, struct store_hold *hold)
{
    word_send(e, owner, MESH_RELEASE, hold->pin, hold->pin ? &e->buffers : &e->quiet);
    raw_send(e, owner, hold->pin_slabs);
}

/* Takes one word of one ring.  False: it is empty. */
static bool
word_take(struct ring *r, uint64_t *word)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == r->tail_seen) {
        /* Pairs with the release in mesh_flush: the slots and what they point to are written. */
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head == r->tail_seen)
            return false;
    }
    *word = r->slots[head & (MESH_SLOTS - 1)];
    /* Pairs with the acquire in word_send: the slot may be written again. */
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return true;
}

/* What a word means here; MESH_NOTHING for a cancellation that came too late. */
static enum mesh_kind
word_accept(struct mesh_end *e, struct ring *r, uint64_t word, struct job **job,
            struct mesh_pin *pin)
{
    enum mesh_kind kind = (enum mesh_kind)(word >> WORD_KIND_SHIFT);
    void *pointer = (void *)(uintptr_t)(word & WORD_POINTER);
    if (kind == MESH_RELEASE) {
        pin->pin = pointer;
        must(word_take(r, &pin->slabs)); /* published together */
        return kind;
    }
    struct job *j = pointer;
    *job = j;
    if (kind == MESH_LENT)
        return kind;
    if (kind == MESH_JOB) {
        if (!j->returning)
            atomic_store_explicit(&j->at, (uint16_t)(e->shard + 1), memory_order_relaxed);
        return kind;
    }
    /* Only `at` may be read before it is known that the job is here. */
    if (atomic_load_explicit(&j->at, memory_order_relaxed) != e->shard + 1)
        return MESH_NOTHING;
    j->cancelled = 1;
    return kind;
}

enum mesh_kind
mesh_take(struct mesh_end *e, struct job **job, struct mesh_pin *pin)
{
    struct mesh *m = e->mesh;
    for (uint32_t looked = 0; looked < m->shard_count;) {
        struct ring *r = ring_of(m, e->next, e->shard);
        uint64_t word;
        if (e->next == e->shard || !word_take(r, &word)) {
            e->next = e->next + 1 == m->shard_count ? 0 : e->next + 1;
            looked++;
            continue;
        }
        enum mesh_kind kind = word_accept(e, r, word, job, pin);
        if (kind != MESH_NOTHING)
            return kind;
    }
    return MESH_NOTHING;
}

void
mesh_flush(struct mesh_end *e)
{
    uint64_t all = e->filled | e->buffers | e->quiet;
    struct mesh *m = e->mesh;
    if (!all)
        return;
    for (uint64_t left = all; left; left &= left - 1) {
        struct ring *r = ring_of(m, e->shard, (uint32_t)__builtin_ctzll(left));
        /* Pairs with the acquire in word_take. */
        atomic_store_explicit(&r->tail, r->tail_next, memory_order_release);
    }
    atomic_thread_fence(memory_order_seq_cst); /* I3: pairs with the one in mesh_sleep */
    for (uint64_t left = e->filled | e->buffers; left; left &= left - 1) {
        uint32_t to = (uint32_t)__builtin_ctzll(left);
        _Atomic uint32_t *sleeps = &m->ends[to].sleeps;
        uint32_t least = e->filled >> to & 1 ? SLEEPS : SLEEPS_FOR_BUFFERS;
        if (atomic_load_explicit(sleeps, memory_order_relaxed) >= least &&
            atomic_exchange_explicit(sleeps, AWAKE, memory_order_relaxed))
            e->wakers[to].ops->wake(e->wakers[to].self);
    }
    e->filled = e->buffers = e->quiet = 0;
}

bool
mesh_sleep(struct mesh_end *e, bool reads_wait)
{
    must(!(e->filled | e->buffers | e->quiet));
    struct mesh *m = e->mesh;
    atomic_store_explicit(&e->sleeps, reads_wait ? SLEEPS_FOR_BUFFERS : SLEEPS,
                          memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* I3: pairs with the one in mesh_flush */
    for (uint32_t i = 0; i < m->shard_count; i++) {
        struct ring *r = ring_of(m, i, e->shard);
        if (i != e->shard && atomic_load_explicit(&r->tail, memory_order_relaxed) !=
                                 atomic_load_explicit(&r->head, memory_order_relaxed)) {
            mesh_awake(e);
            return true;
        }
    }
    return false;
}

void
mesh_awake(struct mesh_end *e)
{
    if (atomic_load_explicit(&e->sleeps, memory_order_relaxed))
        atomic_store_explicit(&e->sleeps, AWAKE, memory_order_relaxed);
}

void
mesh_lent_short_say(struct mesh_end *e, bool is_short)
{
    if (e->lent_short == is_short)
        return;
    e->lent_short = is_short;
    uint64_t bit = UINT64_C(1) << e->shard;
    if (is_short)
        atomic_fetch_or_explicit(&e->mesh->lent_short, bit, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&e->mesh->lent_short, ~bit, memory_order_relaxed);
}

bool
mesh_lent_short(const struct mesh_end *e)
{
    return atomic_load_explicit(&e->mesh->lent_short, memory_order_relaxed) != 0;
}
