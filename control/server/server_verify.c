/* server_verify.c: see server_verify.h.  A question is an AddPartitionsToTxn request to the other
 * runtime, with the address of what waits as its token.
 *
 * I1 The answer to a question is durable, and the group's coordinator carries the request out in
 * the same call: so the offsets are gathered before a marker of a later EndTxn can be sent. */
#include "control/server/server_verify.h"
#include "control/group/group.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"

#include <stdlib.h>

enum {
    QUESTION_VERSION = 5,
    ADDS_SINCE = 5, /* version of TxnOffsetCommit: clients of transaction version 2 */
    ABORTABLE_SINCE = 4,
    HEADER_ROOM = 32,
    ARENA_FIRST = 64 << 10,
    ARENA_PER_BYTE = 64, /* of a request: no struct is larger beside its least bytes */
};

struct waiting {
    struct list link; /* in asked, or in paused */
    int32_t partition, txn_partition;
    uint32_t shard;
    uint64_t token;
    int32_t correlation_id;
    int16_t version;
    int64_t begun_ms, pause_ms;
    char client_host[COORD_CLIENT_BYTES];
    uint32_t bytes;
    uint8_t request[];
};

struct server_verify {
    struct server_verify_config config;
    struct list asked, paused;
    uint32_t count;
    uint64_t bytes; /* of those requests */
    int64_t now_ms;
    uint8_t *arena_at; /* grows with the largest request */
    uint64_t arena_room;
    struct wire_arena arena;
    struct waiting *refused; /* whose answer is being made */
};

struct server_verify *
server_verify_new(const struct server_verify_config *config)
{
    struct server_verify *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->config = *config;
    list_init(&v->asked);
    list_init(&v->paused);
    return v;
}

static void
waiting_free(struct server_verify *v, struct waiting *w)
{
    list_remove(&w->link);
    v->count--;
    v->bytes -= w->bytes;
    free(w);
}

void
server_verify_free(struct server_verify *v)
{
    if (!v)
        return;
    struct list *lists[] = {&v->asked, &v->paused}, *at;
    for (uint32_t i = 0; i < 2; i++)
        while ((at = list_first(lists[i])))
            waiting_free(v, list_item(at, struct waiting, link));
    free(v->arena_at);
    free(v);
}

static void
arena_renew(struct server_verify *v, uint32_t bytes)
{
    uint64_t room = ARENA_FIRST + (uint64_t)bytes * ARENA_PER_BYTE;
    if (room > v->arena_room) {
        free(v->arena_at);
        v->arena_at = malloc(room);
        must(v->arena_at != NULL);
        v->arena_room = room;
    }
    wire_arena_init(&v->arena, v->arena_at, v->arena_room);
}

/* The request once more; it was decoded before. */
static const struct wire_txn_offset_commit_request *
request_of(struct server_verify *v, const struct waiting *w, struct coord_request *r)
{
    const struct wire_api *api = wire_api_find(WIRE_API_TXN_OFFSET_COMMIT);
    struct view bytes = view_of(w->request, w->bytes);
    struct wire_header header;
    arena_renew(v, w->bytes);
    void *body = wire_arena_take(&v->arena, api->request->top.size);
    int rc = wire_header_read(bytes, &header);
    if (rc == ERR_OK)
        rc = wire_decode(api->request, w->version,
                         view_of(bytes.at + header.bytes, bytes.len - header.bytes), body,
                         &v->arena);
    must(rc == ERR_OK);
    *r = (struct coord_request){
        .api = api, .version = w->version, .body = body, .client_id = header.client_id};
    memcpy(r->client_host, w->client_host, sizeof r->client_host);
    return body;
}

/* ---- refusing ---- */

static void
refusal_reply(void *user, uint64_t token, const void *response)
{
    (void)token;
    struct server_verify *v = user;
    const struct waiting *w = v->refused;
    const struct wire_api *api = wire_api_find(WIRE_API_TXN_OFFSET_COMMIT);
    int64_t size = wire_size(api->response, w->version, response);
    must(size >= 0 && size <= INT32_MAX - HEADER_ROOM);
    uint8_t *at = malloc((size_t)size + HEADER_ROOM);
    must(at != NULL);
    struct put p = put_of(at, (uint32_t)size + HEADER_ROOM);
    wire_header_answer(&p, api, w->version, w->correlation_id);
    int rc = wire_encode(api->response, w->version, response, &p);
    must(rc == ERR_OK && !p.bad);
    server_errors_count(v->config.counters, api, w->version, response);
    v->config.answer(v->config.user, w->shard, w->token, view_of(at, put_len(&p)));
    free(at);
}

static void
refuse(struct server_verify *v, struct waiting *w, int16_t error)
{
    static const struct coord_ops ops = {.reply = refusal_reply};
    struct coord_step step = {.now_ms = v->now_ms, .arena = &v->arena, .ops = &ops, .user = v};
    struct coord_request r;
    (void)request_of(v, w, &r);
    v->refused = w;
    group_refuse(&step, &r, error);
    waiting_free(v, w);
}

/* What the client is told of an error of the transaction's coordinator. */
static int16_t
error_told(int16_t error, int16_t version)
{
    switch (error) {
    case KERR_PRODUCER_FENCED:
        return KERR_INVALID_PRODUCER_EPOCH;
    case KERR_TRANSACTION_ABORTABLE:
        return version >= ABORTABLE_SINCE ? error : KERR_INVALID_TXN_STATE;
    case KERR_NETWORK_EXCEPTION: /* which older clients do not try again upon */
        return KERR_COORDINATOR_LOAD_IN_PROGRESS;
    case KERR_CONCURRENT_TRANSACTIONS:
        return version >= ADDS_SINCE ? error : KERR_COORDINATOR_LOAD_IN_PROGRESS;
    default:
        return error;
    }
}

