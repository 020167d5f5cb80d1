#include "dataplane/broker/cleaner.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <semaphore.h>

/* A store of our own: tasks to take, and those that came back. */
enum { TASKS = 200 };

struct store {
    struct store_task tasks[TASKS];
    uint32_t taken, out, done;
};

struct store_task *
store_task_take(struct store *s)
{
    if (s->taken == TASKS || s->out == STORE_TASKS_MAX)
        return NULL;
    s->out++;
    return &s->tasks[s->taken++];
}

void
store_task_done(struct store *s, struct store_task *t)
{
    assert_in_range(t - s->tasks, 0, TASKS - 1);
    assert_int_equal(t->result, 1 + (t - s->tasks)); /* ran once */
    s->out--;
    s->done++;
}

static int
run(struct store_worker *w, struct store_task *t)
{
    (void)w;
    return t->result + (int)t->slot;
}

static const struct store_task_ops ops = {.run = run};

static void
store_fill(struct store *s)
{
    *s = (struct store){0};
    for (uint32_t i = 0; i < TASKS; i++) {
        s->tasks[i].ops = &ops;
        s->tasks[i].slot = 1 + i;
    }
}

static void
bell_wake(void *self)
{
    assert_int_equal(sem_post(self), 0);
}

static void
bell_wait(void *self, uint64_t deadline_ns)
{
    (void)deadline_ns;
    while (sem_wait(self))
        ;
}

static const struct clock_ops bell_ops = {.wake = bell_wake, .wait = bell_wait};

struct setting {
    sem_t bells[3];
    struct clock clocks[3];
    struct cleaner *cleaner;
    struct store stores[2];
};

static void
open_setting(struct setting *g)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sem_init(&g->bells[i], 0, 0), 0);
        g->clocks[i] = (struct clock){&bell_ops, &g->bells[i]};
    }
    store_fill(&g->stores[0]);
    store_fill(&g->stores[1]);
    assert_int_equal(cleaner_create(2, g->clocks, g->clocks[2], &g->cleaner), ERR_OK);
}

static struct setting g;

static void
a_task_comes_back_to_the_shard_it_is_from(void **state)
{
    (void)state;
    open_setting(&g);
    struct store_worker w = {0};
    assert_false(cleaner_turn(g.cleaner, &w));
    assert_int_equal(cleaner_look(g.cleaner, 1, &g.stores[1]), STORE_TASKS_MAX);
    assert_true(cleaner_busy(g.cleaner, 1));
    assert_false(cleaner_busy(g.cleaner, 0));
    assert_true(cleaner_turn(g.cleaner, &w));
    g.stores[0].taken = TASKS;
    assert_int_equal(cleaner_look(g.cleaner, 0, &g.stores[0]), 0);
    g.stores[1].taken = TASKS;
    assert_int_equal(cleaner_look(g.cleaner, 1, &g.stores[1]), STORE_TASKS_MAX);
    assert_int_equal(g.stores[1].done, STORE_TASKS_MAX);
    assert_false(cleaner_busy(g.cleaner, 1));
    cleaner_free(g.cleaner);
}

static void *
worker_main(void *arg)
{
    struct store_worker w = {0};
    cleaner_run(arg, &w);
    return NULL;
}

/* Every wait is for a wake-up: a lost one hangs the test. */
static void
all_tasks_of_two_shards_are_done_by_a_thread_that_sleeps(void **state)
{
    (void)state;
    pthread_t thread;
    open_setting(&g);
    assert_int_equal(pthread_create(&thread, NULL, worker_main, g.cleaner), 0);
    for (uint32_t shard = 0; shard < 2; shard++) {
        struct store *s = &g.stores[shard];
        cleaner_look(g.cleaner, shard, s);
        while (s->done < TASKS) {
            bell_wait(&g.bells[shard], CLOCK_NEVER);
            cleaner_look(g.cleaner, shard, s);
        }
        assert_false(cleaner_busy(g.cleaner, shard));
    }
    cleaner_end(g.cleaner);
    assert_int_equal(pthread_join(thread, NULL), 0);
    cleaner_free(g.cleaner);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_comes_back_to_the_shard_it_is_from),
        cmocka_unit_test(all_tasks_of_two_shards_are_done_by_a_thread_that_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
