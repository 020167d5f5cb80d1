#include "dataplane/broker/mesh.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>

/* A waker that counts, and ends the sleep of a thread. */
struct waker {
    pthread_mutex_t lock;
    pthread_cond_t rang;
    bool woken;
    uint32_t wakes;
};

static void
waker_wake(void *self)
{
    struct waker *w = self;
    pthread_mutex_lock(&w->lock);
    w->woken = true;
    w->wakes++;
    pthread_cond_signal(&w->rang);
    pthread_mutex_unlock(&w->lock);
}

static void
waker_sleep(struct waker *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->woken)
        pthread_cond_wait(&w->rang, &w->lock);
    w->woken = false;
    pthread_mutex_unlock(&w->lock);
}

static const struct clock_ops waker_ops = {.wake = waker_wake};

struct pair {
    struct waker wakers[2];
    struct clock clocks[2];
    struct mesh *mesh;
    struct mesh_end *ends[2];
};

static void
pair_open(struct pair *p)
{
    assert_int_equal(mesh_create(2, &p->mesh), ERR_OK);
    for (uint32_t i = 0; i < 2; i++) {
        p->wakers[i] =
            (struct waker){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
        p->clocks[i] = (struct clock){&waker_ops, &p->wakers[i]};
    }
    for (uint32_t i = 0; i < 2; i++) {
        p->ends[i] = mesh_join(p->mesh, i, p->clocks);
        assert_non_null(p->ends[i]);
    }
}

static struct job *
job_to(struct pair *p, uint32_t home)
{
    struct job *j = mesh_job(p->ends[home]);
    assert_non_null(j);
    j->kind = JOB_WATCH;
    j->owner = (uint16_t)(1 - home);
    return j;
}

static void
a_job_goes_to_its_owner_and_comes_home(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct job *j = job_to(&p, 0), *got = NULL;
    struct mesh_pin pin;
    mesh_send(p.ends[0], j);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_NOTHING); /* not before the flush */
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_JOB);
    assert_ptr_equal(got, j);
    got->returning = 1;
    mesh_send(p.ends[1], got);
    mesh_flush(p.ends[1]);
    got = NULL;
    assert_int_equal(mesh_take(p.ends[0], &got, &pin), MESH_JOB);
    assert_ptr_equal(got, j);
    assert_int_equal(mesh_jobs_out(p.ends[0]), 1);
    mesh_done(p.ends[0], j);
    assert_int_equal(mesh_jobs_out(p.ends[0]), 0);
    mesh_free(p.mesh);
}

static void
each_message_is_counted_once_where_it_was_sent(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct job *j = job_to(&p, 0);
    struct store_hold hold = {.pin = &hold, .pin_slabs = 1};
    mesh_send(p.ends[0], j);
    mesh_cancel(p.ends[0], j);
    mesh_release(p.ends[0], 1, &hold); /* two words */
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_sent(p.ends[0]), 3);
    assert_int_equal(mesh_sent(p.ends[1]), 0);
    mesh_give_back(p.ends[1], j);
    j->returning = 1;
    mesh_send(p.ends[1], j);
    mesh_flush(p.ends[1]);
    assert_int_equal(mesh_sent(p.ends[0]), 3);
    assert_int_equal(mesh_sent(p.ends[1]), 2);
    mesh_free(p.mesh);
}

static void
jobs_arrive_in_the_order_they_were_sent_however_often_the_ring_wraps(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    uint32_t sent = 0, taken = 0;
    for (int round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            struct job *j = job_to(&p, 0);
            j->part = sent++;
            mesh_send(p.ends[0], j);
        }
        mesh_flush(p.ends[0]);
        struct job *j;
        struct mesh_pin pin;
        while (mesh_take(p.ends[1], &j, &pin) == MESH_JOB) {
            assert_int_equal(j->part, taken++);
            mesh_done(p.ends[0], j);
        }
    }
    assert_int_equal(sent, taken);
    mesh_free(p.mesh);
}

static void
a_shard_has_job_max_jobs_and_no_more(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    for (uint32_t i = 0; i < JOB_MAX; i++)
        mesh_send(p.ends[0], job_to(&p, 0));
    assert_null(mesh_job(p.ends[0]));
    mesh_flush(p.ends[0]);
    mesh_free(p.mesh);
}

