/* iptext.c: RFC 4291 2.2 for IPv6, with the shortest form of RFC 5952 on the way out; four decimal
 * numbers for IPv4.  Neither zones nor short forms of IPv4. */
#include "core/net/iptext.h"

#include "core/base/bytes.h"

#include <stdio.h>

enum { TEXT_GROUPS = 8 };

static int
digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

const char *
iptext_number(const char *text, int base, int digits, uint32_t most, uint32_t *out)
{
    uint32_t value = 0;
    int count = 0;
    for (; count <= digits; count++, text++) {
        int d = digit_of(*text);
        if (d < 0 || d >= base)
            break;
        value = value * (uint32_t)base + (uint32_t)d;
    }
    *out = value;
    return count > 0 && count <= digits && value <= most ? text : NULL;
}

static bool
v4_read(const char *text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        uint32_t v;
        text = iptext_number(text, 10, 3, 255, &v);
        if (!text || *text != (i < 3 ? '.' : '\0'))
            return false;
        out[i] = (uint8_t)v;
        text++;
    }
    return true;
}

/* The groups from `text` on, up to its end or "::"; returns how many, -1: malformed. */
static int
groups_read(const char **text, uint8_t *out, int room)
{
    int count = 0;
    const char *at = *text;
    while (*at && !(at[0] == ':' && at[1] == ':')) {
        uint32_t v;
        if (count > 0 && *at++ != ':')
            return -1;
        if (count + 2 <= room && v4_read(at, out + 2 * (size_t)count)) {
            *text = at + strlen(at);
            return count + 2;
        }
        at = iptext_number(at, 16, 4, 0xffff, &v);
        if (!at || count == room)
            return -1;
        set_u16(out + 2 * (size_t)count++, (uint16_t)v);
    }
    *text = at;
    return count;
}

static bool
v6_read(const char *text, uint8_t ip[16])
{
    uint8_t tail[16] = {0};
    memset(ip, 0, 16);
    int head = groups_read(&text, ip, TEXT_GROUPS);
    if (head < 0 || head == TEXT_GROUPS || *text == '\0')
        return head == TEXT_GROUPS && *text == '\0';
    text += 2; /* the "::", which stands for one group at least */
    int room = TEXT_GROUPS - 1 - head, count = room > 0 ? groups_read(&text, tail, room) : 0;
    if (count < 0 || *text)
        return false;
    memcpy(ip + 16 - 2 * (size_t)count, tail, 2 * (size_t)count);
    return true;
}

bool
iptext_read(const char *text, uint8_t ip[16])
{
    uint8_t v4[4];
    if (!v4_read(text, v4))
        return v6_read(text, ip);
    iptext_of_v4(v4, ip);
    return true;
}

/* The longest run of two or more zero groups; its length, 0: none. */
static int
zeros_find(const uint8_t ip[16], int *start)
{
    int best = 0;
    for (int i = 0; i < TEXT_GROUPS; i++) {
        int n = 0;
        while (i + n < TEXT_GROUPS && get_u16(ip + 2 * (i + n)) == 0)
            n++;
        if (n > best) {
            best = n;
            *start = i;
        }
        i += n;
    }
    return best > 1 ? best : 0;
}

void
iptext_print(const uint8_t ip[16], char out[IPTEXT_BYTES])
{
    if (iptext_is_v4(ip)) {
        (void)snprintf(out, IPTEXT_BYTES, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
        return;
    }
    int start = TEXT_GROUPS, zeros = zeros_find(ip, &start);
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < TEXT_GROUPS; i++) {
        bool behind_gap = zeros && i == start + zeros;
        const char *colon = i > 0 && !behind_gap ? ":" : "";
        if (zeros && i == start) {
            len += (size_t)snprintf(out + len, IPTEXT_BYTES - len, "::");
            i += zeros - 1;
            continue;
        }
        len += (size_t)snprintf(out + len, IPTEXT_BYTES - len, "%s%x", colon, get_u16(ip + 2 * i));
    }
}
