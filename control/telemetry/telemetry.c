/* telemetry.c: the clients that we know of, and the rules of their requests.
 *
 * I1 A client is in its bucket, in `recent` (longest silent first) and in `deadlines`, or it is not
 * there at all. I2 t->bytes counts every client and its series.
 *
 * Kafka forgets a client when its connection closes; we hear of no closing, so one that comes over
 * another connection begins anew, but keeps what it pushed. */
#include "control/telemetry/telemetry.h"
#include "control/telemetry/telemetry_match.h"
#include "control/telemetry/telemetry_series.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/wire/batch_records.h"
#include "core/wire/kerr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BUCKETS = 8192,
    NAME_BYTES = 256, /* of a client's names, with the NUL; the rest is cut off */
    ID_TEXT_BYTES = 22,
    INFLATED_FIRST = 64 << 10,
};

struct client {
    struct client *next; /* in its bucket */
    struct list recent;
    struct heap_node deadline;
    uint8_t id[TELEMETRY_ID_BYTES];
    char id_text[ID_TEXT_BYTES + 1];
    char client_id[NAME_BYTES], software_name[NAME_BYTES], software_version[NAME_BYTES];
    char address[TELEMETRY_ADDRESS_BYTES], port[8];
    bool client_id_known, software_known;
    uint64_t version; /* of the subscriptions that the next two are from */
    int32_t subscription_id, interval_ms;
    int64_t got_ms, pushed_ms; /* 0: never on this connection */
    int64_t seen_ms;
    int16_t error; /* of the last request */
    bool terminating;
    uint32_t pushes;
    struct telemetry_series series;
    uint8_t *labels;
    uint32_t label_bytes;
};

struct telemetry {
    struct telemetry_config config;
    struct telemetry_list list;
    uint64_t version;
    uint64_t key[2]; /* of the hash: ids are the clients' own */
    struct client *buckets[BUCKETS];
    struct list recent;
    struct heap deadlines;
    struct heap_node *nodes[TELEMETRY_CLIENTS_MAX];
    uint64_t bytes, series;
    uint32_t count;
    struct telemetry_stats stats;
};

/* ---- Ids ---- */

static uint64_t
mixed(uint64_t v) /* the finalizer of MurmurHash3: public domain */
{
    v ^= v >> 33;
    v *= UINT64_C(0xff51afd7ed558ccd);
    v ^= v >> 33;
    v *= UINT64_C(0xc4ceb9fe1a85ec53);
    return v ^ v >> 33;
}

static struct client **
bucket_of(struct telemetry *t, const uint8_t *id)
{
    uint64_t v = mixed(mixed(get_u64(id) ^ t->key[0]) + (get_u64(id + 8) ^ t->key[1]));
    return &t->buckets[v % BUCKETS];
}

static struct client *
client_find(struct telemetry *t, const uint8_t *id)
{
    struct client *c = *bucket_of(t, id);
    while (c && memcmp(c->id, id, sizeof c->id) != 0)
        c = c->next;
    return c;
}

static bool
id_is(const uint8_t *id, uint8_t last)
{
    static const uint8_t zero[TELEMETRY_ID_BYTES - 1];
    return memcmp(id, zero, sizeof zero) == 0 && id[TELEMETRY_ID_BYTES - 1] == last;
}

/* Ids that Kafka's Uuid keeps for itself. */
static bool
id_reserved(const uint8_t *id)
{
    return id_is(id, 0) || id_is(id, 1);
}

/* As Java's: a random UUID that is not reserved and whose text does not begin with a dash. */
static void
id_draw(struct telemetry *t, uint8_t id[TELEMETRY_ID_BYTES])
{
    enum { DASH = 62 };
    do {
        t->config.random(t->config.user, id, TELEMETRY_ID_BYTES);
        id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
        id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    } while (id[0] >> 2 == DASH || client_find(t, id));
}

