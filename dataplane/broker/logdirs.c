/* logdirs.c: see logdirs.h.
 *
 * Each partition is asked for its directory and size (asks.h); the answer is sorted by directory.
 * A directory that is offline gives KAFKA_STORAGE_ERROR and nothing of what is in it, a partition
 * that is not known nothing at all, as in Kafka.  A partition that moves is a future replica where
 * it moves to.  Source: Kafka KafkaApis.handleDescribeLogDirsRequest,
 * ReplicaManager.describeLogDirs. */
#include "dataplane/broker/logdirs.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/asks.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum { DIR_BYTES = 64, TOPIC_BYTES = 16, PART_BYTES = 64 /* with a future one */ };

typedef struct wire_describe_log_dirs_response_describe_log_dirs_result dir_result;
typedef struct wire_describe_log_dirs_response_describe_log_dirs_topic dir_topic;
typedef struct wire_describe_log_dirs_response_describe_log_dirs_partition dir_part;

_Static_assert(2 * ASKS_PARTS_MAX * (sizeof(dir_topic) + sizeof(dir_part)) +
                       CONF_DIRS_MAX * (sizeof(dir_result) + CONF_TEXT_BYTES_MAX) <
                   SHARD_SCRATCH_BYTES,
               "an answer fits into the scratch memory");

static bool
is_in(const struct asks_part *p, uint32_t dir)
{
    return p->error == KERR_NONE && (p->ask.dir == dir || p->ask.dir_to == dir);
}

/* Partitions [first, first + count) of one topic that are in a directory. */
static void
topic_fill(struct shard *s, const struct asks_part *parts, uint32_t count, uint32_t dir,
           dir_topic *out)
{
    uint32_t in = 0;
    for (uint32_t i = 0; i < count; i++)
        in += is_in(&parts[i], dir);
    dir_part *to = wire_items(
        &s->scratch, &wire_describe_log_dirs_response_describe_log_dirs_partition_struct, in);
    must(to);
    out->partitions.items = to;
    out->partitions.count = (int32_t)in;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_in(&parts[i], dir))
            continue;
        to->partition_index = parts[i].partition;
        to->partition_size = parts[i].ask.found;
        if (parts[i].ask.dir != dir) {
            to->partition_size = parts[i].ask.moved;
            to->offset_lag = parts[i].ask.missing;
            to->is_future_key = true;
        }
        to++;
    }
}

static void
topics_fill(struct shard *s, const struct asks *o, uint32_t dir, dir_result *out)
{
    uint32_t topics = 0, first = 0;
    for (uint32_t i = 0; i < o->topic_count; first += o->topics[i++].part_count)
        for (uint32_t k = 0; k < o->topics[i].part_count; k++)
            if (is_in(&o->parts[first + k], dir)) {
                topics++;
                break;
            }
    dir_topic *to = wire_items(
        &s->scratch, &wire_describe_log_dirs_response_describe_log_dirs_topic_struct, topics);
    must(to);
    out->topics.items = to;
    out->topics.count = (int32_t)topics;
    first = 0;
    for (uint32_t i = 0; i < o->topic_count; first += o->topics[i++].part_count) {
        bool any = false;
        for (uint32_t k = 0; k < o->topics[i].part_count; k++)
            any = any || is_in(&o->parts[first + k], dir);
        if (!any)
            continue;
        to->name = o->topics[i].name;
        topic_fill(s, &o->parts[first], o->topics[i].part_count, dir, to++);
    }
}

static uint32_t
dirs_count(const struct shard *s)
{
    struct store_dir_facts facts;
    uint32_t count = 0;
    while (count < CONF_DIRS_MAX && store_dir_facts(s->store, count, &facts) == ERR_OK)
        count++;
    return count;
}

static void
dir_fill(struct shard *s, const struct asks *o, uint32_t dir, dir_result *out)
{
    struct store_dir_facts facts;
    char *path = wire_arena_take(&s->scratch, CONF_TEXT_BYTES_MAX);
    must(path && store_dir_facts(s->store, dir, &facts) == ERR_OK);
    if (conf_dir(conf_text(s->config.conf, CONF_LOG_DIRS), dir, path) != ERR_OK)
        path[0] = '\0';
    out->log_dir = view_of_text(path);
    out->error_code = facts.online ? KERR_NONE : KERR_KAFKA_STORAGE_ERROR;
    out->total_bytes = out->usable_bytes = -1;
    if (!facts.online)
        return;
    out->total_bytes = facts.total_bytes > INT64_MAX ? -1 : (int64_t)facts.total_bytes;
    out->usable_bytes = facts.free_bytes > INT64_MAX ? -1 : (int64_t)facts.free_bytes;
    topics_fill(s, o, dir, out);
}

