/* meta_fixture.h: an image and the entries that made it, for the tests of control/meta. */
#ifndef SLUICE_TESTS_META_FIXTURE_H
#define SLUICE_TESTS_META_FIXTURE_H

#include "control/meta/meta.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct meta_image m;
    struct meta_rules rules;
    struct meta_error e;
    uint8_t entry[META_ENTRY_BYTES_MAX];
    struct put out;
    uint8_t next_id;
};

static inline struct fixture *
fixture_new(uint32_t topics_max, uint32_t partitions_max)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    meta_image_init(&f->m, topics_max, partitions_max);
    f->rules = (struct meta_rules){.node_id = 1, .partitions_default = 3};
    f->out = put_of(f->entry, sizeof f->entry);
    return f;
}

static inline void
fixture_free(struct fixture *f)
{
    meta_image_free(&f->m);
    free(f);
}

/* Applies what was put, and begins anew. */
static inline int
fixture_apply(struct fixture *f)
{
    assert_false(f->out.bad);
    int rc = meta_apply(&f->m, 1, f->m.index + 1, view_of(f->entry, put_len(&f->out)));
    f->out = put_of(f->entry, sizeof f->entry);
    return rc;
}

static inline struct meta_new_topic
fixture_topic(struct fixture *f, const char *name, int32_t partitions)
{
    struct meta_new_topic t = {
        .name = view_of_text(name), .partition_count = partitions, .replication_factor = -1};
    t.id[0] = 7;
    t.id[15] = ++f->next_id;
    return t;
}

static inline int16_t
fixture_create(struct fixture *f, const char *name, int32_t partitions)
{
    struct meta_new_topic t = fixture_topic(f, name, partitions);
    uint32_t count = 0;
    int16_t code = meta_plan_create(&f->m, &f->rules, &t, &f->out, &count, &f->e);
    if (code == KERR_NONE)
        assert_int_equal(fixture_apply(f), ERR_OK);
    return code;
}

static inline const struct meta_topic *
fixture_find(struct fixture *f, const char *name)
{
    return meta_topic_by_name(&f->m, view_of_text(name));
}

#endif
