#include "core/net/ipcounts.h"

#include "core/net/iptext.h"

#include <ctype.h>

enum { COUNT_DIGITS = 10 };

/* Only blanks between `at` and `end`. */
static bool
blank(const char *at, const char *end)
{
    while (at < end && isspace((unsigned char)*at))
        at++;
    return at == end;
}

const char *
ipcounts_next(const char *text, struct ipcount *out)
{
    char ip[IPTEXT_BYTES];
    while (isspace((unsigned char)*text))
        text++;
    const char *end = text + strcspn(text, ","), *colon = end;
    while (colon > text && *colon != ':')
        colon--;
    size_t len = (size_t)(colon - text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    if (len == 0 || len >= sizeof ip)
        return NULL;
    memcpy(ip, text, len);
    ip[len] = '\0';
    uint32_t count;
    const char *number = colon + 1;
    while (number < end && isspace((unsigned char)*number))
        number++;
    const char *rest = iptext_number(number, 10, COUNT_DIGITS, INT32_MAX, &count);
    if (!rest || rest > end || !blank(rest, end) || !iptext_read(ip, out->ip))
        return NULL;
    out->count = (int32_t)count;
    return end + (*end == ',');
}

bool
ipcounts_valid(const char *text)
{
    struct ipcount entry;
    while (text && *text)
        text = ipcounts_next(text, &entry);
    return text != NULL;
}
