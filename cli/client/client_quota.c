/* client_quota.c: quotas of users and client ids (KIP-546). */
#include "cli/client/client_raw.h"

#include "cli/command/sheet.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MATCH_EXACT = 0, MATCH_DEFAULT = 1 }; /* ClientQuotaFilterComponent */

static const struct {
    const char *type, *key, *name, *fallback; /* entity, member of our JSON, options */
} kinds[] = {
    {"user", "user", "--user", "--user-default"},
    {"client-id", "client_id", "--client-id", "--client-id-default"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Whether the line names an entity of this kind, and which: NULL is the default one. */
static bool
entity_given(const struct client *c, int kind, const char **name)
{
    *name = command_text(c->line, kinds[kind].name);
    return *name || command_has(c->line, kinds[kind].fallback);
}

/* ---- list -------------------------------------------------------------------------------------
 */

static int
by_key(const void *a, const void *b)
{
    const struct wire_describe_client_quotas_response_value_data *x = a, *y = b;
    size_t n = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = n ? memcmp(x->key.at, y->key.at, n) : 0;
    return order ? order : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

static json_t *
entry_json(struct client_raw *raw, const struct wire_describe_client_quotas_response_entry_data *e)
{
    json_t *o = json_object(), *values = json_object();
    for (int32_t i = 0; i < e->entity.count; i++) {
        const char *type = client_raw_text(raw, e->entity.items[i].entity_type);
        struct view name = e->entity.items[i].entity_name;
        const char *key = type;
        for (int k = 0; k < KINDS; k++)
            if (strcmp(type, kinds[k].type) == 0)
                key = kinds[k].key;
        json_object_set_new(o, key,
                            name.at ? json_string(client_raw_text(raw, name)) : json_null());
    }
    if (e->values.count > 0) /* brokers list them in any order */
        qsort(e->values.items, (size_t)e->values.count, sizeof e->values.items[0], by_key);
    for (int32_t i = 0; i < e->values.count; i++)
        json_object_set_new(values, client_raw_text(raw, e->values.items[i].key),
                            json_real(e->values.items[i].value));
    json_object_set_new(o, "quotas", values);
    return o;
}

/* One row a quota, with "<default>" where the entity has no name. */
static json_t *
table_rows(const json_t *all)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *o = json_array_get(all, i), *v;
        const char *key;
        json_object_foreach(json_object_get(o, "quotas"), key, v)
        {
            json_t *row = json_pack("{s:s, s:O}", "key", key, "value", v);
            for (int k = 0; k < KINDS; k++) {
                json_t *name = json_object_get(o, kinds[k].key);
                if (name)
                    json_object_set_new(row, kinds[k].key,
                                        json_is_null(name) ? json_string("<default>")
                                                           : json_copy(name));
            }
            json_array_append_new(rows, row);
        }
    }
    return rows;
}

static void
filter_take(struct client *c, struct client_raw *raw, struct wire_describe_client_quotas_request *q)
{
    const char *name;
    q->components.items =
        client_raw_items(raw, &wire_describe_client_quotas_request_component_data_struct, KINDS);
    q->components.count = 0;
    for (int k = 0; k < KINDS; k++)
        if (entity_given(c, k, &name)) {
            struct wire_describe_client_quotas_request_component_data *d =
                &q->components.items[q->components.count++];
            d->entity_type = view_of_text(kinds[k].type);
            d->match_type = name ? MATCH_EXACT : MATCH_DEFAULT;
            d->match = name ? view_of_text(name) : view_of(NULL, 0);
        }
}

int
client_quota_list(struct client *c)
{
    static const struct sheet_column columns[] = {
        {"user", "USER"}, {"client_id", "CLIENT"}, {"key", "QUOTA"}, {"value", "VALUE"}};
    struct wire_describe_client_quotas_request q;
    struct wire_describe_client_quotas_response a;
    struct client_raw raw;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    code = client_raw_open(&raw, c, CLIENT_RAW_ANY);
    wire_init(&wire_describe_client_quotas_request_message, &q);
    if (code == COMMAND_EXIT_OK) {
        filter_take(c, &raw, &q);
        code = client_raw_call(&raw, WIRE_API_DESCRIBE_CLIENT_QUOTAS, &q, &a);
    }
    if (code == COMMAND_EXIT_OK && a.error_code)
        code = client_raw_fail(&raw, a.error_code, a.error_message, "quotas of", raw.address);
    if (code == COMMAND_EXIT_OK) {
        json_t *all = json_array();
        for (int32_t i = 0; i < a.entries.count; i++)
            json_array_append_new(all, entry_json(&raw, &a.entries.items[i]));
        json_t *rows = table_rows(all);
        if (c->json)
            sheet_json(all, c->out);
        else
            sheet_table(rows, columns, 4, c->out);
        json_decref(rows);
        json_decref(all);
    }
    client_raw_close(&raw);
    return code;
}

/* ---- set, remove ------------------------------------------------------------------------------
 */

/* The words of the line as operations: "key=value", or keys to remove. */
static int
operations_read(const struct command_line *l, bool remove,
                struct wire_alter_client_quotas_request_op_data *ops)
{
    for (int i = 0; i < l->word_count; i++) {
        size_t n = strcspn(l->words[i], "=");
        char *end = NULL;
        errno = 0;
        double v = l->words[i][n] ? strtod(l->words[i] + n + 1, &end) : 0;
        if (!remove && (!end || *end || end == l->words[i] + n + 1 || errno || !isfinite(v))) {
            fprintf(stderr, "sluice: '%s': give a quota and a number: producer_byte_rate=1048576\n",
                    l->words[i]);
            return COMMAND_EXIT_USAGE;
        }
        ops[i] = (struct wire_alter_client_quotas_request_op_data){
            .key = view_of(l->words[i], (uint32_t)n), .value = v, .remove = remove};
    }
    return COMMAND_EXIT_OK;
}

static uint32_t
entities_take(struct client *c, struct wire_alter_client_quotas_request_entity_data *out)
{
    const char *name;
    uint32_t n = 0;
    for (int k = 0; k < KINDS; k++)
        if (entity_given(c, k, &name)) {
            out[n].entity_type = view_of_text(kinds[k].type);
            out[n++].entity_name = name ? view_of_text(name) : view_of(NULL, 0);
        }
    return n;
}

static int
alter(struct client *c, bool remove)
{
    static struct wire_alter_client_quotas_request_op_data ops[COMMAND_WORDS_MAX];
    struct wire_alter_client_quotas_request_entity_data entities[KINDS];
    struct wire_alter_client_quotas_request_entry_data entry = {0};
    struct wire_alter_client_quotas_request q;
    struct wire_alter_client_quotas_response a;
    struct client_raw raw;
    int code = operations_read(c->line, remove, ops);
    uint32_t n = entities_take(c, entities);
    if (code == COMMAND_EXIT_OK && n == 0) {
        fputs("sluice: say whose quota: --user NAME, --user-default, --client-id ID or "
              "--client-id-default\n",
              stderr);
        code = COMMAND_EXIT_USAGE;
    }
    if (code == COMMAND_EXIT_OK)
        code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    wire_init(&wire_alter_client_quotas_request_message, &q);
    entry.entity.items = entities;
    entry.entity.count = (int32_t)n;
    entry.ops.items = ops;
    entry.ops.count = c->line->word_count;
    q.entries.items = &entry;
    q.entries.count = 1;
    q.validate_only = command_has(c->line, "--dry-run");
    code = client_raw_open(&raw, c, CLIENT_RAW_ANY);
    if (code == COMMAND_EXIT_OK)
        code = client_raw_call(&raw, WIRE_API_ALTER_CLIENT_QUOTAS, &q, &a);
    if (code == COMMAND_EXIT_OK && a.entries.count != 1)
        code = client_fail(RD_KAFKA_RESP_ERR__BAD_MSG, NULL, "quotas");
    if (code == COMMAND_EXIT_OK) {
        json_t *rows = json_array();
        struct view message = a.entries.items[0].error_message;
        const char *name = NULL;
        for (int k = 0; k < KINDS && !name; k++)
            if (entity_given(c, k, &name) && !name)
                name = "default";
        client_result(rows, name, -1, (rd_kafka_resp_err_t)a.entries.items[0].error_code,
                      message.at ? client_raw_text(&raw, message) : NULL);
        code = client_results(c, "quota of", remove ? "removed" : "set", rows);
    }
    client_raw_close(&raw);
    return code;
}

int
client_quota_set(struct client *c)
{
    return alter(c, false);
}

int
client_quota_remove(struct client *c)
{
    return alter(c, true);
}
