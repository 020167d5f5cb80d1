/* server_relay.c: see server_relay.h.
 *
 * A relay is DUE (coordinators have offsets that go first, or there is no room), OUT (called), or
 * LANDED: written, and a coordinator is being loaded that has to hear of it. */
#include "control/server/server_relay.h"
#include "control/server/server_internal.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

typedef struct wire_write_txn_markers_request_writable_txn_marker marker_in;
typedef struct wire_write_txn_markers_response_writable_txn_marker_result marker_out;

/* A decoded message is a few times its bytes: every partition index is 4 bytes in both. */
enum { POLL_MS = 5, ARENA_FACTOR = 16, ARENA_MORE = 4096 };

enum relay_state { RELAY_DUE, RELAY_OUT, RELAY_LANDED };

struct relay {
    struct list link;
    enum relay_state state;
    const struct wire_api *api;
    int16_t version;
    uint32_t shard;
    uint64_t token;
    int32_t correlation_id;
    int64_t until_ms;
    struct wire_write_txn_markers_request request; /* in `memory` */
    struct wire_write_txn_markers_response response;
    uint8_t *memory, *answer; /* answer: its body, with what was decoded of it behind */
    uint32_t answer_bytes;
};

struct server_relay {
    struct server_relay_config config;
    struct list relays;
    uint32_t count;
};

struct server_relay *
server_relay_new(const struct server_relay_config *config)
{
    struct server_relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->config = *config;
    list_init(&r->relays);
    return r;
}

static void
relay_free(struct server_relay *r, struct relay *x)
{
    list_remove(&x->link);
    r->count--;
    free(x->memory);
    free(x->answer);
    free(x);
}

void
server_relay_free(struct server_relay *r)
{
    struct list *at;
    while (r && (at = list_first(&r->relays)))
        relay_free(r, list_item(at, struct relay, link));
    free(r);
}

/* A copy of a message in memory of its own, decoded there. */
static int
keep(const struct wire_message *message, int16_t version, struct view body, void *out,
     uint8_t **memory)
{
    size_t room = (size_t)body.len * ARENA_FACTOR + ARENA_MORE;
    struct wire_arena arena;
    *memory = malloc(body.len + room);
    must(*memory != NULL);
    if (body.len)
        memcpy(*memory, body.at, body.len);
    wire_arena_init(&arena, *memory + body.len, room);
    return wire_decode(message, version, view_of(*memory, body.len), out, &arena);
}

int
server_relay_request(struct server_relay *r, const struct server_coord_origin *from,
                     const struct wire_api *api, int16_t version, struct view body, int64_t now_ms)
{
    if (r->count == SERVER_RELAYS_MAX)
        return ERR_LIMIT;
    struct relay *x = calloc(1, sizeof *x);
    must(x != NULL);
    x->api = api;
    x->version = version;
    x->shard = from->shard;
    x->token = from->token;
    x->correlation_id = from->correlation_id;
    x->until_ms = now_ms + SERVER_RELAY_WAIT_MS;
    list_push_back(&r->relays, &x->link);
    r->count++;
    int rc = keep(api->request, version, body, &x->request, &x->memory);
    if (rc != ERR_OK)
        relay_free(r, x);
    return rc;
}

/* ---- the coordinators of groups ---------------------------------------------------------------
 */

/* True when `look` is of each partition of __consumer_offsets that markers name. */
static bool
each_of_groups(struct server_relay *r, const struct relay *x,
               bool (*look)(struct server_relay *r, const struct relay *x, int32_t marker,
                            int32_t topic, int32_t part))
{
    struct view offsets = view_of_text(server_internal_name(SERVER_GROUPS));
    const struct meta_topic *t = meta_topic_by_name(&r->config.core->image, offsets);
    bool all = true;
    for (int32_t i = 0; t && i < x->request.markers.count; i++) {
        const marker_in *m = &x->request.markers.items[i];
        for (int32_t k = 0; k < m->topics.count; k++) {
            const struct wire_i32_array *parts = &m->topics.items[k].partition_indexes;
            for (int32_t n = 0; view_equal(m->topics.items[k].name, offsets) && n < parts->count;
                 n++)
                if (parts->items[n] >= 0 && (uint32_t)parts->items[n] < t->partition_count)
                    all = look(r, x, i, k, n) && all;
        }
    }
    return all;
}

static int32_t
partition_of(const struct relay *x, int32_t marker, int32_t topic, int32_t part)
{
    return x->request.markers.items[marker].topics.items[topic].partition_indexes.items[part];
}

