/* meta_topic.c: judges requests that create, extend and delete topics.  Order of the checks and
 * texts as Kafka 4.3 ReplicationControlManager and common/internals/Topic, with one broker. */
#include "control/meta/meta_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const topic_internal[] = {"__consumer_offsets", "__transaction_state",
                                             "__share_group_state"};

int16_t
meta_error_set(struct meta_error *e, int16_t code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->text, sizeof e->text, fmt, args);
    va_end(args);
    e->code = code;
    return code;
}

static int16_t
error_none(struct meta_error *e)
{
    e->code = KERR_NONE;
    e->text[0] = '\0';
    return KERR_NONE;
}

static bool
name_byte_ok(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

int16_t
meta_name_check(struct view name, struct meta_error *e)
{
    int shown = (int)(name.len < 300 ? name.len : 300);
    const char *text = name.len ? (const char *)name.at : "";
    if (name.len == 0)
        return meta_error_set(e, KERR_INVALID_TOPIC_EXCEPTION,
                              "Topic name is invalid: the empty string is not allowed");
    if ((name.len == 1 && name.at[0] == '.') || (name.len == 2 && memcmp(name.at, "..", 2) == 0))
        return meta_error_set(e, KERR_INVALID_TOPIC_EXCEPTION,
                              "Topic name is invalid: '%.*s' is not allowed", shown, text);
    if (name.len > META_NAME_BYTES_MAX)
        return meta_error_set(e, KERR_INVALID_TOPIC_EXCEPTION,
                              "Topic name is invalid: the length of '%.*s' is longer than the max "
                              "allowed length %d",
                              shown, text, META_NAME_BYTES_MAX);
    for (uint32_t i = 0; i < name.len; i++)
        if (!name_byte_ok(name.at[i]))
            return meta_error_set(
                e, KERR_INVALID_TOPIC_EXCEPTION,
                "Topic name is invalid: '%.*s' contains one or more characters other "
                "than ASCII alphanumerics, '.', '_' and '-'",
                shown, text);
    return error_none(e);
}

bool
meta_name_internal(struct view name)
{
    for (uint32_t i = 0; i < sizeof topic_internal / sizeof topic_internal[0]; i++)
        if (view_equal(name, view_of_text(topic_internal[i])))
            return true;
    return false;
}

int16_t
meta_assignment_check(const struct meta_assignment *a, const struct meta_rules *rules,
                      struct meta_error *e)
{
    if (a->broker_count == 0)
        return meta_error_set(e, KERR_INVALID_REPLICA_ASSIGNMENT,
                              "The manual partition assignment includes an empty replica list.");
    for (uint32_t i = 0; i < a->broker_count; i++)
        if (a->brokers[i] != rules->node_id)
            return meta_error_set(e, KERR_INVALID_REPLICA_ASSIGNMENT,
                                  "The manual partition assignment includes broker %d, but no such "
                                  "broker is registered.",
                                  a->brokers[i]);
    if (a->broker_count > 1)
        return meta_error_set(
            e, KERR_INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes the broker %d more than once.",
            rules->node_id);
    return error_none(e);
}

static int16_t
assignments_check(const struct meta_new_topic *t, const struct meta_rules *rules,
                  struct meta_error *e)
{
    if (t->replication_factor != -1)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "A manual partition assignment was specified, but replication factor "
                              "was not set to -1.");
    if (t->partition_count != -1)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "A manual partition assignment was specified, but numPartitions was "
                              "not set to -1.");
    if (t->assignment_count > META_REQUEST_PARTITIONS_MAX)
        return meta_error_set(e, KERR_POLICY_VIOLATION,
                              "Excessively large number of partitions per request.");
    uint64_t seen[META_REQUEST_PARTITIONS_MAX / 64 + 1] = {0};
    bool dense = true;
    for (uint32_t i = 0; i < t->assignment_count; i++) {
        int32_t p = t->assignments[i].partition;
        bool inside = p >= 0 && (uint32_t)p < t->assignment_count;
        dense = dense && inside;
        if (inside && (seen[p / 64] >> p % 64 & 1))
            return meta_error_set(e, KERR_INVALID_REPLICA_ASSIGNMENT,
                                  "Found multiple manual partition assignments for partition %d",
                                  p);
        if (inside)
            meta_dirty_set(seen, (uint32_t)p);
        if (meta_assignment_check(&t->assignments[i], rules, e) != KERR_NONE)
            return e->code;
    }
    if (!dense)
        return meta_error_set(e, KERR_INVALID_REPLICA_ASSIGNMENT,
                              "partitions should be a consecutive 0-based integer sequence");
    return error_none(e);
}

