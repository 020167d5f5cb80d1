/* nic_host.c: each way a host can be unprepared, found by looking, with the command that mends it.
 *
 *   sys/bus/pci/devices/ADDRESS          the device is there
 *   .../driver -> NAME                   which driver of the kernel has it
 *   .../net/INTERFACE                    it is an interface of the kernel, or several
 *   sys/class/net/INTERFACE/upper_NAME   which is part of a bond or bridge, or has a VLAN on it
 *   sys/kernel/iommu_groups/N            there is an IOMMU, or
 *   sys/module/vfio/parameters/enable_unsafe_noiommu_mode   it was renounced
 *   sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages
 *   proc/net/dev                         the interfaces; /sys may show those of another namespace
 *   proc/net/route, proc/net/ipv6_route  the interface of the default route
 *   dev/net/tun                          for net_tap */
#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HOST_PATH_BYTES = 512,
    HOST_NAME_BYTES = NIC_HOST_NAME_BYTES,
    HOST_UPPERS_DEEP = 4, /* a VLAN on a bridge of a bond is three */
    HUGE_PAGE_BYTES = 2 << 20
};

/* Drivers of the kernel under which DPDK can reach a device; the mlx ones leave it with the kernel.
 */
static const char *const ready_drivers[] = {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core",
                                            "mlx4_core"};

static const char renounced[] = "sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

struct look {
    const struct nic_dpdk_config *config;
    char *error;
};

__attribute__((format(printf, 2, 3))) static void
path_of(char out[HOST_PATH_BYTES], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(out, HOST_PATH_BYTES, fmt, args);
    va_end(args);
}

static bool
is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The first line of a small file; "" without one. */
static void
line_read(const char *path, char out[HOST_PATH_BYTES])
{
    FILE *f = fopen(path, "re");
    if (!f || !fgets(out, HOST_PATH_BYTES, f))
        out[0] = '\0';
    if (f)
        (void)fclose(f);
    out[strcspn(out, "\n")] = '\0';
}

/* The next entry of a folder that begins with `prefix`, without that; false: there is none. */
static bool
next_entry(DIR *dir, const char *prefix, char out[HOST_NAME_BYTES])
{
    const struct dirent *e = NULL;
    size_t skip = strlen(prefix);
    while (dir && (e = readdir(dir)) &&
           (e->d_name[0] == '.' || strncmp(e->d_name, prefix, skip) != 0))
        continue;
    if (e)
        (void)snprintf(out, HOST_NAME_BYTES, "%.63s", e->d_name + skip);
    return e != NULL;
}

static bool
has_entry(const char *path)
{
    char name[HOST_NAME_BYTES];
    DIR *dir = opendir(path);
    bool has = next_entry(dir, "", name);
    if (dir)
        (void)closedir(dir);
    return has;
}

/* ---- the default route ---- */

/* Both tables have rows of words: IPv4 interface, destination, ... mask (8th); IPv6 destination,
 * prefix, ... interface (10th).  False for what is not the default route. */
static bool
route_row(const char *line, bool v6, char interface[HOST_NAME_BYTES])
{
    char word[10][HOST_NAME_BYTES];
    int n = sscanf(line, "%63s %63s %63s %63s %63s %63s %63s %63s %63s %63s", word[0], word[1],
                   word[2], word[3], word[4], word[5], word[6], word[7], word[8], word[9]);
    if (v6 ? n < 10 : n < 8)
        return false;
    const char *name = word[v6 ? 9 : 0];
    bool any = v6 ? strspn(word[0], "0") == 32 && strcmp(word[1], "00") == 0
                  : strcmp(word[1], "00000000") == 0 && strcmp(word[7], "00000000") == 0;
    (void)snprintf(interface, HOST_NAME_BYTES, "%.63s", name);
    return any && strcmp(name, "lo") != 0;
}

static bool
carries_default_route(const char *root, const char *interface)
{
    static const char *const tables[] = {"proc/net/route", "proc/net/ipv6_route"};
    for (int v6 = 0; v6 < 2; v6++) {
        char path[HOST_PATH_BYTES], line[HOST_PATH_BYTES], name[HOST_NAME_BYTES];
        path_of(path, "%s%s", root, tables[v6]);
        FILE *f = fopen(path, "re");
        bool found = false;
        while (f && !found && fgets(line, sizeof line, f))
            found = route_row(line, v6, name) && strcmp(name, interface) == 0;
        if (f)
            (void)fclose(f);
        if (found)
            return true;
    }
    return false;
}

