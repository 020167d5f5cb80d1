/* lens_read.h: the primitives that the lenses share, inline.  Private to lens_*.c.  Rules of null
 * and of limits are the walker's (wire.c); numbers outside go the cursor's way: bad, checked once.
 */
#ifndef SLUICE_WIRE_LENS_READ_H
#define SLUICE_WIRE_LENS_READ_H

#include "core/base/varint.h"
#include "core/wire/lens.h"

enum { UUID_BYTES = 16 };

static inline uint32_t
lens_varint(struct cur *c)
{
    if (c->at < c->end && *c->at < 0x80 && !c->bad)
        return *c->at++;
    return varint_read_u32(c);
}

/* A length or count; -1 is null. */
static inline int64_t
lens_length(struct cur *c, bool flexible)
{
    if (flexible)
        return (int64_t)lens_varint(c) - 1;
    int32_t n = cur_i32(c);
    return n < 0 ? -1 : n;
}

static inline struct view
lens_string(struct cur *c, bool flexible, bool nullable)
{
    int64_t n = flexible ? (int64_t)lens_varint(c) - 1 : cur_i16(c);
    if (n > INT16_MAX || (n < 0 && !nullable))
        c->bad = true;
    return n < 0 ? (struct view){0} : cur_view(c, (uint32_t)n);
}

static inline struct view
lens_bytes(struct cur *c, bool flexible)
{
    int64_t n = lens_length(c, flexible);
    if (n > INT32_MAX)
        c->bad = true;
    return n < 0 ? (struct view){0} : cur_view(c, (uint32_t)n);
}

/* A topic by its id (16 bytes lent) or by its name, as the version says; the other stays empty. */
static inline void
lens_topic(struct cur *c, bool by_id, bool flexible, const uint8_t **id, struct view *name)
{
    *id = by_id ? cur_take(c, UUID_BYTES) : NULL;
    *name = by_id ? (struct view){0} : lens_string(c, flexible, false);
}

/* The count of an array that is never null, whose elements take bytes_min or more. */
static inline uint32_t
lens_count(struct cur *c, bool flexible, uint32_t bytes_min)
{
    int64_t n = lens_length(c, flexible);
    if (c->bad || n < 0 || n > INT32_MAX || n > cur_left(c) / bytes_min) {
        c->bad = true;
        return 0;
    }
    return (uint32_t)n;
}

/* Goes to the next of *left tagged fields; false at the end or when bad. */
static inline bool
lens_tag(struct cur *c, uint32_t *left, uint32_t *tag, struct cur *content)
{
    if (c->bad || *left == 0)
        return false;
    --*left;
    *tag = lens_varint(c);
    struct view v = cur_view(c, lens_varint(c));
    if (c->bad)
        return false;
    *content = cur_of(v);
    return true;
}

/* A tag section in which no tag means anything to us. */
static inline void
lens_skip_tags(struct cur *c, bool flexible)
{
    if (!flexible)
        return;
    uint32_t left = lens_varint(c), tag;
    struct cur content;
    while (lens_tag(c, &left, &tag, &content))
        continue;
}

/* The content of a tag must be read to its end. */
static inline void
lens_close(struct cur *c, const struct cur *content)
{
    if (content->bad || content->at != content->end)
        c->bad = true;
}

static inline void
lens_write_length(struct put *w, bool flexible, uint32_t n)
{
    if (flexible)
        varint_write_u32(w, n + 1);
    else
        put_u32(w, n);
}

static inline void
lens_write_string(struct put *w, bool flexible, struct view v)
{
    must(v.len <= INT16_MAX);
    if (flexible)
        varint_write_u32(w, v.len + 1);
    else
        put_u16(w, (uint16_t)v.len);
    put_bytes(w, v.at, v.len);
}

static inline void
lens_write_no_tags(struct put *w, bool flexible)
{
    if (flexible)
        put_u8(w, 0);
}

/* Tagged LeaderIdAndEpoch: both numbers and an empty tag section of its own. */
static inline void
lens_write_leader_field(struct put *w, uint8_t tag, int32_t id, int32_t epoch)
{
    enum { BYTES = 4 + 4 + 1 };
    put_u8(w, tag);
    put_u8(w, BYTES);
    put_u32(w, (uint32_t)id);
    put_u32(w, (uint32_t)epoch);
    put_u8(w, 0);
}

/* A tag section of that field alone. */
static inline void
lens_write_leader(struct put *w, uint8_t tag, int32_t id, int32_t epoch)
{
    put_u8(w, 1);
    lens_write_leader_field(w, tag, id, epoch);
}

#endif
