/* capture.h: carries captures out: orders of tools (core/shm/capring.h) in, a pcapng file out.
 *
 * One instance, one thread, which calls capture_turn again when it is asked to.  Blocks in the file
 * only; no core ever waits for it. */
#ifndef SLUICE_CAPTURE_H
#define SLUICE_CAPTURE_H

#include "core/shm/capring.h"
#include "core/shm/region.h"

enum {
    CAPTURE_IDLE_MS = 100, /* between two looks for an order */
    CAPTURE_BUSY_MS = 1,   /* between two looks into the rings */
    CAPTURE_BURST = 4096,  /* frames of one turn */
    CAPTURE_END_MS = 200,  /* for the cores to see that it has ended */
};

/* The file.  Negative enum err. */
struct capture_file {
    void *self;
    int (*open)(void *self, const char *path);              /* a new file; ERR_EXISTS */
    int (*write)(void *self, const void *at, size_t bytes); /* all of it */
    void (*close)(void *self);
};

struct capture_config {
    const struct region *region; /* borrowed */
    struct capture_file file;
    uint64_t (*now_ns)(void); /* CLOCK_MONOTONIC, as the cores' */
    int64_t (*wall_ns)(void); /* since 1970 */
};

struct capture;

/* Ends what a control before this one left behind. */
struct capture *capture_new(const struct capture_config *config);
/* Looks for an order, moves frames.  Returns ms until it wants to be called again. */
uint32_t capture_turn(struct capture *c);
/* Ends the running one and its file. */
void capture_free(struct capture *c);

#endif
