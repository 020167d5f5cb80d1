/* main.c: sluice-control --region FD.  Started and supervised by sluice run; see control/README.md.
 */
#include "control/admin/admin.h"
#include "control/capture/capture.h"
#include "control/server/server.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "drivers/mhd/http_mhd.h"
#include "drivers/os/os.h"
#include "drivers/os/os_sockets.h"
#include "drivers/re2/regex_re2.h"
#include "drivers/uring/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked;
static struct region main_region;

static void
stop_on_signal(int number)
{
    (void)number;
    int saved = errno;
    stop_asked = 1;
    region_wake(&main_region, main_region.header->shard_count);
    errno = saved;
}

static void
signals_set(void)
{
    struct sigaction a = {.sa_handler = stop_on_signal};
    (void)sigemptyset(&a.sa_mask);
    (void)sigaction(SIGTERM, &a, NULL);
    (void)sigaction(SIGINT, &a, NULL);
    a.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &a, NULL);
    /* Also when started by hand: a broker without its supervisor does not go on alone. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* The number behind --region, or -1. */
static int
region_fd(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--region") != 0)
        return -1;
    char *end;
    long fd = strtol(argv[2], &end, 10);
    return *end == '\0' && end != argv[2] && fd >= 0 && fd < 1 << 20 ? (int)fd : -1;
}

/* What another start cannot mend must not be tried again and again. */
static int
exit_code(int rc)
{
    if (rc == ERR_OK)
        return 0;
    return rc == ERR_CORRUPT || rc == ERR_INVALID || rc == ERR_UNSUPPORTED || rc == ERR_VERSION ||
                   rc == ERR_LIMIT
               ? OS_EXIT_REFUSED
               : 1;
}

/* ---- the HTTP endpoint: a thread of its own, which asks the loop at a desk ---- */

struct endpoint {
    const struct conf *conf;
    struct census_desk *desk;
    struct admin *admin;
    struct http_mhd *http; /* NULL: it does not listen (yet) */
    uint64_t next_ns;      /* when to try again */
    bool said;             /* that it cannot */
};

static void
loop_wake(void *user)
{
    (void)user;
    region_wake(&main_region, main_region.header->shard_count);
}

static int64_t
wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / (int64_t)CLOCK_NS_PER_MS;
}

static void
process_look(int32_t pid, struct metrics_process *out)
{
    struct os_usage u;
    out->known = os_usage(pid, &u) == ERR_OK;
    out->resident_bytes = out->known ? u.resident_bytes : 0;
    out->cpu_ns = out->known ? u.cpu_ns : 0;
}

static void
disk_look(const char *dir, struct metrics_disk *out)
{
    out->known = os_space(dir, &out->free_bytes, &out->total_bytes) == ERR_OK;
}

/* A core that polls answers within microseconds, one that naps within a millisecond. */
static void
moment_pass(void)
{
    const struct timespec moment = {.tv_nsec = 50000};
    (void)nanosleep(&moment, NULL);
}

struct socket_rows {
    void (*row)(void *user, const struct netview_connection *k);
    void *user;
};

static void
socket_row(void *user, const struct os_socket *s)
{
    const struct socket_rows *rows = user;
    struct netview_connection k = {
        .local_port = s->local_port,
        .remote_port = s->remote_port,
        .srtt_us = s->rtt_us,
        .rto_us = s->rto_us,
        .mss = s->mss,
        .cwnd = s->cwnd,
        .flight = s->in_flight,
        .snd_wnd = s->send_window,
        .rcv_wnd = s->receive_window,
        .unread = s->unread,
        .unsent = s->unsent,
        .resent = s->resent,
        .timeouts = s->timeouts,
    };
    _Static_assert(sizeof k.state == sizeof s->state, "whole names");
    memcpy(k.state, s->state, sizeof k.state);
    memcpy(k.local_ip, s->local_ip, sizeof k.local_ip);
    memcpy(k.remote_ip, s->remote_ip, sizeof k.remote_ip);
    rows->row(rows->user, &k);
}

