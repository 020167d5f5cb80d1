/* command.h: the one table of what can be typed behind `sluice`.
 *
 * command_table*.c holds the rows.  Everything that shows or reads a command line comes from them:
 * the parser, --help, the man pages and the completion of bash, zsh and fish.  Pure: no file, no
 * socket, no environment; texts are static, and a command_line borrows argv. */
#ifndef SLUICE_CLI_COMMAND_COMMAND_H
#define SLUICE_CLI_COMMAND_COMMAND_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { COMMAND_GIVEN_MAX = 128, COMMAND_WORDS_MAX = 256, COMMAND_DEPTH_MAX = 3 };
enum { COMMAND_ERROR_BYTES = 1024, COMMAND_SETS_MAX = 3 };
/* Exit codes, the same for every command. */
enum {
    COMMAND_EXIT_OK = 0,
    COMMAND_EXIT_FAILED = 1, /* stderr says what to do */
    COMMAND_EXIT_USAGE = 2,  /* the command line is wrong */
    COMMAND_EXIT_FOUND = 3,  /* a check was made, and what it looked at is not well */
};

enum command_id {
    COMMAND_RUN,
    COMMAND_CONFIG,
    COMMAND_STAT,
    COMMAND_LOG_VERIFY,
    COMMAND_LOG_REPAIR,
    COMMAND_LOG_DUMP,
    COMMAND_TOPIC_LIST,
    COMMAND_TOPIC_CREATE,
    COMMAND_TOPIC_DESCRIBE,
    COMMAND_TOPIC_ALTER,
    COMMAND_TOPIC_DELETE,
    COMMAND_TOPIC_TRIM,
    COMMAND_TOPIC_ADD_PARTITIONS,
    COMMAND_PRODUCE,
    COMMAND_CONSUME,
    COMMAND_GROUP_LIST,
    COMMAND_GROUP_DESCRIBE,
    COMMAND_GROUP_SEEK,
    COMMAND_GROUP_DELETE,
    COMMAND_GROUP_DELETE_OFFSETS,
    COMMAND_TXN_LIST,
    COMMAND_TXN_DESCRIBE,
    COMMAND_TXN_PRODUCERS,
    COMMAND_TXN_ABORT,
    COMMAND_QUOTA_LIST,
    COMMAND_QUOTA_SET,
    COMMAND_QUOTA_REMOVE,
    COMMAND_CLUSTER_INFO,
    COMMAND_CLUSTER_HEALTH,
    COMMAND_CLUSTER_CONFIG_GET,
    COMMAND_CLUSTER_CONFIG_SET,
    COMMAND_NET_INFO,
    COMMAND_NET_PORTS,
    COMMAND_NET_ADDRESSES,
    COMMAND_NET_ROUTES,
    COMMAND_NET_NEIGHBOURS,
    COMMAND_NET_CONNECTIONS,
    COMMAND_NET_DROPS,
    COMMAND_NET_CAPTURE_START,
    COMMAND_NET_CAPTURE_STOP,
    COMMAND_NET_CAPTURE_STATUS,
    COMMAND_DOCTOR,
    COMMAND_TOP,
    COMMAND_SLOW,
    COMMAND_BUNDLE,
    COMMAND_COMPLETION,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_HIDDEN_COMPLETE,
    COMMAND_HIDDEN_MAN,
    COMMAND_IDS
};

enum command_kind {
    COMMAND_FLAG,   /* no value */
    COMMAND_TEXT,   /* not empty */
    COMMAND_ANY,    /* may be empty */
    COMMAND_NUMBER, /* decimal, min to max */
    COMMAND_CHOICE, /* one of `value`, which lists them: "text|json" */
    COMMAND_PAIR,   /* "key=value" */
};

/* What may stand in a place: how a shell completes it. */
enum command_names {
    COMMAND_NAMES_NONE,
    COMMAND_NAMES_FILES,
    COMMAND_NAMES_FOLDERS,
    COMMAND_NAMES_TOPICS,
    COMMAND_NAMES_GROUPS,
    COMMAND_NAMES_COMMANDS,
};

struct command_option {
    const char *name; /* "--partitions", or "-o" when there is no long one; NULL ends a set */
    char letter;      /* 'p': "-p" is the same; 0: none */
    enum command_kind kind;
    enum command_names names;
    const char *value;    /* what help calls it, the choices; NULL: a flag */
    const char *fallback; /* NULL: there is none */
    int64_t min, max;     /* COMMAND_NUMBER */
    const char *help;
};

