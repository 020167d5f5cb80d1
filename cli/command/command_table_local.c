/* command_table_local.c: rows of commands that start a broker or look at files and shared memory.
 */
#include "cli/command/command.h"

const struct command_option command_conf_options[] = {
    {.name = "--data",
     .kind = COMMAND_TEXT,
     .names = COMMAND_NAMES_FOLDERS,
     .value = "DIR",
     .help = "data directory; the same as -o log.dirs=DIR"},
    {.name = "-o",
     .kind = COMMAND_PAIR,
     .value = "key=value",
     .help = "sets a configuration key; may be given again"},
    {0},
};

static const struct command_option markdown_options[] = {
    {.name = "--markdown", .kind = COMMAND_FLAG, .help = "prints docs/configuration.md"},
    {0},
};

const struct command_option command_format_options[] = {
    {.name = "--format",
     .kind = COMMAND_CHOICE,
     .value = "text|json",
     .fallback = "text",
     .help = "text for people, or JSON for programs"},
    {0},
};

const struct command_option command_metrics_options[] = {
    {.name = "--metrics",
     .kind = COMMAND_TEXT,
     .value = "HOST:PORT",
     .fallback = "127.0.0.1:9644",
     .help = "metrics.listener of the broker"},
    {0},
};

static const struct command_option top_options[] = {
    {.name = "--interval",
     .letter = 'i',
     .kind = COMMAND_NUMBER,
     .value = "SECONDS",
     .fallback = "2",
     .min = 1,
     .max = 3600,
     .help = "what rates are taken over"},
    {.name = "--once", .kind = COMMAND_FLAG, .help = "one view, then it ends"},
    {0},
};

static const struct command_option bundle_options[] = {
    {.name = "--output",
     .kind = COMMAND_TEXT,
     .names = COMMAND_NAMES_FILES,
     .value = "FILE.tar.gz",
     .help = "which must not be there yet; without it a name with the time"},
    {.name = "--log",
     .kind = COMMAND_TEXT,
     .names = COMMAND_NAMES_FILES,
     .value = "LOGFILE",
     .help = "a log of the broker, of which the end is taken; may be given again"},
    {.name = "--quiet", .letter = 'q', .kind = COMMAND_FLAG, .help = "no progress on stderr"},
    {0},
};

static const struct command_option repair_options[] = {
    {.name = "--yes", .kind = COMMAND_FLAG, .help = "does what it would only tell otherwise"},
    {0},
};

static const struct command_option dump_options[] = {
    {.name = "--deep", .kind = COMMAND_FLAG, .help = "shows the records of each batch too"},
    {0},
};

#define PRECEDENCE                                                                                 \
    "FILE is a Java property file with Kafka's names. A value comes from -o, else from the "       \
    "environment (log.segment.bytes is SLUICE_LOG_SEGMENT_BYTES), else from FILE, else it is the " \
    "default."

