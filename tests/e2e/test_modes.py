#!/usr/bin/env python3
"""Other ways to run: without privileges, in memory, on one core and on two, with io_uring
forbidden, with many idle connections, with several topics over several starts."""
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from broker import SMALL, Broker, free_port, led, program, stamp
from case import Skip, case, check, equal, finish, until
from kafka import NONE, Connection, topic_ready

IO_URING_SETUP = 425
NOBODY = 65534
MEMLOCK = 65536
TMPFS = pathlib.Path("/dev/shm")
IDLE_CONNECTIONS = 200
REFUSE_SECONDS = 60


def serves(broker, topic, partitions=4, count=40):
    """Produces and reads back, before and after a clean stop and start."""
    topic_ready(broker.bootstrap, topic, partitions)
    for round_ in range(2):
        c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, partitions))
        for i in range(count):
            equal(c.produce(topic, i % partitions, [b"%d-%d" % (round_, i)])[0], NONE, "produce")
        for p in range(partitions):
            equal([v for _, v in c.consume(topic, p)],
                  [b"%d-%d" % (r, i) for r in range(round_ + 1)
                   for i in range(p, count, partitions)], f"partition {p}")
        c.close()
        if round_ == 0:
            broker.restart()


def unprivileged(home):
    with case("modes: nobody, with 64 KiB of locked memory: serves, and says what it costs"):
        if os.environ.get("E2E_NET"):
            raise Skip("net_tap needs CAP_NET_ADMIN")
        # Copies, since nobody need not be able to enter the build folder.
        where, prefix = home / "nobody", ["prlimit", f"--memlock={MEMLOCK}:{MEMLOCK}"]
        where.mkdir()
        home.chmod(0o755)
        for name in ("sluice", "sluice-data", "sluice-control"):
            shutil.copy2(pathlib.Path(program()).with_name(name), where / name)
        data = where / "data"
        data.mkdir()
        if os.geteuid() == 0:
            os.chown(data, NOBODY, NOBODY)
            prefix += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        with Broker(SMALL, data=data, prefix=prefix, binary=str(where / "sluice")) as broker:
            serves(broker, f"nobody-{stamp()}")
            owner = pathlib.Path(f"/proc/{broker.children()['sluice-data']}").stat().st_uid
            check(owner != 0, "sluice-data runs as root")
            warned = [l for l in broker.log_tail(1000).splitlines() if " warn " in l]
            check(any("locked memory" in l and "ulimit -l" in l for l in warned), warned)
            equal(broker.stop(), 0, "exit code")


def in_memory():
    with case("modes: a data directory on tmpfs serves"):
        space = shutil.disk_usage(TMPFS) if TMPFS.is_dir() else None
        if space is None or space.free < 700 << 20:
            raise Skip(f"no room in {TMPFS}")
        with tempfile.TemporaryDirectory(dir=TMPFS, prefix="sluice-") as folder:
            with Broker(SMALL, data=pathlib.Path(folder) / "data") as broker:
                serves(broker, f"tmpfs-{stamp()}")
                equal(broker.stop(), 0, "exit code")
    with case("modes: a file system without direct I/O serves, and a line says what it costs"):
        with tempfile.TemporaryDirectory(prefix="sluice-ramfs-") as folder:
            mounted = os.geteuid() == 0 and not subprocess.run(
                ["mount", "-t", "ramfs", "ramfs", folder], capture_output=True).returncode
            if not mounted:
                raise Skip("mount is not permitted")
            try:
                with Broker(SMALL, data=pathlib.Path(folder) / "data") as broker:
                    serves(broker, f"ramfs-{stamp()}")
                    equal(broker.stop(), 0, "exit code")
                    log = broker.log_tail(1000)
                    check("no O_DIRECT on this file system" in log, log)
            finally:
                # Lazily: the kernel lets go of the rings a moment after the processes have ended.
                subprocess.run(["umount", "-l", folder], check=True)


