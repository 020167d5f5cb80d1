/* http.h: port for the HTTP endpoint: what answers requests knows of HTTP.  Driver: drivers/mhd.
 * Every call comes from the driver's one thread, never from a loop. */
#ifndef SLUICE_NET_HTTP_H
#define SLUICE_NET_HTTP_H

#include <stddef.h>
#include <stdint.h>

struct http_request {
    const char *method, *path; /* path: decoded, without the query */
    const char *accept;        /* "" when the client says nothing */
    /* The decoded value of a name in the query; NULL: it is not there, "" when it has none. */
    const char *(*query)(const struct http_request *q, const char *name);
    void *driver;
};

struct http_reply {
    uint32_t status;
    const char *type; /* Content-Type; static text */
    char *body;       /* malloc'd; the driver's from then on */
    size_t bytes;
};

/* Fills in all of *reply. */
typedef void http_handle_fn(void *user, const struct http_request *q, struct http_reply *reply);

#endif
