/* store_wait.c: who waits for a read, and which log is next.
 *
 * A reader that has a range (store_hold, store_find_time) is a waiter: it is handed back when the
 * read that it waits for has ended, or any when none is its own.  One that looks for an offset
 * (store_locate) has no name here: its log is called.  Logs that were refused a read buffer are
 * called one at a time, longest waiting first; one that is called may have nobody any more who
 * reads it, so the next one is called a turn later while there is a buffer. */
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdlib.h>

/* ---- who waits ---------------------------------------------------------------------------------
 */

void
store_wait(struct store *s, uint64_t waiter, struct read_buffer *b)
{
    if (b && b->state != READ_BUSY && !mutant(MUTANT_HALF_HEADER_WAITS))
        b = NULL; /* it may have the front of what is wanted: no read of its own will end */
    for (uint32_t i = 0; i < s->waiter_count; i++)
        if (s->waiters[i].waiter == waiter && s->waiters[i].buffer == b)
            return;
    if (s->waiter_count == s->waiter_room) {
        uint32_t room = s->waiter_room ? s->waiter_room * 2 : 64;
        struct read_waiter *more =
            room > STORE_WAITERS_MAX ? NULL : realloc(s->waiters, room * sizeof *more);
        if (!more) {
            log_error("store", "no room for a reader core=%u waiters=%u", s->config.core,
                      s->waiter_count);
            return;
        }
        s->waiters = more;
        s->waiter_room = room;
    }
    s->waiters[s->waiter_count++] = (struct read_waiter){waiter, b};
}

static void
ready_add(struct store *s, uint64_t waiter)
{
    if (s->ready_count == s->ready_room) {
        uint32_t room = s->ready_room ? s->ready_room * 2 : 64;
        uint64_t *more = calloc(room, sizeof *more);
        must(more);
        for (uint32_t i = 0; i < s->ready_count; i++)
            more[i] = s->ready[(s->ready_first + i) % s->ready_room];
        free(s->ready);
        s->ready = more;
        s->ready_room = room;
        s->ready_first = 0;
    }
    s->ready[(s->ready_first + s->ready_count++) % s->ready_room] = waiter;
}

void
store_wake(struct store *s, const struct read_buffer *b)
{
    /* Who waits for any comes first, or one that reads on and on would keep them all. */
    for (uint32_t i = 0; i < s->waiter_count; i++)
        if (s->waiters[i].buffer == NULL)
            ready_add(s, s->waiters[i].waiter);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->waiter_count; i++) {
        struct read_waiter w = s->waiters[i];
        if (w.buffer && w.buffer == b)
            ready_add(s, w.waiter);
        else if (w.buffer)
            s->waiters[kept++] = w;
    }
    s->waiter_count = kept;
}

bool
store_reads_wait(const struct store *s)
{
    return s->waiter_count > 0 || !list_empty(&s->unread);
}

bool
store_take_read(struct store *s, uint64_t *waiter)
{
    if (s->ready_count == 0)
        return false;
    *waiter = s->ready[s->ready_first];
    s->ready_first = (s->ready_first + 1) % s->ready_room;
    s->ready_count--;
    return true;
}

/* ---- which log is next -------------------------------------------------------------------------
 */

void
store_unread_add(struct store *s, struct plog *p)
{
    if (s->unread_turn == p)
        s->unread_turn = NULL;
    if (list_empty(&p->unread_node))
        list_push_back(&s->unread, &p->unread_node);
}

void
store_unread_forget(struct store *s, struct plog *p)
{
    list_remove(&p->unread_node);
    if (s->unread_turn == p)
        s->unread_turn = NULL;
}

void
store_unread_call(struct store *s)
{
    struct list *n = list_first(&s->unread);
    s->unread_called = true;
    s->unread_turn = NULL; /* one that does not come is not waited for */
    if (!n)
        return;
    list_remove(n);
    s->unread_turn = list_item(n, struct plog, unread_node);
    store_log_changed(s, s->unread_turn);
}

uint64_t
store_unread_step(struct store *s)
{
    if (list_empty(&s->unread) || mutant(MUTANT_CALLED_LOG_STAYS))
        return CLOCK_NEVER;
    if (!s->unread_called && store_buffer_pick(s))
        store_unread_call(s);
    s->unread_called = false;
    return store_buffer_pick(s) ? s->now_ns : CLOCK_NEVER;
}
