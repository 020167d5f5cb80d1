/* bytes.h: views, and cursors that remember failure.
 *
 * A view borrows bytes.  A cur reads and a put writes big-endian values (the byte order of the
 * Kafka protocol and of every format of ours); after the first step outside the bounds `bad` stays
 * set, every read gives zero or an empty view and every write does nothing, so code checks once at
 * the end.  No function here allocates; every one is a few instructions. */
#ifndef SLUICE_BASE_BYTES_H
#define SLUICE_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct view {
    const uint8_t *at; /* may be NULL when len is 0 */
    uint32_t len;
};

struct cur {
    const uint8_t *at, *end;
    bool bad;
};

struct put {
    uint8_t *start, *at, *end;
    bool bad;
};

static inline struct view
view_of(const void *at, uint32_t len)
{
    return (struct view){at, len};
}

static inline struct view
view_of_text(const char *text)
{
    return (struct view){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static inline bool
view_equal(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline uint16_t
get_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t
get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t
get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline int32_t
get_i32(const uint8_t *p)
{
    return (int32_t)get_u32(p);
}

static inline int64_t
get_i64(const uint8_t *p)
{
    return (int64_t)get_u64(p);
}

static inline void
set_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}

static inline void
set_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void
set_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static inline struct cur
cur_of(struct view v)
{
    /* No arithmetic on NULL, not even adding 0. */
    return (struct cur){v.at, v.len ? v.at + v.len : v.at, false};
}

static inline uint32_t
cur_left(const struct cur *c)
{
    return (uint32_t)(c->end - c->at);
}

/* cur_take lends the next n bytes; NULL, and bad, when fewer are left. */
static inline const uint8_t *
cur_take(struct cur *c, uint32_t n)
{
    if (c->bad || n > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->at;
    if (n)
        c->at += n;
    return p;
}

static inline struct view
cur_view(struct cur *c, uint32_t n)
{
    const uint8_t *p = cur_take(c, n);
    return (struct view){p, p ? n : 0};
}

static inline uint8_t
cur_u8(struct cur *c)
{
    const uint8_t *p = cur_take(c, 1);
    return p ? *p : 0;
}

static inline uint16_t
cur_u16(struct cur *c)
{
    const uint8_t *p = cur_take(c, 2);
    return p ? get_u16(p) : 0;
}

static inline uint32_t
cur_u32(struct cur *c)
{
    const uint8_t *p = cur_take(c, 4);
    return p ? get_u32(p) : 0;
}

static inline uint64_t
cur_u64(struct cur *c)
{
    const uint8_t *p = cur_take(c, 8);
    return p ? get_u64(p) : 0;
}

static inline int16_t
cur_i16(struct cur *c)
{
    return (int16_t)cur_u16(c);
}

static inline int32_t
cur_i32(struct cur *c)
{
    return (int32_t)cur_u32(c);
}

static inline int64_t
cur_i64(struct cur *c)
{
    return (int64_t)cur_u64(c);
}

static inline struct put
put_of(void *at, uint32_t room)
{
    return (struct put){at, at, (uint8_t *)at + room, false};
}

static inline uint32_t
put_len(const struct put *w)
{
    return (uint32_t)(w->at - w->start);
}

/* put_take reserves n bytes for the caller to fill; NULL, and bad, when fewer are left. */
static inline uint8_t *
put_take(struct put *w, uint32_t n)
{
    if (w->bad || n > (uint64_t)(w->end - w->at)) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += n;
    return p;
}

static inline void
put_u8(struct put *w, uint8_t v)
{
    uint8_t *p = put_take(w, 1);
    if (p)
        *p = v;
}

static inline void
put_u16(struct put *w, uint16_t v)
{
    uint8_t *p = put_take(w, 2);
    if (p)
        set_u16(p, v);
}

static inline void
put_u32(struct put *w, uint32_t v)
{
    uint8_t *p = put_take(w, 4);
    if (p)
        set_u32(p, v);
}

static inline void
put_u64(struct put *w, uint64_t v)
{
    uint8_t *p = put_take(w, 8);
    if (p)
        set_u64(p, v);
}

static inline void
put_bytes(struct put *w, const void *at, uint32_t len)
{
    uint8_t *p = put_take(w, len);
    if (p && len)
        memcpy(p, at, len);
}

#endif
