"""ramdisk.py: a disk that holds still: an ext4 over a loop device over a file in memory.

Its pages are written once before it is used, so that none is allocated in the middle of a write.
It has a volatile cache like most disks: a durable write is a write and a flush here too.  What it
lacks is a service time: a durable write of 4 KiB takes some 30 us, about what an NVMe disk with
capacitors takes.  The bytes are copied by kernel workers: all of the machine's that belong to no
core in particular are kept on `cpu` meanwhile, as a disk would not copy on the shard's core, and
have real-time priority (workers_first), as a disk would not wait for a program.  Root only; bounded
by `megabytes`; gone with the context."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

TMPFS = "/dev/shm"
PIECE = 8 << 20
SPARE = 2  # so many times the size must be free
# Of the loop device and of the end of direct writes, who completes requests, and ext4's journal;
# not the ones that have a priority of their own (":2H").
WORKER, PRIORITY = r"kworker/u?\d+:\d+(-.*)?|ksoftirqd/\d+|jbd2/loop\d+-\d+", 20
WORKERS = pathlib.Path("/sys/devices/virtual/workqueue/cpumask")


def call(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def fill(path, megabytes):
    zeros = bytes(PIECE)
    with open(path, "wb") as f:
        for _ in range((megabytes << 20) // PIECE):
            f.write(zeros)


@contextlib.contextmanager
def ramdisk(megabytes, cpu):
    """The folder of a new file system in memory, whose kernel workers run on that processor."""
    if os.geteuid() != 0:
        raise SystemExit("--ram makes a loop device and mounts it: run it as root")
    if shutil.disk_usage(TMPFS).free < SPARE * (megabytes << 20):
        raise SystemExit(f"--ram wants {SPARE * megabytes} MiB free in {TMPFS}")
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-ram-", dir=TMPFS))
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        fill(home / "disk", megabytes)
        mount = home / "mount"
        mount.mkdir()
        loop = call("losetup", "--find", "--show", str(home / "disk"))
        undo.callback(call, "losetup", "--detach", loop)
        call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", loop)
        call("mount", "-o", "noatime", loop, str(mount))
        undo.callback(unmount, mount)
        undo.callback(WORKERS.write_text, WORKERS.read_text())
        WORKERS.write_text(f"{1 << int(cpu):x}")
        undo.callback(workers, os.SCHED_OTHER, os.sched_param(0))
        yield mount


def workers(*policy):
    """Sets how kernel threads that work for the disk are scheduled; those that begin later have the
    usual policy."""
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            name = path.read_text().strip()
            if re.fullmatch(WORKER, name):
                os.sched_setscheduler(int(path.parent.name), *policy)
        except OSError:
            continue  # it has ended


def workers_first():
    workers(os.SCHED_FIFO, os.sched_param(PRIORITY))


def unmount(mount):
    """What held a file there may be a moment from its end."""
    for _ in range(50):
        if subprocess.run(["umount", str(mount)], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    call("umount", str(mount))
