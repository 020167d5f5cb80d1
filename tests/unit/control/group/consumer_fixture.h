/* consumer_fixture.h: members of the consumer protocol, over group_fixture.h.  Partitions are
 * written "1:0 1:3 2:0": topic t1 partitions 0 and 3, topic t2 partition 0. */
#ifndef SLUICE_TESTS_CONSUMER_FIXTURE_H
#define SLUICE_TESTS_CONSUMER_FIXTURE_H

#include "control/group/group_consumer.h"
#include "tests/unit/control/group/group_fixture.h"

enum { CF_TEXT = 2048, CF_PARTS = 512 };

struct beating {
    const char *member, *instance, *assignor, *regex, *client;
    const char *topics; /* "t1,t2"; NULL: not told */
    const char *owned;  /* NULL: not told */
    int32_t epoch, rebalance_ms;
    int16_t version; /* 0: 1 */
};

struct beaten {
    int16_t error;
    int32_t epoch, interval_ms;
    char member[64], message[256];
    char has[CF_TEXT]; /* "-": no assignment in the answer */
};

static inline uint32_t
cf_parts(const char *text, struct group_part out[CF_PARTS])
{
    uint32_t count = 0;
    for (const char *at = text; *at;) {
        char *end;
        memset(&out[count], 0, sizeof out[count]);
        memset(out[count].topic, (int)strtol(at, &end, 10), 16);
        out[count++].partition = (int32_t)strtol(end + 1, &end, 10);
        at = end + strspn(end, " ");
    }
    return count;
}

static inline void
cf_part_text(char out[CF_TEXT], int topic, int32_t partition)
{
    size_t len = strlen(out);
    snprintf(out + len, CF_TEXT - len, "%s%d:%d", len ? " " : "", topic, partition);
}

static inline const char *
cf_text(const struct group_parts *p)
{
    static char out[4][CF_TEXT];
    static unsigned turn;
    char *to = out[++turn % 4];
    to[0] = '\0';
    for (uint32_t i = 0; i < p->count; i++)
        cf_part_text(to, p->items[i].topic[0], p->items[i].partition);
    return to;
}

static inline struct beaten
cf_answer(struct fixture *f, uint64_t token)
{
    const struct wire_consumer_group_heartbeat_response *a = fx_answer(f, token);
    assert_non_null(a);
    struct beaten b = {a->error_code, a->member_epoch, a->heartbeat_interval_ms, "", "", "-"};
    if (a->member_id.at)
        snprintf(b.member, sizeof b.member, "%.*s", (int)a->member_id.len,
                 (const char *)a->member_id.at);
    if (a->error_message.at)
        snprintf(b.message, sizeof b.message, "%.*s", (int)a->error_message.len,
                 (const char *)a->error_message.at);
    if (a->assignment)
        b.has[0] = '\0';
    for (int32_t i = 0; a->assignment && i < a->assignment->topic_partitions.count; i++)
        for (int32_t j = 0; j < a->assignment->topic_partitions.items[i].partitions.count; j++)
            cf_part_text(b.has, a->assignment->topic_partitions.items[i].topic_id[0],
                         a->assignment->topic_partitions.items[i].partitions.items[j]);
    return b;
}

static inline struct beaten
cf_beat(struct fixture *f, const char *group, const struct beating *b)
{
    struct wire_consumer_group_heartbeat_request q;
    wire_init(&wire_consumer_group_heartbeat_request_message, &q);
    struct view topics[16];
    static struct wire_consumer_group_heartbeat_request_topic_partitions owned[CF_PARTS];
    static int32_t numbers[CF_PARTS];
    static struct group_part parts[CF_PARTS];
    q.group_id = view_of_text(group);
    q.member_id = view_of_text(b->member ? b->member : "");
    q.member_epoch = b->epoch;
    q.rebalance_timeout_ms = b->rebalance_ms ? b->rebalance_ms : b->epoch == 0 ? 60000 : -1;
    if (b->instance)
        q.instance_id = view_of_text(b->instance);
    if (b->assignor)
        q.server_assignor = view_of_text(b->assignor);
    if (b->regex)
        q.subscribed_topic_regex = view_of_text(b->regex);
    if (b->topics) {
        q.subscribed_topic_names.items = topics;
        q.subscribed_topic_names.count = 0;
        for (const char *at = b->topics; *at; at += 2 + (at[2] == ','))
            topics[q.subscribed_topic_names.count++] = view_of(at, 2);
    }
    const char *has = b->owned ? b->owned : b->epoch == 0 ? "" : NULL;
    if (has) {
        uint32_t count = cf_parts(has, parts);
        q.topic_partitions.items = owned;
        q.topic_partitions.count = (int32_t)count;
        for (uint32_t i = 0; i < count; i++) {
            memcpy(owned[i].topic_id, parts[i].topic, 16);
            numbers[i] = parts[i].partition;
            owned[i].partitions = (struct wire_i32_array){&numbers[i], 1};
        }
    }
    return cf_answer(f,
                     fx_send_as(f, b->client ? b->client : "c", WIRE_API_CONSUMER_GROUP_HEARTBEAT,
                                b->version ? b->version : 1, &q));
}

/* Joins group "g" for t1. */
static inline struct beaten
cf_join(struct fixture *f, const char *member)
{
    return cf_beat(f, "g", &(struct beating){.member = member, .topics = "t1"});
}

/* A heartbeat that tells nothing but what the member has. */
static inline struct beaten
cf_stay(struct fixture *f, const char *member, int32_t epoch, const char *owned)
{
    return cf_beat(f, "g", &(struct beating){.member = member, .epoch = epoch, .owned = owned});
}

static inline struct group_consumer_member *
cf_member(struct fixture *f, const char *member)
{
    struct group *g = fx_group(f, "g");
    return g && g->consumer ? group_consumer_member(g->consumer, view_of_text(member)) : NULL;
}

static inline struct group_consumer *
cf_group(struct fixture *f)
{
    struct group *g = fx_group(f, "g");
    return g ? g->consumer : NULL;
}

#endif
