/* server.c: the loop.
 *
 * A turn takes requests, appends what they change, steps the log, publishes what is committed, then
 * lets the answers go.  An answer waits in a list until (1) the entries that it was computed from
 * are committed, (2) the partitions it promises are open, or its time is over, and (3) the ring has
 * room.
 *
 * I1 No answer leaves, and no row is written, before the entry that it stems from is committed.
 * I2 An answer goes only to the generation of the dataplane that asked. */
#include "control/server/server.h"
#include "control/server/server_census.h"
#include "control/server/server_coords.h"
#include "control/server/server_core.h"
#include "control/server/server_inner.h"
#include "control/server/server_publish.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/shm/msg.h"

#include <stdlib.h>

struct answer {
    struct list link;
    uint32_t shard, data_generation;
    uint64_t token, index, deadline_ns;
    uint32_t wait_count, wait_at; /* topics before wait_at are known to be open */
    uint32_t *wait_rows;
    uint32_t bytes, throttle_ms;
    bool close;
    uint8_t at[];
};

struct server {
    struct server_core core;
    struct server_publish publish;
    struct server_inner inner;
    struct server_coords *coords;
    struct server_census census;
    struct server_log *log;
    const struct region *region;
    struct counters counters;
    void (*random)(void *at, size_t bytes);
    struct clock clock;
    uint32_t generation, data_generation;
    uint32_t turn_first; /* the shard that this turn begins with */
    uint64_t now_ns, heartbeat_ns, lease_ms;
    int64_t wall_ms;
    uint64_t coords_ns; /* when coordinators want their turn */
    struct list answers;
    uint32_t answer_count;
    uint64_t answer_bytes;
    uint8_t *arena_at;
    struct wire_arena arena;
    bool ring_full; /* something waits for room in a ring */
    bool waits;     /* something waits for the shards */
    int error;
};

/* ---- Set-up ---- */

static int
core_append(void *user, struct view records)
{
    struct server *s = user;
    return server_log_append(s->log, records);
}

static void
core_random(void *user, void *at, size_t bytes)
{
    struct server *s = user;
    s->random(at, bytes);
}

/* The log is of this cluster and node, or it is new and becomes theirs. */
static int
identity_check(struct server *s)
{
    struct meta_image *m = &s->core.image;
    if (m->cluster_id[0] == '\0') {
        struct put w = put_of(s->core.entry, META_ENTRY_BYTES_MAX);
        meta_put_cluster(&w, s->core.cluster_id, s->core.rules.node_id);
        return server_log_append(s->log, view_of(s->core.entry, put_len(&w)));
    }
    if (strcmp(m->cluster_id, s->core.cluster_id) == 0 && m->node_id == s->core.rules.node_id)
        return ERR_OK;
    log_error(
        "control",
        "the metadata log is of another broker: set node.id back, or use another data directory "
        "log.cluster=%s log.node=%d cluster=%s node=%d",
        m->cluster_id, m->node_id, s->core.cluster_id, s->core.rules.node_id);
    return ERR_INVALID;
}

/* What a former control left in the rings is sent again by the dataplane once we are ready. */
static void
rings_skip(struct server *s)
{
    for (uint32_t i = 0; i < s->publish.shard_count; i++) {
        struct chan_message m;
        while (chan_peek(&s->publish.shards[i].to_control, &m) == ERR_OK)
            chan_done(&s->publish.shards[i].to_control);
    }
}

static void
arena_renew(struct server *s)
{
    if (s->arena_at && s->arena.used <= SERVER_ARENA_KEEP_BYTES) {
        wire_arena_reset(&s->arena);
        return;
    }
    free(s->arena_at);
    s->arena_at = malloc(SERVER_ARENA_BYTES);
    must(s->arena_at != NULL);
    wire_arena_init(&s->arena, s->arena_at, SERVER_ARENA_BYTES);
}

