/* group_pattern.c: subscriptions by regular expression (KIP-848).
 *
 * Topics that an expression stands for are in a record, so that they are the same for all members
 * and after a restart.  Expressions are resolved in a step of their own, not in the heartbeat that
 * asks: all of a group at once, when one is new, when topics were created since, or when that was
 * long ago, and never within GROUP_RESOLVE_MS_MIN of the last time.  The work of such a step is one
 * match for each expression and topic, each linear in the topic's name (core/base/regex.h).
 * Source: Kafka GroupMetadataManager.maybeUpdateRegularExpressions, TopicRegexResolver. */
#include "control/group/group_beat.h"

#include <stdlib.h>

static const struct group_config *
config_of(const struct group_consumer *c)
{
    return c->group->shard->config;
}

int16_t
group_pattern_check(struct group_beat *b)
{
    struct view regex = b->q->subscribed_topic_regex;
    const struct regex_port *port = b->shard->config->port.regex;
    const struct group_consumer *c = b->group->consumer;
    const struct group_regex *known = c ? group_consumer_regex(c, regex) : NULL;
    if (regex.len == 0 || (known && known->members))
        return KERR_NONE;
    if (!port || !b->shard->config->port.next)
        return group_beat_complain(b, KERR_INVALID_REQUEST,
                                   "Regular expressions are not supported here.");
    char why[REGEX_ERROR_BYTES] = "";
    void *compiled = port->compile(regex.at, regex.len, why);
    if (!compiled)
        return group_beat_complain(
            b, KERR_INVALID_REGULAR_EXPRESSION,
            "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.", GROUP_TEXT(regex),
            why);
    port->free(compiled);
    return KERR_NONE;
}

void
group_pattern_drop(struct group_consumer *c, struct view regex)
{
    const struct group_regex *r = group_consumer_regex(c, regex);
    if (r && r->members == 0)
        group_keep_regex(c, regex, NULL, 0);
}

/* Of the last time that all were resolved. */
static void
last_time(const struct group_consumer *c, int64_t *version, int64_t *at_ms)
{
    *version = INT64_MAX;
    *at_ms = INT64_MIN;
    for (struct group_node *n = group_map_next(&c->regexes, NULL); n;
         n = group_map_next(&c->regexes, n)) {
        const struct group_regex *r = group_item(n, struct group_regex, node);
        if (!r->resolved)
            continue;
        *version = r->version < *version ? r->version : *version;
        *at_ms = r->resolved_ms > *at_ms ? r->resolved_ms : *at_ms;
    }
}

static void
resolve_if_due(struct group_consumer *c)
{
    struct group_shard *s = c->group->shard;
    int64_t version, at_ms, now_ms = s->step->now_ms;
    if (c->regex_count == 0 || c->resolve.node.place != 0)
        return;
    last_time(c, &version, &at_ms);
    if (at_ms != INT64_MIN && now_ms <= at_ms + GROUP_RESOLVE_MS_MIN)
        return;
    if (c->regex_count != c->resolved_count || version < s->topics_version ||
        now_ms > at_ms + config_of(c)->consumer_regex_refresh_ms)
        group_timer_set(s, &c->resolve, now_ms);
}

enum group_pattern_change
group_pattern_update(struct group_consumer *c, struct view before, struct view now)
{
    enum group_pattern_change change = GROUP_PATTERN_SAME;
    if (!view_equal(before, now)) {
        const struct group_regex *r = group_consumer_regex(c, now);
        change = r && !r->resolved ? GROUP_PATTERN_UPDATED : GROUP_PATTERN_RESOLVED;
        group_pattern_drop(c, before);
    }
    resolve_if_due(c);
    return change;
}

/* ---- resolving ------------------------------------------------------------------------------- */

struct found {
    struct view *items;
    uint32_t count, room;
};

static void
topics_match(const struct group_consumer *c, void *compiled, struct found *f)
{
    const struct group_port *port = &config_of(c)->port;
    struct group_topic t;
    for (uint32_t cursor = 0; port->next(port->user, &cursor, &t);) {
        if (!port->regex->matches(compiled, t.name.at, t.name.len))
            continue;
        if (f->count == f->room) {
            f->room = f->room ? f->room * 2 : 64;
            f->items = realloc(f->items, f->room * sizeof *f->items);
            must(f->items);
        }
        f->items[f->count++] = t.name;
    }
}

/* True: the topics are others than before. */
static bool
resolve_one(struct group_consumer *c, const struct group_regex *r, int64_t version)
{
    const struct regex_port *port = config_of(c)->port.regex;
    char why[REGEX_ERROR_BYTES];
    struct found f = {0};
    void *compiled = port->compile(r->node.key.at, r->node.key.len, why);
    if (compiled) { /* else it stands for nothing: another version wrote it */
        topics_match(c, compiled, &f);
        port->free(compiled);
    }
    struct group_names topics;
    struct wire_string_array array = {f.items, (int32_t)f.count};
    group_names_make(&topics, &array);
    bool changed = !group_names_same(&topics, &r->topics);
    struct view regex = group_copy(r->node.key);
    group_keep_regex(c, regex, &topics, version);
    group_drop(&regex);
    group_names_free(&topics);
    free(f.items);
    return changed;
}

void
group_pattern_resolve(struct group_consumer *c)
{
    const struct group_port *port = &config_of(c)->port;
    if (!port->regex || !port->next)
        return;
    int64_t version = port->version ? port->version(port->user) : 0;
    bool changed = false;
    struct group_node *next, *n = group_map_next(&c->regexes, NULL);
    for (; n; n = next) {
        next = group_map_next(&c->regexes, n);
        const struct group_regex *r = group_item(n, struct group_regex, node);
        if (r->members)
            changed |= resolve_one(c, r, version);
    }
    group_beat_epoch(c, changed);
}
