/* tcp_seq.h: arithmetic on sequence numbers, which wrap at 2^32 (RFC 9293 3.4).  Two numbers
 * compare rightly while they are less than 2^31 apart. */
#ifndef SLUICE_TCP_SEQ_H
#define SLUICE_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool
seq_upto(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t
seq_max(uint32_t a, uint32_t b)
{
    return seq_before(a, b) ? b : a;
}

static inline uint32_t
seq_min(uint32_t a, uint32_t b)
{
    return seq_before(a, b) ? a : b;
}

/* seq_in: a is in [first, limit). */
static inline bool
seq_in(uint32_t a, uint32_t first, uint32_t limit)
{
    return a - first < limit - first;
}

#endif