static int
start(struct server *s, const struct server_config *config)
{
    struct region_header *h = s->region->header;
    char cluster_id[sizeof h->cluster_id];
    memcpy(cluster_id, h->cluster_id, sizeof cluster_id);
    cluster_id[sizeof cluster_id - 1] = '\0';
    int rc = server_core_init(&s->core, config->conf, cluster_id);
    if (rc != ERR_OK)
        return rc;
    s->core.append = core_append;
    s->core.random = core_random;
    s->core.regex = config->regex;
    s->counters.words = region_counters(s->region, h->shard_count);
    s->core.counters = &s->counters;
    s->core.user = s;
    if (s->core.image.topics_max != h->topics_max ||
        s->core.image.partitions_max != h->partitions_max) {
        log_error("control", "the region has another shape than its configuration");
        return ERR_INVALID;
    }
    s->generation = region_join((struct region *)(uintptr_t)s->region, REGION_CONTROL, config->pid);
    server_publish_init(&s->publish, s->region, &s->core.image, &s->core.rules, s->generation);
    s->publish.overrides = conf_text(config->conf, CONF_CONNECTIONS_OVERRIDES);
    rc = server_log_open(&config->log, &s->core.image, &s->log);
    if (rc == ERR_OK)
        rc = identity_check(s);
    if (rc == ERR_OK)
        rc = server_log_snapshot(s->log); /* also: the first entry is committed */
    if (rc != ERR_OK)
        return rc;
    s->core.producer_id_next = s->core.producer_id_limit = s->core.image.producer_id_next;
    server_publish_all(&s->publish);
    server_publish_rows(&s->publish, server_log_committed(s->log));
    rings_skip(s);
    return ERR_OK;
}

static void
call_done(void *user, uint64_t token, int err, struct view body)
{
    struct server *s = user;
    server_coords_done(s->coords, token, err, body, s->wall_ms);
}

static bool
partition_open(void *user, const struct meta_topic *t, int32_t partition)
{
    const struct server *s = user;
    return server_coords_open(s->coords, t, partition);
}

static void coord_answer(void *user, uint32_t shard, uint64_t token, struct view bytes);

/* The connection to the shards, and who uses it. */
static void
coords_start(struct server *s)
{
    server_inner_init(&s->inner, s->publish.shards, s->publish.shard_count, s->generation,
                      s->data_generation);
    s->inner.done = call_done;
    s->inner.user = s;
    struct server_coords_config config = {.core = &s->core,
                                          .publish = &s->publish,
                                          .inner = &s->inner,
                                          .answer = coord_answer,
                                          .user = s};
    s->coords = server_coords_new(&config);
    must(s->coords != NULL);
    s->core.open = partition_open;
}

int
server_create(const struct server_config *config, struct server **out)
{
    struct server *s = calloc(1, sizeof *s);
    must(s != NULL);
    s->region = config->region;
    s->random = config->random;
    s->clock = config->log.clock;
    s->lease_ms = (uint64_t)conf_number(config->conf, CONF_LEASE_MS);
    list_init(&s->answers);
    int rc = start(s, config);
    if (rc != ERR_OK) {
        server_destroy(s);
        return rc;
    }
    struct region_header *h = s->region->header;
    s->data_generation = atomic_load(&h->peers[REGION_DATA].generation);
    coords_start(s);
    server_census_init(&s->census, config->desk, s->coords, &s->core);
    uint64_t no_lease = s->lease_ms ? 0 : UINT64_MAX;
    atomic_store_explicit(&h->lease_until_ns, no_lease, memory_order_relaxed);
    /* Pairs with the acquire of the shards: the rows above are complete. */
    atomic_store_explicit(&h->published, s->generation, memory_order_release);
    region_set_ready((struct region *)(uintptr_t)s->region, REGION_CONTROL);
    for (uint32_t i = 0; i < s->publish.shard_count; i++)
        region_wake(s->region, i);
    *out = s;
    return ERR_OK;
}

static void
answer_free(struct server *s, struct answer *a)
{
    list_remove(&a->link);
    s->answer_count--;
    s->answer_bytes -= a->bytes;
    free(a->wait_rows);
    free(a);
}

void
server_destroy(struct server *s)
{
    while (!list_empty(&s->answers))
        answer_free(s, list_item(list_first(&s->answers), struct answer, link));
    if (s->log)
        server_log_close(s->log);
    server_census_free(&s->census);
    server_coords_free(s->coords);
    server_inner_free(&s->inner);
    server_publish_free(&s->publish);
    server_core_free(&s->core);
    free(s->arena_at);
    free(s);
}

