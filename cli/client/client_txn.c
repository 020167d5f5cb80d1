/* client_txn.c: transactions as their coordinators and as partitions see them (KIP-664).  abort is
 * for those that no coordinator knows any more: it writes the marker that the partition waits for.
 */
#include "cli/client/client_raw.h"

#include "cli/command/sheet.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COORDINATOR_TXN = 1, IDS_MAX = COMMAND_WORDS_MAX };

/* Ids of the brokers, of which each knows its own transactions; the number, or -1, told. */
static int
brokers(struct client *c, int32_t *ids, int most)
{
    const struct rd_kafka_metadata *m;
    if (client_metadata(c, NULL, &m) != COMMAND_EXIT_OK)
        return -1;
    int n = m->broker_cnt < most ? m->broker_cnt : most;
    for (int i = 0; i < n; i++)
        ids[i] = m->brokers[i].id;
    rd_kafka_metadata_destroy(m);
    return n;
}

static int
list_of(struct client *c, int32_t broker, json_t *rows)
{
    struct wire_list_transactions_request q;
    struct wire_list_transactions_response a;
    struct client_raw raw;
    int code = client_raw_open(&raw, c, broker);
    wire_init(&wire_list_transactions_request_message, &q);
    if (code == COMMAND_EXIT_OK)
        code = client_raw_call(&raw, WIRE_API_LIST_TRANSACTIONS, &q, &a);
    if (code == COMMAND_EXIT_OK && a.error_code)
        code =
            client_raw_fail(&raw, a.error_code, view_of(NULL, 0), "transactions of", raw.address);
    for (int32_t i = 0; code == COMMAND_EXIT_OK && i < a.transaction_states.count; i++) {
        const struct wire_list_transactions_response_transaction_state *t =
            &a.transaction_states.items[i];
        json_array_append_new(rows,
                              json_pack("{s:s, s:s, s:I, s:i}", "transactional_id",
                                        client_raw_text(&raw, t->transactional_id), "state",
                                        client_raw_text(&raw, t->transaction_state), "producer_id",
                                        (json_int_t)t->producer_id, "coordinator", broker));
    }
    client_raw_close(&raw);
    return code;
}

int
client_txn_list(struct client *c)
{
    static const struct sheet_column columns[] = {{"transactional_id", "TRANSACTIONAL-ID"},
                                                  {"state", "STATE"},
                                                  {"producer_id", "PRODUCER"},
                                                  {"coordinator", "COORDINATOR"}};
    int32_t ids[CLIENT_ROWS_MAX];
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    if (code != COMMAND_EXIT_OK)
        return code;
    int n = brokers(c, ids, CLIENT_ROWS_MAX);
    json_t *rows = json_array();
    for (int i = 0; i < n && code == COMMAND_EXIT_OK; i++)
        code = list_of(c, ids[i], rows);
    if (c->json && n >= 0)
        sheet_json(rows, c->out);
    else if (n >= 0)
        sheet_table(rows, columns, 4, c->out);
    json_decref(rows);
    return n < 0 ? COMMAND_EXIT_FAILED : code;
}

/* ---- describe ---------------------------------------------------------------------------------
 */

static json_t *
partitions_json(struct client_raw *raw,
                const struct wire_describe_transactions_response_transaction_state *t)
{
    json_t *all = json_array();
    for (int32_t i = 0; i < t->topics.count; i++)
        for (int32_t k = 0; k < t->topics.items[i].partitions.count; k++)
            json_array_append_new(all,
                                  json_pack("{s:s, s:i}", "topic",
                                            client_raw_text(raw, t->topics.items[i].topic),
                                            "partition", t->topics.items[i].partitions.items[k]));
    return all;
}

static int
describe_one(struct client *c, const char *id, json_t *rows)
{
    struct wire_describe_transactions_request q;
    struct wire_describe_transactions_response a;
    struct client_raw raw;
    struct view name = view_of_text(id);
    int code = client_raw_open(&raw, c, CLIENT_RAW_ANY);
    int32_t coordinator =
        code == COMMAND_EXIT_OK ? client_raw_coordinator(&raw, COORDINATOR_TXN, id) : -1;
    client_raw_close(&raw);
    if (coordinator < 0)
        return COMMAND_EXIT_FAILED;
    code = client_raw_open(&raw, c, coordinator);
    wire_init(&wire_describe_transactions_request_message, &q);
    q.transactional_ids.items = &name;
    q.transactional_ids.count = 1;
    if (code == COMMAND_EXIT_OK)
        code = client_raw_call(&raw, WIRE_API_DESCRIBE_TRANSACTIONS, &q, &a);
    for (int32_t i = 0; code == COMMAND_EXIT_OK && i < a.transaction_states.count; i++) {
        const struct wire_describe_transactions_response_transaction_state *t =
            &a.transaction_states.items[i];
        if (t->error_code) {
            code = client_raw_fail(&raw, t->error_code, view_of(NULL, 0), "transactional id", id);
            break;
        }
        int64_t start = t->transaction_start_time_ms;
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:I, s:i, s:i, s:o, s:i, s:o}", "transactional_id", id,
                            "state", client_raw_text(&raw, t->transaction_state), "producer_id",
                            (json_int_t)t->producer_id, "producer_epoch", (int)t->producer_epoch,
                            "timeout_ms", t->transaction_timeout_ms, "start_ms",
                            start < 0 ? json_null() : json_integer(start), "coordinator",
                            coordinator, "partitions", partitions_json(&raw, t)));
    }
    client_raw_close(&raw);
    return code;
}

static void
describe_print(const json_t *t, FILE *out)
{
    static const struct sheet_column head[] = {{"transactional_id", "transactional id"},
                                               {"state", "state"},
                                               {"producer_id", "producer"},
                                               {"producer_epoch", "epoch"},
                                               {"timeout_ms", "timeout ms"},
                                               {"start_ms", "start ms"},
                                               {"coordinator", "coordinator"}};
    static const struct sheet_column columns[] = {{"topic", "TOPIC"}, {"partition", "PARTITION"}};
    const json_t *partitions = json_object_get(t, "partitions");
    sheet_list(t, head, 7, out);
    if (json_array_size(partitions))
        sheet_table(partitions, columns, 2, out);
}

int
client_txn_describe(struct client *c)
{
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    json_t *rows = json_array();
    for (int i = 0; i < c->line->word_count && code == COMMAND_EXIT_OK; i++)
        code = describe_one(c, c->line->words[i], rows);
    if (c->json && code == COMMAND_EXIT_OK)
        sheet_json(rows, c->out);
    for (size_t i = 0; !c->json && i < json_array_size(rows); i++)
        describe_print(json_array_get(rows, i), c->out);
    json_decref(rows);
    return code;
}
