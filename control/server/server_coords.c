/* server_coords.c: see server_coords.h.
 *
 * A request for one group goes to the partition that keeps it.  One for several groups is cut
 * (server_split.h): its parts go out with shard MERGE and the address of their place as token, and
 * the last one that is answered sends the whole. */
#include "control/server/server_coords.h"
#include "control/server/server_groups.h"
#include "control/server/server_internal.h"
#include "control/server/server_relay.h"
#include "control/server/server_split.h"
#include "control/server/server_txn.h"
#include "core/base/err.h"
#include "core/base/javahash.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/wire/batch.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"

#include <stddef.h>
#include <stdlib.h>

enum {
    MERGE_ARENA_BYTES = 256 << 20, /* for the largest answer; touched as needed */
    MERGE_ARENA_KEEP_BYTES = 4 << 20,
};

static const uint32_t MERGE = UINT32_MAX; /* as a shard: no client asks, but a merge does */
/* Kinds of the calls that write markers: of transactions here, and of an administrator. */
enum { MARKERS = SERVER_COORDINATORS, RELAYS };

struct merge;

struct merge_part {
    struct merge *merge;
    uint32_t index;
    uint8_t *reply;
};

/* A request that was cut and waits for answers of its parts. */
struct merge {
    struct list link;
    uint32_t shard;
    uint64_t token;
    struct server_split split; /* its arrays are owned */
    struct merge_part *parts;
    uint32_t missing;
    bool failed;
};

struct coordinator {
    struct server_coord *runtime;
    uint8_t topic_id[META_ID_BYTES]; /* that its partitions are of */
};

struct server_coords {
    struct server_coords_config config;
    struct group_config groups;
    uint64_t metadata_seen; /* the last entry whose topics the groups know of */
    struct coordinator kinds[SERVER_COORDINATORS];
    struct server_txn *txn;
    struct server_relay *relay;
    struct list merges;
    struct wire_arena merging; /* the answer being put together; at NULL: none yet */
};

/* ---- what coordinators ask of the rest --------------------------------------------------------
 */

static int
home_of(void *user, const char *topic, int32_t partition, struct server_coord_home *out)
{
    const struct server_coords *c = user;
    const struct meta_topic *t = meta_topic_by_name(&c->config.core->image, view_of_text(topic));
    if (!t || partition < 0 || (uint32_t)partition >= t->partition_count)
        return ERR_NOT_FOUND;
    const struct meta_partition *p = &t->partitions[partition];
    out->leader_epoch = p->leader_epoch;
    return server_publish_shard(c->config.publish, p->slot, &out->shard);
}

bool
server_coords_open(const struct server_coords *c, const struct meta_topic *t, int32_t partition)
{
    uint32_t shard;
    return server_publish_shard(c->config.publish, t->partitions[partition].slot, &shard) == ERR_OK;
}

static void
random_draw(void *user, void *at, size_t bytes)
{
    struct server_coords *c = user;
    c->config.core->random(c->config.core->user, at, bytes);
}

/* ---- requests that were cut -------------------------------------------------------------------
 */

static void
merge_free(struct merge *m)
{
    list_remove(&m->link);
    for (uint32_t i = 0; i < m->split.part_count; i++)
        free(m->parts[i].reply);
    free(m->parts);
    free(m->split.parts);
    free(m->split.order);
    free(m);
}

static void *
copy_of(const void *at, size_t count, size_t size)
{
    void *copy = malloc(count * size + 1);
    must(copy != NULL);
    if (count)
        memcpy(copy, at, count * size);
    return copy;
}

static struct merge *
merge_new(struct server_coords *c, uint32_t shard, uint64_t token, const struct server_split *split)
{
    struct merge *m = calloc(1, sizeof *m);
    must(m != NULL);
    m->shard = shard;
    m->token = token;
    m->split = *split;
    m->split.parts = copy_of(split->parts, split->part_count, sizeof *split->parts);
    m->split.order =
        split->order ? copy_of(split->order, split->item_count, sizeof *split->order) : NULL;
    m->missing = split->part_count;
    m->parts = calloc(split->part_count, sizeof *m->parts);
    must(m->parts != NULL);
    for (uint32_t i = 0; i < split->part_count; i++)
        m->parts[i] = (struct merge_part){.merge = m, .index = i};
    list_push_back(&c->merges, &m->link);
    return m;
}

