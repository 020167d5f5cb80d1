/* rdk.c: the librdkafka client of sluice-bench: a producer and a consumer as applications have
 * them.
 *
 * Each producer and each consumer is a handle with a thread of its own and a tally of its own, so
 * the threads meet only when an interval ends.  A record's value begins with the time it was due; a
 * delivery report and a consumer read it there.
 *
 * Open loop: record k of a producer is due at start + k * producers / rate, and its batch leaves
 * when librdkafka thinks fit; its latency, linger included, counts from when it was due.  A full
 * queue holds records back, with their due times. */
#include "bench/load/bench.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WORKERS_MAX = 256,
    POLL_EVERY = 64,
    FLUSH_MS = 60000,
    TXN_TIMEOUT_MS = 60000,
    CONSUME_MS = 50,
    BATCH_MAX = 512,
    KEY_BYTES = 14
};
static const uint64_t STAMP_AGE_MAX_NS = UINT64_C(3600000000000);

struct worker {
    const struct bench_options *o;
    pthread_t thread;
    pthread_mutex_t lock; /* of tally */
    struct bench_tally tally;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    atomic_bool *stop;
    uint64_t start_ns, sent; /* records of this producer */
    uint32_t index;
    bool consumer;
    char last_error[160];
};

static void
failed(struct worker *w, const char *what)
{
    pthread_mutex_lock(&w->lock);
    w->tally.errors++;
    if (strcmp(w->last_error, what) != 0) {
        snprintf(w->last_error, sizeof w->last_error, "%s", what);
        fprintf(stderr, "sluice-bench: %s\n", what);
    }
    pthread_mutex_unlock(&w->lock);
}

static uint64_t
stamp_of(const rd_kafka_message_t *m, uint64_t now_ns)
{
    uint64_t v;
    if (m->len < sizeof v)
        return 0;
    memcpy(&v, m->payload, sizeof v);
    v = __builtin_bswap64(v);
    return v < now_ns && now_ns - v < STAMP_AGE_MAX_NS ? v : 0;
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct worker *w = opaque;
    uint64_t now_ns = bench_now_ns(), stamp = stamp_of(m, now_ns);
    (void)rk;
    if (m->err) {
        failed(w, rd_kafka_err2str(m->err));
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->tally.records++;
    w->tally.bytes += m->len;
    if (stamp)
        hist_add(&w->tally.latency[BENCH_PRODUCE], now_ns - stamp, 1);
    pthread_mutex_unlock(&w->lock);
}

static void
set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, key, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "sluice-bench: %s\n", text);
        exit(2);
    }
}

