/* capring.h: frames of the cores' network stacks on their way into a file: `sluice net capture`.
 *
 * A tool writes an order (one tool at a time: it holds a lock on the region's file), control obeys:
 * it tells the cores what to copy, takes what they put into their rings (chan.h, MSG_FRAME) and
 * writes the file.  A core that does not capture pays one load a turn; one that does copies at most
 * `snap` bytes of a frame, and counts it as lost when its ring is full.
 *
 * The order's fields are the tool's until it raises `number`, and control's until `answered` is the
 * same; a control that begins answers what is open without obeying it.  The number of a capture is
 * in each of its messages, so frames of an earlier one are known. */
#ifndef SLUICE_SHM_CAPRING_H
#define SLUICE_SHM_CAPRING_H

#include "core/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CAPRING_BYTES = 4 << 20, /* the ring of a core */
    CAPRING_SNAP_LEAST = 14,
    CAPRING_SNAP_MAX =
        9300, /* a frame of the largest MTU; of longer ones, which the device cuts, the front */
    CAPRING_PATH_BYTES = 4096,
};

/* Frames of one device or of all; of them, with an address, those of IP from or to it and, when
 * there is a port, of TCP and that port at that address' side. */
struct capring_filter {
    uint8_t ip[16];  /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;   /* 0: any */
    uint16_t some;   /* 0: all frames of the device whatever they are */
    uint32_t device; /* its number in net.devices and 1; 0: all */
};
enum { CAPRING_FILTER_WORDS = sizeof(struct capring_filter) / sizeof(uint32_t) };

/* Of each core. */
struct capring_core {
    /* control's: */
    _Alignas(128) _Atomic uint32_t number; /* of the capture; odd: it is on */
    _Atomic uint32_t snap, filter[CAPRING_FILTER_WORDS];
    /* the core's: */
    _Alignas(128) _Atomic uint32_t seen; /* the last number that it obeys */
    _Atomic uint64_t lost;               /* of that capture: there was no room in the ring */
    _Alignas(128) uint8_t ring[CAPRING_BYTES];
};

/* What a core has been told. */
struct capring_task {
    uint32_t number, snap; /* snap 0: nothing is to be captured */
    struct capring_filter filter;
};

/* Control: tells a core to begin; returns the number of the capture.  To end it. */
void capring_begin(struct capring_core *c, uint32_t number, uint32_t snap,
                   const struct capring_filter *filter);
void capring_end(struct capring_core *c);
/* The number for a new capture: not one that any core has seen. */
uint32_t capring_next(const struct capring_core *const *cores, uint32_t count);

/* The core, once a turn: true when the task changed. */
bool capring_look(struct capring_core *c, struct capring_task *task);

struct capring_want {
    uint32_t snap, spare;
    uint64_t frames_max, bytes_max; /* of the file */
    struct capring_filter filter;
    uint32_t start;                /* 0: end what is running */
    char path[CAPRING_PATH_BYTES]; /* absolute, NUL-terminated; the file must not be there */
};

enum capring_state { CAPRING_NONE, CAPRING_RUNNING, CAPRING_ENDED };
enum capring_why {
    CAPRING_ASKED,   /* somebody ended it */
    CAPRING_FRAMES,  /* as many frames as wanted */
    CAPRING_SIZE,    /* as many bytes */
    CAPRING_FAILED,  /* the file cannot be written: `err` */
    CAPRING_RESTART, /* control was started anew */
    CAPRING_WHYS
};

/* One for the broker. */
struct capring_order {
    /* the tool's: */
    _Alignas(128) _Atomic uint32_t number;
    struct capring_want want;
    /* control's: */
    _Alignas(128) _Atomic uint32_t answered;
    _Atomic uint32_t state, why; /* enums of above */
    _Atomic int32_t err;         /* of the last order, or of the file */
    _Atomic uint64_t frames, bytes, lost;
    char path[CAPRING_PATH_BYTES]; /* of the last capture; written before `answered` */
};

/* The tool: gives an order; ERR_AGAIN: the one before is not answered yet. */
must_check int capring_order_give(struct capring_order *o, const struct capring_want *want,
                                  uint32_t *number);
bool capring_order_answered(const struct capring_order *o, uint32_t number);

/* Control: the order that is open, copied; false: none. */
bool capring_order_open(const struct capring_order *o, struct capring_want *want);
void capring_order_answer(struct capring_order *o, int err);

#endif
