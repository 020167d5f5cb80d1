/* client_produce.c: records out of a stream or of files.  Exit code 0 says that the broker
 * acknowledged every one of them. */
#include "cli/client/client.h"

#include "core/base/err.h"

#include <errno.h>
#include <string.h>

enum { FIELDS_MAX = 8, POLL_MS = 100 };

struct produce {
    struct client *c;
    rd_kafka_headers_t *headers; /* of every record */
    char key_delimiter[CLIENT_DELIMITER_BYTES];
    size_t key_delimiter_bytes;
    int64_t sent, acknowledged, failed;
    rd_kafka_resp_err_t first; /* error */
};

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct produce *p = m->_private;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->acknowledged++;
        return;
    }
    if (p->failed++ == 0)
        p->first = m->err;
}

static int
record_send(struct produce *p, const struct client_record *r, rd_kafka_headers_t *headers)
{
    const struct client *c = p->c;
    rd_kafka_vu_t v[FIELDS_MAX] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = c->line->words[0]},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = r->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = p},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {r->value_bytes < 0 ? NULL : (void *)r->value,
                   (size_t)(r->value_bytes < 0 ? 0 : r->value_bytes)}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {r->key_bytes < 0 ? NULL : (void *)r->key,
                   (size_t)(r->key_bytes < 0 ? 0 : r->key_bytes)}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(c->rk, v, 7);
        rd_kafka_poll(c->rk, 0);
        if (!error) { /* the headers are librdkafka's now */
            p->sent++;
            return COMMAND_EXIT_OK;
        }
        rd_kafka_resp_err_t err = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_headers_destroy(headers);
            return client_fail(err, NULL, "record %lld", (long long)p->sent + 1);
        }
        rd_kafka_poll(c->rk, POLL_MS);
    }
}

/* The text of a record as key and value, by the options. */
static void
record_split(const struct produce *p, char *text, size_t bytes, struct client_record *r)
{
    const struct command_line *line = p->c->line;
    const char *key = command_text(line, "--key");
    bool null = command_has(line, "--null");
    *r = (struct client_record){.partition = (int32_t)command_number(line, "--partition"),
                                .key = key,
                                .key_bytes = key ? (int64_t)strlen(key) : -1,
                                .value = text,
                                .value_bytes = (int64_t)bytes};
    char *at = p->key_delimiter_bytes
                   ? memmem(text, bytes, p->key_delimiter, p->key_delimiter_bytes)
                   : NULL;
    if (at) {
        r->key = text;
        r->key_bytes = at - text;
        r->value = at + p->key_delimiter_bytes;
        r->value_bytes = (int64_t)bytes - r->key_bytes - (int64_t)p->key_delimiter_bytes;
    }
    if (null && r->value_bytes == 0)
        r->value_bytes = -1;
    if (null && r->key_bytes == 0)
        r->key_bytes = -1;
}

static int
json_send(struct produce *p, const char *text, size_t bytes)
{
    json_error_t why;
    struct client_record r;
    json_t *line = json_loadb(text, bytes, JSON_ALLOW_NUL, &why);
    rd_kafka_headers_t *headers = rd_kafka_headers_copy(p->headers);
    int code;
    if (line && client_input_json(line, &r, headers)) {
        if (command_has(p->c->line, "--partition"))
            r.partition = (int32_t)command_number(p->c->line, "--partition");
        code = record_send(p, &r, headers);
    } else {
        rd_kafka_headers_destroy(headers);
        fprintf(stderr,
                "sluice: record %lld is not one: %s: give lines as 'sluice consume --format json' "
                "prints them\n",
                (long long)p->sent + 1, line ? "a member of it has the wrong type" : why.text);
        code = COMMAND_EXIT_FAILED;
    }
    json_decref(line);
    return code;
}

