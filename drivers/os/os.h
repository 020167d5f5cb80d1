/* os.h: Linux for the supervisor and for the programs' main.c: called at start, at stop and when a
 * process dies, never per message.  Single-threaded callers.  Every int result is ERR_OK (or what
 * the function says) or a negative enum err; functions with `error` also write one line without a
 * newline that says what to do. */
#ifndef SLUICE_DRIVERS_OS_H
#define SLUICE_DRIVERS_OS_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OS_ERROR_BYTES = 512, OS_PATH_BYTES = 4096 };

/* Exit code of a child that refuses to serve and would refuse again: corrupt data, a configuration
 * that it cannot carry out.  The supervisor stops the broker instead of restarting (EX_CONFIG of
 * sysexits.h). */
enum { OS_EXIT_REFUSED = 78 };

/* os_error.c: errno as enum err. */
int os_error_of(int errno_);

/* os_random.c: fills n bytes from getrandom(2).  Does not fail: without randomness it aborts. */
void os_random(void *out, size_t n);

/* os_cpus.c: processors.  `text` is the value of "cores": "auto" (all that this process may use, up
 * to OS_CPUS_MAX), a count (the first so many), or a list with at least one ',' or '-': "2,3",
 * "2-5,8", "7-7".  Returns how many there are in cpus[], ascending as listed, or ERR_INVALID with
 * `error`. */
enum { OS_CPUS_MAX = 64 };
must_check int os_cpus(const char *text, int cpus[OS_CPUS_MAX], char error[OS_ERROR_BYTES]);
/* Writes the list that os_cpus reads back as the same processors whatever their number ("0-0,1-1").
 */
void os_cpus_print(const int *cpus, int count, char *out, size_t room);
/* Processors that the calling thread may use, but these; returns how many, 0: there are no others.
 */
int os_cpus_others(const int *avoid, int count, int cpus[OS_CPUS_MAX]);
/* Binds the calling thread to one processor.  ERR_INVALID: not ours to use. */
must_check int os_pin(int cpu);
/* Names the calling thread for `top -H` and its like: at most 15 bytes, the rest is cut off. */
void os_thread_name(const char *name);
/* Makes the calling thread one that gets its processor soon after it wakes, whatever else runs
 * there: a high priority, as far as we may, and short slices.  Never real-time: the kernel's own
 * threads on that processor must go on when the loop is busy.  Threads that it makes are ordinary.
 */
void os_foreground(void);
/* Makes the calling thread one that gives way to every other: lowest priority for processor and
 * disk, and not on these processors as long as it may use others. */
void os_background(const int *avoid, int count);

/* os_signal.c: blocks the signals (0 ends the list) for this thread and its children to come, and
 * returns a non-blocking fd that is readable when one is pending.  os_spawn unblocks them again. */
must_check int os_signal_open(const int *signals);
/* The next pending signal, 0 when there is none. */
int os_signal_read(int fd);

/* os_spawn.c: child processes. */
struct os_child {
    int pid;
    int fd; /* pidfd: readable once the child has ended */
};
struct os_exit {
    bool killed; /* by a signal */
    int code;    /* exit code, or the signal */
};
/* Starts `path` with argv (argv[0] included, NULL at the end).  The child has this environment and
 * every fd without CLOEXEC, no signal blocked or ignored, a process group of its own (a ^C at the
 * terminal reaches only the supervisor, which keeps the order of stopping), and gets SIGTERM when
 * its parent dies however that happens (PR_SET_PDEATHSIG: no fd to watch, so a program only has to
 * stop at SIGTERM).  An exec that fails is the result: ERR_NOT_FOUND, ERR_DENIED, ... */
must_check int os_spawn(struct os_child *out, const char *path, char *const argv[]);
/* ERR_NOT_FOUND when it has ended already. */
int os_child_signal(const struct os_child *c, int signal_);
/* When it has ended: fills *out, closes c->fd, ERR_OK.  ERR_AGAIN: it runs. */
must_check int os_child_reap(struct os_child *c, struct os_exit *out);
/* Sleeps until one of count fds (negative ones are skipped) is readable or timeout_ms is over; -1:
 * for ever. */
void os_wait(const int *fds, int count, int timeout_ms);

/* os_lock.c: takes the lock file (creates it), trying for OS_LOCK_WAIT_MS: the last owner may be
 * just stopping.  Returns the fd that holds it, inherited by children: the lock lasts until the
 * last of them has ended too.  ERR_BUSY: another has it. */
enum { OS_LOCK_WAIT_MS = 600 };
must_check int os_lock(const char *path);

/* os_file.c: files and folders. */
/* Makes a folder and those above it; fine when it is there.  ERR_EXISTS: there is something else.
 */