static rd_kafka_t *
handle_new(struct worker *w)
{
    const struct bench_options *o = w->o;
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(text, sizeof text, "%s:%u", o->host, o->port);
    set(conf, "bootstrap.servers", text);
    if (w->consumer) {
        set(conf, "group.id", o->group ? o->group : "bench-nobody");
        set(conf, "auto.offset.reset", o->from_start ? "earliest" : "latest");
        set(conf, "enable.auto.commit", o->group ? "true" : "false");
        set(conf, "fetch.wait.max.ms", "100");
    } else {
        set(conf, "acks", o->acks == 1 ? "1" : "all");
        snprintf(text, sizeof text, "%g", o->linger_ms);
        set(conf, "linger.ms", text);
        set(conf, "batch.size", "1000000");
        set(conf, "queue.buffering.max.messages", "1000000");
        set(conf, "queue.buffering.max.kbytes", "262144");
        set(conf, "compression.codec", o->compression);
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    if (!w->consumer && o->txn_records > 0) {
        snprintf(text, sizeof text, "%s-txn-%u", o->topic, w->index);
        set(conf, "transactional.id", text);
    }
    for (uint32_t i = 0; i < o->setting_count; i++) {
        const char *equals = strchr(o->settings[i], '=');
        snprintf(text, sizeof text, "%.*s", (int)(equals - o->settings[i]), o->settings[i]);
        set(conf, text, equals + 1);
    }
    rd_kafka_conf_set_opaque(conf, w);
    rd_kafka_t *rk =
        rd_kafka_new(w->consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        fprintf(stderr, "sluice-bench: %s\n", text);
        exit(2);
    }
    return rk;
}

/* Creates the topic when it is not there. */
static void
topic_create(const struct bench_options *o)
{
    struct worker w = {.o = o};
    char text[256];
    pthread_mutex_init(&w.lock, NULL);
    struct bench_options plain = *o;
    plain.txn_records = 0;
    w.o = &plain;
    rd_kafka_t *rk = handle_new(&w);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *t =
        rd_kafka_NewTopic_new(o->topic, (int)o->partitions, 1, text, sizeof text);
    rd_kafka_CreateTopics(rk, &t, 1, NULL, q);
    rd_kafka_event_t *e = rd_kafka_queue_poll(q, FLUSH_MS);
    size_t n = 0;
    const rd_kafka_topic_result_t **results =
        e ? rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(e), &n) : NULL;
    if (n != 1 ||
        (rd_kafka_topic_result_error(results[0]) &&
         rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)) {
        fprintf(stderr, "sluice-bench: CreateTopics: %s\n",
                n == 1 ? rd_kafka_topic_result_error_string(results[0]) : "no answer");
        exit(1);
    }
    rd_kafka_event_destroy(e);
    rd_kafka_NewTopic_destroy(t);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
}

/* One record; waits while the queue is full.  False when the run is over. */
static bool
produce(struct worker *w, uint8_t *value, uint64_t due_ns)
{
    const struct bench_options *o = w->o;
    char key[KEY_BYTES + 1];
    size_t key_len = 0;
    int32_t partition = (int32_t)(w->sent / POLL_EVERY % o->partitions);
    uint64_t stamp = __builtin_bswap64(due_ns);
    if (o->record_bytes >= sizeof stamp)
        memcpy(value, &stamp, sizeof stamp);
    if (o->keys > 0) {
        /* Multiplying by an odd constant visits the keys in an order that looks random. */
        uint32_t i = (uint32_t)((w->sent + w->index) * UINT64_C(0x9e3779b1) % o->keys);
        key_len = (size_t)snprintf(key, sizeof key, "key-%010u", i);
        partition = RD_KAFKA_PARTITION_UA;
    }
    while (rd_kafka_produce(w->topic, partition, RD_KAFKA_MSG_F_COPY, value, o->record_bytes,
                            key_len ? key : NULL, key_len, NULL)) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            failed(w, rd_kafka_err2str(rd_kafka_last_error()));
        if (atomic_load(w->stop))
            return false;
        rd_kafka_poll(w->rk, 5);
    }
    if (w->sent++ % POLL_EVERY == 0)
        rd_kafka_poll(w->rk, 0);
    return true;
}

/* Open loop: when the next record is due, sleeping until then; closed: now. */
static uint64_t
due(struct worker *w)
{
    const struct bench_options *o = w->o;
    uint64_t now_ns = bench_now_ns();
    if (o->rate <= 0)
        return now_ns;
    double gap_ns = 1e9 * o->producers / o->rate;
    uint64_t due_ns =
        w->start_ns + (uint64_t)(((double)w->sent + (double)w->index / o->producers) * gap_ns);
    while (due_ns > now_ns && !atomic_load(w->stop)) {
        uint64_t left = due_ns - now_ns < 10000000 ? due_ns - now_ns : 10000000;
        if (rd_kafka_poll(w->rk, 0) == 0)
            nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
        now_ns = bench_now_ns();
    }
    pthread_mutex_lock(&w->lock);
    w->tally.due++;
    hist_add(&w->tally.latency[BENCH_LATE], now_ns > due_ns ? now_ns - due_ns : 0, 1);
    pthread_mutex_unlock(&w->lock);
    return due_ns;
}

