#include "cli/bundle/bundle.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool
holds(const char *text, size_t bytes, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= bytes; i++)
        if (strncasecmp(text + i, word, n) == 0)
            return true;
    return false;
}

bool
bundle_redact_key(const char *key, size_t bytes)
{
    static const char *const words[] = {"password", "passwd",       "secret",  "token",
                                        "jaas",     "credential",   "api_key", "apikey",
                                        "private",  "authorization"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (holds(key, bytes, words[i]))
            return true;
    return false;
}

static bool
key_byte(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

/* Where what must not be shown begins in a line, `bytes` when nothing does.  A key may be quoted:
 * "password": ... */
static size_t
secret_find(const char *line, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        size_t key = i;
        while (i < bytes && key_byte(line[i]))
            i++;
        size_t end = i, at = i;
        bool quoted = at < bytes && line[at] == '"';
        at += quoted;
        while (at < bytes && line[at] == ' ')
            at++;
        bool separated = at < bytes && (line[at] == '=' || line[at] == ':' ||
                                        (quoted && line[at] == ',')); /* key="x",value="y" */
        if (end > key && separated && bundle_redact_key(line + key, end - key))
            return at + 1;
    }
    return bytes;
}

/* Replaces "name:password" in "scheme://name:password@host"; bytes of the line afterwards. */
static size_t
urls_clean(char *line, size_t bytes)
{
    static const char removed[] = BUNDLE_REMOVED;
    for (size_t i = 0; i + 3 < bytes; i++) {
        if (memcmp(line + i, "://", 3) != 0)
            continue;
        size_t begin = i + 3, end = begin;
        while (end < bytes && !strchr("@/ \"'", line[end]))
            end++;
        /* Shorter ones than the word that replaces them are cut out whole. */
        if (end == bytes || line[end] != '@')
            continue;
        size_t n = end - begin >= sizeof removed - 1 ? sizeof removed - 1 : 0;
        memmove(line + begin + n, line + end, bytes - end);
        memcpy(line + begin, removed, n);
        bytes -= end - begin - n;
    }
    return bytes;
}

char *
bundle_redact(const char *text, size_t bytes, size_t *out_bytes)
{
    static const char removed[] = " " BUNDLE_REMOVED;
    size_t lines = 1;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    char *out = malloc(bytes + lines * sizeof removed + 1), *at = out;
    must(out != NULL);
    while (bytes) {
        const char *end = memchr(text, '\n', bytes);
        size_t n = end ? (size_t)(end - text) : bytes, keep = secret_find(text, n);
        memcpy(at, text, keep);
        at += urls_clean(at, keep);
        if (keep < n) {
            memcpy(at, removed, sizeof removed - 1);
            at += sizeof removed - 1;
        }
        if (end)
            *at++ = '\n';
        text += n + (end != NULL);
        bytes -= n + (end != NULL);
    }
    *out_bytes = (size_t)(at - out);
    *at = 0;
    return out;
}
