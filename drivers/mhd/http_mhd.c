/* http_mhd.c: the library polls, parses and sends; we bind, bound and translate.
 *
 * I1 unsent counts the bytes of bodies that the library still has: each is given back by
 * body_release, whatever becomes of its connection. */
#include "drivers/mhd/http_mhd.h"

#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

struct http_mhd {
    struct MHD_Daemon *daemon;
    http_handle_fn *handle;
    void *user;
    _Atomic uint64_t unsent; /* I1 */
    uint16_t port;
};

/* A body on its way. */
struct body {
    struct http_mhd *of;
    char *at;
    size_t bytes;
};

static void
body_release(void *user)
{
    struct body *b = user;
    atomic_fetch_sub_explicit(&b->of->unsent, b->bytes, memory_order_relaxed);
    free(b->at);
    free(b);
}

static const char *
query_value(const struct http_request *q, const char *name)
{
    const char *value = NULL;
    size_t bytes = 0;
    enum MHD_Result found = MHD_lookup_connection_value_n(q->driver, MHD_GET_ARGUMENT_KIND, name,
                                                          strlen(name), &value, &bytes);
    if (found != MHD_YES)
        return NULL;
    return value ? value : "";
}

static enum MHD_Result
queue(struct MHD_Connection *connection, uint32_t status, struct MHD_Response *r, const char *type)
{
    if (!r)
        return MHD_NO;
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result rc = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result
refuse_busy(struct MHD_Connection *connection)
{
    static char text[] = "{\"code\":\"busy\",\"message\":\"too many answers are on their way to "
                         "clients that read slowly\",\"details\":{}}";
    return queue(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                 MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT),
                 "application/json; charset=utf-8");
}

static enum MHD_Result
request_answer(void *user, struct MHD_Connection *connection, const char *path, const char *method,
               const char *version, const char *upload, size_t *upload_bytes, void **state)
{
    struct http_mhd *m = user;
    (void)version;
    (void)upload;
    (void)state;
    if (*upload_bytes)
        return MHD_NO; /* a body came before the answer could be queued: nobody asked for one */
    if (atomic_load_explicit(&m->unsent, memory_order_relaxed) >= HTTP_MHD_UNSENT_BYTES_MAX)
        return refuse_busy(connection);
    const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
    struct http_request q = {.method = method,
                             .path = path,
                             .accept = accept ? accept : "",
                             .query = query_value,
                             .driver = connection};
    struct http_reply reply = {0};
    m->handle(m->user, &q, &reply);
    struct body *b = malloc(sizeof *b);
    must(b != NULL);
    *b = (struct body){m, reply.body, reply.bytes};
    atomic_fetch_add_explicit(&m->unsent, b->bytes, memory_order_relaxed);
    struct MHD_Response *r =
        MHD_create_response_from_buffer_with_free_callback_cls(b->bytes, b->at, body_release, b);
    if (!r)
        body_release(b);
    return queue(connection, reply.status, r, reply.type);
}

/* A listening socket, or a negative enum err. */
static int
socket_open(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return os_error_of(errno);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
        int err = os_error_of(errno);
        (void)close(fd);
        return err;
    }
    return fd;
}

static uint16_t
port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t bytes = sizeof at;
    char service[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&at, &bytes) == 0)
        (void)getnameinfo((struct sockaddr *)&at, bytes, NULL, 0, service, sizeof service,
                          NI_NUMERICSERV);
    return (uint16_t)strtoul(service, NULL, 10);
}

/* The first address of the name that can be listened on. */
static int
listen_open(const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(*host ? host : NULL, service, &hints, &list))
        return ERR_NOT_FOUND;
    int fd = ERR_NOT_FOUND;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = socket_open(a);
    freeaddrinfo(list);
    return fd;
}

int
http_mhd_start(const struct http_mhd_config *config, struct http_mhd **out)
{
    int fd = listen_open(config->host, config->port);
    if (fd < 0)
        return fd;
    struct http_mhd *m = calloc(1, sizeof *m);
    must(m != NULL);
    m->handle = config->handle;
    m->user = config->user;
    m->port = port_of(fd);
    m->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, request_answer, m, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_MHD_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_MHD_IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MHD_REQUEST_BYTES_MAX, MHD_OPTION_END);
    if (!m->daemon) {
        (void)close(fd);
        free(m);
        return ERR_IO;
    }
    *out = m;
    return ERR_OK;
}

uint16_t
http_mhd_port(const struct http_mhd *m)
{
    return m->port;
}

void
http_mhd_stop(struct http_mhd *m)
{
    MHD_stop_daemon(m->daemon);
    free(m);
}
