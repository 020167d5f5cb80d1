#include "core/shm/region.h"

#include "core/base/err.h"
#include "core/shm/capring.h"
#include "core/shm/chan.h"
#include "core/shm/counters.h"
#include "core/shm/msg.h"
#include "core/shm/netview.h"
#include "core/shm/table.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct region_shape shape = {2, 10, 20, 64 << 10};
static struct region made;

static int
make_region(void **state)
{
    return region_create(&made, &shape, "node.id=3\n");
}

static int
destroy_region(void **state)
{
    region_destroy(&made);
    return 0;
}

static void
attach_sees_what_create_wrote(void **state)
{
    struct region r;
    assert_int_equal(region_attach(&r, made.fd, 1), ERR_OK);
    assert_string_equal(region_conf(&r), "node.id=3\n");
    assert_int_equal(r.header->shard_count, 2);
    assert_int_equal(r.header->partitions_max, 20);
    struct table_want_fact w = {.version = 4}, seen;
    table_want_write(&region_want(&made)[19], &w);
    assert_int_equal(table_want_read(&region_want(&r)[19], &seen), ERR_OK);
    assert_int_equal(seen.version, 4);
    region_detach(&r);
}

static void
a_setting_is_that_of_the_start_until_it_is_set(void **state)
{
    for (uint32_t i = 0; i < REGION_SETTINGS; i++)
        assert_int_equal(region_setting(&made, (enum region_setting)i, 5 + i), 5 + i);
    atomic_store(&made.header->settings[REGION_TXN_VERIFY], 0);
    assert_int_equal(region_setting(&made, REGION_TXN_VERIFY, 1), 0);
    assert_int_equal(region_setting(&made, REGION_CLEANER_RATE, 9), 9);
}

/* Fills every part to its last byte with a mark of its own and looks whether all marks stand. */
static void
no_two_parts_overlap(void **state)
{
    struct {
        void *at;
        size_t bytes;
    } parts[] = {
        {region_topics(&made), 10 * sizeof(struct table_topic)},
        {region_want(&made), 20 * sizeof(struct table_want)},
        {region_have(&made), 20 * sizeof(struct table_have)},
        {region_ring_to_data(&made, 0), 64 << 10},
        {region_ring_to_control(&made, 0), 64 << 10},
        {region_ring_to_data(&made, 1), 64 << 10},
        {region_ring_to_control(&made, 1), 64 << 10},
        {region_counters(&made, 0), COUNTERS * sizeof(uint64_t)},
        {region_counters(&made, 1), COUNTERS * sizeof(uint64_t)},
        {region_counters(&made, 2), COUNTERS * sizeof(uint64_t)},
        {region_netview(&made, 0), sizeof(struct netview)},
        {region_netview(&made, 1), sizeof(struct netview)},
        {region_capring_order(&made), sizeof(struct capring_order)},
        {region_capring(&made, 0), sizeof(struct capring_core)},
        {region_capring(&made, 1), sizeof(struct capring_core)},
    };
    enum { PARTS = sizeof parts / sizeof parts[0] };
    for (int i = 0; i < PARTS; i++) {
        assert_int_equal((uintptr_t)parts[i].at % REGION_LINE, 0);
        assert_true((uint8_t *)parts[i].at + parts[i].bytes <= (uint8_t *)made.header + made.bytes);
        memset(parts[i].at, i + 1, parts[i].bytes);
    }
    for (int i = 0; i < PARTS; i++)
        for (size_t k = 0; k < parts[i].bytes; k++)
            assert_int_equal(((uint8_t *)parts[i].at)[k], i + 1);
    assert_string_equal(region_conf(&made), "node.id=3\n");
}

static void
rings_are_ready_for_both_sides(void **state)
{
    struct chan a, b;
    struct chan_message m;
    chan_join(&a, region_ring_to_control(&made, 1), shape.ring_bytes);
    chan_join(&b, region_ring_to_control(&made, 1), shape.ring_bytes);
    assert_non_null(chan_reserve(&a, sizeof(struct msg_row)));
    chan_publish(&a, MSG_HAVE, 1, sizeof(struct msg_row));
    assert_int_equal(chan_peek(&b, &m), ERR_OK);
    assert_int_equal(m.kind, MSG_HAVE);
}

static void
the_size_is_sealed(void **state)
{
    assert_int_equal(ftruncate(made.fd, 4096), -1);
    assert_int_equal(ftruncate(made.fd, (off_t)made.bytes * 2), -1);
}

static void
joining_raises_the_generation_and_ready_follows(void **state)
{
    struct region_peer *p = &made.header->peers[REGION_CONTROL];
    assert_int_equal(region_join(&made, REGION_CONTROL, 100), 1);
    assert_int_equal(atomic_load(&p->ready), 0);
    region_set_ready(&made, REGION_CONTROL);
    assert_int_equal(atomic_load(&p->ready), 1);
    assert_int_equal(region_join(&made, REGION_CONTROL, 101), 2);
    assert_int_equal(atomic_load(&p->ready), 1);
    assert_int_equal(atomic_load(&p->pid), 101);
    assert_int_equal(atomic_load(&made.header->peers[REGION_DATA].generation), 0);
    atomic_store(&p->generation, UINT32_MAX);
    assert_int_equal(region_join(&made, REGION_CONTROL, 102), 1);
}

static void
a_read_only_attach_reads(void **state)
{
    struct region r;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", made.fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(region_attach(&r, fd, 0), ERR_OK);
    assert_string_equal(region_conf(&r), "node.id=3\n");
    region_detach(&r);
    assert_int_equal(region_attach(&r, fd, 1), ERR_DENIED);
    close(fd);
}

