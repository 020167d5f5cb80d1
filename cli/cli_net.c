/* cli_net.c: sluice net, sluice slow: documents of the HTTP endpoint (docs/http.md) as tables. */
#include "cli/cli.h"
#include "cli/command/sheet.h"
#include "cli/top/top.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATH_BYTES = 128, HTTP_MS = 5000 };

#define COLUMNS(...)                                                                               \
    (const struct sheet_column[]){__VA_ARGS__},                                                    \
        sizeof((const struct sheet_column[]){__VA_ARGS__}) / sizeof(struct sheet_column)

static const struct document {
    enum command_id id;
    const char *path;
    bool list;
    const char *kernel; /* with kernel sockets: who knows; NULL: we do */
    const struct sheet_column *columns;
    uint32_t count;
} documents[] = {
    {COMMAND_NET_INFO, "/v1/net", false, NULL,
     COLUMNS({"net", "Network"}, {"device", "Device"}, {"address", "Addresses"},
             {"routes", "Routes"}, {"cores", "Cores"}, {"connections", "Connections"},
             {"handshakes", "Handshakes"}, {"time_wait", "TIME_WAIT"}, {"neighbours", "Neighbours"},
             {"drops", "Drops"})},
    {COMMAND_NET_PORTS, "/v1/net/ports", true, "ip -s link",
     COLUMNS({"core", "CORE"}, {"port", "PORT"}, {"name", "DEVICE"}, {"mac", "MAC"},
             {"link", "LINK"}, {"mtu", "MTU"}, {"vlan", "VLAN"}, {"queue", "QUEUE"},
             {"queues", "QUEUES"}, {"checksums", "CHECKSUMS"}, {"segments", "SEGMENTS"},
             {"payload", "PAYLOAD"}, {"sent_by_reference", "REFERENCED"},
             {"sent_copied", "COPIED"})},
    {COMMAND_NET_ADDRESSES, "/v1/net/addresses", true, "ip address",
     COLUMNS({"port", "PORT"}, {"address", "ADDRESS"}, {"state", "STATE"})},
    {COMMAND_NET_ROUTES, "/v1/net/routes", true, "ip route",
     COLUMNS({"port", "PORT"}, {"to", "TO"}, {"via", "VIA"})},
    {COMMAND_NET_NEIGHBOURS, "/v1/net/neighbours", true, "ip neighbour",
     COLUMNS({"core", "CORE"}, {"port", "PORT"}, {"address", "ADDRESS"}, {"mac", "MAC"},
             {"state", "STATE"}, {"age_ms", "AGE-MS"})},
    {COMMAND_NET_CONNECTIONS, "/v1/net/connections", true, NULL,
     COLUMNS({"core", "CORE"}, {"state", "STATE"}, {"local", "LOCAL"}, {"remote", "REMOTE"},
             {"rtt_us", "RTT-US"}, {"cwnd", "CWND"}, {"in_flight", "FLIGHT"},
             {"send_window", "SEND-WND"}, {"receive_window", "RECV-WND"}, {"unread", "UNREAD"},
             {"unsent", "UNSENT"}, {"resent", "RESENT"}, {"timeouts", "TIMEOUTS"})},
    {COMMAND_NET_DROPS, "/v1/net/drops", true, "nstat -a, ip -s link",
     COLUMNS({"port", "PORT"}, {"part", "PART"}, {"reason", "REASON"}, {"count", "COUNT"},
             {"help", "MEANING"})},
    {COMMAND_SLOW, "/v1/slowest", true, NULL,
     COLUMNS({"core", "CORE"}, {"at", "AT-UTC"}, {"client", "CLIENT"}, {"total", "TOTAL-US"},
             {"queue", "QUEUE"}, {"durable", "DURABLE"}, {"send", "SEND"}, {"frame", "FRAME"},
             {"extent", "EXTENT"}, {"turn", "TURN"}, {"turn_place", "WHERE"})},
};

static json_t *
get(const char *address, const char *path, char error[TOP_ERROR_BYTES])
{
    json_error_t bad;
    size_t bytes;
    char why[TOP_ERROR_BYTES] = "";
    char *text = top_http(address, path, HTTP_MS, &bytes, why);
    json_t *all = text ? json_loadb(text, bytes, 0, &bad) : NULL;
    free(text);
    if (!all)
        snprintf(error, TOP_ERROR_BYTES, "%.64s: %.180s", path, *why ? why : "not JSON");
    return all;
}