static bool
flushed(struct server_relay *r, const struct relay *x, int32_t marker, int32_t topic, int32_t part)
{
    return server_coord_flushed(r->config.groups, partition_of(x, marker, topic, part));
}

static bool
served(struct server_relay *r, const struct relay *x, int32_t marker, int32_t topic, int32_t part)
{
    return server_coord_active(r->config.groups, partition_of(x, marker, topic, part));
}

static bool
tell(struct server_relay *r, const struct relay *x, int32_t marker, int32_t topic, int32_t part)
{
    const marker_in *m = &x->request.markers.items[marker];
    struct coord_place place = {
        .offset = -1, .producer_id = m->producer_id, .producer_epoch = m->producer_epoch};
    const marker_out *out = &x->response.markers.items[marker];
    if (out->topics.items[topic].partitions.items[part].error_code == KERR_NONE)
        server_coord_marker(r->config.groups, partition_of(x, marker, topic, part), &place,
                            m->transaction_result);
    return true;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void
relay_close(struct server_relay *r, struct relay *x)
{
    r->config.answer(r->config.user, x->shard, x->token, (struct view){0});
    relay_free(r, x);
}

static void
relay_answer(struct server_relay *r, struct relay *x)
{
    enum { HEADER_ROOM = 64 };
    uint32_t room = x->answer_bytes + HEADER_ROOM;
    uint8_t *at = malloc(room);
    must(at != NULL);
    struct put w = put_of(at, room);
    (void)each_of_groups(r, x, tell);
    wire_header_answer(&w, x->api, x->version, x->correlation_id);
    put_bytes(&w, x->answer, x->answer_bytes);
    must(!w.bad);
    r->config.answer(r->config.user, x->shard, x->token, view_of(at, put_len(&w)));
    free(at);
    relay_free(r, x);
}

/* The answer has a place for each partition of the request, in its order. */
static bool
answers_all(const struct relay *x)
{
    if (x->response.markers.count != x->request.markers.count)
        return false;
    for (int32_t i = 0; i < x->request.markers.count; i++) {
        const marker_in *in = &x->request.markers.items[i];
        const marker_out *out = &x->response.markers.items[i];
        if (out->topics.count != in->topics.count)
            return false;
        for (int32_t k = 0; k < in->topics.count; k++)
            if (out->topics.items[k].partitions.count !=
                in->topics.items[k].partition_indexes.count)
                return false;
    }
    return true;
}

/* True when it waits for a coordinator; otherwise it is answered and gone. */
static bool
landed(struct server_relay *r, struct relay *x, int64_t now_ms)
{
    if (now_ms < x->until_ms && !each_of_groups(r, x, served)) {
        x->state = RELAY_LANDED;
        return true;
    }
    relay_answer(r, x);
    return false;
}

void
server_relay_done(struct server_relay *r, uint64_t token, int err, struct view body, int64_t now_ms)
{
    struct relay *x = (struct relay *)(uintptr_t)(token & (UINT64_MAX >> 8));
    must(x->state == RELAY_OUT);
    if (err == ERR_CLOSED) { /* the dataplane, and the client's connection with it */
        relay_close(r, x);
        return;
    }
    x->answer_bytes = body.len;
    int rc = keep(x->api->response, x->version, body, &x->response, &x->answer);
    if (rc == ERR_OK && answers_all(x)) {
        (void)landed(r, x, now_ms);
        return;
    }
    log_error("coordinator", "the answer to markers of a client cannot be read");
    relay_close(r, x);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

/* True when it waits. */
static bool
relay_send(struct server_relay *r, struct relay *x, int64_t now_ms)
{
    if (now_ms < x->until_ms && !each_of_groups(r, x, flushed))
        return true;
    uint64_t token = (uint64_t)r->config.kind << 56 | (uint64_t)(uintptr_t)x;
    int rc = server_inner_call(r->config.inner, x->shard, x->api, x->version, &x->request, token);
    if (rc == ERR_AGAIN)
        return true;
    if (rc != ERR_OK)
        relay_close(r, x);
    else
        x->state = RELAY_OUT;
    return false;
}

int64_t
server_relay_step(struct server_relay *r, int64_t now_ms)
{
    bool waits = false;
    for (struct list *next = r->relays.next, *at; (at = next) != &r->relays;) {
        struct relay *x = list_item(at, struct relay, link);
        next = at->next;
        if (x->state == RELAY_DUE)
            waits = relay_send(r, x, now_ms) || waits;
        else if (x->state == RELAY_LANDED)
            waits = landed(r, x, now_ms) || waits;
    }
    return waits ? now_ms + POLL_MS : INT64_MAX;
}
