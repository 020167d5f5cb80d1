/* tcp_wheel.c: see tcp_wheel.h.
 *
 * Level k holds items that stand within 256^(k+1) ticks, in slot (at >> 8k) & 255.  `tick` is the
 * next tick to look at: everything due before it has come out.  What stands on a higher level in
 * the slot of the present tick moves on, to a lower one or to its deadline, before the tick does.
 *
 * An item stands at its deadline or before it: one that is put off, or given up, stays where it is
 * until its slot is looked at, and moves on then.  So who puts the same deadline off with every
 * segment touches one node, and no neighbours of it.
 * I1 an armed item stands, at its due or before.   I2 it stands on the lowest level that reaches
 * it, or higher.   I3 a bit of `busy` is set exactly when the slot's list is not empty. */
#include "dataplane/tcp/tcp_wheel.h"

#include "dataplane/tcp/tcp_table.h"

#include <string.h>

enum { LEVELS = 3, BITS = 8, SLOTS = 1 << BITS, WORDS = SLOTS / 64 };

/* One slot of the last level less than a turn of it, so that nothing is put into its present slot.
 */
#define SPAN_TICKS ((UINT64_C(1) << BITS * LEVELS) - (UINT64_C(1) << BITS * (LEVELS - 1)))

struct node {
    uint64_t due; /* ticks; TCP_NEVER: not armed */
    uint64_t at;  /* where it stands; TCP_NEVER: nowhere */
    uint32_t prev, next;
    uint32_t slot; /* level * SLOTS + slot */
};

_Static_assert(sizeof(struct node) == 32, "two of them a cache line");

struct tcp_wheel {
    uint64_t tick;
    uint32_t items, armed, standing;
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
        w->nodes[i] = (struct node){.due = TCP_NEVER, .at = TCP_NEVER};
    return w;
}

/* Puts it where it comes out at n->due, or is looked at again before that. */
static void
link_in(struct tcp_wheel *w, uint32_t item)
{
    struct node *n = &w->nodes[item];
    n->at = n->due;
    uint64_t at = n->at < w->tick ? w->tick : n->at;
    if (at - w->tick > SPAN_TICKS)
        at = w->tick + SPAN_TICKS;
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
    w->standing++;
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
    n->at = TCP_NEVER;
    w->standing--;
}

void
tcp_wheel_arm(struct tcp_wheel *w, uint32_t item, uint64_t due_us)
{
    must(item < w->items);
    struct node *n = &w->nodes[item];
    uint64_t due = due_us == TCP_NEVER ? TCP_NEVER : (due_us + TCP_TICK_US - 1) >> TCP_TICK_SHIFT;
    w->armed += (due != TCP_NEVER) - (n->due != TCP_NEVER);
    n->due = due;
    if (due >= n->at)
        return;
    if (n->at != TCP_NEVER)
        link_out(w, item);
    link_in(w, item);
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

/* The slot of a higher level in which the present tick lies. */
static uint32_t
upper_head(const struct tcp_wheel *w, uint32_t level)
{
    return w->heads[level * SLOTS + ((uint32_t)(w->tick >> BITS * level) & (SLOTS - 1))];
}

static bool
settled(const struct tcp_wheel *w)
{
    for (uint32_t level = 1; level < LEVELS; level++)
        if (upper_head(w, level) != TCP_NONE)
            return false;
    return true;
}

/* Empties those slots.  False: no more looks. */
static bool
settle(struct tcp_wheel *w, uint32_t *looks)
{
    for (uint32_t level = 1; level < LEVELS; level++)
        for (uint32_t item; (item = upper_head(w, level)) != TCP_NONE; --*looks) {
            if (*looks == 0)
                return false;
            link_out(w, item);
            if (w->nodes[item].due != TCP_NEVER)
                link_in(w, item);
        }
    return true;
}

/* The next tick after w->tick, or w->tick itself, at which something stands or moves on. */
static uint64_t
next_tick(const struct tcp_wheel *w)
{
    if (!settled(w))
        return w->tick;
    uint32_t here = (uint32_t)w->tick & (SLOTS - 1);
    uint32_t slot = busy_from(w, 0, here);
    if (slot < SLOTS || busy_from(w, 0, 0) < SLOTS)
        return w->tick - here + slot; /* SLOTS: the end of the lap, where others move on */
    uint32_t lap = (uint32_t)(w->tick >> BITS) & (SLOTS - 1);
    slot = lap + 1 < SLOTS ? busy_from(w, 1, lap + 1) : SLOTS;
    return (w->tick >> 2 * BITS << 2 * BITS) + ((uint64_t)slot << BITS);
}

/* Looks at the items of the present tick; the first that is due, out of the wheel. */
static uint32_t
due_take(struct tcp_wheel *w, uint32_t *looks)
{
    for (uint32_t item; (item = w->heads[w->tick & (SLOTS - 1)]) != TCP_NONE;) {
        struct node *n = &w->nodes[item];
        if (*looks == 0)
            return TCP_NONE;
        --*looks;
        link_out(w, item);
        if (n->due <= w->tick) {
            n->due = TCP_NEVER;
            w->armed--;
            return item;
        }
        if (n->due != TCP_NEVER)
            link_in(w, item);
    }
    return TCP_NONE;
}

uint32_t
tcp_wheel_take(struct tcp_wheel *w, uint64_t now_us, uint32_t *looks)
{
    uint64_t now = now_us >> TCP_TICK_SHIFT;
    while (w->standing && w->tick <= now && settle(w, looks)) {
        uint32_t item = due_take(w, looks);
        if (item != TCP_NONE || *looks == 0)
            return item;
        uint64_t next = next_tick(w);
        w->tick = next < now + 1 ? next : now + 1;
    }
    if (w->standing == 0 && w->tick <= now)
        w->tick = now + 1;
    return TCP_NONE;
}

uint64_t
tcp_wheel_next(const struct tcp_wheel *w)
{
    return w->armed ? next_tick(w) << TCP_TICK_SHIFT : TCP_NEVER;
}

void
tcp_wheel_fetch(const struct tcp_wheel *w, uint32_t item)
{
    __builtin_prefetch(&w->nodes[item], 1);
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
