/* sums.c: see sums.h. */
#include "core/store/sums.h"

#include "core/base/crc32c.h"
#include "core/store/slab.h"

#include <string.h>

void
sums_free(struct sums *x)
{
    slab_give(x->memory, x->at);
    *x = (struct sums){.memory = x->memory};
}

/* What is known to be bad stays so. */
static void
lose(struct sums *x)
{
    slab_give(x->memory, x->at);
    x->at = NULL;
    x->room = x->bytes = x->run = 0;
    x->lost = true;
}

/* Room for that many whole pieces. */
static bool
grow(struct sums *x, uint32_t count)
{
    uint32_t room = x->room ? x->room : 16;
    while (room < count)
        room *= 2;
    if (room == x->room)
        return true;
    uint32_t *more = slab_grow(x->memory, x->at, x->room * sizeof *more, room * sizeof *more);
    if (!more)
        return false;
    x->at = more;
    x->room = room;
    return true;
}

/* The bytes whose crc `run` has become are there. */
static void
added(struct sums *x, uint32_t run, uint32_t n)
{
    x->run = run;
    x->bytes += n;
    if (x->bytes % SUMS_PIECE == 0) {
        x->at[x->bytes / SUMS_PIECE - 1] = x->run;
        x->run = 0;
    }
}

/* Room for the pieces that `len` more bytes end; false: lost. */
static bool
reserve(struct sums *x, uint32_t len)
{
    if (!x->lost && !grow(x, (uint32_t)(((uint64_t)x->bytes + len) / SUMS_PIECE)))
        lose(x);
    return !x->lost;
}

void
sums_add(struct sums *x, const uint8_t *at, uint32_t len)
{
    if (!reserve(x, len))
        return;
    while (len) {
        uint32_t n = SUMS_PIECE - x->bytes % SUMS_PIECE;
        n = n < len ? n : len;
        added(x, crc32c(x->run, at, n), n);
        at += n;
        len -= n;
    }
}

void
sums_add_crc(struct sums *x, uint32_t crc, uint32_t n)
{
    must(n <= SUMS_PIECE);
    if (!reserve(x, n))
        return;
    must(n <= SUMS_PIECE - x->bytes % SUMS_PIECE);
    added(x, crc32c_combine(x->run, crc, n), n);
}

uint32_t
sums_count(const struct sums *x)
{
    return x->bytes / SUMS_PIECE + (x->bytes % SUMS_PIECE != 0);
}

uint32_t
sums_get(const struct sums *x, uint32_t i)
{
    must(i < sums_count(x));
    return i < x->bytes / SUMS_PIECE ? x->at[i] : x->run;
}

bool
sums_load(struct sums *x, uint32_t bytes, const uint32_t *crcs)
{
    sums_free(x);
    uint32_t whole = bytes / SUMS_PIECE;
    if (!grow(x, whole))
        return false;
    memcpy(x->at, crcs, whole * sizeof *crcs);
    x->bytes = bytes;
    x->run = bytes % SUMS_PIECE ? crcs[whole] : 0;
    return true;
}

bool
sums_note_bad(struct sums *x, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < x->bad_count; i++)
        if (x->bad[i].from <= from && x->bad[i].to >= to)
            return false;
    if (x->bad_count == SUMS_BAD_MAX) {
        lose(x); /* they may agree with the stretch that is forgotten */
        x->bad_count--;
    }
    x->bad[x->bad_count].from = from;
    x->bad[x->bad_count++].to = to;
    return true;
}

uint32_t
sums_first_bad(const struct sums *x, uint32_t from, uint32_t to)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < x->bad_count; i++)
        if (x->bad[i].from < to && x->bad[i].to > from && x->bad[i].from < first)
            first = x->bad[i].from;
    return first;
}

bool
sums_check(const struct sums *x, uint32_t pos, const uint8_t *at, uint32_t len, uint32_t run)
{
    must(pos % SUMS_PIECE == 0 && len <= SUMS_PIECE);
    must(pos + len <= sums_covered(x));
    return crc32c(0, at, len) == (len == SUMS_PIECE ? sums_get(x, pos / SUMS_PIECE) : run);
}
