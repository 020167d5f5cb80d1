/* bundle.h: what a maintainer needs to know of a broker, in one compressed tar file, without
 * secrets.  Every text goes through bundle_redact before it is added. */
#ifndef SLUICE_CLI_BUNDLE_BUNDLE_H
#define SLUICE_CLI_BUNDLE_BUNDLE_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUNDLE_ERROR_BYTES = 256, BUNDLE_TAIL_BYTES = 1 << 20, BUNDLE_NAME_BYTES = 256 };
#define BUNDLE_REMOVED "[removed]"

/* bundle_redact.c: pure. */
/* Whether a key of that name holds a secret: its name has "password", "secret", "token", ... in it.
 */
bool bundle_redact_key(const char *key, size_t bytes);
/* A copy of the text in which what follows such a key and a '=' or ':' is BUNDLE_REMOVED up to the
 * end of its line, and so are the names and passwords of URLs.  Freed by the caller. */
char *bundle_redact(const char *text, size_t bytes, size_t *out_bytes);

/* bundle_tar.c: the file, through libarchive. */
struct bundle_tar {
    void *archive;
    int64_t now_s; /* time of all entries */
    char top[BUNDLE_NAME_BYTES];
    char error[BUNDLE_ERROR_BYTES]; /* the first one; adding does nothing after it */
};
/* Readable by its owner only.  `top` is the folder that the entries are in.  false: see error. */
must_check bool bundle_tar_open(struct bundle_tar *t, const char *path, const char *top,
                                int64_t now_s);
/* Adds a text without its secrets. */
void bundle_tar_add(struct bundle_tar *t, const char *name, const char *text, size_t bytes);
/* The last BUNDLE_TAIL_BYTES of a file, from the beginning of a line; why not when it cannot be
 * read. */
void bundle_tar_tail(struct bundle_tar *t, const char *name, const char *path);
/* false: the file is not whole, see error. */
must_check bool bundle_tar_close(struct bundle_tar *t);

#endif
