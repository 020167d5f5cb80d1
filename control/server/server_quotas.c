/* server_quotas.c: DescribeClientQuotas and AlterClientQuotas.  Source: Kafka 4.3
 * ClientQuotasImage.describe, ClientQuotaControlManager, AlterClientQuotasRequest.  What is kept is
 * published to the shards, which obey it (dataplane/broker/quota.h). */
#include "control/meta/meta_quota.h"
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/net/iptext.h"
#include "core/wire/wire_gen.h"

#include <stdio.h>

typedef struct wire_describe_client_quotas_request_component_data component_in;
typedef struct wire_describe_client_quotas_response_entry_data entry_out;
typedef struct wire_alter_client_quotas_request_entry_data alter_in;
typedef struct wire_alter_client_quotas_response_entry_data alter_out;

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_SPECIFIED, NOT_ASKED, SHOWN_MAX = 100 };

static int
shown(struct view v)
{
    return (int)(v.len < SHOWN_MAX ? v.len : SHOWN_MAX);
}

/* ---- DescribeClientQuotas ---- */

struct filter {
    uint8_t match[META_QUOTA_PARTS]; /* MATCH_EXACT .. NOT_ASKED */
    struct view name[META_QUOTA_PARTS];
    bool strict;
};

static int16_t
component_read(const component_in *in, struct filter *f, struct meta_error *e)
{
    uint32_t p = meta_quota_part_find(in->entity_type);
    const char *type = in->entity_type.len ? (const char *)in->entity_type.at : "";
    if (in->entity_type.len == 0)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Invalid empty entity type.");
    if (p < META_QUOTA_PARTS && f->match[p] != NOT_ASKED)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "Entity type %.*s cannot appear more than once in the filter.",
                              shown(in->entity_type), type);
    if (p == META_QUOTA_PARTS)
        return meta_error_set(e, KERR_UNSUPPORTED_VERSION, "Unsupported entity type %.*s",
                              shown(in->entity_type), type);
    if (in->match_type < MATCH_EXACT || in->match_type > MATCH_SPECIFIED)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Unknown match type %d", in->match_type);
    if (in->match_type == MATCH_EXACT && !in->match.at)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "Request specified MATCH_TYPE_EXACT, but set match string to null.");
    if (in->match_type != MATCH_EXACT && in->match.at)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "Request specified MATCH_TYPE_%s, but also specified a match string.",
                              in->match_type == MATCH_DEFAULT ? "DEFAULT" : "SPECIFIED");
    f->match[p] = (uint8_t)in->match_type;
    f->name[p] = in->match;
    return KERR_NONE;
}

static int16_t
filter_read(const struct wire_describe_client_quotas_request *request, struct filter *f,
            struct meta_error *e)
{
    *f = (struct filter){.match = {NOT_ASKED, NOT_ASKED, NOT_ASKED}, .strict = request->strict};
    for (int32_t i = 0; i < request->components.count; i++)
        if (component_read(&request->components.items[i], f, e) != KERR_NONE)
            return e->code;
    bool client =
        f->match[META_QUOTA_USER] != NOT_ASKED || f->match[META_QUOTA_CLIENT] != NOT_ASKED;
    if (f->match[META_QUOTA_IP] != NOT_ASKED && client)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "Invalid entity filter component combination. IP filter component "
                              "should not be used with user or clientId filter component.");
    return KERR_NONE;
}

static bool
filter_takes(const struct filter *f, const struct meta_quota_entity *q)
{
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++) {
        const struct meta_quota_part *part = &q->parts[p];
        bool there = part->kind != META_QUOTA_ABSENT;
        if (f->match[p] == NOT_ASKED && there && f->strict)
            return false;
        if (f->match[p] != NOT_ASKED && !there)
            return false;
        if (f->match[p] == MATCH_EXACT &&
            (part->kind != META_QUOTA_NAMED || !view_equal(part->name, f->name[p])))
            return false;
        if (f->match[p] == MATCH_DEFAULT && part->kind != META_QUOTA_DEFAULT)
            return false;
    }
    return true;
}

