#include "cli/cli.h"

#include "core/base/err.h"
#include "core/base/log.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { RING_BYTES = 4 << 20 };

#define GIB ((double)(1 << 30))

static int
fail(const char *line)
{
    fprintf(stderr, "sluice: %s\n", line);
    return CLI_EXIT_FAILED;
}

static void
cpus_print(const struct cli_plan *p, FILE *out)
{
    fprintf(out, "  cores       %d (processor", p->cpu_count);
    for (int i = 0; i < p->cpu_count; i++)
        fprintf(out, "%s%d", i ? "," : " ", p->cpus[i]);
    fprintf(out, "), idle=%s\n", conf_text(&p->conf, CONF_IDLE));
}

void
cli_run_banner(const struct cli_plan *p, int pid, FILE *out)
{
    bool memory =
        strcmp(p->facts.file_system, "tmpfs") == 0 || strcmp(p->facts.file_system, "ramfs") == 0;
    fprintf(out, "sluice %s, Linux %s\n", SLUICE_VERSION, p->facts.kernel);
    fprintf(out, "  listeners   %s\n", conf_text(&p->conf, CONF_LISTENERS));
    fprintf(out, "  data        %s (%s, %.1f GiB free)\n", p->data, p->facts.file_system,
            (double)p->facts.free_bytes / GIB);
    if (p->dir_count > 1)
        fprintf(out, "              and %d more: %s\n", p->dir_count - 1,
                strchr(conf_text(&p->conf, CONF_LOG_DIRS), ',') + 1);
    fprintf(out, "  cluster     %s, node %d\n", p->format.cluster_id, p->format.node_id);
    cpus_print(p, out);
    if (strcmp(conf_text(&p->conf, CONF_NET), "dpdk") == 0)
        fprintf(out, "  network     our own TCP/IP at %s over %s\n",
                conf_text(&p->conf, CONF_NET_ADDRESS), conf_text(&p->conf, CONF_NET_DEVICES));
    else
        fprintf(out, "  network     kernel sockets over io_uring\n");
    fprintf(out, "  disk        files over io_uring, %s; journal of %lld MiB a core\n",
            p->facts.direct ? "direct" : "through the page cache",
            (long long)(conf_number(&p->conf, CONF_JOURNAL_BYTES) >> 20));
    fprintf(out, "  durability  %s\n",
            memory ? "none beyond this boot: the data directory is in memory"
                   : "acks=1 and acks=all answer when the record is on stable storage");
    fprintf(out, "  pid         %d\n", pid);
    fflush(out);
}

/* Makes the region that the plan asks for.  The supervisor is the only process yet. */
static int
region_make(const struct cli_plan *p, struct region *r)
{
    static char text[REGION_CONF_BYTES];
    if (conf_print(&p->conf, text, sizeof text) < 0)
        return fail("the configuration is too long: shorten its texts");
    struct region_shape shape = {(uint32_t)p->cpu_count,
                                 (uint32_t)conf_number(&p->conf, CONF_TOPICS_MAX),
                                 (uint32_t)conf_number(&p->conf, CONF_PARTITIONS_MAX), RING_BYTES};
    int err = region_create(r, &shape, text);
    if (err) {
        fprintf(stderr,
                "sluice: no shared memory (%s): lower topics.max, partitions.max or cores\n",
                err_text(err));
        return CLI_EXIT_FAILED;
    }
    memcpy(r->header->cluster_id, p->format.cluster_id, sizeof r->header->cluster_id);
    atomic_store_explicit(&r->header->node_id, p->format.node_id, memory_order_relaxed);
    return CLI_EXIT_OK;
}

/* The file through which tools find the region.  Without it only they suffer. */
static void
run_file_write(const struct cli_plan *p, const struct region *r)
{
    char text[64];
    snprintf(text, sizeof text, "pid=%d\nregion=%d\n", getpid(), r->fd);
    int err = os_file_write(p->data, CLI_RUN_NAME, text);
    if (err)
        log_warn("run", "no %s/" CLI_RUN_NAME ": %s; 'sluice stat' will not find this broker",
                 p->data, err_text(err));
}

static void
run_file_remove(const struct cli_plan *p)
{
    char path[OS_PATH_BYTES + 8];
    snprintf(path, sizeof path, "%s/" CLI_RUN_NAME, p->data);
    if (unlink(path))
        log_warn("run", "%s stays", path);
}

int
cli_run(const struct cli_args *args, char *const *environ_)
{
    static struct cli_plan plan;
    struct region region;
    char error[CLI_ERROR_BYTES];
    signal(SIGPIPE, SIG_IGN); /* a reader of our lines may go away */
    if (os_program_dir(plan.programs, sizeof plan.programs))
        return fail("the folder of this program is unknown: mount /proc");
    if (cli_config_load(args, environ_, &plan.conf, error) || cli_prepare(&plan, error))
        return fail(error);
    log_level_set((enum log_level)conf_number(&plan.conf, CONF_LOG_LEVEL));
    os_limits_raise();
    if (region_make(&plan, &region))
        return CLI_EXIT_FAILED;
    run_file_write(&plan, &region);
    cli_run_banner(&plan, getpid(), stdout);
    int code = cli_children(&region, plan.programs);
    run_file_remove(&plan);
    region_destroy(&region);
    for (int i = 0; i < plan.dir_count; i++)
        close(plan.lock_fds[i]);
    return code;
}
