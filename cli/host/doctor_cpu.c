#include "cli/host/doctor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static char text[DOCTOR_FILE_BYTES];

void
doctor_cpu_isolated(const struct doctor *d, struct doctor_finding *out)
{
    if (!doctor_read(d, text, "sys/devices/system/cpu/isolated"))
        return;
    out->verdict = *text ? DOCTOR_OK : DOCTOR_NOTE;
    snprintf(out->seen, sizeof out->seen, "%.100s", *text ? text : "none");
    if (!*text)
        snprintf(out->mend, sizeof out->mend,
                 "boot with isolcpus=LIST nohz_full=LIST, and give the broker -o cores=LIST -o "
                 "idle=spin");
}

struct governors {
    const struct doctor *d;
    uint32_t seen, slow;
    char name[64];
};

static void
governor_look(void *user, const char *name)
{
    struct governors *g = user;
    if (strncmp(name, "cpu", 3) != 0 || !isdigit((unsigned char)name[3]) ||
        !doctor_read(g->d, text, "sys/devices/system/cpu/%s/cpufreq/scaling_governor", name))
        return;
    g->seen++;
    if (strcmp(text, "performance") == 0)
        return;
    g->slow++;
    snprintf(g->name, sizeof g->name, "%.60s", text);
}

void
doctor_cpu_governor(const struct doctor *d, struct doctor_finding *out)
{
    struct governors g = {.d = d};
    if (!doctor_read_folder(d, "sys/devices/system/cpu", governor_look, &g) || g.seen == 0)
        return;
    out->verdict = g.slow ? DOCTOR_WARN : DOCTOR_OK;
    snprintf(out->seen, sizeof out->seen, "%s on %u of %u processors",
             g.slow ? g.name : "performance", g.slow ? g.slow : g.seen, g.seen);
    if (g.slow)
        snprintf(out->mend, sizeof out->mend, "cpupower frequency-set -g performance");
}

void
doctor_cpu_clock(const struct doctor *d, struct doctor_finding *out)
{
    static const char folder[] = "sys/devices/system/clocksource/clocksource0";
    if (!doctor_read(d, text, "%s/current_clocksource", folder) || !*text)
        return;
    bool fast = strcmp(text, "tsc") == 0 || strcmp(text, "kvm-clock") == 0;
    out->verdict = fast ? DOCTOR_OK : DOCTOR_WARN;
    snprintf(out->seen, sizeof out->seen, "%.100s", text);
    if (fast)
        return;
    doctor_read(d, text, "%s/available_clocksource", folder);
    snprintf(out->mend, sizeof out->mend, "%s",
             strstr(text, "tsc") ? "echo tsc > /sys/devices/system/clocksource/clocksource0/"
                                   "current_clocksource"
                                 : "boot with tsc=reliable when the processor's TSC is invariant");
}

struct irqs {
    const struct doctor *d;
    bool isolated[DOCTOR_CPUS_MAX];
    uint32_t on_isolated;
};

static void
irq_look(void *user, const char *name)
{
    struct irqs *q = user;
    static bool cpus[DOCTOR_CPUS_MAX];
    if (!isdigit((unsigned char)name[0]) ||
        !doctor_read(q->d, text, "proc/irq/%s/effective_affinity_list", name))
        return;
    doctor_read_cpus(text, cpus);
    for (uint32_t i = 0; i < DOCTOR_CPUS_MAX; i++)
        if (cpus[i] && q->isolated[i]) {
            q->on_isolated++;
            return;
        }
}

void
doctor_cpu_irqs(const struct doctor *d, struct doctor_finding *out)
{
    static struct irqs q;
    q = (struct irqs){.d = d};
    if (!doctor_read(d, text, "sys/devices/system/cpu/isolated"))
        return;
    if (doctor_read_cpus(text, q.isolated) == 0) {
        out->verdict = DOCTOR_NOTE;
        snprintf(out->seen, sizeof out->seen, "on any core: no core is isolated");
        return;
    }
    if (!doctor_read_folder(d, "proc/irq", irq_look, &q))
        return;
    out->verdict = q.on_isolated ? DOCTOR_WARN : DOCTOR_OK;
    snprintf(out->seen, sizeof out->seen, "%u arrive on isolated cores", q.on_isolated);
    if (q.on_isolated)
        snprintf(out->mend, sizeof out->mend,
                 "stop irqbalance, boot with irqaffinity=LIST of the other cores, or write them to "
                 "/proc/irq/N/smp_affinity_list");
}
