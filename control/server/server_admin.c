/* server_admin.c: ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments and
 * UnregisterBroker with one broker, which leads every partition and has its only replica: each
 * election is unneeded, each reassignment to this broker is done at once, to another impossible.
 * Codes and texts as Kafka 4.3 ReplicationControlManager and ClusterControlManager. */
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

typedef struct wire_elect_leaders_request_topic_partitions elect_in;
typedef struct wire_elect_leaders_response_replica_election_result elect_out;
typedef struct wire_alter_partition_reassignments_request_reassignable_topic move_in;
typedef struct wire_alter_partition_reassignments_request_reassignable_partition move_part_in;
typedef struct wire_alter_partition_reassignments_response_reassignable_topic_response move_out;

enum { ELECTION_PREFERRED, ELECTION_UNCLEAN, SHOWN_MAX = META_NAME_BYTES_MAX };

static bool
partition_there(const struct meta_topic *t, int32_t partition)
{
    return partition >= 0 && (uint32_t)partition < t->partition_count;
}

static int
shown(struct view name)
{
    return (int)(name.len < SHOWN_MAX ? name.len : SHOWN_MAX);
}

/* ---- ElectLeaders ---- */

static bool
elect_topic(struct server_core *core, struct server_call *call, const elect_in *in, elect_out *out)
{
    const struct meta_topic *t = meta_topic_by_name(&core->image, in->topic);
    uint32_t count = (uint32_t)(in->partitions.count > 0 ? in->partitions.count : 0);
    out->topic = in->topic;
    out->partition_result.items = server_take(call, count, sizeof *out->partition_result.items);
    if (!out->partition_result.items)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        int32_t partition = in->partitions.items[i];
        struct meta_error e = {0};
        if (!t)
            (void)meta_error_set(&e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "No such topic as %.*s",
                                 shown(in->topic), (const char *)in->topic.at);
        else if (!partition_there(t, partition))
            (void)meta_error_set(&e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "No such partition as %s-%d",
                                 t->name, partition);
        else
            (void)meta_error_set(&e, KERR_ELECTION_NOT_NEEDED,
                                 "Leader election not needed for topic partition.");
        struct view text = server_error_text(call, &e);
        if (!text.at)
            return false;
        out->partition_result.items[i] =
            (struct wire_elect_leaders_response_partition_result){partition, e.code, text};
    }
    out->partition_result.count = (int32_t)count;
    return true;
}

/* All topics were asked for: each is named, and none of its partitions, since none needs it. */
static int32_t
elect_all(const struct server_core *core, elect_out *rows)
{
    int32_t n = 0;
    for (uint32_t row = meta_topic_next(&core->image, META_NONE); row != META_NONE;
         row = meta_topic_next(&core->image, row)) {
        const struct meta_topic *t = core->image.topics[row];
        rows[n++] = (elect_out){.topic = view_of(t->name, t->name_bytes)};
    }
    return n;
}

int
server_elect_leaders(struct server_core *core, struct server_call *call)
{
    const struct wire_elect_leaders_request *request = call->request;
    bool all = request->topic_partitions.count < 0;
    uint32_t count = all ? core->image.topic_count : (uint32_t)request->topic_partitions.count;
    struct wire_elect_leaders_response *response = server_take(call, 1, sizeof *response);
    elect_out *rows = server_take(call, count, sizeof *rows);
    if (!response || !rows)
        return ERR_LIMIT;
    call->response = response;
    if (request->election_type != ELECTION_PREFERRED &&
        request->election_type != ELECTION_UNCLEAN) {
        response->error_code = KERR_INVALID_REQUEST;
        return ERR_OK;
    }
    for (uint32_t i = 0; i < count && !all; i++)
        if (!elect_topic(core, call, &request->topic_partitions.items[i], &rows[i]))
            return ERR_LIMIT;
    response->replica_election_results.items = rows;
    response->replica_election_results.count = all ? elect_all(core, rows) : (int32_t)count;
    return ERR_OK;
}

