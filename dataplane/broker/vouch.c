/* vouch.c: see vouch.h.
 *
 * A question is unsent (control_generation 0), out to one life of control, or paused.  Who asks the
 * same of the same log and producer joins it, so batches keep their order.  Asking twice does no
 * harm, so a restarted control is simply asked again.
 *
 * I1 `open` is in order of age: its first is the first to be late.  `paused` is in order of
 *    pause_ns.
 * I2 A token names one question for ever: 16 bits of the data process' generation, 24 of the uses
 *    of the place, a bit that no request of forward.c has, and the place. */
#include "dataplane/broker/vouch.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/shm/msg.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/shard.h"

#include <stdlib.h>

enum {
    TOKEN_GENERATION_SHIFT = 48,
    TOKEN_USE_SHIFT = 24,
    TOKEN_USE_BITS = 24,
    TOKEN_MARK = 1 << 23,
    REQUEST_VERSION = 5,
    HEADER_BYTES = 2 + 2 + 4 + 2 + 1, /* without a client id */
    ABORTABLE_SINCE = 11,             /* version of Produce that knows TRANSACTION_ABORTABLE */
    BUCKETS = 256,
};
_Static_assert((int)VOUCH_MAX < (int)TOKEN_MARK, "the place fits below the mark");

struct question {
    struct list link;   /* in `free`, or in `open` */
    struct list bucket; /* by producer id */
    struct list pause;  /* in `paused`, or alone */
    struct list jobs;   /* that wait for it, oldest first */
    uint32_t use;
    uint32_t control_generation; /* it was sent to; 0: it is to be sent */
    uint32_t topic;              /* row */
    int32_t partition;
    int64_t producer_id;
    int16_t epoch;
    bool adds; /* the partition to the transaction; else it verifies that it was added */
    uint64_t guard, deadline_ns, concurrent_ns, pause_ns;
};

struct vouch {
    struct question places[VOUCH_MAX];
    struct list free, open, paused, buckets[BUCKETS];
    bool unsent;
};

struct vouch *
vouch_new(void)
{
    struct vouch *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    list_init(&v->free);
    list_init(&v->open);
    list_init(&v->paused);
    for (uint32_t i = 0; i < BUCKETS; i++)
        list_init(&v->buckets[i]);
    for (uint32_t i = 0; i < VOUCH_MAX; i++) {
        list_init(&v->places[i].bucket);
        list_push_back(&v->free, &v->places[i].link);
    }
    return v;
}

void
vouch_free(struct vouch *v)
{
    free(v);
}

static struct list *
bucket_of(struct vouch *v, int64_t producer_id)
{
    return &v->buckets[(uint64_t)producer_id % BUCKETS];
}

/* ---- may it begin? ---- */

int
vouch_begins(struct shard *s, struct route_part *p, const struct vouch_batch *b, uint64_t *ask)
{
    uint64_t guard;
    bool bumps = b->version >= VOUCH_BUMPS_SINCE;
    *ask = 0;
    int error = store_txn_verify(s->store, p->log, b->info, bumps, s->now_ms, &guard);
    if (error != KERR_NONE || guard == 0)
        return error;
    bool unverified = !bumps && !s->txn_verify; /* as the configuration wants it */
    /* A question that is answered is void once a marker came behind it: it is asked anew. */
    if (b->guard != guard && !b->trusted && !unverified) {
        *ask = guard;
        return KERR_NONE;
    }
    return store_txn_verified(s->store, p->log, b->info->producer_id, guard)
               ? KERR_NONE
               : KERR_INVALID_TXN_STATE;
}

/* ---- the end of a question ---- */

static void
question_close(struct vouch *v, struct question *q)
{
    list_remove(&q->link);
    list_remove(&q->bucket);
    list_remove(&q->pause);
    list_push_back(v->free.next, &q->link); /* last in, first out: warm */
}

