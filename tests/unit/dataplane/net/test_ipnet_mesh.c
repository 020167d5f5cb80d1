#include "dataplane/net/ipnet_mesh.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static struct ipnet_mesh *
make(uint32_t loops)
{
    void *at = aligned_alloc(64, (ipnet_mesh_footprint(loops) + 63) & ~(size_t)63);
    assert_non_null(at);
    return ipnet_mesh_init(at, loops);
}

static struct ipnet_news
numbered(uint32_t n)
{
    struct ipnet_news news = {.kind = IPNET_NEWS_NEIGHBOUR};
    set_u32(news.ip, n);
    set_u32(news.ip + 12, ~n);
    return news;
}

static void
news_reaches_every_other_loop_once_and_in_order(void **state)
{
    struct ipnet_mesh *m = make(4);
    struct ipnet_news news;
    for (uint32_t i = 0; i < 10; i++) {
        news = numbered(i);
        ipnet_mesh_tell(m, 1, &news);
    }
    for (uint32_t to = 0; to < 4; to++) {
        for (uint32_t i = 0; i < 10 && to != 1; i++) {
            assert_true(ipnet_mesh_hear(m, to, &news));
            assert_int_equal(get_u32(news.ip), i);
        }
        assert_false(ipnet_mesh_hear(m, to, &news));
    }
    free(m);
}

static void
a_full_ring_loses_news_and_counts_it(void **state)
{
    struct ipnet_mesh *m = make(2);
    struct ipnet_news news;
    for (uint32_t i = 0; i < IPNET_MESH_NEWS + 5; i++) {
        news = numbered(i);
        ipnet_mesh_tell(m, 0, &news);
    }
    assert_int_equal(ipnet_mesh_lost(m, 0), 5);
    assert_int_equal(ipnet_mesh_lost(m, 1), 0);
    for (uint32_t i = 0; i < IPNET_MESH_NEWS; i++) {
        assert_true(ipnet_mesh_hear(m, 1, &news));
        assert_int_equal(get_u32(news.ip), i);
    }
    assert_false(ipnet_mesh_hear(m, 1, &news));
    free(m);
}

static void
a_loud_loop_does_not_keep_the_others_from_being_heard(void **state)
{
    struct ipnet_mesh *m = make(3);
    struct ipnet_news news = numbered(7);
    for (int i = 0; i < 20; i++)
        ipnet_mesh_tell(m, 0, &news);
    news = numbered(9);
    ipnet_mesh_tell(m, 2, &news);
    uint32_t heard = 0;
    for (int i = 0; i < 2; i++) {
        assert_true(ipnet_mesh_hear(m, 1, &news));
        heard |= get_u32(news.ip) == 9;
    }
    assert_true(heard);
    free(m);
}

static void
a_loop_alone_hears_nothing(void **state)
{
    struct ipnet_mesh *m = make(1);
    struct ipnet_news news = numbered(1);
    ipnet_mesh_tell(m, 0, &news);
    assert_false(ipnet_mesh_hear(m, 0, &news));
    free(m);
}

/* ---- two threads ---- */

enum { ROUNDS = 20000 };

static uint64_t lost_of_rounds; /* the writer's, read after it has ended */

static void *
writer(void *arg)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct ipnet_news news = numbered(i);
        ipnet_mesh_tell(arg, 0, &news);
        if (i % IPNET_MESH_NEWS == 0)
            (void)sched_yield();
    }
    struct ipnet_news last = numbered(UINT32_MAX);
    uint64_t lost;
    lost_of_rounds = ipnet_mesh_lost(arg, 0);
    do { /* the one that ends it must arrive */
        lost = ipnet_mesh_lost(arg, 0);
        ipnet_mesh_tell(arg, 0, &last);
        (void)sched_yield();
    } while (ipnet_mesh_lost(arg, 0) != lost);
    return NULL;
}

static void
what_another_thread_tells_is_heard_whole_and_in_order(void **state)
{
    struct ipnet_mesh *m = make(2);
    pthread_t thread;
    uint32_t heard = 0, before = 0;
    assert_int_equal(pthread_create(&thread, NULL, writer, m), 0);
    for (;;) {
        struct ipnet_news news;
        if (!ipnet_mesh_hear(m, 1, &news)) {
            (void)sched_yield();
            continue;
        }
        uint32_t n = get_u32(news.ip);
        assert_int_equal(get_u32(news.ip + 12), ~n);
        assert_true(heard == 0 || n > before);
        before = n;
        if (n == UINT32_MAX)
            break;
        heard++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(heard + lost_of_rounds, ROUNDS);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_reaches_every_other_loop_once_and_in_order),
        cmocka_unit_test(a_full_ring_loses_news_and_counts_it),
        cmocka_unit_test(a_loud_loop_does_not_keep_the_others_from_being_heard),
        cmocka_unit_test(a_loop_alone_hears_nothing),
        cmocka_unit_test(what_another_thread_tells_is_heard_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
