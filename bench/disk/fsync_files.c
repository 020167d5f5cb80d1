/* fsync_files.c: fsync-files DIR FILES SECONDS: one small append at a time to each of many files,
 * each made durable by its own fdatasync: what a log without a shared journal can do.  Threads take
 * the files in turn, at most THREADS_MAX.  Prints one JSON line; the files are removed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, FILES_MAX = 4096, APPEND_BYTES = 168, PATH_BYTES = 4096 };

struct work {
    int files[FILES_MAX];
    uint32_t count, threads, seconds;
    _Atomic uint64_t appends;
};

struct worker {
    struct work *work;
    uint32_t first; /* and every one `threads` farther on */
    pthread_t thread;
};

static void
die(const char *what)
{
    fprintf(stderr, "fsync-files: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double
now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *
append_all(void *user)
{
    const struct worker *w = user;
    struct work *work = w->work;
    static const char record[APPEND_BYTES] = "record";
    double end = now_s() + work->seconds;
    for (uint32_t i = w->first; now_s() < end; i += work->threads) {
        if (i >= work->count)
            i = w->first;
        if (write(work->files[i], record, sizeof record) != sizeof record ||
            fdatasync(work->files[i]) < 0)
            die("append");
        atomic_fetch_add(&work->appends, 1);
    }
    return NULL;
}

static int
file_make(const char *dir, uint32_t number)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/fsync-%u", dir, number);
    if (n < 0 || n >= (int)sizeof path)
        die("path");
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || unlink(path) < 0)
        die(path);
    return fd;
}

static uint32_t
number_of(const char *text, uint32_t most)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || n == 0 || n > most) {
        fprintf(stderr, "usage: fsync-files DIR FILES SECONDS (at most %u files)\n", FILES_MAX);
        exit(2);
    }
    return (uint32_t)n;
}

int
main(int argc, char **argv)
{
    static struct work work;
    static struct worker workers[THREADS_MAX];
    work.count = number_of(argc == 4 ? argv[2] : "", FILES_MAX);
    work.seconds = number_of(argv[3], 3600);
    work.threads = work.count < THREADS_MAX ? work.count : THREADS_MAX;
    for (uint32_t i = 0; i < work.count; i++)
        work.files[i] = file_make(argv[1], i);
    double begin = now_s();
    for (uint32_t i = 0; i < work.threads; i++) {
        workers[i] = (struct worker){.work = &work, .first = i};
        errno = pthread_create(&workers[i].thread, NULL, append_all, &workers[i]);
        if (errno)
            die("thread");
    }
    for (uint32_t i = 0; i < work.threads; i++)
        pthread_join(workers[i].thread, NULL);
    double seconds = now_s() - begin;
    printf("{\"files\": %u, \"threads\": %u, \"seconds\": %.3f, \"appends_per_s\": %.0f}\n",
           work.count, work.threads, seconds, (double)atomic_load(&work.appends) / seconds);
    return 0;
}
