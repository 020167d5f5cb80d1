/* cli_bundle.c: gathers what a maintainer asks for first: version, configuration, counters, what
 * the HTTP endpoint tells, what the doctor says, names and sizes of files, ends of logs. */
#include "cli/bundle/bundle.h"
#include "cli/cli.h"
#include "cli/command/sheet.h"
#include "cli/host/doctor.h"
#include "cli/top/top.h"

#include "core/base/err.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { HTTP_MS = 3000, FOLDERS_DEPTH = 4, LISTED_MAX = 100000 };

struct gather {
    const struct command_line *line;
    const struct cli_args *args;
    char *const *environ_;
    struct bundle_tar tar;
    bool quiet;
};

must_printf(2, 3) static void note(const struct gather *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!g->quiet) {
        vfprintf(stderr, fmt, ap);
        fputc('\n', stderr);
    }
    va_end(ap);
}

/* Runs something that prints, and adds what it printed. */
static void
printed_add(struct gather *g, const char *name, void (*print)(struct gather *g, FILE *out))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    must(out != NULL);
    note(g, "%s", name);
    print(g, out);
    fclose(out);
    bundle_tar_add(&g->tar, name, text, bytes);
    free(text);
}

static void
version_print(struct gather *g, FILE *out)
{
    static struct os_facts facts;
    fprintf(out, "sluice %s\n", SLUICE_VERSION);
    if (os_facts(".", &facts) == ERR_OK)
        fprintf(out, "Linux %s, %llu bytes of memory\n", facts.kernel,
                (unsigned long long)facts.memory_bytes);
}

static void
config_print(struct gather *g, FILE *out)
{
    static struct conf conf;
    char error[CLI_ERROR_BYTES];
    if (cli_config_load(g->args, g->environ_, &conf, error)) {
        fprintf(out, "%s\n", error);
        return;
    }
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        enum conf_key key = (enum conf_key)i;
        fprintf(out, "%s=%s  (%s)\n", conf_row(key)->name, conf_shown(&conf, key),
                conf_origin_name(conf.values[i].origin));
    }
}

static void
stat_print(struct gather *g, FILE *out)
{
    struct cli_args json = *g->args;
    json.json = true;
    if (cli_stat(&json, g->environ_, out) != CLI_EXIT_OK)
        fputs("no broker runs on this data directory, or it cannot be read\n", out);
}

static void
doctor_print(struct gather *g, FILE *out)
{
    struct doctor d;
    bool bad;
    if (cli_doctor_host(g->args, g->environ_, &d) != CLI_EXIT_OK)
        return;
    json_t *all = doctor_look(&d, &bad);
    sheet_json(all, out);
    json_decref(all);
}

/* Names and sizes of files, not what is in them. */
static void
folder_print(const char *path, int depth, int *left, FILE *out)
{
    const struct dirent *e;
    struct stat st;
    char one[OS_PATH_BYTES];
    DIR *d = opendir(path);
    while (d && (e = readdir(d)) && *left > 0) {
        int n = snprintf(one, sizeof one, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || n >= (int)sizeof one ||
            lstat(one, &st))
            continue;
        fprintf(out, "%12lld %10lld %s\n", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                one);
        --*left;
        if (S_ISDIR(st.st_mode) && depth > 1)
            folder_print(one, depth - 1, left, out);
    }
    if (d)
        closedir(d);
}

static void
files_print(struct gather *g, FILE *out)
{
    static struct conf conf;
    char error[CLI_ERROR_BYTES], dir[CONF_TEXT_BYTES_MAX];
    int left = LISTED_MAX;
    if (cli_config_load(g->args, g->environ_, &conf, error))
        return;
    const char *dirs = conf_text(&conf, CONF_LOG_DIRS);
    fputs("       bytes    time (s) path\n", out);
    for (uint32_t i = 0; conf_dir(dirs, i, dir) == ERR_OK; i++)
        folder_print(dir, FOLDERS_DEPTH, &left, out);
    if (left == 0)
        fputs("and more\n", out);
}

