#include "tests/unit/core/store/store_fixture.h"

/* Epoch 2 from 0, 4 from 10, 5 from 20; the log ends at 30. */
static void
log_make(struct plog *p)
{
    static const int32_t epochs[] = {2, 4, 5};
    plog_init(p);
    struct segment *seg = plog_roll(p, 0);
    assert_non_null(seg);
    for (int32_t i = 0; i < 3; i++) {
        struct batch_info info = {.bytes = 100, .last_offset_delta = 9};
        assert_int_equal(plog_note(p, seg, i * 10, &info, epochs[i], 0), ERR_OK);
    }
}

static void
each_epoch_ends_where_the_next_one_begins(void **state)
{
    (void)state;
    static const struct {
        int32_t asked, leading, epoch;
        int64_t offset;
    } cases[] = {
        {2, 5, 2, 10},  {3, 5, 2, 10},                  /* never led: the one below it */
        {4, 5, 4, 20},  {5, 5, 5, 30},   {1, 5, 1, 0},  /* before all */
        {6, 5, -1, -1}, {-1, 5, -1, -1}, {5, 7, 5, 30}, /* 7 leads and has no record yet */
        {6, 7, 5, 30},  {7, 7, 7, 30},   {8, 7, -1, -1},
    };
    struct plog p;
    log_make(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plog_epoch_end end = plog_epoch_end(&p, cases[i].asked, cases[i].leading);
        if (end.epoch != cases[i].epoch || end.offset != cases[i].offset)
            fail_msg("epoch %d of %d: %d ends at %lld", cases[i].asked, cases[i].leading, end.epoch,
                     (long long)end.offset);
    }
    plog_free(&p);
}

static void
an_empty_log_knows_the_epoch_that_leads(void **state)
{
    (void)state;
    struct plog p;
    plog_init(&p);
    struct plog_epoch_end end = plog_epoch_end(&p, 3, 3);
    assert_int_equal(end.epoch, 3);
    assert_int_equal(end.offset, 0);
    end = plog_epoch_end(&p, 2, 3);
    assert_int_equal(end.epoch, 2);
    assert_int_equal(end.offset, 0);
    plog_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_epoch_ends_where_the_next_one_begins),
        cmocka_unit_test(an_empty_log_knows_the_epoch_that_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