static void
merge_answer(struct server_coords *c, struct merge *m)
{
    struct view bytes = {0};
    if (!c->merging.at) {
        void *at = malloc(MERGE_ARENA_BYTES);
        must(at != NULL);
        wire_arena_init(&c->merging, at, MERGE_ARENA_BYTES);
    }
    int rc = m->failed ? ERR_LIMIT : server_split_merge(&m->split, &c->merging, &bytes);
    if (rc != ERR_OK) {
        log_warn("coordinator", "the answer for several groups cannot be given api=%s error=%s",
                 m->split.api->name, err_name(rc));
        bytes = (struct view){0};
    }
    c->config.answer(c->config.user, m->shard, m->token, bytes);
    merge_free(m);
    if (c->merging.used > MERGE_ARENA_KEEP_BYTES) { /* back to the system with its pages */
        free(c->merging.at);
        c->merging.at = NULL;
    } else {
        wire_arena_reset(&c->merging);
    }
}

static void
merge_take(struct server_coords *c, struct merge_part *part, struct view bytes)
{
    struct merge *m = part->merge;
    must(!part->reply && m->missing > 0);
    part->reply = copy_of(bytes.at, bytes.at ? bytes.len : 0, 1);
    m->split.parts[part->index].reply = view_of(part->reply, bytes.len);
    m->failed = m->failed || !bytes.at;
    if (--m->missing == 0)
        merge_answer(c, m);
}

static void
answer_take(void *user, uint32_t shard, uint64_t token, struct view bytes)
{
    struct server_coords *c = user;
    if (shard == SERVER_VERIFY_SHARD)
        server_txn_answered(c->txn, token, bytes);
    else if (shard == MERGE)
        merge_take(c, (struct merge_part *)(uintptr_t)token, bytes);
    else
        c->config.answer(c->config.user, shard, token, bytes);
}

/* ---- requests ---------------------------------------------------------------------------------
 */

/* Requests for coordinators; key_at: where the generated struct keeps the one group's name. */
#define REQUEST(api, member) offsetof(struct wire_##api##_request, member)
static const struct route {
    int16_t key;
    uint8_t kind;
    uint16_t key_at;
} routes[] = {
    {WIRE_API_OFFSET_COMMIT, SERVER_GROUPS, REQUEST(offset_commit, group_id)},
    {WIRE_API_OFFSET_FETCH, SERVER_GROUPS, REQUEST(offset_fetch, group_id)},
    {WIRE_API_JOIN_GROUP, SERVER_GROUPS, REQUEST(join_group, group_id)},
    {WIRE_API_HEARTBEAT, SERVER_GROUPS, REQUEST(heartbeat, group_id)},
    {WIRE_API_LEAVE_GROUP, SERVER_GROUPS, REQUEST(leave_group, group_id)},
    {WIRE_API_SYNC_GROUP, SERVER_GROUPS, REQUEST(sync_group, group_id)},
    {WIRE_API_DESCRIBE_GROUPS, SERVER_GROUPS, 0},
    {WIRE_API_LIST_GROUPS, SERVER_GROUPS, 0},
    {WIRE_API_DELETE_GROUPS, SERVER_GROUPS, 0},
    {WIRE_API_OFFSET_DELETE, SERVER_GROUPS, REQUEST(offset_delete, group_id)},
    {WIRE_API_CONSUMER_GROUP_HEARTBEAT, SERVER_GROUPS, REQUEST(consumer_group_heartbeat, group_id)},
    {WIRE_API_CONSUMER_GROUP_DESCRIBE, SERVER_GROUPS, 0},
    {WIRE_API_TXN_OFFSET_COMMIT, SERVER_GROUPS, REQUEST(txn_offset_commit, group_id)},
    {WIRE_API_INIT_PRODUCER_ID, SERVER_TRANSACTIONS, REQUEST(init_producer_id, transactional_id)},
    {WIRE_API_ADD_PARTITIONS_TO_TXN, SERVER_TRANSACTIONS,
     REQUEST(add_partitions_to_txn, v3_and_below_transactional_id)},
    {WIRE_API_ADD_OFFSETS_TO_TXN, SERVER_TRANSACTIONS,
     REQUEST(add_offsets_to_txn, transactional_id)},
    {WIRE_API_END_TXN, SERVER_TRANSACTIONS, REQUEST(end_txn, transactional_id)},
    {WIRE_API_DESCRIBE_TRANSACTIONS, SERVER_TRANSACTIONS, 0},
    {WIRE_API_LIST_TRANSACTIONS, SERVER_TRANSACTIONS, 0},
};
#undef REQUEST

