/* alter_dirs.c: see alter_dirs.h.
 *
 * The answer says that a move is wanted, not that it is over: DescribeLogDirs shows how far it is.
 * The request has directories and their topics, so a topic may be in it more than once; the answer
 * has it once, with all its partitions.  What is wrong with the directory is said before what is
 * wrong with the partition.  Other than Kafka, the directory of a partition that has no log here
 * yet is not remembered.  Source: Kafka KafkaApis.handleAlterReplicaLogDirsRequest,
 * ReplicaManager.alterReplicaLogDirs, LogManager.isLogDirOnline. */
#include "dataplane/broker/alter_dirs.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/asks.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum { TOPIC_BYTES = 16, PART_BYTES = 16 };

struct group {
    struct view name;
    uint32_t parts;
};

typedef struct wire_alter_replica_log_dirs_request_alter_replica_log_dir dir_wish;
typedef struct wire_alter_replica_log_dirs_response_alter_replica_log_dir_topic_result topic_result;
typedef struct wire_alter_replica_log_dirs_response_alter_replica_log_dir_partition_result
    part_result;

_Static_assert(ASKS_PARTS_MAX *(sizeof(struct group) + sizeof(topic_result) + sizeof(part_result) +
                                4 * sizeof(uint32_t)) < SHARD_SCRATCH_BYTES,
               "an answer fits into the scratch memory");

/* Topics of one name: as a list of those of the request. */
static uint32_t
groups_find(struct shard *s, const struct asks *o, struct group *groups)
{
    uint32_t room = 2, count = 0;
    while (room < 2 * o->topic_count)
        room *= 2;
    uint32_t *table = wire_arena_take(&s->scratch, room * sizeof *table);
    must(table);
    memset(table, 0xff, room * sizeof *table);
    for (uint32_t i = 0, first = 0; i < o->topic_count; first += o->topics[i++].part_count) {
        struct view name = o->topics[i].name;
        uint32_t at = route_hash(s->route, name) & (room - 1);
        while (table[at] != UINT32_MAX && !view_equal(groups[table[at]].name, name))
            at = (at + 1) & (room - 1);
        if (table[at] == UINT32_MAX) {
            groups[count] = (struct group){.name = name};
            table[at] = count++;
        }
        groups[table[at]].parts += o->topics[i].part_count;
        for (uint32_t k = 0; k < o->topics[i].part_count; k++)
            o->parts[first + k].topic = table[at];
    }
    return count;
}

static void
respond(struct shard *s, const struct asks *o)
{
    struct wire_alter_replica_log_dirs_response a;
    wire_init(o->req->api->response, &a);
    wire_arena_reset(&s->scratch);
    struct group *groups = wire_arena_take(&s->scratch, (o->topic_count + 1) * sizeof *groups);
    must(groups);
    uint32_t count = groups_find(s, o, groups);
    a.results.count = (int32_t)count;
    a.results.items = wire_items(
        &s->scratch,
        &wire_alter_replica_log_dirs_response_alter_replica_log_dir_topic_result_struct, count);
    must(a.results.items);
    for (uint32_t i = 0; i < count; i++) {
        topic_result *to = &a.results.items[i];
        to->topic_name = groups[i].name;
        to->partitions.items = wire_items(
            &s->scratch,
            &wire_alter_replica_log_dirs_response_alter_replica_log_dir_partition_result_struct,
            groups[i].parts);
        must(to->partitions.items);
    }
    for (uint32_t i = 0; i < o->part_count; i++) {
        topic_result *to = &a.results.items[o->parts[i].topic];
        part_result *part = &to->partitions.items[to->partitions.count++];
        part->partition_index = o->parts[i].partition;
        part->error_code = o->parts[i].error == KERR_NOT_LEADER_OR_FOLLOWER
                               ? KERR_REPLICA_NOT_AVAILABLE
                               : o->parts[i].error;
    }
    asks_answer(s, o, &a);
}

/* The number of a data directory, by its path as log.dirs has it; -1: there is none. */
static int
dir_find(struct shard *s, struct view path)
{
    const char *list = conf_text(s->config.conf, CONF_LOG_DIRS);
    char one[CONF_TEXT_BYTES_MAX];
    for (uint32_t i = 0; i < CONF_DIRS_MAX && conf_dir(list, i, one) == ERR_OK; i++)
        if (view_equal(path, view_of_text(one)))
            return (int)i;
    return -1;
}

static int16_t
dir_error(struct shard *s, int dir)
{
    struct store_dir_facts facts;
    if (dir < 0 || store_dir_facts(s->store, (uint32_t)dir, &facts) != ERR_OK)
        return KERR_LOG_DIR_NOT_FOUND;
    return facts.online ? KERR_NONE : KERR_KAFKA_STORAGE_ERROR;
}

static void
wish_add(struct shard *s, struct asks *o, const dir_wish *wish)
{
    int dir = dir_find(s, wish->path);
    int16_t error = dir_error(s, dir);
    for (int32_t i = 0; i < wish->topics.count; i++) {
        asks_topic(s, o, wish->topics.items[i].name);
        for (int32_t k = 0; k < wish->topics.items[i].partitions.count; k++) {
            struct asks_part *p = asks_part(o, wish->topics.items[i].partitions.items[k]);
            if (error != KERR_NONE)
                p->error = error;
            p->ask.dir = dir < 0 ? 0 : (uint8_t)dir;
        }
    }
}

enum req_verdict
alter_dirs_start(struct shard *s, struct req *r, struct view body)
{
    struct wire_alter_replica_log_dirs_request q;
    if (wire_decode(r->api->request, r->version, body, &q, &s->scratch))
        return REQ_BAD;
    struct asks_size size = {.topic_bytes = TOPIC_BYTES, .part_bytes = PART_BYTES};
    for (int32_t d = 0; d < q.dirs.count; d++)
        for (int32_t i = 0; i < q.dirs.items[d].topics.count; i++) {
            int32_t parts = q.dirs.items[d].topics.items[i].partitions.count;
            size.topics++;
            size.text += q.dirs.items[d].topics.items[i].name.len;
            size.parts += parts > 0 ? (uint32_t)parts : 0;
        }
    struct asks *o;
    enum req_verdict verdict = asks_open(s, r, &size, &o);
    if (verdict != REQ_PENDING)
        return verdict;
    for (int32_t d = 0; d < q.dirs.count; d++)
        wish_add(s, o, &q.dirs.items[d]);
    o->job_kind = JOB_MOVE_LOG;
    o->respond = respond;
    return asks_start(s, o);
}

/* ---- owner ---- */

bool
alter_dirs_try(struct shard *s, struct job *j)
{
    uint64_t lsn = 0;
    const struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &j->error);
    if (p && !p->log)
        j->error = KERR_REPLICA_NOT_AVAILABLE;
    if (p && p->log) {
        int rc = store_move(s->store, p->log, j->u.ask.dir, &lsn);
        if (rc == ERR_AGAIN)
            return false;
        j->error = rc == ERR_OK          ? KERR_NONE
                   : rc == ERR_NOT_FOUND ? KERR_LOG_DIR_NOT_FOUND
                                         : KERR_KAFKA_STORAGE_ERROR;
    }
    if (lsn)
        must(shard_wait_durable(s, lsn, true, NULL, j));
    else
        shard_return(s, j);
    return true;
}

void
alter_dirs_move(struct shard *s, struct job *j)
{
    if (!alter_dirs_try(s, j))
        list_push_back(&s->trims, &j->link);
}