static void
a_cancellation_reaches_a_job_that_is_at_its_owner(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct job *j = job_to(&p, 0), *got = NULL;
    struct mesh_pin pin;
    mesh_send(p.ends[0], j);
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_JOB);
    assert_int_equal(got->cancelled, 0);
    mesh_cancel(p.ends[0], j);
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_CANCEL);
    assert_ptr_equal(got, j);
    assert_int_equal(got->cancelled, 1);
    mesh_free(p.mesh);
}

static void
a_cancellation_that_comes_too_late_says_nothing(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct job *j = job_to(&p, 0), *got;
    struct mesh_pin pin;
    mesh_send(p.ends[0], j);
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_JOB);
    got->returning = 1;
    mesh_send(p.ends[1], got);
    mesh_cancel(p.ends[0], j); /* while it is on its way home */
    mesh_flush(p.ends[0]);
    mesh_flush(p.ends[1]);
    assert_int_equal(mesh_take(p.ends[0], &got, &pin), MESH_JOB);
    mesh_done(p.ends[0], got);
    struct job *again = job_to(&p, 0);
    assert_ptr_equal(again, j); /* the same place, another use of it */
    mesh_send(p.ends[0], again);
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_JOB);
    assert_int_equal(got->cancelled, 0);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_NOTHING);
    mesh_free(p.mesh);
}

static void
a_release_brings_the_pin_back(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    static struct store_hold hold;
    int thing;
    struct job *j;
    struct mesh_pin pin;
    hold.pin = &thing;
    hold.pin_slabs = UINT64_MAX - 1; /* any 64 bits */
    mesh_release(p.ends[1], 0, &hold);
    hold.pin = NULL; /* may be reused at once */
    hold.pin_slabs = 1;
    mesh_flush(p.ends[1]);
    assert_int_equal(mesh_take(p.ends[0], &j, &pin), MESH_RELEASE);
    assert_ptr_equal(pin.pin, &thing);
    assert_true(pin.slabs == UINT64_MAX - 1);
    mesh_free(p.mesh);
}

static void
memory_of_the_cache_is_given_back_without_waking_its_owner(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    static struct store_hold hold = {.pin_slabs = 1};
    assert_false(mesh_sleep(p.ends[1], false));
    mesh_release(p.ends[0], 1, &hold);
    mesh_flush(p.ends[0]);
    assert_int_equal(p.wakers[1].wakes, 0);
    assert_true(mesh_sleep(p.ends[1], false)); /* who goes to sleep sees it */
    struct job *j;
    struct mesh_pin pin;
    assert_int_equal(mesh_take(p.ends[1], &j, &pin), MESH_RELEASE);
    assert_false(mesh_sleep(p.ends[1], true)); /* it waits for a read buffer, not for this */
    mesh_release(p.ends[0], 1, &hold);
    mesh_flush(p.ends[0]);
    assert_int_equal(p.wakers[1].wakes, 0);
    mesh_free(p.mesh);
}

static void
a_read_buffer_that_comes_back_wakes_only_whose_reads_wait(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    int buffer;
    struct store_hold hold = {.pin = &buffer};
    struct job *j;
    struct mesh_pin pin;
    for (uint32_t reads_wait = 0; reads_wait < 2; reads_wait++) {
        assert_false(mesh_sleep(p.ends[1], reads_wait));
        mesh_release(p.ends[0], 1, &hold);
        mesh_flush(p.ends[0]);
        assert_int_equal(p.wakers[1].wakes, reads_wait);
        assert_true(mesh_sleep(p.ends[1], reads_wait)); /* who goes to sleep sees it */
        assert_int_equal(mesh_take(p.ends[1], &j, &pin), MESH_RELEASE);
    }
    mesh_free(p.mesh);
}

static void
only_a_sleeping_reader_is_woken_and_once(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct job *j;
    struct mesh_pin pin;
    mesh_send(p.ends[0], job_to(&p, 0));
    mesh_flush(p.ends[0]);
    assert_int_equal(p.wakers[1].wakes, 0);
    assert_true(mesh_sleep(p.ends[1], false)); /* something is there: it does not sleep */
    assert_int_equal(mesh_take(p.ends[1], &j, &pin), MESH_JOB);
    assert_false(mesh_sleep(p.ends[1], false));
    for (int i = 0; i < 3; i++) {
        mesh_send(p.ends[0], job_to(&p, 0));
        mesh_flush(p.ends[0]);
    }
    assert_int_equal(p.wakers[1].wakes, 1);
    mesh_awake(p.ends[1]);
    mesh_send(p.ends[0], job_to(&p, 0));
    mesh_flush(p.ends[0]);
    assert_int_equal(p.wakers[1].wakes, 1);
    mesh_free(p.mesh);
}