_Static_assert((int)OS_SOCKETS_PORTS_MAX >= (int)CONF_LISTENERS_MAX, "a port for each listener");

static int
sockets_look(const struct conf *conf, void (*row)(void *user, const struct netview_connection *k),
             void *user)
{
    struct conf_listener listeners[CONF_LISTENERS_MAX];
    uint16_t ports[OS_SOCKETS_PORTS_MAX];
    char error[CONF_ERROR_BYTES];
    int count = conf_listeners(conf_text(conf, CONF_LISTENERS), listeners, error);
    for (int i = 0; i < count; i++)
        ports[i] = listeners[i].port;
    struct socket_rows rows = {row, user};
    return count < 0 ? count : os_sockets_each(ports, count, socket_row, &rows);
}

static void
endpoint_init(struct endpoint *e, const struct conf *conf)
{
    *e = (struct endpoint){.conf = conf, .desk = census_desk_new(loop_wake, NULL)};
    struct admin_config ac = {.region = &main_region,
                              .conf = conf,
                              .desk = e->desk,
                              .now_ns = os_now_ns,
                              .wall_ms = wall_ms,
                              .process = process_look,
                              .disk = disk_look,
                              .pause = moment_pass,
                              .connections = sockets_look};
    e->admin = admin_new(&ac);
}

/* The broker serves without it: a port that another has is tried again, not died of.  Names are
 * resolved once, at start: the loop does not wait for a name server a second time. */
static void
endpoint_try(struct endpoint *e, uint64_t now_ns)
{
    struct conf_listener at;
    const char *text = conf_text(e->conf, CONF_METRICS_LISTENER);
    if (e->http || !*text || now_ns < e->next_ns)
        return;
    int rc = conf_address(text, &at);
    struct http_mhd_config hc = {
        .host = at.host, .port = at.port, .handle = admin_handle, .user = e->admin};
    if (rc == ERR_OK)
        rc = http_mhd_start(&hc, &e->http);
    if (rc == ERR_OK) {
        log_info("control", "metrics at http://%s/metrics", text);
        return;
    }
    e->next_ns = rc == ERR_EXISTS ? now_ns + CLOCK_NS_PER_S : CLOCK_NEVER;
    if (!e->said)
        log_warn("control",
                 "no metrics: cannot listen on metrics.listener=%s error=%s; give a free "
                 "host:port, or nothing",
                 text, err_name(rc));
    e->said = true;
}

static void
endpoint_free(struct endpoint *e)
{
    if (e->http)
        http_mhd_stop(e->http);
    admin_free(e->admin);
    census_desk_free(e->desk);
}

/* ---- captures of net=dpdk: a thread of its own, which may wait for the disk ---- */

struct recorder {
    struct capture *capture;
    pthread_t thread;
    atomic_bool stop;
    int fd; /* of the file */
};

static int
file_open(void *self, const char *path)
{
    struct recorder *r = self;
    r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return r->fd < 0 ? os_error_of(errno) : ERR_OK;
}

static int
file_write(void *self, const void *at, size_t bytes)
{
    const struct recorder *r = self;
    for (const char *p = at; bytes > 0;) {
        ssize_t n = write(r->fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? os_error_of(errno) : ERR_IO;
        p += n;
        bytes -= (size_t)n;
    }
    return ERR_OK;
}

static void
file_close(void *self)
{
    const struct recorder *r = self;
    (void)close(r->fd);
}

static int64_t
wall_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * (int64_t)CLOCK_NS_PER_S + t.tv_nsec;
}

static void *
recorder_main(void *arg)
{
    struct recorder *r = arg;
    os_thread_name("recorder");
    while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
        long ms = capture_turn(r->capture);
        (void)nanosleep(&(struct timespec){.tv_nsec = ms * (long)CLOCK_NS_PER_MS}, NULL);
    }
    return NULL;
}