/* ---- Requests ---- */

static void
answer_add(struct server *s, uint32_t shard, uint64_t token, const struct server_result *r)
{
    uint32_t bytes = r ? r->bytes.len : 0;
    struct answer *a = calloc(1, sizeof *a + bytes);
    must(a != NULL);
    a->shard = shard;
    a->token = token;
    a->data_generation = s->data_generation;
    a->index = s->core.image.index;
    a->bytes = bytes;
    a->close = r == NULL;
    a->throttle_ms = r ? (uint32_t)r->throttle_ms : 0;
    if (bytes)
        memcpy(a->at, r->bytes.at, bytes);
    if (r && r->wait_count > 0 && r->wait_ms > 0) {
        a->wait_count = r->wait_count;
        a->wait_rows = malloc(r->wait_count * sizeof *a->wait_rows);
        must(a->wait_rows != NULL);
        memcpy(a->wait_rows, r->wait_rows, r->wait_count * sizeof *a->wait_rows);
        a->deadline_ns = s->now_ns + (uint64_t)r->wait_ms * CLOCK_NS_PER_MS;
    }
    list_push_back(&s->answers, &a->link);
    s->answer_count++;
    s->answer_bytes += bytes;
}

/* Answers, or closes the connection, which the dataplane counts (drop.def, control_close).  What a
 * peer can send as often as it likes is no line of the log, unless somebody looks for it. */
static void
answer_give(struct server *s, uint32_t shard, uint64_t token, int rc,
            const struct server_result *result)
{
    if (rc == ERR_OK && result->bytes.len + sizeof(struct msg_answer) >
                            chan_body_max(&s->publish.shards[shard].to_data)) {
        log_error("control", "a response is larger than a ring takes bytes=%u", result->bytes.len);
        rc = ERR_LIMIT;
    }
    if (rc == ERR_LIMIT)
        log_warn("control", "closing a connection: there is no room for its answer");
    else if (rc != ERR_OK)
        log_debug("control", "closing a connection: its request cannot be read error=%s",
                  err_name(rc));
    answer_add(s, shard, token, rc == ERR_OK ? result : NULL);
}

static void
coord_answer(void *user, uint32_t shard, uint64_t token, struct view bytes)
{
    struct server_result result = {.bytes = bytes};
    answer_give(user, shard, token, bytes.at ? ERR_OK : ERR_LIMIT, &result);
}

/* Whom a request is from; takes the names behind it off its bytes.  False: they are not there. */
static bool
origin_take(struct server *s, const struct msg_request *q, struct view *bytes)
{
    uint32_t names = (uint32_t)q->name_bytes + q->version_bytes;
    if (names > bytes->len)
        return false;
    bytes->len -= names;
    const uint8_t *at = bytes->at + bytes->len;
    s->core.from =
        (struct server_origin){.software_name = view_of(at, q->name_bytes),
                               .software_version = view_of(at + q->name_bytes, q->version_bytes),
                               .port = q->peer_port};
    memcpy(s->core.from.ip, q->peer_ip, sizeof q->peer_ip);
    return true;
}

static void
request_take(struct server *s, uint32_t shard, const struct chan_message *m)
{
    struct msg_request q;
    struct server_result result = {0};
    memcpy(&q, m->body.at, sizeof q);
    if (m->generation != s->data_generation)
        return; /* of a dataplane that is gone */
    struct view bytes = view_of(m->body.at + sizeof q, m->body.len - (uint32_t)sizeof q);
    if (!origin_take(s, &q, &bytes)) {
        log_error("control", "a ring of the dataplane's is corrupt shard=%u", shard);
        s->error = ERR_CORRUPT;
        return;
    }
    arena_renew(s);
    s->core.now_ms = s->wall_ms;
    int rc = server_coords_request(s->coords, shard, &q, bytes, &s->arena, s->wall_ms);
    if (rc == ERR_OK)
        return;
    if (rc == ERR_NOT_FOUND)
        rc = server_dispatch(&s->core, bytes, q.listener, &s->arena, &result);
    if (server_log_error(s->log) != ERR_OK) {
        s->error = server_log_error(s->log);
        return;
    }
    answer_give(s, shard, q.token, rc, &result);
}

