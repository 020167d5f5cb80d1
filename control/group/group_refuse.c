/* group_refuse.c: the answer to a request that is not carried out: one error, wherever the response
 * has a place for one. */
#include "control/group/group_in.h"

static void *
items(struct coord_step *step, const struct wire_struct *what, int32_t n)
{
    return n > 0 ? wire_items(step->arena, what, (uint32_t)n) : NULL;
}

static void
answer(struct coord_step *step, const struct coord_request *r, const void *response)
{
    step->ops->reply(step->user, r->token, response);
}

static void
refuse_join(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_join_group_request *q = r->body;
    struct wire_join_group_response a;
    wire_init(&wire_join_group_response_message, &a);
    a.error_code = error;
    a.member_id = q->member_id;
    answer(step, r, &a);
}

static void
refuse_sync(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_sync_group_response a;
    wire_init(&wire_sync_group_response_message, &a);
    a.error_code = error;
    answer(step, r, &a);
}

static void
refuse_heartbeat(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_heartbeat_response a;
    wire_init(&wire_heartbeat_response_message, &a);
    /* As Kafka: a member need not rejoin because its group is being loaded. */
    a.error_code = error == KERR_COORDINATOR_LOAD_IN_PROGRESS ? KERR_NONE : error;
    answer(step, r, &a);
}

static void
refuse_leave(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_leave_group_response a;
    wire_init(&wire_leave_group_response_message, &a);
    a.error_code = error;
    answer(step, r, &a);
}

static void
refuse_commit(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_offset_commit_request *q = r->body;
    struct wire_offset_commit_response a;
    wire_init(&wire_offset_commit_response_message, &a);
    a.topics.items = items(step, &wire_offset_commit_response_topic_struct, q->topics.count);
    for (int32_t i = 0; a.topics.items && i < q->topics.count; i++) {
        const struct wire_offset_commit_request_topic *from = &q->topics.items[i];
        struct wire_offset_commit_response_topic *to = &a.topics.items[a.topics.count++];
        to->name = from->name;
        memcpy(to->topic_id, from->topic_id, sizeof to->topic_id);
        to->partitions.items =
            items(step, &wire_offset_commit_response_partition_struct, from->partitions.count);
        for (int32_t j = 0; to->partitions.items && j < from->partitions.count; j++) {
            to->partitions.items[j].partition_index = from->partitions.items[j].partition_index;
            to->partitions.items[j].error_code = error;
            to->partitions.count++;
        }
    }
    answer(step, r, &a);
}

static void
refuse_txn_commit(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_txn_offset_commit_request *q = r->body;
    struct wire_txn_offset_commit_response a;
    wire_init(&wire_txn_offset_commit_response_message, &a);
    a.topics.items = items(step, &wire_txn_offset_commit_response_topic_struct, q->topics.count);
    for (int32_t i = 0; a.topics.items && i < q->topics.count; i++) {
        const struct wire_txn_offset_commit_request_topic *from = &q->topics.items[i];
        struct wire_txn_offset_commit_response_topic *to = &a.topics.items[a.topics.count++];
        to->name = from->name;
        to->partitions.items =
            items(step, &wire_txn_offset_commit_response_partition_struct, from->partitions.count);
        for (int32_t j = 0; to->partitions.items && j < from->partitions.count; j++) {
            to->partitions.items[j].partition_index = from->partitions.items[j].partition_index;
            to->partitions.items[j].error_code = error;
            to->partitions.count++;
        }
    }
    answer(step, r, &a);
}

/* Version 1 has no error but that of each partition. */
static void
refuse_fetch_1(struct coord_step *step, const struct wire_offset_fetch_request *q, int16_t error,
               struct wire_offset_fetch_response *a)
{
    a->topics.items = items(step, &wire_offset_fetch_response_topic_struct, q->topics.count);
    for (int32_t i = 0; a->topics.items && i < q->topics.count; i++) {
        const struct wire_offset_fetch_request_topic *from = &q->topics.items[i];
        struct wire_offset_fetch_response_topic *to = &a->topics.items[a->topics.count++];
        int32_t n = from->partition_indexes.count;
        to->name = from->name;
        to->partitions.items = items(step, &wire_offset_fetch_response_partition_struct, n);
        for (int32_t j = 0; to->partitions.items && j < n; j++) {
            to->partitions.items[j].partition_index = from->partition_indexes.items[j];
            to->partitions.items[j].committed_offset = -1;
            to->partitions.items[j].error_code = error;
            to->partitions.count++;
        }
    }
}