/* Two threads, each home of its own jobs and owner of the other's, that sleep whenever they find
 * nothing: a lost wake-up hangs, a lost or doubled job ends in a wrong count.  Run under TSan too.
 */
enum { ROUNDS = 30000 };

struct side {
    struct pair *pair;
    uint32_t self;
    uint32_t sent, home, carried, cancelled, released;
    _Atomic uint32_t *finished;
};

static void
side_take(struct side *s, struct mesh_end *e)
{
    struct job *j;
    struct mesh_pin pin;
    enum mesh_kind kind;
    while ((kind = mesh_take(e, &j, &pin)) != MESH_NOTHING) {
        if (kind == MESH_RELEASE) {
            s->released++;
        } else if (kind == MESH_CANCEL) {
            s->cancelled++;
        } else if (j->returning) {
            assert_int_equal(j->u.locate.seen, j->part + 1);
            s->home++;
            mesh_done(e, j);
        } else {
            static struct store_hold none;
            s->carried++;
            j->u.locate.seen = j->part + 1;
            j->returning = 1;
            mesh_send(e, j);
            if (s->carried % 7 == 0) {
                struct store_hold hold;
                hold.pin = &none;
                hold.pin_slabs = 0; /* a word that looks like nothing */
                mesh_release(e, 1 - s->self, &hold);
            }
        }
    }
}

static void *
side_main(void *arg)
{
    struct side *s = arg;
    struct mesh_end *e = s->pair->ends[s->self];
    bool counted = false;
    while (atomic_load(s->finished) < 2) {
        for (uint32_t i = 0; i < 100 && s->sent < ROUNDS; i++) {
            struct job *j = mesh_job(e);
            if (!j)
                break;
            j->kind = JOB_WATCH;
            j->owner = (uint16_t)(1 - s->self);
            j->part = s->sent++;
            mesh_send(e, j);
            if (s->sent % 5 == 0)
                mesh_cancel(e, j);
        }
        mesh_flush(e);
        side_take(s, e);
        mesh_flush(e);
        if (!counted && s->home == ROUNDS && s->carried == ROUNDS) {
            counted = true;
            atomic_fetch_add(s->finished, 1);
            waker_wake(&s->pair->wakers[1 - s->self]);
            continue;
        }
        if (s->sent == ROUNDS && atomic_load(s->finished) < 2 && !mesh_sleep(e, true))
            waker_sleep(&s->pair->wakers[s->self]);
        mesh_awake(e);
    }
    return NULL;
}

static void
two_threads_lose_no_job_and_no_wake_up(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    _Atomic uint32_t finished = 0;
    struct side sides[2];
    pthread_t threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        sides[i] = (struct side){.pair = &p, .self = i, .finished = &finished};
        assert_int_equal(pthread_create(&threads[i], NULL, side_main, &sides[i]), 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(sides[i].home, ROUNDS);
        assert_int_equal(sides[i].carried, ROUNDS);
        assert_int_equal(mesh_jobs_out(p.ends[i]), 0);
    }
    mesh_free(p.mesh);
}

static void
what_a_job_lends_comes_home_before_it_and_wakes_nobody(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct job *j = job_to(&p, 0), *got = NULL;
    struct mesh_pin pin;
    mesh_send(p.ends[0], j);
    mesh_flush(p.ends[0]);
    assert_int_equal(mesh_take(p.ends[1], &got, &pin), MESH_JOB);
    assert_false(mesh_sleep(p.ends[0], false));
    mesh_give_back(p.ends[1], got);
    mesh_flush(p.ends[1]);
    assert_int_equal(p.wakers[0].wakes, 0);
    assert_true(mesh_sleep(p.ends[0], false)); /* who goes to sleep sees it */
    got->returning = 1;
    mesh_send(p.ends[1], got);
    assert_int_equal(mesh_take(p.ends[0], &got, &pin), MESH_LENT);
    assert_ptr_equal(got, j);
    assert_int_equal(mesh_take(p.ends[0], &got, &pin), MESH_NOTHING);
    mesh_flush(p.ends[1]);
    assert_int_equal(mesh_take(p.ends[0], &got, &pin), MESH_JOB);
    assert_ptr_equal(got, j);
    mesh_done(p.ends[0], j);
    mesh_free(p.mesh);
}

