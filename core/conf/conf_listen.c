#include "core/conf/conf_in.h"

#include "core/base/err.h"

#include <ctype.h>
#include <string.h>

static bool
copy(char *out, size_t room, const char *from, size_t n)
{
    if (n >= room)
        return false;
    memcpy(out, from, n);
    out[n] = 0;
    return true;
}

/* 1 to 65535 in decimal; 0 when it is anything else. */
static uint16_t
port_read(const char *p, const char *end)
{
    uint32_t v = 0;
    if (p == end || end - p > 5)
        return 0;
    for (; p < end; p++) {
        if (!isdigit((unsigned char)*p))
            return 0;
        v = v * 10 + (uint32_t)(*p - '0');
    }
    return v <= UINT16_MAX ? (uint16_t)v : 0;
}

/* "host:port", "[v6]:port", ":port". */
static bool
address_read(const char *p, const char *end, struct conf_listener *out)
{
    const char *colon = end;
    while (colon > p && *colon != ':')
        colon--;
    if (colon == end || *colon != ':')
        return false;
    out->port = port_read(colon + 1, end);
    const char *host = p, *host_end = colon;
    if (host < host_end && *host == '[') {
        if (host_end[-1] != ']')
            return false;
        host++;
        host_end--;
    } else if (memchr(host, ':', (size_t)(host_end - host))) {
        return false; /* an IPv6 address without brackets: which ':' ends it? */
    }
    return out->port && copy(out->host, sizeof out->host, host, (size_t)(host_end - host));
}

int
conf_address(const char *text, struct conf_listener *out)
{
    out->name[0] = '\0';
    return address_read(text, text + strlen(text), out) ? ERR_OK : ERR_INVALID;
}

static int
listener_read(const char *p, const char *end, struct conf_listener *out, char *error)
{
    int n = (int)(end - p < 100 ? end - p : 100);
    const char *scheme = memmem(p, (size_t)(end - p), "://", 3);
    if (!scheme)
        return conf_refuse(error, "listener '%.*s' has no scheme: give PLAINTEXT://host:port", n,
                           p);
    if (!copy(out->name, sizeof out->name, p, (size_t)(scheme - p)) ||
        strcmp(out->name, "PLAINTEXT") != 0)
        return conf_refuse(error, "listener '%.*s' is not possible: only PLAINTEXT:// is served", n,
                           p);
    if (!address_read(scheme + 3, end, out))
        return conf_refuse(error,
                           "listener '%.*s' has no address: give PLAINTEXT://host:port (port 1 to "
                           "65535, an IPv6 address in [])",
                           n, p);
    return ERR_OK;
}

int
conf_listeners(const char *text, struct conf_listener out[CONF_LISTENERS_MAX],
               char error[CONF_ERROR_BYTES])
{
    int count = 0;
    while (*text) {
        const char *end = text + strcspn(text, ","), *from = text, *to = end;
        while (from < to && isspace((unsigned char)*from))
            from++;
        while (to > from && isspace((unsigned char)to[-1]))
            to--;
        if (count == CONF_LISTENERS_MAX)
            return conf_refuse(error, "more than %d listeners", CONF_LISTENERS_MAX);
        int err = listener_read(from, to, &out[count], error);
        if (err)
            return err;
        count++;
        text = end + (*end == ',');
    }
    return count;
}
