#include "cli/cli.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"

#include <signal.h>
#include <string.h>

enum { READY_POLL_MS = 20, EXIT_SPAWN_FAILED = 127 };

static const struct {
    const char *name, *program;
    enum region_process process;
} rows[CLI_CHILDREN] = {
    [CLI_DATA] = {"data", "sluice-data", REGION_DATA},
    [CLI_CONTROL] = {"control", "sluice-control", REGION_CONTROL},
};

struct children {
    struct cli_supervise machine;
    const struct region *region;
    const char *programs;
    int signal_fd;
    struct {
        struct os_child process; /* fd -1: does not run */
        uint32_t generation;     /* of its region_peer before it was started */
        uint64_t started_ns;
        bool expected; /* has not said yet that it serves */
    } child[CLI_CHILDREN];
    struct cli_orders orders; /* the last: finished, exit_code, deadline_ns */
};

static void children_step(struct children *c, const struct cli_event *event);

static struct region_peer *
peer_of(const struct children *c, int i)
{
    return &c->region->header->peers[rows[i].process];
}

static void
child_start(struct children *c, int i)
{
    char path[OS_PATH_BYTES + 32], fd[16];
    snprintf(path, sizeof path, "%s/%s", c->programs, rows[i].program);
    snprintf(fd, sizeof fd, "%d", c->region->fd);
    char *argv[] = {path, "--region", fd, NULL};
    c->child[i].generation = atomic_load_explicit(&peer_of(c, i)->generation, memory_order_acquire);
    c->child[i].started_ns = os_now_ns();
    int err = os_spawn(&c->child[i].process, path, argv);
    if (err) {
        log_error("run", "%s does not start: %s (%s)", rows[i].name, err_text(err), path);
        c->child[i].process.fd = -1;
        children_step(c, &(struct cli_event){CLI_EXITED, i, {false, EXIT_SPAWN_FAILED}});
        return;
    }
    c->child[i].expected = true;
}

static void
children_step(struct children *c, const struct cli_event *event)
{
    struct cli_orders orders;
    cli_supervise_step(&c->machine, os_now_ns(), event, &orders);
    c->orders = orders;
    if (orders.restart_ms >= 0)
        log_warn("run", "%s starts again in_ms=%lld", rows[event->child].name,
                 (long long)orders.restart_ms);
    for (int i = 0; i < CLI_CHILDREN; i++)
        if (orders.signal[i] && os_child_signal(&c->child[i].process, orders.signal[i]))
            log_debug("run", "%s has ended already", rows[i].name);
    for (int i = 0; i < CLI_CHILDREN; i++)
        if (orders.start[i])
            child_start(c, i);
}

static void
child_watch(struct children *c, int i)
{
    struct os_exit end;
    if (c->child[i].process.fd < 0)
        return;
    if (c->child[i].expected) {
        uint32_t ready = atomic_load_explicit(&peer_of(c, i)->ready, memory_order_acquire);
        uint32_t now = atomic_load_explicit(&peer_of(c, i)->generation, memory_order_acquire);
        if (now != c->child[i].generation && ready == now) {
            c->child[i].expected = false;
            log_info(
                "run", "%s serves pid=%d after_ms=%llu", rows[i].name, c->child[i].process.pid,
                (unsigned long long)((os_now_ns() - c->child[i].started_ns) / CLOCK_NS_PER_MS));
        }
    }
    int pid = c->child[i].process.pid;
    int err = os_child_reap(&c->child[i].process, &end);
    if (err)
        return;
    bool fine = c->machine.stopping && !end.killed && end.code == 0;
    log_at(fine ? LOG_INFO : LOG_ERROR, "run", "%s ended pid=%d %s=%d%s", rows[i].name, pid,
           end.killed ? "signal" : "exit", end.code,
           !end.killed && end.code == OS_EXIT_REFUSED
               ? ": it refuses to serve, so the broker stops; see its lines above"
               : "");
    c->child[i].expected = false;
    children_step(c, &(struct cli_event){CLI_EXITED, i, end});
}

static int
timeout_ms(const struct children *c)
{
    uint64_t now = os_now_ns(), until = c->orders.deadline_ns;
    int64_t ms = -1;
    if (until != CLOCK_NEVER)
        ms = until > now ? (int64_t)((until - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS) : 0;
    for (int i = 0; i < CLI_CHILDREN; i++)
        if (c->child[i].expected && (ms < 0 || ms > READY_POLL_MS))
            ms = READY_POLL_MS;
    return (int)ms;
}

int
cli_children(const struct region *r, const char *programs)
{
    static const int signals[] = {SIGTERM, SIGINT, 0};
    struct children c = {.region = r, .programs = programs};
    c.signal_fd = os_signal_open(signals);
    if (c.signal_fd < 0) {
        fprintf(stderr, "sluice: no signals: %s\n", err_text(c.signal_fd));
        return CLI_EXIT_FAILED;
    }
    for (int i = 0; i < CLI_CHILDREN; i++)
        c.child[i].process.fd = -1;
    cli_supervise_init(&c.machine);
    children_step(&c, &(struct cli_event){.kind = CLI_TICK});
    while (!c.orders.finished) {
        int fds[] = {c.signal_fd, c.child[CLI_DATA].process.fd, c.child[CLI_CONTROL].process.fd};
        os_wait(fds, 3, timeout_ms(&c));
        for (int signo; (signo = os_signal_read(c.signal_fd)) != 0;) {
            log_info("run", "%s: stopping", strsignal(signo));
            children_step(&c, &(struct cli_event){.kind = CLI_STOP});
        }
        for (int i = 0; i < CLI_CHILDREN; i++)
            child_watch(&c, i);
        if (!c.orders.finished)
            children_step(&c, &(struct cli_event){.kind = CLI_TICK});
    }
    return c.orders.exit_code;
}