static void
txn_check(struct worker *w, rd_kafka_error_t *e)
{
    if (!e)
        return;
    failed(w, rd_kafka_error_string(e));
    if (rd_kafka_error_txn_requires_abort(e)) {
        rd_kafka_error_t *again = rd_kafka_abort_transaction(w->rk, TXN_TIMEOUT_MS);
        if (again)
            rd_kafka_error_destroy(again);
    }
    rd_kafka_error_destroy(e);
}

/* Transactions of txn_records each: committed before the next begins; timed from its begin. */
static void
produce_txns(struct worker *w, uint8_t *value)
{
    txn_check(w, rd_kafka_init_transactions(w->rk, TXN_TIMEOUT_MS));
    while (!atomic_load(w->stop)) {
        uint64_t begun_ns = due(w);
        txn_check(w, rd_kafka_begin_transaction(w->rk));
        for (uint32_t i = 0; i < w->o->txn_records; i++)
            produce(w, value, begun_ns);
        rd_kafka_error_t *e = rd_kafka_commit_transaction(w->rk, TXN_TIMEOUT_MS);
        uint64_t took_ns = bench_now_ns() - begun_ns;
        bool committed = !e;
        txn_check(w, e);
        if (!committed)
            continue;
        pthread_mutex_lock(&w->lock);
        w->tally.requests++;
        hist_add(&w->tally.latency[BENCH_COMMIT], took_ns, 1);
        pthread_mutex_unlock(&w->lock);
    }
}

static void *
producer_run(void *argument)
{
    struct worker *w = argument;
    uint8_t *value = malloc(w->o->record_bytes + BENCH_STAMP_BYTES);
    if (!value)
        bench_die("memory");
    for (uint32_t k = 0; k < w->o->record_bytes; k++)
        value[k] = (uint8_t)(k * 2654435761u >> 11);
    if (w->o->txn_records > 0)
        produce_txns(w, value);
    else
        while (!atomic_load(w->stop) && produce(w, value, due(w)))
            ;
    free(value);
    return NULL;
}

static void
consumed(struct worker *w, rd_kafka_message_t **messages, ssize_t n)
{
    uint64_t now_ns = bench_now_ns();
    pthread_mutex_lock(&w->lock);
    for (ssize_t i = 0; i < n; i++) {
        uint64_t stamp = messages[i]->err ? 0 : stamp_of(messages[i], now_ns);
        if (messages[i]->err)
            continue;
        w->tally.consumed++;
        w->tally.consumed_bytes += messages[i]->len;
        if (stamp)
            hist_add(&w->tally.latency[BENCH_E2E], now_ns - stamp, 1);
    }
    pthread_mutex_unlock(&w->lock);
    for (ssize_t i = 0; i < n; i++)
        rd_kafka_message_destroy(messages[i]);
}

static void *
consumer_run(void *argument)
{
    struct worker *w = argument;
    const struct bench_options *o = w->o;
    rd_kafka_message_t *messages[BATCH_MAX];
    rd_kafka_queue_t *q = rd_kafka_queue_get_consumer(w->rk);
    uint64_t begun_ns = bench_now_ns(), read = 0;
    size_t most = BATCH_MAX;
    if (o->consume_rate > 0 && o->consume_rate < BATCH_MAX * 20)
        most = (size_t)(o->consume_rate / 20) + 1;
    while (!atomic_load(w->stop)) {
        uint64_t now_ns = bench_now_ns();
        uint64_t next_ns =
            o->consume_rate > 0 ? begun_ns + (uint64_t)((double)read * 1e9 / o->consume_rate) : 0;
        if (next_ns > now_ns) {
            uint64_t left = next_ns - now_ns < 50000000 ? next_ns - now_ns : 50000000;
            nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
            continue;
        }
        ssize_t n = rd_kafka_consume_batch_queue(q, CONSUME_MS, messages, most);
        if (n > 0) {
            consumed(w, messages, n);
            read += (uint64_t)n;
        }
    }
    rd_kafka_queue_destroy(q);
    rd_kafka_consumer_close(w->rk);
    return NULL;
}

