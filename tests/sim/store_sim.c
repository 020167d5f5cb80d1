/* store_sim.c: lives of a store, each from its seed, against a model.  See README.md.
 *
 *   store_sim [--seeds N] [--first S] [--procs P] [--file SEEDS]
 *   store_sim --mutants N
 *       puts one known bug in after the other (core/base/mutant.def) and lives until one life
 *       fails, at most N: every bug must be found
 *   store_sim --mutant NAME [...]
 *       any of these with that bug
 *   store_sim --seed S
 *       one life, with what happens in it (SIM_TRACE=1: every disk operation)
 *
 * The seeds are shared by P processes; one that dies (a check, an assertion, a signal, a life that
 * never ends) is counted as a failure of the seed it was at, and another goes on behind it. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCS_MAX = 64, FAILURES_MAX = 10, LIFE_SECONDS = 20 /* of the processor */ };

struct counts {
    uint64_t lives, crashes, recoveries, refused, appends, reads;
    uint64_t cuts, cut_records, cuts_again, cuts_later;
    uint64_t clean_rounds, gone_valid, gone_aborted, gone_markers;
};

/* Shared with the workers; each writes its own. */
struct worker {
    uint64_t seed;
    struct counts counts;
};

struct options {
    uint64_t first, seeds, one, mutants;
    uint32_t procs, failures_max;
    const char *file;
    bool small;
};

static void
live(struct sim *s, uint64_t seed, bool small, struct counts *c)
{
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = LIFE_SECONDS}, NULL);
    if (small)
        sim_life_small(s, seed);
    else
        sim_life(s, seed);
    c->lives++;
    c->crashes += s->crashes;
    c->recoveries += s->recoveries;
    c->refused += s->refused;
    c->appends += s->appends;
    c->reads += s->reads;
    c->cuts += s->cuts;
    c->cut_records += s->cut_records;
    c->cuts_again += s->cuts_again;
    c->cuts_later += s->cuts_later;
    c->clean_rounds += s->clean_rounds;
    c->gone_valid += s->gone_valid;
    c->gone_aborted += s->gone_aborted;
    c->gone_markers += s->gone_markers;
}

static struct sim *
sim_new(bool verbose)
{
    static struct sim s;
    s.batch = malloc(SIM_BATCH_BYTES_MAX);
    s.bytes = malloc(SIM_READ_BYTES);
    must(s.batch && s.bytes);
    s.verbose = verbose;
    return &s;
}

static pid_t
worker_start(const struct options *o, struct worker *w, uint32_t index, uint64_t from)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct sim *s = sim_new(false);
    for (uint64_t seed = from; seed < o->first + o->seeds; seed += o->procs) {
        w[index].seed = seed;
        live(s, seed, o->small, &w[index].counts);
    }
    _exit(0);
}

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
failure_print(const struct options *o, uint64_t seed, int status)
{
    if (WIFSIGNALED(status))
        printf("seed %" PRIu64 ": signal %d%s\n", seed, WTERMSIG(status),
               WTERMSIG(status) == SIGPROF ? " (it never ends)" : "");
    printf("again: build/tests/sim/store_sim%s --seed %" PRIu64 "\n", o->small ? " --small 1" : "",
           seed);
}

