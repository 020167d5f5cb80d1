/* ipnet_text.c: addresses and routes as text: RFC 4291 2.2 for IPv6, with the shortest form of RFC
 * 5952 on the way out; four decimal numbers for IPv4.  Neither zones nor short forms of IPv4. */
#include "dataplane/net/ipnet_in.h"

#include <stdio.h>

enum { TEXT_GROUPS = 8, TEXT_WORD_BYTES = 64 };

/* ---- one address ---- */

static int
digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads a number of at most `digits` digits; NULL: none there, or over `most`. */
static const char *
number_read(const char *text, int base, int digits, uint32_t most, uint32_t *out)
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
        text = number_read(text, 10, 3, 255, &v);
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
        at = number_read(at, 16, 4, 0xffff, &v);
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
ipnet_text_ip(const char *text, uint8_t ip[16])
{
    uint8_t v4[4];
    if (!v4_read(text, v4))
        return v6_read(text, ip);
    ipnet_ip_from_v4(ip, v4);
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
ipnet_text_print(const uint8_t ip[16], char out[IPNET_IP_TEXT_BYTES])
{
    if (ipnet_ip_is_v4(ip)) {
        (void)snprintf(out, IPNET_IP_TEXT_BYTES, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
        return;
    }
    int start = TEXT_GROUPS, zeros = zeros_find(ip, &start);
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < TEXT_GROUPS; i++) {
        bool behind_gap = zeros && i == start + zeros;
        const char *colon = i > 0 && !behind_gap ? ":" : "";
        if (zeros && i == start) {
            len += (size_t)snprintf(out + len, IPNET_IP_TEXT_BYTES - len, "::");
            i += zeros - 1;
            continue;
        }
        len += (size_t)snprintf(out + len, IPNET_IP_TEXT_BYTES - len, "%s%x", colon,
                                get_u16(ip + 2 * i));
    }
}

/* ---- lists ---- */

/* The next word of `*text`, up to a blank or one of `ends`; false: there is none. */
static bool
word_take(const char **text, const char *ends, char out[TEXT_WORD_BYTES])
{
    const char *at = *text + strspn(*text, " \t");
    size_t n = strcspn(at, ends);
    *text = at + n;
    if (n >= TEXT_WORD_BYTES)
        n = TEXT_WORD_BYTES - 1; /* too long to be right */
    memcpy(out, at, n);
    out[n] = '\0';
    return n > 0;
}

/* "address/bits". */
static bool
prefix_read(char *word, struct ipnet_address *out)
{
    char *slash = strchr(word, '/');
    uint32_t bits;
    if (!slash)
        return false;
    *slash = '\0';
    bool good = ipnet_text_ip(word, out->ip);
    bool v4 = good && ipnet_ip_is_v4(out->ip) && !strchr(word, ':');
    const char *end = number_read(slash + 1, 10, 3, v4 ? 32 : 128, &bits);
    *slash = '/';
    if (!good || !end || *end)
        return false;
    out->prefix_bits = (uint8_t)(v4 ? 96 + bits : bits);
    return true;
}

int
ipnet_text_addresses(struct ipnet_config *config, const char *text, char error[IPNET_ERROR_BYTES])
{
    char word[TEXT_WORD_BYTES];
    config->address_count = 0;
    while (word_take(&text, ", \t", word)) {
        struct ipnet_address a;
        if (!prefix_read(word, &a)) {
            (void)snprintf(error, IPNET_ERROR_BYTES,
                           "'%s' is no address with a prefix, such as 10.77.0.2/24 or fd00::2/64",
                           word);
            return ERR_INVALID;
        }
        if (config->address_count == IPNET_ADDRESSES_MAX) {
            (void)snprintf(error, IPNET_ERROR_BYTES, "more than %d addresses", IPNET_ADDRESSES_MAX);
            return ERR_INVALID;
        }
        config->addresses[config->address_count++] = a;
        text += strspn(text, " \t,");
    }
    if (config->address_count > 0)
        return ERR_OK;
    (void)snprintf(error, IPNET_ERROR_BYTES, "no address is named");
    return ERR_INVALID;
}

static bool
route_read(const char **text, struct ipnet_route *out)
{
    char to[TEXT_WORD_BYTES], via[TEXT_WORD_BYTES];
    if (!word_take(text, ", \t", to) || !word_take(text, ", \t", via) || strcmp(via, "via") != 0 ||
        !word_take(text, ", \t", via) || !ipnet_text_ip(via, out->via))
        return false;
    if (strcmp(to, "default") != 0)
        return prefix_read(to, &out->to);
    out->to = (struct ipnet_address){.prefix_bits = 0};
    if (ipnet_ip_is_v4(out->via)) {
        memcpy(out->to.ip, out->via, 12);
        out->to.prefix_bits = 96;
    }
    return true;
}

int
ipnet_text_routes(struct ipnet_config *config, const char *text, char error[IPNET_ERROR_BYTES])
{
    config->route_count = 0;
    for (text += strspn(text, " \t,"); *text; text += strspn(text, " \t,")) {
        struct ipnet_route r;
        const char *start = text;
        if (!route_read(&text, &r) || (*(text += strspn(text, " \t")) && *text != ',')) {
            int len = (int)strcspn(start, ",");
            (void)snprintf(error, IPNET_ERROR_BYTES,
                           "'%.*s' is no route, such as 'default via 10.77.0.1'",
                           len < TEXT_WORD_BYTES ? len : TEXT_WORD_BYTES, start);
            return ERR_INVALID;
        }
        if (config->route_count == IPNET_ROUTES_MAX) {
            (void)snprintf(error, IPNET_ERROR_BYTES, "more than %d routes", IPNET_ROUTES_MAX);
            return ERR_INVALID;
        }
        config->routes[config->route_count++] = r;
    }
    return ERR_OK;
}
