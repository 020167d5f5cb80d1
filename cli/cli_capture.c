/* cli_capture.c: sluice net capture: gives the broker an order through its shared memory (which
 * only who runs the broker can write) and tells what became of it (core/shm/capring.h). */
#include "cli/cli.h"
#include "cli/command/sheet.h"
#include "core/base/err.h"
#include "core/net/iptext.h"
#include "core/shm/capring.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 5000, LOOK_MS = 10 };

/* ---- the order ---- */

/* "10.77.0.1:40312", "[fd00::1]:40312"; without `port` an address alone. */
static bool
peer_read(const char *text, bool port, struct capring_filter *out)
{
    char host[IPTEXT_BYTES];
    uint32_t number = 0;
    const char *colon = port ? strrchr(text, ':') : text + strlen(text);
    if (!colon)
        return false;
    const char *end = port ? iptext_number(colon + 1, 10, 5, UINT16_MAX, &number) : colon;
    size_t n = (size_t)(colon - text);
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (!end || *end || n >= sizeof host || (port && !number))
        return false;
    memcpy(host, text, n);
    host[n] = 0;
    out->port = (uint16_t)number;
    out->some = 1;
    return iptext_read(host, out->ip);
}

/* The file as control, which is elsewhere, names it. */
static bool
path_set(const char *file, char out[CAPRING_PATH_BYTES])
{
    char here[OS_PATH_BYTES] = "";
    if (file[0] != '/' && !getcwd(here, sizeof here))
        return false;
    int n = snprintf(out, CAPRING_PATH_BYTES, "%s%s%s", here, file[0] == '/' ? "" : "/", file);
    return n > 0 && n < CAPRING_PATH_BYTES;
}

int
cli_capture_want(const struct command_line *line, struct capring_want *out)
{
    const char *peer = command_text(line, "--connection"), *host = command_text(line, "--host");
    *out = (struct capring_want){
        .start = 1,
        .snap = (uint32_t)command_number(line, "--snaplen"),
        .frames_max = (uint64_t)command_number(line, "--packets"),
        .bytes_max = (uint64_t)command_number(line, "--bytes"),
    };
    if (command_text(line, "--port"))
        out->filter.device = (uint32_t)command_number(line, "--port") + 1;
    if (peer && host) {
        fprintf(stderr, "sluice: --connection names a host already: leave --host out\n");
        return ERR_INVALID;
    }
    if ((peer && !peer_read(peer, true, &out->filter)) ||
        (host && !peer_read(host, false, &out->filter))) {
        fprintf(stderr, "sluice: '%.100s' is not %s\n", peer ? peer : host,
                peer ? "IP:PORT, as REMOTE of 'sluice net connections'" : "an IP address");
        return ERR_INVALID;
    }
    if (path_set(line->words[0], out->path))
        return ERR_OK;
    fprintf(stderr, "sluice: the file has too long a path\n");
    return ERR_INVALID;
}

/* That the broker has the device of the order. */
static bool
device_is_there(const struct conf *c, const struct capring_want *order)
{
    uint32_t count = conf_device_count(c);
    if (order->filter.device <= count)
        return true;
    fprintf(stderr, "sluice: there is no port %u: 'sluice net ports' tells those that are\n",
            order->filter.device - 1);
    return false;
}

static int
give(struct capring_order *o, const struct capring_want *want)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    uint32_t number;
    int err = ERR_AGAIN;
    for (int ms = 0; ms < ANSWER_MS; ms += LOOK_MS) {
        if (err == ERR_AGAIN)
            err = capring_order_give(o, want, &number);
        if (err == ERR_OK && capring_order_answered(o, number))
            return atomic_load_explicit(&o->err, memory_order_relaxed);
        nanosleep(&pause, NULL);
    }
    return ERR_AGAIN;
}

/* ---- what became of it ---- */

