#include "core/base/err.h"
#include "drivers/mhd/http_mhd.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    char method[16], path[64], accept[64], limit[16];
} seen; /* written before the answer is sent, read after it came */

static void
handle(void *user, const struct http_request *q, struct http_reply *reply)
{
    const char *limit = q->query(q, "limit");
    (void)snprintf(seen.method, sizeof seen.method, "%s", q->method);
    (void)snprintf(seen.path, sizeof seen.path, "%s", q->path);
    (void)snprintf(seen.accept, sizeof seen.accept, "%s", q->accept);
    (void)snprintf(seen.limit, sizeof seen.limit, "%s", limit ? limit : "none");
    reply->status = strcmp(q->method, "POST") == 0 ? 405 : 200;
    reply->type = "text/plain";
    reply->bytes = *(const size_t *)user;
    reply->body = malloc(reply->bytes + 1);
    memset(reply->body, 'x', reply->bytes);
}

static size_t body_bytes = 5;

static struct http_mhd *
started(void)
{
    struct http_mhd *m = NULL;
    struct http_mhd_config c = {.host = "127.0.0.1", .handle = handle, .user = &body_bytes};
    assert_int_equal(http_mhd_start(&c, &m), ERR_OK);
    assert_true(http_mhd_port(m) > 0);
    return m;
}

static int
joined(const struct http_mhd *m)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(http_mhd_port(m)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* Sends the request and reads until the other side closes. */
static char *
answered(const struct http_mhd *m, const char *request)
{
    enum { ROOM = 1 << 20 };
    char *text = calloc(1, ROOM);
    size_t n = 0;
    ssize_t got;
    int fd = joined(m);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (n < ROOM - 1 && (got = recv(fd, text + n, ROOM - 1 - n, 0)) > 0)
        n += (size_t)got;
    (void)close(fd);
    return text;
}

static void
a_request_reaches_the_handler_and_its_answer_the_client(void **state)
{
    (void)state;
    struct http_mhd *m = started();
    char *text = answered(m, "GET /a%20b?limit=7&x HTTP/1.1\r\nHost: h\r\nAccept: text/x\r\n"
                             "Connection: close\r\n\r\n");
    assert_non_null(strstr(text, "HTTP/1.1 200 "));
    assert_non_null(strstr(text, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(text, "Content-Length: 5\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nxxxxx"));
    assert_string_equal(seen.path, "/a b");
    assert_string_equal(seen.limit, "7");
    assert_string_equal(seen.accept, "text/x");
    free(text);
    http_mhd_stop(m);
}

static void
a_head_request_gets_no_body_and_a_post_is_told_what_is_allowed(void **state)
{
    (void)state;
    struct http_mhd *m = started();
    char *text = answered(m, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(text, "Content-Length: 5\r\n"));
    assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
    assert_string_equal(seen.limit, "none");
    free(text);
    text = answered(m, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                       "Content-Length: 3\r\n\r\nabc");
    assert_non_null(strstr(text, "HTTP/1.1 405 "));
    assert_non_null(strstr(text, "Allow: GET, HEAD\r\n"));
    free(text);
    http_mhd_stop(m);
}

static void
headers_over_the_limit_are_refused(void **state)
{
    (void)state;
    struct http_mhd *m = started();
    enum { BYTES = HTTP_MHD_REQUEST_BYTES_MAX * 2 };
    char *request = calloc(1, BYTES + 64);
    int n = snprintf(request, 64, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    memset(request + n, 'y', BYTES);
    char *text = answered(m, request);
    assert_true(text[0] == '\0' || strstr(text, " 431 ") || strstr(text, " 413 "));
    free(text);
    free(request);
    http_mhd_stop(m);
}

static void
a_port_that_is_in_use_says_so(void **state)
{
    (void)state;
    struct http_mhd *m = started(), *other = NULL;
    struct http_mhd_config c = {.host = "127.0.0.1", .port = http_mhd_port(m), .handle = handle};
    assert_int_equal(http_mhd_start(&c, &other), ERR_EXISTS);
    c.host = "192.0.2.1"; /* RFC 5737: nobody's */
    assert_int_equal(http_mhd_start(&c, &other), ERR_INVALID);
    http_mhd_stop(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reaches_the_handler_and_its_answer_the_client),
        cmocka_unit_test(a_head_request_gets_no_body_and_a_post_is_told_what_is_allowed),
        cmocka_unit_test(headers_over_the_limit_are_refused),
        cmocka_unit_test(a_port_that_is_in_use_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
