/* fetch_aborted.c: who reads committed data is told which transactions of his range were aborted.
 *
 * The list belongs to the range: all of it, or the range is not given.  It is written by the owner
 * into memory of the home shard, mostly into none; when that is too small the range comes back
 * empty with the count, and the owner is asked again with as much room. Source: Kafka
 * LocalLog.addAbortedTransactions, TransactionIndex.collectAbortedTxns. */
#include "dataplane/broker/fetch_in.h"

#include "core/base/err.h"
#include "dataplane/broker/shard.h"

int
fetch_find_aborted(struct shard *s, struct plog *log, struct job *j)
{
    struct store_range *range = &j->u.locate.range;
    int64_t offset = j->u.locate.offset, end = range->offset_limit;
    if (range->len == 0)
        return ERR_OK;
    for (;;) {
        uint32_t count = plog_aborted(log, offset, range->offset_limit, j->u.locate.aborted,
                                      j->u.locate.aborted_room);
        j->u.locate.aborted_count = count;
        if (count <= FETCH_ABORTED_MAX)
            break;
        uint32_t half = range->len / 2;
        int err = store_locate(s->store, log, offset, range->offset_limit, half, true, range);
        if (err)
            return err;
        if (range->offset_limit == end)
            break; /* one batch */
        end = range->offset_limit;
    }
    if (j->u.locate.aborted_count > j->u.locate.aborted_room)
        range->len = 0;
    return ERR_OK;
}

bool
fetch_more_aborted(struct shard *s, struct fetch_part *p, struct job *j)
{
    uint32_t count = j->u.locate.aborted_count;
    if (count <= p->aborted_room)
        return false;
    fetch_drop_aborted(s, p);
    size_t room = 0;
    uint64_t bytes = (uint64_t)count * sizeof *p->aborted;
    if (shard_answer_room(s, bytes))
        p->aborted = buddy_take(s->memory, bytes, &room);
    if (!p->aborted) {
        j->u.locate.aborted_count = 0;
        return false;
    }
    p->aborted_room = (uint32_t)(room / sizeof *p->aborted);
    j->u.locate.aborted = p->aborted;
    j->u.locate.aborted_room = p->aborted_room;
    return true;
}

void
fetch_drop_aborted(struct shard *s, struct fetch_part *p)
{
    if (p->aborted)
        buddy_give(s->memory, p->aborted);
    p->aborted = NULL;
    p->aborted_count = p->aborted_room = 0;
}
