/* bypass.h: the way of one loop around the kernel: devices, IP, TCP and streams, and beside them
 * the ring for files, joined to one stream (core/net/stream.h) and one clock (core/base/clock.h).
 *
 * The loop above is the same as over kernel sockets.  Its clock.wait() sends what is due, lets the
 * ring submit and reap (and sleep), and takes in what the devices have.  `spin` never sleeps;
 * otherwise bypass_nap.h says when.  A nap ends early for the ring (a disk, another core), not for
 * a device.
 *
 * bypass_create may run anywhere; everything else is for the loop's own thread, but clock.wake().
 */
#ifndef SLUICE_BYPASS_BYPASS_H
#define SLUICE_BYPASS_BYPASS_H

#include "core/base/clock.h"
#include "core/shm/capring.h"
#include "core/shm/netview.h"
#include "dataplane/bypass/bypass_nap.h"
#include "dataplane/net/ipnet_links.h"
#include "dataplane/tcp/tcp_stream.h"

enum {
    BYPASS_BURSTS = 8,     /* of frames of each device, in one wait() */
    BYPASS_LEAVE_MS = 300, /* for peers to take the end of their connections */
};

struct bypass_link {
    struct ipnet_config net; /* has passed ipnet_check */
    struct ipnet_mesh *mesh; /* NULL: no other loop has a queue of the device; lent */
};

struct bypass_config {
    struct bypass_link links[IPNET_LINKS_MAX];
    uint32_t link_count;
    struct tcp_config tcp; /* mtu: the largest of the links */
    struct tcp_stream_config stream;
    struct clock clock;           /* of the ring */
    uint32_t loop;                /* our number in the meshes */
    struct netview *view;         /* where operators look; NULL: nobody does; lent */
    struct capring_core *capture; /* frames for a file; NULL: never; lent */
    bool spin;
};

struct bypass;

/* ERR_INVALID: the config; ERR_LIMIT: no memory. */
must_check int bypass_create(const struct bypass_config *config, struct bypass **out);
/* The devices, one for each link, from now on. */
void bypass_enter(struct bypass *b, const struct nic *nics);
/* Closes all connections in order and waits BYPASS_LEAVE_MS for it, then resets what is left.  What
 * was lent for sending is no longer read, but by the device. */
void bypass_leave(struct bypass *b);
/* The devices must be gone: they may hold what was sent last. */
void bypass_destroy(struct bypass *b);

struct clock bypass_clock(struct bypass *b);
struct stream bypass_stream(struct bypass *b);

struct bypass_stat {
    uint64_t polls, polls_empty; /* of the devices */
    uint64_t naps;
    struct tcp_stream_stat stream;
};
void bypass_stat(const struct bypass *b, struct bypass_stat *out);

#endif
