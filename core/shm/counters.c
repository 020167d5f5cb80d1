/* counters.c: errors by api are a hash table that only grows, of pairs of words: one that names api
 * and error, written once, and one that counts. */
#include "core/shm/counters.h"

#include "core/base/must.h"

#include <string.h>

static const struct counter_row rows[COUNTERS] = {
#define COUNTER(name, text_name, unit, help) {text_name, unit, help},
#include "core/shm/counters.def"
#undef COUNTER
#define DROP(name, text_name, help) {text_name, "drops", help},
#include "core/shm/drop.def"
#undef DROP
};

const struct counter_row *
counters_row(enum counter c)
{
    must((unsigned)c < COUNTERS);
    return &rows[c];
}

bool
counters_is_drop(enum counter c)
{
    return strcmp(counters_row(c)->unit, "drops") == 0;
}

enum { NAMED_BIT = 32 }; /* so that no name is 0 */

static uint64_t
error_name(int16_t api, int16_t error)
{
    return UINT64_C(1) << NAMED_BIT | (uint64_t)(uint16_t)api << 16 | (uint16_t)error;
}

void
counters_error(struct counters *c, int16_t api, int16_t error)
{
    _Atomic uint64_t *pairs = c->words + COUNTERS + COUNTERS_APIS;
    const uint64_t name = error_name(api, error);
    uint32_t at = (uint32_t)(uint16_t)api * 37 + (uint32_t)(uint16_t)error;
    for (uint32_t i = 0; i < COUNTERS_ERRORS; i++, at++) {
        _Atomic uint64_t *pair = &pairs[2 * (at & (COUNTERS_ERRORS - 1))];
        uint64_t is = atomic_load_explicit(pair, memory_order_relaxed);
        if (is != 0 && is != name)
            continue;
        if (is == 0)
            atomic_store_explicit(pair, name, memory_order_relaxed);
        uint64_t n = atomic_load_explicit(pair + 1, memory_order_relaxed);
        atomic_store_explicit(pair + 1, n + 1, memory_order_relaxed);
        return;
    }
    counters_add(c, COUNTER_ERRORS_UNTOLD, 1);
}

bool
counters_error_at(const _Atomic uint64_t *block, uint32_t i, struct counters_error *out)
{
    must(i < COUNTERS_ERRORS);
    const _Atomic uint64_t *pair = block + COUNTERS + COUNTERS_APIS + 2 * (uint64_t)i;
    uint64_t name = atomic_load_explicit(pair, memory_order_relaxed);
    *out = (struct counters_error){
        .api = (int16_t)(uint16_t)(name >> 16),
        .error = (int16_t)(uint16_t)name,
        .count = name ? atomic_load_explicit(pair + 1, memory_order_relaxed) : 0};
    return out->count > 0;
}

void
counters_error_sum(const _Atomic uint64_t *block, struct counters_error *sums, uint32_t *count)
{
    struct counters_error e;
    for (uint32_t i = 0; i < COUNTERS_ERRORS; i++) {
        uint32_t k = 0;
        if (!counters_error_at(block, i, &e))
            continue;
        while (k < *count && (sums[k].api != e.api || sums[k].error != e.error))
            k++;
        if (k < *count)
            sums[k].count += e.count;
        else if (*count < COUNTERS_ERRORS)
            sums[(*count)++] = e;
    }
}