/* Runs seeds [first, first + seeds); how many failed. */
static uint32_t
run(const struct options *o, struct counts *total)
{
    struct worker *w = mmap(NULL, PROCS_MAX * sizeof *w, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(w != MAP_FAILED);
    pid_t pids[PROCS_MAX];
    uint32_t running = 0, failures = 0;
    for (uint32_t i = 0; i < o->procs; i++, running++)
        pids[i] = worker_start(o, w, i, o->first + i);
    while (running) {
        int status;
        pid_t pid = wait(&status);
        uint32_t i = 0;
        while (i < o->procs && pids[i] != pid)
            i++;
        must(i < o->procs);
        running--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        failures++;
        failure_print(o, w[i].seed, status);
        if (failures < o->failures_max && w[i].seed + o->procs < o->first + o->seeds) {
            pids[i] = worker_start(o, w, i, w[i].seed + o->procs);
            running++;
        }
    }
    for (uint32_t i = 0; i < o->procs; i++) {
        total->lives += w[i].counts.lives;
        total->crashes += w[i].counts.crashes;
        total->recoveries += w[i].counts.recoveries;
        total->refused += w[i].counts.refused;
        total->appends += w[i].counts.appends;
        total->reads += w[i].counts.reads;
        total->cuts += w[i].counts.cuts;
        total->cut_records += w[i].counts.cut_records;
        total->cuts_again += w[i].counts.cuts_again;
        total->cuts_later += w[i].counts.cuts_later;
        total->clean_rounds += w[i].counts.clean_rounds;
        total->gone_valid += w[i].counts.gone_valid;
        total->gone_aborted += w[i].counts.gone_aborted;
        total->gone_markers += w[i].counts.gone_markers;
    }
    munmap(w, PROCS_MAX * sizeof *w);
    return failures;
}

/* Seeds that failed once: a number a line, then why. */
static uint32_t
run_file(const struct options *o, struct counts *total)
{
    FILE *f = fopen(o->file, "r");
    if (!f) {
        fprintf(stderr, "cannot open %s\n", o->file);
        return 1;
    }
    char line[256];
    uint32_t failures = 0;
    while (fgets(line, sizeof line, f)) {
        char *end;
        struct options one = {
            .first = strtoull(line, &end, 10), .seeds = 1, .procs = 1, .failures_max = 1};
        if (end != line)
            failures += run(&one, total);
    }
    fclose(f);
    return failures;
}

static bool
mutant_choose(const char *name)
{
    for (int k = MUTANT_NONE + 1; k < MUTANT_KINDS; k++)
        if (strcmp(mutant_name((enum mutant_kind)k), name) == 0)
            return mutant_set((enum mutant_kind)k);
    return false;
}

/* One process, so that the count is the same each time. */
static int
run_mutants(const struct options *o)
{
    uint32_t missed = 0;
    for (int k = MUTANT_NONE + 1; k < MUTANT_KINDS; k++) {
        enum mutant_kind kind = (enum mutant_kind)k;
        if (strncmp(mutant_name(kind), "TCP_", 4) == 0 ||
            strncmp(mutant_name(kind), "BROKER_", 7) == 0)
            continue; /* not of the store: tests/sim/tcp, tests/sim/broker */
        if (!mutant_set(kind)) {
            fprintf(stderr, "this build has no mutants: meson setup -Dmutants=true\n");
            return 2;
        }
        struct options one = {.first = 1, .seeds = o->mutants, .procs = 1, .failures_max = 1};
        struct counts total = {0};
        bool found = run(&one, &total) > 0;
        missed += !found;
        printf("%s %s: %s%" PRIu64 " lives (%s)\n", found ? "ok" : "not ok", mutant_name(kind),
               found ? "found in " : "NOT found in ", total.lives + found, mutant_text(kind));
    }
    mutant_set(MUTANT_NONE);
    return missed ? 1 : 0;
}

static bool
options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){.first = 1, .seeds = 1000, .procs = 2, .failures_max = FAILURES_MAX};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (cpus > 0)
        o->procs = cpus < PROCS_MAX ? (uint32_t)cpus : PROCS_MAX;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0)
            o->seeds = n;
        else if (strcmp(argv[i], "--first") == 0)
            o->first = n;
        else if (strcmp(argv[i], "--seed") == 0)
            o->one = n;
        else if (strcmp(argv[i], "--procs") == 0)
            o->procs = n && n <= PROCS_MAX ? (uint32_t)n : 1;
        else if (strcmp(argv[i], "--small") == 0)
            o->small = n != 0;
        else if (strcmp(argv[i], "--mutants") == 0)
            o->mutants = n;
        else if (strcmp(argv[i], "--mutant") == 0 && !mutant_choose(argv[i + 1]))
            return false;
        else if (strcmp(argv[i], "--mutant") == 0)
            continue;
        else if (strcmp(argv[i], "--file") == 0)
            o->file = argv[i + 1];
        else
            return false;
    }
    return argc % 2 == 1;
}

int
main(int argc, char **argv)
{
    struct options o;
    if (!options_read(&o, argc, argv)) {
        fprintf(stderr, "store_sim [--seeds N] [--first S] [--procs P] [--file SEEDS] [--mutant "
                        "NAME] | --seed S |"
                        " --mutants N\n");
        return 2;
    }
    struct counts total = {0};
    if (o.one) {
        live(sim_new(true), o.one, o.small, &total);
        printf("ok seed %" PRIu64 "\n", o.one);
        return 0;
    }
    log_level_set(LOG_ERROR + 1);
    if (o.mutants)
        return run_mutants(&o);
    double began = seconds();
    uint32_t failures = o.file ? run_file(&o, &total) : 0;
    failures += run(&o, &total);
    printf("%" PRIu64 " lives, %" PRIu64 " crashes, %" PRIu64 " recoveries (%" PRIu64
           " refused damage), %" PRIu64 " appends, %" PRIu64 " reads, %.1f s\n",
           total.lives, total.crashes, total.recoveries, total.refused, total.appends, total.reads,
           seconds() - began);
    printf("%" PRIu64 " logs cut at a torn large batch, %" PRIu64
           " records of them left out; %" PRIu64
           " such recoveries behind one that was cut off, %" PRIu64 " crashes later\n",
           total.cuts, total.cut_records, total.cuts_again, total.cuts_later);
    printf("%" PRIu64 " rounds of compaction of logs with transactions: %" PRIu64
           " markers, aborted records of %" PRIu64 " batches, others of %" PRIu64 " are gone\n",
           total.clean_rounds, total.gone_markers, total.gone_aborted, total.gone_valid);
    printf("%s store_sim: %u failures\n", failures ? "not ok" : "ok", failures);
    return failures ? 1 : 0;
}
