#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

/* A task that counts what becomes of it. */
struct seen {
    int runs, wanted, unwanted, frees;
};

struct counting {
    struct store_task task;
    struct seen *seen;
    int result;
};

static int
counting_run(struct store_worker *w, struct store_task *t)
{
    (void)w;
    struct counting *c = (struct counting *)t;
    c->seen->runs++;
    return atomic_load(&t->cancel) ? ERR_CLOSED : c->result;
}

static void
counting_done(struct store *s, struct store_task *t, struct plog *p)
{
    struct counting *c = (struct counting *)t;
    if (p)
        c->seen->wanted++;
    else
        c->seen->unwanted++;
    store_task_end(s, t);
}

static void
counting_free(struct store_task *t)
{
    ((struct counting *)t)->seen->frees++;
    free(t);
}

static const struct store_task_ops counting_ops = {counting_run, counting_done, counting_free};

static struct store_task *
counting_add(struct store *s, struct plog *p, struct seen *seen, int result)
{
    struct counting *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *c = (struct counting){.task.ops = &counting_ops, .seen = seen, .result = result};
    store_task_add(s, p, &c->task);
    return &c->task;
}

static void
a_task_goes_out_runs_and_comes_back_to_its_log(void **state)
{
    (void)state;
    struct fixture f;
    struct seen seen = {0};
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    struct store *s = f.store[0];
    assert_null(store_task_take(s));
    struct store_task *t = counting_add(s, p, &seen, ERR_IO);
    assert_ptr_equal(store_task_take(s), t);
    assert_null(store_task_take(s));
    struct store_worker w = {0};
    store_task_run(&w, t);
    assert_int_equal(t->result, ERR_IO);
    store_task_done(s, t);
    assert_int_equal(seen.wanted, 1);
    assert_int_equal(seen.frees, 1);
    assert_null(p->task);
    fixture_end(&f);
}

static void
a_deleted_log_waits_for_its_task_and_does_not_get_the_result(void **state)
{
    (void)state;
    struct fixture f;
    struct seen seen = {0};
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    struct store *s = f.store[0];
    fixture_append(&f, p, 1, 100, 1, 0);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    counting_add(s, p, &seen, ERR_OK);
    struct store_task *t = store_task_take(s);
    store_delete(s, p);
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    assert_int_equal(s->log_count, 1);
    struct store_worker w = {0};
    store_task_run(&w, t);
    assert_int_equal(t->result, ERR_CLOSED);
    store_task_done(s, t);
    assert_int_equal(seen.unwanted, 1);
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    assert_int_equal(s->log_count, 0);
    fixture_end(&f);
}

static void
only_so_many_tasks_are_out_at_a_time(void **state)
{
    (void)state;
    struct fixture f;
    struct seen seen = {0};
    struct store_task *out[STORE_TASKS_MAX];
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct store *s = f.store[0];
    for (int i = 0; i <= STORE_TASKS_MAX; i++)
        counting_add(s, fixture_log(&f, 1, i), &seen, ERR_OK);
    for (int i = 0; i < STORE_TASKS_MAX; i++) {
        out[i] = store_task_take(s);
        assert_non_null(out[i]);
    }
    assert_null(store_task_take(s));
    store_task_done(s, out[0]);
    struct store_task *last = store_task_take(s);
    assert_non_null(last);
    for (int i = 1; i < STORE_TASKS_MAX; i++)
        store_task_done(s, out[i]);
    store_task_done(s, last);
    assert_int_equal(seen.frees, STORE_TASKS_MAX + 1);
    fixture_end(&f);
}

static void
tasks_that_nobody_took_end_with_the_store(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        struct fixture f;
        struct seen seen = {0};
        fixture_init(&f, 4);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *doomed = fixture_log(&f, 1, 1);
        counting_add(f.store[0], fixture_log(&f, 1, 0), &seen, ERR_OK);
        counting_add(f.store[0], doomed, &seen, ERR_OK);
        store_delete(f.store[0], doomed);
        if (clean)
            assert_int_equal(fixture_stop(&f), ERR_OK);
        else
            fixture_kill(&f);
        assert_int_equal(seen.runs, 0);
        assert_int_equal(seen.frees, 2);
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_goes_out_runs_and_comes_back_to_its_log),
        cmocka_unit_test(a_deleted_log_waits_for_its_task_and_does_not_get_the_result),
        cmocka_unit_test(only_so_many_tasks_are_out_at_a_time),
        cmocka_unit_test(tasks_that_nobody_took_end_with_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
