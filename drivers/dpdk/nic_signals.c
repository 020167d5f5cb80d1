/* nic_signals.c: see nic_signals.h. */
#include "drivers/dpdk/nic_signals.h"

#include "core/base/must.h"

static struct sigaction
action_of(int number)
{
    struct sigaction a;
    must(sigaction(number, NULL, &a) == 0);
    return a;
}

void
nic_signals_hold(struct nic_signals *s)
{
    sigset_t all;
    must(SIGRTMAX < NIC_SIGNALS && sigemptyset(&all) == 0);
    for (int i = SIGRTMIN; i <= SIGRTMAX; i++) {
        s->before[i] = action_of(i);
        must(sigaddset(&all, i) == 0);
    }
    must(pthread_sigmask(SIG_BLOCK, &all, &s->mask) == 0);
}

void
nic_signals_drop(const struct nic_signals *s)
{
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
        if (action_of(i).sa_handler != s->before[i].sa_handler)
            must(sigaction(i, &ignored, NULL) == 0);
    must(pthread_sigmask(SIG_SETMASK, &s->mask, NULL) == 0);
}
