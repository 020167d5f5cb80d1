/* tcp_view.h: the connections of a stack one after the other, for who looks at all of them.
 *
 * Places keep their connection for its life; a walk over them in pieces meets each connection that
 * is there all the time exactly once.  Handshakes and TIME_WAIT have no place: tcp_usage counts
 * them.  Reads only; costs a few lines of memory a place. */
#ifndef SLUICE_TCP_VIEW_H
#define SLUICE_TCP_VIEW_H

#include "dataplane/tcp/tcp.h"

struct tcp_view {
    struct tcp_addr local, remote;
    struct tcp_info info; /* unread: with what the user holds (tcp_hold) */
};

uint32_t tcp_view_places(const struct tcp *t);
/* False: at this place is no connection that a peer could know of. */
bool tcp_view_at(const struct tcp *t, uint32_t place, struct tcp_view *out);

#endif
