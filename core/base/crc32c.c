#include "core/base/crc32c.h"

#include <isa-l/crc.h>
#include <string.h>

enum { COPY_STEP = 4096 }; /* stays in the first cache between the two */

uint32_t
crc32c_ref(uint32_t crc, const void *at, size_t n)
{
    const uint8_t *p = at;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82f63b78u & (0 - (crc & 1)));
    }
    return ~crc;
}

uint32_t
crc32c(uint32_t crc, const void *at, size_t n)
{
    const uint8_t *p = at;
    crc = ~crc;
    /* ISA-L takes an int length. */
    for (; n > 1u << 30; n -= 1u << 30, p += 1u << 30)
        crc = crc32_iscsi((unsigned char *)(uintptr_t)p, 1 << 30, crc);
    return ~crc32_iscsi((unsigned char *)(uintptr_t)p, (int)n, crc);
}

uint32_t
crc32c_copy(uint32_t crc, void *to, const void *at, size_t n)
{
    const uint8_t *from = at;
    for (uint8_t *out = to; n;) {
        size_t step = n < COPY_STEP ? n : COPY_STEP;
        memcpy(out, from, step);
        crc = crc32c(crc, out, step);
        out += step;
        from += step;
        n -= step;
    }
    return crc;
}
