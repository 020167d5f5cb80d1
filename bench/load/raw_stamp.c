/* raw_stamp.c: a time in a checksummed batch at the price of eight look-ups.
 *
 * CRC is linear: crc(a ^ b) = crc(a) ^ crc'(b), where crc' starts from zero and inverts nothing.  A
 * message whose only change is eight bytes that were zero gets its checksum from the old one and
 * the crc' of these bytes followed by as many zeros as the message has behind them. */
#include "bench/load/raw.h"

static const uint32_t *
table(void)
{
    static uint32_t t[256];
    if (t[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++)
                c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
            t[i] = c;
        }
    return t;
}

uint32_t
raw_crc32c(const uint8_t *p, size_t n)
{
    const uint32_t *t = table();
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++)
        c = c >> 8 ^ t[(c ^ p[i]) & 0xff];
    return c ^ 0xffffffff;
}

void
raw_stamp_init(struct raw_stamp *s, size_t n, size_t at)
{
    const uint32_t *t = table();
    uint32_t bits[8]; /* of one byte, each followed by the zeros that come so far */
    for (int b = 0; b < 8; b++) {
        bits[b] = t[1 << b];
        for (size_t zeros = n - at - BENCH_STAMP_BYTES; zeros > 0; zeros--)
            bits[b] = bits[b] >> 8 ^ t[bits[b] & 0xff];
    }
    for (int byte = BENCH_STAMP_BYTES - 1; byte >= 0; byte--)
        for (int b = 0; b < 8; b++) {
            for (uint32_t v = 0; v < 1u << b; v++)
                s->flip[byte][v | 1u << b] = (v ? s->flip[byte][v] : 0) ^ bits[b];
            bits[b] = bits[b] >> 8 ^ t[bits[b] & 0xff];
        }
    for (int byte = 0; byte < BENCH_STAMP_BYTES; byte++)
        s->flip[byte][0] = 0;
}

void
raw_stamp_put(const struct raw_stamp *s, uint8_t *at, uint8_t *crc, uint64_t value)
{
    uint32_t c = raw_get_u32(crc);
    for (int i = 0; i < BENCH_STAMP_BYTES; i++) {
        at[i] = (uint8_t)(value >> (56 - 8 * i));
        c ^= s->flip[i][at[i]];
    }
    raw_put_u32(crc, c);
}
