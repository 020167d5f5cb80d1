/* server_metadata.c: Metadata, DescribeCluster, DescribeTopicPartitions: the requests that read the
 * image; Metadata may create topics.  Source: Kafka 4.3 KafkaApis.handleTopicMetadataRequest,
 * KRaftMetadataCache, DescribeTopicPartitionsRequestHandler, AuthHelper.
 *
 * One difference: where Kafka answers UNKNOWN_TOPIC_OR_PARTITION for a topic that it has just begun
 * to create, we answer when it is there.  Clients then need no second request. */
#include "control/server/server_internal.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

typedef struct wire_metadata_response_topic topic_out;

enum { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

/* The one replica of everything: this node, as an array of one. */
static struct wire_i32_array
this_node(const struct server_core *core)
{
    return (struct wire_i32_array){(int32_t *)&core->rules.node_id, 1};
}

/* ---- Metadata ---- */

static bool
topic_fill(struct server_core *core, struct server_call *call, const struct meta_topic *t,
           topic_out *out)
{
    const struct wire_metadata_request *request = call->request;
    uint32_t count = t->partition_count;
    out->name = server_text(call, t->name);
    memcpy(out->topic_id, t->id, META_ID_BYTES);
    out->is_internal = t->internal;
    out->partitions.items = server_take(call, count, sizeof *out->partitions.items);
    if (!out->partitions.items || !out->name.at)
        return false;
    out->partitions.count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++)
        out->partitions.items[i] =
            (struct wire_metadata_response_partition){.partition_index = (int32_t)i,
                                                      .leader_id = t->partitions[i].leader,
                                                      .leader_epoch = t->partitions[i].leader_epoch,
                                                      .replica_nodes = this_node(core),
                                                      .isr_nodes = this_node(core)};
    if (request->include_topic_authorized_operations)
        out->topic_authorized_operations = SERVER_TOPIC_OPERATIONS;
    return true;
}

static topic_out
topic_error(int16_t code, struct view name)
{
    return (topic_out){.error_code = code,
                       .name = name,
                       .is_internal = meta_name_internal(name),
                       .topic_authorized_operations = SERVER_OPERATIONS_NOT_ASKED};
}

/* A topic that is asked for by name and is not there: create it, or say why not. */
static int
topic_missing(struct server_core *core, struct server_call *call, struct view name, topic_out *out)
{
    const struct wire_metadata_request *request = call->request;
    struct meta_error e;
    if (meta_name_check(name, &e) != KERR_NONE) {
        *out = topic_error(KERR_INVALID_TOPIC_EXCEPTION, name);
        return ERR_OK;
    }
    *out = topic_error(KERR_UNKNOWN_TOPIC_OR_PARTITION, name);
    bool asked = call->version < 4 || request->allow_auto_topic_creation;
    if (!asked || !conf_bool(core->conf, CONF_AUTO_CREATE) ||
        call->wait_count == SERVER_AUTO_CREATE_MAX)
        return ERR_OK;
    struct meta_new_topic t = {.name = name, .partition_count = -1, .replication_factor = -1};
    struct server_internal memory;
    uint32_t partitions;
    server_internal_fill(core, &t, &memory);
    int rc = server_topic_create(core, &t, false, &partitions, &e);
    if (rc != ERR_OK || e.code != KERR_NONE)
        return rc; /* a collision or a full broker: unknown, as Kafka says it */
    const struct meta_topic *made = meta_topic_by_name(&core->image, name);
    call->wait_rows[call->wait_count++] = made->row;
    out->error_code = KERR_NONE;
    return topic_fill(core, call, made, out) ? ERR_OK : ERR_LIMIT;
}

static int
topic_lookup(struct server_core *core, struct server_call *call, bool by_id,
             const struct wire_metadata_request_topic *in, topic_out *out)
{
    const struct meta_topic *t = by_id ? meta_topic_by_id(&core->image, in->topic_id)
                                       : meta_topic_by_name(&core->image, in->name);
    *out = topic_error(KERR_NONE, (struct view){0});
    if (t)
        return topic_fill(core, call, t, out) ? ERR_OK : ERR_LIMIT;
    if (!by_id)
        return topic_missing(core, call, in->name, out);
    out->error_code = KERR_UNKNOWN_TOPIC_ID;
    memcpy(out->topic_id, in->topic_id, META_ID_BYTES);
    return ERR_OK;
}

