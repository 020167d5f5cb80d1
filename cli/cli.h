/* cli.h: the parts of the command `sluice`.  One thread, ordinary memory; what fails is one line on
 * stderr that says what to do, and an exit code. */
#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H

#include "cli/command/command.h"
#include "core/base/must.h"
#include "core/conf/conf.h"
#include "core/shm/region.h"
#include "core/store/disk.h"
#include "drivers/os/os.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    CLI_EXIT_OK = COMMAND_EXIT_OK,
    CLI_EXIT_FAILED = COMMAND_EXIT_FAILED,
    CLI_EXIT_USAGE = COMMAND_EXIT_USAGE
};
enum { CLI_ERROR_BYTES = COMMAND_ERROR_BYTES, CLI_OPTIONS_MAX = COMMAND_GIVEN_MAX };
/* Name of the file in the data directory through which tools find a running broker. */
#define CLI_RUN_NAME "run"

/* cli_args.c: the command line of the commands below, as cli/command read it. */
enum cli_command {
    CLI_RUN,
    CLI_CONFIG,
    CLI_STAT,
    CLI_LOG,
    CLI_DOCTOR,
    CLI_BUNDLE,
    CLI_VERSION,
    CLI_HELP
};
enum cli_log_work { CLI_LOG_NONE, CLI_LOG_VERIFY, CLI_LOG_DUMP, CLI_LOG_REPAIR };
struct cli_args {
    enum cli_command command;
    const char *options[CLI_OPTIONS_MAX]; /* "key=value" of each -o; borrows argv, as all here */
    int option_count;
    const char *data; /* --data, NULL: not given */
    const char *file; /* configuration file, NULL: none */
    bool markdown, json;
    enum cli_log_work work; /* of CLI_LOG */
    const char *segment;    /* what dump shows, NULL: not given */
    bool yes, deep;
};
/* `out` borrows what the line borrows. */
void cli_args_take(struct cli_args *out, const struct command_line *line);
/* Both steps.  ERR_INVALID with `error` (which names the nearest word) when it cannot be
 * understood.
 */
must_check int cli_args_read(struct cli_args *out, int argc, char *const *argv,
                             char error[CLI_ERROR_BYTES]);

/* cli_config.c: the configuration in force, by the precedence of conf.h; --data is an -o log.dirs.
 */
must_check int cli_config_load(const struct cli_args *args, char *const *environ_, struct conf *out,
                               char error[CLI_ERROR_BYTES]);
int cli_config(const struct cli_args *args, char *const *environ_, FILE *out);
/* docs/configuration.md. */
void cli_config_markdown(FILE *out);

/* cli_shell.c: help, the version, completion, and man pages into a folder; exit codes. */
int cli_shell(const struct command_line *line, FILE *out);

/* cli_prepare.c: everything that `run` checks before it starts a process. */
struct cli_plan {
    struct conf conf;             /* log.dirs absolute and the first one first, cores a list */
    char data[OS_PATH_BYTES];     /* the first data directory */
    char programs[OS_PATH_BYTES]; /* folder of sluice-data and sluice-control */
    int cpus[OS_CPUS_MAX];
    int cpu_count;
    int lock_fds[CONF_DIRS_MAX]; /* held to the end of the process */
    int dir_count;               /* data directories that are locked */
    struct os_format format;
    struct os_facts facts;
};
/* Takes conf and programs, fills in the rest.  On failure an enum err and `error`; a data directory
 * may have been created then. */
must_check int cli_prepare(struct cli_plan *plan, char error[CLI_ERROR_BYTES]);
/* The default size of each core's journal on a file system of disk_bytes (0: not known): all of
 * them take a quarter of it at most, but each 64 MiB at least.  By its size and not by what is
 * free, so that every start comes to the same. */
uint64_t cli_prepare_journal(uint64_t wanted, uint64_t disk_bytes, int cores);

/* cli_dirs.c: part of it: data, log.dirs, locks, format. */
must_check int cli_dirs_prepare(struct cli_plan *plan, char error[CLI_ERROR_BYTES]);

/* cli_run.c */
int cli_run(const struct cli_args *args, char *const *environ_);
void cli_run_banner(const struct cli_plan *plan, int pid, FILE *out);

