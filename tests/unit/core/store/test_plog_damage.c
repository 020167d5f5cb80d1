#include "tests/unit/core/store/store_fixture.h"

static void
the_first_damage_stays_the_reason_and_the_lowest_end_counts(void **state)
{
    (void)state;
    struct plog p;
    plog_init(&p);
    p.start = 5;
    plog_damage_mark(&p, PLOG_DAMAGE_SHORT, 90);
    plog_damage_mark(&p, PLOG_DAMAGE_JOURNAL, 70);
    plog_damage_mark(&p, PLOG_DAMAGE_MISSING, 80);
    struct plog_facts facts;
    plog_facts(&p, &facts);
    assert_int_equal(facts.state, PLOG_OFFLINE);
    assert_int_equal(facts.damage, PLOG_DAMAGE_SHORT);
    assert_int_equal(facts.good_end, 70);
    plog_damage_mark(&p, PLOG_DAMAGE_MISSING, 1);
    assert_int_equal(p.good_end, 5);
    plog_free(&p);
}

static void
damage_survives_a_checkpoint(void **state)
{
    (void)state;
    static uint8_t mem[4096];
    struct plog p, q;
    plog_init(&p);
    plog_damage_mark(&p, PLOG_DAMAGE_UNPROVEN, 12);
    struct put w = put_of(mem, sizeof mem);
    plog_save(&p, &w);
    assert_false(w.bad);
    assert_int_equal(put_len(&w), plog_save_bytes(&p));
    struct cur c = cur_of(view_of(mem, put_len(&w)));
    assert_int_equal(plog_load(&q, &c), ERR_OK);
    assert_int_equal(q.state, PLOG_OFFLINE);
    assert_int_equal(q.damage, PLOG_DAMAGE_UNPROVEN);
    assert_int_equal(q.good_end, 12);
    plog_free(&q);
    mem[8 + 16 + 4 + 1] = PLOG_DAMAGES; /* behind id, topic, partition, flags */
    c = cur_of(view_of(mem, put_len(&w)));
    assert_int_equal(plog_load(&q, &c), ERR_CORRUPT);
    plog_free(&p);
}

static void
every_damage_has_words_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < PLOG_DAMAGES; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(plog_damage_text((enum plog_damage)i),
                                    plog_damage_text((enum plog_damage)k));
}

static void
a_directory_s_names_give_back_topic_and_partition(void **state)
{
    (void)state;
    struct plog p;
    char path[PLOG_PATH_BYTES];
    uint8_t id[16];
    int32_t partition;
    plog_init(&p);
    for (int i = 0; i < 16; i++)
        p.topic[i] = (uint8_t)(i * 37 + 201);
    p.partition = 4711;
    plog_path_dir(&p, path);
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_true(plog_path_read(path + 4, slash + 1, id, &partition));
    assert_memory_equal(id, p.topic, 16);
    assert_int_equal(partition, 4711);
    assert_false(plog_path_read("Zm9v", "0", id, &partition));
    assert_false(plog_path_read(path + 4, "4x", id, &partition));
    assert_false(plog_path_read(path + 4, "", id, &partition));
    assert_false(plog_path_read(path + 4, "99999999999", id, &partition));
    plog_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_damage_stays_the_reason_and_the_lowest_end_counts),
        cmocka_unit_test(damage_survives_a_checkpoint),
        cmocka_unit_test(every_damage_has_words_of_its_own),
        cmocka_unit_test(a_directory_s_names_give_back_topic_and_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
