#include "dataplane/data_listen.h"

#include "core/base/err.h"
#include "core/base/log.h"

#include <netdb.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}; /* RFC 4291 2.5.5.2 */

static void
address_copy(const struct addrinfo *a, struct stream_addr *out)
{
    if (a->ai_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a->ai_addr, sizeof in);
        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + sizeof mapped, &in.sin_addr, sizeof in.sin_addr);
        return;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, a->ai_addr, sizeof in6);
    memcpy(out->ip, &in6.sin6_addr, sizeof out->ip);
}

int
data_listen_address(const struct conf_listener *l, struct stream_addr *out)
{
    *out = (struct stream_addr){.port = l->port};
    if (l->host[0] == '\0') {
        memcpy(out->ip, mapped, sizeof mapped);
        return ERR_OK;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(l->host, NULL, &hints, &list))
        return ERR_NOT_FOUND;
    /* As Java does: IPv4 first, when a name has both. */
    const struct addrinfo *best = NULL;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        bool usable = a->ai_family == AF_INET || a->ai_family == AF_INET6;
        if (usable && (!best || (best->ai_family == AF_INET6 && a->ai_family == AF_INET)))
            best = a;
    }
    if (best)
        address_copy(best, out);
    freeaddrinfo(list);
    return best ? ERR_OK : ERR_NOT_FOUND;
}

int
data_listen(const struct conf *c, struct stream stream)
{
    struct conf_listener listeners[CONF_LISTENERS_MAX];
    char error[CONF_ERROR_BYTES];
    int count = conf_listeners(conf_text(c, CONF_LISTENERS), listeners, error);
    if (count <= 0) {
        log_error("data", "listeners: %s", count < 0 ? error : "none are named");
        return ERR_INVALID;
    }
    for (int i = 0; i < count; i++) {
        struct stream_addr at;
        int err = data_listen_address(&listeners[i], &at);
        if (!err)
            err = stream.ops->listen(stream.self, &at);
        if (err) {
            log_error("data", "cannot listen on %s:%u: %s", listeners[i].host, listeners[i].port,
                      err_text(err));
            return err;
        }
    }
    return ERR_OK;
}