static int
topics_all(struct server_core *core, struct server_call *call,
           struct wire_metadata_response *response)
{
    topic_out *rows = server_take(call, core->image.topic_count, sizeof *rows);
    if (!rows)
        return ERR_LIMIT;
    response->topics.items = rows;
    for (uint32_t row = meta_topic_next(&core->image, META_NONE); row != META_NONE;
         row = meta_topic_next(&core->image, row)) {
        topic_out *out = &rows[response->topics.count++];
        *out = topic_error(KERR_NONE, (struct view){0});
        if (!topic_fill(core, call, core->image.topics[row], out))
            return ERR_LIMIT;
    }
    return ERR_OK;
}

static int
topic_in_order(const void *a, const void *b)
{
    const struct wire_metadata_request_topic *x = a, *y = b;
    int d = memcmp(x->topic_id, y->topic_id, META_ID_BYTES);
    if (d)
        return d;
    uint32_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    d = n ? memcmp(x->name.at, y->name.at, n) : 0;
    return d ? d : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

/* A topic that is asked for twice is answered once: Kafka keeps the request as a set. */
static int
topics_some(struct server_core *core, struct server_call *call,
            struct wire_metadata_response *response)
{
    const struct wire_metadata_request *request = call->request;
    uint32_t count = (uint32_t)request->topics.count;
    struct wire_metadata_request_topic *in = server_take(call, count, sizeof *in);
    topic_out *rows = server_take(call, count, sizeof *rows);
    call->wait_rows = server_take(call, SERVER_AUTO_CREATE_MAX, sizeof *call->wait_rows);
    if (!in || !rows || !call->wait_rows)
        return ERR_LIMIT;
    bool by_id = false;
    for (uint32_t i = 0; i < count; i++) {
        in[i] = request->topics.items[i];
        by_id = by_id || !meta_id_is_zero(in[i].topic_id);
    }
    qsort(in, count, sizeof *in, topic_in_order);
    response->topics.items = rows;
    for (uint32_t i = 0; i < count; i++) {
        bool twice = i > 0 && topic_in_order(&in[i - 1], &in[i]) == 0;
        bool usable = by_id ? !meta_id_is_zero(in[i].topic_id) : in[i].name.at != NULL;
        if (twice || !usable)
            continue;
        int rc = topic_lookup(core, call, by_id, &in[i], &rows[response->topics.count]);
        if (rc != ERR_OK)
            return rc;
        response->topics.count++;
    }
    call->wait_ms = SERVER_OPEN_WAIT_MS;
    return ERR_OK;
}

/* Versions 10 and 11 have the field for ids, but no broker ever looked topics up by it: Kafka
 * answers INVALID_REQUEST for each topic. */
static bool
metadata_refused(struct server_call *call, struct wire_metadata_response *response)
{
    const struct wire_metadata_request *request = call->request;
    bool bad = false;
    for (int32_t i = 0; call->version < 12 && i < request->topics.count; i++)
        bad = bad || !request->topics.items[i].name.at ||
              !meta_id_is_zero(request->topics.items[i].topic_id);
    if (!bad)
        return false;
    topic_out *rows = server_take(call, (size_t)request->topics.count, sizeof *rows);
    response->topics.items = rows;
    for (int32_t i = 0; rows && i < request->topics.count; i++) {
        struct view name = request->topics.items[i].name;
        rows[i] = topic_error(KERR_INVALID_REQUEST, name.at ? name : view_of("", 0));
        memcpy(rows[i].topic_id, request->topics.items[i].topic_id, META_ID_BYTES);
        response->topics.count++;
    }
    return true;
}

int
server_metadata(struct server_core *core, struct server_call *call)
{
    const struct wire_metadata_request *request = call->request;
    const struct server_endpoint *at = server_endpoint_of(core, call->listener);
    struct wire_metadata_response *response = server_take(call, 1, sizeof *response);
    struct wire_metadata_response_broker *broker = server_take(call, 1, sizeof *broker);
    if (!response || !broker)
        return ERR_LIMIT;
    *response = (struct wire_metadata_response){
        .controller_id = -1, .cluster_authorized_operations = SERVER_OPERATIONS_NOT_ASKED};
    call->response = response;
    if (metadata_refused(call, response))
        return response->topics.items ? ERR_OK : ERR_LIMIT;
    *broker = (struct wire_metadata_response_broker){.node_id = core->rules.node_id,
                                                     .host = view_of_text(at->host),
                                                     .port = at->port,
                                                     .rack = conf_nullable(core->conf, CONF_RACK)};
    response->brokers.items = broker;
    response->brokers.count = 1;
    response->cluster_id = view_of_text(core->cluster_id);
    response->controller_id = core->rules.node_id;
    if (request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = SERVER_CLUSTER_OPERATIONS;
    bool all = request->topics.count < 0 || (call->version == 0 && request->topics.count == 0);
    return all ? topics_all(core, call, response) : topics_some(core, call, response);
}

/* ---- DescribeCluster ---- */

int
server_describe_cluster(struct server_core *core, struct server_call *call)
{
    const struct wire_describe_cluster_request *request = call->request;
    const struct server_endpoint *at = server_endpoint_of(core, call->listener);
    struct wire_describe_cluster_response *response = server_take(call, 1, sizeof *response);
    struct wire_describe_cluster_response_describe_cluster_broker *broker =
        server_take(call, 1, sizeof *broker);
    if (!response || !broker)
        return ERR_LIMIT;
    *response = (struct wire_describe_cluster_response){.endpoint_type = ENDPOINT_BROKER,
                                                        .cluster_id = view_of("", 0),
                                                        .controller_id = -1,
                                                        .cluster_authorized_operations =
                                                            SERVER_OPERATIONS_NOT_ASKED};
    call->response = response;
    if (request->endpoint_type == ENDPOINT_CONTROLLER) {
        response->error_code = KERR_MISMATCHED_ENDPOINT_TYPE;
        response->error_message =
            view_of_text("The request was sent to an endpoint of type BROKER, but "
                         "we wanted an endpoint of type CONTROLLER");
        return ERR_OK;
    }
    if (request->endpoint_type != ENDPOINT_BROKER) {
        struct meta_error e;
        response->error_code =
            meta_error_set(&e, KERR_UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type %d",
                           request->endpoint_type);
        response->error_message = server_error_text(call, &e);
        return ERR_OK;
    }
    *broker = (struct wire_describe_cluster_response_describe_cluster_broker){
        .broker_id = core->rules.node_id,
        .host = view_of_text(at->host),
        .port = at->port,
        .rack = conf_nullable(core->conf, CONF_RACK)};
    response->brokers.items = broker;
    response->brokers.count = 1;
    response->cluster_id = view_of_text(core->cluster_id);
    response->controller_id = core->rules.node_id;
    if (request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = SERVER_CLUSTER_OPERATIONS;
    return ERR_OK;
}

/* ---- DescribeTopicPartitions ---- */

typedef struct wire_describe_topic_partitions_response_topic parts_out;

static int
name_order(const void *a, const void *b)
{
    const struct view *x = a, *y = b;
    uint32_t n = x->len < y->len ? x->len : y->len;
    int d = n ? memcmp(x->at, y->at, n) : 0;
    return d ? d : (x->len > y->len) - (x->len < y->len);
}

/* The names asked for (or all), sorted, each once, none before the cursor's. */
static struct view *
parts_names(struct server_core *core, struct server_call *call, uint32_t *count)
{
    const struct wire_describe_topic_partitions_request *request = call->request;
    bool all = request->topics.count == 0;
    uint32_t room = all ? core->image.topic_count : (uint32_t)request->topics.count;
    struct view *names = server_take(call, room, sizeof *names);
    uint32_t n = 0;
    if (!names)
        return NULL;
    for (int32_t i = 0; i < request->topics.count; i++)
        names[n++] = request->topics.items[i].name;
    for (uint32_t row = all ? meta_topic_next(&core->image, META_NONE) : META_NONE;
         row != META_NONE; row = meta_topic_next(&core->image, row))
        names[n++] = view_of(core->image.topics[row]->name, core->image.topics[row]->name_bytes);
    qsort(names, n, sizeof *names, name_order);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool before = request->cursor && name_order(&names[i], &request->cursor->topic_name) < 0;
        if (!before && (kept == 0 || !view_equal(names[kept - 1], names[i])))
            names[kept++] = names[i];
    }
    *count = kept;
    return names;
}

static bool
parts_fill(struct server_core *core, struct server_call *call, const struct meta_topic *t,
           parts_out *out, uint32_t first, uint32_t count)
{
    out->name = server_text(call, t->name);
    memcpy(out->topic_id, t->id, META_ID_BYTES);
    out->is_internal = t->internal;
    out->partitions.items = server_take(call, count, sizeof *out->partitions.items);
    if (!out->partitions.items)
        return false;
    out->partitions.count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        const struct meta_partition *p = &t->partitions[first + i];
        /* No replica is ever eligible but out of the ISR: both lists are empty, not null. */
        out->partitions.items[i] = (struct wire_describe_topic_partitions_response_partition){
            .partition_index = (int32_t)(first + i),
            .leader_id = p->leader,
            .leader_epoch = p->leader_epoch,
            .replica_nodes = this_node(core),
            .isr_nodes = this_node(core)};
    }
    return true;
}

static struct wire_describe_topic_partitions_response_cursor *
parts_cursor(struct server_call *call, struct view name, uint32_t partition)
{
    struct wire_describe_topic_partitions_response_cursor *c = server_take(call, 1, sizeof *c);
    if (c)
        *c = (struct wire_describe_topic_partitions_response_cursor){name, (int32_t)partition};
    return c;
}

/* One topic: up to *left of its partitions from where the cursor says.  Sets next_cursor when some
 * are left over. */
static int
parts_one(struct server_core *core, struct server_call *call, struct view name, uint32_t *left,
          struct wire_describe_topic_partitions_response *response)
{
    const struct wire_describe_topic_partitions_request *request = call->request;
    parts_out *out = &response->topics.items[response->topics.count++];
    const struct meta_topic *t = meta_topic_by_name(&core->image, name);
    *out = (parts_out){.name = name, .topic_authorized_operations = SERVER_TOPIC_OPERATIONS};
    if (!t) {
        struct meta_error e;
        out->is_internal = meta_name_internal(name);
        out->error_code = meta_name_check(name, &e) == KERR_NONE ? KERR_UNKNOWN_TOPIC_OR_PARTITION
                                                                 : KERR_INVALID_TOPIC_EXCEPTION;
        return ERR_OK;
    }
    uint32_t first = 0;
    if (request->cursor && view_equal(request->cursor->topic_name, name))
        first = (uint32_t)request->cursor->partition_index;
    if (first > t->partition_count)
        first = t->partition_count;
    uint32_t count = t->partition_count - first;
    bool cut = count > *left;
    if (cut)
        count = *left;
    *left -= count;
    if (!parts_fill(core, call, t, out, first, count))
        return ERR_LIMIT;
    if (!cut)
        return ERR_OK;
    response->next_cursor = parts_cursor(call, name, first + count);
    return response->next_cursor ? ERR_OK : ERR_LIMIT;
}

int
server_describe_partitions(struct server_core *core, struct server_call *call)
{
    const struct wire_describe_topic_partitions_request *request = call->request;
    struct wire_describe_topic_partitions_response *response =
        server_take(call, 1, sizeof *response);
    if (!response)
        return ERR_LIMIT;
    call->response = response;
    if (request->cursor && request->cursor->partition_index < 0)
        return ERR_CORRUPT; /* Kafka's response cannot say it either: the connection is closed */
    uint32_t count = 0;
    struct view *names = parts_names(core, call, &count);
    response->topics.items = server_take(call, count, sizeof *response->topics.items);
    if (!names || !response->topics.items)
        return ERR_LIMIT;
    int32_t limit = request->response_partition_limit;
    uint32_t left = limit < 1                                ? 1
                    : limit > SERVER_DESCRIBE_PARTITIONS_MAX ? SERVER_DESCRIBE_PARTITIONS_MAX
                                                             : (uint32_t)limit;
    for (uint32_t i = 0; i < count && !response->next_cursor; i++) {
        if (left == 0) {
            response->next_cursor = parts_cursor(call, names[i], 0);
            return response->next_cursor ? ERR_OK : ERR_LIMIT;
        }
        int rc = parts_one(core, call, names[i], &left, response);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}
