"""others.py: how much of the machine others took meanwhile: programs, and of a virtual machine its
neighbours ("steal").

Kernel threads are nobody's; the processes that descend from this one are ours."""
import os
import pathlib
import time

TICKS = os.sysconf("SC_CLK_TCK")
KTHREADD = 2


def processes():
    """{pid: (parent, ticks of its own and of the children that it has waited for)}"""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        found[int(path.parent.name)] = (int(words[1]), sum(map(int, words[11:15])))
    return found


def stolen():
    """Ticks in which the host ran something else, of all processors."""
    return int(pathlib.Path("/proc/stat").read_text().split()[8])


def is_apart(pid, found):
    while pid in found:
        if pid in (KTHREADD, os.getpid()):
            return False
        pid = found[pid][0]
    return True


def apart():
    """Ticks of all others.  What one leaves at its end is in the count of the parent that waits."""
    found = processes()
    return stolen() + sum(used for pid, (_, used) in found.items() if is_apart(pid, found))


class Others:
    def __init__(self):
        self.began, self.before = time.monotonic(), apart()

    def cores(self):
        """Processors that others kept busy since then, on average.  What ended without its parent
        looking is not seen."""
        return max(apart() - self.before, 0) / TICKS / (time.monotonic() - self.began)
