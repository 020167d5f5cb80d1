/* client_consume.c: prints records, of partitions that it chose itself or as a member of a group.
 */
#include "cli/client/client.h"

#include "cli/command/sheet.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 200 };

struct consume {
    struct client *c;
    const char *template_;
    int64_t left; /* records to print; -1: no limit */
    bool to_end;  /* end when all partitions are at their ends */
    rd_kafka_topic_partition_list_t *ended;
};

/* ---- where to begin ---------------------------------------------------------------------------
 */

static bool
partition_wanted(const struct client *c, int32_t partition)
{
    const char *text;
    for (int i = 0; (text = command_each(c->line, "--partition", i)); i++)
        if (strtol(text, NULL, 10) == partition)
            return true;
    return command_each(c->line, "--partition", 0) == NULL;
}

static int
topic_add(struct client *c, const char *topic, rd_kafka_topic_partition_list_t *list)
{
    const struct rd_kafka_metadata *m;
    int before = list->cnt;
    int code = client_metadata(c, topic, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    for (int i = 0; i < m->topics[0].partition_cnt; i++)
        if (partition_wanted(c, m->topics[0].partitions[i].id))
            rd_kafka_topic_partition_list_add(list, topic, m->topics[0].partitions[i].id);
    rd_kafka_metadata_destroy(m);
    if (list->cnt > before)
        return COMMAND_EXIT_OK;
    return client_fail(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL, "topic %s", topic);
}

static int
assign(struct client *c, const struct client_position *p)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    int code = COMMAND_EXIT_OK;
    for (int i = 0; i < c->line->word_count && code == COMMAND_EXIT_OK; i++)
        code = topic_add(c, c->line->words[i], list);
    if (code == COMMAND_EXIT_OK)
        code = client_position_resolve(c, p, list);
    if (code == COMMAND_EXIT_OK) {
        rd_kafka_resp_err_t err = rd_kafka_assign(c->rk, list);
        code = err ? client_fail(err, NULL, "partitions") : COMMAND_EXIT_OK;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

static int
subscribe(struct client *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (int i = 0; i < c->line->word_count; i++)
        rd_kafka_topic_partition_list_add(list, c->line->words[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err ? client_fail(err, NULL, "group %s", command_text(c->line, "--group"))
               : COMMAND_EXIT_OK;
}

/* ---- records ----------------------------------------------------------------------------------
 */

static void
record_print(struct consume *s, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_timestamp_type_t kind;
    int64_t time_ms = rd_kafka_message_timestamp(m, &kind);
    struct client_record r = {.topic = rd_kafka_topic_name(m->rkt),
                              .partition = m->partition,
                              .offset = m->offset,
                              .time_ms = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : time_ms,
                              .key = m->key,
                              .value = m->payload,
                              .key_bytes = m->key ? (int64_t)m->key_len : -1,
                              .value_bytes = m->payload ? (int64_t)m->len : -1};
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        r.headers = headers;
    if (!s->c->json) {
        client_record_print(s->template_, &r, s->c->out);
        return;
    }
    json_t *o = client_record_json(&r);
    sheet_json_line(o, s->c->out);
    json_decref(o);
}

/* Whether each assigned partition has been at its end. */
static bool
all_ended(struct consume *s)
{
    rd_kafka_topic_partition_list_t *assigned = NULL;
    bool all = rd_kafka_assignment(s->c->rk, &assigned) == 0 && assigned->cnt > 0;
    for (int i = 0; all && i < assigned->cnt; i++)
        all = rd_kafka_topic_partition_list_find(s->ended, assigned->elems[i].topic,
                                                 assigned->elems[i].partition) != NULL;
    if (assigned)
        rd_kafka_topic_partition_list_destroy(assigned);
    return all;
}

/* Whether it goes on. */
static bool
message_take(struct consume *s, const rd_kafka_message_t *m, int *code)
{
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        record_print(s, m);
        return s->left < 0 || --s->left > 0;
    }
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        const char *topic = rd_kafka_topic_name(m->rkt);
        if (!rd_kafka_topic_partition_list_find(s->ended, topic, m->partition))
            rd_kafka_topic_partition_list_add(s->ended, topic, m->partition);
        return !s->to_end || !all_ended(s);
    }
    if (m->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || m->err == RD_KAFKA_RESP_ERR__TRANSPORT)
        return true; /* it comes back, or the user ends us */
    *code = client_fail(m->err, rd_kafka_message_errstr(m), "consume");
    return false;
}

static int
records_take(struct consume *s)
{
    int code = COMMAND_EXIT_OK;
    bool more = true;
    client_interrupts();
    while (more && !client_interrupted()) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(s->c->rk, POLL_MS);
        if (!m) {
            fflush(s->c->out); /* nothing to do: whoever reads us gets what there is */
            continue;
        }
        more = message_take(s, m, &code);
        rd_kafka_message_destroy(m);
        if (ferror(s->c->out))
            return COMMAND_EXIT_FAILED;
    }
    return code;
}

static int
position_read(const struct client *c, struct client_position *p)
{
    const char *text = command_text(c->line, "--offset");
    bool group = command_has(c->line, "--group");
    if (!client_position_read(text, p)) {
        fprintf(stderr, "sluice: --offset %s: give start, end, a number, +N, -N or @TIME\n", text);
        return COMMAND_EXIT_USAGE;
    }
    if (group && (p->at > CLIENT_END || command_has(c->line, "--partition"))) {
        fprintf(stderr, "sluice: a group goes on from its offsets: with --group give --offset "
                        "start or end, and no --partition; 'sluice group seek' sets offsets\n");
        return COMMAND_EXIT_USAGE;
    }
    return COMMAND_EXIT_OK;
}

int
client_consume(struct client *c)
{
    struct consume s = {.c = c, .template_ = command_text(c->line, "--template"), .left = -1};
    struct client_position p;
    const char *group = command_text(c->line, "--group");
    int code = position_read(c, &p);
    if (code != COMMAND_EXIT_OK)
        return code;
    s.template_ = s.template_ ? s.template_ : "%s\\n";
    const char *wrong = client_record_check(s.template_);
    if (wrong) {
        fprintf(stderr, "sluice: --template %s: %s\n", s.template_, wrong);
        return COMMAND_EXIT_USAGE;
    }
    s.to_end = command_has(c->line, "--exit");
    if (command_has(c->line, "--count"))
        s.left = command_number(c->line, "--count");
    const struct client_setting settings[] = {
        {"group.id", group ? group : "sluice"},
        {"enable.auto.commit", group ? "true" : "false"},
        {"auto.offset.reset", p.at == CLIENT_END ? "latest" : "earliest"},
        {"enable.partition.eof", s.to_end ? "true" : "false"},
        {"isolation.level", command_text(c->line, "--isolation")},
    };
    code = client_open(c, RD_KAFKA_CONSUMER, settings, sizeof settings / sizeof settings[0]);
    if (code != COMMAND_EXIT_OK)
        return code;
    rd_kafka_poll_set_consumer(c->rk);
    s.ended = rd_kafka_topic_partition_list_new(16);
    code = group ? subscribe(c) : assign(c, &p);
    if (code == COMMAND_EXIT_OK)
        code = records_take(&s);
    rd_kafka_consumer_close(c->rk); /* commits what was printed, and leaves the group */
    rd_kafka_topic_partition_list_destroy(s.ended);
    return code;
}
