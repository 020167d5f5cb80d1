#include "cli/cli.h"
#include "core/base/err.h"
#include "core/store/store_in.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

/* A disk with one file: a checkpoint of no logs. */
static uint8_t file[CKPT_HEADER_BYTES];

static int64_t
run(void *self, struct disk_op *op)
{
    (void)self;
    switch (op->kind) {
    case DISK_OPEN:
        return strcmp(op->path, "core-0/ckpt-a") ? ERR_NOT_FOUND : 3;
    case DISK_SIZE:
        return sizeof file;
    case DISK_READ:
        memcpy(op->at, file, sizeof file);
        return sizeof file;
    default:
        return ERR_OK;
    }
}

static int
list(void *self, uint8_t dir, const char *path, void (*each)(void *user, const char *name),
     void *user)
{
    (void)self;
    (void)dir;
    (void)path;
    (void)each;
    (void)user;
    return ERR_NOT_FOUND;
}

static const struct disk_ops ops = {.run = run, .list = list};
static struct disk disk = {.ops = &ops};

static char *
shown(const char *path, bool json, int wanted)
{
    struct cli_args args = {.segment = path, .json = json};
    struct cli_log_names *names = cli_log_names_read(&disk);
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    assert_int_equal(cli_log_show(&disk, names, &args, out), wanted);
    fclose(out);
    cli_log_names_free(names);
    return text;
}

static void
ckpt_write(void)
{
    struct ckpt_header h = {.generation = 4, .seq = 9, .lsn = 77, .next_id = 3, .core_count = 2};
    store_ckpt_header_write(&h, file, view_of(file + sizeof file, 0));
}

static void
a_row_is_a_line_of_names_and_values(void **state)
{
    (void)state;
    ckpt_write();
    char *text = shown("core-0/ckpt-a", false, CLI_EXIT_OK);
    assert_string_equal(text, "checkpoint generation 4 seq 9 lsn 77 next_id 3 cores 2 "
                              "clean_stop 0 logs 0\n");
    free(text);
    text = shown("core-0/ckpt-a", true, CLI_EXIT_OK);
    assert_string_equal(text, "{\"row\":\"checkpoint\",\"generation\":4,\"seq\":9,\"lsn\":77,"
                              "\"next_id\":3,\"cores\":2,\"clean_stop\":0,\"logs\":0}\n");
    free(text);
}

static void
a_damaged_or_missing_file_fails(void **state)
{
    (void)state;
    ckpt_write();
    file[20] ^= 1;
    free(shown("core-0/ckpt-a", false, CLI_EXIT_FAILED));
    free(shown("core-1/ckpt-a", false, CLI_EXIT_FAILED));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_a_line_of_names_and_values),
        cmocka_unit_test(a_damaged_or_missing_file_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
