/* client_group_modern.c: groups of KIP-848 (ConsumerGroupDescribe), to which the request that
 * librdkafka 2.0 has answers as if there were no such group. */
#include "cli/client/client_raw.h"

#include "core/wire/kerr.h"

#include <string.h>

enum { COORDINATOR_GROUP = 0 };

static void
owners_append(struct client_raw *raw, json_t *owners,
              const struct wire_consumer_group_describe_response_member *m)
{
    for (int32_t i = 0; i < m->assignment.topic_partitions.count; i++) {
        const struct wire_consumer_group_describe_response_topic_partitions *t =
            &m->assignment.topic_partitions.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++)
            json_array_append_new(owners,
                                  json_pack("{s:s, s:i, s:s, s:s, s:s}", "topic",
                                            client_raw_text(raw, t->topic_name), "partition",
                                            t->partitions.items[k], "member",
                                            client_raw_text(raw, m->member_id), "host",
                                            client_raw_text(raw, m->client_host), "client_id",
                                            client_raw_text(raw, m->client_id)));
    }
}

static json_t *
member_json(struct client_raw *raw, const struct wire_consumer_group_describe_response_member *m)
{
    int count = 0;
    for (int32_t i = 0; i < m->assignment.topic_partitions.count; i++)
        count += m->assignment.topic_partitions.items[i].partitions.count;
    return json_pack("{s:s, s:s?, s:s, s:s, s:i}", "member", client_raw_text(raw, m->member_id),
                     "instance", m->instance_id.at ? client_raw_text(raw, m->instance_id) : NULL,
                     "client_id", client_raw_text(raw, m->client_id), "host",
                     client_raw_text(raw, m->client_host), "partitions", count);
}

static bool
describe(struct client_raw *raw, const char *group, struct client_group_found *out)
{
    struct wire_consumer_group_describe_request q;
    struct wire_consumer_group_describe_response a;
    struct view name = view_of_text(group);
    wire_init(&wire_consumer_group_describe_request_message, &q);
    q.group_ids.items = &name;
    q.group_ids.count = 1;
    if (client_raw_call(raw, WIRE_API_CONSUMER_GROUP_DESCRIBE, &q, &a) != COMMAND_EXIT_OK ||
        a.groups.count != 1)
        return false;
    const struct wire_consumer_group_describe_response_described_group *g = &a.groups.items[0];
    if (g->error_code) {
        client_raw_fail(raw, g->error_code, g->error_message, "group", group);
        return false;
    }
    snprintf(out->state, sizeof out->state, "%s", client_raw_text(raw, g->group_state));
    snprintf(out->assignor, sizeof out->assignor, "%s", client_raw_text(raw, g->assignor_name));
    out->members = json_array();
    out->owners = json_array();
    for (int32_t i = 0; i < g->members.count; i++) {
        json_array_append_new(out->members, member_json(raw, &g->members.items[i]));
        owners_append(raw, out->owners, &g->members.items[i]);
    }
    return true;
}

bool
client_group_modern(struct client *c, const char *group, struct client_group_found *out)
{
    struct client_raw raw;
    bool found = false;
    if (client_raw_open(&raw, c, CLIENT_RAW_ANY) == COMMAND_EXIT_OK) {
        out->coordinator = client_raw_coordinator(&raw, COORDINATOR_GROUP, group);
        client_raw_close(&raw);
        if (out->coordinator >= 0 && client_raw_open(&raw, c, out->coordinator) == COMMAND_EXIT_OK)
            found = describe(&raw, group, out);
    }
    client_raw_close(&raw);
    return found;
}
