/* wire.c: the walker, reading half; defaults; the API table.
 *
 * A message is a struct of fields (wire_table.h).  In a flexible version lengths are unsigned
 * varints of n + 1 (0: null) and each struct ends with its tagged fields: a count, then tag, size
 * and content of each; otherwise lengths are i16 for strings, i32 for bytes and arrays, negative
 * for null.  A nullable struct is a byte, negative for null, and then the struct.
 *
 * I1 Every member of a decoded struct is set, by the input or by its default.
 * I2 Every pointer in it points into the input, the arena or static memory.
 * I3 Memory taken from the arena is at most count * sizeof(struct) where count * bytes_min fits in
 *    the bytes left, and never more than the arena. */
#include "core/base/err.h"
#include "core/base/varint.h"
#include "core/wire/wire_table.h"

enum { ARENA_ALIGN = 16 };

struct reader {
    struct cur c;
    struct wire_arena *arena;
    int16_t version;
    bool flexible;
    bool over; /* the arena had no room; c.bad is set too */
};

const struct wire_plain wire_plain[WIRE_TYPES] = {
    [WIRE_BOOL] = {sizeof(bool), 1},
    [WIRE_I8] = {1, 1},
    [WIRE_I16] = {2, 2},
    [WIRE_U16] = {2, 2},
    [WIRE_I32] = {4, 4},
    [WIRE_I64] = {8, 8},
    [WIRE_F64] = {8, 8},
    [WIRE_UUID] = {16, 16},
    [WIRE_STRING] = {sizeof(struct view), 1},
    [WIRE_BYTES] = {sizeof(struct view), 1},
};

void
wire_arena_init(struct wire_arena *a, void *at, size_t bytes)
{
    size_t skew = (ARENA_ALIGN - (uintptr_t)at % ARENA_ALIGN) % ARENA_ALIGN;
    if (skew > bytes)
        skew = bytes;
    *a = (struct wire_arena){.at = (uint8_t *)at + skew, .room = bytes - skew};
}

void
wire_arena_reset(struct wire_arena *a)
{
    a->used = 0;
}

void *
wire_arena_take(struct wire_arena *a, size_t n)
{
    must(a->used <= a->room);
    size_t left = a->room - a->used;
    if (n > left)
        return NULL;
    uint8_t *p = a->at + a->used;
    size_t rounded = (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    a->used += rounded < left ? rounded : left;
    memset(p, 0, n);
    return p;
}

static void
preset_number(const struct wire_field *f, uint8_t *at)
{
    int64_t v = f->preset;
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL:
        *(bool *)at = v != 0;
        return;
    case WIRE_I8:
        *(int8_t *)at = (int8_t)v;
        return;
    case WIRE_I16:
    case WIRE_U16:
        *(int16_t *)at = (int16_t)v;
        return;
    case WIRE_I32:
        *(int32_t *)at = (int32_t)v;
        return;
    case WIRE_I64:
        *(int64_t *)at = v;
        return;
    case WIRE_F64:
        *(double *)at = (double)v;
        return;
    default:
        memset(at, 0, wire_plain[f->type].size);
    }
}

void
wire_preset_field(const struct wire_field *f, void *at)
{
    bool null = f->flags & WIRE_PRESET_NULL;
    if (f->flags & WIRE_ARRAY)
        *(struct wire_array *)at = (struct wire_array){.count = null ? -1 : 0};
    else if (f->flags & WIRE_POINTER)
        *(void **)at = NULL;
    else if (f->type == WIRE_STRUCT)
        wire_preset_struct(f->inner, at);
    else if (f->type == WIRE_STRING || f->type == WIRE_BYTES)
        *(struct view *)at = null ? (struct view){0} : view_of("", 0);
    else
        preset_number(f, at);
}

void
wire_preset_struct(const struct wire_struct *s, void *at)
{
    for (uint32_t i = 0; i < s->field_count; i++)
        wire_preset_field(&s->fields[i], (uint8_t *)at + s->fields[i].at);
}

void
wire_init(const struct wire_message *m, void *out)
{
    memset(out, 0, m->top.size);
    wire_preset_struct(&m->top, out);
}

void *
wire_items(struct wire_arena *arena, const struct wire_struct *s, uint32_t count)
{
    uint8_t *items = wire_arena_take(arena, (size_t)count * s->size);
    if (!items)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        wire_preset_struct(s, items + (size_t)i * s->size);
    return items;
}

/* A length or count, -1 for null.  wide: i32, else i16, in versions that are not flexible. */
static int64_t
read_length(struct reader *r, bool wide)
{
    if (r->flexible)
        return (int64_t)varint_read_u32(&r->c) - 1;
    int32_t n = wide ? cur_i32(&r->c) : cur_i16(&r->c);
    return n < 0 ? -1 : n;
}

static void
read_view(struct reader *r, bool text, bool nullable, struct view *out)
{
    int64_t n = read_length(r, !text);
    *out = (struct view){0};
    if (n < 0) {
        r->c.bad |= !nullable;
        return;
    }
    if (n > (text ? WIRE_STRING_BYTES_MAX : INT32_MAX))
        r->c.bad = true;
    *out = cur_view(&r->c, (uint32_t)n);
}

