#include "cli/client/client.h"

#include "cli/command/sheet.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 500 };

/* ---- info -------------------------------------------------------------------------------------
 */

int
client_cluster_info(struct client *c)
{
    static const struct sheet_column head[] = {{"cluster_id", "cluster"},
                                               {"controller", "controller"}};
    static const struct sheet_column columns[] = {
        {"id", "BROKER"}, {"host", "HOST"}, {"port", "PORT"}};
    const struct rd_kafka_metadata *m;
    int code = client_look(c, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    char *id = rd_kafka_clusterid(c->rk, c->timeout_ms);
    json_t *brokers = json_array();
    for (int i = 0; i < m->broker_cnt; i++)
        json_array_append_new(brokers, json_pack("{s:i, s:s, s:i}", "id", m->brokers[i].id, "host",
                                                 m->brokers[i].host, "port", m->brokers[i].port));
    json_t *o = json_pack("{s:s?, s:i, s:o}", "cluster_id", id, "controller",
                          rd_kafka_controllerid(c->rk, c->timeout_ms), "brokers", brokers);
    must(o != NULL);
    if (c->json) {
        sheet_json(o, c->out);
    } else {
        sheet_list(o, head, 2, c->out);
        sheet_table(brokers, columns, 3, c->out);
    }
    json_decref(o);
    if (id)
        rd_kafka_mem_free(c->rk, id);
    rd_kafka_metadata_destroy(m);
    return code;
}

/* ---- health -----------------------------------------------------------------------------------
 */

static void
named_append(json_t *list, const char *topic, int32_t partition)
{
    json_array_append_new(list, json_pack("{s:s, s:i}", "topic", topic, "partition", partition));
}

static json_t *
health_json(const struct rd_kafka_metadata *m)
{
    json_t *leaderless = json_array(), *under = json_array();
    int partitions = 0;
    for (int t = 0; t < m->topic_cnt; t++)
        for (int i = 0; i < m->topics[t].partition_cnt; i++) {
            const struct rd_kafka_metadata_partition *p = &m->topics[t].partitions[i];
            partitions++;
            if (p->leader < 0)
                named_append(leaderless, m->topics[t].topic, p->id);
            else if (p->isr_cnt < p->replica_cnt)
                named_append(under, m->topics[t].topic, p->id);
        }
    bool healthy = m->broker_cnt > 0 && !json_array_size(leaderless) && !json_array_size(under);
    return json_pack("{s:b, s:i, s:i, s:i, s:o, s:o}", "healthy", (int)healthy, "brokers",
                     m->broker_cnt, "topics", m->topic_cnt, "partitions", partitions, "leaderless",
                     leaderless, "under_replicated", under);
}

static void
named_print(const struct client *c, const json_t *o, const char *key, const char *text)
{
    const json_t *list = json_object_get(o, key);
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < CLIENT_ROWS_MAX; i++) {
        const json_t *one = json_array_get(list, i);
        fprintf(c->out, "%s partition %lld %s\n", json_string_value(json_object_get(one, "topic")),
                (long long)json_integer_value(json_object_get(one, "partition")), text);
    }
    if (n > CLIENT_ROWS_MAX)
        fprintf(c->out, "and %zu more: --format json has all\n", n - CLIENT_ROWS_MAX);
}

static int
health_print(const struct client *c, const json_t *o)
{
    bool healthy = json_is_true(json_object_get(o, "healthy"));
    if (c->json) {
        sheet_json(o, c->out);
        return healthy ? COMMAND_EXIT_OK : COMMAND_EXIT_FOUND;
    }
    sheet_paint(c->out, sheet_colours(c->out), healthy ? SHEET_GREEN : SHEET_RED,
                healthy ? "healthy" : "not healthy");
    fprintf(c->out, ": %lld brokers, %lld topics, %lld partitions\n",
            (long long)json_integer_value(json_object_get(o, "brokers")),
            (long long)json_integer_value(json_object_get(o, "topics")),
            (long long)json_integer_value(json_object_get(o, "partitions")));
    named_print(c, o, "leaderless", "has no leader");
    named_print(c, o, "under_replicated", "lacks replicas");
    return healthy ? COMMAND_EXIT_OK : COMMAND_EXIT_FOUND;
}