/* What the HTTP endpoint tells, or why it does not. */
static void
endpoint_add(struct gather *g)
{
    static const struct {
        const char *path, *name;
    } documents[] = {
        {"/metrics", "http/metrics.txt"},
        {"/metrics/internal", "http/internal.txt"},
        {"/readyz", "http/readyz.txt"},
        {"/v1/cluster", "http/cluster.json"},
        {"/v1/partitions?limit=10000", "http/partitions.json"},
        {"/v1/groups?limit=10000", "http/groups.json"},
        {"/v1/transactions?limit=10000", "http/transactions.json"},
        {"/v1/processes", "http/processes.json"},
        {"/v1/drops", "http/drops.json"},
        {"/v1/slowest", "http/slowest.json"},
        {"/v1/disks", "http/disks.json"},
        {"/v1/net", "http/net.json"},
        {"/v1/net/ports", "http/net-ports.json"},
        {"/v1/net/addresses", "http/net-addresses.json"},
        {"/v1/net/drops", "http/net-drops.json"},
    };
    const char *address = command_text(g->line, "--metrics");
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        char error[TOP_ERROR_BYTES] = "";
        size_t bytes = 0;
        note(g, "%s", documents[i].name);
        char *text = top_http(address, documents[i].path, HTTP_MS, &bytes, error);
        bundle_tar_add(&g->tar, documents[i].name, text ? text : error,
                       text ? bytes : strlen(error));
        free(text);
    }
}

static void
host_add(struct gather *g)
{
    static const char *const files[] = {"/proc/cpuinfo",    "/proc/meminfo", "/proc/mounts",
                                        "/proc/interrupts", "/proc/cmdline", "/proc/self/limits"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[BUNDLE_NAME_BYTES];
        snprintf(name, sizeof name, "host/%s.txt", strrchr(files[i], '/') + 1);
        bundle_tar_tail(&g->tar, name, files[i]);
    }
}

static void
logs_add(struct gather *g)
{
    const char *path;
    for (int i = 0; (path = command_each(g->line, "--log", i)); i++) {
        char name[BUNDLE_NAME_BYTES];
        const char *slash = strrchr(path, '/');
        snprintf(name, sizeof name, "log/%d-%.200s", i, slash ? slash + 1 : path);
        note(g, "%s", name);
        bundle_tar_tail(&g->tar, name, path);
    }
}

int
cli_bundle(const struct command_line *line, const struct cli_args *args, char *const *environ_)
{
    static struct gather g;
    struct timespec now;
    struct tm tm;
    char top[64], path[OS_PATH_BYTES];
    const char *output = command_text(line, "--output");
    g = (struct gather){.line = line, .args = args, .environ_ = environ_};
    g.quiet = command_has(line, "--quiet");
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(top, sizeof top, "sluice-bundle-%Y%m%dT%H%M%SZ", &tm);
    snprintf(path, sizeof path, "%s%s", output ? output : top, output ? "" : ".tar.gz");
    if (!bundle_tar_open(&g.tar, path, top, now.tv_sec)) {
        fprintf(stderr, "sluice: %s: %s: name another file with --output\n", path, g.tar.error);
        return CLI_EXIT_FAILED;
    }
    printed_add(&g, "version.txt", version_print);
    printed_add(&g, "config.txt", config_print);
    printed_add(&g, "stat.json", stat_print);
    printed_add(&g, "doctor.json", doctor_print);
    printed_add(&g, "files.txt", files_print);
    endpoint_add(&g);
    host_add(&g);
    logs_add(&g);
    if (!bundle_tar_close(&g.tar)) {
        fprintf(stderr, "sluice: %s is not whole: %s: is there room for it?\n", path, g.tar.error);
        return CLI_EXIT_FAILED;
    }
    printf("%s\n", path);
    return fflush(stdout) ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
