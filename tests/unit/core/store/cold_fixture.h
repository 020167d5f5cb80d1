/* cold_fixture.h: logs of which nothing is cached, for tests of reading them. */
#ifndef SLUICE_TESTS_COLD_FIXTURE_H
#define SLUICE_TESTS_COLD_FIXTURE_H

#include "tests/unit/core/store/store_fixture.h"

/* A log of some batches, all in files, after a restart: nothing is cached. */
static inline struct plog *
cold_log(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < 100; i++)
        fixture_append(f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_stop(f), ERR_OK);
    assert_int_equal(fixture_start(f), ERR_OK);
    return fixture_log(f, 1, 0);
}

/* Once nothing is being read: nothing was. */
static inline void
cold_forget(struct fixture *f)
{
    while (store_buffers_busy(f->store[0]))
        fixture_turns(f, 1);
    for (uint32_t i = 0; i < f->store[0]->config.read_buffers; i++)
        f->store[0]->buffers[i].state = READ_FREE;
    while (store_take_changed(f->store[0]))
        ;
}

/* Two logs of 140 large batches in files, after a restart; one more append goes to a third. */
static inline void
cold_two(struct fixture *f, uint64_t seed, struct plog *p[3])
{
    fixture_init(f, seed);
    f->config.segment_bytes = 4 << 20;
    f->read_buffers = 8;
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 140; i++)
        for (int n = 0; n < 2; n++)
            fixture_append(f, fixture_log(f, 1, n), 1, 12000, (uint64_t)i, i);
    assert_int_equal(fixture_stop(f), ERR_OK);
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int n = 0; n < 3; n++)
        p[n] = fixture_log(f, 1, n);
    for (int n = 0; n < 2; n++) {
        struct store_range range;
        while (store_locate(f->store[0], p[n], 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
            fixture_turns(f, 1);
    }
    cold_forget(f);
}

/* Lends what comes next of a range, as soon as it can be had. */
static inline void
cold_hold(struct fixture *f, struct store_range *range, struct store_hold *hold)
{
    int rc;
    for (int n = 0; (rc = store_hold(f->store[0], range, 7, hold)) == ERR_AGAIN; n++)
        assert_true(n < 1000 && fixture_turns(f, 1) == ERR_OK);
    assert_int_equal(rc, ERR_OK);
    range->at += hold->bytes;
    range->len -= hold->bytes;
}

#endif
