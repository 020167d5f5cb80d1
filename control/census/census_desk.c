/* census_desk.c: a mutex, taken by the loop only when somebody asked.
 *
 * I1 asked grows with every question; done is the ticket of the census in `ready` or `mine`, and
 * never grows beyond asked.  I2 `mine` belongs to the asking thread alone. */
#include "control/census/census_desk.h"

#include "core/base/clock.h"
#include "core/base/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct census_desk {
    void (*wake)(void *user);
    void *user;
    pthread_mutex_t lock;
    pthread_cond_t given;
    _Atomic uint64_t asked;
    uint64_t begun; /* of the loop's only */
    uint64_t done;
    struct census *ready, *mine;
};

struct census_desk *
census_desk_new(void (*wake)(void *user), void *user)
{
    struct census_desk *d = calloc(1, sizeof *d);
    pthread_condattr_t attr;
    must(d != NULL);
    d->wake = wake;
    d->user = user;
    must(pthread_mutex_init(&d->lock, NULL) == 0);
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&d->given, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
    return d;
}

static void
drop(struct census *c)
{
    if (c)
        census_free(c);
    free(c);
}

void
census_desk_free(struct census_desk *d)
{
    if (!d)
        return;
    drop(d->ready);
    drop(d->mine);
    (void)pthread_cond_destroy(&d->given);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

struct census *
census_desk_ask(struct census_desk *d, uint32_t wait_ms, bool *fresh)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t at = (uint64_t)until.tv_nsec + (uint64_t)wait_ms * CLOCK_NS_PER_MS;
    until.tv_sec += (time_t)(at / CLOCK_NS_PER_S);
    until.tv_nsec = (long)(at % CLOCK_NS_PER_S);
    (void)pthread_mutex_lock(&d->lock);
    uint64_t ticket = atomic_fetch_add_explicit(&d->asked, 1, memory_order_release) + 1;
    d->wake(d->user);
    int rc = 0;
    while (d->done < ticket && rc == 0)
        rc = pthread_cond_timedwait(&d->given, &d->lock, &until);
    *fresh = d->done >= ticket;
    if (d->ready) {
        drop(d->mine);
        d->mine = d->ready;
        d->ready = NULL;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return d->mine;
}

bool
census_desk_asked(struct census_desk *d, uint64_t *ticket)
{
    *ticket = atomic_load_explicit(&d->asked, memory_order_acquire);
    if (*ticket == d->begun)
        return false;
    d->begun = *ticket;
    return true;
}

void
census_desk_give(struct census_desk *d, struct census *c, uint64_t ticket)
{
    (void)pthread_mutex_lock(&d->lock);
    drop(d->ready);
    d->ready = c;
    d->done = ticket;
    (void)pthread_cond_signal(&d->given);
    (void)pthread_mutex_unlock(&d->lock);
}
