/* uring.c: the ring, its setup, and the clock that sleeps on it.
 *
 * A turn is wait(): stream_uring_prepare() queues receives; one io_uring_enter submits everything
 * queued since the last turn, runs deferred task work and sleeps if nothing is ready; every
 * completion is then handed to its owner, which only changes its own state: events and finished
 * operations stay in lists of the ports until poll().
 *
 * With DEFER_TASKRUN completions appear only inside io_uring_enter(GETEVENTS).  TASKRUN_FLAG makes
 * the kernel say in the shared ring that such work waits, which is what lets a spinning loop skip
 * the call.
 *
 * wake() writes the eventfd at most once a turn (`woken`); the ring polls it multishot and nobody
 * reads it: each write is an edge of its own.  I1 Whoever published work before wake() finds it
 * seen: wait() clears `woken` (acquire) before it returns to the loop that looks for work. */
#include "drivers/uring/uring.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "drivers/uring/disk_uring.h"
#include "drivers/uring/stream_uring.h"
#include "drivers/uring/uring_ring.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SUBMIT_TRIES_MAX = 1000, CQ_FACTOR = 4 };

struct uring {
    struct io_uring ring;
    struct stream_uring *stream;
    struct disk_uring *disk;
    uint64_t now_ns;
    uint64_t enters;
    _Atomic uint64_t wakes;
    int wake_fd;
    int worker_cpus[URING_WORKER_CPUS_MAX];
    uint32_t worker_cpu_count;
    bool wake_fd_own;
    bool enabled;
    bool deferred;
    _Atomic bool woken;
};

static const struct {
    int from, to;
} errnos[] = {
    {ENOENT, ERR_NOT_FOUND},
    {EEXIST, ERR_EXISTS},
    {ENOTEMPTY, ERR_EXISTS},
    {EADDRINUSE, ERR_EXISTS},
    {ENOSPC, ERR_NO_SPACE},
    {EDQUOT, ERR_NO_SPACE},
    {EACCES, ERR_DENIED},
    {EPERM, ERR_DENIED},
    {EROFS, ERR_DENIED},
    {EINVAL, ERR_INVALID},
    {EBADF, ERR_INVALID},
    {ENOTDIR, ERR_INVALID},
    {EISDIR, ERR_INVALID},
    {ENAMETOOLONG, ERR_INVALID},
    {ELOOP, ERR_INVALID},
    {EFAULT, ERR_INVALID},
    {EADDRNOTAVAIL, ERR_INVALID},
    {ENOSYS, ERR_UNSUPPORTED},
    {EOPNOTSUPP, ERR_UNSUPPORTED},
    {EAFNOSUPPORT, ERR_UNSUPPORTED},
    {EMFILE, ERR_LIMIT},
    {ENFILE, ERR_LIMIT},
    {ENOMEM, ERR_LIMIT},
    {ENOBUFS, ERR_LIMIT},
    {EFBIG, ERR_LIMIT},
    {EBUSY, ERR_BUSY},
    {ETXTBSY, ERR_BUSY},
    {EAGAIN, ERR_AGAIN},
    {EINTR, ERR_AGAIN},
    {EPIPE, ERR_CLOSED},
};

int
uring_err(int errno_value)
{
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (errnos[i].from == errno_value)
            return errnos[i].to;
    return ERR_IO;
}

struct io_uring *
uring_ring(struct uring *u)
{
    return &u->ring;
}

uint64_t
uring_now_ns(const struct uring *u)
{
    return u->now_ns;
}

static uint64_t
clock_now_ns(void *self)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int64_t
clock_wall_ms(void *self)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Only costs the loop time when the kernel refuses. */
static void
workers_place(struct uring *u)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < u->worker_cpu_count; i++)
        CPU_SET((size_t)u->worker_cpus[i], &set);
    int ret = u->worker_cpu_count ? io_uring_register_iowq_aff(&u->ring, sizeof set, &set) : 0;
    if (ret < 0)
        log_warn("uring", "the kernel's workers stay where they are errno=%d", -ret);
}

