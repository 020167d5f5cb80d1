/* doctor.h: looks over a host as a place for a broker.  Reads /proc and /sys below a root, "" for
 * the real ones, and changes nothing.  Each check gives a verdict, what it saw, why that matters
 * and the command that mends it. */
#ifndef SLUICE_CLI_HOST_DOCTOR_H
#define SLUICE_CLI_HOST_DOCTOR_H

#include "cli/command/command.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { DOCTOR_TEXT_BYTES = 512, DOCTOR_PATH_BYTES = 4096, DOCTOR_FILE_BYTES = 64 << 10 };
enum { DOCTOR_CPUS_MAX = 1024 };

enum doctor_verdict {
    DOCTOR_OK,
    DOCTOR_NOTE,    /* could be better, or is only for some uses */
    DOCTOR_WARN,    /* costs latency, throughput or durability */
    DOCTOR_UNKNOWN, /* this machine does not tell */
};

struct doctor {
    const char *root;      /* "" or a folder with a proc/ and a sys/ in it */
    const char *data;      /* first of log.dirs, absolute */
    unsigned major, minor; /* device of its file system; 0, 0: none */
    bool dpdk;             /* net=dpdk is meant */
};

struct doctor_finding {
    enum doctor_verdict verdict;
    char seen[DOCTOR_TEXT_BYTES];
    char mend[DOCTOR_TEXT_BYTES]; /* "" when there is nothing to do */
};

struct doctor_check {
    const char *name, *why;
    void (*look)(const struct doctor *d, struct doctor_finding *out);
};

/* doctor.c */
const char *doctor_verdict_name(enum doctor_verdict v);
/* Check number `index` of all, NULL: no more. */
const struct doctor_check *doctor_row(uint32_t index);
/* All findings as an array of {check, verdict, seen, why, mend}; *bad: one is DOCTOR_WARN. */
json_t *doctor_look(const struct doctor *d, bool *bad);
int doctor_run(const struct command_line *line, const struct doctor *d, FILE *out);

/* doctor_read.c: files below the root. */
/* The text of a file without the newline at its end; false: it cannot be read. */
bool doctor_read(const struct doctor *d, char out[DOCTOR_FILE_BYTES], const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The value behind "key" and blanks or ':' in text ("HugePages_Total:  8"), -1: it is not there. */
int64_t doctor_read_number(const char *text, const char *key);
/* The word in brackets: "always [madvise] never"; "" when there is none. */
void doctor_read_choice(const char *text, char out[DOCTOR_TEXT_BYTES]);
/* A list such as "2-5,8" as bits; returns how many. */
uint32_t doctor_read_cpus(const char *list, bool cpus[DOCTOR_CPUS_MAX]);
/* Calls `each` with the names in a folder of the root, in no order; false: it cannot be read. */
bool doctor_read_folder(const struct doctor *d, const char *path,
                        void (*each)(void *user, const char *name), void *user);

/* doctor_cpu.c, doctor_memory.c, doctor_disk.c, doctor_system.c: the checks. */
void doctor_cpu_isolated(const struct doctor *d, struct doctor_finding *out);
void doctor_cpu_governor(const struct doctor *d, struct doctor_finding *out);
void doctor_cpu_clock(const struct doctor *d, struct doctor_finding *out);
void doctor_cpu_irqs(const struct doctor *d, struct doctor_finding *out);
void doctor_memory_huge(const struct doctor *d, struct doctor_finding *out);
void doctor_memory_transparent(const struct doctor *d, struct doctor_finding *out);
void doctor_memory_lock(const struct doctor *d, struct doctor_finding *out);
void doctor_memory_swap(const struct doctor *d, struct doctor_finding *out);
void doctor_disk_cache(const struct doctor *d, struct doctor_finding *out);
void doctor_disk_scheduler(const struct doctor *d, struct doctor_finding *out);
void doctor_disk_files(const struct doctor *d, struct doctor_finding *out);
void doctor_system_uring(const struct doctor *d, struct doctor_finding *out);
void doctor_system_files(const struct doctor *d, struct doctor_finding *out);
void doctor_system_nic(const struct doctor *d, struct doctor_finding *out);
void doctor_system_iommu(const struct doctor *d, struct doctor_finding *out);
void doctor_system_backlog(const struct doctor *d, struct doctor_finding *out);

#endif