/* What the client is told of an error of the coordinator's.  Older clients do not try again upon
 * all that is worth it; NOT_ENOUGH_REPLICAS they do, and it makes none ask for metadata. */
static int16_t
error_told(int16_t error, int16_t version)
{
    switch (error) {
    case KERR_PRODUCER_FENCED:
        return KERR_INVALID_PRODUCER_EPOCH;
    case KERR_TRANSACTION_ABORTABLE:
        return version >= ABORTABLE_SINCE ? error : KERR_INVALID_TXN_STATE;
    case KERR_CONCURRENT_TRANSACTIONS:
        return version >= VOUCH_BUMPS_SINCE ? error : KERR_NOT_ENOUGH_REPLICAS;
    case KERR_NETWORK_EXCEPTION:
    case KERR_COORDINATOR_LOAD_IN_PROGRESS:
    case KERR_COORDINATOR_NOT_AVAILABLE:
    case KERR_NOT_COORDINATOR:
        return KERR_NOT_ENOUGH_REPLICAS;
    default:
        return error;
    }
}

static void
question_end(struct shard *s, struct question *q, int16_t error)
{
    struct list jobs, *first;
    uint64_t guard = q->guard;
    list_init(&jobs);
    while ((first = list_first(&q->jobs))) {
        list_remove(first);
        list_push_back(&jobs, first);
    }
    question_close(s->vouch, q);
    while ((first = list_first(&jobs))) {
        struct job *j = list_item(first, struct job, link);
        list_remove(first);
        if (error == KERR_NONE) {
            j->u.append.guard = guard;
            produce_append(s, j);
        } else {
            j->error = error_told(error, j->u.append.version);
            shard_return(s, j);
        }
    }
}

/* ---- asking ---- */

static uint64_t
token_of(const struct shard *s, const struct question *q)
{
    uint64_t use = q->use & ((1u << TOKEN_USE_BITS) - 1);
    return (uint64_t)(s->generation & UINT16_MAX) << TOKEN_GENERATION_SHIFT |
           use << TOKEN_USE_SHIFT | TOKEN_MARK | (uint64_t)(q - s->vouch->places);
}

/* False: no room in the ring now. */
static bool
question_send(struct shard *s, struct question *q)
{
    const struct job *j = list_item(list_first(&q->jobs), struct job, link);
    const struct route_topic *t = route_by_row(s->route, q->topic);
    if (!t || memcmp(t->fact.id, j->topic_id, sizeof j->topic_id) != 0) {
        question_end(s, q, KERR_NOT_LEADER_OR_FOLLOWER); /* deleted meanwhile */
        return true;
    }
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topic = {
        .name = view_of(t->fact.name, t->fact.name_bytes), .partitions = {&q->partition, 1}};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction one = {
        .transactional_id = j->u.append.transactional_id,
        .producer_id = q->producer_id,
        .producer_epoch = q->epoch,
        .verify_only = !q->adds,
        .topics = {&topic, 1}};
    struct wire_add_partitions_to_txn_request body;
    const struct wire_api *api = wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN);
    wire_init(api->request, &body);
    body.transactions.items = &one;
    body.transactions.count = 1;
    int64_t size = wire_size(api->request, REQUEST_VERSION, &body);
    must(size >= 0);
    struct msg_request head = {.token = token_of(s, q), .listener = INNER_LISTENER};
    uint32_t bytes = (uint32_t)sizeof head + HEADER_BYTES + (uint32_t)size;
    uint8_t *at = chan_reserve(&s->to_control, bytes);
    if (!at)
        return false;
    memcpy(at, &head, sizeof head);
    struct put w = put_of(at + sizeof head, HEADER_BYTES + (uint32_t)size);
    put_u16(&w, (uint16_t)api->key);
    put_u16(&w, REQUEST_VERSION);
    put_u32(&w, q->use);
    put_u16(&w, UINT16_MAX);
    put_u8(&w, 0);
    int rc = wire_encode(api->request, REQUEST_VERSION, &body, &w);
    must(rc == ERR_OK && !w.bad);
    chan_publish(&s->to_control, MSG_REQUEST, s->generation, bytes);
    s->to_control_sent = true;
    q->control_generation = s->control_generation;
    counters_add(&s->counters, COUNTER_TXN_QUESTIONS, 1);
    return true;
}

