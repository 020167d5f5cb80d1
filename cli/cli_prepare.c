#include "cli/cli.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/ipcounts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_OVERHEAD_BYTES = 4096, JOURNAL_BYTES_LEAST = 64 << 20, JOURNAL_SHARE = 4 };

must_printf(3, 4) static int refuse(int err, char error[CLI_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, CLI_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return err;
}

static int
listener_check(const struct conf_listener *l, char *error)
{
    const char *host = *l->host ? l->host : "every address";
    int err = os_listen_check(l->host, l->port);
    switch (err) {
    case ERR_OK:
        return ERR_OK;
    case ERR_EXISTS:
        return refuse(err, error,
                      "port %u on %s is in use by another process: stop it, or choose another "
                      "with -o listeners=PLAINTEXT://host:port",
                      l->port, host);
    case ERR_DENIED:
        return refuse(err, error,
                      "port %u on %s needs privileges: choose one above 1023 with -o "
                      "listeners=PLAINTEXT://host:port",
                      l->port, host);
    case ERR_INVALID:
        return refuse(err, error,
                      "%s is not an address of this machine: choose another with -o "
                      "listeners=PLAINTEXT://host:port",
                      host);
    case ERR_NOT_FOUND:
        return refuse(err, error, "the host name %s does not resolve: check -o listeners", host);
    default:
        return refuse(err, error, "port %u on %s cannot be opened: %s", l->port, host,
                      err_text(err));
    }
}

static int
listeners_read(const struct cli_plan *p, struct conf_listener *out, char *error)
{
    int advertised = conf_listeners(conf_text(&p->conf, CONF_ADVERTISED), out, error);
    if (advertised < 0)
        return advertised;
    int count = conf_listeners(conf_text(&p->conf, CONF_LISTENERS), out, error);
    if (count < 0)
        return count;
    if (count == 0)
        return refuse(ERR_INVALID, error,
                      "listeners is empty: give -o listeners=PLAINTEXT://host:port");
    if (advertised > 0 && advertised != count)
        return refuse(ERR_INVALID, error,
                      "advertised.listeners names %d addresses and listeners %d: give one for "
                      "each",
                      advertised, count);
    return count;
}

static int
cpus_choose(struct cli_plan *p, char *error)
{
    char list[CONF_TEXT_BYTES_MAX], why[CONF_ERROR_BYTES];
    int n = os_cpus(conf_text(&p->conf, CONF_CORES), p->cpus, error);
    if (n < 0)
        return n;
    p->cpu_count = n;
    _Static_assert((int)OS_CPUS_MAX <= (int)REGION_SHARDS_MAX, "a shard for each processor");
    os_cpus_print(p->cpus, n, list, sizeof list);
    return conf_set(&p->conf, "cores", list, CONF_OPTION, why)
               ? refuse(ERR_LIMIT, error, "cores: %s", why)
               : ERR_OK;
}

static int
programs_find(const struct cli_plan *p, char *error)
{
    static const char *const names[] = {"sluice-data", "sluice-control"};
    for (int i = 0; i < 2; i++) {
        char path[OS_PATH_BYTES + 32];
        snprintf(path, sizeof path, "%s/%s", p->programs, names[i]);
        if (access(path, X_OK))
            return refuse(ERR_NOT_FOUND, error,
                          "%s is not beside this program in %.300s: install or build all three",
                          names[i], p->programs);
    }
    return ERR_OK;
}

/* A batch must fit into a quarter of the cache, which is where journal frames are built. */
static int
sizes_check(const struct cli_plan *p, char *error)
{
    int64_t message = conf_number(&p->conf, CONF_MESSAGE_MAX_BYTES);
    int64_t cache = conf_number(&p->conf, CONF_CACHE_BYTES);
    if (message > cache / 4 - FRAME_OVERHEAD_BYTES)
        return refuse(ERR_INVALID, error,
                      "message.max.bytes=%lld is more than a quarter of cache.bytes=%lld: raise "
                      "cache.bytes, or lower message.max.bytes",
                      (long long)message, (long long)cache);
    return ERR_OK;
}

uint64_t
cli_prepare_journal(uint64_t wanted, uint64_t disk_bytes, int cores)
{
    uint64_t share = disk_bytes / JOURNAL_SHARE / (uint64_t)cores, bytes = wanted;
    while (disk_bytes && bytes > share && bytes > JOURNAL_BYTES_LEAST)
        bytes /= 2;
    return bytes;
}

/* Only when nobody chose their size. */
static int
journal_fit(struct cli_plan *p, char *error)
{
    const struct conf_value *set = &p->conf.values[CONF_JOURNAL_BYTES];
    uint64_t wanted = (uint64_t)set->number;
    uint64_t bytes = cli_prepare_journal(wanted, p->facts.total_bytes, p->cpu_count);
    char text[32], why[CONF_ERROR_BYTES];
    if (set->origin != CONF_DEFAULT || bytes == wanted)
        return ERR_OK;
    log_info("run", "journal.bytes=%llu instead of %llu: the file system is small bytes=%llu",
             (unsigned long long)bytes, (unsigned long long)wanted,
             (unsigned long long)p->facts.total_bytes);
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    return conf_set(&p->conf, "journal.bytes", text, CONF_OPTION, why)
               ? refuse(ERR_INVALID, error, "journal.bytes: %s", why)
               : ERR_OK;
}

static int
connections_check(const struct cli_plan *p, char *error)
{
    const char *overrides = conf_text(&p->conf, CONF_CONNECTIONS_OVERRIDES);
    if (!ipcounts_valid(overrides))
        return refuse(
            ERR_INVALID, error,
            "max.connections.per.ip.overrides=%.100s is not a list of address:count, such "
            "as 192.0.2.7:100",
            overrides);
    if (conf_number(&p->conf, CONF_CONNECTIONS_PER_IP) == 0 && !*overrides)
        return refuse(ERR_INVALID, error,
                      "max.connections.per.ip=0 lets nobody in: give "
                      "max.connections.per.ip.overrides, too");
    return ERR_OK;
}

int
cli_prepare(struct cli_plan *p, char error[CLI_ERROR_BYTES])
{
    struct conf_listener listeners[CONF_LISTENERS_MAX];
    p->dir_count = 0;
    int count = listeners_read(p, listeners, error);
    if (count < 0)
        return count;
    int err = conf_check(&p->conf, error);
    if (!err)
        err = connections_check(p, error);
    if (!err)
        err = sizes_check(p, error);
    if (!err)
        err = cpus_choose(p, error);
    if (!err)
        err = programs_find(p, error);
    if (!err)
        err = os_uring_check(error);
    if (!err)
        err = cli_dirs_prepare(p, error);
    /* With net=dpdk the kernel knows nothing of our addresses; the dataplane checks them. */
    bool kernel = strcmp(conf_text(&p->conf, CONF_NET), "kernel") == 0;
    for (int i = 0; i < count && !err && kernel; i++)
        err = listener_check(&listeners[i], error);
    if (!err && os_facts(p->data, &p->facts))
        err = refuse(ERR_IO, error, "the file system of %.300s tells nothing of itself", p->data);
    return err ? err : journal_fit(p, error);
}
