/* table.c: the seqlock of a row (H.-J. Boehm, "Can seqlocks get along with programming language
 * memory models?", 2012).  seq is odd while the writer is inside.
 *
 * I1 The fact is only ever touched as relaxed atomic words, so a torn read is a wrong value that
 * seq gives away, never undefined behaviour. I2 seq never goes back: a row left odd by a dead
 * writer is entered again with the same odd number, which no reader ever takes for the beginning of
 * a read. */
#include "core/shm/table.h"

#include "core/base/err.h"

#include <stddef.h>

#define WORDS(type)                                                                                \
    (sizeof(type) / sizeof(uint32_t) +                                                             \
     0 * sizeof(char[sizeof(type) % sizeof(uint32_t) == 0 ? 1 : -1]))

_Static_assert(sizeof(struct table_topic_fact) == 416, "layout in shared memory");
_Static_assert(sizeof(struct table_want_fact) == 40, "layout in shared memory");
_Static_assert(sizeof(struct table_have_fact) == 64, "layout in shared memory");
_Static_assert(sizeof(struct table_topic) == 512, "layout in shared memory");
_Static_assert(sizeof(struct table_want) == 128, "layout in shared memory");
_Static_assert(sizeof(struct table_have) == 128, "layout in shared memory");

static void
row_write(_Atomic uint32_t *seq, void *to, const void *from, size_t words)
{
    uint32_t odd = atomic_load_explicit(seq, memory_order_relaxed) | 1;
    atomic_store_explicit(seq, odd, memory_order_relaxed);
    /* Pairs with the acquire fence in row_read: who sees a new word sees seq odd, or later. */
    atomic_thread_fence(memory_order_release);
    uint32_t *out = to;
    const uint32_t *in = from;
    for (size_t i = 0; i < words; i++)
        __atomic_store_n(&out[i], in[i], __ATOMIC_RELAXED);
    /* Pairs with the acquire load in row_read: who sees this seq sees all the words. */
    atomic_store_explicit(seq, odd + 1, memory_order_release);
}

static int
row_read(const _Atomic uint32_t *seq, void *to, const void *from, size_t words)
{
    uint32_t *out = to;
    const uint32_t *in = from;
    for (int i = 0; i < TABLE_READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(seq, memory_order_acquire);
        if (before & 1)
            continue;
        for (size_t k = 0; k < words; k++)
            out[k] = __atomic_load_n(&in[k], __ATOMIC_RELAXED);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(seq, memory_order_relaxed) == before)
            return ERR_OK;
    }
    return ERR_AGAIN;
}

void
table_topic_write(struct table_topic *row, const struct table_topic_fact *fact)
{
    row_write(&row->seq, &row->fact, fact, WORDS(struct table_topic_fact));
}

void
table_want_write(struct table_want *row, const struct table_want_fact *fact)
{
    row_write(&row->seq, &row->fact, fact, WORDS(struct table_want_fact));
}

void
table_have_write(struct table_have *row, const struct table_have_fact *fact)
{
    row_write(&row->seq, &row->fact, fact, WORDS(struct table_have_fact));
}

int
table_topic_read(const struct table_topic *row, struct table_topic_fact *out)
{
    return row_read(&row->seq, out, &row->fact, WORDS(struct table_topic_fact));
}

int
table_want_read(const struct table_want *row, struct table_want_fact *out)
{
    return row_read(&row->seq, out, &row->fact, WORDS(struct table_want_fact));
}

int
table_have_read(const struct table_have *row, struct table_have_fact *out)
{
    return row_read(&row->seq, out, &row->fact, WORDS(struct table_have_fact));
}
