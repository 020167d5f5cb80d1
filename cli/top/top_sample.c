#include "cli/top/top.h"

#include <stdlib.h>

enum { PATH_BYTES = 128 };

/* Documents of the endpoint; lists are kept by their items. */
static const struct {
    const char *name;
    bool list;
} documents[] = {
    {"cluster", false}, {"cores", true},     {"partitions", true}, {"groups", true},
    {"drops", true},    {"processes", true}, {"errors", true},     {"histograms", true},
};

static json_t *
document_read(const char *address, const char *name, bool list, int timeout_ms,
              char error[TOP_ERROR_BYTES])
{
    char path[PATH_BYTES], why[TOP_ERROR_BYTES] = "";
    json_error_t bad;
    size_t bytes;
    snprintf(path, sizeof path, list ? "/v1/%s?limit=%d" : "/v1/%s", name, TOP_LIMIT);
    char *text = top_http(address, path, timeout_ms, &bytes, why);
    json_t *all = text ? json_loadb(text, bytes, 0, &bad) : NULL;
    free(text);
    if (!all) {
        snprintf(error, TOP_ERROR_BYTES, "%.64s: %.180s", path, *why ? why : "not JSON");
        return NULL;
    }
    if (!list)
        return all;
    json_t *items = json_incref(json_object_get(all, "items"));
    json_decref(all);
    if (!json_is_array(items)) {
        json_decref(items);
        snprintf(error, TOP_ERROR_BYTES, "%.64s: it has no items", path);
        return NULL;
    }
    return items;
}

json_t *
top_sample(const char *address, int timeout_ms, char error[TOP_ERROR_BYTES])
{
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        json_t *one =
            document_read(address, documents[i].name, documents[i].list, timeout_ms, error);
        if (!one) {
            json_decref(all);
            return NULL;
        }
        json_object_set_new(all, documents[i].name, one);
    }
    return all;
}
