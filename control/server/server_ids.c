/* server_ids.c: InitProducerId.  Ids come in blocks of META_PRODUCER_BLOCK, one record a block;
 * what is left of a block at a restart is never handed out (as Kafka ProducerIdManager).
 *
 * A transactional id needs the transaction coordinator, which is not built yet: INVALID_REQUEST,
 * which every client reports at once and none retries for ever; the log says why. */
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/wire/wire_gen.h"

static int
block_take(struct server_core *core)
{
    int64_t first = core->image.producer_id_next;
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    meta_put_producer_ids(&w, first + META_PRODUCER_BLOCK);
    int rc = core->append(core->user, view_of(core->entry, put_len(&w)));
    if (rc != ERR_OK)
        return rc;
    core->producer_id_next = first;
    core->producer_id_limit = first + META_PRODUCER_BLOCK;
    return ERR_OK;
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
        if (request->transactional_id.at)
            log_warn("control",
                     "refused a transactional producer: transactions are not available yet");
        response->error_code = KERR_INVALID_REQUEST;
        return ERR_OK;
    }
    if (core->producer_id_next == core->producer_id_limit) {
        int rc = block_take(core);
        if (rc != ERR_OK)
            return rc;
    }
    response->producer_id = core->producer_id_next++;
    response->producer_epoch = 0;
    return ERR_OK;
}