static json_t *
status_json(const struct capring_order *o)
{
    static const char *const states[] = {"none", "running", "ended"};
    static const char *const whys[CAPRING_WHYS] = {
        [CAPRING_ASKED] = "stopped",
        [CAPRING_FRAMES] = "packets reached",
        [CAPRING_SIZE] = "bytes reached",
        [CAPRING_FAILED] = "the file could not be written",
        [CAPRING_RESTART] = "control was restarted",
    };
    uint32_t state = atomic_load_explicit(&o->state, memory_order_acquire);
    uint32_t why = atomic_load_explicit(&o->why, memory_order_relaxed);
    char path[CAPRING_PATH_BYTES];
    snprintf(path, sizeof path, "%.*s", (int)sizeof path - 1, state == CAPRING_NONE ? "" : o->path);
    json_t *file = json_string(path);
    json_t *all =
        json_pack("{s:s, s:o, s:I, s:I, s:I, s:s}", "state", states[state < 3 ? state : 0], "file",
                  file ? file : json_string("?"), "packets",
                  (json_int_t)atomic_load_explicit(&o->frames, memory_order_relaxed), "bytes",
                  (json_int_t)atomic_load_explicit(&o->bytes, memory_order_relaxed), "lost",
                  (json_int_t)atomic_load_explicit(&o->lost, memory_order_relaxed), "why",
                  state == CAPRING_ENDED && why < CAPRING_WHYS ? whys[why] : "");
    must(all);
    return all;
}

static void
status_print(const struct capring_order *o, bool json, FILE *out)
{
    static const struct sheet_column columns[] = {{"state", "State"},     {"file", "File"},
                                                  {"packets", "Packets"}, {"bytes", "Bytes"},
                                                  {"lost", "Lost"},       {"why", "Ended because"}};
    json_t *all = status_json(o);
    if (json)
        sheet_json(all, out);
    else
        sheet_list(all, columns, sizeof columns / sizeof columns[0], out);
    json_decref(all);
}

static const char *
reason(int err)
{
    return err == ERR_BUSY        ? "one is running already: 'sluice net capture stop' ends it"
           : err == ERR_EXISTS    ? "the file is there already: name another"
           : err == ERR_NOT_FOUND ? "there is none, or the folder of the file is not there"
           : err == ERR_DENIED    ? "the broker may not write there"
           : err == ERR_AGAIN     ? "control does not answer: is it being started?"
                                  : err_text(err);
}

/* Whether the broker can carry the order out: with kernel sockets nothing takes any. */
static bool
is_possible(const struct region *r, const struct capring_want *order)
{
    static struct conf c;
    char error[CONF_ERROR_BYTES];
    conf_defaults(&c);
    if (conf_parse(&c, region_conf(r), CONF_OPTION, error) != ERR_OK || !conf_own_net(&c)) {
        fprintf(stderr, "sluice: the broker uses kernel sockets: tcpdump sees them\n");
        return false;
    }
    return device_is_there(&c, order);
}

bool
cli_capture_has(enum command_id id)
{
    return id == COMMAND_NET_CAPTURE_START || id == COMMAND_NET_CAPTURE_STOP ||
           id == COMMAND_NET_CAPTURE_STATUS;
}

int
cli_capture(const struct command_line *line, char *const *environ_, FILE *out)
{
    static struct cli_args args;
    static struct capring_want want;
    enum command_id id = line->command->id;
    bool looks = id == COMMAND_NET_CAPTURE_STATUS;
    struct region r;
    int pid;
    cli_args_take(&args, line);
    args.file = NULL; /* the word is that of the capture */
    if (id == COMMAND_NET_CAPTURE_START && cli_capture_want(line, &want))
        return CLI_EXIT_USAGE;
    if (cli_region_open(&args, environ_, !looks, &r, &pid))
        return CLI_EXIT_FAILED;
    if (!is_possible(&r, &want))
        return CLI_EXIT_FAILED;
    struct capring_order *o = region_capring_order(&r);
    int err = looks ? ERR_OK : give(o, &want);
    if (err) {
        fprintf(stderr, "sluice: capture: %s\n", reason(err));
        return CLI_EXIT_FAILED;
    }
    status_print(o, args.json, out);
    region_detach(&r);
    return fflush(out) ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
