#include "control/admin/admin_in.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/shm/region_sum.h"
#include "core/wire/kerr.h"
#include "core/wire/wire.h"

#include <stddef.h>
#include <string.h>

/* ---- /v1/cores ---- */

struct core_row {
    int32_t core;
    int64_t now_ms;
};
const struct admin_schema admin_cores_schema = {
    "Core", (const struct admin_field[]){{"core", ADMIN_I32, offsetof(struct core_row, core),
                                          "number of the loop; -1: control", NULL},
                                         {"now_ms", ADMIN_I64, offsetof(struct core_row, now_ms),
                                          "when the counters were read, ms since 1970", NULL},
                                         {"counters", ADMIN_NUMBERS, 0,
                                          "what it counts, since the broker was started", NULL},
                                         {0}}};

json_t *
admin_cores_list(struct admin_call *c)
{
    uint32_t shards = c->source.region->header->shard_count;
    json_t *items, *list = admin_json_list(c, shards + 1, &items);
    for (uint32_t b = 0; b <= shards; b++) {
        struct core_row row = {b < shards ? (int32_t)b : -1, c->source.now_ms};
        if (!admin_json_wanted(c, b))
            continue;
        json_t *o = admin_json_object(&admin_cores_schema, &row);
        json_t *counters = json_object_get(o, "counters");
        const _Atomic uint64_t *block = region_counters(c->source.region, b);
        for (uint32_t i = 0; i < COUNTERS; i++)
            json_object_set_new(counters, counters_row((enum counter)i)->name,
                                json_integer((json_int_t)counters_read(block, i)));
        json_array_append_new(items, o);
    }
    return list;
}

/* ---- /v1/processes ---- */

struct process_row {
    const char *process;
    bool up;
    int32_t pid;
    uint32_t starts;
    int64_t silence_ms;
    uint64_t resident_bytes, cpu_ns;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct process_row, name), help, NULL                        \
    }
const struct admin_schema admin_cores_process_schema = {
    "Process", (const struct admin_field[]){
                   FIELD(process, STATIC, "data or control"),
                   FIELD(up, BOOL, "whether it serves"),
                   FIELD(pid, I32, "its number, 0: it was never there"),
                   FIELD(starts, U32, "times that it was started since the broker was"),
                   FIELD(silence_ms, I64, "since its last sign of life, -1: there was none"),
                   FIELD(resident_bytes, U64, "memory that it has, 0: not known"),
                   FIELD(cpu_ns, U64, "processor time since it was started, 0: not known"),
                   {0}}};
#undef FIELD

json_t *
admin_cores_processes(struct admin_call *c)
{
    static const char *const names[REGION_PROCESSES] = {"data", "control"};
    json_t *items, *list = admin_json_list(c, REGION_PROCESSES, &items);
    for (uint32_t i = 0; i < REGION_PROCESSES; i++) {
        const struct region_peer *p = &c->source.region->header->peers[i];
        uint64_t beat = atomic_load_explicit(&p->heartbeat_ns, memory_order_relaxed);
        uint64_t now = c->source.now_ns;
        struct process_row row = {
            .process = names[i],
            .up = c->source.up[i],
            .pid = atomic_load_explicit(&p->pid, memory_order_relaxed),
            .starts = atomic_load_explicit(&p->generation, memory_order_relaxed),
            .silence_ms = !beat         ? -1
                          : now <= beat ? 0
                                        : (int64_t)((now - beat) / CLOCK_NS_PER_MS),
            .resident_bytes = c->source.processes[i].resident_bytes,
            .cpu_ns = c->source.processes[i].cpu_ns,
        };
        if (admin_json_wanted(c, i))
            json_array_append_new(items, admin_json_object(&admin_cores_process_schema, &row));
    }
    return list;
}

/* ---- /v1/drops ---- */

struct drop_row {
    const char *reason, *help;
    uint64_t count;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct drop_row, name), help, NULL                           \
    }
const struct admin_schema admin_cores_drop_schema = {
    "Drop", (const struct admin_field[]){FIELD(reason, STATIC, "name of the reason"),
                                         FIELD(help, STATIC, "what it means"),
                                         FIELD(count, U64, "times since the broker was started"),
                                         {0}}};
