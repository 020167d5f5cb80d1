#include "core/base/rope.h"

bool
rope_init(struct rope *r, const struct view *pieces, uint32_t count, uint32_t bytes)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++)
        all += pieces[i].len;
    *r = (struct rope){.pieces = pieces, .count = count, .bytes = bytes};
    return all >= bytes;
}

struct view
rope_view(struct rope *r, uint32_t at, uint32_t n)
{
    must(at <= r->bytes && n <= r->bytes - at);
    if (n == 0)
        return (struct view){0};
    if (at < r->before)
        r->piece = r->before = 0;
    while (at - r->before >= r->pieces[r->piece].len) {
        r->before += r->pieces[r->piece].len;
        r->piece++;
        must(r->piece < r->count);
    }
    uint32_t first = at - r->before, len = r->pieces[r->piece].len - first;
    return view_of(r->pieces[r->piece].at + first, len < n ? len : n);
}

void
rope_read(struct rope *r, uint32_t at, void *out, uint32_t n)
{
    must(at <= r->bytes && n <= r->bytes - at);
    for (uint8_t *to = out; n;) {
        struct view v = rope_view(r, at, n);
        memcpy(to, v.at, v.len);
        to += v.len;
        at += v.len;
        n -= v.len;
    }
}
