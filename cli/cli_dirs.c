/* cli_dirs.c: the data directories of a start: which they are, which is the first, whose they are.
 *
 * The first one holds the journals, so it must be there and be the one it always was: its format
 * file names itself as journal.id, those of the others name it too (os_format.c).  Another that
 * does not work only takes its partitions offline. */
#include "cli/cli.h"

#include "core/base/err.h"
#include "core/base/log.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
    char path[CONF_TEXT_BYTES_MAX]; /* absolute, when it is online */
    int lock_fd;                    /* -1: offline */
    bool formatted;
    struct os_format format;
};

must_printf(3, 4) static int refuse(int err, char error[CLI_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, CLI_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return err;
}

/* Makes it, finds its absolute name and locks it. */
static int
entry_open(struct entry *e, char *error)
{
    char absolute[PATH_MAX], lock[CONF_TEXT_BYTES_MAX + 8];
    int err = os_dir_create(e->path);
    if (!err && access(e->path, R_OK | W_OK | X_OK))
        err = ERR_DENIED;
    if (err)
        return refuse(err, error,
                      "data directory %.300s cannot be used (%s): make it writable for this user, "
                      "or choose another with --data",
                      e->path, err_text(err));
    if (!realpath(e->path, absolute) || strlen(absolute) >= sizeof e->path)
        return refuse(ERR_IO, error, "data directory %.300s has no absolute name", e->path);
    snprintf(e->path, sizeof e->path, "%s", absolute);
    snprintf(lock, sizeof lock, "%s/lock", e->path);
    e->lock_fd = os_lock(lock);
    if (e->lock_fd >= 0)
        return ERR_OK;
    err = e->lock_fd;
    e->lock_fd = -1;
    if (err == ERR_BUSY)
        return refuse(err, error,
                      "data directory %.300s is in use by another broker: stop it, or choose "
                      "another directory with --data",
                      e->path);
    return refuse(err, error,
                  "data directory %.300s cannot be written (%s): make it writable for this user, "
                  "or choose another with --data",
                  e->path, err_text(err));
}

static int
entry_look(struct entry *e, int32_t node_id, char *error)
{
    int err = entry_open(e, error);
    if (err)
        return err;
    err = os_format_peek(e->path, node_id, &e->format, error);
    e->formatted = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static bool
is_first(const struct entry *e)
{
    return e->formatted && strcmp(e->format.directory_id, e->format.journal_id) == 0;
}

static int
entries_read(const struct conf *c, struct entry *entries, char *error)
{
    const char *list = conf_text(c, CONF_LOG_DIRS);
    for (uint32_t i = 0;; i++) {
        char path[CONF_TEXT_BYTES_MAX];
        int err = conf_dir(list, i, path);
        if (err == ERR_NOT_FOUND && i > 0)
            return (int)i;
        if (err)
            return refuse(ERR_INVALID, error, "log.dirs=%.300s: give directories, by commas", list);
        if (i == CONF_DIRS_MAX)
            return refuse(ERR_INVALID, error, "log.dirs: at most %d directories", CONF_DIRS_MAX);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(entries[k].path, path) == 0)
                return refuse(ERR_INVALID, error, "log.dirs names %.300s twice", path);
        entries[i].lock_fd = -1;
        snprintf(entries[i].path, sizeof entries[i].path, "%s", path);
    }
}

/* The place of the first directory; an error when that is not clear. */
static int
first_find(const struct conf *c, const struct entry *entries, int count, char *error)
{
    const char *want = conf_text(c, CONF_METADATA_DIR);
    int first = -1;
    for (int i = 0; i < count; i++) {
        if (!is_first(&entries[i]))
            continue;
        if (first >= 0)
            return refuse(ERR_INVALID, error,
                          "%.200s and %.200s both hold a journal: they belong to two brokers",
                          entries[first].path, entries[i].path);
        first = i;
    }
    char absolute[PATH_MAX];
    int wanted = *want ? -1 : 0;
    for (int i = 0; i < count && *want && realpath(want, absolute); i++)
        if (strcmp(entries[i].path, absolute) == 0)
            wanted = i;
    if (wanted < 0)
        return refuse(ERR_INVALID, error, "metadata.log.dir=%.300s must be one of log.dirs", want);
    if (first >= 0 && *want && first != wanted)
        return refuse(ERR_INVALID, error,
                      "the journals are in %.200s: set metadata.log.dir to it, or leave it out",
                      entries[first].path);
    return first >= 0 ? first : wanted;
}

/* Every formatted directory must name the first one's journal. */
static int
entries_match(const struct entry *entries, int count, int first, char *error)
{
    const struct entry *f = &entries[first];
    for (int i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        if (!e->formatted ||
            (f->formatted && strcmp(e->format.journal_id, f->format.directory_id) == 0))
            continue;
        return refuse(
            ERR_INVALID, error,
            "%.200s belongs to a journal in another directory (id %s), which log.dirs does "
            "not name or which is not there: bring that directory back",
            e->path, e->format.journal_id);
    }
    return ERR_OK;
}

static int
formats_make(struct cli_plan *p, struct entry *entries, int count, int first, char *error)
{
    int32_t node_id = (int32_t)conf_number(&p->conf, CONF_NODE_ID);
    int err = entries_match(entries, count, first, error);
    if (!err)
        err = os_format_open(entries[first].path, node_id, &p->format, error);
    for (int i = 0; i < count && !err; i++)
        if (entries[i].lock_fd >= 0 && i != first && !entries[i].formatted)
            err = os_format_join(entries[i].path, &p->format, &entries[i].format, error);
    return err;
}

/* log.dirs as the children read it: absolute, the first one first. */
static int
list_set(struct cli_plan *p, const struct entry *entries, int count, int first, char *error)
{
    char list[CONF_TEXT_BYTES_MAX], why[CONF_ERROR_BYTES];
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        int k = i == 0 ? first : i <= first ? i - 1 : i;
        int n = snprintf(list + at, sizeof list - at, "%s%s", i ? "," : "", entries[k].path);
        if (n < 0 || (size_t)n >= sizeof list - at)
            return refuse(ERR_LIMIT, error, "log.dirs is too long: use shorter names");
        at += (size_t)n;
    }
    return conf_set(&p->conf, "log.dirs", list, CONF_OPTION, why)
               ? refuse(ERR_LIMIT, error, "data directory: %s", why)
               : ERR_OK;
}

