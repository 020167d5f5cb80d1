#!/usr/bin/env python3
"""Several data directories, one of them on a small file system of its own: Kafka's tool describes
them; when that disk dies its partitions are offline and the others serve; with the disk back every
record is there once."""
import contextlib
import fcntl
import json
import os
import pathlib
import struct
import subprocess
import tempfile

from broker import Broker, led, stamp
from case import Skip, case, check, equal, finish, until
from kafka import NONE, Connection, topic_ready

HERE = pathlib.Path(__file__).parent
PARTITIONS, RECORDS, TOOL_SECONDS = 8, 40, 120
OPTIONS = ("cores=1", "journal.bytes=67108864")
DISK_BYTES = 800 << 20  # of both: new partitions go where there is room
BULK, BULK_BYTES = 100, 1000000  # more than the journal holds
SHUTDOWN, NO_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN: from now on everything gives EIO


@contextlib.contextmanager
def disk(folder, name):
    """An ext4 file system in a file, mounted; gives also a function that mounts it anew."""
    image, where = folder / f"{name}.img", folder / name
    where.mkdir()
    with open(image, "wb") as f:
        f.truncate(DISK_BYTES)

    def mount():
        subprocess.run(["umount", str(where)], capture_output=True)
        return subprocess.run(["mount", "-o", "loop", str(image), str(where)],
                              capture_output=True).returncode == 0

    made = os.geteuid() == 0 and subprocess.run(
        ["mkfs.ext4", "-q", "-F", str(image)], capture_output=True).returncode == 0
    if not made or not mount():
        raise Skip("no loop mount here")
    try:
        yield where, mount
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def described(bootstrap):
    """{directory: (error, {partition of ours: bytes})} by Kafka's own tool."""
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.LogDirsCommand",
         "--bootstrap-server", bootstrap, "--describe"],
        capture_output=True, text=True, timeout=TOOL_SECONDS)
    equal(done.returncode, 0, f"LogDirsCommand: {done.stderr}")
    lines = [l for l in done.stdout.splitlines() if l.startswith("{")]
    check(len(lines) == 1, done.stdout)
    return {d["logDir"]: (d["error"], {p["partition"]: p["size"] for p in d["partitions"]})
            for b in json.loads(lines[0])["brokers"] for d in b["logDirs"]}


def produced(bootstrap, topic, partition, values):
    c = Connection(bootstrap)
    error = c.produce(topic, partition, values)[0]
    c.close()
    return error


def values(bootstrap, topic, partition):
    c = Connection(bootstrap)
    got = [v for _, v in c.consume(topic, partition)]
    c.close()
    return got


def two_directories():
    with case("dirs: a dead disk takes its partitions offline, nothing else, and loses nothing"), \
            tempfile.TemporaryDirectory(prefix="sluice-dirs-") as folder:
        folder = pathlib.Path(folder)
        with disk(folder, "a") as (other, _), disk(folder, "b") as (where, mount):
            first, second = other / "first", where / "second"
            with Broker(*OPTIONS, data=f"{first},{second}") as broker:
                topic = f"dirs-{stamp()}"
                topic_ready(broker.bootstrap, topic, PARTITIONS)
                until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
                for i in range(RECORDS):
                    equal(produced(broker.bootstrap, topic, i % PARTITIONS, [b"%d" % i]), NONE)
                dirs = described(broker.bootstrap)
                equal(sorted(dirs), sorted([str(first), str(second)]), "directories")
                there = {str(d): {int(p.rsplit("-", 1)[1]) for p in dirs[str(d)][1]
                                  if p.rsplit("-", 1)[0] == topic} for d in (first, second)}
                check(all(e is None for e, _ in dirs.values()), dirs)
                check(all(there.values()), there)
                equal(set.union(*there.values()), set(range(PARTITIONS)), "partitions")
                lost, kept = sorted(there[str(second)]), sorted(there[str(first)])

                fd = os.open(where, os.O_RDONLY)
                fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_FLUSH))
                os.close(fd)
                # The journal takes this one; its segment cannot.
                wanted = {p: [b"%d" % i for i in range(p, RECORDS, PARTITIONS)]
                          for p in range(PARTITIONS)}
                def refused(p):
                    if produced(broker.bootstrap, topic, p, [b"late"]) != NONE:
                        return True
                    wanted[p].append(b"late")
                    return False

                for p in lost:
                    until(f"partition {p} is offline", 60, lambda: refused(p), 0.5)
                bulk = b"x" * BULK_BYTES
                for i in range(BULK):
                    equal(produced(broker.bootstrap, topic, kept[i % len(kept)], [bulk]), NONE,
                          "produce beside a dead disk")
                    wanted[kept[i % len(kept)]].append(bulk)
                dirs = described(broker.bootstrap)
                check("KafkaStorage" in str(dirs[str(second)][0]), dirs[str(second)])
                equal(dirs[str(first)][0], None, "error of the first")
                for p in kept:
                    equal(values(broker.bootstrap, topic, p), wanted[p], f"partition {p}")

                broker.restart()
                for p in kept:
                    equal(values(broker.bootstrap, topic, p), wanted[p], f"partition {p} alone")
                equal(broker.stop(), 0, "exit code without a disk")
                check(mount(), "the disk does not come back")
                broker.start()
                until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
                for p in range(PARTITIONS):
                    equal(values(broker.bootstrap, topic, p), wanted[p], f"partition {p}")
                equal(broker.stop(), 0, "exit code")


if __name__ == "__main__":
    two_directories()
    finish()
