#!/usr/bin/env python3
"""Damage on purpose: bytes flipped and cut in every kind of file; the start says which file and
which partitions, serves the rest and answers KAFKA_STORAGE_ERROR for what it cannot vouch for; and
`sluice log` finds it, says what it would do, and does it."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from broker import DATA, SMALL, Broker, led, program, stamp
from case import case, check, equal, finish, until
from kafka import NONE, Connection, topic_ready

STORAGE_ERROR = 56
TOPICS, PARTITIONS, COUNT, BYTES = 3, 2, 40, 30000
OPTIONS = (SMALL, "cores=1", "log.segment.bytes=1048576")


def tool(data, *words):
    done = subprocess.run([program(), "log", *words, "--data", str(data)], capture_output=True,
                          text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def value(topic, partition, i):
    return f"{topic}/{partition}/{i}/".encode() + bytes([97 + i % 26]) * BYTES


class Stopped:
    """A directory with some topics, written once by a broker that was stopped, or killed."""

    def __init__(self, home, kill):
        self.data, self.kill = home / ("killed" if kill else "clean"), kill
        run = stamp()
        self.topics = [f"t{i}-{run}" for i in range(TOPICS)]
        with Broker(*OPTIONS, data=self.data) as broker:
            for t in self.topics:
                topic_ready(broker.bootstrap, t, PARTITIONS)
            c = Connection(broker.bootstrap)
            for i in range(COUNT):
                for t in self.topics:
                    for p in range(PARTITIONS):
                        equal(c.produce(t, p, [value(t, p, i)]), (NONE, i), "produce")
            c.close()
            if kill:
                broker.abandon()
            else:
                equal(broker.stop(), 0, "exit code")

    def copy(self, name):
        to = self.data.with_name(name)
        subprocess.run(["cp", "-a", "--sparse=always", str(self.data), str(to)], check=True)
        return to


def flip(path, at, n=1):
    with open(path, "r+b") as f:
        f.seek(at)
        was = f.read(n)
        f.seek(at)
        f.write(bytes(b ^ 0xff for b in was))


def segments(data):
    """Segment files with bytes, largest partition directory first."""
    return sorted(p for p in data.glob("log/*/*/*.log") if p.stat().st_size > 8000)


def answers_right(broker, topics, offline_wanted=None):
    """Every partition either has exactly its records or answers KAFKA_STORAGE_ERROR; how many do
    the latter."""
    offline = set()
    c = Connection(broker.bootstrap)
    for t in topics:
        for p in range(PARTITIONS):
            code, offset = c.produce(t, p, [b"more"])
            read = c.fetch(t, p, 0, wait_ms=0)[0]
            if code == STORAGE_ERROR:
                equal(read, STORAGE_ERROR, f"fetch of {t}-{p}")
                offline.add((t, p))
                continue
            equal((code, read), (NONE, NONE), f"produce and fetch of {t}-{p}")
            got = [v for _, v in c.consume(t, p)]
            equal(got[:COUNT], [value(t, p, i) for i in range(COUNT)], f"records of {t}-{p}")
    c.close()
    if offline_wanted is not None:
        equal(len(offline), offline_wanted, f"partitions offline: {sorted(offline)}")
    return offline


def started(data, topics, offline_wanted, *log_wanted):
    with Broker(*OPTIONS, data=data) as broker:
        for t in topics:
            until(f"{t} is answered for", 30, lambda: topic_known(broker, t))
        offline = answers_right(broker, topics, offline_wanted)
        log = broker.log.read_text()
        for text in log_wanted:
            check(text in log, f"no '{text}' in the log:", broker.log_tail())
        check(("partitions offline because of damage" in log) == bool(offline), "log", log[-2000:])
        equal(broker.stop(), 0, "exit code")
    return offline


def topic_known(broker, topic):
    try:
        c = Connection(broker.bootstrap)
    except OSError:
        return False
    try:
        return all(c.produce(topic, p, [b"probe"])[0] in (NONE, STORAGE_ERROR)
                   for p in range(PARTITIONS))
    except (OSError, ConnectionError):
        return False
    finally:
        c.close()


# What befalls a file: what is done to it, and the word for it.
DAMAGES = {"flipped": lambda f: flip(f, 40), "cut": lambda f: os.truncate(f, 50),
           "empty": lambda f: os.truncate(f, 0)}


def checkpoints(clean, killed):
    for source, what, how in ((clean, "stop", "flipped"), (killed, "kill", "flipped"),
                              (clean, "stop", "cut"), (killed, "kill", "empty")):
        for name in ("boot-checkpoint", "boot-checkpoint.copy"):
            with case(f"damage: {name} {how} after a {what}: the other copy is enough"):
                data = source.copy(f"{what}-{how}-{name}")
                DAMAGES[how](data / name)
                code, out, _ = tool(data, "verify")
                equal(code, 0, out)
                check(f"file {name}" in out, out)
                started(data, source.topics, 0, name)
                shutil.rmtree(data)
    for how, damage in DAMAGES.items():
        with case(f"damage: core checkpoints {how} after a stop: the journal has what follows"):
            data = clean.copy(f"ckpt-{how}")
            for f in data.glob("core-0/ckpt-*"):
                damage(f)
            started(data, clean.topics, 0, "ckpt-")
            shutil.rmtree(data)


def segment_files(clean):
    with case("damage: a segment that is missing: its partition is offline, the others serve"):
        data = clean.copy("missing")
        gone = segments(data)[0]
        gone.unlink()
        started(data, clean.topics, 1, str(gone.relative_to(data)), "segment file is missing")
        code, out, err = tool(data, "verify")
        equal(code, 1, out + err)
        check("segment file is missing" in out and clean.topics[0][:1] in out, out)
        shutil.rmtree(data)
    with case("damage: a segment cut short: its partition is offline, and repair brings it back"):
        data = clean.copy("short")
        short = segments(data)[-1]
        size = short.stat().st_size
        os.truncate(short, size - 100)
        (topic, partition), = started(data, clean.topics, 1, str(short.relative_to(data)))
        equal(short.stat().st_size, size - 100, "a start cuts nothing")
        code, out, _ = tool(data, "repair")
        equal(code, 1, out)
        check(f"partition {topic}-{partition}" in out and "Nothing was changed" in out, out)
        code, out, err = tool(data, "repair", "--yes")
        equal(code, 0, out + err)
        equal(tool(data, "verify")[0], 0, "verify after repair")
        check(list(data.glob("removed/*")), "nothing was kept")
        repaired(data, topic, partition)
        shutil.rmtree(data)
    for place, name in ((30, "head"), (0.5, "middle"), (-30, "tail")):
        with case(f"damage: a flipped byte in the {name} of a segment is found, and never served"):
            data = clean.copy(f"flip-{name}")
            bad = segments(data)[0]
            size = bad.stat().st_size
            at = int(size * place) if 0 < place < 1 else place % size
            flip(bad, at)
            code, out, _ = tool(data, "verify", "--format", "json")
            equal(code, 1, out)
            found = [json.loads(l) for l in out.splitlines()]
            equal([f["file"] for f in found if f["bad"]], [str(bad.relative_to(data))], "files")
            check(found[0]["position"] <= at < found[0]["position"] + BYTES + 200, found)
            never_wrong(data, clean.topics)
            code, out, err = tool(data, "repair", "--yes")
            equal(code, 0, out + err)
            equal(tool(data, "verify")[0], 0, "verify after repair")
            shutil.rmtree(data)


def sidecars(clean):
    """BASE.idx holds nothing that the segment does not: bad ones are named, and made anew."""
    for name, spoil in (("with flipped bytes", lambda f, size: flip(f, 8, 8)),
                        ("with a flipped footer", lambda f, size: flip(f, size - 20)),
                        ("cut short", lambda f, size: os.truncate(f, size // 2 + 7)),
                        ("empty", lambda f, size: os.truncate(f, 0))):
        with case(f"damage: sidecars {name} change no answer, are named, and are made anew"):
            data = clean.copy("sidecar")
            found = sorted(data.glob("log/*/*/*.idx"))
            check(found, "there are no sidecars")
            for f in found:
                spoil(f, f.stat().st_size)
            code, out, _ = tool(data, "verify")
            equal(code, 0, out)
            for f in found:
                check(f"file {f.relative_to(data)}" in out, f, out)
            started(data, clean.topics, 0, *(str(f.relative_to(data)) for f in found))
            code, out, _ = tool(data, "verify")
            equal((code, "beside the segment" in out), (0, False), out)
            shutil.rmtree(data)


def never_wrong(data, topics):
    """Whatever is read is what was written; what cannot be, is an error of its partition, and no
    connection is closed."""
    with Broker(*OPTIONS, data=data) as broker:
        for t in topics:
            until(f"{t} is answered for", 30, lambda: topic_known(broker, t))
        c = Connection(broker.bootstrap)
        for t in topics:
            for p in range(PARTITIONS):
                for i in range(COUNT):
                    code, _, records = c.fetch(t, p, i, wait_ms=0)
                    check(code != NONE or records, f"nothing of {t}-{p} at {i}")
                    if code == NONE:
                        check(value(t, p, i) in records, f"wrong bytes for {t}-{p} at {i}")
        c.close()
        equal(broker.stop(), 0, "exit code")


def repaired(data, topic, partition):
    with Broker(*OPTIONS, data=data) as broker:
        until("led", 30, lambda: led(broker.bootstrap, topic, PARTITIONS))
        c = Connection(broker.bootstrap)
        got = c.consume(topic, partition)
        equal(got[:1], [(0, value(topic, partition, 0))], "first record")
        equal(c.produce(topic, partition, [b"again"])[0], NONE, "produce")
        c.close()
        equal(broker.stop(), 0, "exit code")


def frames(path):
    """Positions of whole-looking frames with records in a journal file."""
    raw, at = path.read_bytes(), 4096
    while at + 64 <= len(raw):
        if raw[at:at + 4] == b"SLJF":
            payload, = [int.from_bytes(raw[at + 48:at + 52], "big")]
            if int.from_bytes(raw[at + 44:at + 48], "big"):
                yield at, payload
            at += (64 + payload + 4095) // 4096 * 4096
        else:
            at += 4096


def journal(killed):
    first = killed.data / "core-0" / "journal-0000"
    found = list(frames(first))
    check(len(found) > 10, "frames", len(found))
    at, payload = found[len(found) // 2]
    with case("damage: a byte in a batch of the journal: only its partition is offline"):
        data = killed.copy("body")
        flip(data / "core-0" / "journal-0000", at + 300)
        code, out, _ = tool(data, "verify")
        equal(code, 1, out)
        check("core-0/journal-0000" in out and f"byte {at}" in out, out)
        offline = started(data, killed.topics, None, "core-0/journal-0000", f"offset={at}")
        check(1 <= len(offline) <= 2, offline)
        check(list(data.glob("damaged/*/journal-0000")), "the journal is not kept")
        started(data, killed.topics, len(offline))
        equal(tool(data, "repair", "--yes")[0], 0, "repair")
        started(data, killed.topics[:0], 0)
        shutil.rmtree(data)
    with case("damage: a frame header of the journal: what nothing proves is offline"):
        data = killed.copy("header")
        flip(data / "core-0" / "journal-0000", at, 64)
        offline = started(data, killed.topics, None, "core-0/journal-0000")
        check(offline, "nothing is offline")
        shutil.rmtree(data)
    with case("damage: a journal file that was cut: what it may have held is offline"):
        data = killed.copy("cut")
        os.truncate(data / "core-0" / "journal-0000", at)
        code, out, _ = tool(data, "verify")
        equal(code, 1, out)
        check("core-0/journal-0000" in out and f"byte {at}" in out, out)
        offline = started(data, killed.topics, None, "core-0/journal-0000", f"offset={at}",
                          "shorter than it was")
        equal(len(offline), TOPICS * PARTITIONS, f"offline: {sorted(offline)}")
        equal(tool(data, "repair", "--yes")[0], 0, "repair")
        started(data, killed.topics[:0], 0)
        shutil.rmtree(data)
    with case("damage: the header block of a journal file costs nothing"):
        data = killed.copy("block")
        flip(data / "core-0" / "journal-0000", 0, 64)
        started(data, killed.topics, 0)
        shutil.rmtree(data)


def refused(data, text, *kept):
    """The broker does not start on it, says why, and changes none of these files."""
    def seen():
        return {p: (p.stat().st_size, p.stat().st_mtime_ns) for pattern in kept
                for p in data.glob(pattern)}

    before = seen()
    with Broker(*OPTIONS, data=data, start=False) as broker:
        with open(broker.log, "ab") as log:
            process = subprocess.Popen(broker.command(), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)
        try:
            check(process.wait(60) != 0, "it started")
        finally:
            process.kill()
        check(text in broker.log.read_text(), broker.log_tail())
    after = seen()
    equal([str(p) for p in before if after.get(p) != before[p]], [], "files that changed")


def told(data, text):
    """The tool finds damage of control's, and repair leaves it alone."""
    for words in (("verify",), ("repair",), ("repair", "--yes")):
        code, out, err = tool(data, *words)
        equal(code, 1, f"{words}: {out} {err}")
        check("DAMAGE: control's metadata" in out and text in out, words, out)
        check("No damage" not in out and "Start the broker" not in out, words, out)