int
cli_dirs_prepare(struct cli_plan *p, char error[CLI_ERROR_BYTES])
{
    static struct entry entries[CONF_DIRS_MAX];
    memset(entries, 0, sizeof entries);
    int32_t node_id = (int32_t)conf_number(&p->conf, CONF_NODE_ID);
    int count = entries_read(&p->conf, entries, error);
    int err = count < 0 ? count : ERR_OK;
    int works = 0;
    for (int i = 0; i < count && !err; i++) {
        err = entry_look(&entries[i], node_id, error);
        if (entries[i].lock_fd >= 0)
            p->lock_fds[p->dir_count++] = entries[i].lock_fd;
        works += err == ERR_OK;
        /* A disk that does not work: not the business of the others. */
        bool broken = entries[i].lock_fd < 0 ? err && err != ERR_BUSY : err == ERR_IO;
        if (broken && count > 1) {
            log_warn("run", "%s", error);
            entries[i].lock_fd = -1;
            err = ERR_OK;
        }
    }
    if (!err && !works)
        err = ERR_IO;
    int first = err ? err : first_find(&p->conf, entries, count, error);
    if (first < 0)
        return first;
    if (entries[first].lock_fd < 0)
        return refuse(ERR_IO, error,
                      "%.300s, the first data directory, which has the journals, cannot be used",
                      entries[first].path);
    err = formats_make(p, entries, count, first, error);
    snprintf(p->data, sizeof p->data, "%s", entries[first].path);
    return err ? err : list_set(p, entries, count, first, error);
}
