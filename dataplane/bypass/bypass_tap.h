/* bypass_tap.h: a device (core/net/nic.h) that hands everything on to another and copies what comes
 * and goes into the core's ring of captured frames (core/shm/capring.h).  It stands in front of the
 * device only while a capture is on; a full ring loses frames of the capture, never of the device.
 */
#ifndef SLUICE_BYPASS_TAP_H
#define SLUICE_BYPASS_TAP_H

#include "core/net/nic.h"
#include "core/shm/capring.h"
#include "core/shm/chan.h"

struct bypass_tap {
    struct nic nic; /* the device */
    struct capring_core *core;
    struct chan ring;
    struct capring_task task;
    uint64_t now_ns, lost;
};

/* core NULL: nothing is ever captured.  Both lent. */
void bypass_tap_init(struct bypass_tap *t, struct nic nic, struct capring_core *core);
/* Once a turn.  The device to use from now on: the one itself, or the tap. */
struct nic bypass_tap_turn(struct bypass_tap *t, uint64_t now_ns);
/* Whether a filter wants a frame whose first bytes are these. */
bool bypass_tap_wants(const struct capring_filter *f, const uint8_t *frame, uint32_t bytes);

#endif
