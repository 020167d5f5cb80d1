/* tcp_wheel.c: see tcp_wheel.h.
 *
 * Level k holds items that are due within 256^(k+1) ticks, in slot (due >> 8k) & 255.  `tick` is
 * the next tick to look at: everything due before it has come out.  When its low 8 bits wrap, the
 * slot of the next level is spread over the levels below (cascade).
 * I1 an armed item's due is >= tick.   I2 it stands on the lowest level that reaches it, or higher.
 * I3 a bit of `busy` is set exactly when the slot's list is not empty. */
#include "dataplane/tcp/tcp_wheel.h"

#include "dataplane/tcp/tcp_table.h"

#include <string.h>

enum { LEVELS = 3, BITS = 8, SLOTS = 1 << BITS, WORDS = SLOTS / 64 };

#define SPAN_TICKS (UINT64_C(1) << BITS * LEVELS)

struct node {
    uint64_t due; /* ticks; TCP_NEVER: not armed */
    uint32_t prev, next;
    uint32_t slot; /* level * SLOTS + slot */
};

struct tcp_wheel {
    uint64_t tick;
    uint32_t items, armed;
    uint64_t busy[LEVELS][WORDS];
    uint32_t heads[LEVELS * SLOTS];
    struct node nodes[];
};

size_t
tcp_wheel_footprint(uint32_t items)
{
    return sizeof(struct tcp_wheel) + (size_t)items * sizeof(struct node);
}

struct tcp_wheel *
tcp_wheel_init(void *at, uint32_t items, uint64_t now_us)
{
    must((uintptr_t)at % 8 == 0);
    struct tcp_wheel *w = at;
    memset(w, 0, sizeof *w);
    w->tick = now_us >> TCP_TICK_SHIFT;
    w->items = items;
    for (uint32_t i = 0; i < LEVELS * SLOTS; i++)
        w->heads[i] = TCP_NONE;
    for (uint32_t i = 0; i < items; i++)
        w->nodes[i] = (struct node){.due = TCP_NEVER};
    return w;
}

static void
link_in(struct tcp_wheel *w, uint32_t item)
{
    struct node *n = &w->nodes[item];
    uint64_t at = n->due < w->tick ? w->tick : n->due;
    uint64_t ahead = at - w->tick;
    if (ahead >= SPAN_TICKS)
        at = w->tick + SPAN_TICKS - 1;
    uint32_t level = 0;
    while (level + 1 < LEVELS && (at >> BITS * level) - (w->tick >> BITS * level) >= SLOTS)
        level++;
    uint32_t slot = (uint32_t)(at >> BITS * level) & (SLOTS - 1);
    n->slot = level * SLOTS + slot;
    n->prev = TCP_NONE;
    n->next = w->heads[n->slot];
    if (n->next != TCP_NONE)
        w->nodes[n->next].prev = item;
    w->heads[n->slot] = item;
    w->busy[level][slot / 64] |= UINT64_C(1) << slot % 64;
}

static void
link_out(struct tcp_wheel *w, uint32_t item)
{
    struct node *n = &w->nodes[item];
    if (n->next != TCP_NONE)
        w->nodes[n->next].prev = n->prev;
    if (n->prev != TCP_NONE)
        w->nodes[n->prev].next = n->next;
    else
        w->heads[n->slot] = n->next;
    if (w->heads[n->slot] == TCP_NONE)
        w->busy[n->slot / SLOTS][n->slot % SLOTS / 64] &= ~(UINT64_C(1) << n->slot % 64);
}

void
tcp_wheel_arm(struct tcp_wheel *w, uint32_t item, uint64_t due_us)
{
    must(item < w->items);
    struct node *n = &w->nodes[item];
    uint64_t due = due_us == TCP_NEVER ? TCP_NEVER : (due_us + TCP_TICK_US - 1) >> TCP_TICK_SHIFT;
    if (n->due == due)
        return;
    if (n->due != TCP_NEVER) {
        link_out(w, item);
        w->armed--;
    }
    n->due = due;
    if (due == TCP_NEVER)
        return;
    link_in(w, item);
    w->armed++;
}

/* The first busy slot at or after `from` of a level; SLOTS when there is none. */
static uint32_t
busy_from(const struct tcp_wheel *w, uint32_t level, uint32_t from)
{
    for (uint32_t word = from / 64; word < WORDS; word++) {
        uint64_t bits = w->busy[level][word];
        if (word == from / 64)
            bits &= ~UINT64_C(0) << from % 64;
        if (bits)
            return word * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return SLOTS;
}

static void
cascade(struct tcp_wheel *w)
{
    for (uint32_t level = 1; level < LEVELS; level++) {
        uint32_t slot = (uint32_t)(w->tick >> BITS * level) & (SLOTS - 1);
        uint32_t item = w->heads[level * SLOTS + slot];
        w->heads[level * SLOTS + slot] = TCP_NONE;
        w->busy[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
        while (item != TCP_NONE) {
            uint32_t next = w->nodes[item].next;
            link_in(w, item);
            item = next;
        }
        if (slot != 0)
            return;
    }
}

/* The next tick after w->tick, or w->tick itself, at which something stands or cascades. */
static uint64_t
next_tick(const struct tcp_wheel *w)
{
    uint32_t here = (uint32_t)w->tick & (SLOTS - 1);
    uint32_t slot = busy_from(w, 0, here);
    if (slot < SLOTS || busy_from(w, 0, 0) < SLOTS)
        return w->tick - here + slot; /* SLOTS: the end of the lap, where a cascade is due */
    uint32_t lap = (uint32_t)(w->tick >> BITS) & (SLOTS - 1);
    slot = lap + 1 < SLOTS ? busy_from(w, 1, lap + 1) : SLOTS;
    return (w->tick >> 2 * BITS << 2 * BITS) + ((uint64_t)slot << BITS);
}

uint32_t
tcp_wheel_take(struct tcp_wheel *w, uint64_t now_us)
{
    uint64_t now = now_us >> TCP_TICK_SHIFT;
    while (w->armed && w->tick <= now) {
        uint32_t item = w->heads[w->tick & (SLOTS - 1)];
        if (item != TCP_NONE) {
            must(w->nodes[item].due <= w->tick);
            link_out(w, item);
            w->nodes[item].due = TCP_NEVER;
            w->armed--;
            return item;
        }
        uint64_t next = next_tick(w);
        if (next > now + 1)
            next = now + 1;
        bool wrapped = next >> BITS != w->tick >> BITS;
        w->tick = next;
        if (wrapped)
            cascade(w);
    }
    if (w->armed == 0 && w->tick <= now)
        w->tick = now + 1;
    return TCP_NONE;
}

uint64_t
tcp_wheel_next(const struct tcp_wheel *w)
{
    return w->armed ? next_tick(w) << TCP_TICK_SHIFT : TCP_NEVER;
}

bool
tcp_wheel_armed(const struct tcp_wheel *w, uint32_t item)
{
    must(item < w->items);
    return w->nodes[item].due != TCP_NEVER;
}

uint64_t
tcp_wheel_due(const struct tcp_wheel *w, uint32_t item)
{
    return tcp_wheel_armed(w, item) ? w->nodes[item].due << TCP_TICK_SHIFT : TCP_NEVER;
}
