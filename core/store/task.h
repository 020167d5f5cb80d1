/* task.h: long work on the files of one log, done outside of the core's loop.
 *
 * A task is self-contained: it names its log by slot and serial, carries copies of all that its
 * work must know, and touches nothing of the store while it runs.  It travels:
 *
 *   the store makes one          store_task_add      (loop; one task a log at a time)
 *   the loop hands it out        store_task_take     (loop)
 *   it runs in any thread        store_task_run      (blocking disk operations, paced)
 *   the loop hands it back       store_task_done     (loop): the store draws the consequences
 *   the store ends it            store_task_end      (loop), at once or some turns later
 *
 * A log that is deleted cancels its task and waits for it before its files go.  Whoever holds a
 * task between take and done owns it.  What a task leaves on disk before its result counts must be
 * recognised and removed by the next start. */
#ifndef SLUICE_STORE_TASK_H
#define SLUICE_STORE_TASK_H

#include "core/base/list.h"
#include "core/base/must.h"
#include "core/store/disk.h"
#include "core/store/pace.h"

#include <stdatomic.h>

struct clean_map;
struct plog;
struct store;
struct store_task;

/* Whoever carries out tasks: a thread with its own port to the disk. */
struct store_worker {
    struct disk *disk;
    struct pace *pace;
    struct clean_map *map; /* for compaction, NULL: it is not done here */
};

struct store_task_ops {
    /* Any thread.  Blocks.  The result is also an error of the log's files: ERR_IO, ERR_CORRUPT,
     * ERR_NO_SPACE; ERR_CLOSED: given up, because of cancel or of the worker's stop. */
    int (*run)(struct store_worker *w, struct store_task *t);
    /* Loop.  p NULL: the log is gone, or its task was cancelled; files of the task, if any, are to
     * be removed.  Must lead to store_task_end. */
    void (*done)(struct store *s, struct store_task *t, struct plog *p);
    /* Frees what the task owns, and the task. */
    void (*free)(struct store_task *t);
};

struct store_task {
    const struct store_task_ops *ops;
    struct list node;
    uint32_t slot;       /* of the log */
    uint64_t log_serial; /* of the log */
    atomic_bool cancel;  /* set by the loop; the work looks at it between two pieces */
    int result;          /* of run */
};

enum { STORE_TASKS_MAX = 8 }; /* of one store, handed out */

/* The next task to run, or NULL. */
struct store_task *store_task_take(struct store *s);
/* Takes a task back. */
void store_task_done(struct store *s, struct store_task *t);

static inline void
store_task_run(struct store_worker *w, struct store_task *t)
{
    t->result = t->ops->run(w, t);
}

#endif