/* Home fills a buffer, lends it, and fills it anew as soon as it is told that it may: the owner
 * must have seen the old bytes.  Run under TSan too. */
enum { LOANS = 20000, BUFFERS = 8, BUFFER = 64 };

struct loans {
    struct pair pair;
    uint8_t buffers[BUFFERS][BUFFER];
    bool lent[BUFFERS];
    uint32_t sent, back, home, wrong;
    _Atomic uint32_t carried;
};

static void *
owner_main(void *arg)
{
    struct loans *l = arg;
    struct mesh_end *e = l->pair.ends[1];
    struct mesh_pin pin;
    struct job *j;
    while (atomic_load(&l->carried) < LOANS) {
        while (mesh_take(e, &j, &pin) == MESH_JOB) {
            struct view v = j->u.append.records;
            for (uint32_t i = 0; i < v.len; i++)
                l->wrong += v.at[i] != (uint8_t)j->part;
            mesh_give_back(e, j);
            j->returning = 1;
            mesh_send(e, j);
            atomic_fetch_add(&l->carried, 1);
        }
        mesh_flush(e);
    }
    return NULL;
}

static void
home_lends(struct loans *l)
{
    for (uint32_t i = 0; i < BUFFERS && l->sent < LOANS; i++) {
        struct job *j = l->lent[i] ? NULL : job_to(&l->pair, 0);
        if (!j)
            continue;
        l->lent[i] = true;
        memset(l->buffers[i], (int)(uint8_t)l->sent, BUFFER);
        j->kind = JOB_APPEND;
        j->u.append.records = view_of(l->buffers[i], BUFFER);
        j->part = l->sent++;
        mesh_send(l->pair.ends[0], j);
    }
    mesh_flush(l->pair.ends[0]);
}

static void
lent_bytes_change_only_after_their_owner_has_read_them(void **state)
{
    (void)state;
    static struct loans l;
    pthread_t thread;
    pair_open(&l.pair);
    assert_int_equal(pthread_create(&thread, NULL, owner_main, &l), 0);
    while (l.home < LOANS) {
        struct mesh_pin pin;
        struct job *j;
        enum mesh_kind kind = mesh_take(l.pair.ends[0], &j, &pin);
        if (kind == MESH_LENT) {
            l.lent[(uint32_t)(j->u.append.records.at - l.buffers[0]) / BUFFER] = false;
            l.back++;
        } else if (kind == MESH_JOB) {
            l.home++;
            assert_int_equal(l.back >= l.home, true);
            mesh_done(l.pair.ends[0], j);
        } else {
            home_lends(&l);
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(l.wrong, 0);
    assert_int_equal(l.back, LOANS);
    mesh_free(l.pair.mesh);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_goes_to_its_owner_and_comes_home),
        cmocka_unit_test(each_message_is_counted_once_where_it_was_sent),
        cmocka_unit_test(jobs_arrive_in_the_order_they_were_sent_however_often_the_ring_wraps),
        cmocka_unit_test(a_shard_has_job_max_jobs_and_no_more),
        cmocka_unit_test(a_cancellation_reaches_a_job_that_is_at_its_owner),
        cmocka_unit_test(a_cancellation_that_comes_too_late_says_nothing),
        cmocka_unit_test(a_release_brings_the_pin_back),
        cmocka_unit_test(memory_of_the_cache_is_given_back_without_waking_its_owner),
        cmocka_unit_test(a_read_buffer_that_comes_back_wakes_only_whose_reads_wait),
        cmocka_unit_test(only_a_sleeping_reader_is_woken_and_once),
        cmocka_unit_test(two_threads_lose_no_job_and_no_wake_up),
        cmocka_unit_test(what_a_job_lends_comes_home_before_it_and_wakes_nobody),
        cmocka_unit_test(lent_bytes_change_only_after_their_owner_has_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
