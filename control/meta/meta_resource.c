/* meta_resource.c: the table of settings of brokers, groups, subscriptions and quotas.
 *
 * I1 Resources are sorted by (type, name) and settings by key, none twice.  I2 A resource has at
 * least one setting. */
#include "control/meta/meta_resource.h"
#include "control/meta/meta_inside.h"
#include "core/base/err.h"

#include <stdlib.h>

enum { RESOURCE_RECORD_ROOM = 32 };

static int
bytes_order(const void *a, uint32_t a_len, const void *b, uint32_t b_len)
{
    uint32_t n = a_len < b_len ? a_len : b_len;
    int d = n ? memcmp(a, b, n) : 0;
    return d ? d : (a_len > b_len) - (a_len < b_len);
}

static int
resource_order(const struct meta_resource *r, uint8_t type, struct view name)
{
    if (r->type != type)
        return r->type - type;
    return bytes_order(r->name, r->name_bytes, name.at, name.len);
}

/* Where the resource is, or where it would go. */
static uint32_t
resource_place(const struct meta_image *m, uint8_t type, struct view name, bool *there)
{
    uint32_t first = 0, limit = m->resource_count;
    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        if (resource_order(m->resources[middle], type, name) < 0)
            first = middle + 1;
        else
            limit = middle;
    }
    *there = first < m->resource_count && resource_order(m->resources[first], type, name) == 0;
    return first;
}

static uint32_t
setting_place(const struct meta_resource *r, struct view key, bool *there)
{
    uint32_t i = 0;
    int d = -1;
    while (i < r->count &&
           (d = bytes_order(r->settings[i].key, (uint32_t)strlen(r->settings[i].key), key.at,
                            key.len)) < 0)
        i++;
    *there = i < r->count && d == 0;
    return i;
}

const struct meta_resource *
meta_resource_find(const struct meta_image *m, enum meta_resource_type type, struct view name)
{
    bool there;
    uint32_t at = resource_place(m, (uint8_t)type, name, &there);
    return there ? m->resources[at] : NULL;
}

const char *
meta_resource_value(const struct meta_image *m, enum meta_resource_type type, struct view name,
                    const char *key)
{
    const struct meta_resource *r = meta_resource_find(m, type, name);
    bool there;
    uint32_t at = r ? setting_place(r, view_of_text(key), &there) : 0;
    return r && there ? r->settings[at].value : NULL;
}

uint32_t
meta_resource_range(const struct meta_image *m, enum meta_resource_type type, uint32_t *count)
{
    bool there;
    uint32_t first = resource_place(m, (uint8_t)type, view_of("", 0), &there);
    uint32_t limit = resource_place(m, (uint8_t)(type + 1), view_of("", 0), &there);
    *count = limit - first;
    return first;
}

/* ---- Changes ---- */

static char *
text_copy(struct view v)
{
    char *copy = meta_image_memory(v.len + 1, 1);
    if (v.len)
        memcpy(copy, v.at, v.len);
    return copy;
}

static void
resource_free(struct meta_resource *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        free(r->settings[i].key);
        free(r->settings[i].value);
    }
    free(r->settings);
    free(r->name);
    free(r);
}

static struct meta_resource *
resource_add(struct meta_image *m, uint32_t at, uint8_t type, struct view name)
{
    if (!m->resources)
        m->resources = meta_image_memory(META_RESOURCES_MAX, sizeof(struct meta_resource *));
    struct meta_resource *r = meta_image_memory(1, sizeof *r);
    r->type = type;
    r->name_bytes = (uint16_t)name.len;
    r->name = (uint8_t *)text_copy(name);
    r->settings = meta_image_memory(META_RESOURCE_SETTINGS_MAX, sizeof *r->settings);
    memmove(&m->resources[at + 1], &m->resources[at],
            (m->resource_count - at) * sizeof m->resources[0]);
    m->resources[at] = r;
    m->resource_count++;
    return r;
}

static void
setting_remove(struct meta_image *m, uint32_t at, struct view key)
{
    struct meta_resource *r = m->resources[at];
    bool there;
    uint32_t i = setting_place(r, key, &there);
    if (!there)
        return;
    free(r->settings[i].key);
    free(r->settings[i].value);
    r->count--;
    memmove(&r->settings[i], &r->settings[i + 1], (r->count - i) * sizeof r->settings[0]);
    if (r->count > 0)
        return;
    resource_free(r);
    m->resource_count--;
    memmove(&m->resources[at], &m->resources[at + 1],
            (m->resource_count - at) * sizeof m->resources[0]);
}

static int
setting_put(struct meta_resource *r, struct view key, struct view value)
{
    bool there;
    uint32_t i = setting_place(r, key, &there);
    if (!there && r->count == META_RESOURCE_SETTINGS_MAX)
        return ERR_LIMIT;
    if (there) {
        free(r->settings[i].value);
    } else {
        memmove(&r->settings[i + 1], &r->settings[i], (r->count - i) * sizeof r->settings[0]);
        r->settings[i].key = text_copy(key);
        r->count++;
    }
    r->settings[i].value = text_copy(value);
    return ERR_OK;
}

