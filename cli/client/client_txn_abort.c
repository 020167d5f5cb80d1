#include "cli/client/client_raw.h"

#include "cli/command/sheet.h"
#include "core/wire/kerr.h"

#include <stdlib.h>
#include <string.h>

struct place { /* one partition, and its leader */
    char topic[CLIENT_ADDRESS_BYTES];
    int32_t partition, leader;
};

/* "TOPIC:PARTITION" of the line. */
static int
place_read(struct client *c, struct place *p)
{
    const char *text = c->line->words[0], *colon = strrchr(text, ':');
    const struct rd_kafka_metadata *m;
    char *end = NULL;
    long n = colon ? strtol(colon + 1, &end, 10) : -1;
    if (n < 0 || n > INT32_MAX || end == colon + 1 || *end) {
        fprintf(stderr, "sluice: '%s': give TOPIC:PARTITION\n", text);
        return COMMAND_EXIT_USAGE;
    }
    snprintf(p->topic, sizeof p->topic, "%.*s", (int)(colon - text), text);
    p->partition = (int32_t)n;
    p->leader = -1;
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code == COMMAND_EXIT_OK)
        code = client_metadata(c, p->topic, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    for (int i = 0; i < m->topics[0].partition_cnt; i++)
        if (m->topics[0].partitions[i].id == p->partition)
            p->leader = m->topics[0].partitions[i].leader;
    rd_kafka_metadata_destroy(m);
    if (p->leader >= 0)
        return COMMAND_EXIT_OK;
    return client_fail(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "it is not there, or has no leader",
                       "topic %s partition %d", p->topic, p->partition);
}

/* Producers of the partition; the answer is valid until the connection is closed. */
static int
producers_ask(struct client_raw *raw, const struct place *p,
              struct wire_describe_producers_response_partition_response *out)
{
    struct wire_describe_producers_request q;
    struct wire_describe_producers_response a;
    int32_t partition = p->partition;
    wire_init(&wire_describe_producers_request_message, &q);
    q.topics.items =
        client_raw_items(raw, &wire_describe_producers_request_topic_request_struct, 1);
    q.topics.count = 1;
    q.topics.items[0].name = view_of_text(p->topic);
    q.topics.items[0].partition_indexes.items = &partition;
    q.topics.items[0].partition_indexes.count = 1;
    int code = client_raw_call(raw, WIRE_API_DESCRIBE_PRODUCERS, &q, &a);
    if (code != COMMAND_EXIT_OK)
        return code;
    if (a.topics.count != 1 || a.topics.items[0].partitions.count != 1)
        return client_fail(RD_KAFKA_RESP_ERR__BAD_MSG, NULL, "producers of %s", p->topic);
    *out = a.topics.items[0].partitions.items[0];
    return out->error_code
               ? client_raw_fail(raw, out->error_code, out->error_message, "producers of", p->topic)
               : COMMAND_EXIT_OK;
}

static json_t *
producer_json(const struct wire_describe_producers_response_producer_state *s)
{
    return json_pack(
        "{s:I, s:i, s:i, s:I, s:i, s:o}", "producer_id", (json_int_t)s->producer_id,
        "producer_epoch", s->producer_epoch, "last_sequence", s->last_sequence, "last_ms",
        (json_int_t)s->last_timestamp, "coordinator_epoch", s->coordinator_epoch, "open_from",
        s->current_txn_start_offset < 0 ? json_null() : json_integer(s->current_txn_start_offset));
}

int
client_txn_producers(struct client *c)
{
    static const struct sheet_column columns[] = {{"producer_id", "PRODUCER"},
                                                  {"producer_epoch", "EPOCH"},
                                                  {"last_sequence", "LAST-SEQUENCE"},
                                                  {"last_ms", "LAST-MS"},
                                                  {"open_from", "OPEN-FROM"}};
    struct wire_describe_producers_response_partition_response found;
    struct client_raw raw;
    struct place p;
    int code = place_read(c, &p);
    if (code != COMMAND_EXIT_OK)
        return code;
    code = client_raw_open(&raw, c, p.leader);
    if (code == COMMAND_EXIT_OK)
        code = producers_ask(&raw, &p, &found);
    if (code == COMMAND_EXIT_OK) {
        json_t *rows = json_array();
        for (int32_t i = 0; i < found.active_producers.count; i++)
            json_array_append_new(rows, producer_json(&found.active_producers.items[i]));
        if (c->json)
            sheet_json(rows, c->out);
        else
            sheet_table(rows, columns, 5, c->out);
        json_decref(rows);
    }
    client_raw_close(&raw);
    return code;
}

