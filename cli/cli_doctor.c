#include "cli/cli.h"
#include "cli/host/doctor.h"

#include "core/base/err.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Makes the path absolute, and cuts off what is not there yet, up to a folder that is. */
static void
folder_find(const char *path, char out[PATH_MAX])
{
    char cut[CONF_TEXT_BYTES_MAX];
    snprintf(cut, sizeof cut, "%s", path);
    while (!realpath(cut, out)) {
        char *slash = strrchr(cut, '/');
        if (slash == cut)
            slash++;
        if (!slash || *slash == 0) {
            snprintf(cut, sizeof cut, "%s", slash ? "/" : ".");
            if (!realpath(cut, out))
                snprintf(out, PATH_MAX, "/");
            return;
        }
        *slash = 0;
    }
}

int
cli_doctor_host(const struct cli_args *args, char *const *environ_, struct doctor *out)
{
    static struct conf conf;
    static char folder[PATH_MAX];
    char error[CLI_ERROR_BYTES], first[CONF_TEXT_BYTES_MAX] = ".";
    struct stat st;
    if (cli_config_load(args, environ_, &conf, error)) {
        fprintf(stderr, "sluice: %s\n", error);
        return CLI_EXIT_FAILED;
    }
    if (conf_dir(conf_text(&conf, CONF_LOG_DIRS), 0, first) != ERR_OK)
        snprintf(first, sizeof first, ".");
    folder_find(first, folder);
    *out = (struct doctor){.root = "", .data = folder};
    out->dpdk = strcmp(conf_text(&conf, CONF_NET), "dpdk") == 0;
    if (stat(folder, &st) == 0) {
        out->major = major(st.st_dev);
        out->minor = minor(st.st_dev);
    }
    return CLI_EXIT_OK;
}

int
cli_doctor(const struct command_line *line, const struct cli_args *args, char *const *environ_,
           FILE *out)
{
    struct doctor d;
    int code = cli_doctor_host(args, environ_, &d);
    return code == CLI_EXIT_OK ? doctor_run(line, &d, out) : code;
}
