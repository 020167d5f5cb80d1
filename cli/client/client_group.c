#include "cli/client/client.h"

#include "cli/command/sheet.h"

#include <string.h>

/* ---- list -------------------------------------------------------------------------------------
 */

int
client_group_list(struct client *c)
{
    static const struct sheet_column columns[] = {{"group", "GROUP"}, {"state", "STATE"}};
    size_t count;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    rd_kafka_AdminOptions_t *o =
        client_manage_options(c, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, false);
    rd_kafka_ListConsumerGroups(c->rk, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "group list");
    rd_kafka_AdminOptions_destroy(o);
    if (!e)
        return COMMAND_EXIT_FAILED;
    const rd_kafka_ListConsumerGroups_result_t *r = rd_kafka_event_ListConsumerGroups_result(e);
    const rd_kafka_ConsumerGroupListing_t **found =
        rd_kafka_ListConsumerGroups_result_valid(r, &count);
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            rows,
            json_pack(
                "{s:s, s:s}", "group", rd_kafka_ConsumerGroupListing_group_id(found[i]), "state",
                rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(found[i]))));
    const rd_kafka_error_t **errors = rd_kafka_ListConsumerGroups_result_errors(r, &count);
    for (size_t i = 0; i < count; i++)
        code = client_fail(rd_kafka_error_code(errors[i]), rd_kafka_error_string(errors[i]),
                           "groups of a broker");
    if (c->json)
        sheet_json(rows, c->out);
    else
        sheet_table(rows, columns, 2, c->out);
    json_decref(rows);
    rd_kafka_event_destroy(e);
    return code;
}

/* ---- describe ---------------------------------------------------------------------------------
 */

rd_kafka_topic_partition_list_t *
client_group_offsets(struct client *c, const char *group)
{
    size_t count;
    rd_kafka_ListConsumerGroupOffsets_t *asked = rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    rd_kafka_AdminOptions_t *o =
        client_manage_options(c, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, false);
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_ListConsumerGroupOffsets(c->rk, &asked, 1, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "offsets of a group");
    if (e) {
        const rd_kafka_group_result_t **r = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(e), &count);
        const rd_kafka_error_t *error = rd_kafka_group_result_error(r[0]);
        if (error)
            client_fail(rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s",
                        group);
        else
            list = rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(r[0]));
        rd_kafka_event_destroy(e);
    }
    if (list)
        rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_ListConsumerGroupOffsets_destroy(asked);
    return list;
}

/* Members, and in *owners one row {topic, partition, member, host, client} a partition. */
static json_t *
members_json(const rd_kafka_ConsumerGroupDescription_t *d, json_t *owners)
{
    json_t *all = json_array();
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(d); i++) {
        const rd_kafka_MemberDescription_t *m = rd_kafka_ConsumerGroupDescription_member(d, i);
        const rd_kafka_topic_partition_list_t *p =
            rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(m));
        const char *id = rd_kafka_MemberDescription_consumer_id(m);
        const char *host = rd_kafka_MemberDescription_host(m);
        const char *client = rd_kafka_MemberDescription_client_id(m);
        json_array_append_new(all, json_pack("{s:s, s:s?, s:s, s:s, s:i}", "member", id, "instance",
                                             rd_kafka_MemberDescription_group_instance_id(m),
                                             "client_id", client, "host", host, "partitions",
                                             p ? p->cnt : 0));
        for (int k = 0; p && k < p->cnt; k++)
            json_array_append_new(owners,
                                  json_pack("{s:s, s:i, s:s, s:s, s:s}", "topic", p->elems[k].topic,
                                            "partition", p->elems[k].partition, "member", id,
                                            "host", host, "client_id", client));
    }
    return all;
}

static void
owner_set(json_t *row, const json_t *owners, const char *topic, int32_t partition)
{
    static const char *const keys[] = {"member", "host", "client_id"};
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(owners) && !found; i++) {
        const json_t *o = json_array_get(owners, i);
        if (json_integer_value(json_object_get(o, "partition")) == partition &&
            strcmp(json_string_value(json_object_get(o, "topic")), topic) == 0)
            found = o;
    }
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        json_t *v = found ? json_object_get(found, keys[k]) : NULL;
        json_object_set_new(row, keys[k], v ? json_copy(v) : json_null());
    }
}

/* Rows of partitions with a committed offset or an owner, and the sum of their lags. */
static json_t *
offsets_json(struct client *c, rd_kafka_topic_partition_list_t *list, const json_t *owners,
             int64_t *sum)
{
    json_t *rows = json_array();
    *sum = 0;
    for (size_t i = 0; i < json_array_size(owners); i++) {
        const json_t *o = json_array_get(owners, i);
        const char *topic = json_string_value(json_object_get(o, "topic"));
        int32_t partition = (int32_t)json_integer_value(json_object_get(o, "partition"));
        if (!rd_kafka_topic_partition_list_find(list, topic, partition))
            rd_kafka_topic_partition_list_add(list, topic, partition)->offset = -1;
    }
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *t = &list->elems[i];
        int64_t start = -1, end = -1;
        bool known = rd_kafka_query_watermark_offsets(c->rk, t->topic, t->partition, &start, &end,
                                                      c->timeout_ms) == 0;
        int64_t lag = t->offset < 0 ? end - start : end > t->offset ? end - t->offset : 0;
        json_t *row = json_pack("{s:s, s:i}", "topic", t->topic, "partition", t->partition);
        json_object_set_new(row, "offset", t->offset >= 0 ? json_integer(t->offset) : json_null());
        json_object_set_new(row, "end", known ? json_integer(end) : json_null());
        json_object_set_new(row, "lag", known ? json_integer(lag) : json_null());
        owner_set(row, owners, t->topic, t->partition);
        json_array_append_new(rows, row);
        *sum += known ? lag : 0;
    }
    return rows;
}

