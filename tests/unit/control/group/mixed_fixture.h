/* mixed_fixture.h: members of both protocols in one group, over consumer_fixture.h.  A classic
 * member offers "range" with a subscription in the consumer's embedded protocol. */
#ifndef SLUICE_TESTS_MIXED_FIXTURE_H
#define SLUICE_TESTS_MIXED_FIXTURE_H

#include "control/group/group_mixed.h"
#include "tests/unit/control/group/consumer_fixture.h"

struct embedded {
    const char *topics; /* "t1,t2" */
    const char *owned;  /* NULL: none */
    int16_t version;
};

static inline struct view
mf_subscription(const struct embedded *e)
{
    static uint8_t out[8][2048];
    static unsigned turn;
    static struct group_part parts[CF_PARTS];
    struct put w = put_of(out[++turn % 8], sizeof out[0]);
    uint32_t topics = (uint32_t)(strlen(e->topics) + 1) / 3;
    put_u16(&w, (uint16_t)e->version);
    put_u32(&w, topics);
    for (uint32_t i = 0; i < topics; i++) {
        put_u16(&w, 2);
        put_bytes(&w, e->topics + (size_t)i * 3, 2);
    }
    put_u32(&w, UINT32_MAX);
    uint32_t count = e->owned ? cf_parts(e->owned, parts) : 0;
    if (e->version >= 1) {
        put_u32(&w, count);
        for (uint32_t i = 0; i < count; i++) {
            char name[3] = {'t', (char)('0' + parts[i].topic[0]), 0};
            put_u16(&w, 2);
            put_bytes(&w, name, 2);
            put_u32(&w, 1);
            put_u32(&w, (uint32_t)parts[i].partition);
        }
    }
    if (e->version >= 2)
        put_u32(&w, 7);
    if (e->version >= 3)
        put_u16(&w, UINT16_MAX);
    assert_false(w.bad);
    return view_of(w.start, put_len(&w));
}

/* "1:0 1:1" of an assignment. */
static inline const char *
mf_assignment(struct fixture *f, struct view bytes)
{
    struct group_parts p;
    bool custom;
    assert_true(group_embedded_assignment(&f->config.port, bytes, &p, &custom));
    assert_false(custom);
    const char *text = cf_text(&p);
    group_parts_free(&p);
    return text;
}

struct classic {
    const char *member, *instance, *topics, *owned, *protocol;
    int16_t version; /* 0: 9 */
};

static inline uint64_t
mf_join(struct fixture *f, const struct classic *j)
{
    struct wire_join_group_request q;
    wire_init(&wire_join_group_request_message, &q);
    struct embedded e = {j->topics ? j->topics : "t1", j->owned, 1};
    struct wire_join_group_request_protocol p = {view_of_text(j->protocol ? j->protocol : "range"),
                                                 mf_subscription(&e)};
    q.group_id = view_of_text("g");
    q.member_id = view_of_text(j->member ? j->member : "");
    if (j->instance)
        q.group_instance_id = view_of_text(j->instance);
    q.protocol_type = view_of_text("consumer");
    q.session_timeout_ms = 10000;
    q.rebalance_timeout_ms = 60000;
    q.protocols.items = &p;
    q.protocols.count = 1;
    return fx_send(f, WIRE_API_JOIN_GROUP, j->version ? j->version : 9, &q);
}

struct joined {
    int16_t error; /* -100: it waits */
    int32_t generation;
    char member[80], protocol[32];
};

static inline struct joined
mf_joined(struct fixture *f, uint64_t token)
{
    const struct wire_join_group_response *a = fx_answer(f, token);
    struct joined j = {-100, 0, "", ""};
    if (!a)
        return j;
    j.error = a->error_code;
    j.generation = a->generation_id;
    snprintf(j.member, sizeof j.member, "%.*s", (int)a->member_id.len,
             (const char *)a->member_id.at);
    snprintf(j.protocol, sizeof j.protocol, "%.*s", (int)a->protocol_name.len,
             (const char *)a->protocol_name.at);
    return j;
}

/* What SyncGroup answers: partitions, or "error 22". */
static inline const char *
mf_sync(struct fixture *f, const char *member, int32_t generation)
{
    static char error[32];
    const struct wire_sync_group_response *a =
        fx_answer(f, fx_sync(f, "g", member, generation, NULL));
    assert_non_null(a);
    snprintf(error, sizeof error, "error %d", a->error_code);
    return a->error_code ? error : mf_assignment(f, a->assignment);
}

/* A stable classic group of one member with all of t1, whose id is written to `id`. */
static inline int32_t
mf_classic_group(struct fixture *f, char id[80])
{
    struct joined j = mf_joined(f, mf_join(f, &(struct classic){.member = NULL}));
    assert_int_equal(j.error, KERR_MEMBER_ID_REQUIRED);
    snprintf(id, 80, "%s", j.member);
    uint64_t waits = mf_join(f, &(struct classic){.member = id});
    fx_advance(f, 3000);
    j = mf_joined(f, waits);
    assert_int_equal(j.error, 0);
    struct wire_sync_group_request q;
    wire_init(&wire_sync_group_request_message, &q);
    struct group_part parts[CF_PARTS];
    struct group_parts all = {parts, cf_parts("1:0 1:1 1:2 1:3", parts)};
    struct view bytes = group_embedded_encode(&f->config.port, &all, 1);
    struct wire_sync_group_request_assignment a = {view_of_text(id), bytes};
    q.group_id = view_of_text("g");
    q.member_id = view_of_text(id);
    q.generation_id = j.generation;
    q.assignments.items = &a;
    q.assignments.count = 1;
    const struct wire_sync_group_response *s = fx_answer(f, fx_send(f, WIRE_API_SYNC_GROUP, 5, &q));
    assert_int_equal(s->error_code, 0);
    group_drop(&bytes);
    return j.generation;
}

#endif