static void
refuse_fetch(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_offset_fetch_request *q = r->body;
    struct wire_offset_fetch_response a;
    wire_init(&wire_offset_fetch_response_message, &a);
    if (r->version == 1) {
        refuse_fetch_1(step, q, error, &a);
    } else if (r->version < 8) {
        a.error_code = error;
    } else {
        a.groups.items = items(step, &wire_offset_fetch_response_group_struct, q->groups.count);
        for (int32_t i = 0; a.groups.items && i < q->groups.count; i++) {
            a.groups.items[i].group_id = q->groups.items[i].group_id;
            a.groups.items[i].error_code = error;
            a.groups.count++;
        }
    }
    answer(step, r, &a);
}

static void
refuse_offset_delete(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_offset_delete_response a;
    wire_init(&wire_offset_delete_response_message, &a);
    a.error_code = error;
    answer(step, r, &a);
}

static void
refuse_delete(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_delete_groups_request *q = r->body;
    struct wire_delete_groups_response a;
    wire_init(&wire_delete_groups_response_message, &a);
    a.results.items = items(step, &wire_delete_groups_response_deletable_group_result_struct,
                            q->groups_names.count);
    for (int32_t i = 0; a.results.items && i < q->groups_names.count; i++) {
        a.results.items[i].group_id = q->groups_names.items[i];
        a.results.items[i].error_code = error;
        a.results.count++;
    }
    answer(step, r, &a);
}

static void
refuse_describe(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_describe_groups_request *q = r->body;
    struct wire_describe_groups_response a;
    wire_init(&wire_describe_groups_response_message, &a);
    a.groups.items =
        items(step, &wire_describe_groups_response_described_group_struct, q->groups.count);
    for (int32_t i = 0; a.groups.items && i < q->groups.count; i++) {
        a.groups.items[i].group_id = q->groups.items[i];
        a.groups.items[i].error_code = error;
        a.groups.count++;
    }
    answer(step, r, &a);
}

static void
refuse_list(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_list_groups_response a;
    wire_init(&wire_list_groups_response_message, &a);
    a.error_code = error;
    answer(step, r, &a);
}

static void
refuse_consumer_heartbeat(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_consumer_group_heartbeat_response a;
    wire_init(&wire_consumer_group_heartbeat_response_message, &a);
    a.error_code = error;
    answer(step, r, &a);
}

static void
refuse_consumer_describe(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    const struct wire_consumer_group_describe_request *q = r->body;
    struct wire_consumer_group_describe_response a;
    wire_init(&wire_consumer_group_describe_response_message, &a);
    a.groups.items = items(step, &wire_consumer_group_describe_response_described_group_struct,
                           q->group_ids.count);
    for (int32_t i = 0; a.groups.items && i < q->group_ids.count; i++) {
        a.groups.items[i].group_id = q->group_ids.items[i];
        a.groups.items[i].error_code = error;
        a.groups.count++;
    }
    answer(step, r, &a);
}

static const struct {
    int16_t key;
    void (*refuse)(struct coord_step *step, const struct coord_request *r, int16_t error);
} apis[] = {
    {WIRE_API_JOIN_GROUP, refuse_join},
    {WIRE_API_SYNC_GROUP, refuse_sync},
    {WIRE_API_HEARTBEAT, refuse_heartbeat},
    {WIRE_API_LEAVE_GROUP, refuse_leave},
    {WIRE_API_OFFSET_COMMIT, refuse_commit},
    {WIRE_API_TXN_OFFSET_COMMIT, refuse_txn_commit},
    {WIRE_API_OFFSET_FETCH, refuse_fetch},
    {WIRE_API_OFFSET_DELETE, refuse_offset_delete},
    {WIRE_API_DELETE_GROUPS, refuse_delete},
    {WIRE_API_DESCRIBE_GROUPS, refuse_describe},
    {WIRE_API_LIST_GROUPS, refuse_list},
    {WIRE_API_CONSUMER_GROUP_HEARTBEAT, refuse_consumer_heartbeat},
    {WIRE_API_CONSUMER_GROUP_DESCRIBE, refuse_consumer_describe},
};

void
group_refuse(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    uint32_t i = 0;
    while (i < sizeof apis / sizeof *apis && apis[i].key != r->api->key)
        i++;
    must(i < sizeof apis / sizeof *apis); /* the runtime sends no other APIs here */
    apis[i].refuse(step, r, error);
}
