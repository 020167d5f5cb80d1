#include "core/base/crc32c.h"

#include <isa-l/crc.h>
#include <string.h>

enum { COPY_STEP = 4096 }; /* stays in the first cache between the two */

/* x^(8 * 2^k) modulo the polynomial, the coefficient of x^0 in the highest bit: 2^k bytes of zeros
 * behind a message multiply its crc by that. */
static const uint32_t zeros[32] = {
    0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
    0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
    0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915, 0x734d5309, 0xbc1ac763, 0x7d0722cc,
    0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42, 0x40000000, 0x20000000, 0x08000000, 0x00800000};

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

/* a * b modulo the polynomial. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= b & (0 - (a >> 31));
        b = b >> 1 ^ (0x82f63b78u & (0 - (b & 1)));
    }
    return product;
}

uint32_t
crc32c_combine(uint32_t a, uint32_t b, uint32_t b_bytes)
{
    for (uint32_t k = 0; b_bytes; k++, b_bytes >>= 1)
        if (b_bytes & 1)
            a = multiply(zeros[k], a);
    return a ^ b;
}