struct command {
    enum command_id id;
    const char *words;     /* "topic create" */
    const char *arguments; /* as help shows them: "TOPIC..." */
    int words_min, words_max;
    enum command_names names; /* of the arguments */
    const char *summary;      /* one line, no full stop */
    const char *text;         /* more of it, whole sentences */
    const char *examples;     /* command lines, one a line */
    const char *found;        /* what exit code 3 means here, NULL: it does not end with it */
    const struct command_option *sets[COMMAND_SETS_MAX];
    bool hidden; /* for shells and the build */
};

/* command_table.c.  Rows in the order of help; groups ("topic") stand together. */
const struct command *command_row(uint32_t index); /* NULL: no more */
const struct command *command_find(enum command_id id);
/* Option number `index` of a command through all its sets, NULL: no more. */
const struct command_option *command_option(const struct command *c, uint32_t index);
/* The first word of a row, with its length: "topic". */
const char *command_group(const struct command *c, int *bytes);
/* The groups one after the other: the first row of the next one that is not hidden, with the length
 * of the group's name; *at begins at 0.  NULL: no more. */
const struct command *command_group_next(uint32_t *at, int *bytes);
/* What a group is for, NULL when the word is a command by itself. */
const char *command_group_summary(const char *group, int bytes);
/* command_table_local.c: the rows that need no broker on the network. */
extern const struct command command_local[];
extern const uint32_t command_local_count;
extern const struct command_option command_conf_options[];    /* which broker, by its folder */
extern const struct command_option command_metrics_options[]; /* which broker, by its endpoint */
extern const struct command_option command_format_options[];

/* command_table_client.c: the rows that ask a broker over the network. */
extern const struct command command_client[];
extern const uint32_t command_client_count;
extern const struct command_option command_client_options[]; /* that all of these have */
extern const struct command_option command_dry_options[];    /* of those that may only ask */
/* command_table_admin.c: more of them. */
extern const struct command command_admin[];
extern const uint32_t command_admin_count;
/* command_table_net.c: the rows of `sluice net`. */
extern const struct command command_net[];
extern const uint32_t command_net_count;

/* command_parse.c */
struct command_line {
    const struct command *command;
    bool help; /* --help was given: nothing else is checked then */
    int count;
    struct {
        const struct command_option *option;
        const char *value; /* NULL for a flag */
    } given[COMMAND_GIVEN_MAX];
    int word_count;
    const char *words[COMMAND_WORDS_MAX];
};
/* ERR_INVALID with `error`, one line that names the nearest word, when it cannot be understood.
 * `--` ends the options; "--help" alone is the command help, "--version" the command version. */
must_check int command_read(struct command_line *out, int argc, char *const *argv,
                            char error[COMMAND_ERROR_BYTES]);
/* These look for an option of the row by its name; one that the row does not have is our mistake.
 * The last one given counts, else the default. */
bool command_has(const struct command_line *l, const char *name);
const char *command_text(const struct command_line *l,
                         const char *name); /* NULL: none, no default */
int64_t command_number(const struct command_line *l, const char *name);
/* Value number `index` of an option that may be given several times, NULL: no more. */
const char *command_each(const struct command_line *l, const char *name, int index);

/* command_help.c: all commands, or what is under `words` (those of `sluice help ...`).
 * ERR_NOT_FOUND: there is nothing of that name. */
must_check int command_help(const char *const *words, int count, FILE *out);
void command_help_one(const struct command *c, FILE *out);

/* command_man.c: the page of a group ("topic" is sluice-topic.1), of everything for NULL. */
must_check int command_man(const char *group, FILE *out);

/* command_complete.c: what can stand at the cursor.  words are those behind `sluice`, the last one
 * is the one under the cursor and may be empty.  Prints "candidate<TAB>what it is" lines, and
 * returns what else may stand there, for the caller to list; *prefix is what these must begin with.
 */
enum command_names command_complete(const char *const *words, int count, FILE *out,
                                    const char **prefix);
/* The script for a shell: "bash", "zsh" or "fish". */
void command_complete_script(const char *shell, FILE *out);

#endif
