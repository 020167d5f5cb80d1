#include "cli/bundle/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODE = 0600 };

static void
failed(struct bundle_tar *t)
{
    if (!*t->error)
        snprintf(t->error, sizeof t->error, "%.200s", archive_error_string(t->archive));
}

bool
bundle_tar_open(struct bundle_tar *t, const char *path, const char *top, int64_t now_s)
{
    *t = (struct bundle_tar){.archive = archive_write_new(), .now_s = now_s};
    must(t->archive != NULL);
    snprintf(t->top, sizeof t->top, "%s", top);
    /* Made before libarchive opens it, so that nobody else can ever read it. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (fd < 0)
        snprintf(t->error, sizeof t->error, "%s", strerror(errno));
    else
        close(fd);
    if (fd >= 0 && (archive_write_set_format_pax_restricted(t->archive) != ARCHIVE_OK ||
                    archive_write_add_filter_gzip(t->archive) != ARCHIVE_OK ||
                    archive_write_open_filename(t->archive, path) != ARCHIVE_OK))
        failed(t);
    if (!*t->error)
        return true;
    archive_write_free(t->archive);
    t->archive = NULL;
    return false;
}

void
bundle_tar_add(struct bundle_tar *t, const char *name, const char *text, size_t bytes)
{
    char path[2 * BUNDLE_NAME_BYTES];
    size_t n;
    if (*t->error)
        return;
    char *clean = bundle_redact(text, bytes, &n);
    struct archive_entry *e = archive_entry_new();
    must(e != NULL);
    snprintf(path, sizeof path, "%s/%s", t->top, name);
    archive_entry_set_pathname(e, path);
    archive_entry_set_size(e, (int64_t)n);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, MODE);
    archive_entry_set_mtime(e, t->now_s, 0);
    if (archive_write_header(t->archive, e) != ARCHIVE_OK ||
        archive_write_data(t->archive, clean, n) != (ssize_t)n)
        failed(t);
    archive_entry_free(e);
    free(clean);
}

void
bundle_tar_tail(struct bundle_tar *t, const char *name, const char *path)
{
    FILE *f = fopen(path, "r");
    char *bytes = malloc(BUNDLE_TAIL_BYTES);
    must(bytes != NULL);
    if (!f) {
        int n = snprintf(bytes, BUNDLE_TAIL_BYTES, "%s: %s\n", path, strerror(errno));
        bundle_tar_add(t, name, bytes, (size_t)n);
        free(bytes);
        return;
    }
    bool cut = fseek(f, -(long)BUNDLE_TAIL_BYTES, SEEK_END) == 0 && ftell(f) > 0;
    if (!cut)
        rewind(f);
    size_t n = fread(bytes, 1, BUNDLE_TAIL_BYTES, f);
    const char *line = cut ? memchr(bytes, '\n', n) : NULL;
    size_t skip = line ? (size_t)(line - bytes) + 1 : 0;
    bundle_tar_add(t, name, bytes + skip, n - skip);
    fclose(f);
    free(bytes);
}

bool
bundle_tar_close(struct bundle_tar *t)
{
    if (archive_write_close(t->archive) != ARCHIVE_OK)
        failed(t);
    archive_write_free(t->archive);
    t->archive = NULL;
    return !*t->error;
}
