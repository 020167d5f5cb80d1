/* lens_skeleton.c: a Produce request in pieces, without its records (lens.h).
 *
 * The lens reads what was copied; before each of its steps the copy is topped up with as many bytes
 * as the step usually reads.  Where records begin, what was copied too far is dropped, and copying
 * goes on behind them.  Nothing that the lens has read ever moves.  A step that ends outside of
 * what was copied is unusual, or malformed: the lens cannot tell, and gives up. I1 k->len bytes of
 * the copy are request bytes [.., from), less the records left out. */
#include "core/base/err.h"
#include "core/wire/lens.h"

enum {
    TOPIC_BYTES = 300,   /* its name, or id, and the number of its partitions */
    PARTITION_BYTES = 9, /* its number, the length of its records */
    TAGS_BYTES = 1,      /* none */
    VERSION_MIN = 3,
    VERSION_MAX = 13,
};

struct copy {
    struct lens_skeleton *k;
    struct rope *request;
    uint32_t from;
};

/* So that the lens has n bytes before it, or all there are. */
static bool
top_up(struct copy *b, struct cur *c, uint32_t n)
{
    uint32_t left = b->request->bytes - b->from, have = cur_left(c);
    uint32_t more = n > have ? n - have : 0;
    if (more > left)
        more = left;
    if (more > b->k->room - b->k->len)
        return false;
    if (more)
        rope_read(b->request, b->from, b->k->out + b->k->len, more);
    b->k->len += more;
    b->from += more;
    c->end += more;
    return true;
}

/* The lens stands where `bytes` of records begin. */
static bool
leave_out(struct copy *b, struct cur *c, uint32_t bytes)
{
    uint32_t over = cur_left(c);
    b->k->len -= over;
    b->from -= over;
    c->end = c->at;
    if (bytes > b->request->bytes - b->from)
        return false;
    b->from += bytes;
    return true;
}

static bool
topic_copy(struct copy *b, struct lens_produce *l)
{
    struct lens_produce_topic t;
    struct lens_produce_partition p;
    if (!top_up(b, &l->topics, TOPIC_BYTES) || lens_produce_next_topic(l, &t) != ERR_OK)
        return false;
    for (uint32_t i = 0; i < t.partition_count; i++) {
        if (!top_up(b, &l->topics, PARTITION_BYTES) || lens_produce_records(l, &p) != ERR_OK ||
            !leave_out(b, &l->topics, p.elided_bytes) || !top_up(b, &l->topics, TAGS_BYTES) ||
            lens_produce_end_partition(l) != ERR_OK)
            return false;
    }
    return top_up(b, &l->topics, TAGS_BYTES) && lens_produce_end_topic(l) == ERR_OK;
}

bool
lens_skeleton(struct lens_skeleton *k, struct rope *request, uint32_t header_bytes, int16_t version)
{
    must(k->len <= k->room && k->len <= request->bytes && header_bytes <= k->len);
    struct copy b = {k, request, k->len};
    struct cur front = cur_of(view_of(k->out + header_bytes, k->len - header_bytes));
    struct lens_produce l;
    if (version < VERSION_MIN || version > VERSION_MAX || !top_up(&b, &front, LENS_FRONT_BYTES) ||
        lens_produce_begin(view_of(front.at, cur_left(&front)), version, &l) != ERR_OK)
        return false;
    l.elided = true;
    for (uint32_t i = 0; i < l.topic_count; i++)
        if (!topic_copy(&b, &l))
            return false;
    return top_up(&b, &l.topics, TAGS_BYTES) && lens_produce_end(&l) == ERR_OK;
}
