#include "cli/client/client.h"

#include "cli/command/sheet.h"

#include <stdlib.h>
#include <string.h>

/* ---- list -------------------------------------------------------------------------------------
 */

static int
by_name(const void *a, const void *b)
{
    return strcmp((*(const struct rd_kafka_metadata_topic *const *)a)->topic,
                  (*(const struct rd_kafka_metadata_topic *const *)b)->topic);
}

static json_t *
list_json(const struct rd_kafka_metadata *m, bool internal)
{
    json_t *rows = json_array();
    const struct rd_kafka_metadata_topic **sorted =
        calloc((size_t)m->topic_cnt + 1, sizeof(const struct rd_kafka_metadata_topic *));
    must(sorted != NULL);
    for (int i = 0; i < m->topic_cnt; i++)
        sorted[i] = &m->topics[i];
    qsort(sorted, (size_t)m->topic_cnt, sizeof(const struct rd_kafka_metadata_topic *), by_name);
    for (int i = 0; i < m->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = sorted[i];
        bool hidden = strncmp(t->topic, "__", 2) == 0;
        if (hidden && !internal)
            continue;
        json_array_append_new(rows, json_pack("{s:s, s:i, s:i, s:b}", "name", t->topic,
                                              "partitions", t->partition_cnt, "replicas",
                                              t->partition_cnt ? t->partitions[0].replica_cnt : 0,
                                              "internal", hidden));
    }
    free(sorted);
    return rows;
}

int
client_topic_list(struct client *c)
{
    static const struct sheet_column columns[] = {
        {"name", "TOPIC"}, {"partitions", "PARTITIONS"}, {"replicas", "REPLICAS"}};
    const struct rd_kafka_metadata *m;
    int code = client_look(c, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    json_t *rows = list_json(m, command_has(c->line, "--internal"));
    if (c->json)
        sheet_json(rows, c->out);
    else
        sheet_table(rows, columns, 3, c->out);
    json_decref(rows);
    rd_kafka_metadata_destroy(m);
    return COMMAND_EXIT_OK;
}

/* ---- describe ---------------------------------------------------------------------------------
 */

static json_t *
nodes_json(const int32_t *ids, int count)
{
    json_t *all = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(all, json_integer(ids[i]));
    return all;
}

static json_t *
partition_json(struct client *c, const char *topic, const rd_kafka_metadata_partition_t *p)
{
    int64_t start = -1, end = -1;
    json_t *o =
        json_pack("{s:i, s:i, s:o, s:o}", "partition", p->id, "leader", p->leader, "replicas",
                  nodes_json(p->replicas, p->replica_cnt), "isr", nodes_json(p->isrs, p->isr_cnt));
    must(o != NULL);
    bool known = p->leader >= 0 && rd_kafka_query_watermark_offsets(c->rk, topic, p->id, &start,
                                                                    &end, c->timeout_ms) == 0;
    json_object_set_new(o, "start", known ? json_integer(start) : json_null());
    json_object_set_new(o, "end", known ? json_integer(end) : json_null());
    return o;
}

/* Ascending: a broker may list them in any order. */
static int
by_partition(const void *a, const void *b)
{
    const struct rd_kafka_metadata_partition *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static json_t *
topic_json(struct client *c, const char *name, const struct rd_kafka_metadata *m)
{
    struct rd_kafka_metadata_topic *t = &m->topics[0];
    json_t *configs = client_manage_configs(c, RD_KAFKA_RESOURCE_TOPIC, name);
    json_t *partitions = json_array();
    if (!configs) {
        json_decref(partitions);
        return NULL;
    }
    qsort(t->partitions, (size_t)t->partition_cnt, sizeof t->partitions[0], by_partition);
    for (int i = 0; i < t->partition_cnt; i++)
        json_array_append_new(partitions, partition_json(c, name, &t->partitions[i]));
    return json_pack("{s:s, s:o, s:o}", "name", name, "partitions", partitions, "configs", configs);
}

/* What differs from the defaults of the broker's program. */
static void
configs_print(const json_t *configs, FILE *out)
{
    const char *key;
    json_t *v, *all = (json_t *)configs;
    json_object_foreach(all, key, v) if (json_is_false(json_object_get(v, "default")))
    {
        const char *value = json_string_value(json_object_get(v, "value"));
        fprintf(out, "  %s=%s  (%s)\n", key, value ? value : "?",
                json_string_value(json_object_get(v, "source")));
    }
}

static void
topic_print(const json_t *t, FILE *out)
{
    static const struct sheet_column columns[] = {{"partition", "PARTITION"}, {"leader", "LEADER"},
                                                  {"replicas", "REPLICAS"},   {"isr", "ISR"},
                                                  {"start", "START"},         {"end", "END"}};
    fprintf(out, "%s\n", json_string_value(json_object_get(t, "name")));
    configs_print(json_object_get(t, "configs"), out);
    sheet_table(json_object_get(t, "partitions"), columns, 6, out);
}

int
client_topic_describe(struct client *c)
{
    json_t *all = json_array();
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    for (int i = 0; i < c->line->word_count && code == COMMAND_EXIT_OK; i++) {
        const struct rd_kafka_metadata *m;
        code = client_metadata(c, c->line->words[i], &m);
        if (code != COMMAND_EXIT_OK)
            break;
        json_t *one = topic_json(c, c->line->words[i], m);
        rd_kafka_metadata_destroy(m);
        code = one ? COMMAND_EXIT_OK : COMMAND_EXIT_FAILED;
        if (one)
            json_array_append_new(all, one);
    }
    if (c->json && code == COMMAND_EXIT_OK)
        sheet_json(all, c->out);
    for (size_t i = 0; !c->json && i < json_array_size(all); i++) {
        fputs(i ? "\n" : "", c->out);
        topic_print(json_array_get(all, i), c->out);
    }
    json_decref(all);
    return code;
}
