/* cli_supervise.c: the supervisor as a state machine.
 *
 * Running: a child that ends is started again; at once the first time, then after BACKOFF_MS_MIN,
 * doubled up to BACKOFF_MS_MAX, as long as it keeps ending within STABLE_MS of its start.
 * Stopping (asked to, or a child refused): SIGTERM to data, which flushes and checkpoints; when it
 * has ended, SIGTERM to control.  STOP_MS after the beginning, SIGKILL to whatever still runs.
 *
 * I1 A child is told to stop once, and killed once.
 * I2 Nothing is started while stopping.
 * I3 Finished exactly when stopping and nothing is up.
 * I4 The exit code is 0 only when both were up when asked to stop, and both ended with 0. */
#include "cli/cli.h"

#include "core/base/clock.h"

#include <signal.h>

enum { BACKOFF_MS_MIN = 100, BACKOFF_MS_MAX = 5000, STABLE_MS = 10000, STOP_MS = 30000 };

void
cli_supervise_init(struct cli_supervise *s)
{
    *s = (struct cli_supervise){0}; /* both start at time 0: at the first step */
}

static void
stop_begin(struct cli_supervise *s, uint64_t now_ns)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->stop_by_ns = now_ns + STOP_MS * CLOCK_NS_PER_MS;
    for (int i = 0; i < CLI_CHILDREN; i++)
        s->child[i].start_at_ns = CLOCK_NEVER;
}

static int64_t
backoff_ms(uint32_t deaths)
{
    if (deaths <= 1)
        return 0;
    int64_t ms = BACKOFF_MS_MIN;
    for (uint32_t i = 2; i < deaths && ms < BACKOFF_MS_MAX; i++)
        ms *= 2;
    return ms < BACKOFF_MS_MAX ? ms : BACKOFF_MS_MAX;
}

static void
child_exited(struct cli_supervise *s, uint64_t now_ns, const struct cli_event *in,
             struct cli_orders *out)
{
    must(in->child >= 0 && in->child < CLI_CHILDREN);
    must(s->child[in->child].up);
    s->child[in->child].up = false;
    if (s->stopping) {
        s->failed |= in->exit.killed || in->exit.code != 0;
        return;
    }
    if (!in->exit.killed && in->exit.code == OS_EXIT_REFUSED) {
        s->failed = true;
        stop_begin(s, now_ns);
        return;
    }
    if (now_ns - s->child[in->child].started_ns >= STABLE_MS * CLOCK_NS_PER_MS)
        s->child[in->child].deaths = 0;
    s->child[in->child].deaths++;
    out->restart_ms = backoff_ms(s->child[in->child].deaths);
    s->child[in->child].start_at_ns = now_ns + (uint64_t)out->restart_ms * CLOCK_NS_PER_MS;
}

static void
children_start(struct cli_supervise *s, uint64_t now_ns, struct cli_orders *out)
{
    for (int i = 0; i < CLI_CHILDREN; i++) {
        if (s->child[i].up)
            continue;
        if (s->child[i].start_at_ns > now_ns) {
            if (s->child[i].start_at_ns < out->deadline_ns)
                out->deadline_ns = s->child[i].start_at_ns;
            continue;
        }
        s->child[i].up = true;
        s->child[i].started_ns = now_ns;
        s->child[i].start_at_ns = CLOCK_NEVER;
        out->start[i] = true;
    }
}

static void
children_kill(struct cli_supervise *s, struct cli_orders *out)
{
    s->killed = s->failed = true;
    for (int i = 0; i < CLI_CHILDREN; i++)
        if (s->child[i].up)
            out->signal[i] = SIGKILL;
}

static void
children_stop(struct cli_supervise *s, uint64_t now_ns, struct cli_orders *out)
{
    if (!s->child[CLI_DATA].up && !s->child[CLI_CONTROL].up) {
        out->finished = true;
        out->exit_code = s->failed ? CLI_EXIT_FAILED : CLI_EXIT_OK;
        return;
    }
    if (!s->killed && now_ns >= s->stop_by_ns) {
        children_kill(s, out);
        return;
    }
    out->deadline_ns = s->killed ? CLOCK_NEVER : s->stop_by_ns;
    int next = s->child[CLI_DATA].up ? CLI_DATA : CLI_CONTROL;
    if (!s->child[next].told) {
        s->child[next].told = true;
        out->signal[next] = SIGTERM;
    }
}

void
cli_supervise_step(struct cli_supervise *s, uint64_t now_ns, const struct cli_event *in,
                   struct cli_orders *out)
{
    *out = (struct cli_orders){.restart_ms = -1, .deadline_ns = CLOCK_NEVER};
    switch (in->kind) {
    case CLI_TICK:
        break;
    case CLI_EXITED:
        child_exited(s, now_ns, in, out);
        break;
    case CLI_STOP:
        if (!s->stopping)
            s->failed |= !s->child[CLI_DATA].up || !s->child[CLI_CONTROL].up;
        stop_begin(s, now_ns);
        break;
    }
    if (s->stopping)
        children_stop(s, now_ns, out);
    else
        children_start(s, now_ns, out);
}
