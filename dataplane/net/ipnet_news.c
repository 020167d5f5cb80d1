/* ipnet_news.c: what loops with queues of one device tell each other.
 *
 * A device spreads what arrives over its queues as it likes: the answer to a question of one loop,
 * and the error about its packet, come to another.  So whatever one loop learns of neighbours, of
 * rivals for our addresses and of errors is news for all.  News is facts, not frames: it is small,
 * was checked once, and hearing it never makes an answer.  Losing some is harmless, since
 * neighbours are asked again and errors are hints; so its rate has a limit. */
#include "dataplane/net/ipnet_in.h"

static struct ipnet_news *
news_take(struct ipnet *n, enum ipnet_news_kind kind)
{
    struct ipnet_input *out = n->out;
    if (!n->config.shared || !out || out->news_count == NIC_BURST_MAX ||
        !ipnet_rate_take(&n->news_rate, n->now_ns))
        return NULL;
    struct ipnet_news *news = &out->news[out->news_count++];
    news->kind = kind;
    return news;
}

void
ipnet_news_neighbour(struct ipnet *n, const uint8_t ip[16], const uint8_t mac[IPNET_MAC_BYTES],
                     enum ipnet_learn how)
{
    struct ipnet_news *news = news_take(n, IPNET_NEWS_NEIGHBOUR);
    if (!news)
        return;
    news->how = (uint8_t)how;
    memcpy(news->ip, ip, 16);
    memcpy(news->mac, mac, IPNET_MAC_BYTES);
}

void
ipnet_news_claimed(struct ipnet *n, const uint8_t ip[16])
{
    struct ipnet_news *news = news_take(n, IPNET_NEWS_CLAIMED);
    if (news)
        memcpy(news->ip, ip, 16);
}

void
ipnet_news_error(struct ipnet *n, const struct packet_error *e)
{
    n->out->errors[n->out->error_count++] = *e;
    struct ipnet_news *news = news_take(n, IPNET_NEWS_ERROR);
    if (!news)
        return;
    news->error = *e;
    news->quote_bytes =
        (uint8_t)(e->quote.len < IPNET_NEWS_QUOTE_BYTES ? e->quote.len : IPNET_NEWS_QUOTE_BYTES);
    memcpy(news->quote, e->quote.at, news->quote_bytes);
}

bool
ipnet_hear(struct ipnet *n, uint64_t now_ns, const struct ipnet_news *news,
           struct packet_error *error)
{
    struct ipnet_ours *o;
    n->now_ns = now_ns;
    switch (news->kind) {
    case IPNET_NEWS_NEIGHBOUR:
        ipnet_neigh_learn(n, news->ip, news->mac, (enum ipnet_learn)news->how);
        return false;
    case IPNET_NEWS_CLAIMED:
        o = ipnet_ours_find(n, news->ip);
        if (o && o->state == IPNET_TENTATIVE)
            o->state = IPNET_DUPLICATE;
        return false;
    case IPNET_NEWS_ERROR:
        *error = news->error;
        error->quote = view_of(news->quote, news->quote_bytes);
        return true;
    }
    return false;
}