int
meta_resource_set(struct meta_image *m, enum meta_resource_type type, struct view name,
                  struct view key, const struct view *value)
{
    bool there;
    uint32_t at = resource_place(m, (uint8_t)type, name, &there);
    if (!value) {
        if (there)
            setting_remove(m, at, key);
        return ERR_OK;
    }
    if (!there && m->resource_count == META_RESOURCES_MAX)
        return ERR_LIMIT;
    struct meta_resource *r = there ? m->resources[at] : resource_add(m, at, (uint8_t)type, name);
    return setting_put(r, key, *value);
}

void
meta_resource_free_all(struct meta_image *m)
{
    for (uint32_t i = 0; i < m->resource_count; i++)
        resource_free(m->resources[i]);
    free(m->resources);
    m->resources = NULL;
    m->resource_count = 0;
}

bool
meta_resource_equal(const struct meta_image *a, const struct meta_image *b)
{
    if (a->resource_count != b->resource_count)
        return false;
    for (uint32_t i = 0; i < a->resource_count; i++) {
        const struct meta_resource *x = a->resources[i], *y = b->resources[i];
        if (resource_order(x, y->type, view_of(y->name, y->name_bytes)) != 0 ||
            x->count != y->count)
            return false;
        for (uint32_t k = 0; k < x->count; k++)
            if (strcmp(x->settings[k].key, y->settings[k].key) != 0 ||
                strcmp(x->settings[k].value, y->settings[k].value) != 0)
                return false;
    }
    return true;
}

/* ---- Snapshots ---- */

uint64_t
meta_resource_bytes(const struct meta_image *m)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->resource_count; i++)
        for (uint32_t k = 0; k < m->resources[i]->count; k++)
            bytes += RESOURCE_RECORD_ROOM + m->resources[i]->name_bytes +
                     strlen(m->resources[i]->settings[k].key) +
                     strlen(m->resources[i]->settings[k].value);
    return bytes;
}

void
meta_resource_put_all(const struct meta_image *m, struct put *out)
{
    for (uint32_t i = 0; i < m->resource_count; i++) {
        const struct meta_resource *r = m->resources[i];
        for (uint32_t k = 0; k < r->count; k++)
            meta_put_setting(out, (enum meta_resource_type)r->type, view_of(r->name, r->name_bytes),
                             view_of_text(r->settings[k].key), r->settings[k].value);
    }
}

/* ---- Plans ---- */

enum { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT, SHOWN_MAX = 200 };

static int
shown(struct view v)
{
    return (int)(v.len < SHOWN_MAX ? v.len : SHOWN_MAX);
}

/* A key without a row, in a resource that is open. */
static int16_t
text_check(const struct meta_setting *s, int8_t operation, struct meta_error *e)
{
    const char *name = s->name.len ? (const char *)s->name.at : "";
    if (operation != OPERATION_DELETE && !s->value.at)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Null value not supported for : %.*s",
                              shown(s->name), name);
    if (operation != OPERATION_SET && operation != OPERATION_DELETE)
        return meta_error_set(e, KERR_INVALID_CONFIG, "Unknown config name: %.*s", shown(s->name),
                              name);
    if (s->name.len == 0 || s->name.len > META_RESOURCE_KEY_BYTES_MAX ||
        s->value.len > META_RESOURCE_TEXT_BYTES_MAX)
        return meta_error_set(e, KERR_INVALID_CONFIG,
                              "A key that is not known has at most %d bytes, and its value %d: "
                              "%.*s",
                              META_RESOURCE_KEY_BYTES_MAX, META_RESOURCE_TEXT_BYTES_MAX,
                              shown(s->name), name);
    return KERR_NONE;
}

static int16_t
operation_check(const struct meta_resource_plan *p, const struct meta_setting *s, int8_t operation,
                const struct meta_config_row *row, struct meta_error *e)
{
    const char *name = s->name.len ? (const char *)s->name.at : "";
    bool list = operation == OPERATION_APPEND || operation == OPERATION_SUBTRACT;
    if (p->open && !row)
        return text_check(s, operation, e);
    if (operation < OPERATION_SET || operation > OPERATION_SUBTRACT)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Unknown operation type %d for %.*s",
                              operation, shown(s->name), name);
    if (operation != OPERATION_DELETE && !s->value.at)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Null value not supported for : %.*s",
                              shown(s->name), name);
    if (list && p->open && row->type != META_TYPE_LIST)
        return meta_error_set(e, KERR_INVALID_CONFIG,
                              "Config value %s is not allowed for config key: %s",
                              operation == OPERATION_APPEND ? "append" : "subtract", row->name);
    if (list && (!p->lists || !row || row->type != META_TYPE_LIST))
        return meta_error_set(
            e, KERR_INVALID_CONFIG, "Can't %s to key %.*s because its type is not LIST.",
            operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT", shown(s->name), name);
    if (operation != OPERATION_DELETE && !row)
        return meta_error_set(e, p->unknown_code, "%s%.*s", p->unknown, shown(s->name), name);
    return KERR_NONE;
}

