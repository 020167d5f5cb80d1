#include "tests/unit/drivers/uring/uring_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t
now_of(const struct clock *clock)
{
    return clock->ops->now_ns(clock->self);
}

static struct uring *
bare(int wake_fd)
{
    struct uring *u;
    struct uring_config config = {.wake_fd = wake_fd};
    assert_int_equal(uring_create(&config, &u), ERR_OK);
    return u;
}

/* How many calls it takes to wait 5 ms. */
static uint32_t
waits_until_deadline(const struct clock *clock)
{
    uint64_t deadline = now_of(clock) + 5 * CLOCK_NS_PER_MS;
    uint32_t waits = 0;
    for (; now_of(clock) < deadline; waits++)
        clock->ops->wait(clock->self, deadline);
    return waits;
}

static void
a_wait_sleeps_until_its_deadline(void **state)
{
    struct uring *u = bare(-1);
    struct clock clock = uring_clock(u);
    assert_true(waits_until_deadline(&clock) <= 2); /* at most ended early once */
    uring_destroy(u);
}

static void
a_wake_ends_one_wait_and_not_those_after_it(void **state)
{
    struct uring *u = bare(-1);
    struct clock clock = uring_clock(u);
    clock.ops->wake(clock.self);
    clock.ops->wait(clock.self, CLOCK_NEVER);
    assert_true(waits_until_deadline(&clock) <= 3);
    uring_destroy(u);
}

static void
an_idle_poll_makes_no_system_call(void **state)
{
    struct uring *u = bare(-1);
    struct clock clock = uring_clock(u);
    clock.ops->wait(clock.self, 0);
    uint64_t before = uring_enters(u);
    for (int i = 0; i < 1000; i++)
        clock.ops->wait(clock.self, 0);
    assert_int_equal(uring_enters(u), before);
    uring_destroy(u);
}

static void
a_wake_before_the_wait_ends_it(void **state)
{
    struct uring *u = bare(-1);
    struct clock clock = uring_clock(u);
    for (int i = 0; i < 100; i++) {
        clock.ops->wake(clock.self);
        clock.ops->wake(clock.self);
        clock.ops->wait(clock.self, CLOCK_NEVER);
    }
    uring_destroy(u);
}

struct ping {
    struct clock clock;
    _Atomic uint32_t asked, seen;
};

static void *
ping_run(void *arg)
{
    struct ping *p = arg;
    for (uint32_t i = 1; i <= 2000; i++) {
        atomic_store(&p->asked, i);
        p->clock.ops->wake(p->clock.self);
        while (atomic_load(&p->seen) != i)
            sched_yield();
    }
    return NULL;
}

static void
no_wake_of_another_thread_is_lost(void **state)
{
    struct uring *u = bare(-1);
    struct ping ping = {.clock = uring_clock(u)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ping_run, &ping), 0);
    while (atomic_load(&ping.seen) < 2000) {
        ping.clock.ops->wait(ping.clock.self, CLOCK_NEVER); /* a lost wake hangs here */
        atomic_store(&ping.seen, atomic_load(&ping.asked));
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    uring_destroy(u);
}

static void
a_write_to_the_eventfd_handed_in_ends_the_wait_each_time(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(eventfd_write(fd, 1), 0); /* rung before the ring exists */
    struct uring *u = bare(fd);
    struct clock clock = uring_clock(u);
    clock.ops->wait(clock.self, CLOCK_NEVER);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(eventfd_write(fd, 1), 0);
        clock.ops->wait(clock.self, CLOCK_NEVER);
    }
    uring_destroy(u);
    close(fd);
}

struct owner {
    struct uring *uring;
    bool done;
};

static void *
owner_run(void *arg)
{
    struct owner *o = arg;
    struct clock clock = uring_clock(o->uring);
    clock.ops->wake(clock.self);
    clock.ops->wait(clock.self, CLOCK_NEVER);
    o->done = true;
    return NULL;
}

static void
the_first_thread_that_waits_owns_the_ring(void **state)
{
    struct owner owner = {.uring = bare(-1)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, owner_run, &owner), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(owner.done);
    uring_destroy(owner.uring);
}

static void
the_wall_clock_is_of_this_century(void **state)
{
    struct uring *u = bare(-1);
    struct clock clock = uring_clock(u);
    int64_t ms = clock.ops->wall_ms(clock.self);
    assert_true(ms > INT64_C(1600000000000));
    assert_true(ms < INT64_C(4102444800000));
    uring_destroy(u);
}

static void
a_queue_that_is_no_power_of_two_is_invalid(void **state)
{
    struct uring *u;
    struct uring_config config = {.wake_fd = -1, .sq_entries = 100};
    assert_int_equal(uring_create(&config, &u), ERR_INVALID);
}

/* 64 connections on a ring of one entry: the completion ring has four. */
static void
a_completion_ring_that_overflows_loses_nothing(void **state)
{
    enum { COUNT = 64 };
    struct fixture f = fixture_of((struct uring_config){.connections_max = COUNT, .sq_entries = 1});
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = client_connect(&f);
    for (int i = 0; i < COUNT; i++)
        client_send(fds[i], "x", 1);
    for (int i = 0; i < COUNT; i++)
        fixture_await(&f, 0, STREAM_OPENED);
    for (int i = 0; i < COUNT; i++) {
        stream_id id = fixture_await(&f, 0, STREAM_READABLE).id;
        fixture_consume(&f, id, 1, 0);
        assert_int_equal(fixture_send(&f, id, "y", 1), 1);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(fixture_await(&f, 0, STREAM_SENT).bytes_sent, 1);
        char got;
        assert_int_equal(recv(fds[i], &got, 1, MSG_DONTWAIT) == 1 || errno == EAGAIN, 1);
        close(fds[i]);
    }
    for (int i = 0; i < COUNT; i++)
        fixture_await(&f, 0, STREAM_CLOSED);
    uring_destroy(f.uring);
}

