#include "tests/unit/control/group/mixed_fixture.h"

#include <stdio.h>

static void
keys_of_unknown_versions_are_skipped_and_broken_ones_are_not(void **state)
{
    struct fixture *f = fx_new();
    struct coord_place place = {.producer_id = -1};
    assert_int_equal(group_replay(f->s, view_of("\0\x63xyz", 5), view_of("?", 1), &place), ERR_OK);
    assert_int_equal(group_replay(f->s, view_of("\0", 1), view_of("?", 1), &place), ERR_CORRUPT);
    assert_int_equal(group_replay(f->s, view_of("\0\1\0\7g", 5), view_of("?", 1), &place),
                     ERR_CORRUPT);
    fx_free(f);
}

static void
the_deadline_is_that_of_the_first_timer(void **state)
{
    struct fixture *f = fx_new();
    assert_int_equal(group_deadline_ms(f->s), T0 + f->config.offsets_retention_check_ms);
    char *id = fx_join_id(f, fx_join(f, "g", NULL));
    assert_int_equal(group_deadline_ms(f->s), T0 + 10000);
    fx_join(f, "g", id);
    assert_int_equal(group_deadline_ms(f->s), T0 + 3000);
    free(id);
    fx_free(f);
}

static void
a_deleted_topic_takes_its_offsets_along(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "g", 0, 1);
    fx_commit_as(f, "g", &(struct committing){.topic = "t2", .offset = 2});
    fx_txn_commit(f, "h", 5, 1, 3);
    group_topic_deleted(f->s, &f->step, view_of_text("t1"));
    fx_marker(f, 5, true);
    assert_int_equal(fx_fetch(f, "g", 0, false), -1);
    assert_int_equal(fx_group(f, "g")->offsets.count, 1);
    assert_null(fx_group(f, "h"));
    fx_free(f);
}

static void
the_machine_of_the_runtime_is_this_one(void **state)
{
    struct fixture *f = fx_new();
    void *m = group_machine.create(&f->config, 3);
    assert_int_equal(((struct group_shard *)m)->partition, 3);
    group_machine.loaded(m, &f->step);
    assert_int_equal(group_machine.deadline_ms(m), T0 + f->config.offsets_retention_check_ms);
    group_machine.tick(m, &f->step);
    group_machine.free(m);
    fx_free(f);
}

/* ---- live state equals the replay of any legally compacted log ----------------------------------
 */

static uint64_t random_state;

