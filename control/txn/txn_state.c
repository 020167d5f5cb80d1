/* txn_state.c: what a request makes of one transaction.
 *
 * Clients of version 2 end each transaction under the epoch behind the one they wrote with.  So of
 * an EndTxn with the epoch before the present one it is known that it was carried out already, and
 * one with the present epoch belongs to the transaction that is open or to none:
 *
 *                     abort                        commit
 *                     epoch before   present       epoch before   present
 *    EMPTY            fenced         abort         fenced         INVALID_TXN_STATE
 *    ONGOING          fenced         abort         fenced         commit
 *    PREPARE_*        CONCURRENT     CONCURRENT    CONCURRENT     CONCURRENT
 *    COMPLETE_ABORT   done           abort         INVALID_TXN..  INVALID_TXN_STATE
 *    COMPLETE_COMMIT  INVALID_TXN..  abort         done           INVALID_TXN_STATE
 *
 * While markers are due nothing else is said, whatever the id and epoch: the client may have the id
 * that takes over when the transaction is complete.  An abort with nothing to abort bumps the epoch
 * all the same: the client may have written to logs that the coordinator was not told of.  Epochs
 * end at TXN_EPOCH_LAST: then a new producer id takes over when the transaction is complete.
 * Source: Kafka TransactionCoordinator.endTransaction, endTransactionWithTV1,
 * prepareInitProducerIdTransit; TransactionMetadata.prepare*. */
#include "control/txn/txn_in.h"

static void
refuse(struct txn_change *out, int16_t error)
{
    *out = (struct txn_change){.error = error};
}

/* A change to be written; the id that it had is the previous one from then on, as in Kafka. */
static struct txn_values *
change(struct txn_change *out, const struct txn_values *now, enum txn_status status, int64_t now_ms)
{
    *out = (struct txn_change){.error = KERR_NONE, .write = true, .to = *now};
    out->to.previous_id = now->producer_id;
    out->to.status = (int8_t)status;
    out->to.update_ms = now_ms;
    return &out->to;
}

static bool
decided(const struct txn_values *v)
{
    return v->status == TXN_PREPARE_COMMIT || v->status == TXN_PREPARE_ABORT;
}

static bool
exhausted(int16_t epoch)
{
    return epoch >= TXN_EPOCH_LAST;
}

bool
txn_state_exhausted(const struct txn_values *now)
{
    return exhausted(now->epoch);
}

/* ---- InitProducerId ---- */

/* Whether the producer that the client has is this one, or the one before whose epochs ran out. */
static bool
known_producer(const struct txn_values *now, const struct txn_init_ask *ask)
{
    return ask->producer_id < 0 || now->epoch == TXN_NO_EPOCH ||
           ask->producer_id == now->producer_id ||
           (ask->producer_id == now->previous_id && exhausted(ask->epoch));
}

static void
begin_anew(const struct txn_values *now, const struct txn_init_ask *ask, int64_t now_ms,
           struct txn_change *out)
{
    struct txn_values *to = change(out, now, TXN_EMPTY, now_ms);
    to->timeout_ms = ask->timeout_ms;
    to->start_ms = -1;
}

static void
init_bump(const struct txn_values *now, const struct txn_init_ask *ask, int64_t now_ms,
          struct txn_change *out)
{
    bool given = ask->producer_id >= 0;
    bool present = now->epoch == TXN_NO_EPOCH || ask->epoch == now->epoch;
    bool retry = given && !present && ask->epoch == now->last_epoch;
    if (given && !present && !retry) {
        refuse(out, KERR_PRODUCER_FENCED);
        return;
    }
    begin_anew(now, ask, now_ms, out);
    if (retry)
        return;
    out->to.epoch = (int16_t)(now->epoch + 1);
    out->to.last_epoch = given ? now->epoch : TXN_NO_EPOCH;
}

void
txn_state_init(const struct txn_values *now, const struct txn_init_ask *ask, int64_t fresh_id,
               int64_t now_ms, struct txn_change *out)
{
    if (decided(now)) {
        refuse(out, KERR_CONCURRENT_TRANSACTIONS);
    } else if (!known_producer(now, ask)) {
        refuse(out, KERR_PRODUCER_FENCED);
    } else if (now->status == TXN_ONGOING) {
        txn_state_fence(now, fresh_id, now_ms, out);
        if (out->write)
            out->error = KERR_CONCURRENT_TRANSACTIONS; /* the client asks again */
    } else if (!exhausted(now->epoch) || (ask->producer_id >= 0 && ask->epoch != now->epoch)) {
        init_bump(now, ask, now_ms, out);
        must(!out->write || out->to.epoch >= 0);
    } else if (fresh_id < 0) {
        refuse(out, KERR_COORDINATOR_LOAD_IN_PROGRESS);
        out->needs_id = true;
    } else {
        begin_anew(now, ask, now_ms, out);
        out->fresh_used = true;
        out->to.producer_id = fresh_id;
        out->to.epoch = 0;
        out->to.last_epoch = ask->producer_id >= 0 ? now->epoch : TXN_NO_EPOCH;
    }
}

