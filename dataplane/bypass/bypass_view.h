/* bypass_view.h: what operators see of a loop's network: counters and lists into the region
 * (core/shm/netview.h).  Counters every BYPASS_VIEW_NS, those of the device, which may have to ask
 * its registers, every BYPASS_VIEW_NIC_NS; lists on request, BYPASS_VIEW_PLACES of their places a
 * turn. */
#ifndef SLUICE_BYPASS_VIEW_H
#define SLUICE_BYPASS_VIEW_H

#include "core/shm/netview.h"
#include "dataplane/net/ipnet_links.h"
#include "dataplane/tcp/tcp_stream.h"

enum {
    BYPASS_VIEW_NS = 100000000,
    BYPASS_VIEW_NIC_NS = 1000000000,
    BYPASS_VIEW_PLACES = 128,
};

/* All lent. */
struct bypass_parts {
    const struct ipnet_links *links; /* entered */
    const uint16_t *vlans;           /* of each */
    uint32_t loop;
    const struct tcp *tcp;
    const struct tcp_stream *stream;
};

struct bypass_view {
    struct netview *out; /* NULL: nobody looks */
    struct bypass_parts parts;
    struct netview_answer answer;
    uint64_t count_ns, nic_ns;                    /* when next */
    uint64_t receive_ns, send_ns, files_ns, naps; /* the loop's own, kept by its owner */
};

void bypass_view_init(struct bypass_view *v, struct netview *out, const struct bypass_parts *parts);
/* Once a turn.  True: a question is open, come again soon. */
bool bypass_view_turn(struct bypass_view *v, uint64_t now_ns);
/* The counters as they are, now. */
void bypass_view_count(struct bypass_view *v);

#endif