static int
marker_send(struct client_raw *raw, const struct place *p,
            const struct wire_describe_producers_response_producer_state *s)
{
    struct wire_write_txn_markers_request q;
    struct wire_write_txn_markers_response a;
    int32_t partition = p->partition;
    wire_init(&wire_write_txn_markers_request_message, &q);
    q.markers.items =
        client_raw_items(raw, &wire_write_txn_markers_request_writable_txn_marker_struct, 1);
    q.markers.count = 1;
    q.markers.items[0].producer_id = s->producer_id;
    q.markers.items[0].producer_epoch = (int16_t)s->producer_epoch;
    /* As Kafka's tool: one that no coordinator wrote has no epoch yet. */
    q.markers.items[0].coordinator_epoch = s->coordinator_epoch < 0 ? 0 : s->coordinator_epoch;
    q.markers.items[0].topics.items =
        client_raw_items(raw, &wire_write_txn_markers_request_writable_txn_marker_topic_struct, 1);
    q.markers.items[0].topics.count = 1;
    q.markers.items[0].topics.items[0].name = view_of_text(p->topic);
    q.markers.items[0].topics.items[0].partition_indexes.items = &partition;
    q.markers.items[0].topics.items[0].partition_indexes.count = 1;
    int code = client_raw_call(raw, WIRE_API_WRITE_TXN_MARKERS, &q, &a);
    if (code != COMMAND_EXIT_OK)
        return code;
    int16_t error = KERR_UNKNOWN_SERVER_ERROR;
    if (a.markers.count == 1 && a.markers.items[0].topics.count == 1 &&
        a.markers.items[0].topics.items[0].partitions.count == 1)
        error = a.markers.items[0].topics.items[0].partitions.items[0].error_code;
    return error ? client_raw_fail(raw, error, view_of(NULL, 0), "marker for", p->topic)
                 : COMMAND_EXIT_OK;
}

int
client_txn_abort(struct client *c)
{
    struct wire_describe_producers_response_partition_response found;
    const struct wire_describe_producers_response_producer_state *s = NULL;
    struct client_raw raw;
    struct place p;
    if (!command_has(c->line, "--producer")) {
        fputs("sluice: txn abort: name the producer with --producer ID: 'sluice txn producers' "
              "shows those of a partition\n",
              stderr);
        return COMMAND_EXIT_USAGE;
    }
    int64_t id = command_number(c->line, "--producer");
    int code = place_read(c, &p);
    if (code != COMMAND_EXIT_OK)
        return code;
    code = client_raw_open(&raw, c, p.leader);
    if (code == COMMAND_EXIT_OK)
        code = producers_ask(&raw, &p, &found);
    for (int32_t i = 0; code == COMMAND_EXIT_OK && i < found.active_producers.count; i++)
        if (found.active_producers.items[i].producer_id == id)
            s = &found.active_producers.items[i];
    if (code == COMMAND_EXIT_OK && (!s || s->current_txn_start_offset < 0)) {
        fprintf(stderr,
                "sluice: producer %lld has no transaction open in %s: 'sluice txn producers' shows "
                "those that have\n",
                (long long)id, c->line->words[0]);
        code = COMMAND_EXIT_FAILED;
    }
    bool dry = command_has(c->line, "--dry-run");
    if (code == COMMAND_EXIT_OK && !dry)
        code = marker_send(&raw, &p, s);
    if (code == COMMAND_EXIT_OK) {
        json_t *rows = json_array();
        client_result(rows, p.topic, p.partition, RD_KAFKA_RESP_ERR_NO_ERROR, NULL);
        json_object_set_new(json_array_get(rows, 0), "offset",
                            json_integer(s->current_txn_start_offset));
        code = client_results(
            c, "topic", dry ? "would abort what is open from" : "aborted what was open from", rows);
    }
    client_raw_close(&raw);
    return code;
}
