/* os_sockets.h: the kernel's TCP connections of this network namespace, by sock_diag(7). */
#ifndef SLUICE_OS_SOCKETS_H
#define SLUICE_OS_SOCKETS_H

#include "core/base/must.h"

#include <stdint.h>

enum { OS_SOCKETS_PORTS_MAX = 16, OS_SOCKETS_STATE_BYTES = 16 };

struct os_socket {
    char state[OS_SOCKETS_STATE_BYTES];  /* "ESTABLISHED": names of RFC 9293 */
    uint8_t local_ip[16], remote_ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t local_port, remote_port;
    uint32_t rtt_us, rto_us;
    uint32_t mss, cwnd, in_flight, send_window, receive_window, unread, unsent; /* bytes */
    uint64_t resent;   /* segments, since it was opened */
    uint32_t timeouts; /* since the last progress */
};

/* Tells every connection (not listeners) whose local port is one of these.  ERR_DENIED, ERR_IO: the
 * kernel does not tell.  Blocks for as long as the kernel takes: a few ms for 10,000. */
must_check int os_sockets_each(const uint16_t *ports, int count,
                               void (*row)(void *user, const struct os_socket *s), void *user);

#endif
