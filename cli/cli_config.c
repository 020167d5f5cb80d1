#include "cli/cli.h"

#include "core/base/err.h"

#include <string.h>

enum { FILE_BYTES_MAX = 256 << 10 };

static int
file_load(const char *path, struct conf *out, char error[CLI_ERROR_BYTES])
{
    static char text[FILE_BYTES_MAX];
    char why[CONF_ERROR_BYTES];
    int n = os_file_read(path, text, sizeof text);
    if (n < 0) {
        snprintf(error, CLI_ERROR_BYTES, "configuration file %.400s cannot be read: %s", path,
                 err_text(n));
        return n;
    }
    int err = strlen(text) == (size_t)n ? conf_parse(out, text, CONF_FILE, why) : ERR_CORRUPT;
    if (err == ERR_CORRUPT)
        snprintf(error, CLI_ERROR_BYTES, "configuration file %.400s is not text", path);
    else if (err)
        snprintf(error, CLI_ERROR_BYTES, "%.400s, %s", path, why);
    return err;
}

static int
option_load(const char *option, struct conf *out, char error[CLI_ERROR_BYTES])
{
    char key[128];
    size_t n = strcspn(option, "=");
    snprintf(key, sizeof key, "%.*s", (int)(n < sizeof key ? n : sizeof key - 1), option);
    return conf_set(out, key, option[n] ? option + n + 1 : "", CONF_OPTION, error);
}

int
cli_config_load(const struct cli_args *args, char *const *environ_, struct conf *out,
                char error[CLI_ERROR_BYTES])
{
    conf_defaults(out);
    int err = args->file ? file_load(args->file, out, error) : ERR_OK;
    if (!err)
        err = conf_environment(out, environ_, error);
    for (int i = 0; i < args->option_count && !err; i++)
        err = option_load(args->options[i], out, error);
    if (!err && args->data)
        err = conf_set(out, "log.dirs", args->data, CONF_OPTION, error);
    return err;
}

/* Prints text for a cell of a table: '|' would end it, and an empty one is shown as such. */
static void
cell_print(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void
domain_print(const struct conf_row *row, FILE *out)
{
    switch (row->type) {
    case CONF_INT:
        if (row->max == INT64_MAX)
            fprintf(out, "%lld and more", (long long)row->min);
        else
            fprintf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
        return;
    case CONF_BOOL:
        fputs("true or false", out);
        return;
    case CONF_ENUM:
        cell_print(row->choices, out);
        return;
    case CONF_TEXT:
    case CONF_PASSWORD:
        fputs("text", out);
        return;
    }
}

void
cli_config_markdown(FILE *out)
{
    fputs("# Configuration\n\n"
          "Made by `sluice config --markdown` from `core/conf/keys.def`: change it there.\n\n"
          "A value comes from the command line (`-o key=value`), else from the environment\n"
          "(`log.segment.bytes` is `SLUICE_LOG_SEGMENT_BYTES`), else from the file given to\n"
          "`sluice run`, else it is the default. Names and defaults are Kafka's where Kafka has "
          "the\n"
          "key; `log.dir` is `log.dirs` and `broker.id` is `node.id`. An unknown key is an "
          "error.\n\n"
          "| key | default | values | unit | meaning |\n"
          "|---|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        const struct conf_row *row = conf_row((enum conf_key)i);
        fprintf(out, "| `%s` | ", row->name);
        if (*row->fallback) {
            fputc('`', out);
            cell_print(row->fallback, out);
            fputc('`', out);
        }
        fputs(" | ", out);
        domain_print(row, out);
        fprintf(out, " | %s | ", row->unit);
        cell_print(row->help, out);
        fputs(" |\n", out);
    }
}

static void
table_print(const struct conf *c, FILE *out)
{
    static const char format[] = "%-43s %-28s %-11s %-11s %-28s %s\n";
    fprintf(out, format, "key", "value", "origin", "unit", "default", "meaning");
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        const struct conf_row *row = conf_row((enum conf_key)i);
        const char *shown = conf_shown(c, (enum conf_key)i);
        fprintf(out, format, row->name, *shown ? shown : "-", conf_origin_name(c->values[i].origin),
                *row->unit ? row->unit : "-", *row->fallback ? row->fallback : "-", row->help);
    }
}

int
cli_config(const struct cli_args *args, char *const *environ_, FILE *out)
{
    static struct conf c;
    char error[CLI_ERROR_BYTES];
    if (cli_config_load(args, environ_, &c, error)) {
        fprintf(stderr, "sluice: %s\n", error);
        return CLI_EXIT_FAILED;
    }
    if (args->markdown)
        cli_config_markdown(out);
    else
        table_print(&c, out);
    return fflush(out) ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