static void
reply_take(struct server *s, uint32_t shard, const struct chan_message *m)
{
    int rc = server_inner_take(&s->inner, shard, m);
    if (rc == ERR_OK)
        return;
    log_error("control", "the dataplane answers what was not asked shard=%u", shard);
    s->error = rc;
}

/* Returns how many messages there were. */
static uint32_t
shard_take(struct server *s, uint32_t shard)
{
    struct chan *c = &s->publish.shards[shard].to_control;
    for (uint32_t n = 0; n < SERVER_BURST; n++) {
        struct chan_message m;
        if (s->error || s->answer_count >= SERVER_ANSWERS_MAX ||
            s->answer_bytes >= SERVER_ANSWER_BYTES_MAX)
            return n;
        int rc = chan_peek(c, &m);
        if (rc == ERR_CORRUPT) {
            log_error("control", "a ring of the dataplane's is corrupt shard=%u", shard);
            s->error = rc;
        }
        if (rc != ERR_OK)
            return n;
        if (m.kind == MSG_REQUEST && m.body.len >= sizeof(struct msg_request))
            request_take(s, shard, &m);
        else if (m.kind == MSG_REPLY)
            reply_take(s, shard, &m);
        else if (m.kind !=
                 MSG_HAVE) /* a HAVE only wakes: what waits for shards is looked at below */
            log_error("control", "unexpected message kind=%s", msg_name(m.kind));
        chan_done(c);
    }
    return SERVER_BURST;
}

/* ---- Answers ---- */

/* True when it may go; sets s->waits when it waits for shards. */
static bool
answer_ready(struct server *s, struct answer *a)
{
    if (a->index > server_log_committed(s->log))
        return false;
    while (a->wait_at < a->wait_count && s->now_ns < a->deadline_ns &&
           server_publish_opened(&s->publish, a->wait_rows[a->wait_at]) == SERVER_DONE)
        a->wait_at++;
    bool waits = a->wait_at < a->wait_count && s->now_ns < a->deadline_ns;
    s->waits = s->waits || waits;
    return !waits;
}

static bool
answer_send(struct server *s, const struct answer *a)
{
    struct server_shard *shard = &s->publish.shards[a->shard];
    struct msg_answer head = {.token = a->token, .throttle_ms = a->throttle_ms};
    uint32_t bytes = (uint32_t)sizeof head + a->bytes;
    uint8_t *at = chan_reserve(&shard->to_data, bytes);
    if (!at)
        return false;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, a->at, a->bytes);
    chan_publish(&shard->to_data, a->close ? MSG_CLOSE : MSG_ANSWER, s->generation, bytes);
    shard->sent = true;
    return true;
}

static void
answers_send(struct server *s)
{
    struct list *at = s->answers.next;
    while (at != &s->answers) {
        struct answer *a = list_item(at, struct answer, link);
        at = at->next;
        if (a->data_generation != s->data_generation) {
            answer_free(s, a);
            continue;
        }
        if (!answer_ready(s, a))
            continue;
        if (answer_send(s, a))
            answer_free(s, a);
        else
            s->ring_full = true;
    }
}

/* ---- The turn ---- */

static void
heartbeat(struct server *s)
{
    if (s->now_ns < s->heartbeat_ns)
        return;
    struct region_header *h = s->region->header;
    atomic_store_explicit(&h->peers[REGION_CONTROL].heartbeat_ns, s->now_ns, memory_order_relaxed);
    if (s->lease_ms)
        atomic_store_explicit(&h->lease_until_ns, s->now_ns + s->lease_ms * CLOCK_NS_PER_MS,
                              memory_order_release);
    atomic_store_explicit(&h->producer_id_next, (uint64_t)s->core.producer_id_next,
                          memory_order_relaxed);
    s->heartbeat_ns = s->now_ns + SERVER_HEARTBEAT_MS * CLOCK_NS_PER_MS;
}

static void
dataplane_watch(struct server *s)
{
    uint32_t now = atomic_load_explicit(&s->region->header->peers[REGION_DATA].generation,
                                        memory_order_acquire);
    if (now == s->data_generation)
        return;
    log_info("control", "the dataplane has been started generation=%u", now);
    server_coords_restarted(s->coords); /* answers to those that are gone: of the old generation */
    s->data_generation = now;
    server_inner_restarted(&s->inner, now);
    server_publish_ring_all(&s->publish);
}

