#include "cli/cli.h"
#include "tests/unit/cli/fake.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* A refusal comes within a second; this allows for a machine that does something else too. */
#define REFUSAL_NS (60 * UINT64_C(1000000000))

static char data_option[128], listeners[64];

/* As main.c does it. */
static int
play_sluice(int argc, char **argv)
{
    struct cli_args args;
    char error[CLI_ERROR_BYTES];
    if (cli_args_read(&args, argc, argv, error)) {
        fprintf(stderr, "sluice: %s\n", error);
        return CLI_EXIT_USAGE;
    }
    return args.command == CLI_STAT ? cli_stat(&args, environ, stdout) : cli_run(&args, environ);
}

static uint16_t
free_port(int *fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(*fd, 1), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

static int
setup(void **state)
{
    int fd;
    if (fake_setup(state))
        return -1;
    fake_install("sluice");
    snprintf(data_option, sizeof data_option, "--data=%s/data", fake_home);
    snprintf(listeners, sizeof listeners, "listeners=PLAINTEXT://127.0.0.1:%u", free_port(&fd));
    return close(fd);
}

/* Starts the copied program; its stdout and stderr become "out" and "err". */
static pid_t
start(const char *command, const char *option)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int out = open(fake_path("out"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int err = open(fake_path("err"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(97);
    char *argv[] = {(char *)(uintptr_t)fake_path("sluice"),
                    (char *)(uintptr_t)command,
                    data_option,
                    "-o",
                    listeners,
                    (char *)(uintptr_t)(option ? "-o" : NULL),
                    (char *)(uintptr_t)option,
                    NULL};
    execv(argv[0], argv);
    _exit(96);
}

static void
expect_refusal(const char *option, const char *what)
{
    uint64_t from = os_now_ns();
    assert_int_equal(fake_wait(start("run", option)), CLI_EXIT_FAILED);
    assert_true(os_now_ns() - from < REFUSAL_NS);
    assert_memory_equal(fake_read("err"), "sluice: ", 8);
    if (!strstr(fake_text, what))
        fail_msg("'%s' does not say '%s'", fake_text, what);
    assert_ptr_equal(strchr(fake_text, '\n'), fake_text + strlen(fake_text) - 1); /* one line */
    assert_int_equal(fake_count("log", "starts"), 0);
}

static void
run_serves_until_sigterm_and_leaves_no_run_file(void **state)
{
    pid_t pid = start("run", NULL);
    fake_await("log", "serves", 2);
    assert_int_equal(
        fake_count("out", "acks=1 and acks=all") + fake_count("out", "none beyond this boot"), 1);
    assert_int_equal(fake_count("data/run", "region="), 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), CLI_EXIT_OK);
    assert_int_equal(access(fake_path("data/run"), F_OK), -1);
}

static void
stat_reads_the_running_broker_and_finds_none_afterwards(void **state)
{
    pid_t pid = start("run", NULL);
    fake_await("err", " serves pid=", 2);
    assert_int_equal(fake_wait(start("stat", NULL)), CLI_EXIT_OK);
    assert_int_equal(fake_count("out", "generation 1, serves"), 2);
    assert_int_equal(fake_count("out", "produce_bytes"), 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), CLI_EXIT_OK);
    assert_int_equal(fake_wait(start("stat", NULL)), CLI_EXIT_FAILED);
    assert_int_equal(fake_count("err", "no broker runs on"), 1);
}

static void
stat_is_not_misled_by_the_run_file_of_a_dead_broker(void **state)
{
    char text[64];
    assert_int_equal(os_dir_create(fake_path("data")), 0);
    snprintf(text, sizeof text, "pid=%d\nregion=%d\n", getpid(), STDIN_FILENO);
    assert_int_equal(os_file_write(fake_path("data"), "run", text), 0);
    assert_int_equal(fake_wait(start("stat", NULL)), CLI_EXIT_FAILED);
    assert_int_equal(fake_count("err", "no broker runs on"), 1);
}

static void
a_second_broker_on_the_same_data_is_refused(void **state)
{
    pid_t pid = start("run", NULL);
    fake_await("log", "serves", 2);
    uint64_t from = os_now_ns();
    assert_int_equal(fake_wait(start("run", NULL)), CLI_EXIT_FAILED);
    assert_true(os_now_ns() - from < REFUSAL_NS);
    assert_int_equal(fake_count("err", "is in use by another broker: stop it, or choose"), 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), CLI_EXIT_OK);
}

static void
data_of_a_killed_supervisor_can_be_used_again_at_once(void **state)
{
    pid_t pid = start("run", NULL);
    fake_await("log", "serves", 2);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(fake_wait(pid), 1000 + SIGKILL);
    pid = start("run", NULL);
    fake_await("log", "serves", 4);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), CLI_EXIT_OK);
}

static void
an_unknown_key_is_refused(void **state)
{
    expect_refusal("num.partition=3",
                   "unknown key 'num.partition': did you mean 'num.partitions'?");
}

static void
a_port_in_use_is_refused(void **state)
{
    int fd;
    uint16_t port = free_port(&fd);
    char option[64], line[128];
    snprintf(option, sizeof option, "listeners=PLAINTEXT://127.0.0.1:%u", port);
    snprintf(line, sizeof line,
             "port %u on 127.0.0.1 is in use by another process: stop it, or choose another with "
             "-o listeners=",
             port);
    expect_refusal(option, line);
    close(fd);
}

static void
data_of_a_newer_version_is_refused(void **state)
{
    assert_int_equal(os_dir_create(fake_path("data")), 0);
    assert_int_equal(os_file_write(fake_path("data"), "sluice.format", "version=2\n"), 0);
    expect_refusal("node.id=1", "was written by a newer version of sluice");
}

static void
a_directory_that_cannot_be_made_is_refused(void **state)
{
    assert_int_equal(os_file_write(fake_home, "file", ""), 0);
    snprintf(data_option, sizeof data_option, "--data=%s/file/data", fake_home);
    expect_refusal("node.id=1", "cannot be used (exists already): make it writable");
    snprintf(data_option, sizeof data_option, "--data=/proc/sluice");
    expect_refusal("node.id=1", "data directory /proc/sluice cannot be used (no such thing)");
}

static void
a_child_that_is_not_installed_is_refused(void **state)
{
    assert_int_equal(unlink(fake_path("sluice-control")), 0);
    expect_refusal("node.id=1", "sluice-control is not beside this program");
}

int
main(int argc, char **argv)
{
#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, fake_teardown)
    fake_child(argc, argv);
    size_t n = strlen(argv[0]);
    if (n > 7 && strcmp(argv[0] + n - 7, "/sluice") == 0)
        return play_sluice(argc, argv);
    const struct CMUnitTest tests[] = {
        RUN_TEST(run_serves_until_sigterm_and_leaves_no_run_file),
        RUN_TEST(stat_reads_the_running_broker_and_finds_none_afterwards),
        RUN_TEST(stat_is_not_misled_by_the_run_file_of_a_dead_broker),
        RUN_TEST(a_second_broker_on_the_same_data_is_refused),
        RUN_TEST(data_of_a_killed_supervisor_can_be_used_again_at_once),
        RUN_TEST(an_unknown_key_is_refused),
        RUN_TEST(a_port_in_use_is_refused),
        RUN_TEST(data_of_a_newer_version_is_refused),
        RUN_TEST(a_directory_that_cannot_be_made_is_refused),
        RUN_TEST(a_child_that_is_not_installed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
