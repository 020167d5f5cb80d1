#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const struct {
    uint32_t type;
    const char *name;
} file_systems[] = {
    {EXT4_SUPER_MAGIC, "ext4"},         {0x58465342, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},       {TMPFS_MAGIC, "tmpfs"},
    {F2FS_SUPER_MAGIC, "f2fs"},         {0x2fc12fc1, "zfs"},
    {OVERLAYFS_SUPER_MAGIC, "overlay"}, {NFS_SUPER_MAGIC, "nfs"},
    {FUSE_SUPER_MAGIC, "fuse"},         {V9FS_MAGIC, "9p"},
    {0xca451a4e, "bcachefs"},           {RAMFS_MAGIC, "ramfs"},
};

static bool
takes_direct(const char *path)
{
    int fd = open(path, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int
os_facts(const char *path, struct os_facts *out)
{
    struct statfs fs;
    struct utsname name;
    struct sysinfo info;
    if (statfs(path, &fs) || uname(&name) || sysinfo(&info))
        return os_error_of(errno);
    *out = (struct os_facts){.direct = takes_direct(path),
                             .memory_bytes = (uint64_t)info.totalram * info.mem_unit,
                             .total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
                             .free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize};
    snprintf(out->kernel, sizeof out->kernel, "%s", name.release);
    snprintf(out->file_system, sizeof out->file_system, "type 0x%x", (uint32_t)fs.f_type);
    for (size_t i = 0; i < sizeof file_systems / sizeof file_systems[0]; i++)
        if (file_systems[i].type == (uint32_t)fs.f_type)
            snprintf(out->file_system, sizeof out->file_system, "%s", file_systems[i].name);
    return ERR_OK;
}

uint64_t
os_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