def cores():
    with case("modes: one core serves"):
        with Broker(SMALL, "cores=1") as broker:
            serves(broker, f"one-{stamp()}")
            equal(len(broker.stat()["counters"]["produce_batches"]["shards"]), 1, "shards")
    with case("modes: two cores: each has partitions, and any connection reaches all of them"):
        if len(os.sched_getaffinity(0)) < 2:
            raise Skip("one processor")
        with Broker(SMALL, "cores=2") as broker:
            topic = f"two-{stamp()}"
            serves(broker, topic, 8)
            batches = broker.stat()["counters"]["produce_batches"]["shards"]
            check(len(batches) == 2 and min(batches) > 0, "batches of the shards:", batches)
            tasks = pathlib.Path(f"/proc/{broker.pid('sluice-data')}/task").glob("*/comm")
            names = {t.read_text().strip() for t in tasks}
            check({"core-0", "core-1", "cleaner"} <= names, "names of threads:", names)
            # Connections go to the cores in turn or by the kernel's choice: take several.
            for _ in range(16):
                c = Connection(broker.bootstrap)
                for p in range(8):
                    equal(c.produce(topic, p, [b"x"])[0], NONE, f"produce to {p}")
                    equal(len(c.consume(topic, p, 10)) > 0, True, f"fetch from {p}")
                c.close()


def forbidden(home):
    for error, name in ((errno.EPERM, "EPERM"), (errno.ENOSYS, "ENOSYS")):
        with case(f"modes: io_uring forbidden ({name}): one line that names it, exit code 1"):
            done = subprocess.run(
                [sys.executable, str(pathlib.Path(__file__).with_name("forbid.py")), str(error),
                 str(IO_URING_SETUP), program(), "run", "--data", str(home / name), "-o",
                 f"listeners=PLAINTEXT://127.0.0.1:{free_port()}"],
                capture_output=True, text=True, timeout=REFUSE_SECONDS, stdin=subprocess.DEVNULL)
            equal(done.returncode, 1, f"exit code, {done.stderr}")
            lines = done.stderr.splitlines()
            check(len(lines) == 1 and "io_uring" in lines[0] and "seccomp" in lines[0],
                  done.stderr)


def many_connections():
    with case(f"modes: {IDLE_CONNECTIONS} idle connections stay, and disturb nobody"):
        with Broker(SMALL) as broker:
            topic = f"idle-{stamp()}"
            topic_ready(broker.bootstrap, topic, 1)
            idle = [Connection(broker.bootstrap) for _ in range(IDLE_CONNECTIONS)]
            for c in idle[::2]:  # half of them never say a word at first
                c.api_versions()
            busy = Connection(broker.bootstrap)
            for i in range(300):
                equal(busy.produce(topic, 0, [b"v%d" % i]), (NONE, i), "produce")
            for i, c in enumerate(idle):
                equal(c.produce(topic, 0, [b"late"]), (NONE, 300 + i), f"connection {i}")
            equal(len(busy.consume(topic, 0)), 300 + IDLE_CONNECTIONS, "records")
            for c in (busy, *idle):
                c.close()
            until("the broker has closed them too", 20, lambda: counted_open(broker) <= 1)


def counted_open(broker):
    counters = broker.stat()["counters"]
    return counters["connections_opened"]["sum"] - counters["connections_closed"]["sum"]


def several_topics():
    with case("modes: twelve topics and a deleted one over three starts"):
        with Broker(SMALL) as broker:
            run, wanted = stamp(), {}
            for t in range(12):
                wanted[f"t{t}-{run}"] = t % 4 + 1
                topic_ready(broker.bootstrap, f"t{t}-{run}", t % 4 + 1)
            topic_ready(broker.bootstrap, f"gone-{run}", 2)
            c = Connection(broker.bootstrap)
            equal(c.delete_topic(f"gone-{run}"), NONE, "DeleteTopics")
            c.close()
            for round_ in range(3):
                for topic, partitions in wanted.items():
                    c = until("partitions are led", 30,
                              lambda: led(broker.bootstrap, topic, partitions))
                    for p in range(partitions):
                        text = f"{topic}/{p}/".encode()
                        equal(c.produce(topic, p, [text + b"%d" % round_]), (NONE, round_), topic)
                        equal([v for _, v in c.consume(topic, p)],
                              [text + b"%d" % r for r in range(round_ + 1)], topic)
                    c.close()
                until("the topics are those, and no other", 30,
                      lambda: set(broker_topics(broker.bootstrap)) == set(wanted))
                broker.restart()


def broker_topics(bootstrap):
    c = Connection(bootstrap)
    names = c.topics()
    c.close()
    return names


def main():
    with tempfile.TemporaryDirectory(prefix="sluice-modes-") as folder:
        home = pathlib.Path(folder)
        unprivileged(home)
        forbidden(home)
    in_memory()
    cores()
    many_connections()
    several_topics()
    finish()


main()