static void
read_plain(struct reader *r, uint8_t type, bool nullable, uint8_t *at)
{
    struct cur *c = &r->c;
    switch ((enum wire_type)type) {
    case WIRE_BOOL:
        *(bool *)at = cur_u8(c) != 0;
        return;
    case WIRE_I8:
        *at = cur_u8(c);
        return;
    case WIRE_I16:
    case WIRE_U16:
        *(uint16_t *)at = cur_u16(c);
        return;
    case WIRE_I32:
        *(uint32_t *)at = cur_u32(c);
        return;
    case WIRE_I64:
    case WIRE_F64:
        *(uint64_t *)at = cur_u64(c);
        return;
    case WIRE_UUID: {
        const uint8_t *p = cur_take(c, 16);
        if (p)
            memcpy(at, p, 16);
        return;
    }
    case WIRE_STRING:
    case WIRE_BYTES:
        read_view(r, type == WIRE_STRING, nullable, (struct view *)at);
        return;
    case WIRE_STRUCT:
    case WIRE_TYPES:
        must(false); /* a struct is not plain */
    }
}

static void read_struct(struct reader *r, const struct wire_struct *s, uint8_t *at);

static uint8_t *
take(struct reader *r, size_t n)
{
    uint8_t *p = wire_arena_take(r->arena, n);
    if (!p)
        r->over = r->c.bad = true;
    return p;
}

static void
read_array(struct reader *r, const struct wire_field *f, bool nullable, struct wire_array *out)
{
    bool nested = f->type == WIRE_STRUCT;
    uint32_t bytes_min = nested ? f->inner->bytes_min : wire_plain[f->type].bytes_min;
    uint32_t size = nested ? f->inner->size : wire_plain[f->type].size;
    int64_t n = read_length(r, true);
    *out = (struct wire_array){.count = -1};
    if (n < 0) {
        r->c.bad |= !nullable;
        return;
    }
    if (r->c.bad || n > INT32_MAX || n > cur_left(&r->c) / bytes_min) {
        r->c.bad = true;
        return;
    }
    out->count = 0;
    if (n == 0)
        return;
    uint8_t *at = take(r, (size_t)n * size);
    if (!at)
        return;
    *out = (struct wire_array){at, (int32_t)n};
    for (int64_t i = 0; i < n && !r->c.bad; i++, at += size) {
        if (nested)
            read_struct(r, f->inner, at);
        else
            read_plain(r, f->type, false, at);
    }
}

static void
read_field(struct reader *r, const struct wire_field *f, uint8_t *at)
{
    bool nullable = f->null_first <= r->version && r->version <= f->null_last;
    if (f->flags & WIRE_ARRAY) {
        read_array(r, f, nullable, (struct wire_array *)at);
    } else if (f->flags & WIRE_POINTER) {
        *(void **)at = NULL;
        int8_t there = nullable ? (int8_t)cur_u8(&r->c) : 1;
        if (there < 0 || (there == 0 && f->tag >= 0))
            return;
        uint8_t *inner = r->c.bad ? NULL : take(r, f->inner->size);
        *(void **)at = inner;
        if (inner)
            read_struct(r, f->inner, inner);
    } else if (f->type == WIRE_STRUCT) {
        read_struct(r, f->inner, at);
    } else {
        read_plain(r, f->type, nullable, at);
    }
}

static bool
in_version(const struct wire_field *f, int16_t version)
{
    return f->first <= version && version <= f->last;
}

static const struct wire_field *
find_tag(const struct wire_struct *s, uint32_t tag, int16_t version)
{
    if (tag >= s->tag_count)
        return NULL;
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &s->fields[i];
        if (f->tag >= 0 && (uint32_t)f->tag == tag)
            return in_version(f, version) ? f : NULL;
    }
    return NULL;
}

static void
read_tags(struct reader *r, const struct wire_struct *s, uint8_t *at)
{
    uint32_t count = varint_read_u32(&r->c);
    for (uint32_t i = 0; i < count && !r->c.bad; i++) {
        uint32_t tag = varint_read_u32(&r->c);
        struct view content = cur_view(&r->c, varint_read_u32(&r->c));
        const struct wire_field *f = r->c.bad ? NULL : find_tag(s, tag, r->version);
        if (!f)
            continue;
        struct cur rest = r->c;
        r->c = cur_of(content);
        read_field(r, f, at + f->at);
        bool exact = !r->c.bad && cur_left(&r->c) == 0;
        r->c = rest;
        r->c.bad = !exact;
    }
}

static void
read_struct(struct reader *r, const struct wire_struct *s, uint8_t *at)
{
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &s->fields[i];
        if (f->tag < 0 && in_version(f, r->version))
            read_field(r, f, at + f->at);
        else
            wire_preset_field(f, at + f->at);
    }
    if (r->flexible)
        read_tags(r, s, at);
}

int
wire_decode(const struct wire_message *m, int16_t version, struct view bytes, void *out,
            struct wire_arena *arena)
{
    memset(out, 0, m->top.size);
    if (version < m->version_min || version > m->version_max)
        return ERR_UNSUPPORTED;
    struct reader r = {.c = cur_of(bytes.at ? bytes : view_of("", 0)),
                       .arena = arena,
                       .version = version,
                       .flexible = version >= m->flexible_min};
    read_struct(&r, &m->top, out);
    if (r.over)
        return ERR_LIMIT;
    return r.c.bad ? ERR_CORRUPT : ERR_OK;
}

const struct wire_api *
wire_api_find(int16_t key)
{
    if (key < 0 || key >= WIRE_API_KEYS || wire_api_index[key] == WIRE_API_NONE)
        return NULL;
    return &wire_api_rows[wire_api_index[key]];
}

const struct wire_api *
wire_api_all(uint32_t *count)
{
    *count = wire_api_row_count;
    return wire_api_rows;
}
