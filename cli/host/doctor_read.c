#include "cli/host/doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool
doctor_read(const struct doctor *d, char out[DOCTOR_FILE_BYTES], const char *fmt, ...)
{
    char path[DOCTOR_PATH_BYTES];
    size_t n = (size_t)snprintf(path, sizeof path, "%s/", d->root);
    va_list ap;
    va_start(ap, fmt);
    if (n < sizeof path)
        vsnprintf(path + n, sizeof path - n, fmt, ap);
    va_end(ap);
    FILE *f = fopen(path, "r");
    out[0] = 0;
    if (!f)
        return false;
    n = fread(out, 1, DOCTOR_FILE_BYTES - 1, f);
    bool good = !ferror(f);
    fclose(f);
    out[n] = 0;
    if (n && out[n - 1] == '\n')
        out[n - 1] = 0;
    return good;
}

int64_t
doctor_read_number(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, key, n) == 0) {
            const char *at = line + n + strspn(line + n, ": \t");
            return isdigit((unsigned char)*at) ? strtoll(at, NULL, 10) : -1;
        }
    return -1;
}

void
doctor_read_choice(const char *text, char out[DOCTOR_TEXT_BYTES])
{
    const char *open = strchr(text, '['), *end = open ? strchr(open, ']') : NULL;
    snprintf(out, DOCTOR_TEXT_BYTES, "%.*s", end ? (int)(end - open - 1) : 0, end ? open + 1 : "");
}

uint32_t
doctor_read_cpus(const char *list, bool cpus[DOCTOR_CPUS_MAX])
{
    uint32_t count = 0;
    memset(cpus, 0, DOCTOR_CPUS_MAX * sizeof cpus[0]);
    for (const char *at = list; isdigit((unsigned char)*at);) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long i = first; i <= last && i < DOCTOR_CPUS_MAX; i++) {
            count += !cpus[i];
            cpus[i] = true;
        }
        at = *end == ',' ? end + 1 : "";
    }
    return count;
}

bool
doctor_read_folder(const struct doctor *d, const char *path,
                   void (*each)(void *user, const char *name), void *user)
{
    char full[DOCTOR_PATH_BYTES];
    const struct dirent *e;
    snprintf(full, sizeof full, "%s/%s", d->root, path);
    DIR *folder = opendir(full);
    if (!folder)
        return false;
    while ((e = readdir(folder)))
        if (e->d_name[0] != '.')
            each(user, e->d_name);
    closedir(folder);
    return true;
}