/* One of the comma-separated names. */
static bool
is_named(const char *names, const char *name)
{
    for (size_t n; *names; names += n + (names[n] == ',')) {
        n = strcspn(names, ",");
        if (n == strlen(name) && strncmp(names, name, n) == 0)
            return true;
    }
    return false;
}

/* `out`: the interface with the default route that this one, or one above it, is. */
static bool
leads_to_default_route(const char *root, const char *interface, uint32_t deep,
                       char out[HOST_NAME_BYTES])
{
    char path[HOST_PATH_BYTES], upper[HOST_NAME_BYTES];
    (void)snprintf(out, HOST_NAME_BYTES, "%.63s", interface);
    if (carries_default_route(root, interface))
        return true;
    if (deep == 0)
        return false;
    path_of(path, "%ssys/class/net/%s", root, interface);
    DIR *dir = opendir(path);
    bool found = false;
    while (!found && next_entry(dir, "upper_", upper))
        found = leads_to_default_route(root, upper, deep - 1, out);
    if (dir)
        (void)closedir(dir);
    return found;
}

static int
route_check(const struct look *l, const char *interface)
{
    char carrier[HOST_NAME_BYTES], part[HOST_NAME_BYTES + 32] = "";
    if (is_named(l->config->default_route, interface) ||
        !leads_to_default_route(l->config->root, interface, HOST_UPPERS_DEEP, carrier))
        return ERR_OK;
    if (strcmp(carrier, interface) != 0)
        (void)snprintf(part, sizeof part, " is under %s, which", carrier);
    (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES,
                   "%s%s carries the default route of this machine; to take it all the same: "
                   "net.default.route.device=%s",
                   interface, part, interface);
    return ERR_BUSY;
}

/* Of every interface that the kernel has of a device on PCI. */
static int
pci_route_check(const struct look *l, const char *address)
{
    char path[HOST_PATH_BYTES], interface[HOST_NAME_BYTES];
    path_of(path, "%ssys/bus/pci/devices/%s/net", l->config->root, address);
    DIR *dir = opendir(path);
    int err = ERR_OK;
    while (!err && next_entry(dir, "", interface))
        err = route_check(l, interface);
    if (dir)
        (void)closedir(dir);
    return err;
}

/* ---- PCI ---- */

/* "0000:41:00.0" or "41:00.0", then nothing or arguments. */
static bool
is_pci(const char *device, char address[HOST_NAME_BYTES])
{
    unsigned domain = 0, bus, slot, function;
    int end = 0;
    if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4) {
        domain = 0;
        if (sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3)
            return false;
    }
    (void)snprintf(address, HOST_NAME_BYTES, "%04x:%02x:%02x.%x", domain, bus, slot, function);
    return device[end] == '\0' || device[end] == ',';
}

static bool
driver_ready(const char *driver)
{
    for (size_t i = 0; i < sizeof ready_drivers / sizeof ready_drivers[0]; i++)
        if (strcmp(driver, ready_drivers[i]) == 0)
            return true;
    return false;
}

/* What a device does to memory is confined, or the operator has renounced that. */
static bool
iommu_settled(const struct look *l)
{
    char path[HOST_PATH_BYTES], text[HOST_PATH_BYTES];
    path_of(path, "%ssys/kernel/iommu_groups", l->config->root);
    if (has_entry(path))
        return true;
    path_of(path, "%s%s", l->config->root, renounced);
    line_read(path, text);
    return text[0] == 'Y' || text[0] == '1';
}

/* Kernels that are built without vfio's way to renounce leave uio. */
static int
iommu_missing(const struct look *l, const char *address)
{
    char path[HOST_PATH_BYTES], command[HOST_PATH_BYTES];
    path_of(path, "%s%s", l->config->root, renounced);
    if (is_there(path))
        path_of(command, "echo 1 > /%s", renounced);
    else
        path_of(command, "modprobe uio_pci_generic && dpdk-devbind.py --bind=uio_pci_generic %s",
                address);
    (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES,
                   "no IOMMU: switch it on (firmware; kernel parameter intel_iommu=on or "
                   "amd_iommu=on), or do without its protection: %.200s",
                   command);
    return ERR_DENIED;
}