static uint32_t
draw(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

static bool
decided(const struct fixture *f, uint32_t i, bool *committed)
{
    int64_t id = f->log[i].place.producer_id;
    for (uint32_t j = i + 1; j < f->log_count; j++)
        if (f->log[j].marker && f->log[j].place.producer_id == id) {
            *committed = f->log[j].marker == 1;
            return true;
        }
    return false;
}

/* What a cleaner may do to the part before the first record that is not decided: drop aborted
 * records, records with a later one of the same key in that part, and tombstones. */
static void
compact(const struct fixture *f, bool keep[LOGGED])
{
    uint32_t limit = f->log_count;
    bool committed;
    for (uint32_t i = 0; i < limit; i++)
        if (!f->log[i].marker && f->log[i].place.producer_id >= 0 && !decided(f, i, &committed))
            limit = i;
    limit = limit ? draw(limit + 1) : 0;
    for (uint32_t i = 0; i < f->log_count; i++) {
        keep[i] = true;
        if (i >= limit || f->log[i].marker)
            continue;
        bool aborted = f->log[i].place.producer_id >= 0 && decided(f, i, &committed) && !committed;
        bool newer = false;
        for (uint32_t j = i + 1; j < limit && !newer; j++) {
            bool void_later = f->log[j].place.producer_id >= 0 && !f->log[j].marker &&
                              decided(f, j, &committed) && !committed;
            newer = !f->log[j].marker && !void_later && view_equal(f->log[i].key, f->log[j].key);
        }
        keep[i] = !aborted && !newer && (f->log[i].value.at || draw(2));
    }
}

/* Everything that the log decides, as text in the order of names. */
static void
print_offsets(FILE *out, const char *what, const struct group_offsets *o)
{
    for (char t = '1'; t <= '2'; t++)
        for (int32_t p = 0; p < PARTITIONS; p++) {
            char name[] = {'t', t};
            const struct group_offset *i = group_offsets_get(o, view_of(name, 2), p);
            if (i)
                fprintf(out, " %s%c-%d=%lld@%lld", what, t, p, (long long)i->offset,
                        (long long)i->log_offset);
        }
}

static void
print_counts(FILE *out, const struct group_consumer *c)
{
    for (char t = '1'; t <= '2'; t++) {
        char name[] = {'t', t};
        struct group_node *n = group_map_find(&c->topics, view_of(name, 2));
        uint8_t id[16];
        memset(id, t - '0', sizeof id);
        if (n)
            fprintf(out, " %c:%u+%u", t, group_item(n, struct group_topic_use, node)->by_name,
                    group_item(n, struct group_topic_use, node)->by_regex);
        for (int32_t p = 0; p < 2 * PARTITIONS; p++)
            if (group_consumer_held(c, id, p))
                fprintf(out, " held%c-%d", t, p);
    }
    static const char *const patterns[] = {"t*", "t1", "x*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const struct group_regex *r = group_consumer_regex(c, view_of_text(patterns[i]));
        if (r)
            fprintf(out, " /%s/%u %d %u@%lld", patterns[i], r->members, r->resolved,
                    r->topics.count, (long long)r->resolved_ms);
    }
}

static int
member_order(const void *a, const void *b)
{
    struct view x = (*(const struct group_consumer_member *const *)a)->by_id.key;
    struct view y = (*(const struct group_consumer_member *const *)b)->by_id.key;
    int order = memcmp(x.at, y.at, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void
print_member(FILE *out, const struct group_consumer_member *m)
{
    const struct group_profile *p = &m->profile;
    fprintf(out, "\n  %.*s %d%d%d %d/%d %d [%s] -[%s] ->[%s] %u names /%.*s/ %.*s %d %d",
            (int)m->by_id.key.len, (const char *)m->by_id.key.at, m->has_profile, m->has_current,
            m->has_target, m->epoch, m->previous_epoch, m->state, cf_text(&m->assigned),
            cf_text(&m->revoking), cf_text(&m->target), p->names.count, (int)p->regex.len,
            (const char *)p->regex.at, (int)p->assignor.len, (const char *)p->assignor.at,
            p->rebalance_ms, p->classic);
    for (uint32_t j = 0; j < m->assigned.count; j++)
        fprintf(out, " @%d", m->assigned.items[j].epoch);
}

static void
print_consumer(FILE *out, const struct group_consumer *c)
{
    fprintf(out, " %s epoch %d %d@%lld hash %llx members %u bytes %llu", group_consumer_state(c),
            c->epoch, c->target_epoch, (long long)c->target_ms, (unsigned long long)c->hash,
            c->member_count, (unsigned long long)c->bytes);
    print_counts(out, c);
    const struct group_consumer_member *all[64];
    size_t count = 0;
    for (struct group_node *n = group_map_next(&c->members, NULL); n;
         n = group_map_next(&c->members, n))
        all[count++] = group_item(n, struct group_consumer_member, by_id);
    assert_true(count <= sizeof all / sizeof *all);
    qsort(all, count, sizeof *all, member_order);
    for (size_t i = 0; i < count; i++)
        print_member(out, all[i]);
}

static char *
print(const struct group_shard *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (char c = 'a'; c <= 'd'; c++) {
        const struct group *g = group_find(s, view_of(&c, 1));
        if (!g ||
            (!g->recorded && !g->consumer && g->offsets.count == 0 && list_empty(&g->pendings)))
            continue;
        fprintf(out, "\n%c recorded=%d", c, g->recorded);
        print_offsets(out, "", &g->offsets);
        uint32_t pending = 0;
        for (struct list *l = g->pendings.next; l != &g->pendings; l = l->next)
            pending += list_item(l, struct group_pending, of_group)->offsets.count;
        fprintf(out, " pending=%u", pending);
        if (g->consumer)
            print_consumer(out, g->consumer);
        if (g->state != GROUP_STABLE && g->state != GROUP_EMPTY)
            continue; /* the record is of the generation before */
        if (g->state == GROUP_EMPTY && !g->recorded)
            continue;
        fprintf(out, " %s %d", group_state_name(g->state), g->generation);
        for (struct list *l = g->members.next; l != &g->members; l = l->next) {
            const struct group_member *m = list_item(l, struct group_member, link);
            struct view meta = group_member_metadata(m);
            fprintf(out, " %.*s%s:%.*s:%.*s", (int)m->by_id.key.len, (const char *)m->by_id.key.at,
                    m == g->leader ? "*" : "", (int)meta.len, (const char *)meta.at,
                    (int)m->assignment.len, (const char *)m->assignment.at);
        }
    }
    fclose(out);
    return text;
}

/* A member at random, the leader more often. */
static const struct group_member *
some_member(const struct group *g)
{
    if (!g || g->by_id.count == 0)
        return NULL;
    uint32_t n = draw(2 * g->by_id.count);
    if (n >= g->by_id.count)
        return g->leader;
    struct list *l = list_first(&g->members);
    while (n-- > 0)
        l = l->next;
    return list_item(l, struct group_member, link);
}

/* What a well-behaved client does, sometimes one whose last answer got lost, sometimes nonsense. */
static void
act_consumer(struct fixture *f, const char *name)
{
    static const char *const topics[] = {NULL, NULL, "t1", "t2", "t1,t2", ""};
    static const char *const patterns[] = {NULL, NULL, NULL, "t*", "t1", "x*", ""};
    static const char *const assignors[] = {NULL, "uniform", "range"};
    char id[] = {'m', (char)('0' + draw(5)), 0};
    const struct group *g = fx_group(f, name);
    const struct group_consumer_member *m =
        g && g->consumer ? group_consumer_member(g->consumer, view_of(id, 2)) : NULL;
    struct beating b = {.member = id,
                        .topics = topics[draw(6)],
                        .regex = patterns[draw(7)],
                        .assignor = assignors[draw(3)],
                        .instance = id[1] == '4' || id[1] == '3' ? "i" : NULL,
                        .rebalance_ms = draw(2) ? 20000 : 0};
    if (m && draw(8)) {
        b.epoch = draw(8) ? m->epoch : m->previous_epoch;
        b.owned = draw(2) ? cf_text(&m->assigned) : NULL;
    } else if (!b.topics && !b.regex) {
        b.topics = "t1";
    }
    if (draw(10) == 0)
        b.epoch = b.instance && draw(2) ? -2 : -1;
    cf_beat(f, name, &b);
}

/* A classic member of a consumer group, the first or the last of them; NULL: none. */
static const struct group_consumer_member *
some_classic(const struct group_consumer *c)
{
    const struct group_consumer_member *found = NULL;
    bool last = draw(2);
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));)
        if (m->profile.classic && (!found || last))
            found = m;
    return found;
}

