/* stream_uring.h: stream.h over kernel sockets.  Private to this folder: see uring.h.
 *
 * End of a stream.  close() of the broker: loans end, then FIN, then STREAM_CLOSED.  Reset or
 * failure: ERR_IO, at once.  End of file of the peer (it may only have shut down its sending side,
 * as `nc -N` does, and wait for answers): nothing more is received, but send() works on.  When no
 * answer is owed (as many send() as consume() calls were made) and no whole request lies
 * unconsumed, STREAM_CLOSED follows at once.  Otherwise it follows when linger_ns went by without a
 * consume() or a send(), no loan is out and no whole request lies unconsumed.  Bytes received stay
 * readable by peek() until STREAM_CLOSED is polled, but after close() or ERR_LIMIT.
 *
 * Memory.  rxbuf.h says how large a block a connection receives into.  When no block is free the
 * connection waits; blocks of idle connections are taken back first, then the connection that
 * stalled longest in mid-request (stall_ns without a byte) is closed with ERR_LIMIT. */
#ifndef SLUICE_URING_STREAM_URING_H
#define SLUICE_URING_STREAM_URING_H

#include "core/net/stream.h"
#include "drivers/uring/uring.h"
#include "drivers/uring/uring_ring.h"

struct stream_uring;

/* stream_uring_create takes its memory by mmap.  ERR_LIMIT. */
must_check int stream_uring_create(struct uring *u, const struct uring_config *config,
                                   struct stream_uring **out);
/* Closes what is open.  The ring must be gone: no operation may be in flight. */
void stream_uring_destroy(struct stream_uring *s);

struct stream stream_uring_port_of(struct stream_uring *s);

/* Before a turn: arms receives, gives memory out and takes it back.  Returns when it wants to be
 * called again at the latest (CLOCK_NEVER: no need). */
uint64_t stream_uring_prepare(struct stream_uring *s, uint64_t now_ns);
void stream_uring_done(struct stream_uring *s, const struct uring_done *done);
/* True when poll() has something. */
bool stream_uring_ready(const struct stream_uring *s);

uint16_t stream_uring_listener_port(const struct stream_uring *s, uint32_t listener);
uint64_t stream_uring_refused(const struct stream_uring *s);
uint64_t stream_uring_memory(const struct stream_uring *s);

#endif