static void
respond(struct shard *s, const struct asks *o)
{
    struct wire_describe_log_dirs_response a;
    wire_init(o->req->api->response, &a);
    wire_arena_reset(&s->scratch);
    uint32_t dirs = dirs_count(s);
    a.results.items = wire_items(
        &s->scratch, &wire_describe_log_dirs_response_describe_log_dirs_result_struct, dirs);
    must(a.results.items);
    a.results.count = (int32_t)dirs;
    for (uint32_t i = 0; i < dirs; i++)
        dir_fill(s, o, i, &a.results.items[i]);
    asks_answer(s, o, &a);
}

static void
size_add(struct asks_size *size, uint32_t name_bytes, uint32_t parts, uint32_t dirs)
{
    uint32_t times = 2 * parts < dirs ? 2 * parts : dirs; /* in so many directories it can be */
    size->topics++;
    size->text += (uint64_t)name_bytes * (times ? times : 1);
    size->parts += parts;
}

/* Every partition there is. */
static enum req_verdict
open_all(struct shard *s, struct req *r, struct asks_size *size, uint32_t dirs, struct asks **out)
{
    for (uint32_t row = 0; row < route_rows(s->route); row++) {
        const struct route_topic *t = route_by_row(s->route, row);
        uint32_t parts = 0;
        for (uint32_t i = 0; t && i < t->part_room; i++)
            parts += t->parts[i] != NULL;
        if (parts)
            size_add(size, t->fact.name_bytes, parts, dirs);
    }
    enum req_verdict verdict = asks_open(s, r, size, out);
    for (uint32_t row = 0; verdict == REQ_PENDING && row < route_rows(s->route); row++) {
        const struct route_topic *t = route_by_row(s->route, row);
        bool named = false;
        for (uint32_t i = 0; t && i < t->part_room; i++) {
            if (!t->parts[i])
                continue;
            if (!named)
                asks_topic(s, *out, view_of(t->fact.name, t->fact.name_bytes));
            named = true;
            asks_part(*out, (int32_t)i);
        }
    }
    return verdict;
}

static enum req_verdict
open_named(struct shard *s, struct req *r, const struct wire_describe_log_dirs_request *q,
           struct asks_size *size, uint32_t dirs, struct asks **out)
{
    for (int32_t i = 0; i < q->topics.count; i++) {
        int32_t parts = q->topics.items[i].partitions.count;
        size_add(size, q->topics.items[i].topic.len, parts > 0 ? (uint32_t)parts : 0, dirs);
    }
    enum req_verdict verdict = asks_open(s, r, size, out);
    for (int32_t i = 0; verdict == REQ_PENDING && i < q->topics.count; i++) {
        asks_topic(s, *out, q->topics.items[i].topic);
        for (int32_t k = 0; k < q->topics.items[i].partitions.count; k++)
            asks_part(*out, q->topics.items[i].partitions.items[k]);
    }
    return verdict;
}

enum req_verdict
logdirs_start(struct shard *s, struct req *r, struct view body)
{
    struct wire_describe_log_dirs_request q;
    if (wire_decode(r->api->request, r->version, body, &q, &s->scratch))
        return REQ_BAD;
    uint32_t dirs = dirs_count(s);
    const char *paths = conf_text(s->config.conf, CONF_LOG_DIRS);
    struct asks_size size = {.text = strlen(paths) + (uint64_t)dirs * DIR_BYTES,
                             .topic_bytes = TOPIC_BYTES * dirs,
                             .part_bytes = PART_BYTES};
    struct asks *o;
    enum req_verdict verdict = q.topics.count < 0 ? open_all(s, r, &size, dirs, &o)
                                                  : open_named(s, r, &q, &size, dirs, &o);
    if (verdict != REQ_PENDING)
        return verdict;
    o->job_kind = JOB_LOGDIR;
    o->respond = respond;
    return asks_start(s, o);
}

/* ---- owner ---- */

void
logdirs_find(struct shard *s, struct job *j)
{
    struct plog_facts facts;
    struct store_move_facts move;
    const struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &j->error);
    if (p && !p->log)
        j->error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (p && p->log) {
        plog_facts(p->log, &facts);
        j->error = KERR_NONE;
        j->u.ask.found = (int64_t)facts.bytes;
        j->u.ask.dir = facts.dir;
        store_move_facts(s->store, p->log, &move);
        j->u.ask.dir_to = move.dir;
        j->u.ask.moved = (int64_t)move.bytes;
        j->u.ask.missing = facts.log_end_offset - move.offset;
    }
    shard_return(s, j);
}
