#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char home[] = P_tmpdir "/sluice-test-XXXXXX";
static char error[OS_ERROR_BYTES];
static struct os_format f;

static int
setup(void **state)
{
    memcpy(home + strlen(home) - 6, "XXXXXX", 6);
    error[0] = 0;
    return mkdtemp(home) ? 0 : -1;
}

static int
teardown(void **state)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sluice.format", home);
    remove(path);
    snprintf(path, sizeof path, "%s/sluice.format.tmp", home);
    remove(path);
    return rmdir(home);
}

static int
open_text(const char *text)
{
    assert_int_equal(os_file_write(home, "sluice.format", text), ERR_OK);
    return os_format_open(home, 1, &f, error);
}

static void
a_new_directory_gets_a_cluster_id_that_stays(void **state)
{
    struct os_format again;
    assert_int_equal(os_format_open(home, 7, &f, error), ERR_OK);
    assert_int_equal(os_format_open(home, 7, &again, error), ERR_OK);
    assert_string_equal(f.cluster_id, again.cluster_id);
    assert_int_equal(again.node_id, 7);
    assert_int_equal(again.version, OS_FORMAT_VERSION);
}

static void
a_cluster_id_is_a_version_4_uuid_in_22_url_safe_letters(void **state)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char last[OS_CLUSTER_ID_BYTES] = "";
    for (int i = 0; i < 50; i++) {
        assert_int_equal(os_format_open(home, 1, &f, error), ERR_OK);
        assert_int_equal(strlen(f.cluster_id), 22);
        assert_int_equal(strspn(f.cluster_id, letters), 22);
        assert_int_not_equal(f.cluster_id[0], '-');
        assert_string_not_equal(f.cluster_id, last);
        /* Bits 48 to 51 are the version: letter 8 holds bits 48 to 53. */
        assert_int_equal((strchr(letters, f.cluster_id[8]) - letters) >> 2, 4);
        /* The last letter holds two bits: four zeros are left. */
        assert_int_equal((strchr(letters, f.cluster_id[21]) - letters) & 15, 0);
        memcpy(last, f.cluster_id, sizeof last);
        char path[256];
        snprintf(path, sizeof path, "%s/sluice.format", home);
        assert_int_equal(remove(path), 0);
    }
}

static void
a_newer_version_is_refused_plainly(void **state)
{
    assert_int_equal(open_text("version=2\nsomething=else\n"), ERR_INVALID);
    assert_non_null(strstr(error, "was written by a newer version of sluice (format 2, this "
                                  "program knows 1): run the newer version"));
}

static void
the_directory_of_another_node_is_refused(void **state)
{
    assert_int_equal(open_text("version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=5\n"),
                     ERR_INVALID);
    assert_non_null(strstr(error, "belongs to node.id=5, not to 1"));
}

static void
comments_and_unknown_keys_of_this_version_are_passed_over(void **state)
{
    assert_int_equal(open_text("# made by hand\nversion=1\r\nnode.id=1\nnode.ids=9\n"
                               "cluster.id=abcdefghijklmnopqrstuv"),
                     ERR_OK);
    assert_string_equal(f.cluster_id, "abcdefghijklmnopqrstuv");
}

static void
a_file_that_does_not_say_everything_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "version=1\nnode.id=1\n",
        "version=1\ncluster.id=short\nnode.id=1\n",
        "version=1\ncluster.id=abcdefghijklmnopqrstuv\n",
        "version=x\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=1\n",
        "version=0\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=1\n",
        "version=1\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=99999999999\n",
        "cluster.id=abcdefghijklmnopqrstuv\nnode.id=1\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(open_text(bad[i]), ERR_CORRUPT);
        assert_non_null(strstr(error, "sluice.format cannot be read"));
    }
}

static void
a_directory_that_is_not_there_is_an_error(void **state)
{
    char path[256];
    snprintf(path, sizeof path, "%s/none", home);
    assert_int_equal(os_format_open(path, 1, &f, error), ERR_NOT_FOUND);
    assert_non_null(strstr(error, "cannot be written"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_directory_gets_a_cluster_id_that_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cluster_id_is_a_version_4_uuid_in_22_url_safe_letters,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_version_is_refused_plainly, setup, teardown),
        cmocka_unit_test_setup_teardown(the_directory_of_another_node_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(comments_and_unknown_keys_of_this_version_are_passed_over,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_does_not_say_everything_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_directory_that_is_not_there_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
