/* http_mhd.h: core/net/http.h over GNU libmicrohttpd: one thread of its own, so that no scrape is
 * ever in the way of a loop.  Bounded: HTTP_MHD_* below; who is beyond them waits in the listen
 * queue, is answered 503, or is closed. */
#ifndef SLUICE_MHD_HTTP_MHD_H
#define SLUICE_MHD_HTTP_MHD_H

#include "core/base/must.h"
#include "core/net/http.h"

enum {
    HTTP_MHD_CONNECTIONS_MAX = 64,
    HTTP_MHD_REQUEST_BYTES_MAX = 16 << 10, /* line and headers, and what they take in memory */
    HTTP_MHD_IDLE_SECONDS = 15,            /* a connection that moves nothing is closed */
    HTTP_MHD_UNSENT_BYTES_MAX = 128 << 20, /* of all answers; more: 503 */
};

struct http_mhd;

struct http_mhd_config {
    const char *host; /* a number or a name; "": every address */
    uint16_t port;    /* 0: any that is free */
    http_handle_fn *handle;
    void *user;
};

/* Listens and answers from now on.  ERR_EXISTS: the port is in use; ERR_DENIED; ERR_INVALID: no
 * address of this machine; ERR_NOT_FOUND: the name does not resolve; ERR_IO. */
must_check int http_mhd_start(const struct http_mhd_config *config, struct http_mhd **out);
/* The port that it listens on. */
uint16_t http_mhd_port(const struct http_mhd *m);
/* Ends all connections; no handler runs any more when it returns. */
void http_mhd_stop(struct http_mhd *m);

#endif
