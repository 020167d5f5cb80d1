/* server_ids.c: InitProducerId.  Ids come in blocks of META_PRODUCER_BLOCK, one record a block;
 * what is left of a block at a restart is never handed out (as Kafka ProducerIdManager).
 * Requests with a transactional id are for the coordinator of its transactions (server_coords.c).
 */
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

int
server_ids_block(struct server_core *core, int64_t *first, int64_t *limit)
{
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    *first = core->image.producer_id_next;
    *limit = *first + META_PRODUCER_BLOCK;
    meta_put_producer_ids(&w, *limit);
    return core->append(core->user, view_of(core->entry, put_len(&w)));
}

int
server_init_producer_id(struct server_core *core, struct server_call *call)
{
    const struct wire_init_producer_id_request *request = call->request;
    struct wire_init_producer_id_response *response = server_take(call, 1, sizeof *response);
    if (!response)
        return ERR_LIMIT;
    *response = (struct wire_init_producer_id_response){.producer_id = -1, .producer_epoch = -1};
    call->response = response;
    bool half = (request->producer_id == -1) != (request->producer_epoch == -1);
    if (half || request->transactional_id.at) {
        response->error_code = KERR_INVALID_REQUEST;
        return ERR_OK;
    }
    if (core->producer_id_next == core->producer_id_limit) {
        int64_t first, limit;
        int rc = server_ids_block(core, &first, &limit);
        if (rc != ERR_OK)
            return rc;
        core->producer_id_next = first;
        core->producer_id_limit = limit;
    }
    response->producer_id = core->producer_id_next++;
    response->producer_epoch = 0;
    return ERR_OK;
}
