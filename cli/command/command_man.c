/* command_man.c: pages in the man(7) macros: sluice.1 lists the commands, sluice-GROUP.1 has all of
 * a group. */
#include "cli/command/command.h"

#include "core/base/err.h"

#include <string.h>

/* Text of a page: a backslash, a '-' and a '.' or "'" at the beginning of a line mean themselves.
 */
static void
text_print(const char *text, FILE *out)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        if (*text == '\n' && (text[1] == '.' || text[1] == '\''))
            fputs("\\&", out);
    }
}

static void
paragraph(const char *text, FILE *out)
{
    text_print(text, out);
    fputs(".\n", out);
}

static void
options_print(const struct command *c, FILE *out)
{
    const struct command_option *o;
    for (uint32_t i = 0; (o = command_option(c, i)); i++) {
        fputs(".TP\n", out);
        if (o->letter)
            fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB", out);
        text_print(o->name, out);
        fputs("\\fR", out);
        if (o->value) {
            fputs(" \\fI", out);
            text_print(o->value, out);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        text_print(o->help, out);
        if (o->fallback) {
            fputs("; default ", out);
            text_print(*o->fallback ? o->fallback : "empty", out);
        }
        fputs(".\n", out);
    }
}

static void
command_print(const struct command *c, FILE *out)
{
    fputs(".SS sluice ", out);
    text_print(c->words, out);
    if (command_option(c, 0))
        fputs(" [OPTION...]", out);
    if (c->arguments) {
        fputc(' ', out);
        text_print(c->arguments, out);
    }
    fputc('\n', out);
    paragraph(c->summary, out);
    if (c->text) {
        fputs(".PP\n", out);
        text_print(c->text, out);
        fputc('\n', out);
    }
    options_print(c, out);
    if (c->found) {
        fputs(".PP\nExit code 3: ", out);
        paragraph(c->found, out);
    }
    if (c->examples) {
        fputs(".PP\nExamples:\n.PP\n.EX\n", out);
        text_print(c->examples, out);
        fputs(".EE\n", out);
    }
}

static void
header_print(const char *page, const char *summary, FILE *out)
{
    fputs(".TH ", out);
    for (const char *p = page; *p; p++)
        fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, out);
    fprintf(out, " 1 \"\" \"sluice %s\" \"User Commands\"\n.SH NAME\n", SLUICE_VERSION);
    text_print(page, out);
    fputs(" \\- ", out);
    text_print(summary, out);
    fputc('\n', out);
}

static void
footer_print(FILE *out)
{
    fputs(".SH EXIT STATUS\n"
          "0: done.\n.br\n1: it failed, and standard error says what to do.\n.br\n"
          "2: the command line is wrong.\n.br\n"
          "3: a check found something that is not well.\n",
          out);
}

static void
overview(FILE *out)
{
    const struct command *c;
    header_print("sluice", "a Kafka-compatible broker and its command", out);
    fputs(".SH SYNOPSIS\n.B sluice\n\\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.SH COMMANDS\n", out);
    uint32_t at = 0;
    for (int n; (c = command_group_next(&at, &n));) {
        const char *summary = command_group_summary(c->words, n);
        fprintf(out, ".TP\n\\fBsluice\\-%.*s\\fR(1)\n", n, c->words);
        paragraph(summary ? summary : c->summary, out);
    }
    fputs(".SH ENVIRONMENT\n.TP\n\\fBSLUICE_BOOTSTRAP\\fR\nbroker to ask when there is no "
          "\\-\\-bootstrap.\n.TP\n\\fBNO_COLOR\\fR\nno colours, unless it is empty.\n",
          out);
    footer_print(out);
}

int
command_man(const char *group, FILE *out)
{
    const struct command *c;
    char page[64];
    uint32_t found = 0;
    if (!group) {
        overview(out);
        return ERR_OK;
    }
    snprintf(page, sizeof page, "sluice-%.50s", group);
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        int n;
        const char *word = command_group(c, &n);
        if (c->hidden || strlen(group) != (size_t)n || memcmp(word, group, (size_t)n) != 0)
            continue;
        if (found++ == 0) {
            const char *summary = command_group_summary(group, n);
            header_print(page, summary ? summary : c->summary, out);
            fputs(".SH COMMANDS\n", out);
        }
        command_print(c, out);
    }
    if (found == 0)
        return ERR_NOT_FOUND;
    footer_print(out);
    fputs(".SH SEE ALSO\n\\fBsluice\\fR(1)\n", out);
    return ERR_OK;
}