static void
consumer_begin(struct worker *w)
{
    const struct bench_options *o = w->o;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)o->partitions);
    rd_kafka_poll_set_consumer(w->rk);
    if (o->group) {
        rd_kafka_topic_partition_list_add(list, o->topic, RD_KAFKA_PARTITION_UA);
        rd_kafka_subscribe(w->rk, list);
    } else {
        uint32_t step = o->fan_out ? 1 : o->consumers;
        for (uint32_t p = o->fan_out ? 0 : w->index; p < o->partitions; p += step)
            rd_kafka_topic_partition_list_add(list, o->topic, (int32_t)p)->offset =
                o->from_start ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
        rd_kafka_assign(w->rk, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* What the workers counted becomes part of the interval. */
static void
gather(struct bench_clock *clock, struct worker *workers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct worker *w = &workers[i];
        pthread_mutex_lock(&w->lock);
        bench_tally_merge(&clock->interval, &w->tally);
        memset(&w->tally, 0, sizeof w->tally);
        pthread_mutex_unlock(&w->lock);
    }
}

static void
workers_end(const struct bench_options *o, struct worker *workers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct worker *w = &workers[i];
        if (!w->consumer && o->txn_records == 0 && rd_kafka_flush(w->rk, FLUSH_MS))
            failed(w, "records that were never delivered");
        if (w->topic)
            rd_kafka_topic_destroy(w->topic);
        rd_kafka_destroy(w->rk);
        pthread_mutex_destroy(&w->lock);
    }
}

void
rdk_run(const struct bench_options *o, struct bench_result *result)
{
    uint32_t count = o->producers + o->consumers;
    struct worker *workers = calloc(count, sizeof *workers);
    struct bench_clock *clock = calloc(1, sizeof *clock);
    atomic_bool stop = false;
    if (!workers || !clock || count > WORKERS_MAX)
        bench_die("memory, or fewer producers and consumers (256 in all)");
    if (o->create)
        topic_create(o);
    for (uint32_t i = 0; i < count; i++) {
        struct worker *w = &workers[i];
        w->o = o;
        w->consumer = i >= o->producers;
        w->index = w->consumer ? i - o->producers : i;
        w->stop = &stop;
        pthread_mutex_init(&w->lock, NULL);
        w->rk = handle_new(w);
        if (w->consumer)
            consumer_begin(w);
        else
            w->topic = rd_kafka_topic_new(w->rk, o->topic, NULL);
    }
    bench_clock_start(clock, o, result);
    for (uint32_t i = 0; i < count; i++) {
        workers[i].start_ns = clock->start_ns;
        if (pthread_create(&workers[i].thread, NULL,
                           workers[i].consumer ? consumer_run : producer_run, &workers[i]))
            bench_die("a thread");
    }
    do {
        uint64_t now_ns = bench_now_ns(), next_ns = bench_clock_next(clock);
        if (next_ns > now_ns)
            nanosleep(&(struct timespec){(time_t)((next_ns - now_ns) / 1000000000),
                                         (long)((next_ns - now_ns) % 1000000000)},
                      NULL);
        gather(clock, workers, count);
    } while (bench_clock_tick(clock, bench_now_ns()));
    bench_clock_end(clock);
    atomic_store(&stop, true);
    workers_end(o, workers, count);
    /* What the flush brought counts too when it was due in time: the worst comes last. */
    for (uint32_t i = 0; i < count; i++) {
        result->tally.errors += workers[i].tally.errors;
        if (o->rate > 0)
            hist_merge(&result->tally.latency[BENCH_PRODUCE],
                       &workers[i].tally.latency[BENCH_PRODUCE]);
    }
    free(workers);
    free(clock);
}
