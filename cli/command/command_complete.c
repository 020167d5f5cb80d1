/* command_complete.c: candidates for shells.  The scripts hold no words of ours: they ask
 * `sluice __complete`, so that they never differ from the table. */
#include "cli/command/command.h"

#include <string.h>

static void
candidate(const char *text, int bytes, const char *help, const char *prefix, FILE *out)
{
    size_t n = strlen(prefix);
    if ((size_t)bytes >= n && memcmp(text, prefix, n) == 0)
        fprintf(out, "%.*s\t%s\n", bytes, text, help);
}

/* The word that comes next in the names of commands that begin with words[0] to words[count - 2].
 */
static void
names_print(const char *const *words, int count, FILE *out)
{
    const struct command *c;
    const char *last = "", *prefix = words[count - 1];
    int last_bytes = 0;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        const char *at = c->words;
        bool fits = !c->hidden;
        for (int w = 0; w < count - 1 && fits; w++) {
            size_t n = strcspn(at, " ");
            fits = strlen(words[w]) == n && memcmp(words[w], at, n) == 0 && at[n] == ' ';
            at += n + (at[n] == ' ');
        }
        int n = (int)strcspn(at, " ");
        if (!fits || (n == last_bytes && memcmp(at, last, (size_t)n) == 0))
            continue;
        const char *group = at[n] && count == 1 ? command_group_summary(at, n) : NULL;
        candidate(at, n, group ? group : c->summary, prefix, out);
        last = at;
        last_bytes = n;
    }
}

/* The row whose words are all before the cursor; *used: how many. */
static const struct command *
row_match(const char *const *words, int count, int *used)
{
    const struct command *c, *best = NULL;
    *used = 0;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        const char *at = c->words;
        int w = 0;
        for (; *at && w < count; w++) {
            size_t n = strcspn(at, " ");
            if (strlen(words[w]) != n || memcmp(words[w], at, n) != 0)
                break;
            at += n + (at[n] == ' ');
        }
        if (*at == 0 && w > *used) {
            best = c;
            *used = w;
        }
    }
    return best;
}

static const struct command_option *
option_of(const struct command *c, const char *word)
{
    const struct command_option *o;
    for (uint32_t i = 0; (o = command_option(c, i)); i++)
        if (strcmp(o->name, word) == 0 ||
            (o->letter && word[0] == '-' && word[1] == o->letter && word[2] == 0))
            return o;
    return NULL;
}

static void
options_print(const struct command *c, const char *prefix, FILE *out)
{
    const struct command_option *o;
    for (uint32_t i = 0; (o = command_option(c, i)); i++)
        candidate(o->name, (int)strlen(o->name), o->help, prefix, out);
    candidate("--help", 6, "what it does", prefix, out);
}

static void
choices_print(const char *choices, const char *help, const char *prefix, FILE *out)
{
    for (const char *at = choices; *at; at += *at == '|') {
        int n = (int)strcspn(at, "|");
        candidate(at, n, help, prefix, out);
        at += n;
    }
}

static enum command_names
value_complete(const struct command_option *o, const char *prefix, FILE *out)
{
    if (o->kind == COMMAND_CHOICE)
        choices_print(o->value, o->help, prefix, out);
    return o->names;
}

enum command_names
command_complete(const char *const *words, int count, FILE *out, const char **prefix)
{
    int used;
    *prefix = count ? words[count - 1] : "";
    if (count == 0)
        return COMMAND_NAMES_NONE;
    const struct command *c = row_match(words, count - 1, &used);
    if (!c) {
        names_print(words, count, out);
        return COMMAND_NAMES_NONE;
    }
    if (c->names == COMMAND_NAMES_COMMANDS) {
        names_print(words + used, count - used, out);
        return COMMAND_NAMES_NONE;
    }
    const char *before = count - 1 > used ? words[count - 2] : "";
    const struct command_option *o = option_of(c, before);
    if (o && o->kind != COMMAND_FLAG)
        return value_complete(o, *prefix, out);
    if ((*prefix)[0] == '-') {
        options_print(c, *prefix, out);
        return COMMAND_NAMES_NONE;
    }
    if (c->arguments && strchr(c->arguments, '|') && strpbrk(c->arguments, "[. ") == NULL)
        choices_print(c->arguments, c->summary, *prefix, out);
    return c->names;
}

static const char bash[] =
    "# bash completion of sluice: source <(sluice completion bash)\n"
    "_sluice() {\n"
    "    local line\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        ':files') COMPREPLY+=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")) ;;\n"
    "        ':folders') COMPREPLY+=($(compgen -d -- \"${COMP_WORDS[COMP_CWORD]}\")) ;;\n"
    "        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
    "        esac\n"
    "    done < <(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -o filenames -o nosort -F _sluice sluice\n";

static const char zsh[] =
    "#compdef sluice\n"
    "# zsh completion of sluice: sluice completion zsh > a folder of $fpath, as _sluice\n"
    "_sluice() {\n"
    "    local line\n"
    "    local -a found\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        ':files') _files ;;\n"
    "        ':folders') _files -/ ;;\n"
    "        *) found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        esac\n"
    "    done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( ${#found} )) && _describe sluice found\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _sluice ]; then\n"
    "    _sluice \"$@\"\n"
    "else\n"
    "    compdef _sluice sluice\n"
    "fi\n";

static const char fish[] = "# fish completion of sluice: sluice completion fish | source\n"
                           "function __sluice_complete\n"
                           "    set -l words (commandline -opc) (commandline -ct)\n"
                           "    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
                           "        switch $line\n"
                           "            case ':files'\n"
                           "                __fish_complete_path (commandline -ct)\n"
                           "            case ':folders'\n"
                           "                __fish_complete_directories (commandline -ct)\n"
                           "            case '*'\n"
                           "                echo $line\n"
                           "        end\n"
                           "    end\n"
                           "end\n"
                           "complete -c sluice -f -a '(__sluice_complete)'\n";

void
command_complete_script(const char *shell, FILE *out)
{
    fputs(strcmp(shell, "bash") == 0 ? bash : strcmp(shell, "zsh") == 0 ? zsh : fish, out);
}