/* ---- adding partitions ---- */

void
txn_state_add(const struct txn_values *now, int64_t producer_id, int16_t epoch, bool subset,
              int16_t version, int64_t now_ms, struct txn_change *out)
{
    if (decided(now)) {
        refuse(out, KERR_CONCURRENT_TRANSACTIONS);
    } else if (now->producer_id != producer_id) {
        refuse(out, KERR_INVALID_PRODUCER_ID_MAPPING);
    } else if (now->epoch != epoch) {
        refuse(out, KERR_PRODUCER_FENCED);
    } else if (now->status == TXN_ONGOING && subset) {
        refuse(out, KERR_NONE); /* nothing to write */
    } else {
        struct txn_values *to = change(out, now, TXN_ONGOING, now_ms);
        if (now->status != TXN_ONGOING)
            to->start_ms = now_ms;
        to->version = version;
    }
}

/* ---- ending ---- */

/* Decides; with version 2 under the next epoch, and a new id when there is none. */
static void
decide(const struct txn_values *now, bool commit, int16_t version, int64_t fresh_id, int64_t now_ms,
       struct txn_change *out)
{
    bool bumps = version >= TXN_VERSION_BUMPS, rotates = bumps && exhausted(now->epoch);
    if (rotates && fresh_id < 0) {
        refuse(out, KERR_COORDINATOR_LOAD_IN_PROGRESS);
        out->needs_id = true;
        return;
    }
    struct txn_values *to =
        change(out, now, commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, now_ms);
    to->version = version;
    to->next_id = rotates ? fresh_id : -1;
    out->fresh_used = rotates;
    if (now->status != TXN_ONGOING)
        to->start_ms = now_ms;
    if (!bumps)
        return;
    to->last_epoch = now->epoch;
    to->epoch = now->epoch == INT16_MAX ? now->epoch : (int16_t)(now->epoch + 1);
}

void
txn_state_fence(const struct txn_values *now, int64_t fresh_id, int64_t now_ms,
                struct txn_change *out)
{
    must(now->status == TXN_ONGOING);
    decide(now, false, TXN_VERSION_BUMPS, fresh_id, now_ms, out);
}

/* Of clients without version 2, whose epoch does not change. */
static void
end_plain(const struct txn_values *now, const struct txn_end_ask *ask, int64_t now_ms,
          struct txn_change *out)
{
    bool aborted = now->status == TXN_COMPLETE_ABORT;
    if (now->producer_id != ask->producer_id)
        refuse(out, KERR_INVALID_PRODUCER_ID_MAPPING);
    else if (now->epoch != ask->epoch)
        refuse(out, KERR_PRODUCER_FENCED);
    else if (now->status == TXN_ONGOING)
        decide(now, ask->commit, 0, -1, now_ms, out);
    else if (decided(now))
        refuse(out, KERR_CONCURRENT_TRANSACTIONS);
    else
        refuse(out, now->status == TXN_EMPTY || ask->commit == aborted ? KERR_INVALID_TXN_STATE
                                                                       : KERR_NONE);
}

void
txn_state_end(const struct txn_values *now, const struct txn_end_ask *ask, int64_t fresh_id,
              int64_t now_ms, struct txn_change *out)
{
    if (ask->version < TXN_VERSION_BUMPS) {
        end_plain(now, ask, now_ms, out);
        return;
    }
    bool complete = now->status == TXN_COMPLETE_COMMIT || now->status == TXN_COMPLETE_ABORT;
    bool present = ask->epoch == now->epoch;
    bool rotated =
        now->previous_id == ask->producer_id && ask->epoch == TXN_EPOCH_LAST && now->epoch == 0;
    bool before = now->epoch == ask->epoch + 1, again = before || rotated;
    bool valid = present || (complete && again);
    bool committed = now->status == TXN_COMPLETE_COMMIT;
    if (decided(now))
        refuse(out, KERR_CONCURRENT_TRANSACTIONS);
    else if (now->producer_id != ask->producer_id && !rotated)
        refuse(out, KERR_INVALID_PRODUCER_ID_MAPPING);
    else if (!valid)
        refuse(out, KERR_PRODUCER_FENCED);
    else if (now->status == TXN_ONGOING)
        decide(now, ask->commit, ask->version, fresh_id, now_ms, out);
    else if (complete && again)
        refuse(out, ask->commit == committed ? KERR_NONE : KERR_INVALID_TXN_STATE);
    else if (ask->commit)
        refuse(out, KERR_INVALID_TXN_STATE);
    else
        decide(now, false, ask->version, fresh_id, now_ms, out);
}

void
txn_state_complete(const struct txn_values *now, int64_t now_ms, struct txn_values *to)
{
    must(decided(now));
    struct txn_change c;
    *to = *change(&c, now,
                  now->status == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT,
                  now_ms);
    if (now->version >= TXN_VERSION_BUMPS && now->next_id >= 0) {
        to->producer_id = now->next_id;
        to->epoch = 0;
    }
    to->next_id = -1;
}