static const struct route *
route_of(int16_t key)
{
    for (uint32_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (routes[i].key == key)
            return &routes[i];
    return NULL;
}

static int32_t
partitions_of(const struct server_coords *c, uint8_t kind)
{
    const struct meta_topic *t =
        meta_topic_by_name(&c->config.core->image, view_of_text(server_internal_name(kind)));
    return t ? (int32_t)t->partition_count : 0;
}

static int
several_take(struct server_coords *c, const struct route *to, struct server_coord_origin *from,
             struct coord_request *r, struct wire_arena *arena, int64_t now_ms)
{
    struct server_split split;
    int32_t count = partitions_of(c, to->kind);
    int rc = server_split_request(r->api, r->version, from->correlation_id, r->body,
                                  count ? count : 1, arena, &split);
    if (rc != ERR_OK)
        return rc;
    struct server_coord *runtime = c->kinds[to->kind].runtime;
    if (split.part_count == 1 && split.order) { /* without: what is merged leaves errors out */
        server_coord_request(runtime, split.parts[0].partition, from, r, now_ms);
        return ERR_OK;
    }
    struct merge *m = merge_new(c, from->shard, from->token, &split);
    for (uint32_t i = 0; i < split.part_count; i++) {
        struct server_split_part *part = &split.parts[i];
        from->shard = MERGE;
        from->token = (uintptr_t)&m->parts[i]; /* m is gone once the last of them is answered */
        from->bytes = part->request;
        r->body = part->body;
        server_coord_request(runtime, part->partition, from, r, now_ms);
    }
    return ERR_OK;
}

int
server_coords_request(struct server_coords *c, uint32_t shard, const struct msg_request *head,
                      struct view request, struct wire_arena *arena, int64_t now_ms)
{
    struct wire_header header;
    int rc = wire_header_read(request, &header);
    if (rc != ERR_OK)
        return rc;
    const struct wire_api *api = wire_api_find(header.api_key);
    const struct route *to = route_of(header.api_key);
    bool relayed = header.api_key == WIRE_API_WRITE_TXN_MARKERS;
    if (!api || (!to && !relayed))
        return ERR_NOT_FOUND;
    if (header.api_version < api->version_min || header.api_version > api->version_max)
        return ERR_UNSUPPORTED;
    struct server_coord_origin from = {.shard = shard,
                                       .token = head->token,
                                       .correlation_id = header.correlation_id,
                                       .bytes = request};
    struct view bytes = view_of(request.at + header.bytes, request.len - header.bytes);
    if (relayed)
        return server_relay_request(c->relay, &from, api, header.api_version, bytes, now_ms);
    void *body = wire_arena_take(arena, api->request->top.size);
    must(body != NULL); /* it was just emptied */
    rc = wire_decode(api->request, header.api_version, bytes, body, arena);
    if (rc != ERR_OK)
        return rc;
    struct coord_request r = {
        .api = api, .version = header.api_version, .body = body, .client_id = header.client_id};
    r.client_host[0] = '/'; /* as Java prints an address without a name */
    server_host_text(head->peer_ip, r.client_host + 1, sizeof r.client_host - 1);
    if (server_split_many(api, header.api_version))
        return several_take(c, to, &from, &r, arena, now_ms);
    struct view key;
    memcpy(&key, (const uint8_t *)body + to->key_at, sizeof key);
    int32_t count = partitions_of(c, to->kind);
    if (api->key == WIRE_API_INIT_PRODUCER_ID && !key.at)
        return ERR_NOT_FOUND; /* not of a transaction: any id will do */
    int32_t partition = count ? javahash_partition(key, count) : 0;
    if (!server_txn_request(c->txn, partition, &from, &r, now_ms))
        server_coord_request(c->kinds[to->kind].runtime, partition, &from, &r, now_ms);
    return ERR_OK;
}

/* ---- life -------------------------------------------------------------------------------------
 */

static bool
runtime_new(struct server_coords *c, enum server_coordinator kind,
            const struct coord_machine *machine, void *machine_config)
{
    struct server_coord_config config = {
        .topic = server_internal_name(kind),
        .machine = machine,
        .machine_config = machine_config,
        .inner = c->config.inner,
        .codec = kind == SERVER_GROUPS
                     ? (uint8_t)conf_number(c->config.core->conf, CONF_OFFSETS_CODEC)
                     : (uint8_t)BATCH_NONE,
        .kind = (uint8_t)kind,
        .home = home_of,
        .answer = answer_take,
        .random = random_draw,
        .counters = c->config.core->counters,
        .user = c};
    c->kinds[kind].runtime = server_coord_new(&config);
    return c->kinds[kind].runtime != NULL;
}

struct server_coords *
server_coords_new(const struct server_coords_config *config)
{
    struct server_coords *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->config = *config;
    list_init(&c->merges);
    server_groups_configure(&c->groups, config->core);
    c->metadata_seen = config->core->image.index;
    struct server_txn_config txn = {.core = config->core,
                                    .publish = config->publish,
                                    .inner = config->inner,
                                    .regex = config->core->regex,
                                    .kind = MARKERS,
                                    .answer = config->answer,
                                    .user = config->user};
    c->txn = server_txn_new(&txn);
    bool made = c->txn && runtime_new(c, SERVER_GROUPS, &group_machine, &c->groups) &&
                runtime_new(c, SERVER_TRANSACTIONS, &txn_machine, server_txn_machine(c->txn)) &&
                server_txn_attach(c->txn, c->kinds[SERVER_GROUPS].runtime,
                                  c->kinds[SERVER_TRANSACTIONS].runtime) == ERR_OK;
    struct server_relay_config relay = {.core = config->core,
                                        .inner = config->inner,
                                        .groups = c->kinds[SERVER_GROUPS].runtime,
                                        .kind = RELAYS,
                                        .answer = config->answer,
                                        .user = config->user};
    c->relay = made ? server_relay_new(&relay) : NULL;
    if (c->relay)
        return c;
    server_coords_free(c);
    return NULL;
}

void
server_coords_free(struct server_coords *c)
{
    if (!c)
        return;
    for (uint32_t k = 0; k < SERVER_COORDINATORS; k++)
        server_coord_free(c->kinds[k].runtime);
    server_txn_free(c->txn);
    server_relay_free(c->relay);
    while (!list_empty(&c->merges))
        merge_free(list_item(list_first(&c->merges), struct merge, link));
    free(c->merging.at);
    free(c);
}

void
server_coords_done(struct server_coords *c, uint64_t token, int err, struct view body,
                   int64_t now_ms)
{
    uint64_t kind = token >> 56;
    if (kind == MARKERS) {
        server_txn_done(c->txn, token, err, body, now_ms);
        return;
    }
    if (kind == RELAYS) {
        server_relay_done(c->relay, token, err, body, now_ms);
        return;
    }
    must(kind < SERVER_COORDINATORS); /* whose tokens are they? */
    server_coord_done(c->kinds[kind].runtime, token, err, body, now_ms);
}

const struct server_coord *
server_coords_runtime(const struct server_coords *c, enum server_coordinator kind)
{
    return c->kinds[kind].runtime;
}

/* The topic as it is now: it may have come, gone, grown, or be another one of that name. */
static void
topic_look(struct server_coords *c, uint32_t kind)
{
    struct coordinator *k = &c->kinds[kind];
    const struct meta_topic *t =
        meta_topic_by_name(&c->config.core->image, view_of_text(server_internal_name(kind)));
    if (!t) {
        server_coord_partitions(k->runtime, 0);
        return;
    }
    if (memcmp(k->topic_id, t->id, sizeof k->topic_id) != 0) {
        server_coord_restart(k->runtime, "the topic is a new one");
        memcpy(k->topic_id, t->id, sizeof k->topic_id);
    }
    server_coord_partitions(k->runtime, (int32_t)t->partition_count);
}

struct changed {
    struct server_coords *coords;
    int64_t now_ms;
};

static void
topic_changed(void *machine, struct coord_step *step, void *arg)
{
    const struct view *name = arg;
    group_metadata_changed(machine, *name, true);
}

static void
topic_tell(void *user, struct view name)
{
    const struct changed *x = user;
    server_coord_tell(x->coords->kinds[SERVER_GROUPS].runtime, topic_changed, &name, x->now_ms);
}

int64_t
server_coords_step(struct server_coords *c, int64_t now_ms)
{
    struct changed changed = {c, now_ms};
    server_groups_changed(&c->config.core->image, &c->metadata_seen, topic_tell, &changed);
    topic_look(c, SERVER_GROUPS);
    topic_look(c, SERVER_TRANSACTIONS);
    /* What one makes for the next goes out in this turn: questions lead to offsets, which go before
     * markers, whose results lead to records of transactions. */
    int64_t due[] = {server_txn_step(c->txn, now_ms),
                     server_coord_step(c->kinds[SERVER_GROUPS].runtime, now_ms),
                     server_txn_markers(c->txn, now_ms), server_relay_step(c->relay, now_ms),
                     server_coord_step(c->kinds[SERVER_TRANSACTIONS].runtime, now_ms)};
    int64_t at = INT64_MAX;
    for (uint32_t i = 0; i < sizeof due / sizeof *due; i++)
        at = due[i] < at ? due[i] : at;
    return at;
}

void
server_coords_restarted(struct server_coords *c)
{
    for (uint32_t k = 0; k < SERVER_COORDINATORS; k++)
        server_coord_restart(c->kinds[k].runtime, "the dataplane was restarted");
}

static void
topic_deleted(void *machine, struct coord_step *step, void *arg)
{
    const struct view *name = arg;
    group_topic_deleted(machine, step, *name);
}

void
server_coords_deleted(struct server_coords *c, struct view name, int64_t now_ms)
{
    server_coord_tell(c->kinds[SERVER_GROUPS].runtime, topic_deleted, &name, now_ms);
}
