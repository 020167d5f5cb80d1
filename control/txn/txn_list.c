/* txn_list.c: DescribeTransactions and ListTransactions.  They change nothing.  Source: Kafka
 * TransactionCoordinator.handleDescribeTransactions,
 * TransactionStateManager.listTransactionStates. */
#include "control/txn/txn_in.h"
#include "core/wire/wire_gen.h"

static const char *const state_names[] = {
    [TXN_EMPTY] = "Empty",
    [TXN_ONGOING] = "Ongoing",
    [TXN_PREPARE_COMMIT] = "PrepareCommit",
    [TXN_PREPARE_ABORT] = "PrepareAbort",
    [TXN_COMPLETE_COMMIT] = "CompleteCommit",
    [TXN_COMPLETE_ABORT] = "CompleteAbort",
    [TXN_DEAD] = "Dead", /* the last two are states of Kafka's that no transaction here is in */
    [TXN_PREPARE_FENCE] = "PrepareEpochFence",
};
enum { STATES = sizeof state_names / sizeof *state_names };

static struct view
state_name(int8_t status)
{
    must(status >= 0 && status < STATES);
    return view_of_text(state_names[status]);
}

/* -1: there is none of that name. */
static int
state_find(struct view name)
{
    for (int i = 0; i < STATES; i++)
        if (view_equal(name, view_of_text(state_names[i])))
            return i;
    return -1;
}

/* ---- DescribeTransactions ---- */

/* The partitions, which are sorted by topic. */
static void
topics_tell(struct coord_step *step, const struct txn_meta *m,
            struct wire_describe_transactions_response_topic_data_array *out)
{
    uint32_t topics = 0;
    for (uint32_t i = 0; i < m->part_count; i++)
        topics += i == 0 || !view_equal(m->parts[i].topic, m->parts[i - 1].topic);
    out->items =
        wire_items(step->arena, &wire_describe_transactions_response_topic_data_struct, topics);
    int32_t *numbers = wire_arena_take(step->arena, (m->part_count + 1) * sizeof *numbers);
    must(out->items && numbers);
    for (uint32_t i = 0; i < m->part_count; i++) {
        if (i == 0 || !view_equal(m->parts[i].topic, m->parts[i - 1].topic))
            out->items[out->count++] = (struct wire_describe_transactions_response_topic_data){
                .topic = m->parts[i].topic, .partitions = {numbers + i, 0}};
        numbers[i] = m->parts[i].partition;
        out->items[out->count - 1].partitions.count++;
    }
}

static void
describe_one(const struct txn *t, struct coord_step *step, struct view id,
             struct wire_describe_transactions_response_transaction_state *out)
{
    const struct txn_meta *m = txn_find(t, id);
    out->transactional_id = id;
    out->transaction_state = view_of_text("");
    if (id.len == 0 || !m) {
        out->error_code = id.len ? KERR_TRANSACTIONAL_ID_NOT_FOUND : KERR_INVALID_REQUEST;
        return;
    }
    out->transaction_state = state_name(m->v.status);
    out->transaction_timeout_ms = m->v.timeout_ms;
    out->transaction_start_time_ms = m->v.start_ms;
    out->producer_id = m->v.producer_id;
    out->producer_epoch = m->v.epoch;
    topics_tell(step, m, &out->topics);
}

static void
describe_all(const struct txn *t, struct coord_step *step, const struct coord_request *r,
             int16_t error)
{
    const struct wire_describe_transactions_request *q = r->body;
    struct wire_describe_transactions_response a;
    wire_init(r->api->response, &a);
    int32_t count = q->transactional_ids.count > 0 ? q->transactional_ids.count : 0;
    a.transaction_states.items =
        wire_items(step->arena, &wire_describe_transactions_response_transaction_state_struct,
                   (uint32_t)count);
    must(a.transaction_states.items);
    for (int32_t i = 0; i < count; i++) {
        struct view id = q->transactional_ids.items[i];
        struct wire_describe_transactions_response_transaction_state *one =
            &a.transaction_states.items[a.transaction_states.count++];
        if (error == KERR_NONE) {
            describe_one(t, step, id, one);
        } else {
            one->transactional_id = id;
            one->transaction_state = view_of_text("");
            one->error_code = error;
        }
    }
    step->ops->reply(step->user, r->token, &a);
}

void
txn_list_describe(const struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    describe_all(t, step, r, KERR_NONE);
}

