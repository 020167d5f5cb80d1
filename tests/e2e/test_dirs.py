#!/usr/bin/env python3
"""Several data directories, one of them on a small file system of its own: Kafka's tool describes
them; when that disk dies its partitions are offline and the others serve; with the disk back every
record is there once.  Partitions move from one directory to the other."""
import contextlib
import fcntl
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import threading
import time

from broker import Broker, led, serves, stamp
from case import Skip, case, check, equal, finish, until
from kafka import NONE, Connection, string, topic_ready

HERE = pathlib.Path(__file__).parent
PARTITIONS, RECORDS, TOOL_SECONDS = 8, 40, 120
OPTIONS = ("cores=1", "journal.bytes=67108864")
DISK_BYTES = 800 << 20  # of both: new partitions go where there is room
LOAD_BYTES = 20000
BULK, BULK_BYTES = 100, 1000000  # more than the journal holds
LONG, SLOW = 90, 8 << 20  # batches; bytes a second, read and written: what a kill meets takes 6 s
SHUTDOWN, NO_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN: from now on everything gives EIO


@contextlib.contextmanager
def disk(folder, name):
    """An ext4 file system in a file, mounted; gives also a function that mounts it anew."""
    image, where = folder / f"{name}.img", folder / name
    where.mkdir()
    with open(image, "wb") as f:
        f.truncate(DISK_BYTES)

    def unmounted():
        return subprocess.run(["umount", str(where)], capture_output=True).returncode == 0

    def mount():
        # The kernel lets go of files of a ring a moment after its process has ended.
        until("nobody uses the file system", 30, lambda: not where.is_mount() or unmounted())
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
                    until(f"partition {p} is served", 30,
                          lambda: serves(broker.bootstrap, topic, p))
                    equal(values(broker.bootstrap, topic, p), wanted[p], f"partition {p} alone")
                equal(broker.stop(), 0, "exit code without a disk")
                check(mount(), "the disk does not come back")
                broker.start()
                until("partitions are led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
                for p in range(PARTITIONS):
                    equal(values(broker.bootstrap, topic, p), wanted[p], f"partition {p}")
                equal(broker.stop(), 0, "exit code")


def names(text):
    return struct.pack(">i", len(text)) + b"".join(text)


def alter(bootstrap, path, topic, partitions):
    """AlterReplicaLogDirs: [error of each partition]."""
    c = Connection(bootstrap)
    got = c.call(34, 1, names([string(path) + names([string(topic) + names(
        [struct.pack(">i", p) for p in partitions])])]))
    got.take("i")
    equal(got.take("i"), 1, "topics")
    equal(got.string(), topic, "topic")
    errors = [got.take("ih")[1] for _ in range(got.take("i"))]
    c.close()
    return errors


def sizes(bootstrap, topic):
    """{(partition, is it a future replica): (directory, bytes, offsets it lacks)} by
    DescribeLogDirs."""
    c = Connection(bootstrap)
    got = c.call(35, 1, struct.pack(">i", -1))
    found = {}
    got.take("i")
    for _ in range(got.take("i")):
        got.take("h")
        where = got.string()
        for _ in range(got.take("i")):
            name = got.string()
            for _ in range(got.take("i")):
                partition, size, lag, future = got.take("iqqb")
                if name == topic:
                    found[partition, bool(future)] = where, size, lag
    c.close()
    return found


def places(bootstrap, topic):
    """{(partition, is it a future replica): directory}."""
    return {k: where for k, (where, _, _) in sizes(bootstrap, topic).items()}


def moved(bootstrap, topic, count, path):
    """What Kafka's admin client says of moving partitions [0, count): a line each, sorted."""
    classes = os.environ.get("JAVA_CLASSES", "build/tests/e2e/java")
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{classes}:{classes}/lib/*", "MoveReplicas", bootstrap,
         topic, str(count), str(path)],
        capture_output=True, text=True, timeout=TOOL_SECONDS + 120)
    equal(done.returncode, 0, f"MoveReplicas: {done.stderr}")
    return sorted(done.stdout.split())


def load(bootstrap, topic, wanted, ended):
    """Produces to every partition in turn until told to end; notes what was acknowledged."""
    i = 0
    while not ended.is_set():
        value = b"%d-" % i + os.urandom(LOAD_BYTES)
        try:
            if produced(bootstrap, topic, i % PARTITIONS, [value]) == NONE:
                wanted[i % PARTITIONS].append(value)
        except OSError:
            time.sleep(0.05)  # the broker is gone just now
        i += 1


def held(bootstrap, topic, wanted, what):
    """Every acknowledged record is there once, in order; others may be between them."""
    for p in range(PARTITIONS):
        got = values(bootstrap, topic, p)
        equal(len(set(got)), len(got), f"{what}: records twice in partition {p}")
        known = set(wanted[p])
        equal([v for v in got if v in known], wanted[p], f"{what}: partition {p}")


def moves():
    with case("dirs: partitions move under load, and over a kill -9, and lose nothing"), \
            tempfile.TemporaryDirectory(prefix="sluice-dirs-") as folder:
        first, second = f"{folder}/first", f"{folder}/second"
        with Broker(*OPTIONS, data=f"{first},{second}") as broker:
            topic = f"moves-{stamp()}"
            at = broker.bootstrap
            topic_ready(at, topic, PARTITIONS)
            until("partitions are led", 30, lambda: led(at, topic, PARTITIONS))
            equal(alter(at, f"{folder}/third", topic, [0]), [57], "an unknown directory")
            equal(alter(at, second, topic, [PARTITIONS]), [3], "an unknown partition")
            wanted = {p: [] for p in range(PARTITIONS)}
            ended = threading.Event()
            thread = threading.Thread(target=load, args=(at, topic, wanted, ended))
            thread.start()
            try:
                for target in (second, first):
                    until("some are produced", 60, lambda: all(len(w) > 5 for w in wanted.values()))
                    equal(alter(at, target, topic, range(PARTITIONS)), [NONE] * PARTITIONS)
                    until(f"all are in {target}", 120, lambda: places(at, topic) == {
                        (p, False): target for p in range(PARTITIONS)}, 0.2)
                equal(alter(at, second, topic, range(PARTITIONS)), [NONE] * PARTITIONS)
                until("some moved", 60, lambda: second in [
                    d for (_, future), d in places(at, topic).items() if not future])
                broker.abandon()
            finally:
                ended.set()
                thread.join()
            broker.start()
            until("partitions are led", 30, lambda: led(at, topic, PARTITIONS))
            held(at, topic, wanted, "after kill -9")
            until("the others moved too, by themselves", 120, lambda: places(at, topic) == {
                (p, False): second for p in range(PARTITIONS)}, 0.2)
            held(at, topic, wanted, "after the rest moved")
            for where in (first, second):
                equal(moved(at, topic, PARTITIONS, where), ["moved"] * PARTITIONS, "by the client")
                equal(set(places(at, topic).values()), {where}, "directories")
            equal(moved(at, topic, 1, f"{folder}/third"), ["LogDirNotFoundException"],
                  "by the client")
            equal(moved(at, f"{topic}-not", 1, first), ["UnknownTopicOrPartitionException"],
                  "by the client")
            broker.restart()
            until("partitions are led", 30, lambda: led(at, topic, PARTITIONS))
            held(at, topic, wanted, "after a restart")
            equal(set(places(at, topic).values()), {second}, "directories after a restart")


def goes_on():
    with case("dirs: a move that a kill -9 meets goes on with what it had copied"), \
            tempfile.TemporaryDirectory(prefix="sluice-dirs-") as folder:
        dirs = [f"{folder}/first", f"{folder}/second"]
        with Broker(*OPTIONS, f"log.cleaner.io.max.bytes.per.second={SLOW}",
                    data=",".join(dirs)) as broker:
            topic, at = f"goes-on-{stamp()}", broker.bootstrap
            topic_ready(at, topic, 1)
            until("the partition is led", 30, lambda: led(at, topic, 1))
            wanted = [b"%d-" % i + b"x" * BULK_BYTES for i in range(LONG)]
            for value in wanted:
                equal(produced(at, topic, 0, [value]), NONE)
            (home, whole, _), = sizes(at, topic).values()
            other, = set(dirs) - {home}
            equal(alter(at, other, topic, [0]), [NONE])

            def future():
                return sizes(at, topic).get((0, True), (other, 0, 0))

            until("a part is copied", 60, lambda: future()[1] > 0, 0.05)
            broker.abandon()
            broker.start()
            until("the partition is led", 30, lambda: led(at, topic, 1))
            where, size, lag = future()
            equal(where, other, "directory of the future replica")
            check(0 < size < whole and 0 < lag < LONG, f"{size} of {whole} bytes, lag {lag}")
            until("it moved", 60, lambda: places(at, topic) == {(0, False): other}, 0.2)
            lines = [l for l in broker.log.read_text().splitlines() if "store: moved path=" in l]
            equal(len(lines), 1, "moves that ended")
            anew = int(lines[0].rsplit("bytes=", 1)[1])
            check(0 < anew <= whole - size, f"{anew} bytes were copied anew of {whole}")
            check(values(at, topic, 0) == wanted, "records after the move")


if __name__ == "__main__":
    two_directories()
    moves()
    goes_on()
    finish()
