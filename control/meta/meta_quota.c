#include "control/meta/meta_quota.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const part_names[META_QUOTA_PARTS] = {"user", "client-id", "ip"};

/* Kafka QuotaConfig: which keys there are, of whom, and whether they are whole numbers. */
static const struct quota_key {
    const char *name;
    bool of_ip;
    double whole_max; /* 0: a fraction is fine */
} quota_keys[] = {
    {"producer_byte_rate", false, 9223372036854775807.0},
    {"consumer_byte_rate", false, 9223372036854775807.0},
    {"request_percentage", false, 0},
    {"controller_mutation_rate", false, 0},
    {"connection_creation_rate", true, 2147483647.0},
};

const char *
meta_quota_part_name(uint32_t part)
{
    must(part < META_QUOTA_PARTS);
    return part_names[part];
}

uint32_t
meta_quota_part_find(struct view name)
{
    uint32_t p = 0;
    while (p < META_QUOTA_PARTS && !view_equal(name, view_of_text(part_names[p])))
        p++;
    return p;
}

struct view
meta_quota_name(const struct meta_quota_entity *q, uint8_t out[META_RESOURCE_NAME_BYTES_MAX])
{
    struct put w = put_of(out, META_RESOURCE_NAME_BYTES_MAX);
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++) {
        put_u8(&w, q->parts[p].kind);
        if (q->parts[p].kind != META_QUOTA_NAMED)
            continue;
        must(q->parts[p].name.len <= META_QUOTA_NAME_BYTES_MAX);
        put_u8(&w, (uint8_t)q->parts[p].name.len);
        put_bytes(&w, q->parts[p].name.at, q->parts[p].name.len);
    }
    must(!w.bad);
    return view_of(out, put_len(&w));
}

bool
meta_quota_read(struct view name, struct meta_quota_entity *out)
{
    struct cur c = cur_of(name);
    *out = (struct meta_quota_entity){0};
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++) {
        out->parts[p].kind = cur_u8(&c);
        if (out->parts[p].kind > META_QUOTA_NAMED)
            return false;
        if (out->parts[p].kind == META_QUOTA_NAMED)
            out->parts[p].name = cur_view(&c, cur_u8(&c));
    }
    return !c.bad && cur_left(&c) == 0;
}

double
meta_quota_value(const char *text)
{
    return strtod(text, NULL);
}

static int16_t
entity_check(const struct meta_quota_entity *q, struct meta_error *e)
{
    bool ip = q->parts[META_QUOTA_IP].kind != META_QUOTA_ABSENT;
    bool client = q->parts[META_QUOTA_USER].kind != META_QUOTA_ABSENT ||
                  q->parts[META_QUOTA_CLIENT].kind != META_QUOTA_ABSENT;
    if (!ip && !client)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Invalid empty client quota entity");
    for (uint32_t p = 0; p < META_QUOTA_PARTS; p++) {
        if (q->parts[p].kind != META_QUOTA_NAMED)
            continue;
        if (q->parts[p].name.len == 0)
            return meta_error_set(e, KERR_INVALID_REQUEST, "Empty %s not supported", part_names[p]);
        if (q->parts[p].name.len > META_QUOTA_NAME_BYTES_MAX)
            return meta_error_set(e, KERR_INVALID_REQUEST, "The %s has more than %d bytes.",
                                  part_names[p], META_QUOTA_NAME_BYTES_MAX);
    }
    if (ip && client)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "Invalid quota entity combination, IP entity shouldnot be combined "
                              "with User or ClientId");
    return KERR_NONE;
}

static bool
nearly_whole(double value)
{
    enum { WHOLE_FROM = 1 << 30 }; /* beyond it 1e-6 is below what matters */
    if (value >= (double)WHOLE_FROM * WHOLE_FROM)
        return true;
    double off = value - (double)(int64_t)value;
    return off <= 1e-6 || off >= 1 - 1e-6;
}

static int16_t
value_check(const struct quota_key *key, double value, struct meta_error *e)
{
    if (!(value > 0))
        return meta_error_set(e, KERR_INVALID_REQUEST, "Quota %s must be greater than 0",
                              key->name);
    if (key->whole_max == 0)
        return KERR_NONE;
    if (value > key->whole_max)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Proposed value for %s is too large for %s.",
                              key->name, key->of_ip ? "an INT" : "a LONG");
    if (!nearly_whole(value))
        return meta_error_set(e, KERR_INVALID_REQUEST, "%s cannot be a fractional value.",
                              key->name);
    return KERR_NONE;
}

static int16_t
op_plan(const struct meta_image *m, struct view name, bool of_ip, const struct meta_quota_op *op,
        struct put *out, struct meta_error *e)
{
    const struct quota_key *key = NULL;
    for (uint32_t i = 0; i < sizeof quota_keys / sizeof quota_keys[0]; i++)
        if (quota_keys[i].of_ip == of_ip && view_equal(op->key, view_of_text(quota_keys[i].name)))
            key = &quota_keys[i];
    if (!key && op->remove)
        return KERR_NONE; /* as Kafka: what is not there is gone */
    if (!key)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Invalid configuration key %.*s",
                              (int)(op->key.len < 200 ? op->key.len : 200),
                              (const char *)op->key.at);
    const char *kept = meta_resource_value(m, META_RESOURCE_QUOTA, name, key->name);
    if (op->remove) {
        if (kept)
            meta_put_setting(out, META_RESOURCE_QUOTA, name, op->key, NULL);
        return KERR_NONE;
    }
    if (value_check(key, op->value, e) != KERR_NONE)
        return e->code;
    char text[40];
    (void)snprintf(text, sizeof text, "%.17g", op->value);
    if (!kept || strcmp(kept, text) != 0)
        meta_put_setting(out, META_RESOURCE_QUOTA, name, op->key, text);
    return KERR_NONE;
}

int16_t
meta_plan_quota(const struct meta_image *m, const struct meta_quota_entity *q,
                const struct meta_quota_op *ops, uint32_t count, struct put *out,
                struct meta_error *e)
{
    uint8_t bytes[META_RESOURCE_NAME_BYTES_MAX];
    uint8_t *start = out->at;
    e->code = KERR_NONE;
    e->text[0] = '\0';
    if (entity_check(q, e) != KERR_NONE)
        return e->code;
    uint32_t kept;
    struct view name = meta_quota_name(q, bytes);
    (void)meta_resource_range(m, META_RESOURCE_QUOTA, &kept);
    if (kept >= META_QUOTA_ENTITIES_MAX && !meta_resource_find(m, META_RESOURCE_QUOTA, name))
        return meta_error_set(e, KERR_POLICY_VIOLATION, "There are quotas of %d entities already.",
                              META_QUOTA_ENTITIES_MAX);
    bool of_ip = q->parts[META_QUOTA_IP].kind != META_QUOTA_ABSENT;
    for (uint32_t i = 0; i < count && e->code == KERR_NONE; i++)
        (void)op_plan(m, name, of_ip, &ops[i], out, e);
    if (e->code != KERR_NONE)
        out->at = start;
    return e->code;
}
