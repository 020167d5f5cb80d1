#!/usr/bin/env python3
"""Errors of a real file system, one file at a time: a pass-through in user space (faultfs.c) that
fails what its file of rules names.  A segment that cannot be written or read costs its partition
and nothing else; a journal that cannot be written ends the process, and nothing acknowledged."""
import contextlib
import errno
import os
import pathlib
import subprocess
import tempfile

from ackers import Acker, verify
from broker import DATA, SMALL, Broker, led, stamp
from case import Skip, case, check, equal, finish, until
from kafka import NONE, Connection, topic_ready

STORAGE_ERROR = 56
PARTITIONS, RECORDS = 4, 30
MOUNT_SECONDS = 60


class Faults:
    """A folder whose operations can be made to fail."""

    def __init__(self, home):
        self.source, self.where, self.rules = home / "source", home / "mount", home / "rules"
        self.source.mkdir()
        self.where.mkdir()
        self.clear()

    def clear(self):
        self.set()

    def set(self, *rules):
        """(operation, errno, part of the path); all at once, never half of them."""
        anew = self.rules.with_suffix(".new")
        anew.write_text("".join(f"{op} {number} {text}\n" for op, number, text in rules))
        anew.replace(self.rules)


@contextlib.contextmanager
def faulty():
    program = os.environ.get("FAULTFS")
    if not program or not pathlib.Path(program).exists():
        raise Skip("faultfs is not built: no libfuse3")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("/dev/fuse may not be opened")
    with tempfile.TemporaryDirectory(prefix="sluice-eio-") as folder:
        f = Faults(pathlib.Path(folder))
        out = pathlib.Path(folder) / "said"
        with open(out, "wb") as log:
            server = subprocess.Popen([program, f.source, f.where, f.rules],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until("the file system is mounted", MOUNT_SECONDS,
                  lambda: os.path.ismount(f.where) or server.poll() is not None)
            if not os.path.ismount(f.where):
                raise Skip("FUSE may not be mounted: " + out.read_text(errors="replace").strip())
            yield f
        finally:
            subprocess.run(["umount", "-l", str(f.where)], capture_output=True)
            if server.poll() is None:
                server.terminate()
            server.wait(MOUNT_SECONDS)


def folder_of(broker, partitions):
    """The folder of the one topic that there is, below the data directory."""
    found = [d for d in (broker.data / "log").iterdir()
             if {p.name for p in d.iterdir()} >= {str(p) for p in range(partitions)}]
    equal(len(found), 1, "folders of the topic")
    return f"/log/{found[0].name}/"


def fill(broker, topic, wanted):
    c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
    for i in range(RECORDS * PARTITIONS):
        equal(c.produce(topic, i % PARTITIONS, [b"v%d" % i])[0], NONE, "produce")
        wanted[i % PARTITIONS].append(b"v%d" % i)
    return c


def holds(broker, topic, wanted):
    c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
    for p, values in wanted.items():
        equal([v for _, v in c.consume(topic, p)], values, f"partition {p}")
    c.close()


def a_segment_that_cannot_be_written(number):
    with faulty() as f, Broker(SMALL, "cores=1", data=f.where / "data") as broker:
        topic, wanted = f"eio-{stamp()}", {p: [] for p in range(PARTITIONS)}
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        c = fill(broker, topic, wanted)
        broker.restart()  # all is in files: they are there
        f.set(("write", number, folder_of(broker, PARTITIONS) + "1/"),
              ("allocate", number, folder_of(broker, PARTITIONS) + "1/"))
        c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))

        def refused():
            code = c.produce(topic, 1, [b"late"])[0]
            if code == NONE:  # the journal has it: it is promised
                wanted[1].append(b"late")
            else:
                equal(code, STORAGE_ERROR, "error of the partition")
            return code
        until("the partition is offline", 30, refused, 0.1)
        equal(c.fetch(topic, 1, 0)[0], STORAGE_ERROR, "fetch")
        pid = broker.pid(DATA)
        for p in (0, 2, 3):
            for i in range(RECORDS):
                equal(c.produce(topic, p, [b"beside %d" % i])[0], NONE, f"partition {p}")
                wanted[p].append(b"beside %d" % i)
            equal([v for _, v in c.consume(topic, p)], wanted[p], f"partition {p}")
        equal(broker.pid(DATA), pid, "the process went on")
        c.close()
        f.clear()
        broker.restart()
        holds(broker, topic, wanted)


def a_segment_that_cannot_be_read():
    with faulty() as f, Broker(SMALL, "cores=1", data=f.where / "data") as broker:
        topic, wanted = f"eio-{stamp()}", {p: [] for p in range(PARTITIONS)}
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        fill(broker, topic, wanted).close()
        broker.restart()  # nothing is in memory
        c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
        f.set(("read", errno.EIO, folder_of(broker, PARTITIONS) + "2/"))
        for _ in range(3):  # each time on the same connection
            code, _, data = c.fetch(topic, 2, 0)
            equal((code, data), (STORAGE_ERROR, b""), "fetch of what cannot be read")
            for p in (0, 1, 3):
                equal([v for _, v in c.consume(topic, p)], wanted[p], f"partition {p}")
        c.close()
        f.clear()
        broker.restart()
        holds(broker, topic, wanted)


def a_journal_that_cannot_be_written(op):
    # A durable write does not ask a file system in user space for a sync of its own.
    how = "journal.sync=fdatasync" if op == "sync" else "journal.sync=dsync"
    with faulty() as f, Broker(SMALL, "cores=1", how, data=f.where / "data") as broker:
        topic, ackers = f"eio-{stamp()}", []
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        try:
            ackers.append(Acker(broker, topic, PARTITIONS, "p0", 200))
            until("records are acknowledged", 60, lambda: len(ackers[0].acknowledged()) > 100)
            pid = broker.pid(DATA)
            f.set((op, errno.EIO, "/core-0/journal"))
            until("the process ends", 60, lambda: broker.children().get(DATA) != pid)
            f.clear()
            before = len(ackers[0].acknowledged())
            until("acknowledgements go on", 90,
                  lambda: len(ackers[0].acknowledged()) > before + 50, 0.1)
            acknowledged = {a.name: a.finish() for a in ackers}
            total = verify(broker.bootstrap, topic, PARTITIONS, acknowledged)
            print(f"# {len(acknowledged['p0'])} acknowledged, {total} in the log")
            said = broker.log_tail(2000)
            check("journal" in said and "error=IO" in said, "no line that says why")
            broker.abandon()
            done = subprocess.run([broker.binary, "log", "verify", "--data", str(broker.data)],
                                  capture_output=True, text=True, timeout=60)
            check(done.returncode == 0 and "No damage" in done.stdout, done.stdout, done.stderr)
        finally:
            for a in ackers:
                a.abandon()


def main():
    with case("eio: a segment that cannot be written costs its partition, and no record"):
        a_segment_that_cannot_be_written(errno.EIO)
    with case("eio: a segment that cannot be read is an error of its partition, on connections "
              "that stay"):
        a_segment_that_cannot_be_read()
    for op in ("write", "sync"):
        with case(f"eio: a journal that fails ({op}) ends the process, and nothing acknowledged"):
            a_journal_that_cannot_be_written(op)
    finish()


main()
