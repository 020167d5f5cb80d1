/* metrics_fixture.h: the census fixture as a source of metrics, and its text. */
#ifndef SLUICE_TESTS_METRICS_FIXTURE_H
#define SLUICE_TESTS_METRICS_FIXTURE_H

#include "control/metrics/metrics_in.h"
#include "tests/unit/control/census/census_fixture.h"

struct metrics_fixture {
    struct region region;
    struct conf conf;
    struct census tables, groups;
    struct metrics_source source;
    char *text; /* of the last rendering */
};

static inline struct metrics_fixture *
metrics_fixture_new(void)
{
    struct metrics_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    conf_defaults(&f->conf);
    census_fixture_region(&f->region);
    census_fixture_start(&f->region, 1000);
    census_init(&f->tables);
    census_tables(&f->tables, &f->region);
    census_fixture_groups(&f->groups);
    census_join(&f->tables, &f->groups);
    f->source = (struct metrics_source){.region = &f->region,
                                        .conf = &f->conf,
                                        .tables = &f->tables,
                                        .groups = &f->groups,
                                        .up = {true, true},
                                        .now_ns = 1500001000,
                                        .now_ms = 7500};
    return f;
}

static inline void
metrics_fixture_set(struct metrics_fixture *f, const char *key, const char *value)
{
    char error[CONF_ERROR_BYTES];
    assert_int_equal(conf_set(&f->conf, key, value, CONF_OPTION, error), ERR_OK);
}

static inline const char *
metrics_fixture_render(struct metrics_fixture *f, enum metrics_format format, bool internal)
{
    struct metrics_out o;
    free(f->text);
    metrics_open(&o, format, METRICS_BYTES_MAX);
    metrics_render(&o, &f->source, internal);
    assert_false(o.full);
    f->text = calloc(1, o.len + 1);
    memcpy(f->text, o.at, o.len);
    metrics_close(&o);
    return f->text;
}

/* Whether a line stands in the text, whole. */
static inline bool
metrics_fixture_line(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *p = strstr(text, line); p; p = strstr(p + 1, line))
        if ((p == text || p[-1] == '\n') && p[n] == '\n')
            return true;
    return false;
}

static inline void
metrics_fixture_free(struct metrics_fixture *f)
{
    free(f->text);
    census_free(&f->tables);
    census_free(&f->groups);
    region_destroy(&f->region);
    free(f);
}

#endif
