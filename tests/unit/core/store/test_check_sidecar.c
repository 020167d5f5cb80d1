#include "core/store/check_in.h"
#include "core/store/sidecar.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static const char *said;

static void
note(void *user, const struct check_finding *f)
{
    (void)user;
    said = f->what;
}

/* One batch of a producer. */
static void
produce(struct fixture *f, struct plog *p, int64_t id, int32_t sequence)
{
    struct batch_info info;
    struct store_appended out;
    uint32_t bytes = fixture_batch(f->batch, 1, 900, (uint64_t)sequence, 1000, &info);
    fixture_producer(f->batch, id, 0, sequence, &info);
    info.found_timestamp_ms = info.max_timestamp_ms;
    int rc;
    while ((rc = store_append(f->store[0], p, &info, view_of(f->batch, bytes), 1, 1000, &out)) ==
           ERR_AGAIN)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    assert_int_equal(rc, KERR_NONE);
}

/* A log of some segments whose producer 41 wrote into the first one only, which has been removed;
 * 42 wrote all the others. */
static struct plog *
trimmed(struct fixture *f)
{
    fixture_init(f, 3);
    f->config.cleanup_delete = true;
    f->config.retention_ms = f->config.retention_bytes = -1;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    struct store_trimmed out;
    produce(f, p, 41, 0);
    produce(f, p, 41, 1);
    for (int32_t i = 0; i < 150; i++)
        produce(f, p, 42, i);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    assert_true(p->segment_count > 3);
    assert_int_equal(store_trim(f->store[0], p, p->segments[1]->base, &out), KERR_NONE);
    assert_int_equal(fixture_turns(f, 500), ERR_OK);
    assert_true(p->segments[0]->base > 0);
    for (uint32_t i = 0; i + 1 < p->segment_count; i++)
        assert_true(p->segments[i]->sidecar);
    return p;
}

static void
a_repair_knows_producers_whose_batches_are_gone(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = trimmed(&f);
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, plog_last(p)->base, ".log", path);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    disk_mem_bytes(f.disk, path, &size)[300] ^= 1;
    struct check c = {.disk = disk_mem_port(f.disk, 0), .tell = note};
    assert_int_equal(check_repair(&c), ERR_OK);
    assert_int_equal(c.offline, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(p->state, PLOG_ONLINE);
    const struct producer *old = producer_find(&p->producers, 41);
    assert_non_null(old);
    assert_int_equal(producer_last_sequence(old), 1);
    const struct producer *now = producer_find(&p->producers, 42);
    assert_non_null(now);
    assert_int_equal(now->batches[now->count - 1].offset_last, p->end - 1);
    fixture_end(&f);
}

static void
a_sidecar_that_says_other_epochs_than_the_checkpoint_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = trimmed(&f);
    const struct segment *seg = p->segments[0];
    struct check c = {.disk = disk_mem_port(f.disk, 0), .tell = note};
    struct sums sums = {0};
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, seg->base, ".log", path);
    const uint8_t *file = disk_mem_bytes(f.disk, path, &size);
    assert_true(size >= seg->bytes);
    sums_add(&sums, file, seg->bytes);
    said = NULL;
    check_sidecar(&c, p, seg, &sums);
    assert_null(said);
    p->epochs[0].start = seg->base + 1; /* the log says another offset now */
    check_sidecar(&c, p, seg, &sums);
    assert_non_null(said);
    assert_non_null(strstr(said, "leader epochs"));
    assert_int_equal(c.bad, 0);
    sums_free(&sums);
    fixture_end(&f);
}

static void
a_missing_sidecar_says_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = trimmed(&f);
    struct check c = {.disk = disk_mem_port(f.disk, 0), .tell = note};
    struct sums sums = {0};
    struct plog anew;
    said = NULL;
    plog_init(&anew);
    memcpy(anew.topic, p->topic, sizeof anew.topic);
    struct segment *seg = plog_roll(&anew, 7);
    check_sidecar(&c, &anew, seg, &sums);
    assert_null(said);
    assert_int_equal(check_sidecar_producers(c.disk, &anew, seg), ERR_OK);
    assert_int_equal(anew.producers.count, 0);
    plog_free(&anew);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repair_knows_producers_whose_batches_are_gone),
        cmocka_unit_test(a_sidecar_that_says_other_epochs_than_the_checkpoint_is_told),
        cmocka_unit_test(a_missing_sidecar_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
