#include "control/admin/admin_in.h"

#include "core/base/must.h"

#include <string.h>

json_t *
admin_json_text(struct view v)
{
    json_t *plain = json_stringn(v.at ? (const char *)v.at : "", v.len);
    if (plain)
        return plain;
    struct metrics_out o;
    metrics_open(&o, METRICS_PROMETHEUS, METRICS_BYTES_MAX);
    metrics_text_utf8(&o, v);
    json_t *mended = json_stringn(o.at, o.len);
    metrics_close(&o);
    must(mended != NULL);
    return mended;
}

#define AT(type) (*(type const *)(const void *)((const char *)row + f->at))

static json_t *
value_of(const struct admin_field *f, const void *row)
{
    switch (f->type) {
    case ADMIN_TEXT:
        return admin_json_text(AT(struct view));
    case ADMIN_STATIC:
        return admin_json_text(view_of_text(AT(const char *)));
    case ADMIN_I64:
        return json_integer(AT(int64_t));
    case ADMIN_U64:
        return json_integer((json_int_t)AT(uint64_t));
    case ADMIN_I32:
        return json_integer(AT(int32_t));
    case ADMIN_U32:
        return json_integer(AT(uint32_t));
    case ADMIN_BOOL:
        return json_boolean(AT(bool));
    case ADMIN_OBJECTS:
        return json_array();
    case ADMIN_NUMBERS:
        return json_object();
    }
    return NULL;
}

json_t *
admin_json_object(const struct admin_schema *schema, const void *row)
{
    json_t *o = json_object();
    for (const struct admin_field *f = schema->fields; f->name; f++)
        must(json_object_set_new_nocheck(o, f->name, value_of(f, row)) == 0);
    return o;
}

json_t *
admin_json_list(const struct admin_call *c, uint64_t total, json_t **items)
{
    *items = json_array();
    json_t *list = json_pack("{s:o, s:I, s:I, s:I}", "items", *items, "total", (json_int_t)total,
                             "skip", (json_int_t)c->skip, "limit", (json_int_t)c->limit);
    must(list != NULL);
    return list;
}

bool
admin_json_wanted(const struct admin_call *c, uint64_t i)
{
    return i >= c->skip && i - c->skip < c->limit;
}
