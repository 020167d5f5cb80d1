#include "cli/host/doctor.h"

#include "cli/command/sheet.h"
#include "core/base/must.h"

#include <string.h>

static const struct doctor_check rows[] = {
    {"io_uring", "every file and socket of the broker goes through it", doctor_system_uring},
    {"file system", "records are kept in it: it must survive a power cut", doctor_disk_files},
    {"write cache",
     "each acknowledgement waits for a flush of a volatile cache; a drive with "
     "power-loss protection has none to flush",
     doctor_disk_cache},
    {"io scheduler",
     "a scheduler reorders writes that the broker has ordered already, and costs time",
     doctor_disk_scheduler},
    {"huge pages", "the broker's arenas are large: fewer misses of the TLB", doctor_memory_huge},
    {"transparent huge pages", "what the arenas get when none are reserved",
     doctor_memory_transparent},
    {"memlock", "io_uring and DPDK pin their buffers", doctor_memory_lock},
    {"swap", "a page of the broker that was swapped out is a stall of milliseconds",
     doctor_memory_swap},
    {"governor", "a processor that has slowed down takes time to wake: tail latency",
     doctor_cpu_governor},
    {"clock source", "the loops read the clock in each turn: from the TSC that is no system call",
     doctor_cpu_clock},
    {"isolated cores", "other programs on a core of the dataplane are its tail latency",
     doctor_cpu_isolated},
    {"interrupts", "an interrupt on a core of the dataplane stops its loop", doctor_cpu_irqs},
    {"open files", "one for each connection and each segment that is open", doctor_system_files},
    {"listen backlog", "clients that come at once after a restart wait in it",
     doctor_system_backlog},
    {"network cards", "net=dpdk needs a poll-mode driver for the card", doctor_system_nic},
    {"IOMMU", "net=dpdk with vfio-pci needs it to keep the card inside the broker's memory",
     doctor_system_iommu},
};

const struct doctor_check *
doctor_row(uint32_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}

const char *
doctor_verdict_name(enum doctor_verdict v)
{
    static const char *const names[] = {
        [DOCTOR_OK] = "ok",
        [DOCTOR_NOTE] = "note",
        [DOCTOR_WARN] = "warn",
        [DOCTOR_UNKNOWN] = "unknown",
    };
    return names[v];
}

json_t *
doctor_look(const struct doctor *d, bool *bad)
{
    const struct doctor_check *c;
    json_t *all = json_array();
    *bad = false;
    for (uint32_t i = 0; (c = doctor_row(i)); i++) {
        struct doctor_finding f = {.verdict = DOCTOR_UNKNOWN};
        c->look(d, &f);
        *bad |= f.verdict == DOCTOR_WARN;
        json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s?}", "check", c->name, "verdict",
                              doctor_verdict_name(f.verdict), "seen",
                              *f.seen ? f.seen : "this machine does not tell", "why", c->why,
                              "mend", *f.mend ? f.mend : NULL);
        must(o != NULL);
        json_array_append_new(all, o);
    }
    return all;
}

static void
finding_print(const json_t *o, bool colours, FILE *out)
{
    static const enum sheet_paint paints[] = {SHEET_GREEN, SHEET_YELLOW, SHEET_RED, SHEET_PLAIN};
    const char *verdict = json_string_value(json_object_get(o, "verdict"));
    const char *mend = json_string_value(json_object_get(o, "mend"));
    enum sheet_paint paint = SHEET_PLAIN;
    for (int v = DOCTOR_OK; v <= DOCTOR_UNKNOWN; v++)
        if (strcmp(verdict, doctor_verdict_name((enum doctor_verdict)v)) == 0)
            paint = paints[v];
    sheet_paint(out, colours, paint, verdict);
    fprintf(out, "%*s%s: %s\n", 9 - (int)strlen(verdict), "",
            json_string_value(json_object_get(o, "check")),
            json_string_value(json_object_get(o, "seen")));
    if (!mend)
        return;
    fprintf(out, "         why: %s\n", json_string_value(json_object_get(o, "why")));
    fprintf(out, "         do:  %s\n", mend);
}

int
doctor_run(const struct command_line *line, const struct doctor *d, FILE *out)
{
    bool bad;
    json_t *all = doctor_look(d, &bad);
    if (strcmp(command_text(line, "--format"), "json") == 0)
        sheet_json(all, out);
    else
        for (size_t i = 0; i < json_array_size(all); i++)
            finding_print(json_array_get(all, i), sheet_colours(out), out);
    json_decref(all);
    if (fflush(out))
        return COMMAND_EXIT_FAILED;
    return bad ? COMMAND_EXIT_FOUND : COMMAND_EXIT_OK;
}
