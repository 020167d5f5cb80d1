/* core_fixture.h: the handlers over an image, bytes in and bytes out; the log is meta_apply alone.
 */
#ifndef SLUICE_TESTS_CORE_FIXTURE_H
#define SLUICE_TESTS_CORE_FIXTURE_H

#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXTURE_ARENA_BYTES = 16 << 20, FIXTURE_REQUEST_BYTES = 1 << 20 };

struct core_fixture {
    struct conf conf;
    struct server_core core;
    uint32_t appends;
    int append_error;
    uint64_t random;
    uint8_t request[FIXTURE_REQUEST_BYTES];
    uint8_t *arena_at;
    struct wire_arena arena;
    struct server_result result;
};

static int
core_fixture_append(void *user, struct view records)
{
    struct core_fixture *f = user;
    if (f->append_error)
        return f->append_error;
    f->appends++;
    return meta_apply(&f->core.image, 1, f->core.image.index + 1, records);
}

static void
core_fixture_random(void *user, void *at, size_t bytes)
{
    struct core_fixture *f = user;
    for (size_t i = 0; i < bytes; i++) {
        f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)at)[i] = (uint8_t)(f->random >> 56);
    }
}

/* Expressions of the tests: ".*" is anything, "[" is not valid, the rest stands for itself. */
static inline void *
core_fixture_compile(const void *pattern, uint32_t len, char why[REGEX_ERROR_BYTES])
{
    why[0] = '\0';
    return len && memchr(pattern, '[', len) ? NULL : strndup(pattern, len);
}

static inline bool
core_fixture_matches(void *regex, const void *text, uint32_t len)
{
    const char *pattern = regex;
    return strcmp(pattern, ".*") == 0 ||
           (strlen(pattern) == len && memcmp(pattern, text, len) == 0);
}

static const struct regex_port core_fixture_regex = {core_fixture_compile, core_fixture_matches,
                                                     free};

/* With more lines of configuration. */
static inline struct core_fixture *
core_fixture_conf(const char *lines)
{
    struct core_fixture *f = calloc(1, sizeof *f);
    char error[CONF_ERROR_BYTES];
    assert_non_null(f);
    conf_defaults(&f->conf);
    assert_int_equal(conf_parse(&f->conf,
                                "advertised.listeners=PLAINTEXT://kafka.example:9999\n"
                                "num.partitions=3\ntopics.max=64\npartitions.max=256\nnode.id=7\n",
                                CONF_OPTION, error),
                     ERR_OK);
    assert_int_equal(conf_parse(&f->conf, lines, CONF_OPTION, error), ERR_OK);
    assert_int_equal(server_core_init(&f->core, &f->conf, "abcdefghijklmnopqrstuv"), ERR_OK);
    f->core.append = core_fixture_append;
    f->core.random = core_fixture_random;
    f->core.regex = &core_fixture_regex;
    f->core.user = f;
    f->arena_at = malloc(FIXTURE_ARENA_BYTES);
    assert_non_null(f->arena_at);
    return f;
}

static inline struct core_fixture *
core_fixture_new(void)
{
    return core_fixture_conf("");
}

static inline void
core_fixture_free(struct core_fixture *f)
{
    server_core_free(&f->core);
    free(f->arena_at);
    free(f);
}

/* Writes header and body; returns the request's length. */
static inline uint32_t
core_fixture_encode(struct core_fixture *f, int16_t key, int16_t version, const void *request)
{
    const struct wire_api *api = wire_api_find(key);
    assert_non_null(api);
    struct put w = put_of(f->request, sizeof f->request);
    put_u16(&w, (uint16_t)key);
    put_u16(&w, (uint16_t)version);
    put_u32(&w, 4711);
    put_u16(&w, 0xffff); /* no client id */
    if (version >= api->flexible_min)
        put_u8(&w, 0);
    assert_int_equal(wire_encode(api->request, version, request, &w), ERR_OK);
    assert_false(w.bad);
    return put_len(&w);
}

/* Asks, and decodes the answer into `response`. */
static inline void
core_fixture_ask(struct core_fixture *f, int16_t key, int16_t version, const void *request,
                 void *response)
{
    const struct wire_api *api = wire_api_find(key);
    uint32_t len = core_fixture_encode(f, key, version, request);
    wire_arena_init(&f->arena, f->arena_at, FIXTURE_ARENA_BYTES);
    assert_int_equal(server_dispatch(&f->core, view_of(f->request, len), 0, &f->arena, &f->result),
                     ERR_OK);
    struct cur c = cur_of(f->result.bytes);
    assert_int_equal(cur_u32(&c), 4711);
    if (version >= api->flexible_min)
        assert_int_equal(cur_u8(&c), 0);
    assert_int_equal(
        wire_decode(api->response, version, view_of(c.at, cur_left(&c)), response, &f->arena),
        ERR_OK);
}

static inline void
assert_view(struct view v, const char *text)
{
    if (!view_equal(v, view_of_text(text)))
        print_error("'%.*s' is not '%s'\n", (int)v.len, v.at ? (const char *)v.at : "(null)", text);
    assert_true(view_equal(v, view_of_text(text)));
}

/* Creates a topic through the protocol; returns its error code. */
static inline int16_t
core_fixture_create(struct core_fixture *f, const char *name, int32_t partitions)
{
    struct wire_create_topics_request_creatable_topic topic = {
        .name = view_of_text(name), .num_partitions = partitions, .replication_factor = -1};
    struct wire_create_topics_request request = {.topics = {&topic, 1}, .timeout_ms = 1000};
    struct wire_create_topics_response response;
    core_fixture_ask(f, WIRE_API_CREATE_TOPICS, 7, &request, &response);
    assert_int_equal(response.topics.count, 1);
    return response.topics.items[0].error_code;
}

#endif
