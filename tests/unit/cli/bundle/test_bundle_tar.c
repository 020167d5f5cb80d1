#include "cli/bundle/bundle.h"
#include "tests/unit/unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW_S = 1790000000, TEXT_BYTES = 2 * BUNDLE_TAIL_BYTES };

static char home[64], path[128], other[128];
static char text[TEXT_BYTES];

static int
setup(void **state)
{
    snprintf(home, sizeof home, "%s/sluice-bundle-XXXXXX", P_tmpdir);
    if (!mkdtemp(home))
        return -1;
    snprintf(path, sizeof path, "%s/b.tar.gz", home);
    snprintf(other, sizeof other, "%s/log", home);
    return 0;
}

static int
teardown(void **state)
{
    unlink(path);
    unlink(other);
    return rmdir(home);
}

/* The text of an entry, NULL: there is none of that name. */
static const char *
read_back(const char *name)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    const char *found = NULL;
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    assert_int_equal(archive_read_open_filename(a, path, 65536), ARCHIVE_OK);
    while (!found && archive_read_next_header(a, &e) == ARCHIVE_OK)
        if (strcmp(archive_entry_pathname(e), name) == 0) {
            ssize_t n = archive_read_data(a, text, sizeof text - 1);
            assert_true(n >= 0);
            text[n] = 0;
            found = text;
        }
    archive_read_free(a);
    return found;
}

static void
what_was_added_can_be_read_without_its_secrets(void **state)
{
    struct bundle_tar t;
    struct stat st;
    assert_true(bundle_tar_open(&t, path, "top", NOW_S));
    bundle_tar_add(&t, "a/one.txt", "x=1\npassword=2\n", 17);
    assert_true(bundle_tar_close(&t));
    assert_string_equal(read_back("top/a/one.txt"), "x=1\npassword= [removed]\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
a_file_that_is_there_is_left_alone(void **state)
{
    struct bundle_tar t;
    FILE *f = fopen(path, "w");
    fclose(f);
    assert_false(bundle_tar_open(&t, path, "top", NOW_S));
    assert_string_equal(t.error, "File exists");
}

static void
of_a_long_log_the_last_whole_lines_are_kept(void **state)
{
    struct bundle_tar t;
    FILE *f = fopen(other, "w");
    for (int i = 0; i < 200000; i++)
        fprintf(f, "line %d\n", i);
    fclose(f);
    assert_true(bundle_tar_open(&t, path, "top", NOW_S));
    bundle_tar_tail(&t, "log", other);
    bundle_tar_tail(&t, "none", "no/such/file");
    assert_true(bundle_tar_close(&t));
    const char *tail = read_back("top/log");
    assert_non_null(tail);
    assert_memory_equal(tail, "line ", 5);
    assert_true(strlen(tail) <= BUNDLE_TAIL_BYTES && strlen(tail) > BUNDLE_TAIL_BYTES / 2);
    assert_string_equal(tail + strlen(tail) - 12, "line 199999\n");
    assert_non_null(strstr(read_back("top/none"), "No such file"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_can_be_read_without_its_secrets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_there_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_long_log_the_last_whole_lines_are_kept, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