void
txn_list_describe_refuse(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    describe_all(NULL, step, r, error);
}

/* ---- ListTransactions ---- */

struct filter {
    const struct wire_list_transactions_request *q;
    uint32_t states; /* a bit for each wanted; of names that are none: no bit */
    const struct regex_port *port;
    void *regex; /* NULL: any name */
    int64_t now_ms;
};

static bool
producer_wanted(const struct filter *f, int64_t producer_id)
{
    for (int32_t i = 0; i < f->q->producer_id_filters.count; i++)
        if (f->q->producer_id_filters.items[i] == producer_id)
            return true;
    return f->q->producer_id_filters.count <= 0;
}

static bool
wanted(const struct filter *f, const struct txn_meta *m)
{
    if (!producer_wanted(f, m->v.producer_id))
        return false;
    if (f->q->state_filters.count > 0 && !(f->states >> m->v.status & 1))
        return false;
    /* As Kafka, whose start is -1 too where there is no transaction: such are old enough. */
    if (f->q->duration_filter >= 0 && f->now_ms - m->v.start_ms <= f->q->duration_filter)
        return false;
    return !f->regex || f->port->matches(f->regex, m->id.at, m->id.len);
}

static void
states_read(struct coord_step *step, struct filter *f, struct wire_list_transactions_response *a)
{
    int32_t count = f->q->state_filters.count > 0 ? f->q->state_filters.count : 0;
    a->unknown_state_filters.items =
        wire_arena_take(step->arena, ((size_t)count + 1) * sizeof *a->unknown_state_filters.items);
    must(a->unknown_state_filters.items);
    for (int32_t i = 0; i < count; i++) {
        int s = state_find(f->q->state_filters.items[i]);
        if (s < 0)
            a->unknown_state_filters.items[a->unknown_state_filters.count++] =
                f->q->state_filters.items[i];
        else
            f->states |= 1u << s;
    }
}

static void
list_collect(const struct txn *t, struct coord_step *step, const struct filter *f,
             struct wire_list_transactions_response *a)
{
    a->transaction_states.items = wire_items(
        step->arena, &wire_list_transactions_response_transaction_state_struct, t->count);
    must(a->transaction_states.items);
    for (uint32_t i = 0; i < t->bucket_count; i++)
        for (const struct txn_meta *m = t->buckets[i]; m; m = m->next)
            if (wanted(f, m)) {
                struct wire_list_transactions_response_transaction_state *one =
                    &a->transaction_states.items[a->transaction_states.count++];
                one->transactional_id = m->id;
                one->producer_id = m->v.producer_id;
                one->transaction_state = state_name(m->v.status);
            }
}

void
txn_list_all(const struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    struct filter f = {.q = r->body, .port = t->config.regex, .now_ms = step->now_ms};
    struct view pattern = f.q->transactional_id_pattern;
    struct wire_list_transactions_response a;
    char why[REGEX_ERROR_BYTES];
    wire_init(r->api->response, &a);
    states_read(step, &f, &a);
    if (pattern.len) {
        f.regex = f.port ? f.port->compile(pattern.at, pattern.len, why) : NULL;
        if (!f.regex)
            a.error_code = KERR_INVALID_REGULAR_EXPRESSION;
    }
    if (a.error_code == KERR_NONE)
        list_collect(t, step, &f, &a);
    if (f.regex)
        f.port->free(f.regex);
    step->ops->reply(step->user, r->token, &a);
}

void
txn_list_all_refuse(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_list_transactions_response a;
    wire_init(r->api->response, &a);
    a.error_code = error;
    step->ops->reply(step->user, r->token, &a);
}

/* ---- from outside ---- */

uint32_t
txn_list_bucket(const struct txn *t, uint32_t bucket,
                void (*tell)(void *user, const struct txn_fact *fact), void *user)
{
    const struct txn_meta *m = bucket < t->bucket_count ? t->buckets[bucket] : NULL;
    for (; m; m = m->next) {
        must(m->v.status >= 0 && m->v.status < STATES);
        struct txn_fact f = {.id = m->id,
                             .state = state_names[m->v.status],
                             .producer_id = m->v.producer_id,
                             .epoch = m->v.epoch,
                             .timeout_ms = m->v.timeout_ms,
                             .start_ms = m->v.start_ms,
                             .partitions = m->part_count};
        tell(user, &f);
    }
    return t->bucket_count;
}
