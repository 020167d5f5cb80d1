/* os_format.c: DATA/sluice.format, text, one "key=value" a line; a line begun with '#' is a
 * comment:
 *
 *   version=1
 *   cluster.id=Xk3uEIhJQ2mvTqf1nVd0Sw
 *   node.id=1
 *   directory.id=O1tFh8sGQ7Wn8eBk2JtM3g
 *   journal.id=O1tFh8sGQ7Wn8eBk2JtM3g
 *
 * journal.id is the directory.id of the first data directory, which has the journals.  A file of
 * before there were several lacks both, and gets them.
 *
 * A later version may add keys, which an older program passes over only when `version` is its own.
 */
#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_NAME "sluice.format"
enum { UUID_BYTES = 16, UUID_LETTERS = 22, TEXT_BYTES = 4096 };
_Static_assert((int)UUID_LETTERS < (int)OS_CLUSTER_ID_BYTES, "and its NUL");

must_printf(3, 4) static int refuse(int err, char error[OS_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, OS_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return err;
}

static const char id_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* A random UUID (RFC 9562, version 4) as Kafka's Uuid.toString writes it: base64url without
 * padding. Kafka draws again when it begins with '-', which command lines take for an option. */
static void
id_make(char out[OS_CLUSTER_ID_BYTES])
{
    do {
        uint8_t raw[UUID_BYTES + 2] = {0};
        os_random(raw, UUID_BYTES);
        raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
        raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
        for (int i = 0; i < UUID_LETTERS; i++) {
            int bit = i * 6;
            uint32_t window = (uint32_t)raw[bit / 8] << 8 | raw[bit / 8 + 1];
            out[i] = id_letters[window >> (10 - bit % 8) & 63];
        }
        out[UUID_LETTERS] = 0;
    } while (out[0] == '-');
}

/* The 16 bytes of an id as id_make writes it; false when it is none. */
static bool
id_read(const char *text, uint8_t out[UUID_BYTES])
{
    uint8_t raw[UUID_BYTES + 2] = {0};
    for (int i = 0; i < UUID_LETTERS; i++) {
        const char *at = text[i] ? strchr(id_letters, text[i]) : NULL;
        if (!at)
            return false;
        int bit = i * 6;
        uint32_t window = (uint32_t)(at - id_letters) << (10 - bit % 8);
        raw[bit / 8] |= (uint8_t)(window >> 8);
        raw[bit / 8 + 1] |= (uint8_t)window;
    }
    memcpy(out, raw, UUID_BYTES);
    return text[UUID_LETTERS] == '\0';
}

/* The value of `key` in text as a view without its end of line; NULL when it is not there. */
static const char *
value_find(const char *text, const char *key, size_t *n)
{
    size_t key_bytes = strlen(key);
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        if (strncmp(p, key, key_bytes) != 0 || p[key_bytes] != '=')
            continue;
        p += key_bytes + 1;
        *n = strcspn(p, "\r\n");
        return p;
    }
    return NULL;
}

/* A whole number of at most ten digits, -1 when it is none. */
static int32_t
number_find(const char *text, const char *key)
{
    size_t n = 0;
    const char *p = value_find(text, key, &n);
    if (!p || n == 0 || n > 10 || strspn(p, "0123456789") != n)
        return -1;
    long long v = strtoll(p, NULL, 10);
    return v <= INT32_MAX ? (int32_t)v : -1;
}

static int
format_read(const char *dir, const char *text, int32_t node_id, struct os_format *out, char *error)
{
    size_t n = 0;
    out->version = number_find(text, "version");
    if (out->version > OS_FORMAT_VERSION)
        return refuse(ERR_INVALID, error,
                      "%.200s was written by a newer version of sluice (format %d, this program "
                      "knows %d): run the newer version",
                      dir, out->version, OS_FORMAT_VERSION);
    out->node_id = number_find(text, "node.id");
    const char *id = value_find(text, "cluster.id", &n);
    if (out->version < 1 || out->node_id < 0 || !id || n != UUID_LETTERS)
        return refuse(ERR_CORRUPT, error,
                      "%.200s/" FORMAT_NAME " cannot be read: it must say version, cluster.id and "
                      "node.id; restore it, or choose another directory with --data",
                      dir);
    memcpy(out->cluster_id, id, n);
    out->cluster_id[n] = 0;
    if (out->node_id != node_id)
        return refuse(ERR_INVALID, error,
                      "%.200s belongs to node.id=%d, not to %d: set node.id=%d, or choose another "
                      "directory with --data",
                      dir, out->node_id, node_id, out->node_id);
    return ERR_OK;
}

/* Copies an id; empty when it is not there. */
static bool
id_find(const char *text, const char *key, char out[OS_CLUSTER_ID_BYTES])
{
    size_t n = 0;
    const char *id = value_find(text, key, &n);
    out[0] = '\0';
    if (id && n == UUID_LETTERS) {
        memcpy(out, id, n);
        out[n] = '\0';
    }
    return !id || n == UUID_LETTERS;
}

static int
format_write(const char *dir, struct os_format *f, char *error)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "version=%d\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\njournal.id=%s\n", f->version,
             f->cluster_id, f->node_id, f->directory_id, f->journal_id);
    (void)id_read(f->directory_id, f->directory);
    int n = os_file_write(dir, FORMAT_NAME, text);
    if (n)
        return refuse(n, error, "%.400s/" FORMAT_NAME " cannot be written: %s", dir, err_text(n));
    return ERR_OK;
}

int
os_format_peek(const char *dir, int32_t node_id, struct os_format *out, char error[OS_ERROR_BYTES])
{
    char path[OS_PATH_BYTES], text[TEXT_BYTES];
    int n = snprintf(path, sizeof path, "%s/" FORMAT_NAME, dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return refuse(ERR_LIMIT, error, "the name of the data directory is too long");
    n = os_file_read(path, text, sizeof text);
    if (n == ERR_NOT_FOUND)
        return refuse(n, error, "%.400s is not there", path);
    if (n < 0)
        return refuse(n, error, "%.400s cannot be read: %s", path, err_text(n));
    *out = (struct os_format){0};
    n = format_read(dir, text, node_id, out, error);
    if (n)
        return n;
    bool good = id_find(text, "directory.id", out->directory_id) &&
                id_find(text, "journal.id", out->journal_id);
    if (!good || (*out->directory_id && !id_read(out->directory_id, out->directory)))
        return refuse(ERR_CORRUPT, error, "%.400s cannot be read: its ids are damaged", path);
    if (*out->directory_id && *out->journal_id)
        return ERR_OK;
    id_make(out->directory_id);
    memcpy(out->journal_id, out->directory_id, sizeof out->journal_id);
    return format_write(dir, out, error);
}

int
os_format_open(const char *dir, int32_t node_id, struct os_format *out, char error[OS_ERROR_BYTES])
{
    int n = os_format_peek(dir, node_id, out, error);
    if (n != ERR_NOT_FOUND)
        return n;
    error[0] = '\0';
    *out = (struct os_format){.version = OS_FORMAT_VERSION, .node_id = node_id};
    id_make(out->cluster_id);
    id_make(out->directory_id);
    memcpy(out->journal_id, out->directory_id, sizeof out->journal_id);
    return format_write(dir, out, error);
}

int
os_format_join(const char *dir, const struct os_format *first, struct os_format *out,
               char error[OS_ERROR_BYTES])
{
    *out = *first;
    id_make(out->directory_id);
    return format_write(dir, out, error);
}
