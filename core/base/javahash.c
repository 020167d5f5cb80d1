/* javahash.c: Java's String.hashCode over UTF-16 units. */
#include "core/base/javahash.h"

#include "core/base/must.h"

enum { REPLACEMENT = 0xfffd };

/* The next code point; a byte that begins none is one U+FFFD. */
static uint32_t
next_point(struct cur *c)
{
    uint8_t first = cur_u8(c);
    if (first < 0x80)
        return first;
    uint32_t more = first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : 1;
    uint32_t point = first & (0x3fu >> more);
    struct cur ahead = *c;
    for (uint32_t i = 0; i < more; i++) {
        uint8_t b = cur_u8(&ahead);
        if ((b & 0xc0) != 0x80)
            return REPLACEMENT;
        point = point << 6 | (b & 0x3fu);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (first < 0xc2 || first > 0xf4 || point < least[more] || point > 0x10ffff ||
        (point >= 0xd800 && point < 0xe000))
        return REPLACEMENT;
    *c = ahead;
    return point;
}

int32_t
javahash_partition(struct view name, int32_t count)
{
    must(count > 0);
    uint32_t hash = 0;
    struct cur c = cur_of(name);
    while (cur_left(&c)) {
        uint32_t point = next_point(&c);
        if (point >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + point;
    }
    /* Kafka Utils.abs: 0 for the least of all. */
    int64_t h = (int32_t)hash;
    h = h == INT32_MIN ? 0 : h < 0 ? -h : h;
    return (int32_t)(h % count);
}