/* cli_log.c: a data directory that no broker uses. */
int cli_log(const struct cli_args *args, char *const *environ_, FILE *out);
/* cli_log_dump.c */
int cli_log_dump(struct disk *disk, const struct cli_args *args, FILE *out);
/* cli_log_show.c: of a checkpoint or a journal file. */
struct check_finding;
struct cli_log_names;
int cli_log_show(struct disk *disk, const struct cli_log_names *names, const struct cli_args *args,
                 FILE *out);
/* cli_log_names.c: topic names from control's metadata; says on stderr when they cannot be read. */
enum { CLI_LOG_NAME_BYTES = 280 };
struct cli_log_names *cli_log_names_read(struct disk *disk);
void cli_log_names_free(struct cli_log_names *n);
/* True when the metadata is damaged: a start is refused then; *out lent until names are freed. */
bool cli_log_names_damage(const struct cli_log_names *n, struct check_finding *out);
/* "topic-partition", with the topic's id when there is no name. */
void cli_log_name(const struct cli_log_names *n, const uint8_t *id, int32_t partition,
                  char out[CLI_LOG_NAME_BYTES]);

/* cli_supervise.c: when to start, restart, signal and give up.  Pure: time is an argument. */
enum { CLI_DATA, CLI_CONTROL, CLI_CHILDREN };
enum cli_event_kind {
    CLI_TICK,   /* time has passed */
    CLI_EXITED, /* `child` ended */
    CLI_STOP,   /* somebody asks for the end (SIGTERM, SIGINT) */
};
struct cli_event {
    enum cli_event_kind kind;
    int child;
    struct os_exit exit;
};
struct cli_orders {
    bool start[CLI_CHILDREN];
    int signal[CLI_CHILDREN]; /* 0: none */
    int64_t restart_ms; /* CLI_EXITED: the child starts again after so long; -1: it does not */
    bool finished;      /* nothing runs and nothing will: end with exit_code */
    int exit_code;
    uint64_t deadline_ns; /* step with CLI_TICK by then; CLOCK_NEVER: no need */
};
struct cli_supervise {
    struct {
        bool up;
        uint64_t started_ns;
        uint64_t start_at_ns; /* CLOCK_NEVER: not to be started */
        uint32_t deaths;      /* in a row, each within CLI_STABLE of its start */
        bool told;            /* to stop */
    } child[CLI_CHILDREN];
    bool stopping, killed, failed;
    uint64_t stop_by_ns;
};
void cli_supervise_init(struct cli_supervise *s);
void cli_supervise_step(struct cli_supervise *s, uint64_t now_ns, const struct cli_event *in,
                        struct cli_orders *out);

/* cli_children.c: carries out what cli_supervise decides until it is finished; the exit code. */
int cli_children(const struct region *r, const char *programs);

/* cli_doctor.c: the host that the configuration in force means; looks only. */
struct doctor;
must_check int cli_doctor_host(const struct cli_args *args, char *const *environ_,
                               struct doctor *out);
int cli_doctor(const struct command_line *line, const struct cli_args *args, char *const *environ_,
               FILE *out);

/* cli_bundle.c */
int cli_bundle(const struct command_line *line, const struct cli_args *args, char *const *environ_);

/* cli_region.c: the region of the broker that runs on a data directory, in *r until the process
 * ends or region_detach; `give`: to write an order into, alone among such tools.  An error has been
 * told.  ERR_NOT_FOUND: none runs; ERR_BUSY; ERR_DENIED; ERR_UNSUPPORTED: of another version. */
must_check int cli_region_open(const struct cli_args *args, char *const *environ_, bool give,
                               struct region *r, int *pid);

/* cli_capture.c: sluice net capture; cli_capture_want is the order that a line means. */
struct capring_want;
bool cli_capture_has(enum command_id id);
int cli_capture(const struct command_line *line, char *const *environ_, FILE *out);
must_check int cli_capture_want(const struct command_line *line, struct capring_want *out);

/* cli_net.c: the rest of sluice net; sluice slow. */
bool cli_net_has(enum command_id id);
int cli_net(const struct command_line *line, FILE *out);

/* cli_stat.c */
int cli_stat(const struct cli_args *args, char *const *environ_, FILE *out);
void cli_stat_print(const struct region *r, int pid, bool json, FILE *out);

#endif