/* ---- asking ---- */

static void
ask(struct server_verify *v, struct waiting *w)
{
    struct coord_request original;
    const struct wire_txn_offset_commit_request *q = request_of(v, w, &original);
    const struct wire_api *api = wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN);
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topic = {
        .name = view_of_text("__consumer_offsets"), .partitions = {&w->partition, 1}};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction one = {
        .transactional_id = q->transactional_id,
        .producer_id = q->producer_id,
        .producer_epoch = q->producer_epoch,
        .verify_only = w->version < ADDS_SINCE,
        .topics = {&topic, 1}};
    struct wire_add_partitions_to_txn_request body;
    wire_init(api->request, &body);
    body.transactions.items = &one;
    body.transactions.count = 1;
    int64_t size = wire_size(api->request, QUESTION_VERSION, &body);
    must(size >= 0);
    uint8_t *at = malloc((size_t)size + HEADER_ROOM);
    must(at != NULL);
    struct put p = put_of(at, (uint32_t)size + HEADER_ROOM);
    put_u16(&p, (uint16_t)api->key);
    put_u16(&p, QUESTION_VERSION);
    put_u32(&p, 0);
    put_u16(&p, UINT16_MAX);
    put_u8(&p, 0);
    int rc = wire_encode(api->request, QUESTION_VERSION, &body, &p);
    must(rc == ERR_OK && !p.bad);
    struct server_coord_origin from = {
        .shard = SERVER_VERIFY_SHARD, .token = (uintptr_t)w, .bytes = view_of(at, put_len(&p))};
    struct coord_request r = {.api = api, .version = QUESTION_VERSION, .body = &body};
    list_remove(&w->link);
    list_push_back(&v->asked, &w->link);
    server_coord_request(v->config.transactions, w->txn_partition, &from, &r, v->now_ms);
    free(at); /* w may be gone */
}

void
server_verify_request(struct server_verify *v, int32_t partition, int32_t txn_partition,
                      const struct server_coord_origin *from, const struct coord_request *r,
                      int64_t now_ms)
{
    v->now_ms = now_ms > v->now_ms ? now_ms : v->now_ms;
    struct waiting *w = calloc(1, sizeof *w + from->bytes.len);
    must(w != NULL);
    w->partition = partition;
    w->txn_partition = txn_partition;
    w->shard = from->shard;
    w->token = from->token;
    w->correlation_id = from->correlation_id;
    w->version = r->version;
    w->begun_ms = v->now_ms;
    memcpy(w->client_host, r->client_host, sizeof w->client_host);
    w->bytes = from->bytes.len;
    memcpy(w->request, from->bytes.at, from->bytes.len);
    list_init(&w->link);
    v->bytes += w->bytes;
    if (++v->count > SERVER_VERIFY_MAX || v->bytes > SERVER_VERIFY_BYTES_MAX)
        refuse(v, w, KERR_COORDINATOR_NOT_AVAILABLE);
    else
        ask(v, w);
}

/* ---- answers ---- */

static int16_t
answer_read(struct server_verify *v, struct view bytes)
{
    const struct wire_api *api = wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN);
    struct wire_add_partitions_to_txn_response a;
    uint8_t head[HEADER_ROOM];
    struct put w = put_of(head, sizeof head);
    wire_header_answer(&w, api, QUESTION_VERSION, 0);
    uint32_t n = put_len(&w);
    if (bytes.len < n)
        return KERR_UNKNOWN_SERVER_ERROR;
    arena_renew(v, bytes.len);
    int rc = wire_decode(api->response, QUESTION_VERSION, view_of(bytes.at + n, bytes.len - n), &a,
                         &v->arena);
    must(rc == ERR_OK); /* our own machine made it */
    if (a.error_code != KERR_NONE)
        return a.error_code;
    must(a.results_by_transaction.count == 1);
    must(a.results_by_transaction.items[0].topic_results.count == 1);
    must(a.results_by_transaction.items[0].topic_results.items[0].results_by_partition.count == 1);
    return a.results_by_transaction.items[0]
        .topic_results.items[0]
        .results_by_partition.items[0]
        .partition_error_code;
}

void
server_verify_answered(struct server_verify *v, uint64_t token, struct view bytes)
{
    struct waiting *w = (struct waiting *)(uintptr_t)token;
    int16_t error = answer_read(v, bytes);
    if (error == KERR_CONCURRENT_TRANSACTIONS && w->version >= ADDS_SINCE &&
        v->now_ms < w->begun_ms + SERVER_VERIFY_CONCURRENT_MS) {
        w->pause_ms = v->now_ms + SERVER_VERIFY_PAUSE_MS;
        list_remove(&w->link);
        list_push_back(&v->paused, &w->link);
        return;
    }
    if (error != KERR_NONE) {
        refuse(v, w, error_told(error, w->version));
        return;
    }
    struct server_coord_origin from = {.shard = w->shard,
                                       .token = w->token,
                                       .correlation_id = w->correlation_id,
                                       .bytes = view_of(w->request, w->bytes)};
    struct coord_request r;
    (void)request_of(v, w, &r);
    server_coord_request(v->config.groups, w->partition, &from, &r, v->now_ms);
    waiting_free(v, w);
}

int64_t
server_verify_step(struct server_verify *v, int64_t now_ms)
{
    struct list *at;
    v->now_ms = now_ms > v->now_ms ? now_ms : v->now_ms;
    while ((at = list_first(&v->paused)) &&
           list_item(at, struct waiting, link)->pause_ms <= v->now_ms)
        ask(v, list_item(at, struct waiting, link));
    return at ? list_item(at, struct waiting, link)->pause_ms : INT64_MAX;
}
