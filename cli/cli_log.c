/* cli_log.c: sluice log verify | dump | repair: a data directory that no broker uses. */
#include "cli/cli.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/check.h"
#include "core/wire/batch.h"
#include "drivers/uring/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

enum { FINDING_BYTES = 1024 };

struct tool {
    const struct cli_args *args;
    FILE *out;
    struct uring *uring;
    struct disk disk;
    int fds[DISK_DIRS_MAX], locks[DISK_DIRS_MAX];
    uint32_t dirs;
    struct cli_log_names *names;
};

must_printf(1, 2) static int fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("sluice: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return CLI_EXIT_FAILED;
}

static int
lock_take(struct tool *t, const char *path)
{
    char lock[OS_PATH_BYTES + 8];
    snprintf(lock, sizeof lock, "%.4000s/lock", path);
    int fd = os_lock(lock);
    if (fd == ERR_BUSY)
        return fail("data directory %s is in use by a broker: stop it first", path);
    if (fd < 0)
        return fail("data directory %s cannot be locked: %s", path, err_text(fd));
    t->locks[t->dirs - 1] = fd;
    return CLI_EXIT_OK;
}

/* Opens and locks all of log.dirs.  One that is missing is told and left out. */
static int
dirs_open(struct tool *t, const struct conf *conf, struct uring_config *config)
{
    char path[CONF_TEXT_BYTES_MAX], error[OS_ERROR_BYTES];
    while (t->dirs < DISK_DIRS_MAX &&
           conf_dir(conf_text(conf, CONF_LOG_DIRS), t->dirs, path) == ERR_OK) {
        struct os_format format = {0};
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int32_t node = (int32_t)conf_number(conf, CONF_NODE_ID);
        uint32_t i = t->dirs++;
        t->fds[i] = config->data_dir_fds[i] = fd;
        t->locks[i] = -1;
        if (fd < 0 && i == 0)
            return fail("data directory %s: %s: name it with --data", path, strerror(errno));
        if (fd < 0)
            fprintf(stderr, "sluice: data directory %s: %s: its partitions are left out\n", path,
                    strerror(errno));
        else if (lock_take(t, path) != CLI_EXIT_OK)
            return CLI_EXIT_FAILED;
        int rc = fd < 0 ? ERR_OK : os_format_peek(path, node, &format, error);
        if (rc != ERR_OK && i == 0)
            return fail("%s", error);
        memcpy(config->data_dir_ids[i], format.directory, sizeof format.directory);
    }
    config->data_dirs = t->dirs;
    return t->dirs ? CLI_EXIT_OK : fail("log.dirs is empty: name the directory with --data");
}

static void
dirs_close(struct tool *t)
{
    for (uint32_t i = 0; i < t->dirs; i++) {
        if (t->fds[i] >= 0)
            close(t->fds[i]);
        if (t->locks[i] >= 0)
            close(t->locks[i]);
    }
}

/* ---- findings ----------------------------------------------------------------------------------
 */

static void
finding_json(struct tool *t, const struct check_finding *f, const char *partition)
{
    json_t *o = json_pack("{s:b, s:s, s:s, s:s, s:I, s:I, s:I}", "bad", (int)f->bad, "what",
                          f->what, "partition", partition, "file", f->path, "position",
                          (json_int_t)f->position, "offset_first", (json_int_t)f->offset_first,
                          "offset_limit", (json_int_t)f->offset_limit);
    must(o != NULL);
    json_dumpf(o, t->out, JSON_COMPACT);
    fputc('\n', t->out);
    json_decref(o);
}

static void
finding_print(void *user, const struct check_finding *f)
{
    struct tool *t = user;
    char partition[CLI_LOG_NAME_BYTES] = "";
    if (f->topic)
        cli_log_name(t->names, f->topic, f->partition, partition);
    if (t->args->json) {
        finding_json(t, f, partition);
        return;
    }
    fprintf(t->out, "%s: ", f->bad ? "DAMAGE" : "note");
    if (f->topic)
        fprintf(t->out, "partition %s: ", partition);
    fprintf(t->out, "%s: file %s", f->what, f->path);
    if (f->position >= 0)
        fprintf(t->out, ", byte %lld", (long long)f->position);
    if (f->offset_first >= 0 && f->offset_limit > f->offset_first)
        fprintf(t->out, ", offsets %lld to %lld", (long long)f->offset_first,
                (long long)f->offset_limit - 1);
    fputc('\n', t->out);
}

/* Control's metadata is no log: here it is only looked at. */
static bool
control_damaged(struct tool *t)
{
    struct check_finding f;
    if (!cli_log_names_damage(t->names, &f))
        return false;
    finding_print(t, &f);
    if (!t->args->json)
        fputs("The broker does not start without control's metadata, and repair does not mend it: "
              "restore the folder control/ from a backup.\n",
              t->out);
    return true;
}

