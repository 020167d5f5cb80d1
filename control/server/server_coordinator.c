/* server_coordinator.c: FindCoordinator.  A cluster of one has one answer: this node, at the
 * address of the listener that asked.  What a client then asks of the coordinator is refused by
 * version, because nothing of it is offered yet.  The lookup itself is, since librdkafka takes it
 * for the sign that a broker can store lz4.  Source: Kafka KafkaApis.handleFindCoordinatorRequest.
 */
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

enum { BATCHED_SINCE = 4, KEY_GROUP = 0, KEY_TRANSACTION = 1 };

typedef struct wire_find_coordinator_response_coordinator coordinator;

static int16_t
code_of(const struct wire_find_coordinator_request *request)
{
    bool known = request->key_type == KEY_GROUP || request->key_type == KEY_TRANSACTION;
    return known ? KERR_NONE : KERR_INVALID_REQUEST;
}

static coordinator
row_of(const struct server_core *core, const struct server_call *call, int16_t code)
{
    const struct server_endpoint *at = server_endpoint_of(core, call->listener);
    if (code != KERR_NONE)
        return (coordinator){.node_id = -1, .port = -1, .host = view_of_text("")};
    return (coordinator){
        .node_id = core->rules.node_id, .port = at->port, .host = view_of_text(at->host)};
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
    int16_t code = code_of(request);
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = row_of(core, call, code);
        rows[i].key = request->coordinator_keys.items[i];
        rows[i].error_code = code;
        rows[i].error_message = view_of_text(code == KERR_NONE ? "" : kerr_message(code));
    }
    coordinator one = row_of(core, call, code);
    *response = (struct wire_find_coordinator_response){.coordinators = {rows, (int32_t)count},
                                                        .host = view_of_text("")};
    if (call->version < BATCHED_SINCE) {
        response->error_code = code;
        response->error_message = view_of_text(code == KERR_NONE ? "NONE" : kerr_message(code));
        response->node_id = one.node_id;
        response->host = one.host;
        response->port = one.port;
    } else {
        response->node_id = response->port = 0; /* absent from these versions */
    }
    call->response = response;
    return ERR_OK;
}
