/* slow.c: a row is a word for its seqlock, odd while the writer is inside (table.c), and its
 * fields; a row with SLOW_TOTAL 0 is free.
 *
 * I1 rows [first, first + count) are of this span, the rest of the other half is of the span
 * before. I2 floor_ns is 0 while a row of this span is free, else the least total of its rows. */
#include "core/shm/slow.h"

enum { SLOW_READ_TRIES = 100 };

const char *
slow_name(enum slow_field field)
{
    static const char *const names[SLOW_FIELDS] = {
#define SLOW(field, name, help) #name,
#include "core/shm/slow.def"
#undef SLOW
    };
    must((unsigned)field < SLOW_FIELDS);
    return names[field];
}

static void
row_write(_Atomic uint64_t *words, const struct slow_row *row)
{
    uint64_t odd = atomic_load_explicit(words, memory_order_relaxed) | 1;
    atomic_store_explicit(words, odd, memory_order_relaxed);
    /* Pairs with the acquire fence in slow_read: who sees a new word sees the lock odd, or later.
     */
    atomic_thread_fence(memory_order_release);
    for (uint32_t i = 0; i < SLOW_FIELDS; i++)
        atomic_store_explicit(&words[1 + i], row->field[i], memory_order_relaxed);
    /* Pairs with the acquire load in slow_read: who sees this lock sees all the words. */
    atomic_store_explicit(words, odd + 1, memory_order_release);
}

static _Atomic uint64_t *
row_at(const struct slow *l, uint32_t index)
{
    return l->words + (uint64_t)index * SLOW_ROW_WORDS;
}

/* The half that begins at `first` has no rows from now on, and is this span's. */
static void
span_begin(struct slow *l, uint32_t first)
{
    for (uint32_t i = 0; i < SLOW_KEPT; i++)
        row_write(row_at(l, first + i), &(struct slow_row){0});
    l->first = first;
    l->count = 0;
    l->floor_ns = 0;
}

void
slow_begin(struct slow *l, _Atomic uint64_t *words)
{
    *l = (struct slow){.words = words};
    span_begin(l, SLOW_KEPT);
    span_begin(l, 0);
}

static uint32_t
least(const struct slow *l)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < SLOW_KEPT; i++)
        at = l->total_ns[i] < l->total_ns[at] ? i : at;
    return at;
}

void
slow_keep(struct slow *l, uint64_t now_ns, const struct slow_row *row)
{
    if (now_ns >= l->until_ns) {
        bool missed = now_ns - l->until_ns >= SLOW_SPAN_NS; /* the span before had none */
        span_begin(l, SLOW_KEPT - l->first);
        if (missed)
            span_begin(l, SLOW_KEPT - l->first);
        l->until_ns = now_ns + SLOW_SPAN_NS;
    }
    if (row->field[SLOW_TOTAL] <= l->floor_ns)
        return;
    uint32_t at = l->count < SLOW_KEPT ? l->count++ : least(l);
    l->total_ns[at] = row->field[SLOW_TOTAL];
    row_write(row_at(l, l->first + at), row);
    if (l->count == SLOW_KEPT)
        l->floor_ns = l->total_ns[least(l)];
}

bool
slow_read(const _Atomic uint64_t *words, uint32_t index, struct slow_row *out)
{
    must(index < SLOW_ROWS);
    words += (uint64_t)index * SLOW_ROW_WORDS;
    for (int i = 0; i < SLOW_READ_TRIES; i++) {
        uint64_t before = atomic_load_explicit(words, memory_order_acquire);
        if (before & 1)
            continue;
        for (uint32_t k = 0; k < SLOW_FIELDS; k++)
            out->field[k] = atomic_load_explicit(&words[1 + k], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(words, memory_order_relaxed) == before)
            return out->field[SLOW_TOTAL] > 0;
    }
    return false;
}