static int
verify(struct tool *t)
{
    struct check c = {.disk = &t->disk, .tell = finding_print, .user = t};
    bool control = control_damaged(t);
    int rc = check_verify(&c);
    if (rc != ERR_OK)
        return fail("the directory cannot be looked over: %s", err_text(rc));
    if (!t->args->json)
        fprintf(t->out,
                "%llu logs (%llu offline), %llu segments, %llu batches, %llu bytes in files; %llu "
                "records in journals\n",
                (unsigned long long)c.logs, (unsigned long long)c.offline,
                (unsigned long long)c.segments, (unsigned long long)c.batches,
                (unsigned long long)c.bytes, (unsigned long long)c.journal_records);
    if (c.bad == 0 && control)
        return CLI_EXIT_FAILED;
    if (c.bad == 0)
        return fprintf(t->out, "%s", t->args->json ? "" : "No damage.\n") < 0 ? CLI_EXIT_FAILED
                                                                              : CLI_EXIT_OK;
    if (!t->args->json)
        fprintf(t->out, "%llu findings.  'sluice log repair' says what it would do about them.\n",
                (unsigned long long)c.bad);
    return CLI_EXIT_FAILED;
}

static int
repair(struct tool *t)
{
    struct check c = {.disk = &t->disk, .tell = finding_print, .user = t};
    bool control = control_damaged(t);
    int rc = check_verify(&c);
    if (rc != ERR_OK)
        return fail("the directory cannot be looked over: %s", err_text(rc));
    if (c.bad == 0) {
        fputs(control ? "The logs are whole.\n" : "No damage: there is nothing to repair.\n",
              t->out);
        return control ? CLI_EXIT_FAILED : CLI_EXIT_OK;
    }
    fputs("Repair would start from what the journal and the files hold, as the broker does.  Each "
          "partition above that is damaged, or is found to be then, is cut at its first batch that "
          "is not good and serves again from there; what lies behind is lost to it, but its bytes "
          "are kept under removed/ until you delete them.  Damaged journals are kept under "
          "damaged/.\n",
          t->out);
    if (!t->args->yes) {
        fputs("Nothing was changed.  To do it: sluice log repair --yes\n", t->out);
        return CLI_EXIT_FAILED;
    }
    struct check done = {.disk = &t->disk, .tell = finding_print, .user = t};
    rc = check_repair(&done);
    if (rc == ERR_CORRUPT)
        return fail(
            "not repaired: no boot checkpoint can be read, and neither the checkpoints of the "
            "cores nor the journals tell what it held: restore the directory from a backup");
    if (rc != ERR_OK)
        return fail("not repaired: %s", err_text(rc));
    fprintf(t->out, "Repaired: %llu logs.%s\n", (unsigned long long)done.offline,
            control ? "" : "  Start the broker.");
    return control ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}

/* ---- dump --------------------------------------------------------------------------------------
 */

static int
dump(struct tool *t)
{
    if (!t->args->segment)
        return fail("name a file: log/TOPIC/PARTITION/OFFSET.log, boot-checkpoint, "
                    "core-N/ckpt-a or core-N/journal-NNNN");
    if (check_dump_knows(t->args->segment))
        return cli_log_show(&t->disk, t->names, t->args, t->out);
    return cli_log_dump(&t->disk, t->args, t->out);
}

int
cli_log(const struct cli_args *args, char *const *environ_, FILE *out)
{
    static struct conf conf;
    static struct tool t;
    char error[CLI_ERROR_BYTES];
    struct uring_config config = {.wake_fd = -1};
    static int (*const works[])(struct tool *) = {
        [CLI_LOG_VERIFY] = verify, [CLI_LOG_DUMP] = dump, [CLI_LOG_REPAIR] = repair};
    t = (struct tool){.args = args, .out = out};
    if (cli_config_load(args, environ_, &conf, error))
        return fail("%s", error);
    log_level_set(LOG_ERROR);
    int code = dirs_open(&t, &conf, &config);
    int rc = code == CLI_EXIT_OK ? uring_create(&config, &t.uring) : ERR_OK;
    if (rc != ERR_OK)
        code = fail("io_uring cannot be used: %s", err_text(rc));
    if (code == CLI_EXIT_OK) {
        t.disk = uring_disk(t.uring);
        rc = batch_thread_ready();
        t.names = cli_log_names_read(&t.disk);
        code = rc == ERR_OK ? works[args->work](&t) : fail("%s", err_text(rc));
        cli_log_names_free(t.names);
        batch_thread_end();
        uring_destroy(t.uring);
    }
    dirs_close(&t);
    return fflush(out) ? CLI_EXIT_FAILED : code;
}
