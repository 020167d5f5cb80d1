/* answer.h: one response being built and sent: bytes of ours, and runs of log bytes between them
 * that are never copied.  Memory comes from the shard's buddy arena; nothing is zeroed. */
#ifndef SLUICE_BROKER_ANSWER_H
#define SLUICE_BROKER_ANSWER_H

#include "core/base/buddy.h"
#include "core/base/bytes.h"
#include "core/store/store.h"

struct answer_range {
    uint32_t at;    /* leaves before byte `at` of the bytes */
    uint32_t shard; /* that owns the log */
    struct store_range range;
    uint32_t whole;          /* so many bytes of it are known to end where a batch ends */
    uint32_t cut_from;       /* from here on, less 1, it is filled (conn_send.c); 0: it is not */
    struct store_hold *hold; /* of its front, until the end of this turn (holds.h); NULL: none */
};

struct answer {
    uint8_t *bytes; /* begins with the 4-byte length of the response */
    uint32_t len, room;
    struct answer_range *ranges; /* in order of `at` */
    uint32_t range_count, range_room;
};

/* Makes room for `bytes` more; false: no memory (the request waits or fails). */
must_check bool answer_reserve(struct answer *a, struct buddy *memory, uint32_t bytes);
/* A writer over the reserved room behind what is there; answer_commit takes what it wrote. */
struct put answer_writer(const struct answer *a);
void answer_commit(struct answer *a, const struct put *w);
must_check bool answer_add_range(struct answer *a, struct buddy *memory, uint32_t shard,
                                 const struct store_range *range);
/* Bytes that will go out, ranges included. */
uint64_t answer_bytes(const struct answer *a);
/* Writes the length prefix; call once the answer is complete. */
void answer_seal(struct answer *a);
void answer_free(struct answer *a, struct buddy *memory);

#endif
