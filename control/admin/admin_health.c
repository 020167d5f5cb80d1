/* admin_health.c: /livez says whether the processes' loops still turn: a supervisor should restart
 * what is not alive.  /readyz says whether clients are served: a load balancer should send nobody
 * to what is not ready. */
#include "control/admin/admin_in.h"

#include "core/base/clock.h"
#include "core/base/must.h"

#include <stdio.h>

void
admin_health_look(struct metrics_source *s)
{
    for (uint32_t i = 0; i < REGION_PROCESSES; i++) {
        const struct region_peer *p = &s->region->header->peers[i];
        uint32_t generation = atomic_load_explicit(&p->generation, memory_order_acquire);
        uint64_t beat = atomic_load_explicit(&p->heartbeat_ns, memory_order_relaxed);
        bool silent = s->now_ns > beat + ADMIN_SILENCE_MS * CLOCK_NS_PER_MS;
        s->up[i] = generation != 0 && beat && !silent &&
                   atomic_load_explicit(&p->ready, memory_order_relaxed) == generation &&
                   (!s->processes[i].asked || s->processes[i].known);
    }
}

static void
check(json_t *checks, const char *name, bool ok, const char *reason, bool *all)
{
    json_t *one = json_pack("{s:s, s:b, s:s}", "name", name, "ok", ok, "reason", ok ? "" : reason);
    must(one != NULL);
    json_array_append_new(checks, one);
    *all = *all && ok;
}

/* Its loop turns.  A dataplane that is being started says nothing yet, and that is no fault. */
static bool
turns(const struct metrics_source *s, uint32_t process)
{
    const struct region_peer *p = &s->region->header->peers[process];
    uint64_t beat = atomic_load_explicit(&p->heartbeat_ns, memory_order_relaxed);
    bool ready = atomic_load_explicit(&p->ready, memory_order_relaxed) ==
                 atomic_load_explicit(&p->generation, memory_order_relaxed);
    return !beat || !ready || s->now_ns <= beat + ADMIN_SILENCE_MS * CLOCK_NS_PER_MS;
}

json_t *
admin_health(const struct metrics_source *s, bool ready, uint32_t *status)
{
    bool all = true;
    char text[ADMIN_MESSAGE_BYTES];
    json_t *checks = json_array();
    check(checks, "control_loop", turns(s, REGION_CONTROL),
          "control's loop has given no sign of life for five seconds", &all);
    check(checks, "dataplane_loop", turns(s, REGION_DATA),
          "the dataplane's loop has given no sign of life for five seconds", &all);
    if (ready) {
        uint32_t failed = 0, closed = 0;
        for (uint32_t i = 0; i < s->tables->partition_count; i++) {
            failed += s->tables->partitions[i].failed;
            closed += !s->tables->partitions[i].open && !s->tables->partitions[i].failed;
        }
        bool published =
            atomic_load_explicit(&s->region->header->published, memory_order_acquire) != 0;
        check(checks, "dataplane_up", s->up[REGION_DATA],
              "the dataplane is starting or recovering its logs, or it is down", &all);
        check(checks, "metadata_published", published, "control has not published the metadata yet",
              &all);
        (void)snprintf(text, sizeof text, "%u partitions are not open yet", closed);
        check(checks, "partitions_open", !s->up[REGION_DATA] || closed == 0, text, &all);
        bool unused = true; /* says so, and goes on serving the others */
        (void)snprintf(text, sizeof text,
                       "%u partitions cannot be served: sluice log verify tells which", failed);
        check(checks, "partitions_sound", failed == 0, text, &unused);
    }
    *status = all ? 200 : 503;
    json_t *out = json_pack("{s:s, s:o}", "status", all ? "ok" : "failed", "checks", checks);
    must(out != NULL);
    return out;
}
