#include "cli/host/doctor.h"

#include <stdlib.h>
#include <string.h>

static char text[DOCTOR_FILE_BYTES];

/* Reads a file of the queue of the drive; returns the folder of a partition's drive, NULL: none. */
static const char *
queue_read(const struct doctor *d, const char *name)
{
    static const char *const above[] = {"", "/.."}; /* a partition has it one folder up */
    for (size_t i = 0; (d->major || d->minor) && i < sizeof above / sizeof above[0]; i++)
        if (doctor_read(d, text, "sys/dev/block/%u:%u%s/queue/%s", d->major, d->minor, above[i],
                        name))
            return above[i];
    return NULL;
}

void
doctor_disk_cache(const struct doctor *d, struct doctor_finding *out)
{
    if (!queue_read(d, "write_cache"))
        return;
    bool through = strcmp(text, "write through") == 0;
    out->verdict = through ? DOCTOR_OK : DOCTOR_NOTE;
    snprintf(out->seen, sizeof out->seen, "%s",
             through ? "no volatile cache (write through)" : "volatile (write back)");
    if (!through)
        snprintf(out->mend, sizeof out->mend,
                 "a drive with power-loss protection; never set 'write through' by hand: that "
                 "loses acknowledged records");
}

void
doctor_disk_scheduler(const struct doctor *d, struct doctor_finding *out)
{
    const char *above = queue_read(d, "scheduler");
    if (!above)
        return;
    doctor_read_choice(text, out->seen);
    if (!*out->seen)
        snprintf(out->seen, sizeof out->seen, "%.100s", text);
    bool none = strcmp(out->seen, "none") == 0;
    out->verdict = none ? DOCTOR_OK : DOCTOR_NOTE;
    if (!none)
        snprintf(out->mend, sizeof out->mend, "echo none > /sys/dev/block/%u:%u%s/queue/scheduler",
                 d->major, d->minor, above);
}

struct mount {
    char folder[DOCTOR_TEXT_BYTES], type[64], options[DOCTOR_TEXT_BYTES];
};

/* The longest mount point that the data directory is under. */
static bool
mount_find(const struct doctor *d, struct mount *best)
{
    struct mount m;
    size_t longest = 0;
    if (!doctor_read(d, text, "proc/mounts"))
        return false;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (sscanf(line, "%*s %511s %63s %511s", m.folder, m.type, m.options) != 3)
            continue;
        size_t n = strlen(m.folder);
        bool under =
            strncmp(d->data, m.folder, n) == 0 && (n == 1 || d->data[n] == '/' || d->data[n] == 0);
        if (under && n >= longest) {
            *best = m;
            longest = n;
        }
    }
    return longest > 0;
}

void
doctor_disk_files(const struct doctor *d, struct doctor_finding *out)
{
    static const struct {
        const char *type;
        enum doctor_verdict verdict;
        const char *mend;
    } types[] = {
        {"xfs", DOCTOR_OK, ""},
        {"ext4", DOCTOR_OK, ""},
        {"tmpfs", DOCTOR_WARN, "put log.dirs on a drive: tmpfs is memory, and gone with the power"},
        {"ramfs", DOCTOR_WARN, "put log.dirs on a drive: ramfs is memory, and gone with the power"},
        {"overlay", DOCTOR_WARN, "mount a volume for log.dirs: an overlay ends with its container"},
        {"nfs4", DOCTOR_WARN, "put log.dirs on a local drive"},
        {"nfs", DOCTOR_WARN, "put log.dirs on a local drive"},
    };
    struct mount m;
    if (!mount_find(d, &m))
        return;
    out->verdict = DOCTOR_NOTE;
    snprintf(out->mend, sizeof out->mend, "ext4 and xfs are what Sluice is tested on");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].type, m.type) == 0) {
            out->verdict = types[i].verdict;
            snprintf(out->mend, sizeof out->mend, "%s", types[i].mend);
        }
    bool barrier = !strstr(m.options, "nobarrier") && !strstr(m.options, "barrier=0");
    snprintf(out->seen, sizeof out->seen, "%.200s is on %.60s, mounted at %.100s%s", d->data,
             m.type, m.folder, barrier ? "" : " without barriers");
    if (barrier)
        return;
    out->verdict = DOCTOR_WARN;
    snprintf(out->mend, sizeof out->mend,
             "mount -o remount,barrier %.200s: flushes do not reach the drive", m.folder);
}