/* Without it the broker serves all the same, and orders are not answered. */
static void
recorder_start(struct recorder *r, const struct conf *conf)
{
    *r = (struct recorder){.fd = -1};
    if (!conf_own_net(conf))
        return;
    struct capture_config config = {
        .region = &main_region,
        .file = {.self = r, .open = file_open, .write = file_write, .close = file_close},
        .now_ns = os_now_ns,
        .wall_ns = wall_ns,
    };
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop */
    r->capture = capture_new(&config);
    if (pthread_create(&r->thread, NULL, recorder_main, r)) {
        capture_free(r->capture);
        r->capture = NULL;
        log_warn("control", "no captures: cannot start a thread");
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
recorder_stop(struct recorder *r)
{
    if (!r->capture)
        return;
    atomic_store_explicit(&r->stop, true, memory_order_relaxed);
    (void)pthread_join(r->thread, NULL);
    capture_free(r->capture);
}

static int
serve(struct server *server, struct clock clock, struct endpoint *e)
{
    while (!stop_asked) {
        uint64_t deadline, now_ns = clock.ops->now_ns(clock.self);
        endpoint_try(e, now_ns);
        int rc = server_turn(server, now_ns, &deadline);
        if (rc != ERR_OK)
            return 1; /* the disk, or a ring: recovery decides what is true */
        clock.ops->wait(clock.self, server_sleep(server) ? 0 : deadline);
        server_awake(server);
    }
    int rc = server_stop(server);
    if (rc != ERR_OK)
        log_error("control", "the last snapshot was not written error=%s", err_name(rc));
    return rc == ERR_OK ? 0 : 1;
}

static int
run(const struct conf *conf)
{
    const struct region_header *h = main_region.header;
    struct uring *uring;
    struct server *server;
    char path[CONF_TEXT_BYTES_MAX] = "";
    int rc = conf_dir(conf_text(conf, CONF_LOG_DIRS), 0, path);
    int dir = rc != ERR_OK ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        log_error("control", "cannot open the data directory path=%s error=%s", path,
                  strerror(errno));
        return 1;
    }
    struct uring_config uc = {
        .wake_fd = h->wake_fds[h->shard_count], .data_dir_fds = {dir}, .data_dirs = 1};
    rc = uring_create(&uc, &uring);
    if (rc != ERR_OK) {
        log_error("control", "cannot use io_uring error=%s", err_name(rc));
        return exit_code(rc);
    }
    struct endpoint endpoint;
    endpoint_init(&endpoint, conf);
    struct server_config sc = {
        .region = &main_region,
        .conf = conf,
        .log = {.disk = uring_disk(uring), .clock = uring_clock(uring)},
        .random = os_random,
        .regex = &regex_re2,
        .desk = endpoint.desk,
        .pid = (int32_t)getpid(),
    };
    rc = server_create(&sc, &server);
    int code = exit_code(rc);
    if (rc == ERR_OK) {
        log_info("control", "serving");
        static struct recorder recorder;
        recorder_start(&recorder, conf);
        code = serve(server, uring_clock(uring), &endpoint);
        recorder_stop(&recorder);
        server_destroy(server);
    } else {
        log_error("control", "cannot start error=%s", err_name(rc));
    }
    endpoint_free(&endpoint);
    uring_destroy(uring);
    (void)close(dir);
    return code;
}

int
main(int argc, char **argv)
{
    static struct conf conf;
    char error[CONF_ERROR_BYTES];
    log_process_set("control");
    int fd = region_fd(argc, argv);
    if (fd < 0) {
        (void)fprintf(stderr, "usage: sluice-control --region FD (started by: sluice run)\n");
        return 2;
    }
    int rc = region_attach(&main_region, fd, 1);
    if (rc != ERR_OK) {
        log_error("control", "cannot attach the region fd=%d error=%s", fd, err_name(rc));
        return OS_EXIT_REFUSED;
    }
    conf_defaults(&conf);
    rc = conf_parse(&conf, region_conf(&main_region), CONF_OPTION, error);
    if (rc != ERR_OK) {
        log_error("control", "the region's configuration cannot be read: %s", error);
        return OS_EXIT_REFUSED;
    }
    log_level_set((enum log_level)conf_number(&conf, CONF_LOG_LEVEL));
    signals_set();
    return run(&conf);
}