must_check int os_dir_create(const char *path);
/* Reads a file whole, NUL-terminated.  Returns its length, or ERR_LIMIT when it is room or longer.
 */
must_check int os_file_read(const char *path, char *out, size_t room);
/* Replaces dir/name: temporary file, fsync, rename, fsync of the folder.  Either the old or the new
 * text is there after a power cut. */
must_check int os_file_write(const char *dir, const char *name, const char *text);
/* The folder of the running program, without a '/' at its end. */
must_check int os_program_dir(char *out, size_t room);
/* Raises the soft limits for open files and locked memory to the hard ones. */
void os_limits_raise(void);

/* os_facts.c: what the machine is. */
struct os_facts {
    char kernel[65]; /* "6.1.0-18-amd64" */
    uint64_t memory_bytes;
    char file_system[32]; /* of the path: "ext4", "xfs", "tmpfs", ...; "type 0x..." when unknown */
    bool direct;          /* it takes O_DIRECT */
    uint64_t free_bytes;  /* of that file system, for us */
    uint64_t total_bytes; /* of it; 0: it does not tell */
};
must_check int os_facts(const char *path, struct os_facts *out);
/* CLOCK_MONOTONIC. */
uint64_t os_now_ns(void);

/* os_usage.c: what a process has used, as /proc tells; ERR_NOT_FOUND: it is not there, or only its
 * parent has not looked yet. */
struct os_usage {
    uint64_t resident_bytes, cpu_ns;
};
must_check int os_usage(int pid, struct os_usage *out);
/* Space of the path's file system, for us and in all. */
must_check int os_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes);

/* os_huge.c: anonymous memory for arenas, zero, aligned to 2 MiB, on huge pages when the machine
 * has reserved some, else with transparent ones asked for.  Costs page faults unless `populate`. */
enum os_huge_kind { OS_HUGE_RESERVED, OS_HUGE_TRANSPARENT, OS_HUGE_NONE };
struct os_huge {
    void *at;
    size_t bytes; /* rounded up to 2 MiB */
    enum os_huge_kind kind;
};
must_check int os_huge_map(struct os_huge *h, size_t bytes, bool populate);
void os_huge_unmap(struct os_huge *h);

/* os_listen.c: true word on whether a TCP port can be listened on: binds and closes, without
 * SO_REUSEPORT.  host "" is every address.  ERR_EXISTS: in use; ERR_DENIED; ERR_INVALID: not an
 * address of this machine; ERR_NOT_FOUND: the name does not resolve. */
must_check int os_listen_check(const char *host, uint16_t port);

/* os_dial.c: a blocking TCP connection for tools; returns the fd.  Connecting, sending and
 * receiving each end with ERR_AGAIN or another error when nothing moves for timeout_ms.
 * ERR_NOT_FOUND: the name does not resolve. */
must_check int os_dial(const char *host, uint16_t port, int timeout_ms);
/* All n bytes, or an error; ERR_CLOSED: the peer ended it. */
must_check int os_dial_send(int fd, const void *bytes, size_t n);
must_check int os_dial_receive(int fd, void *bytes, size_t n);

/* os_uring.c: whether this process may use io_uring.  ERR_UNSUPPORTED or ERR_DENIED with the cause.
 */
must_check int os_uring_check(char error[OS_ERROR_BYTES]);

/* os_format.c: DATA/sluice.format, whose a data directory is. */
enum { OS_FORMAT_VERSION = 1, OS_CLUSTER_ID_BYTES = 24 };
struct os_format {
    int32_t version;
    int32_t node_id;
    char cluster_id[OS_CLUSTER_ID_BYTES];   /* 22 characters, as Kafka writes a Uuid */
    char directory_id[OS_CLUSTER_ID_BYTES]; /* of this directory */
    char journal_id[OS_CLUSTER_ID_BYTES];   /* directory_id of the first one, with the journals */
    uint8_t directory[16];                  /* directory_id as bytes */
};
/* Reads the file of a directory.  ERR_NOT_FOUND: there is none; else as os_format_open. */
must_check int os_format_peek(const char *dir, int32_t node_id, struct os_format *out,
                              char error[OS_ERROR_BYTES]);
/* Writes the file of a directory beside the first one. */
must_check int os_format_join(const char *dir, const struct os_format *first, struct os_format *out,
                              char error[OS_ERROR_BYTES]);
/* Reads the file of the first data directory; when there is none, makes new ids and writes it.
 * ERR_INVALID: the directory is of another node or of a newer version, ERR_CORRUPT: unreadable;
 * both with `error`.
 */
must_check int os_format_open(const char *dir, int32_t node_id, struct os_format *out,
                              char error[OS_ERROR_BYTES]);

#endif