/* Waits until a broker answers and all is well, for the timeout at most. */
static int
health_wait(struct client *c)
{
    const struct rd_kafka_metadata *m;
    json_t *last = NULL;
    int code = client_handle(c, RD_KAFKA_PRODUCER, NULL, 0);
    client_interrupts();
    for (int left = c->timeout_ms; code == COMMAND_EXIT_OK && left > 0 && !client_interrupted();
         left -= RETRY_MS) {
        if (rd_kafka_metadata(c->rk, 1, NULL, &m, RETRY_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            json_decref(last);
            last = health_json(m);
            rd_kafka_metadata_destroy(m);
            if (json_is_true(json_object_get(last, "healthy")))
                break;
            rd_kafka_poll(c->rk, RETRY_MS);
        }
    }
    if (last)
        code = health_print(c, last);
    else if (code == COMMAND_EXIT_OK)
        code = client_fail(RD_KAFKA_RESP_ERR__TIMED_OUT, "no broker answers", "%s", c->bootstrap);
    json_decref(last);
    return code;
}

int
client_cluster_health(struct client *c)
{
    const struct rd_kafka_metadata *m;
    if (command_has(c->line, "--exit-when-healthy"))
        return health_wait(c);
    int code = client_look(c, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    json_t *o = health_json(m);
    code = health_print(c, o);
    json_decref(o);
    rd_kafka_metadata_destroy(m);
    return code;
}

/* ---- config get -------------------------------------------------------------------------------
 */

/* The broker that the command asks about: the one named, or the first of the cluster. */
static int
broker_find(struct client *c, char out[16])
{
    const struct rd_kafka_metadata *m;
    if (command_has(c->line, "--broker")) {
        snprintf(out, 16, "%lld", (long long)command_number(c->line, "--broker"));
        return COMMAND_EXIT_OK;
    }
    int code = client_metadata(c, NULL, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    snprintf(out, 16, "%d", m->broker_cnt ? m->brokers[0].id : 0);
    rd_kafka_metadata_destroy(m);
    return COMMAND_EXIT_OK;
}

static bool
key_wanted(const struct command_line *l, const char *key)
{
    for (int i = 0; i < l->word_count; i++)
        if (strcmp(l->words[i], key) == 0)
            return true;
    return l->word_count == 0;
}

static json_t *
settings_rows(const struct client *c, json_t *all)
{
    json_t *rows = json_array(), *v;
    const char *key;
    json_object_foreach(all, key, v) if (key_wanted(c->line, key))
    {
        json_t *row = json_pack("{s:s}", "key", key);
        json_object_update(row, v);
        json_array_append_new(rows, row);
    }
    return rows;
}

int
client_cluster_config_get(struct client *c)
{
    static const struct sheet_column columns[] = {
        {"key", "KEY"}, {"value", "VALUE"}, {"source", "SOURCE"}};
    char broker[16];
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code == COMMAND_EXIT_OK)
        code = broker_find(c, broker);
    if (code != COMMAND_EXIT_OK)
        return code;
    json_t *all = client_manage_configs(c, RD_KAFKA_RESOURCE_BROKER, broker);
    if (!all)
        return COMMAND_EXIT_FAILED;
    json_t *rows = settings_rows(c, all);
    for (int i = 0; i < c->line->word_count; i++)
        if (!json_object_get(all, c->line->words[i])) {
            fprintf(stderr,
                    "sluice: broker %s has no setting %s: without names, all of them are listed\n",
                    broker, c->line->words[i]);
            code = COMMAND_EXIT_FAILED;
        }
    if (c->json)
        sheet_json(rows, c->out);
    else
        sheet_table(rows, columns, 3, c->out);
    json_decref(rows);
    json_decref(all);
    return code;
}
