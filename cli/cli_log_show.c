/* cli_log_show.c: sluice log dump of a checkpoint or a journal file. */
#include "cli/cli.h"

#include "core/base/err.h"
#include "core/store/check.h"

#include <jansson.h>

struct show {
    const struct cli_args *args;
    const struct cli_log_names *names;
    FILE *out;
};

static void
row_json(struct show *s, const struct check_row *r, const char *partition)
{
    json_t *o = json_pack("{s:s}", "row", r->kind);
    bool good = o != NULL;
    if (r->topic)
        good = good && json_object_set_new(o, "partition", json_string(partition)) == 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct check_cell *c = &r->cells[i];
        json_t *value = c->text ? json_string(c->text) : json_integer(c->number);
        good = good && json_object_set_new(o, c->name, value) == 0;
    }
    must(good);
    json_dumpf(o, s->out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', s->out);
    json_decref(o);
}

static void
row_print(void *user, const struct check_row *r)
{
    struct show *s = user;
    char partition[CLI_LOG_NAME_BYTES] = "";
    if (r->topic)
        cli_log_name(s->names, r->topic, r->partition, partition);
    if (s->args->json) {
        row_json(s, r, partition);
        return;
    }
    fprintf(s->out, "%s%s", r->inner ? "  " : "", r->kind);
    if (r->topic)
        fprintf(s->out, " %s", partition);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct check_cell *c = &r->cells[i];
        if (c->text)
            fprintf(s->out, " %s %s", c->name, c->text);
        else
            fprintf(s->out, " %s %lld", c->name, (long long)c->number);
    }
    fputc('\n', s->out);
}

int
cli_log_show(struct disk *disk, const struct cli_log_names *names, const struct cli_args *args,
             FILE *out)
{
    struct show s = {args, names, out};
    struct check_dump d = {.path = args->segment, .deep = args->deep, .row = row_print, .user = &s};
    int rc = check_dump(disk, &d);
    if (rc != ERR_OK) {
        fprintf(stderr, "sluice: %s: %s: give a path under the first data directory\n",
                args->segment, err_text(rc));
        return CLI_EXIT_FAILED;
    }
    if (d.what)
        fprintf(stderr, "sluice: %s: %s\n", args->segment, d.what);
    return d.what ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