static int16_t
counts_check(const struct meta_new_topic *t, struct meta_error *e)
{
    if (t->replication_factor < -1 || t->replication_factor == 0)
        return meta_error_set(
            e, KERR_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    if (t->partition_count < -1 || t->partition_count == 0)
        return meta_error_set(e, KERR_INVALID_PARTITIONS,
                              "Number of partitions was set to an invalid non-positive value.");
    if (t->replication_factor > 1)
        return meta_error_set(
            e, KERR_INVALID_REPLICATION_FACTOR,
            "Unable to replicate the partition %d time(s): The target replication factor of %d "
            "cannot be reached because only 1 broker(s) are registered or some brokers have all "
            "their log directories cordoned.",
            t->replication_factor, t->replication_factor);
    return error_none(e);
}

static int16_t
room_check(const struct meta_image *m, uint32_t topics, uint64_t partitions, struct meta_error *e)
{
    if (partitions > META_REQUEST_PARTITIONS_MAX)
        return meta_error_set(e, KERR_POLICY_VIOLATION,
                              "Excessively large number of partitions per request.");
    if (topics > m->topics_max - m->topic_count)
        return meta_error_set(e, KERR_POLICY_VIOLATION,
                              "This broker holds at most %u topics (topics.max).", m->topics_max);
    if (partitions > m->partitions_max - m->partition_count)
        return meta_error_set(
            e, KERR_POLICY_VIOLATION,
            "%llu more partition(s) would exceed the %u this broker can hold (partitions.max).",
            (unsigned long long)partitions, m->partitions_max);
    return error_none(e);
}

/* The lowest free slots; room_check has made sure of them. */
static void
put_new_partitions(const struct meta_image *m, const struct meta_rules *rules, uint32_t row,
                   uint32_t first, uint32_t count, struct put *out)
{
    uint32_t slots[META_REQUEST_PARTITIONS_MAX];
    must(count <= META_REQUEST_PARTITIONS_MAX);
    uint32_t n = 0;
    for (uint32_t slot = m->slot_free; n < count; slot++) {
        must(slot < m->partitions_max);
        if (m->slots[slot].topic == META_NONE)
            slots[n++] = slot;
    }
    meta_put_partitions(out, row, first, rules->node_id, slots, count);
}

/* A key that is given twice counts once, the last time: so the records are bounded by the table. */
static int16_t
settings_choose(const struct meta_new_topic *t, const struct meta_setting *chosen[META_CONFIGS],
                struct meta_error *e)
{
    for (uint32_t i = 0; i < t->setting_count; i++) {
        const struct meta_setting *s = &t->settings[i];
        enum meta_config key = meta_config_find(s->name);
        int shown = (int)(s->name.len < 200 ? s->name.len : 200);
        const char *name = shown ? (const char *)s->name.at : "";
        if (!s->value.at)
            return meta_error_set(e, KERR_INVALID_CONFIG,
                                  "Null value not supported for topic configs: %.*s", shown, name);
        if (key == META_CONFIGS)
            return meta_error_set(e, KERR_INVALID_CONFIG, "Unknown topic config name: %.*s", shown,
                                  name);
        chosen[key] = s;
    }
    return error_none(e);
}

static int16_t
settings_plan(const struct meta_new_topic *t, const struct meta_rules *rules, uint32_t row,
              struct put *out, struct meta_error *e)
{
    const struct meta_setting *chosen[META_CONFIGS] = {0};
    if (settings_choose(t, chosen, e) != KERR_NONE)
        return e->code;
    char *normal = malloc(META_VALUE_BYTES_MAX);
    must(normal != NULL);
    struct meta_lags lags = meta_lags_of(NULL, rules);
    for (uint32_t c = 0; c < META_CONFIGS && e->code == KERR_NONE; c++)
        if (chosen[c] && meta_config_check(meta_config_row((enum meta_config)c), chosen[c]->value,
                                           normal, e) == KERR_NONE) {
            meta_lags_note(&lags, rules, (enum meta_config)c, normal);
            meta_put_config(out, row, (enum meta_config)c, normal);
        }
    free(normal);
    return e->code == KERR_NONE ? meta_lags_check(&lags, e) : e->code;
}

int16_t
meta_plan_create(const struct meta_image *m, const struct meta_rules *rules,
                 const struct meta_new_topic *t, struct put *out, uint32_t *partitions,
                 struct meta_error *e)
{
    if (meta_name_check(t->name, e) != KERR_NONE)
        return e->code;
    const struct meta_topic *other = meta_topic_colliding(m, t->name);
    if (other)
        return meta_error_set(e, KERR_INVALID_TOPIC_EXCEPTION,
                              "Topic '%.*s' collides with existing topic: %s", (int)t->name.len,
                              (const char *)t->name.at, other->name);
    if (meta_topic_by_name(m, t->name))
        return meta_error_set(e, KERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
                              (int)t->name.len, (const char *)t->name.at);
    uint8_t *start = out->at;
    uint32_t row = m->row_free;
    meta_put_topic(out, row, t->id, meta_name_internal(t->name), t->name);
    if (settings_plan(t, rules, row, out, e) == KERR_NONE && t->assignment_count > 0)
        (void)assignments_check(t, rules, e);
    else if (e->code == KERR_NONE)
        (void)counts_check(t, e);
    int32_t asked = t->partition_count == -1 ? rules->partitions_default : t->partition_count;
    uint32_t count = t->assignment_count > 0 ? t->assignment_count : (uint32_t)asked;
    if (e->code == KERR_NONE)
        (void)room_check(m, 1, count, e);
    if (e->code != KERR_NONE) {
        out->at = start;
        return e->code;
    }
    put_new_partitions(m, rules, row, 0, count, out);
    *partitions = count;
    return KERR_NONE;
}

int16_t
meta_plan_delete(const struct meta_image *m, const struct meta_topic *t, struct put *out,
                 struct meta_error *e)
{
    must(t->state == META_LIVE && m->topics[t->row] == t);
    meta_put_deleting(out, t->row);
    return error_none(e);
}

int16_t
meta_plan_partitions(const struct meta_image *m, const struct meta_rules *rules, struct view name,
                     int32_t count, const struct meta_assignment *assignments,
                     uint32_t assignment_count, struct put *out, struct meta_error *e)
{
    const struct meta_topic *t = meta_topic_by_name(m, name);
    if (!t) /* without a message, as Kafka */
        return meta_error_set(e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "%s", "");
    int32_t now = (int32_t)t->partition_count;
    if (count == now)
        return meta_error_set(e, KERR_INVALID_PARTITIONS, "Topic already has %d partition(s).",
                              now);
    if (count < now)
        return meta_error_set(
            e, KERR_INVALID_PARTITIONS,
            "The topic %s currently has %d partition(s); %d would not be an increase.", t->name,
            now, count);
    uint32_t more = (uint32_t)(count - now);
    if (assignments && assignment_count != more)
        return meta_error_set(e, KERR_INVALID_REPLICA_ASSIGNMENT,
                              "Attempted to add %u additional partition(s), but only %u "
                              "assignment(s) were specified.",
                              more, assignment_count);
    for (uint32_t i = 0; assignments && i < assignment_count; i++)
        if (meta_assignment_check(&assignments[i], rules, e) != KERR_NONE)
            return e->code;
    if (room_check(m, 0, more, e) != KERR_NONE)
        return e->code;
    put_new_partitions(m, rules, t->row, t->partition_count, more, out);
    return error_none(e);
}
