/* fake.h: a copy of the test program plays sluice-data and sluice-control.
 *
 * fake_install copies the running program under another name; its main() calls fake_child first,
 * which recognizes the name.  What a fake does stands in the environment (FAKE_DATA, FAKE_CONTROL),
 * and each of its steps becomes a line of the file FAKE_LOG. */
#ifndef SLUICE_TESTS_UNIT_CLI_FAKE_H
#define SLUICE_TESTS_UNIT_CLI_FAKE_H

#include "core/shm/region.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAKE_TEXT_BYTES = 64 << 10, FAKE_WAIT_MS = 90000, FAKE_POLL_MS = 5 };

static char fake_home[64];
static char fake_text[FAKE_TEXT_BYTES];

static inline const char *
fake_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fake_home, name);
    return path;
}

static inline void
fake_pause(void)
{
    nanosleep(&(struct timespec){0, FAKE_POLL_MS * 1000000L}, NULL);
}

/* The text of a file of the home, "" when there is none. */
static inline const char *
fake_read(const char *name)
{
    if (os_file_read(fake_path(name), fake_text, sizeof fake_text) < 0)
        fake_text[0] = 0;
    return fake_text;
}

static inline int
fake_count(const char *name, const char *what)
{
    int n = 0;
    for (const char *p = fake_read(name); (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* Waits until the file holds `what` so many times; fails the test after FAKE_WAIT_MS. */
static inline void
fake_await(const char *name, const char *what, int times)
{
    for (int ms = 0; fake_count(name, what) < times; ms += FAKE_POLL_MS) {
        if (ms > FAKE_WAIT_MS)
            fail_msg("%s never says '%s' %d times:\n%s", name, what, times, fake_text);
        fake_pause();
    }
}

static inline void
fake_install(const char *name)
{
    char block[64 << 10];
    ssize_t n;
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(fake_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof block)) > 0)
        assert_int_equal(write(out, block, (size_t)n), n);
    assert_int_equal(n, 0);
    close(in);
    close(out);
}

static inline int
fake_setup(void **state)
{
    snprintf(fake_home, sizeof fake_home, "%s/sluice-test-XXXXXX", P_tmpdir);
    if (!mkdtemp(fake_home))
        return -1;
    fake_install("sluice-data");
    fake_install("sluice-control");
    setenv("FAKE_LOG", fake_path("log"), 1);
    setenv("FAKE_DATA", "serve", 1);
    setenv("FAKE_CONTROL", "serve", 1);
    return 0;
}

static inline int
fake_teardown(void **state)
{
    static const char *const made[] = {"sluice-data",
                                       "sluice-control",
                                       "sluice",
                                       "log",
                                       "out",
                                       "err",
                                       "file",
                                       "conf",
                                       "data/lock",
                                       "data/run",
                                       "data/sluice.format",
                                       "data/sluice.format.tmp",
                                       "data/run.tmp",
                                       "data"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        remove(fake_path(made[i]));
    return rmdir(fake_home);
}

/* Waits for the end of a process: its exit code, or 1000 + signal. */
static inline int
fake_wait(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline void
fake_note(const char *who, const char *what)
{
    char line[128];
    int n = snprintf(line, sizeof line, "%s %s\n", who, what);
    int fd = open(getenv("FAKE_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(99);
    close(fd);
}

static inline void
fake_serve(struct region *r, enum region_process who, const char *name)
{
    sigset_t set;
    int signo;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fake_note(name, "serves");
    region_set_ready(r, who);
    sigwait(&set, &signo);
    fake_note(name, signo == SIGTERM ? "stops" : "is interrupted");
}

static inline void
fake_await_ready(const struct region *r, enum region_process who)
{
    while (atomic_load(&r->header->peers[who].ready) == 0)
        fake_pause();
}

/* When this process is to play a child, plays it and never comes back. */
static inline void
fake_child(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *base = slash ? slash + 1 : argv[0];
    bool data = strcmp(base, "sluice-data") == 0;
    if (!data && strcmp(base, "sluice-control") != 0)
        return;
    const char *name = data ? "data" : "control",
               *what = getenv(data ? "FAKE_DATA" : "FAKE_CONTROL");
    enum region_process who = data ? REGION_DATA : REGION_CONTROL;
    struct region r;
    fake_note(name, "starts");
    if (argc != 3 || strcmp(argv[1], "--region") != 0 ||
        region_attach(&r, (int)strtol(argv[2], NULL, 10), 1))
        _exit(98);
    uint32_t generation = region_join(&r, who, getpid());
    if (strcmp(what, "die") == 0)
        _exit(3);
    if (strcmp(what, "die-once") == 0 && generation == 1)
        kill(getpid(), SIGKILL);
    if (strcmp(what, "refuse") == 0) {
        fake_await_ready(&r, data ? REGION_CONTROL : REGION_DATA);
        _exit(OS_EXIT_REFUSED);
    }
    fake_serve(&r, who, name);
    _exit(strcmp(what, "fail-stop") == 0 ? 5 : 0);
}

#endif
