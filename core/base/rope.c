#include "core/base/rope.h"

#include "core/base/crc32c.h"

bool
rope_init(struct rope *r, const struct view *pieces, uint32_t count, uint32_t bytes)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++)
        all += pieces[i].len;
    *r = (struct rope){.pieces = pieces, .count = count, .bytes = bytes};
    return all >= bytes;
}

/* What of the rope lies in one piece from `at` on, n bytes at most. */
static struct view
stretch(struct rope *r, uint32_t at, uint32_t n)
{
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
        struct view v = stretch(r, at, n);
        memcpy(to, v.at, v.len);
        to += v.len;
        at += v.len;
        n -= v.len;
    }
}

uint32_t
rope_read_crc(struct rope *r, uint32_t at, void *out, uint32_t n, uint32_t crc)
{
    must(at <= r->bytes && n <= r->bytes - at);
    for (uint8_t *to = out; n;) {
        struct view v = stretch(r, at, n);
        crc = crc32c_copy(crc, to, v.at, v.len);
        to += v.len;
        at += v.len;
        n -= v.len;
    }
    return crc;
}
