/* server_markers.c: see server_markers.h.
 *
 * A marker is DUE (its order is not durable, or there is no room), OUT (called), or LANDED: written
 * to a partition of __consumer_offsets whose coordinator is being loaded and has to hear of it.
 *
 * I1 There is one marker of a transaction for each partition, until its result is told. */
#include "control/server/server_markers.h"
#include "control/server/server_internal.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

enum { BUCKETS = 4096, CALL_VERSION = 2, POLL_MS = 10, ARENA_BYTES = 64 << 10 };

enum marker_state { MARKER_DUE, MARKER_OUT, MARKER_LANDED };

struct marker {
    struct list link; /* in due, out or landed */
    struct list bucket;
    enum marker_state state;
    int32_t home; /* partition of __transaction_state */
    struct server_coord_mark mark;
    int64_t producer_id;
    int16_t producer_epoch, version;
    bool commit;
    int32_t partition;
    struct view id, topic; /* in text */
    uint8_t text[];
};

struct server_markers {
    struct server_markers_config config;
    struct list buckets[BUCKETS];
    struct list due, out, landed;
    uint32_t count;
    uint8_t arena_at[ARENA_BYTES];
};

struct server_markers *
server_markers_new(const struct server_markers_config *config)
{
    struct server_markers *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->config = *config;
    for (uint32_t i = 0; i < BUCKETS; i++)
        list_init(&m->buckets[i]);
    list_init(&m->due);
    list_init(&m->out);
    list_init(&m->landed);
    return m;
}

static void
marker_free(struct server_markers *m, struct marker *k)
{
    list_remove(&k->link);
    list_remove(&k->bucket);
    m->count--;
    free(k);
}

void
server_markers_free(struct server_markers *m)
{
    if (!m)
        return;
    struct list *lists[] = {&m->due, &m->out, &m->landed}, *at;
    for (uint32_t i = 0; i < 3; i++)
        while ((at = list_first(lists[i])))
            marker_free(m, list_item(at, struct marker, link));
    free(m);
}

uint32_t
server_markers_count(const struct server_markers *m)
{
    return m->count;
}

/* ---- orders ---- */

static struct list *
bucket_of(struct server_markers *m, struct view id, struct view topic, int32_t partition)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint32_t)partition;
    for (uint32_t i = 0; i < id.len; i++)
        h = (h ^ id.at[i]) * UINT64_C(0x100000001b3);
    for (uint32_t i = 0; i < topic.len; i++)
        h = (h ^ topic.at[i]) * UINT64_C(0x100000001b3);
    return &m->buckets[(h >> 32) % BUCKETS];
}

static struct marker *
marker_find(struct server_markers *m, struct view id, const struct txn_part *part)
{
    struct list *b = bucket_of(m, id, part->topic, part->partition);
    for (struct list *at = b->next; at != b; at = at->next) {
        struct marker *k = list_item(at, struct marker, bucket);
        if (k->partition == part->partition && view_equal(k->id, id) &&
            view_equal(k->topic, part->topic))
            return k;
    }
    return NULL;
}

static struct marker *
marker_make(struct server_markers *m, struct view id, const struct txn_part *part)
{
    struct marker *k = calloc(1, sizeof *k + id.len + part->topic.len);
    must(k != NULL);
    if (id.len)
        memcpy(k->text, id.at, id.len);
    if (part->topic.len)
        memcpy(k->text + id.len, part->topic.at, part->topic.len);
    k->id = view_of(k->text, id.len);
    k->topic = view_of(k->text + id.len, part->topic.len);
    k->partition = part->partition;
    list_push_back(&m->due, &k->link);
    list_push_back(bucket_of(m, id, part->topic, part->partition), &k->bucket);
    m->count++;
    return k;
}

void
server_markers_order(struct server_markers *m, int32_t partition, const struct txn_order *order)
{
    for (uint32_t i = 0; i < order->count; i++) {
        const struct txn_part *part = &order->parts[i];
        if (part->marked)
            continue;
        struct marker *k = marker_find(m, order->transactional_id, part);
        if (!k)
            k = marker_make(m, order->transactional_id, part);
        /* On its way it is of this very transaction, which is not complete without its result. */
        k->home = partition;
        server_coord_mark(m->config.transactions, partition, &k->mark);
        if (k->state != MARKER_DUE)
            continue;
        k->producer_id = order->producer_id;
        k->producer_epoch = order->producer_epoch;
        k->version = order->version;
        k->commit = order->commit;
    }
}

/* ---- results ---- */

static void
mark_tell(void *machine, struct coord_step *step, void *arg)
{
    txn_marked(machine, step, arg);
}

/* Ends a marker.  A coordinator that is being loaded orders it anew. */
static void
marker_end(struct server_markers *m, struct marker *k, int16_t error, int64_t now_ms)
{
    struct txn_mark mark = {.transactional_id = k->id,
                            .producer_id = k->producer_id,
                            .producer_epoch = k->producer_epoch,
                            .topic = k->topic,
                            .partition = k->partition,
                            .error = error};
    list_remove(&k->bucket); /* an order of the step below is of the next transaction */
    server_coord_visit(m->config.transactions, k->home, mark_tell, &mark, now_ms);
    marker_free(m, k);
}

static bool
of_groups(const struct marker *k)
{
    return view_equal(k->topic, view_of_text(server_internal_name(SERVER_GROUPS)));
}

