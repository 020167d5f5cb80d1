#include "cli/cli.h"

static const char text[] =
    "sluice " SLUICE_VERSION ": a Kafka-compatible broker\n"
    "\n"
    "  sluice run [--data DIR] [-o key=value]... [FILE]\n"
    "      starts a broker and supervises its two processes; SIGTERM or ^C stops it\n"
    "  sluice config [--data DIR] [-o key=value]... [FILE] [--markdown]\n"
    "      every key: value in force, where it comes from, default, meaning\n"
    "  sluice stat [--data DIR] [--format text|json]\n"
    "      counters of the broker that runs on that data directory\n"
    "  sluice log verify [--data DIR] [--format text|json]\n"
    "      looks over the data directory of a stopped broker; exit code 1: damage was found\n"
    "  sluice log repair [--data DIR] [--yes]\n"
    "      says what it would do about damage, and does it with --yes\n"
    "  sluice log dump [--data DIR] [--deep] [--format text|json] FILE\n"
    "      the batches of a segment, with --deep the records too\n"
    "  sluice version\n"
    "  sluice help\n"
    "\n"
    "FILE is a Java property file with Kafka's names.  A value comes from -o, else from the\n"
    "environment (log.segment.bytes is SLUICE_LOG_SEGMENT_BYTES), else from FILE, else it is the\n"
    "default.  --data DIR is -o log.dirs=DIR.\n"
    "\n"
    "Exit codes: 0 done, 1 it failed and stderr says what to do, 2 the command line is wrong.\n";

void
cli_help(FILE *out)
{
    fputs(text, out);
}