static void
the_mode_for_older_kernels_works_too(void **state)
{
    struct fixture f = fixture_of((struct uring_config){.connections_max = 1, .cooperative = true});
    assert_false(uring_deferred(f.uring));
    f.clock.ops->wake(f.clock.self);
    f.clock.ops->wait(f.clock.self, CLOCK_NEVER);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_send(fd, "ask", 3);
    fixture_await(&f, id, STREAM_READABLE);
    assert_int_equal(fixture_send(&f, id, "answer", 6), 6);
    assert_int_equal(fixture_await(&f, id, STREAM_SENT).bytes_sent, 6);
    close(fd);
    uring_destroy(f.uring);
}

/* Kernel workers of this process, and how many of them may run on `cpu` only. */
static void
workers_count(int cpu, int *workers, int *there)
{
    char path[64], want[32], line[256];
    *workers = *there = 0;
    snprintf(want, sizeof want, "Cpus_allowed_list:\t%d\n", cpu);
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *e; (e = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/self/task/%.20s/status", e->d_name);
        FILE *f = fopen(path, "r");
        bool worker = f && fgets(line, sizeof line, f) && strstr(line, "iou-wrk");
        *workers += worker;
        while (worker && fgets(line, sizeof line, f))
            *there += strcmp(line, want) == 0;
        if (f)
            fclose(f);
    }
    closedir(tasks);
}

static void
calls_that_sleep_are_carried_out_where_they_are_put(void **state)
{
    char home[] = P_tmpdir "/sluice-uring-XXXXXX";
    cpu_set_t allowed;
    int last = 0, workers, there;
    assert_non_null(mkdtemp(home));
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        last = CPU_ISSET((size_t)i, &allowed) ? i : last;
    int dir = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct uring_config config = {.wake_fd = -1,
                                  .data_dir_fds = {dir},
                                  .data_dirs = 1,
                                  .worker_cpus = {last},
                                  .worker_cpu_count = 1};
    struct uring *u;
    assert_int_equal(uring_create(&config, &u), ERR_OK);
    struct disk disk = uring_disk(u);
    struct disk_op op = {.kind = DISK_MKDIR, .path = "made"};
    assert_int_equal(disk.ops->run(disk.self, &op), 0);
    workers_count(last, &workers, &there);
    assert_true(workers > 0);
    assert_int_equal(there, workers);
    uring_destroy(u);
    assert_int_equal(unlinkat(dir, "made", AT_REMOVEDIR), 0);
    close(dir);
    rmdir(home);
}

/* The result of uring_create in a child whose io_uring_setup fails with `errno_value`. */
static int
create_where_setup_fails(uint32_t errno_value)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno_value),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof code / sizeof *code, code};
        struct uring *u;
        struct uring_config config = {.wake_fd = -1};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
            _exit(100);
        _exit(-uring_create(&config, &u));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

static void
a_forbidden_io_uring_is_told_from_a_missing_one(void **state)
{
    assert_int_equal(create_where_setup_fails(EPERM), ERR_DENIED);
    assert_int_equal(create_where_setup_fails(ENOSYS), ERR_UNSUPPORTED);
    assert_int_equal(create_where_setup_fails(EINVAL), ERR_UNSUPPORTED);
    assert_int_equal(create_where_setup_fails(EMFILE), ERR_LIMIT);
}

/* Rings count against the limit of the user, so an unprivileged one is needed to see it. */
static void
a_small_memlock_limit_gives_a_smaller_ring_that_works(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {64 << 10, 64 << 10};
        if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || (getuid() == 0 && setuid(64123) < 0))
            _exit(100);
        struct uring *u;
        struct uring_config config = {.wake_fd = -1};
        if (uring_create(&config, &u) != ERR_OK)
            _exit(101);
        struct clock clock = uring_clock(u);
        clock.ops->wake(clock.self);
        clock.ops->wait(clock.self, CLOCK_NEVER);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_sleeps_until_its_deadline),
        cmocka_unit_test(a_wake_ends_one_wait_and_not_those_after_it),
        cmocka_unit_test(an_idle_poll_makes_no_system_call),
        cmocka_unit_test(a_wake_before_the_wait_ends_it),
        cmocka_unit_test(no_wake_of_another_thread_is_lost),
        cmocka_unit_test(a_write_to_the_eventfd_handed_in_ends_the_wait_each_time),
        cmocka_unit_test(the_first_thread_that_waits_owns_the_ring),
        cmocka_unit_test(the_wall_clock_is_of_this_century),
        cmocka_unit_test(a_queue_that_is_no_power_of_two_is_invalid),
        cmocka_unit_test(the_mode_for_older_kernels_works_too),
        cmocka_unit_test(calls_that_sleep_are_carried_out_where_they_are_put),
        cmocka_unit_test(a_forbidden_io_uring_is_told_from_a_missing_one),
        cmocka_unit_test(a_small_memlock_limit_gives_a_smaller_ring_that_works),
        cmocka_unit_test(a_completion_ring_that_overflows_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
