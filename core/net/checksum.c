/* checksum.c: ones' complement sums.
 *
 * Words are added in the machine's order, since swapping the bytes of every word swaps those of the
 * sum (RFC 1071 section 2 B).  I1: `sum` is never reduced to 0 once something other than zeros was
 * added, because carries are added back and not dropped.  A piece that starts at an odd position
 * has its own sum swapped before it is added. */
#include "core/net/checksum.h"

#include "core/base/bytes.h"

enum { WORD = sizeof(uint64_t) };

static uint64_t
add_carry(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;
    return sum + (sum < a);
}

static uint64_t
fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

static uint64_t
word_at(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* Four sums, so that no addition waits for the carry of the one before it; one word at a time,
 * since a copy of several goes by way of vectors and the stack. */
static uint64_t
sum_of(const uint8_t *p, size_t n)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; n >= 4 * WORD; n -= 4 * WORD, p += 4 * WORD) {
        a = add_carry(a, word_at(p));
        b = add_carry(b, word_at(p + WORD));
        c = add_carry(c, word_at(p + 2 * WORD));
        d = add_carry(d, word_at(p + 3 * WORD));
    }
    a = add_carry(add_carry(a, b), add_carry(c, d));
    for (; n >= WORD; n -= WORD, p += WORD)
        a = add_carry(a, word_at(p));
    /* The rest by its bits: headers are short, and a copy of unknown length is a call. */
    uint32_t four = 0;
    uint16_t two = 0, last = 0;
    if (n & 4)
        memcpy(&four, p, 4);
    if (n & 2)
        memcpy(&two, p + (n & 4), 2);
    if (n & 1)
        memcpy(&last, p + (n & 6), 1); /* padded with a zero (RFC 1071) */
    return add_carry(a, (uint64_t)four + two + last);
}

static void
piece_add(struct checksum *c, uint64_t sum)
{
    if (c->odd)
        sum = __builtin_bswap16((uint16_t)fold(sum));
    c->sum = add_carry(c->sum, sum);
}

void
checksum_add(struct checksum *c, const void *at, size_t n)
{
    piece_add(c, sum_of(at, n));
    c->odd ^= n & 1;
}

void
checksum_pseudo(struct checksum *c, const uint8_t src[16], const uint8_t dst[16], uint8_t protocol,
                uint32_t length)
{
    uint64_t tail = __builtin_bswap64((uint64_t)length << 32 | protocol);
    uint64_t from = add_carry(word_at(src), word_at(src + WORD));
    uint64_t to = add_carry(word_at(dst), word_at(dst + WORD));
    piece_add(c, add_carry(add_carry(from, to), tail));
}

uint16_t
checksum_end(const struct checksum *c)
{
    return (uint16_t)~__builtin_bswap16((uint16_t)fold(c->sum));
}

uint16_t
checksum_of(const void *at, size_t n)
{
    struct checksum c = checksum_start();
    checksum_add(&c, at, n);
    return checksum_end(&c);
}
