/* admin_fixture.h: an endpoint over the census fixture's region: ask it, get status and JSON. */
#ifndef SLUICE_TESTS_ADMIN_FIXTURE_H
#define SLUICE_TESTS_ADMIN_FIXTURE_H

#include "control/admin/admin_in.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/shm/netview.h"
#include "tests/unit/control/census/census_fixture.h"

struct admin_fixture {
    struct region region;
    struct conf conf;
    struct census_desk *desk;
    struct admin *admin;
    const char *accept;
    char query[64]; /* "name=value" of the next requests */
    struct http_reply reply;
    json_t *json;
};

static uint64_t admin_fixture_ns = 60 * CLOCK_NS_PER_S;

static inline uint64_t
admin_fixture_now(void)
{
    return admin_fixture_ns;
}

static inline int64_t
admin_fixture_wall(void)
{
    return 7500;
}

/* Control, in the asking thread: it gives the fixture's groups whenever it is woken. */
static inline void
admin_fixture_wake(void *user)
{
    (void)user;
}

static inline void
admin_fixture_give(struct admin_fixture *f)
{
    uint64_t ticket;
    struct census *c = calloc(1, sizeof *c);
    census_fixture_groups(c);
    (void)census_desk_asked(f->desk, &ticket);
    census_desk_give(f->desk, c, ticket);
}

static inline void
admin_fixture_process(int32_t pid, struct metrics_process *out)
{
    out->known = true;
    out->resident_bytes = (uint64_t)pid * 10;
    out->cpu_ns = 5;
}

static inline void
admin_fixture_disk(const char *dir, struct metrics_disk *out)
{
    *out = (struct metrics_disk){strcmp(dir, "./data") == 0, 10, 20};
}

/* The cores, in the asking thread: each pause is a turn of theirs that fills one row of `rows`. */
static struct admin_fixture_core {
    struct netview *view[CENSUS_SHARDS];
    struct netview_answer answer[CENSUS_SHARDS];
    const struct netview_row *rows[NETVIEW_LISTS];
    uint32_t counts[NETVIEW_LISTS];
    bool silent;
} admin_fixture_cores;

static inline void
admin_fixture_pause(void)
{
    struct admin_fixture_core *f = &admin_fixture_cores;
    admin_fixture_ns += CLOCK_NS_PER_MS;
    for (uint32_t i = 0; i < CENSUS_SHARDS && !f->silent; i++) {
        struct netview_answer *a = &f->answer[i];
        if (!netview_asked(f->view[i], a))
            continue;
        bool end = a->at >= f->counts[a->list];
        struct netview_row *row = netview_free(f->view[i], a);
        if (end || !row) {
            netview_answer_end(f->view[i], a, end);
            continue;
        }
        *row = f->rows[a->list][a->at++];
        netview_keep(a);
    }
}

static inline int
admin_fixture_connections(const struct conf *conf,
                          void (*row)(void *user, const struct netview_connection *k), void *user)
{
    struct netview_connection k = {
        .state = "ESTABLISHED", .local_port = 9092, .remote_port = 40000, .srtt_us = 25};
    k.local_ip[10] = k.local_ip[11] = k.remote_ip[10] = k.remote_ip[11] = 0xff;
    k.local_ip[12] = 10;
    (void)conf;
    row(user, &k);
    return ERR_OK;
}

static inline struct admin_fixture *
admin_fixture_new(void)
{
    struct admin_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    conf_defaults(&f->conf);
    census_fixture_region(&f->region);
    census_fixture_start(&f->region, admin_fixture_ns);
    f->desk = census_desk_new(admin_fixture_wake, f);
    struct admin_config c = {.region = &f->region,
                             .conf = &f->conf,
                             .desk = f->desk,
                             .now_ns = admin_fixture_now,
                             .wall_ms = admin_fixture_wall,
                             .process = admin_fixture_process,
                             .disk = admin_fixture_disk,
                             .pause = admin_fixture_pause,
                             .connections = admin_fixture_connections};
    admin_fixture_cores = (struct admin_fixture_core){0};
    for (uint32_t i = 0; i < CENSUS_SHARDS; i++) {
        admin_fixture_cores.view[i] = region_netview(&f->region, i);
        netview_answer_init(admin_fixture_cores.view[i], &admin_fixture_cores.answer[i]);
    }
    f->admin = admin_new(&c);
    f->accept = "";
    return f;
}

static inline const char *
admin_fixture_query(const struct http_request *q, const char *name)
{
    const struct admin_fixture *f = q->driver;
    size_t n = strlen(name);
    return strncmp(f->query, name, n) == 0 && f->query[n] == '=' ? f->query + n + 1 : NULL;
}

static inline void
admin_fixture_send(struct admin_fixture *f, const char *method, const char *path)
{
    struct http_request q = {.method = method,
                             .path = path,
                             .accept = f->accept,
                             .query = admin_fixture_query,
                             .driver = f};
    free(f->reply.body);
    f->reply = (struct http_reply){0};
    admin_handle(f->admin, &q, &f->reply);
    assert_non_null(f->reply.body);
    assert_non_null(f->reply.type);
}

/* GET; the JSON is lent until the next one. */
static inline json_t *
admin_fixture_get(struct admin_fixture *f, const char *path, uint32_t status)
{
    json_error_t error;
    admin_fixture_send(f, "GET", path);
    assert_int_equal(f->reply.status, status);
    json_decref(f->json);
    f->json = json_loadb(f->reply.body, f->reply.bytes, 0, &error);
    assert_non_null(f->json);
    return f->json;
}

static inline json_t *
admin_fixture_item(json_t *list, size_t i)
{
    return json_array_get(json_object_get(list, "items"), i);
}

static inline const char *
admin_fixture_text(json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    assert_non_null(text);
    return text;
}

static inline json_int_t
admin_fixture_number(json_t *o, const char *name)
{
    assert_true(json_is_integer(json_object_get(o, name)));
    return json_integer_value(json_object_get(o, name));
}

static inline void
admin_fixture_free(struct admin_fixture *f)
{
    free(f->reply.body);
    json_decref(f->json);
    admin_free(f->admin);
    census_desk_free(f->desk);
    region_destroy(&f->region);
    free(f);
}

#endif
