#include "cli/cli.h"
#include "core/base/err.h"
#include "core/store/check.h"
#include "tests/unit/unit.h"

static int64_t
run(void *self, struct disk_op *op)
{
    (void)self;
    (void)op;
    return ERR_NOT_FOUND;
}

static int
list(void *self, uint8_t which, const char *path, void (*each)(void *user, const char *name),
     void *user)
{
    (void)self;
    (void)which;
    (void)path;
    each(user, "snapshot-12"); /* named, and not there */
    return ERR_OK;
}

static void
without_metadata_a_topic_is_shown_by_its_id(void **state)
{
    (void)state;
    static const struct disk_ops ops = {.run = run, .list = list};
    struct disk disk = {.ops = &ops};
    struct cli_log_names *n = cli_log_names_read(&disk);
    const uint8_t id[16] = {0xfb, 0xff, 0x3f};
    char name[CLI_LOG_NAME_BYTES];
    cli_log_name(n, id, 7, name);
    assert_string_equal(name, "-_8_AAAAAAAAAAAAAAAAAA-7");
    struct check_finding f;
    assert_true(cli_log_names_damage(n, &f));
    assert_string_equal(f.path, "control/snapshot-12");
    assert_true(f.bad);
    cli_log_names_free(n);
}

static int
list_nothing(void *self, uint8_t which, const char *path,
             void (*each)(void *user, const char *name), void *user)
{
    (void)self;
    (void)which;
    (void)path;
    if (user && self)
        each(user, self); /* the one name that there is */
    return self ? ERR_OK : ERR_NOT_FOUND;
}

static void
a_directory_without_metadata_is_no_damage_but_a_journal_alone_is(void **state)
{
    (void)state;
    static const struct disk_ops ops = {.run = run, .list = list_nothing};
    static char lock[] = "lock", journal[] = "journal-0000";
    char *const names[] = {NULL, lock, journal};
    for (int i = 0; i < 3; i++) {
        struct disk disk = {.ops = &ops, .self = names[i]};
        struct cli_log_names *n = cli_log_names_read(&disk);
        struct check_finding f;
        assert_int_equal(cli_log_names_damage(n, &f), i == 2);
        cli_log_names_free(n);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_metadata_a_topic_is_shown_by_its_id),
        cmocka_unit_test(a_directory_without_metadata_is_no_damage_but_a_journal_alone_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
