/* host_fake.h: a folder that plays / for the checks: host_file writes a file of it. */
#ifndef SLUICE_TESTS_UNIT_CLI_HOST_HOST_FAKE_H
#define SLUICE_TESTS_UNIT_CLI_HOST_HOST_FAKE_H

#include "cli/host/doctor.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char host_root[64];
static struct doctor host;
static struct doctor_finding found;

static inline int
host_setup(void **state)
{
    snprintf(host_root, sizeof host_root, "%s/sluice-host-XXXXXX", P_tmpdir);
    host = (struct doctor){.root = host_root, .data = "/data/sluice", .major = 259, .minor = 1};
    return mkdtemp(host_root) ? 0 : -1;
}

static inline int
host_teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", host_root);
    return system(command);
}

static inline void
host_folder(const char *path)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", host_root, path);
    for (char *at = full + strlen(host_root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(full, 0700);
    }
    mkdir(full, 0700);
}

static inline void
host_file(const char *path, const char *text)
{
    char full[512], folder[256];
    snprintf(folder, sizeof folder, "%.200s", path);
    *strrchr(folder, '/') = 0;
    host_folder(folder);
    snprintf(full, sizeof full, "%s/%s", host_root, path);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

/* Runs a check; its verdict must be that one, and what it saw hold the text. */
static inline void
host_expect(void (*look)(const struct doctor *d, struct doctor_finding *out),
            enum doctor_verdict verdict, const char *seen)
{
    found = (struct doctor_finding){.verdict = DOCTOR_UNKNOWN};
    look(&host, &found);
    if (found.verdict != verdict || !strstr(found.seen, seen))
        fail_msg("%s: '%s'", doctor_verdict_name(found.verdict), found.seen);
    bool well = verdict == DOCTOR_OK || verdict == DOCTOR_UNKNOWN;
    if ((well && *found.mend) || (verdict == DOCTOR_WARN && !*found.mend))
        fail_msg("%s: to do: '%s'", doctor_verdict_name(verdict), found.mend);
}

#endif
