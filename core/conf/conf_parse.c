/* conf_parse.c: Java property files, as java.util.Properties.load(Reader) reads them.
 *
 * A natural line ends with \n, \r or \r\n.  Blank lines, and those whose first character is '#' or
 * '!', are comments.  A line that ends with an odd number of '\' goes on in the next one, whose
 * leading white space is dropped.  The key ends at the first '=', ':' or white space that is not
 * escaped; one separator and the white space around it are skipped. */
#include "core/conf/conf.h"

#include "core/base/err.h"

#include <stdio.h>
#include <string.h>

enum { LINE_BYTES_MAX = 2048 };

struct reader {
    const char *at;
    uint32_t line;       /* number of the natural line at `at` */
    uint32_t line_first; /* where the logical line began */
    char logical[LINE_BYTES_MAX];
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static int
refuse(const struct reader *r, char error[CONF_ERROR_BYTES], const char *what)
{
    snprintf(error, CONF_ERROR_BYTES, "line %u: %.480s", r->line_first, what);
    return ERR_INVALID;
}

/* The end of the natural line at p: at its \n or \r, or at the NUL. */
static const char *
line_end(const char *p)
{
    return p + strcspn(p, "\r\n");
}

static void
line_skip_end(struct reader *r, const char *end)
{
    if (*end == '\r' && end[1] == '\n')
        end++;
    r->at = *end ? end + 1 : end;
    r->line++;
}

static bool
is_continued(const char *from, const char *end)
{
    bool odd = false;
    while (end > from && end[-1] == '\\') {
        odd = !odd;
        end--;
    }
    return odd;
}

/* Puts the next logical line into r->logical; ERR_NOT_FOUND after the last one. */
static int
line_next(struct reader *r, char *error)
{
    size_t n = 0;
    bool continued = false;
    while (*r->at || continued) {
        const char *from = r->at + strspn(r->at, " \t\f"), *end = line_end(from);
        if (!continued) {
            r->line_first = r->line;
            if (from == end || *from == '#' || *from == '!') {
                line_skip_end(r, end);
                continue;
            }
        }
        continued = is_continued(from, end) && *end;
        size_t len = (size_t)(end - from) - (is_continued(from, end) ? 1 : 0);
        if (len >= LINE_BYTES_MAX - n)
            return refuse(r, error, "too long");
        memcpy(r->logical + n, from, len);
        n += len;
        line_skip_end(r, end);
        if (!continued) {
            r->logical[n] = 0;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits, or -1. */
static int
unicode_read(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/* Writes a code point of the basic plane as UTF-8, over the six bytes of its escape. */
static char *
unicode_write(char *out, int v)
{
    if (v < 0x80) {
        *out++ = (char)v;
    } else if (v < 0x800) {
        *out++ = (char)(0xc0 | v >> 6);
        *out++ = (char)(0x80 | (v & 0x3f));
    } else {
        *out++ = (char)(0xe0 | v >> 12);
        *out++ = (char)(0x80 | (v >> 6 & 0x3f));
        *out++ = (char)(0x80 | (v & 0x3f));
    }
    return out;
}

/* Resolves the escapes of s in place: the result is never longer. */
static int
unescape(const struct reader *r, char *s, char *error)
{
    char *out = s;
    for (; *s; s++) {
        if (*s != '\\') {
            *out++ = *s;
            continue;
        }
        static const char letters[] = "ntrf", meanings[] = "\n\t\r\f";
        const char *p = *++s ? strchr(letters, *s) : NULL;
        if (*s == 'u') {
            int v = unicode_read(s + 1);
            if (v <= 0 || (v >= 0xd800 && v < 0xe000))
                return refuse(r, error,
                              "\\u is not followed by four hexadecimal digits of a "
                              "character");
            out = unicode_write(out, v);
            s += 4;
        } else if (*s == 0) {
            break;
        } else {
            *out++ = p ? meanings[p - letters] : *s;
        }
    }
    *out = 0;
    return ERR_OK;
}

/* Cuts the logical line into key and value, both unescaped. */
static int
line_split(struct reader *r, char **key, char **value, char *error)
{
    char *p = r->logical;
    *key = p;
    while (*p && *p != '=' && *p != ':' && !is_blank(*p))
        p += *p == '\\' && p[1] ? 2 : 1;
    char *key_end = p;
    while (is_blank(*p))
        p++;
    if (*p == '=' || *p == ':')
        p++;
    while (is_blank(*p))
        p++;
    *value = p;
    int err = unescape(r, *value, error);
    if (err)
        return err;
    *key_end = 0;
    return unescape(r, *key, error);
}

int
conf_parse(struct conf *c, const char *text, enum conf_origin origin, char error[CONF_ERROR_BYTES])
{
    struct reader r = {.at = text, .line = 1};
    for (;;) {
        int err = line_next(&r, error);
        if (err)
            return err == ERR_NOT_FOUND ? ERR_OK : err;
        char *key, *value, why[CONF_ERROR_BYTES];
        err = line_split(&r, &key, &value, error);
        if (err)
            return err;
        err = conf_set(c, key, value, origin, why);
        if (err)
            return refuse(&r, error, why);
    }
}
