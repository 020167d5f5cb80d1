#!/usr/bin/env python3
"""run.py BUILD [--journal-mib N] [--fill F] [--rounds N] [--cold]: a start that replays a full
journal.

Starts a broker of one core with a journal of N MiB (1024) on an empty folder, appends batches of
60 KB (they go through the journal, not straight to their segments) to 16 partitions until F of the
journal (0.5: then a checkpoint begins) has been written, kills all processes at once, and starts
again.  Prints as one line of JSON, medians: bytes replayed, the time that recovery took as the
broker says it, and the time until a client is answered, after the kill and after a clean stop.

The folder is BUILD/bench/recovery and is removed.  The page cache is left as it is: a process that
died leaves it warm; with --cold the journal's pages are dropped first, as after a power cut."""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from broker import Broker  # noqa: E402
from kafka import PRODUCE, Connection, batch, string, topic_ready  # noqa: E402

PARTITIONS, BATCH_BYTES = 16, 60000
TOPIC = "full"


def append(c):
    """One batch to each partition."""
    records = batch([os.urandom(BATCH_BYTES)])
    body = string(None) + struct.pack(">hii", -1, 30000, 1) + string(TOPIC)
    body += struct.pack(">i", PARTITIONS)
    for p in range(PARTITIONS):
        body += struct.pack(">ii", p, len(records)) + records
    answer = c.call(PRODUCE, 3, body)
    answer.take("i")
    answer.string()
    for _ in range(answer.take("i")):
        _, error, _, _ = answer.take("ihqq")
        if error:
            raise SystemExit(f"produce: error {error}")


def started(broker):
    """Starts and gives (bytes replayed, seconds of recovery, seconds until it answers)."""
    broker.log.write_text("")
    began = time.monotonic()
    broker.start()
    answered = time.monotonic() - began
    done = re.search(r" recovered logs=\d+ .*bytes=(\d+) .*ms=(\d+)", broker.log.read_text())
    return int(done.group(1)), int(done.group(2)) / 1000, answered


def drop_cache(data):
    os.sync()
    for f in data.glob("core-0/journal-*"):
        fd = os.open(f, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def one(home, wants):
    shutil.rmtree(home, ignore_errors=True)
    journal = wants.journal_mib << 20
    broker = Broker("cores=1", f"journal.bytes={journal}", data=home)
    try:
        topic_ready(broker.bootstrap, TOPIC, PARTITIONS)
        c = Connection(broker.bootstrap, timeout=120)
        for _ in range(int(journal * wants.fill / (PARTITIONS * BATCH_BYTES))):
            append(c)
        c.close()
        broker.abandon()
        if wants.cold:
            drop_cache(home)
        killed = started(broker)
        if broker.stop():
            raise SystemExit("the broker did not stop cleanly")
        clean = started(broker)
        broker.stop()
        return {"replayed_mib": killed[0] / 2**20, "recovery_s": killed[1],
                "start_killed_s": killed[2], "start_clean_s": clean[2]}
    finally:
        broker.abandon()
        shutil.rmtree(home, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="a start that replays a full journal")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--journal-mib", type=int, default=1024)
    parser.add_argument("--fill", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cold", action="store_true")
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench")) / "recovery"
    rows = [one(home, wants) for _ in range(wants.rounds)]
    print(json.dumps({k: round(statistics.median(r[k] for r in rows), 3) for k in rows[0]}))


if __name__ == "__main__":
    main()