static int
stream_send(struct produce *p, FILE *in, bool whole, const char *name)
{
    struct client_input input = {.in = in};
    bool json = !whole && strcmp(command_text(p->c->line, "--from"), "json") == 0;
    const char *delimiter = json ? "\\n" : command_text(p->c->line, "--delimiter");
    int code = COMMAND_EXIT_OK, err;
    if (!whole && strlen(delimiter) < CLIENT_DELIMITER_BYTES)
        input.delimiter_bytes = client_record_unescape(delimiter, input.delimiter);
    bool empty = whole; /* an empty file is a record */
    while (code == COMMAND_EXIT_OK &&
           ((err = client_input_next(&input)) == ERR_OK || (empty && err == ERR_NOT_FOUND))) {
        struct client_record r;
        if (json && input.used == 0)
            continue;
        record_split(p, input.bytes ? input.bytes : "", input.used, &r);
        code = json ? json_send(p, input.bytes, input.used)
                    : record_send(p, &r, rd_kafka_headers_copy(p->headers));
        empty = false;
        if (whole)
            break;
    }
    client_input_free(&input);
    if (code == COMMAND_EXIT_OK && err != ERR_NOT_FOUND && err != ERR_OK) {
        fprintf(stderr, "sluice: %s: %s\n", name,
                err == ERR_LIMIT ? "a record is over 100 MiB: is the delimiter right?"
                                 : strerror(errno));
        return COMMAND_EXIT_FAILED;
    }
    return code;
}

static int
files_send(struct produce *p)
{
    int code = COMMAND_EXIT_OK;
    for (int i = 1; i < p->c->line->word_count && code == COMMAND_EXIT_OK; i++) {
        const char *name = p->c->line->words[i];
        FILE *in = fopen(name, "r");
        if (!in) {
            fprintf(stderr, "sluice: %s: %s\n", name, strerror(errno));
            return COMMAND_EXIT_FAILED;
        }
        code = stream_send(p, in, true, name);
        fclose(in);
    }
    return code;
}

static void
options_read(struct produce *p)
{
    const char *pair, *key = command_text(p->c->line, "--key-delimiter");
    char name[CLIENT_PAIR_BYTES];
    p->headers = rd_kafka_headers_new(4);
    for (int i = 0; (pair = command_each(p->c->line, "--header", i)); i++) {
        size_t n = strcspn(pair, "=");
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), pair);
        rd_kafka_header_add(p->headers, name, -1, pair + n + 1, -1);
    }
    if (key && strlen(key) < CLIENT_DELIMITER_BYTES)
        p->key_delimiter_bytes = client_record_unescape(key, p->key_delimiter);
}

static int
open_for_it(struct client *c)
{
    const char *acks = command_text(c->line, "--acks");
    const struct client_setting settings[] = {
        {"acks", acks},
        {"enable.idempotence", strcmp(acks, "all") == 0 ? "true" : "false"},
        {"compression.codec", command_text(c->line, "--compression")},
        {"partitioner", "murmur2_random"}, /* as Java clients do */
    };
    return client_open(c, RD_KAFKA_PRODUCER, settings, sizeof settings / sizeof settings[0]);
}

static int
finish(struct produce *p, int code)
{
    struct client *c = p->c;
    if (p->sent)
        rd_kafka_flush(c->rk, c->timeout_ms);
    if (code == COMMAND_EXIT_OK && p->acknowledged < p->sent) {
        rd_kafka_resp_err_t err = p->failed ? p->first : RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
        client_fail(err, NULL, "%lld of %lld records were not acknowledged",
                    (long long)(p->sent - p->acknowledged), (long long)p->sent);
        code = COMMAND_EXIT_FAILED;
    }
    if (c->json)
        fprintf(c->out, "{\"sent\": %lld, \"acknowledged\": %lld}\n", (long long)p->sent,
                (long long)p->acknowledged);
    return code;
}

int
client_produce(struct client *c)
{
    struct produce p = {.c = c};
    const struct rd_kafka_metadata *m;
    c->delivered = delivered;
    int code = open_for_it(c);
    if (code == COMMAND_EXIT_OK)
        code = client_metadata(c, c->line->words[0], &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    rd_kafka_metadata_destroy(m);
    options_read(&p);
    code =
        c->line->word_count > 1 ? files_send(&p) : stream_send(&p, stdin, false, "standard input");
    code = finish(&p, code);
    rd_kafka_headers_destroy(p.headers);
    return code;
}
