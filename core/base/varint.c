#include "core/base/varint.h"

static uint64_t
read_base128(struct cur *c, uint32_t bytes_max)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < bytes_max; i++) {
        uint8_t b = cur_u8(c);
        if (c->bad)
            return 0;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            /* The last byte of the longest form has only the bits that the type has left. */
            if (i == VARINT_BYTES_MAX - 1 && bytes_max == VARINT_BYTES_MAX && b > 0x0f)
                c->bad = true;
            if (i == VARLONG_BYTES_MAX - 1 && b > 1)
                c->bad = true;
            return c->bad ? 0 : v;
        }
    }
    c->bad = true;
    return 0;
}

static void
write_base128(struct put *w, uint64_t v)
{
    while (v >= 0x80) {
        put_u8(w, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    put_u8(w, (uint8_t)v);
}

uint32_t
varint_read_u32(struct cur *c)
{
    return (uint32_t)read_base128(c, VARINT_BYTES_MAX);
}

int32_t
varint_read_i32(struct cur *c)
{
    uint32_t v = (uint32_t)read_base128(c, VARINT_BYTES_MAX);
    return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

int64_t
varint_read_i64(struct cur *c)
{
    uint64_t v = read_base128(c, VARLONG_BYTES_MAX);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

uint64_t
varint_read_u64(struct cur *c)
{
    return read_base128(c, VARLONG_BYTES_MAX);
}

void
varint_write_u32(struct put *w, uint32_t v)
{
    write_base128(w, v);
}

void
varint_write_i32(struct put *w, int32_t v)
{
    write_base128(w, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

void
varint_write_i64(struct put *w, int64_t v)
{
    write_base128(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

void
varint_write_u64(struct put *w, uint64_t v)
{
    write_base128(w, v);
}

uint32_t
varint_size_u32(uint32_t v)
{
    uint32_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}
