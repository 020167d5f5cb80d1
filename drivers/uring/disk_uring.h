/* disk_uring.h: disk.h over io_uring.  Private to this folder: see uring.h.
 *
 * All kinds run on the ring, but DISK_SIZE (fstat) and, before Linux 6.9, DISK_TRUNCATE.  At most
 * sq_entries operations are in the kernel at a time; more wait in a queue of the driver. */
#ifndef SLUICE_URING_DISK_URING_H
#define SLUICE_URING_DISK_URING_H

#include "core/store/disk.h"
#include "drivers/uring/uring.h"
#include "drivers/uring/uring_ring.h"

struct disk_uring;

/* disk_uring_create probes the data directories.  ERR_INVALID: one of data_dir_fds is no directory;
 * ERR_LIMIT. */
must_check int disk_uring_create(struct uring *u, const struct uring_config *config,
                                 struct disk_uring **out);
void disk_uring_destroy(struct disk_uring *d);

struct disk disk_uring_port_of(struct disk_uring *d);
void disk_uring_done(struct disk_uring *d, const struct uring_done *done);
/* True when poll() has something. */
bool disk_uring_ready(const struct disk_uring *d);

#endif
