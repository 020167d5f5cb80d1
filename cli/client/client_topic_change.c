#include "cli/client/client.h"

#include <string.h>

enum { CHANGES_MAX = COMMAND_WORDS_MAX };

/* Whether an option of the line was given: "--dry-run". */
static bool
dry(const struct client *c)
{
    return command_has(c->line, "--dry-run");
}

/* Sets the errors that the user said are fine to none. */
static void
forgive(json_t *rows, const char *error)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "error"));
        if (!name || strcmp(name, error) != 0)
            continue;
        json_object_set_new(row, "error", json_null());
        json_object_set_new(row, "message", json_null());
        json_object_del(row, "advice");
    }
}

static rd_kafka_NewTopic_t *
topic_new(struct client *c, const char *name, json_t *rows)
{
    char error[CLIENT_ERROR_BYTES], key[CLIENT_PAIR_BYTES];
    const char *pair;
    int replicas = (int)command_number(c->line, "--replicas");
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(
        name, (int)command_number(c->line, "--partitions"), replicas, error, sizeof error);
    if (!t) {
        client_result(rows, name, -1, RD_KAFKA_RESP_ERR__INVALID_ARG, error);
        return NULL;
    }
    for (int i = 0; (pair = command_each(c->line, "--config", i)); i++) {
        size_t n = strcspn(pair, "=");
        snprintf(key, sizeof key, "%.*s", (int)(n < sizeof key ? n : sizeof key - 1), pair);
        rd_kafka_NewTopic_set_config(t, key, pair + n + 1);
    }
    return t;
}

int
client_topic_create(struct client *c)
{
    rd_kafka_NewTopic_t *topics[CHANGES_MAX];
    size_t count = 0, answers;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    json_t *rows = json_array();
    for (int i = 0; i < c->line->word_count; i++)
        if ((topics[count] = topic_new(c, c->line->words[i], rows)))
            count++;
    rd_kafka_AdminOptions_t *o = client_manage_options(c, RD_KAFKA_ADMIN_OP_CREATETOPICS, dry(c));
    rd_kafka_event_t *e = NULL;
    if (count) {
        rd_kafka_CreateTopics(c->rk, topics, count, o, c->queue);
        e = client_manage_wait(c, "topic create");
        code = e ? COMMAND_EXIT_OK : COMMAND_EXIT_FAILED;
    }
    if (e) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(e), &answers);
        client_manage_topics(rows, results, answers);
        rd_kafka_event_destroy(e);
    }
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_NewTopic_destroy_array(topics, count);
    if (command_has(c->line, "--if-not-exists"))
        forgive(rows, "TOPIC_ALREADY_EXISTS");
    int told = client_results(c, "topic", dry(c) ? "can be created" : "created", rows);
    return code == COMMAND_EXIT_OK ? told : code;
}

int
client_topic_delete(struct client *c)
{
    rd_kafka_DeleteTopic_t *topics[CHANGES_MAX];
    size_t count = 0, answers;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    while (count < (size_t)c->line->word_count) {
        topics[count] = rd_kafka_DeleteTopic_new(c->line->words[count]);
        count++;
    }
    rd_kafka_AdminOptions_t *o = client_manage_options(c, RD_KAFKA_ADMIN_OP_DELETETOPICS, false);
    rd_kafka_DeleteTopics(c->rk, topics, count, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "topic delete");
    if (e) {
        json_t *rows = json_array();
        const rd_kafka_topic_result_t **results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(e), &answers);
        client_manage_topics(rows, results, answers);
        if (command_has(c->line, "--if-exists"))
            forgive(rows, "UNKNOWN_TOPIC_OR_PART");
        code = client_results(c, "topic", "deleted", rows);
        rd_kafka_event_destroy(e);
    }
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_DeleteTopic_destroy_array(topics, count);
    return e ? code : COMMAND_EXIT_FAILED;
}

int
client_topic_add(struct client *c)
{
    rd_kafka_NewPartitions_t *topics[CHANGES_MAX];
    char error[CLIENT_ERROR_BYTES];
    size_t count = 0, answers;
    if (!command_has(c->line, "--total")) {
        fputs("sluice: topic add-partitions: say how many there are to be with --total N: 'sluice "
              "topic describe' shows how many there are\n",
              stderr);
        return COMMAND_EXIT_USAGE;
    }
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    while (count < (size_t)c->line->word_count) {
        topics[count] = rd_kafka_NewPartitions_new(
            c->line->words[count], (size_t)command_number(c->line, "--total"), error, sizeof error);
        must(topics[count] != NULL);
        count++;
    }
    rd_kafka_AdminOptions_t *o =
        client_manage_options(c, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, dry(c));
    rd_kafka_CreatePartitions(c->rk, topics, count, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "topic add-partitions");
    if (e) {
        json_t *rows = json_array();
        const rd_kafka_topic_result_t **results = rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(e), &answers);
        client_manage_topics(rows, results, answers);
        code = client_results(c, "topic", dry(c) ? "can get them" : "has them now", rows);
        rd_kafka_event_destroy(e);
    }
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_NewPartitions_destroy_array(topics, count);
    return e ? code : COMMAND_EXIT_FAILED;
}

rd_kafka_topic_partition_list_t *
client_topic_partitions(struct client *c, const char *topic, int32_t partition)
{
    const struct rd_kafka_metadata *m;
    if (client_metadata(c, topic, &m) != COMMAND_EXIT_OK)
        return NULL;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(m->topics[0].partition_cnt);
    for (int i = 0; i < m->topics[0].partition_cnt; i++)
        if (partition < 0 || m->topics[0].partitions[i].id == partition)
            rd_kafka_topic_partition_list_add(list, topic, m->topics[0].partitions[i].id);
    rd_kafka_metadata_destroy(m);
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    if (list->cnt)
        return list;
    client_fail(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL, "topic %s partition %d", topic,
                partition);
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static int
records_delete(struct client *c, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_DeleteRecords_t *asked = rd_kafka_DeleteRecords_new(list);
    rd_kafka_AdminOptions_t *o = client_manage_options(c, RD_KAFKA_ADMIN_OP_DELETERECORDS, false);
    rd_kafka_DeleteRecords(c->rk, &asked, 1, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "topic trim");
    int code = COMMAND_EXIT_FAILED;
    if (e) {
        json_t *rows = json_array();
        const rd_kafka_topic_partition_list_t *done =
            rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(e));
        for (int i = 0; i < done->cnt; i++) {
            client_result(rows, done->elems[i].topic, done->elems[i].partition, done->elems[i].err,
                          NULL);
            json_object_set_new(json_array_get(rows, (size_t)i), "offset",
                                json_integer(done->elems[i].offset));
        }
        code = client_results(c, "topic", "begins now at", rows);
        rd_kafka_event_destroy(e);
    }
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_DeleteRecords_destroy(asked);
    return code;
}

int
client_topic_trim(struct client *c)
{
    struct client_position p;
    const char *before = command_text(c->line, "--before");
    int32_t partition = -1;
    if (!before || !client_position_read(before, &p)) {
        fprintf(stderr, "sluice: topic trim: say how far with --before: end, an offset, -N or "
                        "@TIME\n");
        return COMMAND_EXIT_USAGE;
    }
    if (command_has(c->line, "--partition"))
        partition = (int32_t)command_number(c->line, "--partition");
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    rd_kafka_topic_partition_list_t *list =
        client_topic_partitions(c, c->line->words[0], partition);
    if (!list)
        return COMMAND_EXIT_FAILED;
    code = client_position_resolve(c, &p, list);
    if (code == COMMAND_EXIT_OK)
        code = records_delete(c, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}
