/* wire_encode.c: the walker, writing half; wire.c has the format.
 *
 * The same code counts and writes: with w NULL only bytes moves.  A tagged field is counted first,
 * since its size precedes it; tagged fields nest at most two deep in any schema. */
#include "core/base/err.h"
#include "core/base/varint.h"
#include "core/wire/wire_table.h"

struct writer {
    struct put *w; /* NULL: only count */
    uint64_t bytes;
    int16_t version;
    bool flexible;
    bool invalid;
};

bool
wire_is_preset(const struct wire_field *f, const void *at)
{
    bool null = f->flags & WIRE_PRESET_NULL;
    if (f->flags & WIRE_ARRAY)
        return ((const struct wire_array *)at)->count == (null ? -1 : 0);
    if (f->flags & WIRE_POINTER) /* the default of a tagged one is a struct, never null */
        return f->tag < 0 && *(void *const *)at == NULL;
    static const uint8_t zero[16];
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL:
        return *(const bool *)at == (f->preset != 0);
    case WIRE_I8:
        return *(const int8_t *)at == f->preset;
    case WIRE_I16:
        return *(const int16_t *)at == f->preset;
    case WIRE_U16:
        return *(const uint16_t *)at == f->preset;
    case WIRE_I32:
        return *(const int32_t *)at == f->preset;
    case WIRE_I64:
        return *(const int64_t *)at == f->preset;
    case WIRE_F64:
    case WIRE_UUID:
        return memcmp(at, zero, f->type == WIRE_UUID ? 16 : 8) == 0;
    case WIRE_STRING:
    case WIRE_BYTES: {
        const struct view *v = at;
        return null ? v->at == NULL : v->len == 0;
    }
    case WIRE_STRUCT:
    case WIRE_TYPES:
        break;
    }
    for (uint32_t i = 0; i < f->inner->field_count; i++) {
        const struct wire_field *g = &f->inner->fields[i];
        if (!wire_is_preset(g, (const uint8_t *)at + g->at))
            return false;
    }
    return true;
}

static void
write_u8(struct writer *o, uint8_t v)
{
    o->bytes += 1;
    if (o->w)
        put_u8(o->w, v);
}

static void
write_varint(struct writer *o, uint32_t v)
{
    o->bytes += varint_size_u32(v);
    if (o->w)
        varint_write_u32(o->w, v);
}

static void
write_bytes(struct writer *o, const void *at, uint32_t n)
{
    o->bytes += n;
    if (o->w)
        put_bytes(o->w, at, n);
}

static void
write_number(struct writer *o, uint64_t v, uint32_t n)
{
    uint8_t bytes[8];
    set_u64(bytes, v);
    write_bytes(o, bytes + 8 - n, n);
}

/* n == -1: null. */
static void
write_length(struct writer *o, int64_t n, bool wide)
{
    if (o->flexible)
        write_varint(o, (uint32_t)(n + 1));
    else
        write_number(o, (uint64_t)n, wide ? 4 : 2);
}

static void
write_view(struct writer *o, const struct view *v, bool text, bool nullable)
{
    if (!v->at) {
        o->invalid |= !nullable;
        write_length(o, -1, !text);
        return;
    }
    if (v->len > (text ? WIRE_STRING_BYTES_MAX : INT32_MAX)) {
        o->invalid = true;
        return;
    }
    write_length(o, v->len, !text);
    write_bytes(o, v->at, v->len);
}

static void
write_plain(struct writer *o, uint8_t type, bool nullable, const uint8_t *at)
{
    switch ((enum wire_type)type) {
    case WIRE_BOOL:
        write_u8(o, *(const bool *)at ? 1 : 0);
        return;
    case WIRE_I8:
        write_u8(o, *at);
        return;
    case WIRE_I16:
    case WIRE_U16:
        write_number(o, *(const uint16_t *)at, 2);
        return;
    case WIRE_I32:
        write_number(o, *(const uint32_t *)at, 4);
        return;
    case WIRE_I64:
    case WIRE_F64:
        write_number(o, *(const uint64_t *)at, 8);
        return;
    case WIRE_UUID:
        write_bytes(o, at, 16);
        return;
    case WIRE_STRING:
    case WIRE_BYTES:
        write_view(o, (const struct view *)at, type == WIRE_STRING, nullable);
        return;
    case WIRE_STRUCT:
    case WIRE_TYPES:
        must(false); /* a struct is not plain */
    }
}