void
uring_enable(struct uring *u)
{
    if (u->enabled)
        return;
    /* liburing 2.3 declares io_uring_enable_rings but its shared object does not export it. */
    must(syscall(__NR_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) ==
         0);
    u->enabled = true;
    /* Saves a lookup of the descriptor at each enter; a task may have 16 such, so it may fail. */
    (void)io_uring_register_ring_fd(&u->ring);
    workers_place(u);
}

/* What io_uring_enter may return without our fault: nothing came (ETIME, EINTR), or the kernel is
 * short of memory for requests: the entries stay queued for the next turn. */
static void
enter_check(int ret)
{
    if (ret >= 0 || ret == -ETIME || ret == -EINTR)
        return;
    if (ret == -EAGAIN || ret == -EBUSY || ret == -ENOMEM) {
        log_warn("uring", "kernel refuses work for now errno=%d", -ret);
        return;
    }
    log_error("uring", "io_uring_enter failed errno=%d (%s)", -ret, strerror(-ret));
    must(ret >= 0);
}

struct io_uring_sqe *
uring_sqe(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    for (int i = 0; sqe == NULL; i++) {
        must(i < SUBMIT_TRIES_MAX);
        uring_enable(u);
        u->enters++;
        enter_check(io_uring_submit(&u->ring));
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static void
wake_arm(struct uring *u)
{
    struct io_uring_sqe *sqe = uring_sqe(u);
    io_uring_prep_poll_multishot(sqe, u->wake_fd, POLLIN);
    uring_sqe_tag(sqe, URING_WAKE, 0);
}

static void
dispatch(struct uring *u, const struct uring_done *done)
{
    switch (done->kind) {
    case URING_IGNORE:
        return;
    case URING_WAKE:
        if (!(done->flags & IORING_CQE_F_MORE))
            wake_arm(u);
        return;
    case URING_ACCEPT:
    case URING_ACCEPT_RETRY:
    case URING_RECV:
    case URING_SEND:
    case URING_ROOM:
        stream_uring_done(u->stream, done);
        return;
    case URING_DISK:
    case URING_DISK_DIR:
        disk_uring_done(u->disk, done);
        return;
    }
    must(done->kind <= URING_DISK_DIR); /* a tag that we never made */
}

static void
reap(struct uring *u)
{
    struct io_uring_cqe *cqe;
    while (io_uring_cq_ready(&u->ring) > 0 && io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        struct uring_done done = {
            .kind = (enum uring_kind)(cqe->user_data >> 56),
            .value = cqe->user_data << 8 >> 8,
            .res = cqe->res,
            .flags = cqe->flags,
        };
        io_uring_cqe_seen(&u->ring, cqe);
        dispatch(u, &done);
    }
}

/* Work that only an enter brings into the completion ring. */
static bool
kernel_has_more(const struct uring *u)
{
    unsigned flags = IO_URING_READ_ONCE(*u->ring.sq.kflags);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void
enter_now(struct uring *u)
{
    u->enters++;
    enter_check(io_uring_submit_and_get_events(&u->ring));
}

static void
enter_sleep(struct uring *u, uint64_t sleep_ns)
{
    u->enters++;
    if (sleep_ns == CLOCK_NEVER) {
        enter_check(io_uring_submit_and_wait(&u->ring, 1));
        return;
    }
    struct io_uring_cqe *cqe;
    struct __kernel_timespec ts = {.tv_sec = (int64_t)(sleep_ns / CLOCK_NS_PER_S),
                                   .tv_nsec = (int64_t)(sleep_ns % CLOCK_NS_PER_S)};
    enter_check(io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL));
}

void
uring_turn(struct uring *u, bool wait)
{
    uring_enable(u);
    if (wait && io_uring_cq_ready(&u->ring) == 0)
        enter_sleep(u, CLOCK_NEVER);
    else if (io_uring_sq_ready(&u->ring) > 0 || kernel_has_more(u))
        enter_now(u);
    u->now_ns = clock_now_ns(u);
    reap(u);
}

static bool
ports_ready(const struct uring *u)
{
    return (u->stream && stream_uring_ready(u->stream)) || (u->disk && disk_uring_ready(u->disk));
}

static void
clock_wait(void *self, uint64_t deadline_ns)
{
    struct uring *u = self;
    uring_enable(u);
    u->now_ns = clock_now_ns(u);
    if (u->stream) {
        uint64_t housekeeping_ns = stream_uring_prepare(u->stream, u->now_ns);
        if (housekeeping_ns < deadline_ns)
            deadline_ns = housekeeping_ns;
    }
    bool work = ports_ready(u) || io_uring_cq_ready(&u->ring) > 0 ||
                atomic_load_explicit(&u->woken, memory_order_relaxed);
    if (!work && deadline_ns > u->now_ns)
        enter_sleep(u, deadline_ns == CLOCK_NEVER ? CLOCK_NEVER : deadline_ns - u->now_ns);
    else if (io_uring_sq_ready(&u->ring) > 0 || kernel_has_more(u))
        enter_now(u);
    u->now_ns = clock_now_ns(u); /* for what happened during the sleep */
    reap(u);
    while (IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) {
        enter_now(u); /* completions that did not fit the ring; the kernel kept them */
        reap(u);
    }
    atomic_exchange_explicit(&u->woken, false, memory_order_acq_rel); /* I1 */
}

static void
clock_wake(void *self)
{
    struct uring *u = self;
    if (atomic_exchange_explicit(&u->woken, true, memory_order_acq_rel))
        return;
    atomic_fetch_add_explicit(&u->wakes, 1, memory_order_relaxed);
    must(eventfd_write(u->wake_fd, 1) == 0 || errno == EAGAIN);
}

static void
clock_calls(void *self, struct clock_calls *out)
{
    const struct uring *u = self;
    out->enters = u->enters;
    out->wakes = atomic_load_explicit(&u->wakes, memory_order_relaxed);
}

static const struct clock_ops clock_ops = {
    .now_ns = clock_now_ns,
    .wall_ms = clock_wall_ms,
    .wait = clock_wait,
    .wake = clock_wake,
    .calls = clock_calls,
};

struct clock
uring_clock(struct uring *u)
{
    return (struct clock){&clock_ops, u};
}

struct stream
uring_stream(struct uring *u)
{
    must(u->stream != NULL);
    return stream_uring_port_of(u->stream);
}

struct disk
uring_disk(struct uring *u)
{
    must(u->disk != NULL);
    return disk_uring_port_of(u->disk);
}

uint16_t
uring_stream_port(const struct uring *u, uint32_t listener)
{
    return stream_uring_listener_port(u->stream, listener);
}

uint64_t
uring_stream_refused(const struct uring *u)
{
    return stream_uring_refused(u->stream);
}

uint64_t
uring_stream_memory(const struct uring *u)
{
    return stream_uring_memory(u->stream);
}

bool
uring_deferred(const struct uring *u)
{
    return u->deferred;
}

uint64_t
uring_enters(const struct uring *u)
{
    return u->enters;
}

static int
setup_failed(int errno_value)
{
    switch (errno_value) {
    case EPERM:
    case EACCES:
        log_error("uring",
                  "io_uring is forbidden here: set sysctl kernel.io_uring_disabled=0, and in a "
                  "container allow io_uring_setup, io_uring_enter and io_uring_register in "
                  "its seccomp profile (errno=%d)",
                  errno_value);
        return ERR_DENIED;
    case ENOSYS:
        log_error("uring",
                  "this kernel has no io_uring, or a seccomp profile hides it: Linux 5.19 or "
                  "later is needed, 6.1 is better");
        return ERR_UNSUPPORTED;
    case EINVAL:
        log_error("uring", "this kernel's io_uring is too old: Linux 5.19 or later is needed");
        return ERR_UNSUPPORTED;
    default:
        log_error("uring",
                  "io_uring_setup failed errno=%d (%s); a low `ulimit -l` or `ulimit -n` is "
                  "the usual cause",
                  errno_value, strerror(errno_value));
        return uring_err(errno_value);
    }
}

/* 0, or the negative errno of the kernel. */
static int
ring_try(struct uring *u, uint32_t sq_entries, bool cooperative)
{
    static const unsigned modes[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    };
    int ret = -EINVAL;
    for (size_t i = cooperative; i < sizeof modes / sizeof *modes && ret == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags =
                modes[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
            .cq_entries = sq_entries * CQ_FACTOR,
        };
        ret = io_uring_queue_init_params(sq_entries, &u->ring, &params);
        u->deferred = i == 0;
    }
    return ret;
}

/* Rings count against RLIMIT_MEMLOCK on some kernels: with a small limit a small ring still works.
 */
static int
ring_setup(struct uring *u, uint32_t sq_entries, bool cooperative)
{
    uint32_t entries = sq_entries;
    int ret = ring_try(u, entries, cooperative);
    if (ret == -ENOMEM && entries > URING_SQ_ENTRIES_MIN) {
        entries = URING_SQ_ENTRIES_MIN;
        ret = ring_try(u, entries, cooperative);
    }
    if (ret < 0)
        return setup_failed(-ret);
    static atomic_flag told = ATOMIC_FLAG_INIT; /* once a process: the other loops meet it too */
    if (entries < sq_entries && !atomic_flag_test_and_set(&told))
        log_warn("uring",
                 "locked memory is limited: a ring of %u entries instead of %u, so more system "
                 "calls under load; raise it with `ulimit -l` or LimitMEMLOCK=infinity",
                 entries, sq_entries);
    if (!(u->ring.features & IORING_FEAT_EXT_ARG) || !(u->ring.features & IORING_FEAT_NODROP)) {
        io_uring_queue_exit(&u->ring);
        return setup_failed(EINVAL);
    }
    return ERR_OK;
}

static int
ports_create(struct uring *u, const struct uring_config *config)
{
    if (config->connections_max > 0) {
        int err = stream_uring_create(u, config, &u->stream);
        if (err)
            return err;
    }
    if (config->data_dirs > 0)
        return disk_uring_create(u, config, &u->disk);
    return ERR_OK;
}

int
uring_create(const struct uring_config *config, struct uring **out)
{
    uint32_t sq_entries = config->sq_entries ? config->sq_entries : URING_SQ_ENTRIES_DEFAULT;
    if (sq_entries & (sq_entries - 1) || config->worker_cpu_count > URING_WORKER_CPUS_MAX)
        return ERR_INVALID;
    struct uring *u = calloc(1, sizeof *u);
    if (u == NULL)
        return ERR_LIMIT;
    int err = ring_setup(u, sq_entries, config->cooperative);
    if (err) {
        free(u);
        return err;
    }
    memcpy(u->worker_cpus, config->worker_cpus, sizeof u->worker_cpus);
    u->worker_cpu_count = config->worker_cpu_count;
    u->now_ns = clock_now_ns(u);
    u->wake_fd_own = config->wake_fd < 0;
    u->wake_fd = u->wake_fd_own ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : config->wake_fd;
    err = u->wake_fd < 0 ? uring_err(errno) : ports_create(u, config);
    if (err) {
        uring_destroy(u);
        return err;
    }
    wake_arm(u);
    *out = u;
    return ERR_OK;
}

void
uring_destroy(struct uring *u)
{
    /* Without it the kernel may still write into memory that is unmapped below. */
    struct io_uring_sync_cancel_reg all = {
        .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
        .timeout = {.tv_sec = -1, .tv_nsec = -1},
    };
    if (u->enabled)
        (void)io_uring_register_sync_cancel(&u->ring, &all);
    io_uring_queue_exit(&u->ring);
    if (u->stream)
        stream_uring_destroy(u->stream);
    if (u->disk)
        disk_uring_destroy(u->disk);
    if (u->wake_fd_own && u->wake_fd >= 0)
        close(u->wake_fd);
    free(u);
}
