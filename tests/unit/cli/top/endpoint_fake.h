/* endpoint_fake.h: a process that answers HTTP on a port of its own: each path with the body that a
 * table has, in order of the table, until the test ends. */
#ifndef SLUICE_TESTS_UNIT_CLI_TOP_ENDPOINT_FAKE_H
#define SLUICE_TESTS_UNIT_CLI_TOP_ENDPOINT_FAKE_H

#include "cli/top/top.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAKE_MS = 10000 };

struct fake_path {
    const char *path, *answer; /* whole answer; the path up to a '?' or blank */
};

static char fake_address[32];
static pid_t fake_pid;

static inline void
fake_answer(int fd, const struct fake_path *paths)
{
    char request[2048] = "";
    size_t n = 0;
    while (n + 1 < sizeof request && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + n, sizeof request - 1 - n, 0);
        if (got <= 0)
            return;
        n += (size_t)got;
        request[n] = 0;
    }
    for (; paths->path; paths++) {
        size_t m = strlen(paths->path);
        if (strncmp(request + 4, paths->path, m) == 0 && strchr("? ", request[4 + m]))
            break;
    }
    const char *answer = paths->path ? paths->answer : "HTTP/1.1 404 Not Found\r\n\r\n";
    send(fd, answer, strlen(answer), MSG_NOSIGNAL);
}

/* Starts it; paths end with a NULL. */
static inline void
fake_start(const struct fake_path *paths)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
    snprintf(fake_address, sizeof fake_address, "127.0.0.1:%u", ntohs(a.sin_port));
    fake_pid = fork();
    assert_true(fake_pid >= 0);
    while (fake_pid == 0) {
        int fd = accept(listener, NULL, NULL);
        fake_answer(fd, paths);
        close(fd);
    }
    close(listener);
}

static inline int
fake_stop(void **state)
{
    if (fake_pid > 0) {
        kill(fake_pid, SIGKILL);
        waitpid(fake_pid, NULL, 0);
    }
    fake_pid = 0;
    return 0;
}

#endif
