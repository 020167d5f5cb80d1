/* server_coordinator.c: FindCoordinator.  Who coordinates a group or a transaction leads the
 * partition that keeps its state, which on one node is this node, at the address of the listener
 * that asked.  Whoever asks first creates the topic; where Kafka then says
 * COORDINATOR_NOT_AVAILABLE until it is there, we answer when it is, or after a second.  Source:
 * Kafka 4.3 KafkaApis.handleFindCoordinatorRequest. */
#include "control/group/group.h"
#include "control/server/server_internal.h"
#include "core/base/err.h"
#include "core/base/javahash.h"
#include "core/wire/wire_gen.h"

enum { BATCHED_SINCE = 4, TRANSACTIONS_SINCE = 1 };

typedef struct wire_find_coordinator_response_coordinator coordinator;

/* The topic of that kind, made if there is none.  NULL: it cannot be made now. */
static int
topic_need(struct server_core *core, struct server_call *call, enum server_coordinator kind,
           const struct meta_topic **out)
{
    struct view name = view_of_text(server_internal_name(kind));
    *out = meta_topic_by_name(&core->image, name);
    if (*out)
        return ERR_OK;
    struct meta_new_topic t = {.name = name, .partition_count = -1, .replication_factor = -1};
    struct server_internal memory;
    struct meta_error e;
    uint32_t partitions;
    server_internal_fill(core, &t, &memory);
    int rc = server_topic_create(core, &t, false, &partitions, &e);
    if (rc != ERR_OK)
        return rc;
    *out = meta_topic_by_name(&core->image, name);
    call->wait_rows = *out ? server_take(call, 1, sizeof *call->wait_rows) : NULL;
    if (call->wait_rows) {
        call->wait_rows[0] = (*out)->row;
        call->wait_count = 1;
        call->wait_ms = SERVER_OPEN_WAIT_MS;
    }
    return ERR_OK;
}

static int16_t
code_of(const struct server_core *core, const struct server_call *call, const struct meta_topic *t,
        struct view key)
{
    if (!t)
        return KERR_COORDINATOR_NOT_AVAILABLE;
    int32_t partition = javahash_partition(key, (int32_t)t->partition_count);
    bool open = call->wait_count > 0 || !core->open || core->open(core->user, t, partition);
    return open ? KERR_NONE : KERR_COORDINATOR_NOT_AVAILABLE;
}

static coordinator
row_of(const struct server_core *core, const struct server_call *call, int16_t code)
{
    const struct server_endpoint *at = server_endpoint_of(core, call->listener);
    if (code != KERR_NONE)
        return (coordinator){
            .error_code = code, .node_id = -1, .port = -1, .host = view_of_text("")};
    return (coordinator){
        .node_id = core->rules.node_id, .port = at->port, .host = view_of_text(at->host)};
}

static void
batch_fill(const struct server_core *core, const struct server_call *call, int16_t refused,
           const struct meta_topic *t, struct wire_find_coordinator_response *response)
{
    const struct wire_find_coordinator_request *request = call->request;
    for (int32_t i = 0; i < response->coordinators.count; i++) {
        coordinator *row = &response->coordinators.items[i];
        struct view key = request->coordinator_keys.items[i];
        *row = row_of(core, call, refused ? refused : code_of(core, call, t, key));
        row->key = key;
        row->error_message =
            view_of_text(row->error_code == KERR_NONE ? "" : kerr_message(row->error_code));
    }
}

static void
single_fill(const struct server_core *core, const struct server_call *call, int16_t refused,
            const struct meta_topic *t, struct wire_find_coordinator_response *response)
{
    const struct wire_find_coordinator_request *request = call->request;
    coordinator one = row_of(core, call, refused ? refused : code_of(core, call, t, request->key));
    response->error_code = one.error_code;
    response->error_message =
        view_of_text(one.error_code == KERR_NONE ? "NONE" : kerr_message(one.error_code));
    response->node_id = one.node_id;
    response->host = one.host;
    response->port = one.port;
}

int
server_find_coordinator(struct server_core *core, struct server_call *call)
{
    const struct wire_find_coordinator_request *request = call->request;
    struct wire_find_coordinator_response *response = server_take(call, 1, sizeof *response);
    uint32_t count = call->version < BATCHED_SINCE ? 0 : (uint32_t)request->coordinator_keys.count;
    coordinator *rows = server_take(call, count, sizeof *rows);
    if (!response || !rows)
        return ERR_LIMIT;
    *response = (struct wire_find_coordinator_response){.coordinators = {rows, (int32_t)count},
                                                        .host = view_of_text("")};
    call->response = response;
    int8_t kind = call->version < TRANSACTIONS_SINCE ? SERVER_GROUPS : request->key_type;
    bool known = kind == SERVER_GROUPS || kind == SERVER_TRANSACTIONS;
    int16_t refused = known ? KERR_NONE : KERR_INVALID_REQUEST;
    const struct meta_topic *t = NULL;
    if (known && (call->version < BATCHED_SINCE || count > 0)) {
        int rc = topic_need(core, call, (enum server_coordinator)kind, &t);
        if (rc != ERR_OK)
            return rc;
    }
    if (call->version < BATCHED_SINCE)
        single_fill(core, call, refused, t, response);
    else
        batch_fill(core, call, refused, t, response);
    return ERR_OK;
}
