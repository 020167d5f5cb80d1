/* store_task.c: the life of a task (task.h) in the store.
 *
 * I1 p->task is set from store_task_add to store_task_end; store_delete.c waits for that end.
 * I2 A task is in s->tasks (waits to be taken), handed out (s->tasks_out), or in the hands of what
 * made it. */
#include "core/base/err.h"
#include "core/store/store_in.h"

void
store_task_add(struct store *s, struct plog *p, struct store_task *t)
{
    must(!p->task);
    t->slot = p->slot;
    t->log_serial = p->serial;
    t->result = ERR_OK;
    atomic_init(&t->cancel, false);
    p->task = t;
    list_push_back(&s->tasks, &t->node);
}

struct store_task *
store_task_take(struct store *s)
{
    struct list *n = s->ending || s->tasks_out == STORE_TASKS_MAX ? NULL : list_first(&s->tasks);
    if (!n)
        return NULL;
    list_remove(n);
    s->tasks_out++;
    return list_item(n, struct store_task, node);
}

/* The log of a task; I1 keeps it in its slot. */
static struct plog *
log_of(struct store *s, const struct store_task *t)
{
    struct plog *p = &s->logs[t->slot];
    must(p->used && p->serial == t->log_serial && p->task == t);
    return p;
}

void
store_task_done(struct store *s, struct store_task *t)
{
    must(s->tasks_out > 0);
    s->tasks_out--;
    struct plog *p = log_of(s, t);
    bool wanted = !p->dead && !atomic_load_explicit(&t->cancel, memory_order_relaxed);
    t->ops->done(s, t, wanted ? p : NULL);
}

void
store_task_end(struct store *s, struct store_task *t)
{
    log_of(s, t)->task = NULL;
    t->ops->free(t);
}

void
store_task_cancel(struct store *s, struct plog *p)
{
    struct store_task *t = p->task;
    if (!t)
        return;
    atomic_store_explicit(&t->cancel, true, memory_order_relaxed);
    if (list_empty(&t->node))
        return;
    list_remove(&t->node);
    t->result = ERR_CLOSED;
    t->ops->done(s, t, NULL);
}

void
store_task_drop(struct store *s)
{
    for (struct list *n; (n = list_first(&s->tasks));) {
        list_remove(n);
        store_task_end(s, list_item(n, struct store_task, node));
    }
}