static bool
control_serves(const struct shard *s)
{
    return s->control_generation && !s->control_bad;
}

static struct question *
question_find(struct vouch *v, const struct route_part *p, int64_t producer_id)
{
    struct list *b = bucket_of(v, producer_id);
    for (struct list *at = b->next; at != b; at = at->next) {
        struct question *q = list_item(at, struct question, bucket);
        if (q->producer_id == producer_id && q->topic == p->topic && q->partition == p->partition)
            return q;
    }
    return NULL;
}

static void
job_refuse(struct shard *s, struct job *j, int16_t error)
{
    j->error = error;
    shard_return(s, j);
}

void
vouch_ask(struct shard *s, struct route_part *p, struct job *j, uint64_t guard)
{
    struct vouch *v = s->vouch;
    int64_t producer_id = j->u.append.info.producer_id;
    int16_t epoch = j->u.append.info.producer_epoch;
    struct question *q = question_find(v, p, producer_id);
    if (q && epoch < q->epoch) {
        job_refuse(s, j, KERR_INVALID_PRODUCER_EPOCH);
        return;
    }
    if (q && epoch > q->epoch) {
        question_end(s, q, KERR_INVALID_PRODUCER_EPOCH);
        q = NULL;
    }
    if (q) { /* what a marker made void meanwhile is asked anew, for all of them */
        list_push_back(&q->jobs, &j->link);
        return;
    }
    struct list *first = list_first(&v->free);
    if (!first) {
        job_refuse(s, j, KERR_NOT_ENOUGH_REPLICAS);
        return;
    }
    list_remove(first);
    q = list_item(first, struct question, link);
    *q = (struct question){.use = q->use + 1,
                           .topic = p->topic,
                           .partition = p->partition,
                           .producer_id = producer_id,
                           .epoch = epoch,
                           .adds = j->u.append.version >= VOUCH_BUMPS_SINCE,
                           .guard = guard,
                           .deadline_ns = s->now_ns + VOUCH_WAIT_MS * CLOCK_NS_PER_MS,
                           .concurrent_ns = s->now_ns + VOUCH_CONCURRENT_MS * CLOCK_NS_PER_MS};
    list_init(&q->link);
    list_init(&q->bucket);
    list_init(&q->pause);
    list_init(&q->jobs);
    list_push_back(&v->open, &q->link);
    list_push_back(bucket_of(v, producer_id), &q->bucket);
    list_push_back(&q->jobs, &j->link);
    v->unsent = v->unsent || !control_serves(s) || !question_send(s, q);
}

/* ---- answers ---- */

/* The one error code in the answer. */
static int16_t
answer_read(struct shard *s, struct view bytes, uint32_t use)
{
    const struct wire_api *api = wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN);
    struct wire_add_partitions_to_txn_response a;
    uint8_t want[16];
    struct put w = put_of(want, sizeof want);
    wire_header_answer(&w, api, REQUEST_VERSION, (int32_t)use);
    uint32_t n = put_len(&w);
    wire_arena_reset(&s->scratch);
    if (bytes.len < n || memcmp(bytes.at, want, n) != 0 ||
        wire_decode(api->response, REQUEST_VERSION, view_of(bytes.at + n, bytes.len - n), &a,
                    &s->scratch) != ERR_OK) {
        log_error("vouch", "control's answer about a transaction cannot be read");
        return KERR_UNKNOWN_SERVER_ERROR;
    }
    if (a.error_code != KERR_NONE)
        return a.error_code;
    if (a.results_by_transaction.count != 1 ||
        a.results_by_transaction.items[0].topic_results.count != 1 ||
        a.results_by_transaction.items[0].topic_results.items[0].results_by_partition.count != 1) {
        log_error("vouch", "control's answer about a transaction is of another one");
        return KERR_UNKNOWN_SERVER_ERROR;
    }
    return a.results_by_transaction.items[0]
        .topic_results.items[0]
        .results_by_partition.items[0]
        .partition_error_code;
}

