#include "cli/cli.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct region made;
static char dir[64];

static int
setup(void **state)
{
    struct region_shape shape = {1, 1, 1, 64 << 10};
    char text[64];
    assert_int_equal(region_create(&made, &shape, "node.id=3\n"), ERR_OK);
    snprintf(dir, sizeof dir, "%s/sluice-region-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(dir));
    snprintf(text, sizeof text, "pid=%d\nregion=%d\n", (int)getpid(), made.fd);
    return os_file_write(dir, CLI_RUN_NAME, text);
}

static int
teardown(void **state)
{
    char path[96];
    snprintf(path, sizeof path, "%s/" CLI_RUN_NAME, dir);
    unlink(path);
    rmdir(dir);
    region_destroy(&made);
    return 0;
}

static int
find(const char *data, bool give, struct region *r)
{
    static char *none[] = {NULL};
    struct cli_args args = {.data = data};
    int pid = 0, err = cli_region_open(&args, none, give, r, &pid);
    assert_true(err || pid == (int)getpid());
    return err;
}

static void
the_region_of_the_broker_on_a_folder_is_found(void **state)
{
    struct region r;
    assert_int_equal(find(dir, false, &r), ERR_OK);
    assert_string_equal(region_conf(&r), "node.id=3\n");
    region_detach(&r);
    assert_int_equal(find("sluice-nobody", false, &r), ERR_NOT_FOUND);
}

static void
who_gives_orders_can_write_and_is_alone(void **state)
{
    struct region r, second;
    assert_int_equal(find(dir, true, &r), ERR_OK);
    r.header->producer_id_next = 9;
    assert_int_equal(made.header->producer_id_next, 9);
    assert_int_equal(find(dir, true, &second), ERR_BUSY);
    assert_int_equal(find(dir, false, &second), ERR_OK);
    region_detach(&second);
    region_detach(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_region_of_the_broker_on_a_folder_is_found),
        cmocka_unit_test(who_gives_orders_can_write_and_is_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