static bool
entry_fill(struct server_call *call, const struct meta_resource *r,
           const struct meta_quota_entity *q, entry_out *out)
{
    out->entity.items = server_take(call, META_QUOTA_PARTS, sizeof *out->entity.items);
    out->values.items = server_take(call, r->count, sizeof *out->values.items);
    if (!out->entity.items || !out->values.items)
        return false;
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++)
        if (q->parts[p].kind != META_QUOTA_ABSENT)
            out->entity.items[out->entity.count++] =
                (struct wire_describe_client_quotas_response_entity_data){
                    view_of_text(meta_quota_part_name(p)), q->parts[p].name};
    for (uint32_t i = 0; i < r->count; i++)
        out->values.items[i] = (struct wire_describe_client_quotas_response_value_data){
            view_of_text(r->settings[i].key), meta_quota_value(r->settings[i].value)};
    out->values.count = (int32_t)r->count;
    return true;
}

int
server_describe_quotas(struct server_core *core, struct server_call *call)
{
    const struct wire_describe_client_quotas_request *request = call->request;
    struct wire_describe_client_quotas_response *response = server_take(call, 1, sizeof *response);
    uint32_t count, n = 0;
    uint32_t first = meta_resource_range(&core->image, META_RESOURCE_QUOTA, &count);
    entry_out *rows = server_take(call, count, sizeof *rows);
    struct filter filter;
    struct meta_error e = {0};
    if (!response || !rows)
        return ERR_LIMIT;
    call->response = response;
    if (filter_read(request, &filter, &e) != KERR_NONE) {
        response->error_code = e.code;
        response->error_message = server_error_text(call, &e);
        response->entries.count = -1;
        return ERR_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct meta_resource *r = core->image.resources[first + i];
        struct meta_quota_entity q;
        must(meta_quota_read(view_of(r->name, r->name_bytes), &q));
        bool strict_nothing = filter.strict && request->components.count == 0;
        if (!strict_nothing && filter_takes(&filter, &q) && !entry_fill(call, r, &q, &rows[n++]))
            return ERR_LIMIT;
    }
    response->error_message = view_of("", 0);
    response->entries.items = rows;
    response->entries.count = (int32_t)n;
    return ERR_OK;
}

/* ---- AlterClientQuotas ---- */

static int16_t
entity_read(const alter_in *in, struct meta_quota_entity *q, struct meta_error *e)
{
    *q = (struct meta_quota_entity){0};
    for (int32_t i = 0; i < in->entity.count; i++) {
        struct view type = in->entity.items[i].entity_type, name = in->entity.items[i].entity_name;
        uint32_t p = meta_quota_part_find(type);
        if (p == META_QUOTA_PARTS)
            return meta_error_set(e, KERR_INVALID_REQUEST,
                                  "Unhandled client quota entity type: %.*s", shown(type),
                                  type.len ? (const char *)type.at : "");
        q->parts[p] = (struct meta_quota_part){
            name.at ? (uint8_t)META_QUOTA_NAMED : (uint8_t)META_QUOTA_DEFAULT, name};
    }
    return KERR_NONE;
}

static bool
entity_equal(const struct meta_quota_entity *a, const struct meta_quota_entity *b)
{
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++)
        if (a->parts[p].kind != b->parts[p].kind || !view_equal(a->parts[p].name, b->parts[p].name))
            return false;
    return true;
}

/* "{client-id=a, user=b}", as Java prints the entity. */
static void
entity_text(const struct meta_quota_entity *q, char text[META_TEXT_BYTES])
{
    static const uint32_t order[] = {META_QUOTA_CLIENT, META_QUOTA_USER, META_QUOTA_IP};
    int n = snprintf(text, META_TEXT_BYTES, "{");
    for (uint32_t i = 0; i < META_QUOTA_PARTS; i++) {
        const struct meta_quota_part *p = &q->parts[order[i]];
        bool named = p->kind == META_QUOTA_NAMED;
        if (p->kind == META_QUOTA_ABSENT)
            continue;
        n += snprintf(text + n, META_TEXT_BYTES - (size_t)n, "%s%s=%.*s", n > 1 ? ", " : "",
                      meta_quota_part_name(order[i]), named ? shown(p->name) : 4,
                      named ? (const char *)p->name.at : "null");
    }
    (void)snprintf(text + n, META_TEXT_BYTES - (size_t)n, "}");
}

struct alteration {
    struct meta_quota_entity entity;
    struct meta_error e;
    bool twice, skip; /* named more than once; a later one of those */
};

