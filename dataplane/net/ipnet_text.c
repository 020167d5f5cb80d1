/* ipnet_text.c: lists of addresses and routes as text. */
#include "dataplane/net/ipnet_in.h"

#include <stdio.h>

enum { TEXT_WORD_BYTES = 64 };

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
    bool good = iptext_read(word, out->ip);
    bool v4 = good && iptext_is_v4(out->ip) && !strchr(word, ':');
    const char *end = iptext_number(slash + 1, 10, 3, v4 ? 32 : 128, &bits);
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
        !word_take(text, ", \t", via) || !iptext_read(via, out->via))
        return false;
    if (strcmp(to, "default") != 0)
        return prefix_read(to, &out->to);
    out->to = (struct ipnet_address){.prefix_bits = 0};
    if (iptext_is_v4(out->via)) {
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
