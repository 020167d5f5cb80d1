#include "core/shm/quotas.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct quotas_table table;
static struct quotas_fact fact, got;

static int
zero(void **state)
{
    memset(&table, 0, sizeof table);
    memset(&fact, 0, sizeof fact);
    memset(&got, 0, sizeof got);
    return 0;
}

static void
what_was_written_reads_back(void **state)
{
    uint32_t version = 0;
    fact.count = 2;
    fact.defaults[QUOTAS_USER][QUOTAS_FETCH] = 5;
    fact.rows[1].bounds[QUOTAS_CLIENT][QUOTAS_PRODUCE] = 7;
    quotas_write(&table, &fact);
    assert_int_equal(quotas_read(&table, &got, &version), ERR_OK);
    assert_int_equal(version, quotas_version(&table));
    assert_memory_equal(&got.defaults, &fact.defaults, sizeof fact.defaults);
    assert_memory_equal(&got.rows[1], &fact.rows[1], sizeof fact.rows[1]);
}

static void
the_version_changes_only_with_the_content(void **state)
{
    quotas_write(&table, &fact);
    uint32_t version = quotas_version(&table);
    quotas_write(&table, &fact);
    assert_int_equal(quotas_version(&table), version);
    fact.count = 1;
    quotas_write(&table, &fact);
    assert_int_not_equal(quotas_version(&table), version);
}

static void
a_table_that_a_dead_writer_left_is_mended_by_the_next(void **state)
{
    uint32_t version;
    atomic_store(&table.seq, 41);
    assert_int_equal(quotas_read(&table, &got, &version), ERR_AGAIN);
    quotas_write(&table, &fact);
    assert_int_equal(quotas_read(&table, &got, &version), ERR_OK);
}

static void
a_count_that_cannot_be_is_not_believed(void **state)
{
    uint32_t version;
    table.fact.count = QUOTAS_ROWS_MAX + 1;
    assert_int_equal(quotas_read(&table, &got, &version), ERR_AGAIN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_written_reads_back, zero),
        cmocka_unit_test_setup(the_version_changes_only_with_the_content, zero),
        cmocka_unit_test_setup(a_table_that_a_dead_writer_left_is_mended_by_the_next, zero),
        cmocka_unit_test_setup(a_count_that_cannot_be_is_not_believed, zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
