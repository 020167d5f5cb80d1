/* cli_region.c: the shared memory of the broker that runs on a data directory. */
#include "cli/cli.h"
#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number after "key=" in the run file, -1 when it is not there. */
static int
number_find(const char *text, const char *key)
{
    const char *p = strstr(text, key);
    return p ? (int)strtol(p + strlen(key), NULL, 10) : -1;
}

/* Maps the region of the broker on `data`.  ERR_NOT_FOUND: none runs. */
static int
region_find(const char *data, bool give, struct region *r, int *pid)
{
    char path[OS_PATH_BYTES + 64], text[256];
    snprintf(path, sizeof path, "%.4000s/" CLI_RUN_NAME, data);
    int n = os_file_read(path, text, sizeof text);
    if (n < 0)
        return n;
    *pid = number_find(text, "pid=");
    int fd = number_find(text, "region=");
    if (*pid <= 0 || fd < 0)
        return ERR_CORRUPT;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", *pid, fd);
    if (access(path, F_OK))
        return errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_NOT_FOUND;
    int own = give ? os_lock(path) : open(path, O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return give ? own : ERR_DENIED;
    int err = region_attach(r, own, give);
    if (!give || err) /* else it is the lock, which the end of this process gives back */
        close(own);
    return err == ERR_CORRUPT ? ERR_NOT_FOUND : err; /* another process has that pid now */
}

static const char *
advice(int err)
{
    return err == ERR_UNSUPPORTED ? "use the program that started it"
           : err == ERR_DENIED    ? "run this as the same user"
           : err == ERR_BUSY      ? "another 'sluice net capture' is at it: try again"
                                  : "name its data directory with --data";
}

int
cli_region_open(const struct cli_args *args, char *const *environ_, bool give, struct region *r,
                int *pid)
{
    static struct conf c;
    char error[CLI_ERROR_BYTES], one[CONF_TEXT_BYTES_MAX];
    if (cli_config_load(args, environ_, &c, error)) {
        fprintf(stderr, "sluice: %s\n", error);
        return ERR_INVALID;
    }
    const char *data = conf_text(&c, CONF_LOG_DIRS);
    int err = ERR_NOT_FOUND;
    for (uint32_t i = 0; err == ERR_NOT_FOUND && conf_dir(data, i, one) == ERR_OK; i++)
        err = region_find(one, give, r, pid);
    if (err)
        fprintf(stderr, "sluice: %s %.300s (%s): %s\n",
                err == ERR_NOT_FOUND ? "no broker runs on" : "cannot read the broker on", data,
                err_text(err), advice(err));
    return err;
}