/* What librdkafka found; a group that it takes for dead may be one of KIP-848. */
static bool
found_read(struct client *c, const rd_kafka_ConsumerGroupDescription_t *d,
           struct client_group_found *out)
{
    const char *group = rd_kafka_ConsumerGroupDescription_group_id(d);
    const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(d);
    const rd_kafka_Node_t *node = rd_kafka_ConsumerGroupDescription_coordinator(d);
    rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(d);
    if (error && rd_kafka_error_code(error)) {
        client_fail(rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s", group);
        return false;
    }
    if (state == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD)
        return client_group_modern(c, group, out);
    snprintf(out->state, sizeof out->state, "%s", rd_kafka_consumer_group_state_name(state));
    snprintf(out->assignor, sizeof out->assignor, "%s",
             rd_kafka_ConsumerGroupDescription_partition_assignor(d));
    out->coordinator = node ? rd_kafka_Node_id(node) : -1;
    out->owners = json_array();
    out->members = members_json(d, out->owners);
    return true;
}

static json_t *
group_json(struct client *c, const rd_kafka_ConsumerGroupDescription_t *d)
{
    const char *group = rd_kafka_ConsumerGroupDescription_group_id(d);
    struct client_group_found found = {0};
    json_t *o = NULL;
    int64_t sum;
    rd_kafka_topic_partition_list_t *list =
        found_read(c, d, &found) ? client_group_offsets(c, group) : NULL;
    if (list) {
        json_t *offsets = offsets_json(c, list, found.owners, &sum);
        o = json_pack("{s:s, s:s, s:s, s:i, s:I, s:O, s:o}", "group", group, "state", found.state,
                      "assignor", found.assignor, "coordinator", found.coordinator, "lag",
                      (json_int_t)sum, "members", found.members, "offsets", offsets);
        rd_kafka_topic_partition_list_destroy(list);
    }
    json_decref(found.members);
    json_decref(found.owners);
    return o;
}

static void
group_print(const json_t *g, FILE *out)
{
    static const struct sheet_column head[] = {{"group", "group"},
                                               {"state", "state"},
                                               {"assignor", "assignor"},
                                               {"coordinator", "coordinator"},
                                               {"lag", "lag"}};
    static const struct sheet_column columns[] = {{"topic", "TOPIC"},   {"partition", "PARTITION"},
                                                  {"offset", "OFFSET"}, {"end", "END"},
                                                  {"lag", "LAG"},       {"member", "MEMBER"},
                                                  {"host", "HOST"},     {"client_id", "CLIENT"}};
    sheet_list(g, head, 5, out);
    sheet_table(json_object_get(g, "offsets"), columns, 8, out);
}

static int
describe_once(struct client *c)
{
    size_t count;
    int code = COMMAND_EXIT_OK;
    rd_kafka_AdminOptions_t *o =
        client_manage_options(c, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, false);
    rd_kafka_DescribeConsumerGroups(c->rk, (const char **)c->line->words,
                                    (size_t)c->line->word_count, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "group describe");
    rd_kafka_AdminOptions_destroy(o);
    if (!e)
        return COMMAND_EXIT_FAILED;
    const rd_kafka_ConsumerGroupDescription_t **found =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(e), &count);
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *one = group_json(c, found[i]);
        if (one)
            json_array_append_new(all, one);
        else
            code = COMMAND_EXIT_FAILED;
    }
    for (size_t i = 0; !c->json && i < json_array_size(all); i++) {
        fputs(i ? "\n" : "", c->out);
        group_print(json_array_get(all, i), c->out);
    }
    if (c->json && command_has(c->line, "--watch"))
        sheet_json_line(all, c->out);
    else if (c->json)
        sheet_json(all, c->out);
    json_decref(all);
    rd_kafka_event_destroy(e);
    return code;
}

int
client_group_describe(struct client *c)
{
    bool screen = sheet_colours(c->out) && !c->json;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK || !command_has(c->line, "--watch"))
        return code == COMMAND_EXIT_OK ? describe_once(c) : code;
    client_interrupts();
    while (!client_interrupted()) {
        if (screen)
            fputs("\033[H\033[2J", c->out);
        code = describe_once(c);
        if (fflush(c->out))
            return COMMAND_EXIT_FAILED;
        int64_t left = command_number(c->line, "--watch") * 10;
        for (; left > 0 && !client_interrupted(); left--)
            rd_kafka_poll(c->rk, 100);
    }
    return code;
}
