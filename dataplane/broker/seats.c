/* seats.c: see seats.h.
 *
 * A seat is one word: the hash of its address above, how many connections it has below; 0: free.
 * I1 A seat keeps its address while somebody sits in it, so giving it back needs no search.
 * I2 Two shards may take seats for one address at the same time, and end in two of them: so what
 *    counts is the sum over all seats of an address, looked at after one has been taken. */
#include "dataplane/broker/seats.h"

#include "core/base/must.h"

#include <stdatomic.h>
#include <string.h>

enum { COUNT_BITS = 20, SEATS_EACH = 4, SHARED = 0, FIRST = 1 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

struct seats {
    uint64_t secret[SEATS_SECRET_BYTES / sizeof(uint64_t)];
    uint32_t seat_count;
    _Atomic uint32_t in;
    _Atomic uint64_t words[]; /* SHARED, then seat_count, then SEATS_PROBES more */
};

static uint32_t
seats_of(uint32_t connections)
{
    must(connections <= COUNT_MASK / SEATS_EACH);
    return connections * SEATS_EACH;
}

size_t
seats_footprint(uint32_t connections)
{
    return sizeof(struct seats) +
           ((size_t)FIRST + seats_of(connections) + SEATS_PROBES) * sizeof(uint64_t);
}

struct seats *
seats_init(void *memory, uint32_t connections, const uint8_t secret[SEATS_SECRET_BYTES])
{
    struct seats *s = memory;
    memcpy(s->secret, secret, sizeof s->secret);
    s->seat_count = seats_of(connections);
    return s;
}

/* Both halves of the product, folded (as in wyhash): each bit depends on all bits of a and b. */
static uint64_t
fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide p = (wide)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t
seats_hash(const struct seats *s, const uint8_t ip[16])
{
    uint64_t a, b;
    memcpy(&a, ip, sizeof a);
    memcpy(&b, ip + sizeof a, sizeof b);
    return fold(fold(a ^ s->secret[0], b ^ s->secret[1]) ^ s->secret[2],
                s->secret[3] ^ UINT64_C(0x9e3779b97f4a7c15));
}

/* Sits down at `at` if it is this key's, or with `free` also if it is nobody's. */
static bool
sit(_Atomic uint64_t *at, uint64_t key, bool free)
{
    uint64_t is = atomic_load(at);
    while ((is & ~COUNT_MASK) == key ? is != 0 : free && is == 0) {
        must((is & COUNT_MASK) < COUNT_MASK);
        if (atomic_compare_exchange_weak(at, &is, is ? is + 1 : key + 1))
            return true;
    }
    return false;
}

void
seats_give(struct seats *s, uint32_t seat)
{
    _Atomic uint64_t *at = &s->words[seat];
    uint64_t is = atomic_load(at);
    do
        must((is & COUNT_MASK) > 0);
    while (!atomic_compare_exchange_weak(at, &is, (is & COUNT_MASK) == 1 ? 0 : is - 1));
}

static uint32_t
seat_find(struct seats *s, uint32_t first, uint64_t key)
{
    for (uint32_t free = 0; free < 2; free++)
        for (uint32_t i = first; i < first + SEATS_PROBES; i++)
            if (sit(&s->words[i], key, free))
                return i;
    return SEATS_NONE;
}

static uint64_t
seats_of_key(struct seats *s, uint32_t first, uint64_t key)
{
    uint64_t sum = 0;
    for (uint32_t i = first; i < first + SEATS_PROBES; i++) {
        uint64_t is = atomic_load(&s->words[i]);
        sum += (is & ~COUNT_MASK) == key ? is & COUNT_MASK : 0;
    }
    return sum;
}

uint32_t
seats_take(struct seats *s, uint64_t hash, uint32_t max)
{
    uint64_t key = hash & ~COUNT_MASK;
    uint32_t first = FIRST + (uint32_t)((hash & UINT32_MAX) * s->seat_count >> 32);
    if (key == 0)
        key = COUNT_MASK + 1; /* the seat SHARED alone has key 0 */
    uint32_t seat = seat_find(s, first, key);
    uint64_t taken = seat == SEATS_NONE ? 0 : seats_of_key(s, first, key);
    if (seat == SEATS_NONE) {
        seat = SHARED;
        taken = atomic_fetch_add(&s->words[SHARED], 1) + 1;
    }
    if (taken <= max)
        return seat;
    seats_give(s, seat);
    return SEATS_NONE;
}

/* ---- all addresses ---- */

bool
seats_enter(struct seats *s, uint32_t max)
{
    uint32_t is = atomic_load(&s->in);
    while (is < max)
        if (atomic_compare_exchange_weak(&s->in, &is, is + 1))
            return true;
    return false;
}

void
seats_leave(struct seats *s)
{
    must(atomic_fetch_sub(&s->in, 1) > 0);
}

bool
seats_evict(struct seats *s, uint32_t max)
{
    uint32_t is = atomic_load(&s->in);
    while (is > max)
        if (atomic_compare_exchange_weak(&s->in, &is, is - 1))
            return true;
    return false;
}

uint32_t
seats_count(const struct seats *s)
{
    return atomic_load_explicit(&s->in, memory_order_relaxed);
}
