/* store_txn.c: transactions as the users of a store see them: may one begin, and how one ends.
 * What is open or aborted is kept by producer.c and stable.c. */
#include "core/base/err.h"
#include "core/store/store_in.h"
#include "core/wire/batch_control.h"
#include "core/wire/kerr.h"

int
store_txn_verify(struct store *s, struct plog *p, const struct batch_info *info, bool bumps,
                 int64_t now_ms, uint64_t *guard)
{
    (void)s;
    must(info->producer_id >= 0 && info->attributes & BATCH_TRANSACTIONAL);
    *guard = 0;
    if (p->state == PLOG_OFFLINE)
        return KERR_KAFKA_STORAGE_ERROR;
    struct producer_ask ask = producer_ask_of(info);
    int rc = producer_verify(&p->producers, &ask, bumps, now_ms, guard);
    return rc == ERR_OK ? KERR_NONE : KERR_KAFKA_STORAGE_ERROR;
}

bool
store_txn_verified(struct store *s, struct plog *p, int64_t producer_id, uint64_t guard)
{
    (void)s;
    return producer_verified(&p->producers, producer_id, guard);
}

int
store_append_marker(struct store *s, struct plog *p, const struct store_marker *m,
                    int32_t leader_epoch, int64_t now_ms, struct store_appended *out)
{
    must(!p->dead);
    if (m->producer_id < 0 || m->producer_epoch < 0) /* Kafka: IllegalArgumentException */
        return KERR_UNKNOWN_SERVER_ERROR;
    if (p->state == PLOG_OFFLINE)
        return KERR_KAFKA_STORAGE_ERROR;
    struct producer_marker ends = {.id = m->producer_id,
                                   .epoch = m->producer_epoch,
                                   .coordinator_epoch = m->coordinator_epoch,
                                   .version = m->version};
    int code = producer_check_marker(&p->producers, &ends);
    if (code != KERR_NONE)
        return code;
    struct batch_control c = {.type = m->commit ? BATCH_CONTROL_COMMIT : BATCH_CONTROL_ABORT,
                              .coordinator_epoch = m->coordinator_epoch,
                              .producer_id = m->producer_id,
                              .producer_epoch = m->producer_epoch,
                              .time_ms = now_ms};
    uint8_t batch[BATCH_CONTROL_BYTES];
    struct batch_info info;
    batch_control_build(batch, &c, &info);
    return store_append_batch(s, p, &info, view_of(batch, sizeof batch), leader_epoch, now_ms, out);
}