/* False: the group's coordinator is being loaded. */
static bool
groups_tell(struct server_markers *m, const struct marker *k)
{
    struct coord_place place = {
        .offset = -1, .producer_id = k->producer_id, .producer_epoch = k->producer_epoch};
    const struct meta_topic *t = meta_topic_by_name(&m->config.core->image, k->topic);
    if (!t || (uint32_t)k->partition >= t->partition_count)
        return true; /* with all groups in it */
    if (!server_coord_active(m->config.groups, k->partition))
        return false;
    server_coord_marker(m->config.groups, k->partition, &place, k->commit);
    return true;
}

static int16_t
answer_read(struct server_markers *m, struct view body)
{
    struct wire_write_txn_markers_response a;
    struct wire_arena arena;
    wire_arena_init(&arena, m->arena_at, sizeof m->arena_at);
    int rc = wire_decode(wire_api_find(WIRE_API_WRITE_TXN_MARKERS)->response, CALL_VERSION, body,
                         &a, &arena);
    if (rc != ERR_OK || a.markers.count != 1 || a.markers.items[0].topics.count != 1 ||
        a.markers.items[0].topics.items[0].partitions.count != 1) {
        log_error("coordinator", "the answer to a marker cannot be read");
        return KERR_UNKNOWN_SERVER_ERROR;
    }
    return a.markers.items[0].topics.items[0].partitions.items[0].error_code;
}

void
server_markers_done(struct server_markers *m, uint64_t token, int err, struct view body,
                    int64_t now_ms)
{
    struct marker *k = (struct marker *)(uintptr_t)(token & (UINT64_MAX >> 8));
    must(k->state == MARKER_OUT);
    int16_t error = err == ERR_OK ? answer_read(m, body) : KERR_NETWORK_EXCEPTION;
    if (error != KERR_NONE)
        log_debug("coordinator", "a marker was not written topic=%.*s partition=%d error=%s",
                  (int)k->topic.len, (const char *)k->topic.at, k->partition, kerr_name(error));
    if (error == KERR_NONE && of_groups(k) && !groups_tell(m, k)) {
        k->state = MARKER_LANDED;
        list_remove(&k->link);
        list_push_back(&m->landed, &k->link);
        return;
    }
    marker_end(m, k, error, now_ms);
}

/* ---- sending ---- */

static int
marker_call(struct server_markers *m, struct marker *k, uint32_t shard, int32_t coordinator_epoch)
{
    struct wire_write_txn_markers_request_writable_txn_marker_topic topic = {
        .name = k->topic, .partition_indexes = {&k->partition, 1}};
    struct wire_write_txn_markers_request_writable_txn_marker one = {
        .producer_id = k->producer_id,
        .producer_epoch = k->producer_epoch,
        .transaction_result = k->commit,
        .topics = {&topic, 1},
        .coordinator_epoch = coordinator_epoch,
        .transaction_version = (int8_t)k->version};
    struct wire_write_txn_markers_request request = {.markers = {&one, 1}};
    uint64_t token = (uint64_t)m->config.kind << 56 | (uint64_t)(uintptr_t)k;
    return server_inner_call(m->config.inner, shard, wire_api_find(WIRE_API_WRITE_TXN_MARKERS),
                             CALL_VERSION, &request, token);
}

/* ERR_AGAIN: not now.  Anything else: it is not due any more. */
static int
marker_send(struct server_markers *m, struct marker *k, int64_t now_ms)
{
    const struct meta_image *image = &m->config.core->image;
    const struct meta_topic *t = meta_topic_by_name(image, k->topic);
    const struct meta_topic *home =
        meta_topic_by_name(image, view_of_text(server_internal_name(SERVER_TRANSACTIONS)));
    if (!home || (uint32_t)k->home >= home->partition_count) {
        marker_free(m, k);
        return ERR_OK;
    }
    if (!t || k->partition < 0 || (uint32_t)k->partition >= t->partition_count) {
        marker_end(m, k, KERR_NONE, now_ms);
        return ERR_OK;
    }
    if (of_groups(k) && !server_coord_flushed(m->config.groups, k->partition))
        return ERR_AGAIN;
    uint32_t shard;
    int rc = server_publish_shard(m->config.publish, t->partitions[k->partition].slot, &shard);
    if (rc != ERR_OK)
        return ERR_AGAIN; /* not open yet */
    rc = marker_call(m, k, shard, home->partitions[k->home].leader_epoch);
    if (rc != ERR_OK)
        return rc;
    k->state = MARKER_OUT;
    list_remove(&k->link);
    list_push_back(&m->out, &k->link);
    return ERR_OK;
}

int64_t
server_markers_step(struct server_markers *m, int64_t now_ms)
{
    struct list due, *at;
    bool waits = !list_empty(&m->landed);
    for (struct list *next = m->landed.next; (at = next) != &m->landed;) {
        struct marker *k = list_item(at, struct marker, link);
        next = at->next;
        if (groups_tell(m, k))
            marker_end(m, k, KERR_NONE, now_ms);
    }
    list_init(&due);
    while ((at = list_first(&m->due))) {
        list_remove(at);
        list_push_back(&due, at);
    }
    while ((at = list_first(&due))) {
        struct marker *k = list_item(at, struct marker, link);
        int rc = server_coord_reached(m->config.transactions, k->home, &k->mark);
        if (rc == ERR_NOT_FOUND) { /* its records may never have been written */
            marker_free(m, k);
            continue;
        }
        list_remove(at);
        list_push_back(&m->due, at);
        if (rc == ERR_OK)
            waits = marker_send(m, k, now_ms) == ERR_AGAIN || waits;
    }
    return waits ? now_ms + POLL_MS : INT64_MAX;
}