/* ---- Reassignments ---- */

static void
move_judge(const struct server_core *core, struct view topic, const move_part_in *in,
           struct meta_error *e)
{
    const struct meta_topic *t = meta_topic_by_name(&core->image, topic);
    struct meta_assignment a = {.partition = in->partition_index,
                                .brokers = in->replicas.items,
                                .broker_count = (uint32_t)in->replicas.count};
    if (!t)
        (void)meta_error_set(e, KERR_UNKNOWN_TOPIC_OR_PARTITION,
                             "Unable to find a topic named %.*s.", shown(topic),
                             (const char *)topic.at);
    else if (!partition_there(t, in->partition_index))
        (void)meta_error_set(e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find partition %s:%d.",
                             t->name, in->partition_index);
    else if (in->replicas.count < 0) /* ends what is going on: nothing ever is */
        (void)meta_error_set(e, KERR_NO_REASSIGNMENT_IN_PROGRESS, "%s", "");
    else
        (void)meta_assignment_check(&a, &core->rules, e);
}

static bool
move_topic(struct server_core *core, struct server_call *call, const move_in *in, move_out *out)
{
    uint32_t count = (uint32_t)in->partitions.count;
    out->name = in->name;
    out->partitions.items = server_take(call, count, sizeof *out->partitions.items);
    if (!out->partitions.items)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const move_part_in *part = &in->partitions.items[i];
        struct meta_error e = {0};
        move_judge(core, in->name, part, &e);
        struct view text = server_error_text(call, &e);
        if (e.text[0] && !text.at)
            return false;
        out->partitions.items[i] =
            (struct wire_alter_partition_reassignments_response_reassignable_partition_response){
                part->partition_index, e.code, text};
    }
    out->partitions.count = (int32_t)count;
    return true;
}

int
server_alter_reassignments(struct server_core *core, struct server_call *call)
{
    const struct wire_alter_partition_reassignments_request *request = call->request;
    uint32_t count = (uint32_t)request->topics.count;
    struct wire_alter_partition_reassignments_response *response =
        server_take(call, 1, sizeof *response);
    move_out *rows = server_take(call, count, sizeof *rows);
    if (!response || !rows)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        if (!move_topic(core, call, &request->topics.items[i], &rows[i]))
            return ERR_LIMIT;
    response->allow_replication_factor_change = request->allow_replication_factor_change;
    if (count == 0)
        response->error_message = view_of("", 0); /* as Kafka's default, without a topic */
    response->responses.items = rows;
    response->responses.count = (int32_t)count;
    call->response = response;
    return ERR_OK;
}

/* A reassignment is over when it is answered, so none is ever found. */
int
server_list_reassignments(struct server_core *core, struct server_call *call)
{
    (void)core;
    call->response =
        server_take(call, 1, sizeof(struct wire_list_partition_reassignments_response));
    return call->response ? ERR_OK : ERR_LIMIT;
}

/* ---- UnregisterBroker ---- */

/* Kafka forgets even a broker that runs; ours would be a cluster without a broker. */
int
server_unregister_broker(struct server_core *core, struct server_call *call)
{
    const struct wire_unregister_broker_request *request = call->request;
    struct wire_unregister_broker_response *response = server_take(call, 1, sizeof *response);
    struct meta_error e = {0};
    if (!response)
        return ERR_LIMIT;
    if (request->broker_id == core->rules.node_id)
        (void)meta_error_set(&e, KERR_INVALID_REQUEST,
                             "Broker ID %d is the only broker of this cluster and cannot be "
                             "unregistered while it runs.",
                             request->broker_id);
    else
        (void)meta_error_set(&e, KERR_BROKER_ID_NOT_REGISTERED,
                             "Broker ID %d is not currently registered", request->broker_id);
    response->error_code = e.code;
    response->error_message = server_error_text(call, &e);
    call->response = response;
    return response->error_message.at ? ERR_OK : ERR_LIMIT;
}
