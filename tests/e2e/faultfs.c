/* faultfs.c: FAULTFS SOURCE MOUNTPOINT FAULTS: a file system that passes everything through to a
 * folder, but for the operations that fail.
 *
 * FAULTS is a file of rules, one a line, looked at before each operation: `OP ERRNO TEXT` makes OP
 * (read, write, sync, allocate) fail with that number for paths that contain TEXT.  No rules, no
 * faults.  Runs in the foreground until it is unmounted; needs root, or fusermount3. */
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { OP_BYTES = 16, TEXT_BYTES = 200 };

static int source;         /* the folder */
static const char *faults; /* the file of rules */

/* The path below the folder, for the calls of openat(2). */
static const char *
below(const char *path)
{
    return path[1] ? path + 1 : ".";
}

static int
result(long rc)
{
    return rc < 0 ? -errno : (int)rc;
}

/* 0, or the negative number that an operation on this path fails with. */
static int
fault(const char *op, const char *path)
{
    char rule_op[OP_BYTES], text[TEXT_BYTES];
    int number, found = 0;
    FILE *f = fopen(faults, "re");
    while (f && !found && fscanf(f, "%15s %d %199s", rule_op, &number, text) == 3)
        if (strcmp(op, rule_op) == 0 && strstr(path, text))
            found = -number;
    if (f)
        fclose(f);
    return found;
}

static int
fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    if (fi)
        return result(fstat((int)fi->fh, st));
    return result(fstatat(source, below(path), st, AT_SYMLINK_NOFOLLOW));
}

static int
fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset,
           struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    (void)offset, (void)fi, (void)flags;
    int fd = openat(source, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return -errno;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        fill(buf, e->d_name, NULL, 0, 0);
    closedir(d);
    return 0;
}

static int
fs_mkdir(const char *path, mode_t mode)
{
    return result(mkdirat(source, below(path), mode));
}

static int
fs_unlink(const char *path)
{
    return result(unlinkat(source, below(path), 0));
}

static int
fs_rmdir(const char *path)
{
    return result(unlinkat(source, below(path), AT_REMOVEDIR));
}

static int
fs_rename(const char *from, const char *to, unsigned flags)
{
    return result(renameat2(source, below(from), source, below(to), flags));
}

static int
fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    (void)path;
    return fi ? result(ftruncate((int)fi->fh, size)) : -EINVAL;
}

/* Without O_DIRECT: what comes from the kernel is not aligned for it. */
static int
open_at(const char *path, int flags, mode_t mode, struct fuse_file_info *fi)
{
    int fd = openat(source, below(path), (flags & ~O_DIRECT) | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    fi->fh = (uint64_t)fd;
    fi->direct_io = 1; /* each read and write comes here */
    return 0;
}

static int
fs_open(const char *path, struct fuse_file_info *fi)
{
    return open_at(path, fi->flags, 0, fi);
}

static int
fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    return open_at(path, fi->flags | O_CREAT, mode, fi);
}

static int
fs_read(const char *path, char *buf, size_t size, off_t offset, struct fuse_file_info *fi)
{
    int bad = fault("read", path);
    return bad ? bad : result(pread((int)fi->fh, buf, size, offset));
}

static int
fs_write(const char *path, const char *buf, size_t size, off_t offset, struct fuse_file_info *fi)
{
    int bad = fault("write", path);
    return bad ? bad : result(pwrite((int)fi->fh, buf, size, offset));
}

static int
fs_fsync(const char *path, int data, struct fuse_file_info *fi)
{
    int bad = fault("sync", path);
    if (bad)
        return bad;
    return result(data ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static int
fs_fsyncdir(const char *path, int data, struct fuse_file_info *fi)
{
    (void)data, (void)fi;
    return fault("sync", path);
}

static int
fs_fallocate(const char *path, int mode, off_t offset, off_t size, struct fuse_file_info *fi)
{
    int bad = fault("allocate", path);
    return bad ? bad : result(fallocate((int)fi->fh, mode, offset, size));
}

static int
fs_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    return result(close((int)fi->fh));
}

static int
fs_statfs(const char *path, struct statvfs *st)
{
    (void)path;
    return result(fstatvfs(source, st));
}

static int
fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)fi;
    return result(fchmodat(source, below(path), mode, 0));
}

static int
fs_utimens(const char *path, const struct timespec when[2], struct fuse_file_info *fi)
{
    (void)fi;
    return result(utimensat(source, below(path), when, AT_SYMLINK_NOFOLLOW));
}

static const struct fuse_operations operations = {
    .getattr = fs_getattr,
    .readdir = fs_readdir,
    .mkdir = fs_mkdir,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .rename = fs_rename,
    .truncate = fs_truncate,
    .open = fs_open,
    .create = fs_create,
    .read = fs_read,
    .write = fs_write,
    .fsync = fs_fsync,
    .fsyncdir = fs_fsyncdir,
    .fallocate = fs_fallocate,
    .release = fs_release,
    .statfs = fs_statfs,
    .chmod = fs_chmod,
    .utimens = fs_utimens,
};

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: faultfs SOURCE MOUNTPOINT FAULTS\n");
        return 2;
    }
    source = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    faults = argv[3];
    if (source < 0) {
        perror(argv[1]);
        return 1;
    }
    umask(0);
    char *args[] = {argv[0], "-f", "-o", "default_permissions,attr_timeout=0,entry_timeout=0",
                    argv[2], NULL};
    return fuse_main(5, args, &operations, NULL);
}
