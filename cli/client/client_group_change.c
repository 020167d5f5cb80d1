#include "cli/client/client.h"

#include <stdlib.h>
#include <string.h>

/* Adds the partitions that "TOPIC" or "TOPIC:PARTITION" names. */
static int
topic_take(struct client *c, const char *text, rd_kafka_topic_partition_list_t *list)
{
    char name[CLIENT_PAIR_BYTES], *end = NULL;
    const char *colon = strrchr(text, ':');
    long partition = colon ? strtol(colon + 1, &end, 10) : -1;
    int n = colon ? (int)(colon - text) : (int)strlen(text);
    if (colon && (end == colon + 1 || *end || partition < 0 || partition > INT32_MAX)) {
        fprintf(stderr, "sluice: --topic %s: give TOPIC or TOPIC:PARTITION\n", text);
        return COMMAND_EXIT_USAGE;
    }
    snprintf(name, sizeof name, "%.*s", n, text);
    rd_kafka_topic_partition_list_t *found = client_topic_partitions(c, name, (int32_t)partition);
    if (!found)
        return COMMAND_EXIT_FAILED;
    for (int i = 0; i < found->cnt; i++)
        if (!rd_kafka_topic_partition_list_find(list, name, found->elems[i].partition))
            rd_kafka_topic_partition_list_add(list, name, found->elems[i].partition);
    rd_kafka_topic_partition_list_destroy(found);
    return COMMAND_EXIT_OK;
}

static int
topics_take(struct client *c, rd_kafka_topic_partition_list_t *list)
{
    const char *text;
    int code = COMMAND_EXIT_OK;
    for (int i = 0; code == COMMAND_EXIT_OK && (text = command_each(c->line, "--topic", i)); i++)
        code = topic_take(c, text, list);
    return code;
}

/* Rows of a group's answer: one a partition, with the offset. */
static json_t *
rows_of(const rd_kafka_topic_partition_list_t *list, bool offsets)
{
    json_t *rows = json_array();
    for (int i = 0; i < list->cnt; i++) {
        client_result(rows, list->elems[i].topic, list->elems[i].partition, list->elems[i].err,
                      NULL);
        if (offsets)
            json_object_set_new(json_array_get(rows, (size_t)i), "offset",
                                json_integer(list->elems[i].offset));
    }
    return rows;
}

static int
group_answer(struct client *c, rd_kafka_event_t *e, const rd_kafka_group_result_t **results,
             const char *done, bool offsets)
{
    const rd_kafka_error_t *error = rd_kafka_group_result_error(results[0]);
    int code;
    if (error)
        code = client_fail(rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s",
                           rd_kafka_group_result_name(results[0]));
    else
        code = client_results(c, "topic", done,
                              rows_of(rd_kafka_group_result_partitions(results[0]), offsets));
    rd_kafka_event_destroy(e);
    return code;
}

static int
offsets_set(struct client *c, const char *group, rd_kafka_topic_partition_list_t *list)
{
    size_t count;
    rd_kafka_AlterConsumerGroupOffsets_t *asked =
        rd_kafka_AlterConsumerGroupOffsets_new(group, list);
    rd_kafka_AdminOptions_t *o =
        client_manage_options(c, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, false);
    rd_kafka_AlterConsumerGroupOffsets(c->rk, &asked, 1, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "group seek");
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_AlterConsumerGroupOffsets_destroy(asked);
    if (!e)
        return COMMAND_EXIT_FAILED;
    return group_answer(c, e,
                        rd_kafka_AlterConsumerGroupOffsets_result_groups(
                            rd_kafka_event_AlterConsumerGroupOffsets_result(e), &count),
                        "set to", true);
}

static int
seek_list(struct client *c, rd_kafka_topic_partition_list_t **list)
{
    *list = NULL;
    if (command_has(c->line, "--topic")) {
        *list = rd_kafka_topic_partition_list_new(16);
        return topics_take(c, *list);
    }
    *list = client_group_offsets(c, c->line->words[0]);
    if (*list && (*list)->cnt == 0) {
        fprintf(stderr,
                "sluice: group %s has no offsets: name the topics with --topic, or look at 'sluice "
                "group list'\n",
                c->line->words[0]);
        return COMMAND_EXIT_FAILED;
    }
    return *list ? COMMAND_EXIT_OK : COMMAND_EXIT_FAILED;
}

int
client_group_seek(struct client *c)
{
    struct client_position p;
    rd_kafka_topic_partition_list_t *list = NULL;
    const char *to = command_text(c->line, "--to");
    if (!to || !client_position_read(to, &p)) {
        fputs("sluice: group seek: say where with --to: start, end, an offset, +N, -N or @TIME\n",
              stderr);
        return COMMAND_EXIT_USAGE;
    }
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    code = seek_list(c, &list);
    if (code == COMMAND_EXIT_OK)
        code = client_position_resolve(c, &p, list);
    if (code == COMMAND_EXIT_OK)
        code = command_has(c->line, "--dry-run")
                   ? client_results(c, "topic", "would be set to", rows_of(list, true))
                   : offsets_set(c, c->line->words[0], list);
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    return code;
}

int
client_group_delete(struct client *c)
{
    rd_kafka_DeleteGroup_t *groups[COMMAND_WORDS_MAX];
    size_t count = 0, answers;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    while (count < (size_t)c->line->word_count) {
        groups[count] = rd_kafka_DeleteGroup_new(c->line->words[count]);
        count++;
    }
    rd_kafka_AdminOptions_t *o = client_manage_options(c, RD_KAFKA_ADMIN_OP_DELETEGROUPS, false);
    rd_kafka_DeleteGroups(c->rk, groups, count, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "group delete");
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_DeleteGroup_destroy_array(groups, count);
    if (!e)
        return COMMAND_EXIT_FAILED;
    json_t *rows = json_array();
    const rd_kafka_group_result_t **results =
        rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(e), &answers);
    for (size_t i = 0; i < answers; i++) {
        const rd_kafka_error_t *error = rd_kafka_group_result_error(results[i]);
        client_result(rows, rd_kafka_group_result_name(results[i]), -1,
                      error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR,
                      error ? rd_kafka_error_string(error) : NULL);
    }
    rd_kafka_event_destroy(e);
    return client_results(c, "group", "deleted", rows);
}

int
client_group_delete_offsets(struct client *c)
{
    size_t count;
    if (!command_has(c->line, "--topic")) {
        fputs("sluice: group delete-offsets: name the topics with --topic\n", stderr);
        return COMMAND_EXIT_USAGE;
    }
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    code = topics_take(c, list);
    if (code != COMMAND_EXIT_OK) {
        rd_kafka_topic_partition_list_destroy(list);
        return code;
    }
    rd_kafka_DeleteConsumerGroupOffsets_t *asked =
        rd_kafka_DeleteConsumerGroupOffsets_new(c->line->words[0], list);
    rd_kafka_AdminOptions_t *o =
        client_manage_options(c, RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS, false);
    rd_kafka_DeleteConsumerGroupOffsets(c->rk, &asked, 1, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "group delete-offsets");
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(asked);
    rd_kafka_topic_partition_list_destroy(list);
    if (!e)
        return COMMAND_EXIT_FAILED;
    return group_answer(c, e,
                        rd_kafka_DeleteConsumerGroupOffsets_result_groups(
                            rd_kafka_event_DeleteConsumerGroupOffsets_result(e), &count),
                        "offset deleted", false);
}