#undef FIELD

json_t *
admin_cores_drops(struct admin_call *c)
{
    uint32_t total = 0;
    json_t *items, *list = admin_json_list(c, 0, &items);
    for (uint32_t i = 0; i < COUNTERS; i++) {
        const struct counter_row *r = counters_row((enum counter)i);
        if (!counters_is_drop((enum counter)i))
            continue;
        struct drop_row row = {r->name, r->help, region_sum_counter(c->source.region, i)};
        if (admin_json_wanted(c, total++))
            json_array_append_new(items, admin_json_object(&admin_cores_drop_schema, &row));
    }
    json_object_set_new(list, "total", json_integer(total));
    return list;
}

/* ---- /v1/errors ---- */

struct error_row {
    const char *api, *error;
    uint64_t count;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct error_row, name), help, NULL                          \
    }
const struct admin_schema admin_cores_error_schema = {
    "Error", (const struct admin_field[]){FIELD(api, STATIC, "name of the api"),
                                          FIELD(error, STATIC, "name of the error code"),
                                          FIELD(count, U64, "times since the broker was started"),
                                          {0}}};
#undef FIELD

json_t *
admin_cores_errors(struct admin_call *c)
{
    struct counters_error all[COUNTERS_ERRORS];
    uint32_t count = region_sum_errors(c->source.region, all), total = 0;
    json_t *items, *list = admin_json_list(c, 0, &items);
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_api *api = wire_api_find(all[i].api);
        struct error_row row = {api ? api->name : NULL, kerr_name(all[i].error), all[i].count};
        if (api && admin_json_wanted(c, total++))
            json_array_append_new(items, admin_json_object(&admin_cores_error_schema, &row));
    }
    json_object_set_new(list, "total", json_integer(total));
    return list;
}

/* ---- /v1/config, /v1/disks ---- */

struct config_row {
    const char *key, *value, *fallback, *unit, *help;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct config_row, name), help, NULL                         \
    }
const struct admin_schema admin_cores_config_schema = {
    "ConfigEntry",
    (const struct admin_field[]){FIELD(key, STATIC, "name of the key"),
                                 FIELD(value, STATIC, "value in force"),
                                 FIELD(fallback, STATIC, "default"),
                                 FIELD(unit, STATIC, "unit of the value, \"\" without one"),
                                 FIELD(help, STATIC, "what it does"),
                                 {0}}};
#undef FIELD

json_t *
admin_cores_config(struct admin_call *c)
{
    json_t *items, *list = admin_json_list(c, CONF_KEYS, &items);
    for (uint32_t k = 0; k < CONF_KEYS; k++) {
        const struct conf_row *r = conf_row((enum conf_key)k);
        struct config_row row = {r->name, conf_shown(c->source.conf, (enum conf_key)k), r->fallback,
                                 r->unit, r->help};
        if (admin_json_wanted(c, k))
            json_array_append_new(items, admin_json_object(&admin_cores_config_schema, &row));
    }
    return list;
}

struct disk_row {
    const char *dir;
    uint64_t free_bytes, total_bytes;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct disk_row, name), help, NULL                           \
    }
const struct admin_schema admin_cores_disk_schema = {
    "Disk", (const struct admin_field[]){
                FIELD(dir, STATIC, "data directory"),
                FIELD(free_bytes, U64, "free space of its file system"),
                FIELD(total_bytes, U64, "size of its file system, 0: nothing is known"),
                {0}}};
#undef FIELD

json_t *
admin_cores_disks(struct admin_call *c)
{
    char dir[CONF_TEXT_BYTES_MAX];
    const char *dirs = conf_text(c->source.conf, CONF_LOG_DIRS);
    uint32_t count = 0;
    json_t *items, *list = admin_json_list(c, 0, &items);
    for (; count < CONF_DIRS_MAX && conf_dir(dirs, count, dir) == ERR_OK; count++) {
        const struct metrics_disk *d = &c->source.disks[count];
        struct disk_row row = {dir, d->free_bytes, d->total_bytes};
        if (admin_json_wanted(c, count))
            json_array_append_new(items, admin_json_object(&admin_cores_disk_schema, &row));
    }
    json_object_set_new(list, "total", json_integer(count));
    return list;
}