static int
pci_check(const struct look *l, const char *address, struct nic_host *out)
{
    char path[HOST_PATH_BYTES], target[HOST_PATH_BYTES];
    path_of(path, "%ssys/bus/pci/devices/%s", l->config->root, address);
    if (!is_there(path)) {
        (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES,
                       "no PCI device %s: lspci -D lists those that are there", address);
        return ERR_NOT_FOUND;
    }
    int err = pci_route_check(l, address);
    if (err)
        return err;
    path_of(path, "%ssys/bus/pci/devices/%s/driver", l->config->root, address);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/'), *driver = slash ? slash + 1 : target;
    (void)snprintf(out->driver, sizeof out->driver, "%.31s", driver);
    bool vfio = strcmp(out->driver, "vfio-pci") == 0, ready = driver_ready(out->driver);
    if ((vfio || !ready) && !iommu_settled(l))
        return iommu_missing(l, address);
    if (!ready) {
        (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES,
                       "PCI device %s is with %s, not with vfio-pci: modprobe vfio-pci && "
                       "dpdk-devbind.py --bind=vfio-pci %s",
                       address, out->driver[0] ? out->driver : "no driver", address);
        return ERR_BUSY;
    }
    return ERR_OK;
}

/* ---- virtual devices ---- */

/* Rows of proc/net/dev: "  name: counters". */
static bool
interface_is_there(const char *root, const char *interface)
{
    char path[HOST_PATH_BYTES], line[HOST_PATH_BYTES], name[HOST_NAME_BYTES];
    bool found = false;
    path_of(path, "%sproc/net/dev", root);
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = sscanf(line, " %63[^: ]:", name) == 1 && strcmp(name, interface) == 0;
    if (f)
        (void)fclose(f);
    return found;
}

/* Virtual devices reach others by many arguments ("iface=", "remote=", "slave=", "dev(...)"): each
 * word that names an interface or a device on PCI counts, but the interface that net_tap makes. */
static int
arguments_check(const struct look *l, bool tap)
{
    static const char between[] = ",=()[]{}";
    const char *at = l->config->device;
    int err = ERR_OK;
    for (bool own = false; *at && !err;) {
        char word[HOST_NAME_BYTES], address[HOST_NAME_BYTES];
        size_t n = strcspn(at, between);
        (void)snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), at);
        if (is_pci(word, address))
            err = pci_route_check(l, address);
        else if (!own && interface_is_there(l->config->root, word))
            err = route_check(l, word);
        own = tap && strcmp(word, "iface") == 0;
        at += n;
        at += strspn(at, between);
    }
    return err;
}

static int
virtual_check(const struct look *l, struct nic_host *out)
{
    const char *device = l->config->device, *iface = strstr(device, ",iface=");
    char path[HOST_PATH_BYTES], interface[HOST_NAME_BYTES] = "";
    out->tap = strncmp(device, "net_tap", 7) == 0;
    if (strncmp(device, "net_", 4) != 0) {
        (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES,
                       "'%s' is neither a PCI address (0000:41:00.0) nor a virtual device "
                       "(net_tap0,iface=sl0)",
                       device);
        return ERR_INVALID;
    }
    path_of(path, "%sdev/net/tun", l->config->root);
    if (out->tap && !is_there(path)) {
        (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES, "no /dev/net/tun: modprobe tun");
        return ERR_UNSUPPORTED;
    }
    if (!iface || out->tap)
        return arguments_check(l, out->tap);
    iface += strlen(",iface=");
    (void)snprintf(interface, sizeof interface, "%.*s", (int)strcspn(iface, ",)"), iface);
    if (!interface_is_there(l->config->root, interface)) {
        (void)snprintf(l->error, NIC_DPDK_ERROR_BYTES,
                       "no interface %s: ip link lists those that are there", interface);
        return ERR_NOT_FOUND;
    }
    return arguments_check(l, out->tap);
}