static bool
ops_twice(const alter_in *in)
{
    for (int32_t i = 0; i < in->ops.count; i++)
        for (int32_t k = 0; k < i; k++)
            if (view_equal(in->ops.items[i].key, in->ops.items[k].key))
                return true;
    return false;
}

/* Kafka resolves names here, and again for each connection; we take addresses only. */
static int16_t
address_check(const struct meta_quota_part *ip, struct meta_error *e)
{
    char text[IPTEXT_BYTES];
    uint8_t bytes[16];
    if (ip->kind != META_QUOTA_NAMED)
        return KERR_NONE;
    if (ip->name.len < sizeof text) {
        memcpy(text, ip->name.at, ip->name.len);
        text[ip->name.len] = '\0';
        if (iptext_read(text, bytes))
            return KERR_NONE;
    }
    return meta_error_set(e, KERR_INVALID_REQUEST, "%.*s is not a valid IP or resolvable host.",
                          shown(ip->name), (const char *)ip->name.at);
}

static int
alteration_do(struct server_core *core, struct server_call *call, const alter_in *in,
              struct alteration *a)
{
    const struct wire_alter_client_quotas_request *request = call->request;
    uint32_t count = (uint32_t)in->ops.count;
    struct meta_quota_op *ops = server_take(call, count, sizeof *ops);
    char text[META_TEXT_BYTES];
    if (!ops)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        ops[i] = (struct meta_quota_op){in->ops.items[i].key, in->ops.items[i].value,
                                        in->ops.items[i].remove};
    if (a->twice) {
        entity_text(&a->entity, text);
        (void)meta_error_set(&a->e, KERR_INVALID_REQUEST,
                             "Ignoring duplicate entity ClientQuotaEntity(entries=%.400s)", text);
        return ERR_OK;
    }
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    if (meta_plan_quota(&core->image, &a->entity, ops, count, &w, &a->e) != KERR_NONE ||
        address_check(&a->entity.parts[META_QUOTA_IP], &a->e) != KERR_NONE)
        return ERR_OK;
    if (request->validate_only || put_len(&w) == 0)
        return ERR_OK;
    return core->append(core->user, view_of(core->entry, put_len(&w)));
}

/* The last of equal parts counts, in the answer as in what is kept. */
static bool
entity_answer(struct server_call *call, const alter_in *in, alter_out *out)
{
    out->entity.items = server_take(call, (uint32_t)in->entity.count, sizeof *out->entity.items);
    if (!out->entity.items)
        return false;
    for (int32_t i = 0; i < in->entity.count; i++) {
        bool again = false;
        for (int32_t k = i + 1; k < in->entity.count; k++)
            again = again ||
                    view_equal(in->entity.items[i].entity_type, in->entity.items[k].entity_type);
        if (!again)
            out->entity.items[out->entity.count++] =
                (struct wire_alter_client_quotas_response_entity_data){
                    in->entity.items[i].entity_type, in->entity.items[i].entity_name};
    }
    return true;
}

int
server_alter_quotas(struct server_core *core, struct server_call *call)
{
    const struct wire_alter_client_quotas_request *request = call->request;
    uint32_t count = (uint32_t)request->entries.count, n = 0;
    struct wire_alter_client_quotas_response *response = server_take(call, 1, sizeof *response);
    alter_out *rows = server_take(call, count, sizeof *rows);
    struct alteration *all = server_take(call, count, sizeof *all);
    if (!response || !rows || !all || count > META_QUOTA_ENTITIES_MAX)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        (void)entity_read(&request->entries.items[i], &all[i].entity, &all[i].e);
        all[i].twice = ops_twice(&request->entries.items[i]);
        for (uint32_t k = 0; k < i && all[i].e.code == KERR_NONE; k++)
            if (all[k].e.code == KERR_NONE && entity_equal(&all[i].entity, &all[k].entity))
                all[k].twice = all[i].skip = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        const alter_in *in = &request->entries.items[i];
        int rc = all[i].skip || all[i].e.code ? ERR_OK : alteration_do(core, call, in, &all[i]);
        if (rc != ERR_OK)
            return rc;
        if (all[i].skip)
            continue;
        rows[n].error_code = all[i].e.code;
        rows[n].error_message = server_error_text(call, &all[i].e);
        if (!entity_answer(call, in, &rows[n++]))
            return ERR_LIMIT;
    }
    response->entries.items = rows;
    response->entries.count = (int32_t)n;
    call->response = response;
    return ERR_OK;
}