/* Base64 for URLs without padding, as Kafka writes ids. */
static void
id_write(const uint8_t id[TELEMETRY_ID_BYTES], char text[ID_TEXT_BYTES + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (uint32_t i = 0; i < ID_TEXT_BYTES; i++) {
        uint32_t bit = i * 6, byte = bit / 8;
        uint32_t two = (uint32_t)id[byte] << 8 | (byte + 1 < TELEMETRY_ID_BYTES ? id[byte + 1] : 0);
        text[i] = digits[two >> (10 - bit % 8) & 63];
    }
    text[ID_TEXT_BYTES] = '\0';
}

/* ---- Clients ---- */

static uint64_t
client_bytes(const struct client *c)
{
    return sizeof *c + c->series.bytes + c->label_bytes;
}

static void
client_forget(struct telemetry *t, struct client *c)
{
    struct client **at = bucket_of(t, c->id);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    list_remove(&c->recent);
    heap_remove(&t->deadlines, &c->deadline);
    t->bytes -= client_bytes(c);
    t->series -= c->series.count;
    t->count--;
    telemetry_series_free(&c->series);
    free(c->labels);
    free(c);
}

/* True once a client is gone that was silent longer than `but`. */
static bool
room_make(struct telemetry *t, const struct client *but)
{
    struct list *first = list_first(&t->recent);
    struct client *c = first ? list_item(first, struct client, recent) : NULL;
    if (!c || c == but)
        return false;
    client_forget(t, c);
    t->stats.clients_dropped++;
    return true;
}

static void
text_keep(char *to, size_t room, struct view v)
{
    size_t n = v.len < room ? v.len : room - 1;
    while (n > 0 && n < v.len && (v.at[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    bool good = v.at && telemetry_otlp_text(view_of(v.at, (uint32_t)n));
    if (good && n)
        memcpy(to, v.at, n);
    to[good ? n : 0] = '\0';
}

/* It has a new connection, or its first: nothing that it asked over another one counts. */
static void
client_connect(struct client *c, const struct telemetry_peer *peer)
{
    text_keep(c->client_id, sizeof c->client_id, peer->client_id);
    text_keep(c->software_name, sizeof c->software_name, peer->software_name);
    text_keep(c->software_version, sizeof c->software_version, peer->software_version);
    memcpy(c->address, peer->address, sizeof c->address);
    c->address[sizeof c->address - 1] = '\0';
    (void)snprintf(c->port, sizeof c->port, "%u", peer->port);
    c->client_id_known = peer->client_id.at != NULL;
    c->software_known = peer->software_name.at != NULL;
    c->version = 0;
    c->got_ms = c->pushed_ms = 0;
    c->error = KERR_NONE;
    c->terminating = false;
}

static struct client *
client_add(struct telemetry *t, const uint8_t *id)
{
    while (t->count == TELEMETRY_CLIENTS_MAX)
        must(room_make(t, NULL));
    struct client *c = calloc(1, sizeof *c);
    must(c != NULL);
    memcpy(c->id, id, sizeof c->id);
    id_write(id, c->id_text);
    struct client **bucket = bucket_of(t, id);
    c->next = *bucket;
    *bucket = c;
    list_init(&c->recent);
    t->bytes += client_bytes(c);
    t->count++;
    return c;
}

/* What it is to push, by the subscriptions of now: t->list.metrics and its own words. */
static void
client_judge(struct telemetry *t, struct client *c)
{
    struct view attributes[TELEMETRY_ATTRIBUTES] = {
        [TELEMETRY_CLIENT_INSTANCE_ID] = view_of_text(c->id_text),
        [TELEMETRY_SOURCE_ADDRESS] = view_of_text(c->address),
        [TELEMETRY_SOURCE_PORT] = view_of_text(c->port)};
    if (c->client_id_known)
        attributes[TELEMETRY_CLIENT_ID] = view_of_text(c->client_id);
    if (c->software_known) {
        attributes[TELEMETRY_SOFTWARE_NAME] = view_of_text(c->software_name);
        attributes[TELEMETRY_SOFTWARE_VERSION] = view_of_text(c->software_version);
    }
    int32_t interval_ms = telemetry_match_all(&t->list, attributes);
    if (c->version != t->version) /* other subscriptions: at once, as in Kafka */
        c->got_ms = c->pushed_ms = 0;
    uint32_t crc = 0;
    for (uint32_t i = 0; i < t->list.metric_count; i++) {
        crc = crc32c(crc, t->list.metrics[i].at, t->list.metrics[i].len);
        crc = crc32c(crc, ",", 1);
    }
    uint8_t interval[4];
    set_u32(interval, (uint32_t)interval_ms);
    crc = crc32c(crc, interval, sizeof interval);
    c->subscription_id = (int32_t)(crc ^ get_u32(c->id) ^ get_u32(c->id + 4) ^ get_u32(c->id + 8) ^
                                   get_u32(c->id + 12));
    c->interval_ms = interval_ms;
    c->version = t->version;
}

/* The client of a request, made when it is not known. */
static struct client *
client_of(struct telemetry *t, int64_t now_ms, const uint8_t *id, const struct telemetry_peer *peer)
{
    char port[8];
    telemetry_expire(t, now_ms);
    struct client *c = client_find(t, id);
    (void)snprintf(port, sizeof port, "%u", peer->port);
    bool known = c && strcmp(c->address, peer->address) == 0 && strcmp(c->port, port) == 0;
    if (!c)
        c = client_add(t, id);
    if (!known)
        client_connect(c, peer);
    if (c->version != t->version)
        client_judge(t, c);
    int64_t silence_ms = 3 * (int64_t)c->interval_ms;
    silence_ms = silence_ms > TELEMETRY_EXPIRY_MS ? silence_ms : TELEMETRY_EXPIRY_MS;
    c->seen_ms = now_ms;
    list_remove(&c->recent);
    list_push_back(&t->recent, &c->recent);
    heap_remove(&t->deadlines, &c->deadline);
    must(heap_add(&t->deadlines, &c->deadline, (uint64_t)(now_ms + silence_ms)));
    return c;
}

void
telemetry_expire(struct telemetry *t, int64_t now_ms)
{
    struct heap_node *n;
    while ((n = heap_first(&t->deadlines)) && now_ms >= 0 && n->key <= (uint64_t)now_ms)
        client_forget(t, heap_item(n, struct client, deadline));
}

/* ---- Life ---- */

struct telemetry *
telemetry_new(const struct telemetry_config *config)
{
    struct telemetry *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->config = *config;
    t->list.regex = config->regex;
    t->version = 1;
    t->config.random(t->config.user, t->key, sizeof t->key);
    list_init(&t->recent);
    heap_init(&t->deadlines, t->nodes, TELEMETRY_CLIENTS_MAX);
    return t;
}

void
telemetry_free(struct telemetry *t)
{
    if (!t)
        return;
    while (!list_empty(&t->recent))
        client_forget(t, list_item(list_first(&t->recent), struct client, recent));
    telemetry_match_clear(&t->list);
    free(t);
}

void
telemetry_subscribe_begin(struct telemetry *t)
{
    telemetry_match_clear(&t->list);
}

void
telemetry_subscribe(struct telemetry *t, const struct telemetry_subscription *s)
{
    telemetry_match_add(&t->list, s);
}

void
telemetry_subscribe_end(struct telemetry *t)
{
    t->version++;
}

/* ---- Requests ---- */

/* True when an interval is over; a clock that was set back ends it too. */
static bool
interval_over(const struct client *c, int64_t since_ms, int64_t now_ms)
{
    return now_ms < since_ms || now_ms - since_ms >= c->interval_ms;
}

int16_t
telemetry_get(struct telemetry *t, int64_t now_ms, const uint8_t id[TELEMETRY_ID_BYTES],
              const struct telemetry_peer *peer, struct telemetry_grant *out)
{
    uint8_t drawn[TELEMETRY_ID_BYTES];
    if (id_is(id, 0)) {
        id_draw(t, drawn);
        id = drawn;
    }
    struct client *c = client_of(t, now_ms, id, peer);
    int64_t last_ms = c->got_ms > c->pushed_ms ? c->got_ms : c->pushed_ms;
    bool asked = c->error == KERR_UNKNOWN_SUBSCRIPTION_ID ||
                 c->error == KERR_UNSUPPORTED_COMPRESSION_TYPE; /* it was told to ask */
    if (interval_over(c, last_ms, now_ms)) {
        c->got_ms = now_ms;
    } else if (!asked) {
        t->stats.throttled++;
        return KERR_THROTTLING_QUOTA_EXCEEDED;
    }
    client_judge(t, c);
    c->error = KERR_NONE;
    *out = (struct telemetry_grant){.subscription_id = c->subscription_id,
                                    .interval_ms = c->interval_ms,
                                    .metrics = t->list.metrics,
                                    .metric_count = t->list.metric_count};
    memcpy(out->id, c->id, sizeof out->id);
    return KERR_NONE;
}

static int16_t
push_judge(struct telemetry *t, int64_t now_ms, struct client *c, const struct telemetry_push *p)
{
    if (c->terminating)
        return KERR_INVALID_REQUEST;
    /* The first one after an answer may come early: clients wait for half an interval to one and a
     * half, so that not all push at once. */
    bool on_time = c->got_ms > c->pushed_ms || interval_over(c, c->pushed_ms, now_ms);
    if (on_time)
        c->pushed_ms = now_ms;
    if (!on_time && !p->terminating) {
        t->stats.throttled++;
        return KERR_THROTTLING_QUOTA_EXCEEDED;
    }
    if (p->subscription_id != c->subscription_id) {
        t->stats.unknown_subscriptions++;
        return KERR_UNKNOWN_SUBSCRIPTION_ID;
    }
    if (p->codec < BATCH_NONE || p->codec >= BATCH_CODECS)
        return KERR_UNSUPPORTED_COMPRESSION_TYPE;
    if (p->metrics.len > t->config.bytes_max) {
        t->stats.too_large++;
        return KERR_TELEMETRY_TOO_LARGE;
    }
    return KERR_NONE;
}

/* ERR_OK: *out is to be freed. */
static int
inflate(const struct telemetry_push *p, uint8_t **out, uint32_t *bytes)
{
    struct batch_inflate *z;
    uint32_t room = INFLATED_FIRST, n;
    uint8_t *from;
    int rc = batch_inflate_open((enum batch_codec)p->codec, p->metrics, &z);
    if (rc != ERR_OK)
        return rc;
    *bytes = 0;
    *out = malloc(room);
    must(*out != NULL);
    while ((rc = batch_inflate_more(z, &from, &n)) == ERR_OK && n > 0) {
        if (n > TELEMETRY_INFLATED_MAX - *bytes) {
            rc = ERR_LIMIT;
            break;
        }
        while (n > room - *bytes)
            room *= 2;
        *out = realloc(*out, room);
        must(*out != NULL);
        memcpy(*out + *bytes, from, n);
        *bytes += n;
    }
    if (rc != ERR_OK)
        free(*out);
    return rc;
}

struct taking {
    struct telemetry *telemetry;
    struct client *client;
    struct view resource;
    int err;
};

static int
labels_take(struct client *c, struct view resource)
{
    uint8_t text[TELEMETRY_LABEL_BYTES_MAX];
    struct put w = put_of(text, sizeof text);
    int rc = telemetry_otlp_labels(resource, TELEMETRY_OTLP_RESOURCE, &w);
    if (rc == ERR_CORRUPT)
        return rc;
    free(c->labels);
    c->labels = NULL;
    c->label_bytes = rc == ERR_OK ? put_len(&w) : 0; /* more than fits: none */
    if (c->label_bytes == 0)
        return ERR_OK;
    c->labels = malloc(c->label_bytes);
    must(c->labels != NULL);
    memcpy(c->labels, text, c->label_bytes);
    return ERR_OK;
}

static bool
point_take(void *user, const struct telemetry_point *p)
{
    struct taking *x = user;
    if (p->resource.at != x->resource.at) { /* clients have one */
        x->resource = p->resource;
        x->err = labels_take(x->client, p->resource);
        if (x->err != ERR_OK)
            return false;
    }
    if (!isfinite(p->value)) /* an average of nothing */
        return true;
    int rc = telemetry_series_take(&x->client->series, p, x->client->pushes);
    if (rc == ERR_LIMIT)
        x->telemetry->stats.series_dropped++;
    x->err = rc == ERR_LIMIT ? ERR_OK : rc;
    return x->err == ERR_OK;
}

/* What makes no sense is refused, but what came before it stays. */
static int
metrics_take(struct telemetry *t, struct client *c, struct view data)
{
    struct taking x = {t, c, .err = ERR_OK};
    struct telemetry_walk w = {.each = point_take, .user = &x};
    t->bytes -= client_bytes(c);
    t->series -= c->series.count;
    c->pushes++;
    int rc = telemetry_otlp_walk(data, &w);
    t->stats.series_dropped += w.unkept;
    t->bytes += client_bytes(c);
    t->series += c->series.count;
    while (t->bytes > TELEMETRY_MEMORY_MAX && room_make(t, c))
        continue;
    return rc == ERR_OK ? x.err : rc;
}

static int
payload_take(struct telemetry *t, struct client *c, const struct telemetry_push *p)
{
    uint8_t *at;
    uint32_t bytes;
    if (p->metrics.len == 0)
        return ERR_OK;
    if (p->codec == BATCH_NONE)
        return metrics_take(t, c, p->metrics);
    int rc = inflate(p, &at, &bytes);
    if (rc != ERR_OK)
        return rc;
    rc = metrics_take(t, c, view_of(at, bytes));
    free(at);
    return rc;
}

int16_t
telemetry_push(struct telemetry *t, int64_t now_ms, const struct telemetry_peer *peer,
               const struct telemetry_push *push)
{
    if (id_reserved(push->id))
        return KERR_INVALID_REQUEST;
    struct client *c = client_of(t, now_ms, push->id, peer);
    c->error = push_judge(t, now_ms, c, push);
    c->terminating = push->terminating;
    if (c->error != KERR_NONE)
        return c->error;
    t->stats.pushes++;
    if (payload_take(t, c, push) != ERR_OK) {
        t->stats.malformed++;
        c->error = KERR_INVALID_RECORD;
    }
    return c->error;
}

/* ---- What arrived ---- */

struct telemetry_stats
telemetry_stats(const struct telemetry *t)
{
    struct telemetry_stats s = t->stats;
    s.clients = t->count;
    s.series = t->series;
    s.bytes = t->bytes;
    return s;
}

/* False: `each` said so. */
static bool
client_tell(const struct client *c, telemetry_value_fn *each, void *user)
{
    struct telemetry_client client = {.client_id = c->client_id,
                                      .software_name = c->software_name,
                                      .software_version = c->software_version,
                                      .address = c->address,
                                      .labels = view_of(c->labels, c->label_bytes),
                                      .pushed_ms = c->pushed_ms};
    memcpy(client.id, c->id, sizeof client.id);
    for (uint32_t i = 0; i < c->series.count; i++) {
        const struct telemetry_one *o = c->series.items[i];
        struct telemetry_value value = {.name = view_of(o->text, o->name_bytes),
                                        .labels = view_of(o->text + o->name_bytes, o->label_bytes),
                                        .counter = o->sum && o->monotonic,
                                        .value = o->value};
        if ((o->sum || o->push == c->pushes) && !each(user, &client, &value))
            return false;
    }
    return true;
}

uint32_t
telemetry_bucket(const struct telemetry *t, uint32_t bucket, telemetry_value_fn *each, void *user)
{
    must(bucket < BUCKETS);
    const struct client *c = t->buckets[bucket];
    while (c && client_tell(c, each, user))
        c = c->next;
    return c ? 0 : BUCKETS;
}

void
telemetry_each(const struct telemetry *t, telemetry_value_fn *each, void *user)
{
    uint32_t bucket = 0;
    while (bucket < BUCKETS && telemetry_bucket(t, bucket, each, user))
        bucket++;
}

bool
telemetry_label_next(struct view *labels, struct view *key, struct view *value)
{
    struct view *parts[] = {key, value};
    if (labels->len == 0)
        return false;
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t *end = memchr(labels->at, 0, labels->len);
        must(end != NULL);
        *parts[i] = view_of(labels->at, (uint32_t)(end - labels->at));
        *labels = view_of(end + 1, labels->len - parts[i]->len - 1);
    }
    return true;
}