const struct command command_local[] = {
    {.id = COMMAND_RUN,
     .words = "run",
     .arguments = "[FILE]",
     .words_max = 1,
     .names = COMMAND_NAMES_FILES,
     .summary = "starts a broker and supervises its two processes",
     .text = "SIGTERM or ^C stops it. " PRECEDENCE,
     .examples = "sluice run --data ./data\n"
                 "sluice run -o listeners=PLAINTEXT://10.0.0.1:9092 server.properties\n",
     .sets = {command_conf_options}},
    {.id = COMMAND_CONFIG,
     .words = "config",
     .arguments = "[FILE]",
     .words_max = 1,
     .names = COMMAND_NAMES_FILES,
     .summary = "every key: value in force, where it comes from, default, meaning",
     .text = "Shows what 'sluice run' with the same options would use, and starts "
             "nothing. " PRECEDENCE,
     .examples = "sluice config server.properties\n",
     .sets = {command_conf_options, markdown_options}},
    {.id = COMMAND_STAT,
     .words = "stat",
     .summary = "counters of the broker that runs on a data directory",
     .text = "Reads the shared memory of the broker, which does not notice.",
     .examples = "sluice stat --data ./data\n"
                 "sluice stat --data ./data --format json\n",
     .sets = {command_conf_options, command_format_options}},
    {.id = COMMAND_LOG_VERIFY,
     .words = "log verify",
     .summary = "looks over the data directory of a stopped broker",
     .text = "Changes nothing. Exit code 1 says that damage was found.",
     .examples = "sluice log verify --data ./data\n",
     .sets = {command_conf_options, command_format_options}},
    {.id = COMMAND_LOG_REPAIR,
     .words = "log repair",
     .summary = "says what it would do about damage, and does it with --yes",
     .text = "Cuts each damaged partition at its first batch that is not good. What it cuts off is "
             "kept under removed/.",
     .examples = "sluice log repair --data ./data --yes\n",
     .sets = {command_conf_options, command_format_options, repair_options}},
    {.id = COMMAND_LOG_DUMP,
     .words = "log dump",
     .arguments = "FILE",
     .words_max = 1,
     .names = COMMAND_NAMES_FILES,
     .summary = "the batches of a segment, the logs of a checkpoint or the frames of a journal, "
                "of a stopped broker",
     .text = "FILE is relative to the data directory, as verify names it. With --deep: the records "
             "of batches and frames, the segments of logs.",
     .examples = "sluice log dump --deep log/TOPIC/PARTITION/OFFSET.log\n"
                 "sluice log dump boot-checkpoint\n"
                 "sluice log dump --deep core-0/journal-0000\n",
     .sets = {command_conf_options, command_format_options, dump_options}},
    {.id = COMMAND_DOCTOR,
     .words = "doctor",
     .arguments = "[FILE]",
     .words_max = 1,
     .names = COMMAND_NAMES_FILES,
     .summary = "looks over this host as a place for a broker",
     .text =
         "Each check says what it saw, why that matters, and the command that mends it. Changes "
         "nothing. The configuration names the data directory to look at.",
     .examples = "sluice doctor --data ./data\nsluice doctor --format json server.properties\n",
     .found = "a check found something that costs latency, throughput or durability",
     .sets = {command_conf_options, command_format_options}},
    {.id = COMMAND_TOP,
     .words = "top",
     .summary = "what a broker does now: throughput, cores, hottest partitions, lag, drops",
     .text = "Reads the broker's HTTP endpoint (metrics.listener). On a terminal a screen that is "
             "drawn again and again until q; else, or with --once, one view of an interval.",
     .examples = "sluice top\nsluice top --metrics 10.0.0.1:9644 --once --format json\n",
     .sets = {command_metrics_options, top_options, command_format_options}},
    {.id = COMMAND_SLOW,
     .words = "slow",
     .summary =
         "the slowest Produce requests of this minute and the last, and what they waited for",
     .text =
         "Reads the broker's HTTP endpoint (metrics.listener). Times are in microseconds. QUEUE, "
         "DURABLE and SEND add up to TOTAL; FRAME and EXTENT are the slowest writes of the "
         "journal and of a large batch that ended meanwhile, TURN is the longest turn of the "
         "loop and WHERE what it was busy with.",
     .examples = "sluice slow\nsluice slow --metrics 10.0.0.1:9644 --format json\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_BUNDLE,
     .words = "bundle",
     .arguments = "[FILE]",
     .words_max = 1,
     .names = COMMAND_NAMES_FILES,
     .summary = "gathers what a maintainer needs to know in one file, without secrets",
     .text =
         "Version, configuration, counters, what the HTTP endpoint tells, what the doctor says, "
         "facts of the host, names and sizes of the files of the data directories, and the last "
         "MiB of each --log. No records. What follows a key that sounds like a secret is "
         "removed; look at the file all the same before you send it. Prints its name.",
     .examples = "sluice bundle --data ./data --log /var/log/sluice.log\n",
     .sets = {command_conf_options, command_metrics_options, bundle_options}},
    {.id = COMMAND_COMPLETION,
     .words = "completion",
     .arguments = "bash|zsh|fish",
     .words_min = 1,
     .words_max = 1,
     .summary = "prints the completion script of a shell",
     .text = "Topics and groups are completed with the names that the broker has "
             "(SLUICE_BOOTSTRAP, or -b on the line).",
     .examples = "source <(sluice completion bash)\n"
                 "sluice completion zsh > ~/.zfunc/_sluice\n"
                 "sluice completion fish > ~/.config/fish/completions/sluice.fish\n",
     .sets = {0}},
    {.id = COMMAND_VERSION, .words = "version", .summary = "the version of this program"},
    {.id = COMMAND_HELP,
     .words = "help",
     .arguments = "[COMMAND...]",
     .words_max = COMMAND_DEPTH_MAX,
     .names = COMMAND_NAMES_COMMANDS,
     .summary = "what a command does, its options and examples",
     .examples = "sluice help log dump\n"},
    {.id = COMMAND_HIDDEN_COMPLETE,
     .words = "__complete",
     .words_max = COMMAND_WORDS_MAX,
     .summary = "candidates for a shell",
     .hidden = true},
    {.id = COMMAND_HIDDEN_MAN,
     .words = "__man",
     .arguments = "DIR",
     .words_min = 1,
     .words_max = 1,
     .summary = "writes the man pages",
     .hidden = true},
};
const uint32_t command_local_count = sizeof command_local / sizeof command_local[0];