/* Topics that no shard has anything left of are forgotten. */
static void
deleted_forget(struct server *s)
{
    struct meta_image *m = &s->core.image;
    uint32_t rows = m->deleting_count ? m->topics_max : 0;
    for (uint32_t row = 0; row < rows && !s->error; row++) {
        const struct meta_topic *t = m->topics[row];
        if (!t || t->state != META_DELETING)
            continue;
        if (server_publish_gone(&s->publish, row) == SERVER_WAITING) {
            s->waits = true;
            continue;
        }
        server_coords_deleted(s->coords, view_of(t->name, t->name_bytes), s->wall_ms);
        struct put w = put_of(s->core.entry, META_ENTRY_BYTES_MAX);
        meta_put_gone(&w, row);
        s->error = server_log_append(s->log, view_of(s->core.entry, put_len(&w)));
    }
}

static void
coords_turn(struct server *s)
{
    s->core.committed = server_log_committed(s->log);
    int64_t at_ms = server_coords_step(s->coords, s->wall_ms);
    int64_t wait_ms = at_ms > s->wall_ms ? at_ms - s->wall_ms : 0;
    bool far =
        wait_ms > SERVER_HEARTBEAT_MS; /* the clock on the wall may jump: look now and then */
    s->coords_ns = far ? CLOCK_NEVER : s->now_ns + (uint64_t)wait_ms * CLOCK_NS_PER_MS;
}

static uint64_t
deadline_of(const struct server *s, bool busy)
{
    uint64_t at = s->heartbeat_ns;
    uint64_t log_at = server_log_deadline(s->log);
    if (log_at < at)
        at = log_at;
    if (s->coords_ns < at)
        at = s->coords_ns;
    if (s->waits && s->now_ns + SERVER_POLL_MS * CLOCK_NS_PER_MS < at)
        at = s->now_ns + SERVER_POLL_MS * CLOCK_NS_PER_MS;
    if (s->ring_full && s->now_ns + CLOCK_NS_PER_MS < at)
        at = s->now_ns + CLOCK_NS_PER_MS;
    return busy ? s->now_ns : at;
}

int
server_turn(struct server *s, uint64_t now_ns, uint64_t *deadline_ns)
{
    bool busy = false;
    s->now_ns = now_ns;
    s->wall_ms = s->clock.ops->wall_ms(s->clock.self);
    s->waits = false;
    heartbeat(s);
    dataplane_watch(s);
    for (uint32_t i = 0; i < s->publish.shard_count; i++)
        busy = shard_take(s, (s->turn_first + i) % s->publish.shard_count) == SERVER_BURST || busy;
    s->turn_first = (s->turn_first + 1) % s->publish.shard_count;
    deleted_forget(s);
    int rc = server_log_step(s->log, now_ns);
    s->error = s->error ? s->error : rc;
    if (s->error) {
        log_error("control", "stopping error=%s", err_name(s->error));
        return s->error;
    }
    server_publish_rows(&s->publish, server_log_committed(s->log));
    s->ring_full = server_publish_bells(&s->publish);
    coords_turn(s);
    answers_send(s);
    busy = server_census_step(&s->census) || busy;
    server_publish_wake(&s->publish);
    *deadline_ns = deadline_of(s, busy);
    return ERR_OK;
}

bool
server_sleep(struct server *s)
{
    bool came = false;
    for (uint32_t i = 0; i < s->publish.shard_count; i++)
        came = chan_sleep(&s->publish.shards[i].to_control) || came;
    /* Full up: what waits in the rings waits there, and must not keep us awake. */
    return came && s->answer_count < SERVER_ANSWERS_MAX &&
           s->answer_bytes < SERVER_ANSWER_BYTES_MAX;
}

void
server_awake(struct server *s)
{
    for (uint32_t i = 0; i < s->publish.shard_count; i++)
        chan_awake(&s->publish.shards[i].to_control);
}

int
server_stop(struct server *s)
{
    return server_log_snapshot(s->log);
}
