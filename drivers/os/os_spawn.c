#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FDS_MAX = 8 };

/* The child's half.  Tells errno of a failed exec through `pipe_fd`, which a good exec closes. */
_Noreturn static void
child_run(const char *path, char *const argv[], int parent, int pipe_fd)
{
    sigset_t none;
    sigemptyset(&none);
    /* Also what our own parent ignored: a shell does it for its background jobs. */
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    setpgid(0, 0);
    /* The parent may have died before prctl: then nothing would ever tell us. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        execv(path, argv);
    int why = errno;
    if (write(pipe_fd, &why, sizeof why) < 0)
        _exit(126);
    _exit(127);
}

int
os_spawn(struct os_child *out, const char *path, char *const argv[])
{
    int pipe_fds[2], parent = getpid(), why = 0;
    if (pipe2(pipe_fds, O_CLOEXEC))
        return os_error_of(errno);
    pid_t pid = fork();
    if (pid == 0)
        child_run(path, argv, parent, pipe_fds[1]);
    int fork_errno = errno;
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return os_error_of(fork_errno);
    }
    ssize_t n;
    do
        n = read(pipe_fds[0], &why, sizeof why);
    while (n < 0 && errno == EINTR);
    close(pipe_fds[0]);
    if (n > 0) {
        waitpid(pid, NULL, 0);
        return why ? os_error_of(why) : ERR_CLOSED;
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        int err = os_error_of(errno);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return err;
    }
    *out = (struct os_child){pid, fd};
    return ERR_OK;
}

int
os_child_signal(const struct os_child *c, int signal_)
{
    return syscall(SYS_pidfd_send_signal, c->fd, signal_, NULL, 0) ? os_error_of(errno) : ERR_OK;
}

int
os_child_reap(struct os_child *c, struct os_exit *out)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG))
        return os_error_of(errno);
    if (info.si_pid == 0)
        return ERR_AGAIN;
    *out = (struct os_exit){info.si_code != CLD_EXITED, info.si_status};
    close(c->fd);
    c->fd = -1;
    return ERR_OK;
}

void
os_wait(const int *fds, int count, int timeout_ms)
{
    struct pollfd polls[FDS_MAX];
    must(count <= FDS_MAX);
    for (int i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    int n = poll(polls, (nfds_t)count, timeout_ms);
    must(n >= 0 || errno == EINTR || errno == ENOMEM);
}