/* ---- memory ---- */

uint32_t
nic_host_memory_mb(const struct nic_dpdk_config *configs, uint32_t count)
{
    /* Frames that come and, half as many, that leave as copies, with what DPDK keeps beside each;
     * then headers and spans. */
    enum { BASE_MB = 96, OTHERS_MB = 4, FRAMES = NIC_DPDK_FRAMES * 3 / 2 };
    enum { LEAST_BYTES = 2048, EXTRA_BYTES = 768 };
    uint32_t all_mb = BASE_MB;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t frame = configs[i].mtu > LEAST_BYTES ? configs[i].mtu : LEAST_BYTES;
        uint64_t each = (uint64_t)FRAMES * (frame + EXTRA_BYTES);
        all_mb += configs[i].queues * (OTHERS_MB + (uint32_t)(each >> 20));
    }
    return all_mb;
}

/* Of all devices together. */
static int
memory_check(const struct nic_dpdk_config *configs, uint32_t count, struct nic_host *out,
             char error[NIC_DPDK_ERROR_BYTES])
{
    char path[HOST_PATH_BYTES], text[HOST_PATH_BYTES];
    path_of(path, "%ssys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", configs[0].root);
    line_read(path, text);
    uint64_t free_bytes = strtoull(text, NULL, 10) * HUGE_PAGE_BYTES;
    uint32_t need_mb = nic_host_memory_mb(configs, count);
    bool huge = free_bytes >> 20 >= need_mb, pci = false;
    for (uint32_t i = 0; i < count; i++) {
        out[i].free_huge_bytes = free_bytes;
        out[i].huge = huge;
        pci |= out[i].pci;
    }
    if (huge || !pci)
        return ERR_OK;
    (void)snprintf(error, NIC_DPDK_ERROR_BYTES,
                   "%llu MiB of huge pages are free, %u are needed: echo %u > "
                   "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                   (unsigned long long)(free_bytes >> 20), need_mb,
                   need_mb / (HUGE_PAGE_BYTES >> 20) + 1);
    return ERR_LIMIT;
}

static int
device_check(const struct nic_dpdk_config *config, struct nic_host *out,
             char error[NIC_DPDK_ERROR_BYTES])
{
    const struct look l = {config, error};
    char address[HOST_NAME_BYTES] = "";
    *out = (struct nic_host){.pci = is_pci(config->device, address)};
    if (config->queues == 0 || config->queues > NIC_DPDK_QUEUES_MAX ||
        strlen(config->device) > NIC_DPDK_DEVICE_BYTES_MAX) {
        (void)snprintf(error, NIC_DPDK_ERROR_BYTES,
                       "a device has 1 to %d queues and a name of %d bytes", NIC_DPDK_QUEUES_MAX,
                       NIC_DPDK_DEVICE_BYTES_MAX);
        return ERR_INVALID;
    }
    if (out->pci) {
        memcpy(out->name, address, sizeof out->name);
        return pci_check(&l, address, out);
    }
    (void)snprintf(out->name, sizeof out->name, "%.*s", (int)strcspn(config->device, ","),
                   config->device);
    return virtual_check(&l, out);
}

/* Of several, says which. */
static void
device_name(uint32_t count, const struct nic_dpdk_config *config, char error[NIC_DPDK_ERROR_BYTES])
{
    char text[NIC_DPDK_ERROR_BYTES];
    if (count == 1)
        return;
    (void)snprintf(text, sizeof text, "%.60s: %.440s", config->device, error);
    memcpy(error, text, sizeof text);
}

int
nic_host_check(const struct nic_dpdk_config *configs, uint32_t count, struct nic_host *out,
               char error[NIC_DPDK_ERROR_BYTES])
{
    must(count > 0 && count <= NIC_DPDK_DEVICES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        int err = device_check(&configs[i], &out[i], error);
        for (uint32_t k = 0; !err && k < i; k++)
            if (strcmp(out[k].name, out[i].name) == 0) {
                (void)snprintf(error, NIC_DPDK_ERROR_BYTES, "the device is named twice");
                err = ERR_INVALID;
            }
        if (err) {
            device_name(count, &configs[i], error);
            return err;
        }
    }
    return memory_check(configs, count, out, error);
}
