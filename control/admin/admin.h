/* admin.h: what answers the HTTP endpoint: /metrics, /metrics/internal, /livez, /readyz and /v1.
 * Runs in the endpoint's thread (core/net/http.h).  It reads the region's tables and counters, and
 * asks control's loop for groups and transactions at the desk, so it disturbs neither.  Only reads:
 * GET and HEAD.
 *
 * Errors have one form: a JSON object {code, message, details}. */
#ifndef SLUICE_ADMIN_ADMIN_H
#define SLUICE_ADMIN_ADMIN_H

#include "control/census/census_desk.h"
#include "control/metrics/metrics.h"
#include "core/net/http.h"
#include "core/shm/netview.h"

enum {
    ADMIN_WAIT_MS = 500,        /* for control's loop; then with what it told before */
    ADMIN_NET_WAIT_MS = 2000,   /* for all pages of a list of the cores' network stacks */
    ADMIN_LIMIT_MAX = 10000,    /* items of one list */
    ADMIN_LIMIT_DEFAULT = 1000, /* the same, without a limit in the query */
    ADMIN_SILENCE_MS = 5000,    /* without a sign of life a process is not alive */
    ADMIN_MESSAGE_BYTES = 512,
};

struct admin_config {
    const struct region *region; /* borrowed for ever, as the next two */
    const struct conf *conf;
    struct census_desk *desk;
    uint64_t (*now_ns)(void); /* CLOCK_MONOTONIC */
    int64_t (*wall_ms)(void);
    void (*process)(int32_t pid, struct metrics_process *out); /* NULL: not known */
    void (*disk)(const char *dir, struct metrics_disk *out);   /* NULL: not known */
    void (*pause)(void); /* a moment, while a core fills a page */
    /* Connections of the listeners that the kernel has; NULL: not known.  Negative enum err. */
    int (*connections)(const struct conf *conf,
                       void (*row)(void *user, const struct netview_connection *k), void *user);
};

struct admin;

struct admin *admin_new(const struct admin_config *config);
void admin_free(struct admin *a);

/* user: struct admin. */
http_handle_fn admin_handle;

/* The description of /v1 as OpenAPI 3.0, JSON; to be freed. */
char *admin_openapi(void);

#endif
