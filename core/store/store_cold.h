/* store_cold.h: segment files in memory: read buffers and what vouches for them (store_cold.c,
 * store_prove.c), who waits for them (store_wait.c), indexes that are not known (store_index.c,
 * store_sidecar.c).  Of the loop alone.
 */
#ifndef SLUICE_STORE_STORE_COLD_H
#define SLUICE_STORE_STORE_COLD_H

#include "core/store/plog_in.h"
#include "core/store/sums.h"

struct job;
struct store;

enum read_state { READ_FREE, READ_BUSY, READ_READY };

/* A piece of a segment file in memory. */
struct read_buffer {
    uint8_t *mem;
    enum read_state state;
    struct plog *log;
    uint64_t serial, used;       /* used: a tick, for the least recently used */
    uint64_t segment_serial;     /* with the log's serial it names the segment */
    uint32_t pos, len;           /* bytes of the segment */
    uint32_t good_from, good_to; /* bytes between them were verified, or cannot be */
    uint32_t whole_from;         /* from here to whole_to batches were checked, by their crc */
    uint32_t whole_to;           /* the last batch boundary known in it; pos when none */
    uint32_t lent_to;            /* where what was lent of it last ended; 0: nothing was */
    uint32_t run;                /* crc of its last piece, when that is not whole (sums.h) */
    uint32_t hole_from, hole_to; /* one bad batch, behind which others are good */
    bool summed;                 /* the sums of the segment covered it when it was read */
    bool filled;                 /* all of its bytes came; `error` tells of damage then */
    bool ahead;                  /* read before anybody needed it, and nothing of it lent yet */
    int error;                   /* what a look at the rest gives; ERR_OK when all is good */
    uint32_t pins;
};

/* A batch of which no buffer has all, or whose buffer does not vouch for it (store_prove.c). */
struct proof {
    uint64_t serial, segment_serial, used; /* as in struct read_buffer; used 0: none */
    uint32_t pos, end;                     /* of the batch */
    uint32_t next;                         /* so far it was looked at; end: it is good */
    bool by_crc;                           /* its own decides; else the sums of the pieces do */
    bool known;                            /* it is the one that belongs there */
    uint32_t want, crc;                    /* as its header says; so far, up to next */
    uint32_t head, tail;                   /* crc of its parts of pieces at both ends */
};

struct read_waiter {
    uint64_t waiter;
    struct read_buffer *buffer; /* NULL: any change */
};

/* store_cold.c */
/* The one that a read may take now; NULL: none. */
struct read_buffer *store_buffer_pick(struct store *s);
struct read_buffer *store_buffer_find(struct store *s, const struct plog *p,
                                      const struct segment *seg, uint32_t pos);
uint32_t store_buffers_busy(const struct store *s);  /* reads under way */
uint32_t store_buffers_ahead(const struct store *s); /* the same, and what was read ahead of use */
bool store_read_allowed(const struct store *s);
/* So many bytes a read has at least, where the file has them. */
uint32_t store_read_least(const struct store *s);
/* No records came lately: reads need not be small and few. */
bool store_calm(const struct store *s);
int store_buffer_read(struct store *s, struct plog *p, struct segment *seg, uint32_t pos,
                      struct read_buffer **out); /* ERR_AGAIN: none free */
/* Why a position in a buffer that is ready cannot be used, ERR_OK when it can.  An error is told
 * once: who asks again reads again. */
int store_buffer_error(struct read_buffer *b, uint32_t pos);
void store_cold_forget(struct store *s, const struct plog *p);

/* Notes that the batch at `from` is bad: store_locate keeps readers away from it.  Its length may
 * be what is damaged: returns where it ends, `to` or where the index says that another one begins.
 */
uint32_t store_damaged(struct store *s, const struct plog *p, struct segment *seg, uint32_t from,
                       uint32_t to);

/* store_wait.c */
/* The waiter comes back when the read of b has ended; NULL, or not being read: when any has. */
void store_wait(struct store *s, uint64_t waiter, struct read_buffer *b);
void store_wake(struct store *s, const struct read_buffer *b);
/* A log was refused a read buffer. */
void store_unread_add(struct store *s, struct plog *p);
/* A read buffer became free: calls the log that has waited longest for one. */
void store_unread_call(struct store *s);
void store_unread_forget(struct store *s, struct plog *p);
/* Once a turn; when it wants the next one at the latest. */
uint64_t store_unread_step(struct store *s);

/* store_prove.c */
/* Is the batch at a position, which begins there, what was written?  ERR_AGAIN: it is being read;
 * *awaited: the buffer to wait for, or NULL: any.  ERR_CORRUPT: no, and that is noted; ERR_IO. */
must_check int store_prove(struct store *s, struct plog *p, struct segment *seg, uint32_t pos,
                           struct read_buffer **awaited);
/* A batch that its own crc has proven good and that holds position `at` of buffer b; NULL: none, or
 * b's bytes of it are others now: then it is proven anew. */
const struct proof *store_proven(struct store *s, const struct plog *p, const struct segment *seg,
                                 const struct read_buffer *b, uint32_t at);
/* Does a batch end there that was found good? */
bool store_proven_to(const struct store *s, const struct plog *p, const struct segment *seg,
                     uint32_t at);
/* Does b vouch for all that lies in it? */
bool store_buffer_clean(const struct read_buffer *b);

/* store_index.c: makes the index of a segment known, by its sidecar or by a walk. */
void store_index_begin(struct store *s, struct plog *p, struct segment *seg);
/* Notes that the index of a segment is, or will be, of use; and drops those that were not for
 * longest, when memory gets short: their sidecars have them. */
void store_index_used(struct store *s, struct segment *seg);
void store_index_evict(struct store *s);
/* `front`: sums of the bytes that j->idx knows already, which it takes over; or NULL. */
void store_index_walk(struct store *s, struct job *j, struct sums *front);
void store_index_end(struct store *s, struct job *j, int error);
void store_index_free(struct job *j);

/* store_sidecar.c: writes the sidecar of a segment that is known: of one that is sealed, if it has
 * none; of the active one, when it has grown by much since.  Reads it for a JOB_INDEX, which then
 * ends or goes on to walk. */
void store_sidecar_begin(struct store *s, struct plog *p, struct segment *seg);
/* Does a clean stop leave a segment of that many bytes with one? */
bool store_sidecar_expected(const struct store *s, const struct segment *seg, uint32_t bytes);
/* The end of a clean stop: the same for large active segments.  False: call again after a turn. */
must_check bool store_sidecar_rest(struct store *s);
void store_sidecar_load(struct store *s, struct job *j);
void store_sidecar_loaded(struct store *s, struct job *j);

#endif