/* Classic clients of a consumer group: new ones, and what those in it do. */
static void
act_mixed(struct fixture *f, const char *name)
{
    const struct group *g = fx_group(f, name);
    const struct group_consumer_member *m = g && g->consumer ? some_classic(g->consumer) : NULL;
    char *id = m ? strndup((const char *)m->by_id.key.at, m->by_id.key.len) : NULL;
    const char *owned = m && draw(3) ? cf_text(&m->assigned) : NULL;
    struct embedded e = {draw(2) ? "t1" : "t1,t2", owned, (int16_t)draw(4)};
    struct joining j = {.member = draw(4) ? id : NULL,
                        .version = 3,
                        .rebalance_ms = 20000,
                        .subscription = mf_subscription(&e)};
    int32_t generation = m ? m->epoch : 0;
    switch (draw(4)) {
    case 0:
        if (draw(3) == 0 && !j.member) {
            j.version = 5;
            j.instance = "i";
        }
        fx_join_as(f, name, &j);
        break;
    case 1:
        if (id)
            fx_sync(f, name, id, generation, NULL);
        break;
    case 2:
        if (id)
            fx_heartbeat(f, name, id, generation);
        break;
    case 3:
        if (id && draw(3) == 0)
            fx_leave(f, name, id, NULL);
        break;
    }
    free(id);
}

static void
act_topics(struct fixture *f)
{
    if (draw(4) == 0) {
        f->partitions[2] = PARTITIONS + (int32_t)draw(PARTITIONS);
        f->metadata_version++;
        group_metadata_changed(f->s, view_of_text("t2"), draw(2));
    } else if (draw(8) == 0) {
        f->topic_gone = !f->topic_gone;
        f->metadata_version++;
        if (f->topic_gone)
            group_topic_deleted(f->s, &f->step, view_of_text("t1"));
        else
            group_metadata_changed(f->s, view_of_text("t1"), true);
    }
}