static struct question *
token_find(const struct shard *s, uint64_t token)
{
    uint64_t place = token & (TOKEN_MARK - 1);
    if (place >= VOUCH_MAX)
        return NULL;
    struct question *q = &s->vouch->places[place];
    return token == token_of(s, q) && !list_empty(&q->bucket) ? q : NULL;
}

bool
vouch_answered(struct shard *s, uint64_t token, struct view bytes, bool closed)
{
    if (!(token & TOKEN_MARK))
        return false;
    struct question *q = token_find(s, token);
    if (!q)
        return true; /* it was too late */
    int16_t error = closed ? KERR_UNKNOWN_SERVER_ERROR : answer_read(s, bytes, q->use);
    if (error == KERR_CONCURRENT_TRANSACTIONS && q->adds && s->now_ns < q->concurrent_ns) {
        q->control_generation = 0;
        q->pause_ns = s->now_ns + VOUCH_PAUSE_US * CLOCK_NS_PER_MS / 1000;
        list_remove(&q->pause);
        list_push_back(&s->vouch->paused, &q->pause);
        return true;
    }
    question_end(s, q, error);
    return true;
}

/* ---- time ---- */

/* The marker that it waited for has made its guard void. */
static void
question_renew(struct shard *s, struct question *q)
{
    const struct job *j = list_item(list_first(&q->jobs), struct job, link);
    const struct route_topic *t = route_by_row(s->route, q->topic);
    const struct route_part *p = t ? route_part(t, q->partition) : NULL;
    uint64_t guard;
    if (p && p->log &&
        store_txn_verify(s->store, p->log, &j->u.append.info, q->adds, s->now_ms, &guard) ==
            KERR_NONE)
        q->guard = guard;
}

static void
unsent_send(struct shard *s)
{
    struct vouch *v = s->vouch;
    if (!control_serves(s))
        return;
    for (struct list *at = v->open.next, *next; at != &v->open; at = next) {
        struct question *q = list_item(at, struct question, link);
        next = at->next;
        if (q->control_generation != s->control_generation && list_empty(&q->pause) &&
            !question_send(s, q))
            return;
    }
    v->unsent = false;
}

uint64_t
vouch_run(struct shard *s, uint64_t now_ns)
{
    struct vouch *v = s->vouch;
    struct list *first;
    while ((first = list_first(&v->paused)) &&
           list_item(first, struct question, pause)->pause_ns <= now_ns) {
        list_remove(first);
        question_renew(s, list_item(first, struct question, pause));
        v->unsent = true;
    }
    while ((first = list_first(&v->open)) &&
           list_item(first, struct question, link)->deadline_ns <= now_ns)
        question_end(s, list_item(first, struct question, link), KERR_COORDINATOR_NOT_AVAILABLE);
    if (!first)
        return CLOCK_NEVER;
    if (list_item(first, struct question, link)->control_generation != s->control_generation)
        v->unsent = true; /* control was restarted: its oldest question is of the life before */
    if (v->unsent)
        unsent_send(s);
    uint64_t at = s->now_ns + SHARD_TICK_MS * CLOCK_NS_PER_MS; /* control may be restarted */
    if (v->unsent)
        at = s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS;
    first = list_first(&v->paused);
    if (first && list_item(first, struct question, pause)->pause_ns < at)
        at = list_item(first, struct question, pause)->pause_ns;
    return at;
}
