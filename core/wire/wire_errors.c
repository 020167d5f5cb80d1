#include "core/wire/wire_table.h"

struct search {
    int16_t key, version;
    wire_errors_fn *tell;
    void *user;
};

static void search_struct(const struct search *q, const struct wire_struct *s, const uint8_t *at);

static void
search_field(const struct search *q, const struct wire_field *f, const uint8_t *at)
{
    if (f->type == WIRE_I16) {
        int16_t error = *(const int16_t *)(const void *)at;
        if (error != 0)
            q->tell(q->user, q->key, error);
    } else if (f->flags & WIRE_ARRAY) {
        const struct wire_array *a = (const struct wire_array *)(const void *)at;
        const uint8_t *item = a->items;
        for (int32_t i = 0; i < a->count; i++, item += f->inner->size)
            search_struct(q, f->inner, item);
    } else if (f->flags & WIRE_POINTER) {
        const uint8_t *inner = *(const uint8_t *const *)(const void *)at;
        if (inner)
            search_struct(q, f->inner, inner);
    } else {
        search_struct(q, f->inner, at);
    }
}

static void
search_struct(const struct search *q, const struct wire_struct *s, const uint8_t *at)
{
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &s->fields[i];
        if (f->flags & WIRE_ERROR && f->first <= q->version && q->version <= f->last)
            search_field(q, f, at + f->at);
    }
}

void
wire_errors(const struct wire_api *api, int16_t version, const void *response, wire_errors_fn *tell,
            void *user)
{
    const struct search q = {api->key, version, tell, user};
    search_struct(&q, &api->response->top, response);
}