def others(clean, killed):
    with case("damage: control's metadata: the start stops with a clear line"):
        for name, spoil in (("flip", lambda f: flip(f, 20)),
                            ("cut", lambda f: os.truncate(f, f.stat().st_size // 2))):
            data = clean.copy(f"control-{name}")
            for f in data.glob("control/snapshot-*"):
                spoil(f)
            refused(data, "control/snapshot-", "log/*/*/*", "control/snapshot-*")
            told(data, "control/snapshot-")
            shutil.rmtree(data)
    with case("damage: control's journal and snapshots: the start stops, and the tool says so"):
        for name, spoil in (
                ("flip", lambda d: flip(d / "control" / "journal-0000", 4096 * 4 + 100)),
                ("cut", lambda d: os.truncate(d / "control" / "journal-0000", 4096 * 4 + 100)),
                ("empty", lambda d: os.truncate(d / "control" / "journal-0000", 0)),
                ("gone", lambda d: (d / "control" / "journal-0000").unlink()),
                ("no-snapshot", lambda d: [p.unlink() for p in d.glob("control/snapshot-*")])):
            data = killed.copy(f"control-{name}")
            spoil(data)
            refused(data, "control", "control/*")
            told(data, "control")
            shutil.rmtree(data)
    with case("damage: the format file: the start stops, names it, and touches nothing"):
        for name, spoil in (("flip", lambda f: flip(f, 0, 12)),
                            ("cut", lambda f: os.truncate(f, 9))):
            data = clean.copy(f"format-{name}")
            spoil(data / "sluice.format")
            refused(data, "sluice.format", "log/*/*/*", "core-0/*", "control/*", "*checkpoint*")
            shutil.rmtree(data)
    with case("damage: both boot checkpoints: the start stops, names them, and touches nothing"):
        data = clean.copy("boot")
        flip(data / "boot-checkpoint", 40)
        os.truncate(data / "boot-checkpoint.copy", 50)
        refused(data, "boot-checkpoint.copy", "log/*/*/*", "core-0/*", "*checkpoint*")
        shutil.rmtree(data)
    with case("log tool: repair makes a boot checkpoint when both are gone"):
        for source, what in ((clean, "stop"), (killed, "kill")):
            data = source.copy(f"boot-{what}")
            (data / "boot-checkpoint").unlink()
            flip(data / "boot-checkpoint.copy", 40)
            code, out, _ = tool(data, "repair")
            equal(code, 1, out)
            check("repair makes one" in out and "Nothing was changed" in out, out)
            code, out, err = tool(data, "repair", "--yes")
            equal(code, 0, out + err)
            check("boot-checkpoint" in out and "made anew" in out, out)
            started(data, source.topics, 0)
            shutil.rmtree(data)
    with case("log tool: a directory in use is refused, and who holds it is said"):
        with Broker(*OPTIONS, data=clean.copy("used")) as broker:
            code, _, err = tool(broker.data, "verify")
            equal(code, 1, err)
            check("in use by a broker" in err, err)
    with case("log tool: dump shows batches and records"):
        path = segments(clean.data)[0]
        code, out, err = tool(clean.data, "dump", "--deep", "--format", "json",
                              str(path.relative_to(clean.data)))
        equal(code, 0, err)
        rows = [json.loads(l) for l in out.splitlines()]
        batches = [r for r in rows if "base_offset" in r]
        records = [r for r in rows if "value_bytes" in r]
        equal(sum(b["records"] for b in batches), len(records), "records")
        equal(sum(b["bytes"] for b in batches), path.stat().st_size, "bytes")
    with case("log tool: dump shows checkpoints and journals"):
        newest = []
        for path in [clean.data / "boot-checkpoint", *clean.data.glob("core-0/ckpt-*")]:
            code, out, err = tool(clean.data, "dump", "--format", "json",
                                  str(path.relative_to(clean.data)))
            equal(code, 0, err)
            rows = [json.loads(l) for l in out.splitlines()]
            equal((rows[0]["row"], rows[0]["logs"]), ("checkpoint", len(rows) - 1), out)
            if not newest or rows[0]["seq"] > newest[0]["seq"]:
                newest = rows
        ends = {r["partition"]: r["end"] for r in newest[1:]}
        equal([ends.get(f"{t}-{p}") for t in clean.topics for p in range(PARTITIONS)],
              [COUNT] * len(clean.topics) * PARTITIONS, "ends")
        for name in ("core-0/journal-0000", "control/journal-0000"):
            code, out, err = tool(clean.data, "dump", "--deep", name)
            equal(code, 0, err)
            check(re.search(r"^frame position 4096 .* sum good$", out, re.M), name, out[:400])
            check(re.search(r"^  record .*lsn \d+ what \w+ bytes \d+", out, re.M), name, out[:400])


def main():
    with tempfile.TemporaryDirectory(prefix="sluice-damage-") as folder:
        home = pathlib.Path(folder)
        clean, killed = Stopped(home, False), Stopped(home, True)
        with case("log tool: verify finds nothing in whole directories"):
            for s in (clean, killed):
                code, out, err = tool(s.data, "verify")
                equal(code, 0, out + err)
                check("No damage" in out, out)
        checkpoints(clean, killed)
        segment_files(clean)
        sidecars(clean)
        journal(killed)
        others(clean, killed)
    finish()


main()
