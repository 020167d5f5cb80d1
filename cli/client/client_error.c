#include "cli/client/client.h"

#include <stdarg.h>
#include <string.h>

static const struct {
    rd_kafka_resp_err_t err;
    const char *advice;
} table[] = {
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "'sluice topic list' shows those that there are"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "'sluice topic list' shows those that there are"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "'sluice topic describe' shows those that there are"},
    {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
     "'sluice topic alter' changes it; with --if-not-exists this is fine"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "use letters, digits, '.', '_' and '-', 249 at most"},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, "'sluice topic describe' shows how many it has"},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, "'sluice cluster info' shows the brokers"},
    {RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP,
     "stop its members first; 'sluice group describe' names them"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
     "stop its members first; 'sluice group describe' names them"},
    {RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC, "stop the members that read it first"},
    {RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, "'sluice group list' shows those that there are"},
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, "'sluice topic describe' shows the offsets"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "raise max.message.bytes of the topic, or send less"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "'sluice cluster health' shows whether it has a leader"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, "try again with a longer --timeout"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, "'sluice cluster info' shows whether the broker answers"},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, "this broker is too old for it"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, "this broker is too old for it"},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, "look at the disks and the log of the broker"},
};

const char *
client_advice(rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].err == err)
            return table[i].advice;
    return "";
}

/* The text of an error without what librdkafka puts around it: "Broker: ", a full stop. */
static void
text_clean(const char *text, char out[CLIENT_ERROR_BYTES])
{
    static const char prefix[] = "Broker: ";
    size_t skip = strncmp(text, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
    snprintf(out, CLIENT_ERROR_BYTES, "%s", text + skip);
    size_t n = strlen(out);
    if (n && out[n - 1] == '.')
        out[n - 1] = 0;
}

int
client_fail(rd_kafka_resp_err_t err, const char *detail, const char *fmt, ...)
{
    const char *advice = client_advice(err);
    char text[CLIENT_ERROR_BYTES];
    va_list ap;
    text_clean(detail && *detail ? detail : rd_kafka_err2str(err), text);
    va_start(ap, fmt);
    fputs("sluice: ", stderr);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, ": %s%s%s\n", text, *advice ? ": " : "", advice);
    return COMMAND_EXIT_FAILED;
}

void
client_result(json_t *rows, const char *name, int32_t partition, rd_kafka_resp_err_t err,
              const char *message)
{
    char text[CLIENT_ERROR_BYTES];
    json_t *row = json_pack("{s:s}", "name", name);
    if (partition >= 0)
        json_object_set_new(row, "partition", json_integer(partition));
    json_object_set_new(row, "error", err ? json_string(rd_kafka_err2name(err)) : json_null());
    text_clean(message && *message ? message : rd_kafka_err2str(err), text);
    json_object_set_new(row, "message", err ? json_string(text) : json_null());
    if (err && *client_advice(err))
        json_object_set_new(row, "advice", json_string(client_advice(err)));
    json_array_append_new(rows, row);
}

static void
row_print(const struct client *c, const char *kind, const char *done, const json_t *row)
{
    const char *message = json_string_value(json_object_get(row, "message"));
    const char *advice = json_string_value(json_object_get(row, "advice"));
    const json_t *partition = json_object_get(row, "partition");
    const json_t *offset = json_object_get(row, "offset");
    FILE *out = message ? stderr : c->out;
    fprintf(out, "%s%s %s", message ? "sluice: " : "", kind,
            json_string_value(json_object_get(row, "name")));
    if (partition)
        fprintf(out, " partition %lld", (long long)json_integer_value(partition));
    fprintf(out, ": %s", message ? message : done);
    if (offset && !message)
        fprintf(out, " %lld", (long long)json_integer_value(offset));
    fprintf(out, "%s%s\n", advice ? ": " : "", advice ? advice : "");
}

int
client_results(const struct client *c, const char *kind, const char *done, json_t *rows)
{
    int code = COMMAND_EXIT_OK;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        bool failed = !json_is_null(json_object_get(row, "error"));
        if (failed)
            code = COMMAND_EXIT_FAILED;
        if (failed || !c->json)
            row_print(c, kind, done, row);
    }
    if (c->json && json_dumpf(rows, c->out, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0)
        fputc('\n', c->out);
    json_decref(rows);
    return code;
}
