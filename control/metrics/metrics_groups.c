#include "control/metrics/metrics_in.h"

enum { STATES_MAX = 16 };

/* What the label of a group is called: the first of the row's labels. */
static const char *
group_label(const struct metrics_row *row)
{
    return row->set == METRICS_COMPAT || row->set == METRICS_COMPAT_PARTITION ? "consumergroup"
                                                                              : "group";
}

/* ---- by state ---- */

struct tally {
    const char *states[STATES_MAX]; /* static texts, by address */
    uint64_t counts[STATES_MAX];
    uint32_t count;
};

static void
tally_add(struct tally *t, const char *state)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (strcmp(t->states[i], state) == 0) {
            t->counts[i]++;
            return;
        }
    }
    if (t->count == STATES_MAX)
        return;
    t->states[t->count] = state;
    t->counts[t->count++] = 1;
}

static void
tally_tell(const struct tally *t, struct metrics_out *o, const struct metrics_row *row)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "state", view_of_text(t->states[i]));
        metrics_sample_end(&p, t->counts[i]);
    }
}

void
metrics_groups_states(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    static const char *const known[] = {"Empty",  "PreparingRebalance", "CompletingRebalance",
                                        "Stable", "Assigning",          "Reconciling"};
    struct tally t = {0};
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        t.states[t.count++] = known[i];
    for (uint32_t i = 0; s->groups && i < s->groups->group_count; i++)
        tally_add(&t, s->groups->groups[i].state);
    tally_tell(&t, o, row);
}

void
metrics_groups_txns(struct metrics_out *o, const struct metrics_row *row,
                    const struct metrics_source *s)
{
    static const char *const known[] = {"Empty",        "Ongoing",        "PrepareCommit",
                                        "PrepareAbort", "CompleteCommit", "CompleteAbort"};
    struct tally t = {0};
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        t.states[t.count++] = known[i];
    for (uint32_t i = 0; s->groups && i < s->groups->txn_count; i++)
        tally_add(&t, s->groups->txns[i].state);
    tally_tell(&t, o, row);
}

void
metrics_groups_oldest(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    const uint64_t ns_per_ms = 1000000;
    int64_t oldest_ms = 0;
    for (uint32_t i = 0; s->groups && i < s->groups->txn_count; i++) {
        const struct census_txn *t = &s->groups->txns[i];
        bool open = strcmp(t->state, "Ongoing") == 0;
        if (open && t->start_ms >= 0 && s->now_ms - t->start_ms > oldest_ms)
            oldest_ms = s->now_ms - t->start_ms;
    }
    struct metrics_sample p;
    metrics_sample(&p, o, row);
    metrics_sample_end_nano(&p, (uint64_t)oldest_ms * ns_per_ms);
}

/* ---- a series a group ---- */

static uint64_t
of_group(const struct metrics_source *s, const struct census_group *g, uint32_t which)
{
    uint64_t sum = 0, highest = 0;
    if (which == METRICS_GROUP_MEMBERS)
        return g->members;
    for (uint32_t i = g->first; i < g->first + g->count; i++) {
        int64_t lag = census_lag(s->tables, &s->groups->offsets[i]);
        if (lag <= 0)
            continue;
        sum += (uint64_t)lag;
        highest = (uint64_t)lag > highest ? (uint64_t)lag : highest;
    }
    return which == METRICS_GROUP_LAG ? sum : highest;
}

void
metrics_groups_each(struct metrics_out *o, const struct metrics_row *row,
                    const struct metrics_source *s)
{
    for (uint32_t i = 0; s->groups && i < s->groups->group_count && !o->full; i++) {
        const struct census_group *g = &s->groups->groups[i];
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, group_label(row), census_view(s->groups, g->id));
        metrics_sample_end(&p, of_group(s, g, row->arg));
    }
}

/* ---- a series a partition ---- */

/* False: nothing is known of it. */
static bool
of_offset(const struct metrics_source *s, const struct census_offset *f, uint32_t which,
          int64_t *value)
{
    *value = which == METRICS_OFFSET_COMMITTED ? f->offset : census_lag(s->tables, f);
    return *value >= 0;
}

void
metrics_groups_offsets(struct metrics_out *o, const struct metrics_row *row,
                       const struct metrics_source *s)
{
    const struct census *c = s->groups;
    for (uint32_t i = 0; c && i < c->group_count; i++) {
        const struct census_group *g = &c->groups[i];
        for (uint32_t k = g->first; k < g->first + g->count && !o->full; k++) {
            const struct census_offset *f = &c->offsets[k];
            struct metrics_sample p;
            int64_t value;
            if (!of_offset(s, f, row->arg, &value))
                continue;
            metrics_sample(&p, o, row);
            metrics_sample_label(&p, group_label(row), census_view(c, g->id));
            metrics_sample_label(&p, "topic", census_view(c, f->topic));
            metrics_sample_number(&p, "partition", f->partition);
            metrics_sample_end_signed(&p, value);
        }
    }
}

/* Offsets of a group come topic by topic, and those of one topic share its text. */
void
metrics_groups_topics(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    const struct census *c = s->groups;
    for (uint32_t i = 0; c && i < c->group_count && !o->full; i++) {
        const struct census_group *g = &c->groups[i];
        uint32_t k = g->first, limit = g->first + g->count;
        while (k < limit) {
            struct census_text topic = c->offsets[k].topic;
            struct metrics_sample p;
            int64_t sum = 0, value;
            for (; k < limit && c->offsets[k].topic.at == topic.at; k++)
                if (of_offset(s, &c->offsets[k], row->arg, &value))
                    sum += value;
            metrics_sample(&p, o, row);
            metrics_sample_label(&p, group_label(row), census_view(c, g->id));
            metrics_sample_label(&p, "topic", census_view(c, topic));
            metrics_sample_end_signed(&p, sum);
        }
    }
}