static const char *
kept_value(const struct meta_image *m, const struct meta_resource_plan *p, struct view key)
{
    const struct meta_resource *r = meta_resource_find(m, p->type, p->name);
    bool there = false;
    uint32_t at = r ? setting_place(r, key, &there) : 0;
    return there ? r->settings[at].value : NULL;
}

static int16_t
text_put(const struct meta_resource_plan *p, const struct meta_setting *s, const char *kept,
         struct put *out)
{
    char *text = text_copy(s->value);
    if (!kept || strcmp(kept, text) != 0)
        meta_put_setting(out, p->type, p->name, s->name, text);
    free(text);
    return KERR_NONE;
}

static int16_t
resource_setting(const struct meta_image *m, const struct meta_resource_plan *p,
                 const struct meta_setting *s, struct put *out, struct meta_error *e)
{
    const struct meta_config_row *row = p->key(p->user, s->name);
    int8_t operation = p->replace ? (int8_t)OPERATION_SET : s->operation;
    if (operation_check(p, s, operation, row, e) != KERR_NONE)
        return e->code;
    const char *kept = row || p->open ? kept_value(m, p, s->name) : NULL;
    if (operation == OPERATION_DELETE) {
        if (kept)
            meta_put_setting(out, p->type, p->name, s->name, NULL);
        return KERR_NONE;
    }
    if (!row)
        return text_put(p, s, kept, out);
    const char *before = kept ? kept : p->in_force ? p->in_force(p->user, row) : row->fallback;
    char *normal = meta_image_memory(META_VALUE_BYTES_MAX, 1);
    struct meta_setting change = {s->name, s->value, operation};
    if (meta_setting_value(row, before, &change, normal, e) == KERR_NONE &&
        (!p->check || p->check(p->user, row, normal, e) == KERR_NONE) &&
        (!kept || strcmp(kept, normal) != 0))
        meta_put_setting(out, p->type, p->name, s->name, normal);
    free(normal);
    if (e->code != KERR_NONE && p->value_code)
        e->code = p->value_code;
    return e->code;
}

/* True when the resource has room for those of its settings that are new. */
static bool
settings_fit(const struct meta_resource *r, const struct meta_resource_plan *p)
{
    uint32_t count = r ? r->count : 0;
    for (uint32_t i = 0; i < p->count; i++) {
        bool there = false;
        if (r)
            (void)setting_place(r, p->settings[i].name, &there);
        count += !there && (p->replace || p->settings[i].operation != OPERATION_DELETE);
    }
    return count <= META_RESOURCE_SETTINGS_MAX;
}

static bool
named(const struct meta_resource_plan *p, struct view key, uint32_t limit)
{
    for (uint32_t i = 0; i < limit; i++)
        if (view_equal(p->settings[i].name, key))
            return true;
    return false;
}

int16_t
meta_plan_resource(const struct meta_image *m, const struct meta_resource_plan *p, struct put *out,
                   struct meta_error *e)
{
    uint8_t *start = out->at;
    const struct meta_resource *r = meta_resource_find(m, p->type, p->name);
    e->code = KERR_NONE;
    e->text[0] = '\0';
    if (p->name.len > META_RESOURCE_NAME_BYTES_MAX || p->count > META_RESOURCE_SETTINGS_MAX)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "The name of a resource has at most %d bytes and it has at most %d "
                              "settings.",
                              META_RESOURCE_NAME_BYTES_MAX, META_RESOURCE_SETTINGS_MAX);
    if (!r && p->count > 0 && m->resource_count >= META_RESOURCES_MAX)
        return meta_error_set(e, KERR_POLICY_VIOLATION,
                              "There are settings of %d resources already.", META_RESOURCES_MAX);
    if (!settings_fit(r, p))
        return meta_error_set(e, KERR_POLICY_VIOLATION, "A resource has at most %d settings.",
                              META_RESOURCE_SETTINGS_MAX);
    for (uint32_t i = 0; i < p->count && e->code == KERR_NONE; i++)
        if (named(p, p->settings[i].name, i))
            (void)meta_error_set(e, KERR_INVALID_REQUEST, "Error due to duplicate config keys");
    for (uint32_t i = 0; i < p->count && e->code == KERR_NONE; i++)
        (void)resource_setting(m, p, &p->settings[i], out, e);
    for (uint32_t k = 0; p->replace && r && k < r->count && e->code == KERR_NONE; k++)
        if (!named(p, view_of_text(r->settings[k].key), p->count))
            meta_put_setting(out, p->type, p->name, view_of_text(r->settings[k].key), NULL);
    if (e->code != KERR_NONE)
        out->at = start;
    return e->code;
}
