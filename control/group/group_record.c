/* group_record.c: records of __consumer_offsets, written and read through Kafka's own schemas
 * (core/wire/schema/record).  A key begins with the number of its kind as an int16, a value with
 * its version.  Versions written are Kafka 4.3's: GroupMetadata 3, OffsetCommit 4, or 1 when the
 * offset has an expiry of its own. */
#include "control/group/group_in.h"

#include <stdlib.h>

enum { GROUP_VERSION = 3, OFFSET_VERSION = 4, OFFSET_EXPIRY_VERSION = 1, SCRATCH_MIN = 16384 };

struct view
group_record_encode(int16_t prefix, const struct wire_message *m, int16_t version, const void *in)
{
    int64_t size = wire_size(m, version, in);
    must(size >= 0); /* everything in it was decoded from a request or a record */
    uint32_t bytes = (uint32_t)size + 2;
    uint8_t *at = group_alloc(1, bytes);
    struct put w = put_of(at, bytes);
    put_u16(&w, (uint16_t)prefix);
    must(wire_encode(m, version, in, &w) == ERR_OK && put_len(&w) == bytes);
    return view_of(at, bytes);
}

static void
record_out(struct group_shard *s, struct view key, struct view value, struct coord_place *place)
{
    s->step->ops->record(s->step->user, key, value, place);
}

void
group_record_put(struct group_shard *s, struct view key, struct view value)
{
    struct coord_place place = {.producer_id = -1, .producer_epoch = -1};
    record_out(s, key, value, &place);
    must(group_replay(s, key, value, &place) == ERR_OK);
    group_drop(&key);
    group_drop(&value);
}

void
group_record_offset(struct group_shard *s, const struct group_commit *c)
{
    struct wire_offset_commit_key k = {
        .group = c->group_id, .topic = c->topic, .partition = c->partition};
    group_boundary(s); /* each offset is a fact of its own */
    struct view key =
        group_record_encode(WIRE_RECORD_OFFSET_COMMIT, &wire_offset_commit_key_message, 0, &k);
    struct view value = {0};
    const struct group_offset *o = c->offset;
    if (o) {
        struct wire_offset_commit_value v;
        wire_init(&wire_offset_commit_value_message, &v);
        v.offset = o->offset;
        v.leader_epoch = o->leader_epoch;
        v.metadata = o->metadata.at ? o->metadata : view_of("", 0);
        v.commit_timestamp = o->commit_ms;
        v.expire_timestamp = o->expire_ms;
        memcpy(v.topic_id, o->topic_id, sizeof v.topic_id);
        int16_t version = o->expire_ms >= 0 ? OFFSET_EXPIRY_VERSION : OFFSET_VERSION;
        value = group_record_encode(version, &wire_offset_commit_value_message, version, &v);
    }
    struct coord_place place = {.producer_id = c->producer_id, .producer_epoch = c->producer_epoch};
    record_out(s, key, value, &place);
    must(group_replay(s, key, value, &place) == ERR_OK);
    group_drop(&key);
    group_drop(&value);
}

static void
member_out(const struct group_member *m, struct wire_group_metadata_value_member_metadata *out)
{
    out->member_id = m->by_id.key;
    out->group_instance_id = m->by_instance.key;
    out->client_id = m->client_id;
    out->client_host = m->client_host;
    out->rebalance_timeout = m->rebalance_timeout_ms;
    out->session_timeout = m->session_timeout_ms;
    out->subscription = group_member_metadata(m);
    out->assignment = m->assignment;
}

static struct view
group_key(const struct group *g)
{
    struct wire_group_metadata_key k = {.group = g->node.key};
    return group_record_encode(WIRE_RECORD_GROUP_METADATA, &wire_group_metadata_key_message, 0, &k);
}

void
group_record_group(struct group *g)
{
    struct wire_group_metadata_value v;
    wire_init(&wire_group_metadata_value_message, &v);
    v.protocol_type = g->protocol_type.at ? g->protocol_type : view_of("", 0);
    v.generation = g->generation;
    v.protocol = g->protocol;
    v.leader = g->leader ? g->leader->by_id.key : (struct view){0};
    v.current_state_timestamp = g->state_ms;
    v.members.count = (int32_t)g->by_id.count;
    v.members.items = group_alloc(g->by_id.count, sizeof *v.members.items);
    int32_t i = 0;
    for (struct list *l = g->members.next; l != &g->members; l = l->next)
        member_out(list_item(l, struct group_member, link), &v.members.items[i++]);
    struct view key = group_key(g);
    struct view value =
        group_record_encode(GROUP_VERSION, &wire_group_metadata_value_message, GROUP_VERSION, &v);
    free(v.members.items);
    struct coord_place place = {.producer_id = -1, .producer_epoch = -1};
    record_out(g->shard, key, value, &place);
    g->recorded = true;
    group_drop(&key);
    group_drop(&value);
}

void
group_record_gone(struct group *g)
{
    must(g->by_id.count == 0);
    struct view key = group_key(g);
    struct coord_place place = {.producer_id = -1, .producer_epoch = -1};
    record_out(g->shard, key, (struct view){0}, &place);
    group_drop(&key);
    group_forget(g);
}

int
group_record_read(struct group_shard *s, const struct wire_message *m, int16_t version,
                  struct view bytes, void *out)
{
    for (;;) {
        if (!s->scratch) {
            s->scratch_bytes = s->scratch_bytes ? s->scratch_bytes * 2 : SCRATCH_MIN;
            s->scratch = malloc(s->scratch_bytes);
            must(s->scratch);
        }
        struct wire_arena arena;
        wire_arena_init(&arena, s->scratch, s->scratch_bytes);
        int e = wire_decode(m, version, bytes, out, &arena);
        if (e != ERR_LIMIT)
            return e == ERR_OK ? ERR_OK : ERR_CORRUPT;
        if (s->scratch_bytes >= GROUP_RECORD_BYTES_MAX)
            return ERR_CORRUPT;
        free(s->scratch);
        s->scratch = NULL;
    }
}