/* All items of a list, page by page. */
static json_t *
list_get(const char *address, const char *document, char error[TOP_ERROR_BYTES])
{
    json_t *items = json_array();
    for (size_t total = 1, skip = 0; skip < total; skip += TOP_LIMIT) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s?limit=%d&skip=%zu", document, TOP_LIMIT, skip);
        json_t *page = get(address, path, error);
        if (!page || json_array_extend(items, json_object_get(page, "items"))) {
            if (page)
                snprintf(error, TOP_ERROR_BYTES, "%.64s: it has no items", document);
            json_decref(page);
            json_decref(items);
            return NULL;
        }
        total = (size_t)json_integer_value(json_object_get(page, "total"));
        json_decref(page);
    }
    return items;
}

/* ---- text: what people read is shorter than what programs get ---- */

static bool
is(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static void
port_shorten(json_t *o)
{
    static const char *const sums[] = {"-", "tx", "rx", "tx,rx"};
    long long mbps = json_integer_value(json_object_get(o, "link_mbps"));
    char link[32];
    snprintf(link, sizeof link, is(o, "link_up") ? mbps ? "%lld Mb/s" : "up" : "down", mbps);
    json_object_set_new(o, "link", json_string(link));
    json_object_set_new(o, "checksums",
                        json_string(sums[is(o, "tx_checksums") + 2 * is(o, "rx_checksums")]));
    json_object_set_new(o, "segments",
                        json_string(json_integer_value(json_object_get(o, "tx_burst_bytes"))
                                        ? "device"
                                        : "software"));
    json_object_set_new(o, "payload",
                        json_string(is(o, "by_reference") ? "by reference" : "copied"));
}

/* -1: of none. */
static void
none_hide(json_t *o, const char *key)
{
    if (json_integer_value(json_object_get(o, key)) < 0)
        json_object_set_new(o, key, json_null());
}

static void
slow_shorten(json_t *o)
{
    static const char *const times[] = {"total", "queue",  "durable", "send",
                                        "frame", "extent", "turn"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_ns", times[i]);
        json_object_set_new(o, times[i],
                            json_integer(json_integer_value(json_object_get(o, key)) / 1000));
    }
    json_int_t at_ms = json_integer_value(json_object_get(o, "at_ms"));
    time_t at = (time_t)(at_ms / 1000);
    struct tm utc = {0};
    char clock[32];
    (void)gmtime_r(&at, &utc);
    snprintf(clock, sizeof clock, "%02d:%02d:%02d.%03d", utc.tm_hour, utc.tm_min, utc.tm_sec,
             (int)(at_ms % 1000));
    json_object_set_new(o, "at", json_string(clock));
}

static void
text_print(const struct document *d, json_t *value, FILE *out)
{
    if (!d->list) {
        sheet_list(value, d->columns, d->count, out);
        return;
    }
    for (size_t i = json_array_size(value); i-- > 0;) {
        json_t *o = json_array_get(value, i);
        if (d->id == COMMAND_NET_PORTS)
            port_shorten(o);
        if (d->id == COMMAND_SLOW)
            slow_shorten(o);
        none_hide(o, "core");
        none_hide(o, "port");
        if (d->id == COMMAND_NET_DROPS && !json_integer_value(json_object_get(o, "count")))
            json_array_remove(value, i);
    }
    sheet_table(value, d->columns, d->count, out);
}

static const struct document *
document_of(enum command_id id)
{
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        if (documents[i].id == id)
            return &documents[i];
    return NULL;
}

bool
cli_net_has(enum command_id id)
{
    return document_of(id) != NULL;
}

/* With kernel sockets an empty list is no finding: says who knows. */
static void
kernel_tell(const struct document *d, const char *address)
{
    char error[TOP_ERROR_BYTES];
    json_t *net = d->kernel ? get(address, "/v1/net", error) : NULL;
    const char *kind = json_string_value(json_object_get(net, "net"));
    if (kind && strcmp(kind, "kernel") == 0)
        fprintf(stderr, "sluice: the broker uses kernel sockets: %s\n", d->kernel);
    json_decref(net);
}

int
cli_net(const struct command_line *line, FILE *out)
{
    const struct document *d = document_of(line->command->id);
    const char *address = command_text(line, "--metrics");
    char error[TOP_ERROR_BYTES] = "";
    must(d);
    json_t *value = d->list ? list_get(address, d->path, error) : get(address, d->path, error);
    if (!value) {
        fprintf(stderr, "sluice: %s: name the broker's metrics.listener with --metrics HOST:PORT\n",
                error);
        return CLI_EXIT_FAILED;
    }
    if (d->list && json_array_size(value) == 0)
        kernel_tell(d, address);
    if (strcmp(command_text(line, "--format"), "json") == 0)
        sheet_json(value, out);
    else
        text_print(d, value, out);
    json_decref(value);
    return fflush(out) ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
