#include "cli/command/command.h"

#include "core/base/err.h"

#include <string.h>

enum { WIDTH = 96, INDENT = 4, NAME_WIDTH = 28, HEAD_BYTES = 96 };

/* Prints text in lines of at most WIDTH columns, each `indent` deep; the first one goes on at
 * column `at`. */
static void
wrap(const char *text, int indent, int at, FILE *out)
{
    while (*text) {
        int n = (int)strcspn(text, " \n");
        if (at > indent && at + n + 1 > WIDTH) {
            fputc('\n', out);
            at = 0;
        }
        if (at < indent) {
            fprintf(out, "%*s", indent - at, "");
            at = indent;
        } else if (at > indent && n) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", n, text);
        at += n;
        text += n;
        if (*text)
            text++;
    }
    fputc('\n', out);
}

static void
lines_print(const char *lines, FILE *out)
{
    while (*lines) {
        int n = (int)strcspn(lines, "\n");
        fprintf(out, "%*s%.*s\n", INDENT, "", n, lines);
        lines += n + (lines[n] == '\n');
    }
}

static void
option_print(const struct command_option *o, FILE *out)
{
    char head[HEAD_BYTES], help[512];
    const char *comma = o->fallback ? "; default " : "";
    int n = o->letter ? snprintf(head, sizeof head, "-%c, %s %s", o->letter, o->name,
                                 o->value ? o->value : "")
                      : snprintf(head, sizeof head, "%s %s", o->name, o->value ? o->value : "");
    snprintf(help, sizeof help, "%s%s%s", o->help, comma, o->fallback ? o->fallback : "");
    fprintf(out, "%*s%s", INDENT, "", head);
    n += INDENT;
    if (n > INDENT + NAME_WIDTH) {
        fputc('\n', out);
        n = 0;
    }
    wrap(help, INDENT + NAME_WIDTH + 1, n, out);
}

void
command_help_one(const struct command *c, FILE *out)
{
    const struct command_option *o;
    fprintf(out, "sluice %s%s%s%s%s\n", c->words, command_option(c, 0) ? " [OPTION...]" : "",
            c->arguments ? " " : "", c->arguments ? c->arguments : "", "");
    wrap(c->summary, INDENT, 0, out);
    if (c->text) {
        fputc('\n', out);
        wrap(c->text, 0, 0, out);
    }
    if (command_option(c, 0))
        fputs("\nOptions\n", out);
    for (uint32_t i = 0; (o = command_option(c, i)); i++)
        option_print(o, out);
    if (c->examples) {
        fputs("\nExamples\n", out);
        lines_print(c->examples, out);
    }
    fputs("\nExit codes: 0 done, 1 it failed and stderr says what to do, 2 the command line is "
          "wrong",
          out);
    if (c->found)
        fprintf(out, ",\n3 %s", c->found);
    fputs(".\n", out);
}

static void
row_print(const char *words, int bytes, const char *summary, FILE *out)
{
    fprintf(out, "%*s%.*s", INDENT, "", bytes, words);
    if (bytes > NAME_WIDTH)
        fputc('\n', out);
    wrap(summary, INDENT + NAME_WIDTH + 1, bytes > NAME_WIDTH ? 0 : INDENT + bytes, out);
}

/* All commands: a group as one line. */
static void
overview(FILE *out)
{
    const struct command *c;
    fputs("sluice " SLUICE_VERSION ": a Kafka-compatible broker, and the command for any broker "
          "that speaks the protocol\n\nCommands\n",
          out);
    uint32_t at = 0;
    for (int n; (c = command_group_next(&at, &n));) {
        const char *summary = command_group_summary(c->words, n);
        char head[HEAD_BYTES];
        int m = snprintf(head, sizeof head, "sluice %.*s%s", n, c->words, summary ? " ..." : "");
        row_print(head, m, summary ? summary : c->summary, out);
    }
    fputs("\n'sluice help COMMAND' says more of one.\n"
          "Exit codes: 0 done, 1 it failed and stderr says what to do, 2 the command line is "
          "wrong,\n3 a check found something that is not well.\n",
          out);
}

int
command_help(const char *const *words, int count, FILE *out)
{
    const struct command *c;
    char typed[HEAD_BYTES] = "";
    size_t n = 0;
    uint32_t found = 0;
    if (count == 0) {
        overview(out);
        return ERR_OK;
    }
    for (int i = 0; i < count && n < sizeof typed; i++)
        n += (size_t)snprintf(typed + n, sizeof typed - n, "%s%.30s", i ? " " : "", words[i]);
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        bool under = strncmp(c->words, typed, n) == 0 && c->words[n] == ' ';
        if (strcmp(c->words, typed) == 0) {
            command_help_one(c, out);
            return ERR_OK;
        }
        if (!under || c->hidden)
            continue;
        char head[HEAD_BYTES];
        int m = snprintf(head, sizeof head, "sluice %s", c->words);
        if (found++ == 0)
            fprintf(out, "sluice %s: %s\n\n", typed,
                    command_group_summary(typed, (int)n) ? command_group_summary(typed, (int)n)
                                                         : "commands");
        row_print(head, m, c->summary, out);
    }
    if (found)
        fprintf(out, "\n'sluice help %s COMMAND' says more of one.\n", typed);
    return found ? ERR_OK : ERR_NOT_FOUND;
}
