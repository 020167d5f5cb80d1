/* tcp_ext.c: bytes that the user has lent for sending: extents, in the order of the stream.
 *
 * An extent has one hold of its own until it is acknowledged and one for each packet that a device
 * may still read.  It ends when all are gone, in any order, and may outlive its place in the
 * connection's list; the connection's slot waits for its last one.  A retransmission is a new
 * packet over the same bytes: what the first copy's device reads is never touched. */
#include "dataplane/tcp/tcp_core.h"

#define EXT_OF(pointer)                                                                            \
    ((struct tcp_extent *)(void *)((char *)(pointer)-offsetof(struct tcp_extent, ref)))

void
tcp_ext_init(struct tcp *t)
{
    for (uint32_t i = 0; i < t->config.extents; i++)
        t->extents[i] =
            (struct tcp_extent){.next = i + 1 < t->config.extents ? i + 1 : TCP_NONE, .stack = t};
}

static void
ext_ended(struct packet_ref *ref)
{
    struct tcp_extent *e = EXT_OF(ref);
    struct tcp *t = e->stack;
    struct tcp_conn *c = &t->conns[e->conn];
    struct packet_ref *owner = e->owner;
    uint32_t bytes = e->bytes.len;
    e->next = t->extent_free;
    t->extent_free = (uint32_t)(e - t->extents);
    t->extents_used--;
    tcp_conn_loan_ended(t, c, bytes);
    if (owner)
        packet_drop(owner);
}

uint32_t
tcp_ext_append(struct tcp *t, struct tcp_conn *c, struct view bytes, struct packet_ref *owner)
{
    uint32_t i = t->extent_free;
    if (i == TCP_NONE || bytes.len == 0)
        return 0;
    struct tcp_extent *e = &t->extents[i];
    t->extent_free = e->next;
    t->extents_used++;
    e->ref.holds = 1;
    e->ref.ended = ext_ended;
    e->owner = owner;
    if (owner)
        packet_hold(owner);
    e->bytes = bytes;
    e->seq = c->end;
    e->conn = tcp_index(t, c);
    e->next = TCP_NONE;
    if (c->ext_last == TCP_NONE)
        c->ext_first = i;
    else
        t->extents[c->ext_last].next = i;
    c->ext_last = i;
    if (c->ext_next == TCP_NONE)
        c->ext_next = i;
    c->ext_count++;
    c->end += bytes.len;
    return bytes.len;
}

static void
first_drop(struct tcp *t, struct tcp_conn *c)
{
    uint32_t i = c->ext_first;
    struct tcp_extent *e = &t->extents[i];
    c->ext_first = e->next;
    if (c->ext_first == TCP_NONE)
        c->ext_last = TCP_NONE;
    if (c->ext_next == i)
        c->ext_next = c->ext_first;
    packet_drop(&e->ref);
}

void
tcp_ext_acked(struct tcp *t, struct tcp_conn *c, uint32_t una)
{
    while (c->ext_first != TCP_NONE) {
        const struct tcp_extent *e = &t->extents[c->ext_first];
        if (seq_before(una, e->seq + e->bytes.len))
            return;
        first_drop(t, c);
    }
}

void
tcp_ext_drop(struct tcp *t, struct tcp_conn *c)
{
    while (c->ext_first != TCP_NONE)
        first_drop(t, c);
}

uint32_t
tcp_ext_spans(struct tcp *t, struct tcp_conn *c, uint32_t seq, uint32_t len, struct packet_out *p)
{
    uint32_t i = c->ext_first, covered = 0;
    struct packet_span *last = p->span_count ? &p->spans[p->span_count - 1] : NULL;
    if (c->ext_next != TCP_NONE && seq_upto(t->extents[c->ext_next].seq, seq))
        i = c->ext_next;
    while (i != TCP_NONE && seq_upto(t->extents[i].seq + t->extents[i].bytes.len, seq))
        i = t->extents[i].next;
    if (seq == c->nxt && i != TCP_NONE)
        c->ext_next = i;
    for (; i != TCP_NONE && covered < len; i = t->extents[i].next) {
        struct tcp_extent *e = &t->extents[i];
        uint32_t skip = seq + covered - e->seq, part = e->bytes.len - skip;
        if (part > len - covered)
            part = len - covered;
        const uint8_t *at = e->bytes.at + skip;
        if (last && last->ref == &e->ref && last->bytes.at + last->bytes.len == at) {
            last->bytes.len += part; /* the segment before ended in it */
        } else {
            if (p->span_count == PACKET_SPANS_MAX)
                break;
            last = &p->spans[p->span_count++];
            *last = (struct packet_span){view_of(at, part), &e->ref};
        }
        covered += part;
    }
    p->payload_bytes += covered;
    return covered;
}
