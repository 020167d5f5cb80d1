#include "cli/top/top.h"

#include "core/base/err.h"
#include "drivers/os/os.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HOST_BYTES = 256, REQUEST_BYTES = 1024 };

static int
dial(const char *address, int timeout_ms, char error[TOP_ERROR_BYTES])
{
    char host[HOST_BYTES];
    const char *colon = strrchr(address, ':');
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (port <= 0 || port > UINT16_MAX) {
        snprintf(error, TOP_ERROR_BYTES, "'%.100s' is not HOST:PORT", address);
        return ERR_INVALID;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    int fd = os_dial(host, (uint16_t)port, timeout_ms);
    if (fd < 0)
        snprintf(error, TOP_ERROR_BYTES, "nobody answers at %.100s", address);
    return fd;
}

/* Reads up to the empty line, a byte at a time: what follows is the body. */
static int
header_read(int fd, char header[TOP_HEADER_BYTES])
{
    size_t n = 0;
    while (n + 1 < TOP_HEADER_BYTES) {
        int err = os_dial_receive(fd, header + n, 1);
        if (err)
            return err;
        header[++n] = 0;
        if (n >= 4 && memcmp(header + n - 4, "\r\n\r\n", 4) == 0)
            return ERR_OK;
    }
    return ERR_LIMIT;
}

/* The value of Content-Length, -1: there is none. */
static long long
length_find(const char *header)
{
    static const char key[] = "content-length:";
    for (const char *line = header; line; line = strstr(line, "\r\n")) {
        line += *line == '\r' ? 2 : 0;
        if (strncasecmp(line, key, sizeof key - 1) == 0)
            return strtoll(line + sizeof key - 1, NULL, 10);
    }
    return -1;
}

static char *
answer_read(int fd, size_t *bytes, char error[TOP_ERROR_BYTES])
{
    static char header[TOP_HEADER_BYTES];
    int status = 0, err = header_read(fd, header);
    if (err == ERR_OK && sscanf(header, "HTTP/1.%*d %d", &status) == 1 && status != 200) {
        snprintf(error, TOP_ERROR_BYTES, "status %d", status);
        return NULL;
    }
    long long n = err == ERR_OK ? length_find(header) : -1;
    if (status != 200 || n < 0 || n > TOP_BODY_BYTES_MAX) {
        snprintf(error, TOP_ERROR_BYTES, "no HTTP of ours: %s", err_text(err ? err : ERR_CORRUPT));
        return NULL;
    }
    char *body = malloc((size_t)n + 1);
    must(body != NULL);
    err = os_dial_receive(fd, body, (size_t)n);
    body[n] = 0;
    *bytes = (size_t)n;
    if (err == ERR_OK)
        return body;
    snprintf(error, TOP_ERROR_BYTES, "%s", err_text(err));
    free(body);
    return NULL;
}

char *
top_http(const char *address, const char *path, int timeout_ms, size_t *bytes,
         char error[TOP_ERROR_BYTES])
{
    char request[REQUEST_BYTES];
    int fd = dial(address, timeout_ms, error);
    if (fd < 0)
        return NULL;
    int n =
        snprintf(request, sizeof request,
                 "GET %.500s HTTP/1.1\r\nHost: %.300s\r\nConnection: close\r\n\r\n", path, address);
    int err = os_dial_send(fd, request, (size_t)n);
    char *body = NULL;
    if (err)
        snprintf(error, TOP_ERROR_BYTES, "%s", err_text(err));
    else
        body = answer_read(fd, bytes, error);
    close(fd);
    return body;
}