static void write_struct(struct writer *o, const struct wire_struct *s, const uint8_t *at);

static void
write_array(struct writer *o, const struct wire_field *f, bool nullable, const struct wire_array *a)
{
    if (a->count < 0) {
        o->invalid |= !nullable;
        write_length(o, -1, true);
        return;
    }
    write_length(o, a->count, true);
    const uint8_t *at = a->items;
    uint32_t size = f->type == WIRE_STRUCT ? f->inner->size : wire_plain[f->type].size;
    for (int32_t i = 0; i < a->count; i++, at += size) {
        if (f->type == WIRE_STRUCT)
            write_struct(o, f->inner, at);
        else
            write_plain(o, f->type, false, at);
    }
}

static void
write_field(struct writer *o, const struct wire_field *f, const uint8_t *at)
{
    bool nullable = f->null_first <= o->version && o->version <= f->null_last;
    if (f->flags & WIRE_ARRAY) {
        write_array(o, f, nullable, (const struct wire_array *)at);
    } else if (f->flags & WIRE_POINTER) {
        const uint8_t *inner = *(const uint8_t *const *)at;
        o->invalid |= !inner && !nullable;
        if (nullable) /* null is -1 in a field of its own, 0 in a tagged one */
            write_u8(o, inner ? 1 : f->tag < 0 ? UINT8_MAX : 0);
        if (inner)
            write_struct(o, f->inner, inner);
    } else if (f->type == WIRE_STRUCT) {
        write_struct(o, f->inner, at);
    } else {
        write_plain(o, f->type, nullable, at);
    }
}

static void
write_tag(struct writer *o, const struct wire_field *f, const uint8_t *at)
{
    struct writer counter = {.version = o->version, .flexible = true};
    write_field(&counter, f, at);
    if (counter.invalid || counter.bytes > INT32_MAX) {
        o->invalid = true;
        return;
    }
    write_varint(o, (uint32_t)f->tag);
    write_varint(o, (uint32_t)counter.bytes);
    write_field(o, f, at);
}

static void
write_struct(struct writer *o, const struct wire_struct *s, const uint8_t *at)
{
    uint32_t tags = 0;
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &s->fields[i];
        bool present = f->first <= o->version && o->version <= f->last;
        if (present && f->tag < 0)
            write_field(o, f, at + f->at);
        else if (present)
            tags += !wire_is_preset(f, at + f->at);
        else if (!(f->flags & WIRE_IGNORABLE))
            o->invalid |= !wire_is_preset(f, at + f->at);
    }
    if (!o->flexible)
        return;
    write_varint(o, tags);
    for (uint32_t i = 0; tags > 0 && i < s->field_count; i++) {
        const struct wire_field *f = &s->fields[i];
        if (f->tag >= 0 && f->first <= o->version && o->version <= f->last &&
            !wire_is_preset(f, at + f->at)) {
            write_tag(o, f, at + f->at);
            tags--;
        }
    }
}

static int
walk(const struct wire_message *m, const void *in, struct writer *o)
{
    if (o->version < m->version_min || o->version > m->version_max)
        return ERR_UNSUPPORTED;
    o->flexible = o->version >= m->flexible_min;
    write_struct(o, &m->top, in);
    return o->invalid ? ERR_INVALID : ERR_OK;
}

int
wire_encode(const struct wire_message *m, int16_t version, const void *in, struct put *w)
{
    struct writer o = {.w = w, .version = version};
    int e = walk(m, in, &o);
    return e == ERR_OK && w->bad ? ERR_FULL : e;
}

int64_t
wire_size(const struct wire_message *m, int16_t version, const void *in)
{
    struct writer o = {.version = version};
    int e = walk(m, in, &o);
    if (e != ERR_OK)
        return e;
    return o.bytes > INT32_MAX ? ERR_LIMIT : (int64_t)o.bytes;
}