static void
another_abi_is_refused(void **state)
{
    struct region r;
    made.header->abi_hash ^= 1;
    assert_int_equal(region_attach(&r, made.fd, 1), ERR_UNSUPPORTED);
    made.header->abi_hash ^= 1;
    assert_int_equal(made.header->abi_hash, region_abi_hash());
}

static void
a_header_that_does_not_add_up_is_refused(void **state)
{
    struct region r;
    uint64_t at[] = {
        offsetof(struct region_header, magic),          offsetof(struct region_header, bytes),
        offsetof(struct region_header, shard_count),    offsetof(struct region_header, topics_max),
        offsetof(struct region_header, partitions_max), offsetof(struct region_header, ring_bytes),
        offsetof(struct region_header, conf_at),        offsetof(struct region_header, have_at),
        offsetof(struct region_header, counters_at),    offsetof(struct region_header, netviews_at),
        offsetof(struct region_header, captures_at)};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint8_t *byte = (uint8_t *)made.header + at[i] + 1;
        *byte ^= 0x40;
        assert_int_equal(region_attach(&r, made.fd, 1), ERR_CORRUPT);
        *byte ^= 0x40;
    }
    assert_int_equal(region_attach(&r, made.fd, 1), ERR_OK);
    region_detach(&r);
}

static void
a_file_that_is_no_region_is_refused(void **state)
{
    struct region r;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(region_attach(&r, fd, 1), ERR_CORRUPT);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_int_equal(region_attach(&r, fd, 1), ERR_CORRUPT);
    close(fd);
    assert_int_equal(region_attach(&r, 0, 1), ERR_CORRUPT);
    assert_int_equal(region_attach(&r, -1, 1), ERR_CORRUPT);
}

static void
a_shape_or_conf_beyond_the_limits_is_refused(void **state)
{
    static char big[REGION_CONF_BYTES + 1];
    struct region r;
    struct region_shape none = shape, many = shape, rows = shape, ring = shape;
    none.shard_count = 0;
    many.shard_count = REGION_SHARDS_MAX + 1;
    rows.partitions_max = REGION_ROWS_MAX + 1;
    ring.ring_bytes = 100;
    assert_int_equal(region_create(&r, &none, ""), ERR_LIMIT);
    assert_int_equal(region_create(&r, &many, ""), ERR_LIMIT);
    assert_int_equal(region_create(&r, &rows, ""), ERR_LIMIT);
    assert_int_equal(region_create(&r, &ring, ""), ERR_LIMIT);
    memset(big, 'x', REGION_CONF_BYTES);
    assert_int_equal(region_create(&r, &shape, big), ERR_LIMIT);
}

static void
each_loop_has_its_own_eventfd_and_a_full_one_is_no_error(void **state)
{
    uint64_t n;
    region_wake(&made, 2);
    region_wake(&made, 2);
    assert_int_equal(read(made.header->wake_fds[2], &n, sizeof n), sizeof n);
    assert_int_equal(n, 2);
    assert_int_equal(read(made.header->wake_fds[0], &n, sizeof n), -1);
    n = UINT64_MAX - 1;
    assert_int_equal(write(made.header->wake_fds[1], &n, sizeof n), sizeof n);
    region_wake(&made, 1);
    assert_int_equal(made.header->wake_fds[3], -1);
}

static void
a_process_that_is_killed_leaves_a_region_that_another_joins(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct region r;
        struct chan c;
        if (region_attach(&r, made.fd, 1))
            _exit(1);
        region_join(&r, REGION_DATA, getpid());
        chan_join(&c, region_ring_to_control(&r, 0), shape.ring_bytes);
        uint8_t *p = chan_reserve(&c, 8);
        memset(p, 1, 8);
        chan_publish(&c, MSG_HAVE, 1, 8);
        memset(chan_reserve(&c, 1000), 2, 1000);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct chan producer, consumer;
    struct chan_message m;
    assert_int_equal(region_join(&made, REGION_DATA, getpid()), 2);
    chan_join(&producer, region_ring_to_control(&made, 0), shape.ring_bytes);
    chan_join(&consumer, region_ring_to_control(&made, 0), shape.ring_bytes);
    assert_non_null(chan_reserve(&producer, 8));
    chan_publish(&producer, MSG_HAVE, 2, 8);
    assert_int_equal(chan_peek(&consumer, &m), ERR_OK);
    assert_int_equal(m.generation, 1);
    chan_done(&consumer);
    assert_int_equal(chan_peek(&consumer, &m), ERR_OK);
    assert_int_equal(m.generation, 2);
}

int
main(void)
{
#define REGION_TEST(f) cmocka_unit_test_setup_teardown(f, make_region, destroy_region)
    const struct CMUnitTest tests[] = {
        REGION_TEST(attach_sees_what_create_wrote),
        REGION_TEST(a_setting_is_that_of_the_start_until_it_is_set),
        REGION_TEST(no_two_parts_overlap),
        REGION_TEST(rings_are_ready_for_both_sides),
        REGION_TEST(the_size_is_sealed),
        REGION_TEST(joining_raises_the_generation_and_ready_follows),
        REGION_TEST(a_read_only_attach_reads),
        REGION_TEST(another_abi_is_refused),
        REGION_TEST(a_header_that_does_not_add_up_is_refused),
        REGION_TEST(a_file_that_is_no_region_is_refused),
        REGION_TEST(a_shape_or_conf_beyond_the_limits_is_refused),
        REGION_TEST(each_loop_has_its_own_eventfd_and_a_full_one_is_no_error),
        REGION_TEST(a_process_that_is_killed_leaves_a_region_that_another_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
