/* lens_answer.h: the lenses' response writers against the walker, for unit tests and fuzzing.  The
 * functions copy what a decoded response says through the lens and through the walker and abort
 * (must) where the bytes differ.  What a lens cannot say is left out of both. */
#ifndef SLUICE_TESTS_WIRE_LENS_ANSWER_H
#define SLUICE_TESTS_WIRE_LENS_ANSWER_H

#include "core/base/err.h"
#include "core/wire/lens.h"
#include "core/wire/wire_gen.h"

#include <stdio.h>

enum { ANSWER_ROOM = 1 << 20, ANSWER_TEXT = 40000, ANSWER_ABORTED = 64 };

static uint8_t answer_lens[ANSWER_ROOM], answer_walker[ANSWER_ROOM];
static struct put answer_w;

static inline void
answer_same(const struct wire_message *m, int16_t version, const void *r)
{
    struct put w = put_of(answer_walker, sizeof answer_walker);
    int e = wire_encode(m, version, r, &w);
    must((e == ERR_FULL) == answer_w.bad);
    if (e == ERR_FULL)
        return;
    must(e == ERR_OK);
    must(view_equal(view_of(answer_lens, put_len(&answer_w)), view_of(answer_walker, put_len(&w))));
}

/* A hint without a leader is none. */
#define answer_leader(l)                                                                           \
    do {                                                                                           \
        if ((l).leader_id < 0)                                                                     \
            (l).leader_id = (l).leader_epoch = -1;                                                 \
    } while (0)

static inline void
answer_produce_partition(struct wire_produce_response_partition_produce_response *p,
                         int16_t version)
{
    static char text[ANSWER_TEXT];
    static struct lens_record_error errors[ANSWER_ABORTED];
    answer_leader(p->current_leader);
    uint32_t error_count = 0;
    for (int32_t i = 0; i < p->record_errors.count && i < ANSWER_ABORTED; i++) {
        if (!p->record_errors.items[i]
                 .batch_index_error_message.at) /* the lens has no null there */
            p->record_errors.items[i].batch_index_error_message = view_of("", 0);
        errors[error_count++] =
            (struct lens_record_error){p->record_errors.items[i].batch_index,
                                       p->record_errors.items[i].batch_index_error_message};
    }
    p->record_errors.count = (int32_t)error_count;
    bool message = version >= 8 && p->error_message.at;
    if (message) {
        size_t n = strnlen((const char *)p->error_message.at, p->error_message.len);
        memcpy(text, p->error_message.at, n);
        text[n] = 0;
        p->error_message.len = (uint32_t)n;
    }
    struct lens_produce_result r = {
        .index = p->index,
        .error = p->error_code,
        .base_offset = p->base_offset,
        .log_append_time_ms = p->log_append_time_ms,
        .log_start_offset = p->log_start_offset,
        .error_message = message ? text : NULL,
        .record_errors = errors,
        .record_error_count = error_count,
        .leader_id = p->current_leader.leader_id,
        .leader_epoch = p->current_leader.leader_epoch,
    };
    lens_produce_answer_partition(&answer_w, version, &r);
}

static inline void
answer_produce(struct wire_produce_response *r, int16_t version)
{
    answer_w = put_of(answer_lens, sizeof answer_lens);
    r->node_endpoints.count = 0;
    lens_produce_answer_begin(&answer_w, version, (uint32_t)r->responses.count);
    for (int32_t i = 0; i < r->responses.count; i++) {
        struct wire_produce_response_topic_produce_response *t = &r->responses.items[i];
        struct lens_produce_topic topic = {t->name, t->topic_id,
                                           (uint32_t)t->partition_responses.count};
        lens_produce_answer_topic(&answer_w, version, &topic);
        for (int32_t j = 0; j < t->partition_responses.count; j++)
            answer_produce_partition(&t->partition_responses.items[j], version);
        lens_produce_answer_end_topic(&answer_w, version);
    }
    lens_produce_answer_end(&answer_w, version, r->throttle_time_ms);
    answer_same(&wire_produce_response_message, version, r);
}

static inline void
answer_fetch_partition(struct wire_fetch_response_partition_data *p, int16_t version)
{
    struct lens_fetch_aborted aborted[ANSWER_ABORTED];
    answer_leader(p->current_leader);
    if (version < 16)
        p->current_leader.leader_id = p->current_leader.leader_epoch = -1;
    struct lens_fetch_diverging diverging = {p->diverging_epoch.epoch,
                                             p->diverging_epoch.end_offset};
    /* The walker leaves a field out when it has its default, as Kafka does. */
    bool diverges = version >= 12 && (diverging.epoch != -1 || diverging.end_offset != -1);
    if (!diverges)
        p->diverging_epoch.end_offset = p->diverging_epoch.epoch = -1;
    p->snapshot_id.epoch = -1;
    p->snapshot_id.end_offset = -1;
    p->preferred_read_replica = -1;
    if (!p->records.at)
        p->records = view_of("", 0);
    if (p->aborted_transactions.count > ANSWER_ABORTED)
        p->aborted_transactions.count = ANSWER_ABORTED;
    for (int32_t i = 0; i < p->aborted_transactions.count; i++) {
        aborted[i].producer_id = p->aborted_transactions.items[i].producer_id;
        aborted[i].first_offset = p->aborted_transactions.items[i].first_offset;
    }
    struct lens_fetch_result r = {
        .index = p->partition_index,
        .error = p->error_code,
        .high_watermark = p->high_watermark,
        .last_stable_offset = p->last_stable_offset,
        .log_start_offset = p->log_start_offset,
        .records_bytes = p->records.len,
        .leader_id = p->current_leader.leader_id,
        .leader_epoch = p->current_leader.leader_epoch,
        .aborted = p->aborted_transactions.count >= 0 ? aborted : NULL,
        .aborted_count = (uint32_t)p->aborted_transactions.count,
        .diverging = diverges ? &diverging : NULL,
    };
    lens_fetch_answer_partition(&answer_w, version, &r);
    put_bytes(&answer_w, p->records.at, p->records.len);
    if (r.leader_id >= 0 || diverges)
        lens_fetch_answer_end_partition_tags(&answer_w, version, &r);
    else
        lens_fetch_answer_end_partition(&answer_w, version);
}

static inline void
answer_fetch(struct wire_fetch_response *r, int16_t version)
{
    answer_w = put_of(answer_lens, sizeof answer_lens);
    r->node_endpoints.count = 0;
    lens_fetch_answer_begin(&answer_w, version, r->throttle_time_ms, r->error_code, r->session_id,
                            (uint32_t)r->responses.count);
    for (int32_t i = 0; i < r->responses.count; i++) {
        struct wire_fetch_response_fetchable_topic_response *t = &r->responses.items[i];
        struct lens_fetch_topic topic = {t->topic, t->topic_id, (uint32_t)t->partitions.count};
        lens_fetch_answer_topic(&answer_w, version, &topic);
        for (int32_t j = 0; j < t->partitions.count; j++)
            answer_fetch_partition(&t->partitions.items[j], version);
        lens_fetch_answer_end_topic(&answer_w, version);
    }
    lens_fetch_answer_end(&answer_w, version);
    answer_same(&wire_fetch_response_message, version, r);
}

#endif
