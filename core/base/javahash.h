/* javahash.h: which partition of an internal topic keeps what has a name. */
#ifndef SLUICE_BASE_JAVAHASH_H
#define SLUICE_BASE_JAVAHASH_H

#include "core/base/bytes.h"

/* The partition that keeps a group or a transactional id: Java's hash of its UTF-16 name, as
 * Kafka's partitionFor.  Bytes that are not UTF-8 count as U+FFFD each.  count > 0. */
int32_t javahash_partition(struct view name, int32_t count);

#endif