static void
act(struct fixture *f)
{
    char name[] = {(char)('a' + draw(4)), 0};
    if (draw(3) == 0) {
        act_topics(f);
        if (draw(3))
            act_consumer(f, name);
        else
            act_mixed(f, name);
        return;
    }
    struct group *g = fx_group(f, name);
    int64_t producer = draw(3);
    static const int32_t timeouts[] = {-1, 1, 5000, 60000};
    const struct group_member *m = some_member(g);
    struct joining j = {.rebalance_ms = timeouts[draw(4)], .metadata = draw(2) ? "m" : "n"};
    char *id = m ? strndup((const char *)m->by_id.key.at, m->by_id.key.len) : NULL;
    switch (draw(12)) {
    case 0:
    case 1:
        fx_commit_as(f, name,
                     &(struct committing){.member = id,
                                          .generation = g ? g->generation : 0,
                                          .topic = draw(2) ? "t1" : "t2",
                                          .partition = (int32_t)draw(PARTITIONS),
                                          .offset = draw(1000)});
        break;
    case 2:
    case 3:
        fx_txn_commit(f, name, producer, (int32_t)draw(PARTITIONS), draw(1000));
        break;
    case 4:
        fx_marker(f, producer, draw(2));
        break;
    case 5:
        j.instance = draw(3) ? NULL : "i";
        j.version = j.instance ? 5 : draw(2) ? 3 : 4;
        fx_join_as(f, name, &j);
        break;
    case 6:
        j.member = id;
        if (id)
            fx_join_as(f, name, &j);
        break;
    case 7:
    case 8:
        if (id)
            fx_sync(f, name, id, g->generation, name[0] < 'c' ? "x" : NULL);
        break;
    case 9:
        fx_advance(f, draw(20) ? draw(4000) : f->config.offsets_retention_ms);
        break;
    case 10:
        if (draw(4) == 0)
            fx_delete(f, name);
        else if (draw(8) == 0)
            group_topic_deleted(f->s, &f->step, view_of_text("t1"));
        break;
    case 11:
        if (id && draw(2))
            fx_leave(f, name, id, NULL);
        break;
    }
    free(id);
}

/* No partition is held by two members of a group. */
static void
check_exclusive(struct fixture *f, uint64_t seed)
{
    for (char c = 'a'; c <= 'd'; c++) {
        const struct group *g = fx_group(f, (char[]){c, 0});
        const struct group_map *holders = g && g->consumer ? &g->consumer->holders : NULL;
        struct group_node *n = holders ? group_map_next(holders, NULL) : NULL;
        for (; n; n = group_map_next(holders, n)) {
            const struct group_holders *h = group_item(n, struct group_holders, node);
            for (uint32_t p = 0; p < h->room; p++)
                if (h->counts[p] > 1)
                    fail_msg("seed %llu: a partition has two holders", (unsigned long long)seed);
        }
    }
}

static void
check_replay(struct fixture *f, const bool *keep, const char *live, uint64_t seed)
{
    struct group_shard *s = group_shard_new(&f->config, 0);
    for (uint32_t i = 0; i < f->log_count; i++)
        if (!keep || keep[i])
            fx_replay(s, &f->log[i]);
    for (char c = 'a'; c <= 'd'; c++) { /* print skips the same groups on both sides */
        const struct group *g = fx_group(f, (char[]){c, 0});
        struct group *other = group_find(s, view_of(&c, 1));
        if (g && other && (g->state == GROUP_PREPARING || g->state == GROUP_COMPLETING))
            other->state = g->state;
    }
    char *again = print(s);
    if (strcmp(live, again) != 0)
        print_error("seed %llu\nlive:%s\nreplayed:%s\n", (unsigned long long)seed, live, again);
    assert_string_equal(live, again);
    free(again);
    group_shard_free(s);
}

static void
live_state_equals_the_replay_of_the_log_and_of_its_compactions(void **state)
{
    static bool keep[LOGGED];
    for (uint64_t seed = 1; seed <= 150; seed++) {
        random_state = seed;
        struct fixture *f = fx_new();
        f->config.offsets_retention_ms = 2000000;
        for (int i = 0; i < 400; i++) {
            act(f);
            check_exclusive(f, seed);
            if (i % 50 != 49)
                continue;
            char *live = print(f->s);
            check_replay(f, NULL, live, seed);
            compact(f, keep);
            check_replay(f, keep, live, seed);
            free(live);
        }
        fx_free(f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_unknown_versions_are_skipped_and_broken_ones_are_not),
        cmocka_unit_test(the_deadline_is_that_of_the_first_timer),
        cmocka_unit_test(a_deleted_topic_takes_its_offsets_along),
        cmocka_unit_test(the_machine_of_the_runtime_is_this_one),
        cmocka_unit_test(live_state_equals_the_replay_of_the_log_and_of_its_compactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
