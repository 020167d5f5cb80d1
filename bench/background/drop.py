#!/usr/bin/env python3
"""drop.py BUILD [--rounds N] [--segment-mb N] [--sluice PROGRAM]: are acks slower when a
long file goes?

An open-loop producer sends 5,000 single records a second to 64 partitions for two seconds, and half
a second after it began one segment of 1 GiB, full, leaves its log for good:
  quiet      nothing does
  retention  retention.bytes of its topic is lowered; file.delete.delay.ms is 0
  delete     its topic is deleted
  compacted  compaction has replaced it, and file.delete.delay.ms is over

Prints for each the percentiles of the acknowledgements of these two seconds and the greatest, as
JSON, a line each, and with more rounds the medians.  The file system must give the file's blocks
back; how long that holds up who writes durably is what is measured, so this is about the disk that
BUILD is on.  --sluice measures another program with the same clients."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from broker import Broker, counted  # noqa: E402
from case import until  # noqa: E402
from kafka import Connection, batch, topic_ready  # noqa: E402

RATE, SECONDS, AT_SECONDS, PARTITIONS = 5000, 2, 0.5, 64
BATCH_BYTES = 900000
KINDS = ("quiet", "retention", "delete", "compacted")
SHARD_CPU, OTHER_CPU = "0", "1"
SHOWN = ("p50_us", "p99_us", "p999_us", "max_us")


def segments(broker, size):
    return [p for p in (broker.data / "log").glob("*/0/*")
            if ".log" in p.name and p.stat().st_size >= size // 2]


def fill(broker, topic, size, kind):
    """A topic with one full segment and the beginning of another."""
    c = Connection(broker.bootstrap)
    policy = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "1.0")] \
        if kind == "compacted" else []
    c.create_topic(topic, 1, configs=[("segment.bytes", size), ("file.delete.delay.ms", 0),
                                      ("retention.ms", -1), *policy])
    topic_ready(broker.bootstrap, topic, 1)
    # Of a compacted topic nearly all has one key: it is read, and next to nothing is written.
    data = batch([os.urandom(BATCH_BYTES)], keys=[b"k"])
    body = c.produce_body(topic, 0, data)
    for _ in range(size // len(data) + 3):
        code, _ = c.produced(c.call(0, 7, body))
        if code:
            raise SystemExit(f"produce: error {code}")
    c.close()


def let_go(broker, topic, kind):
    time.sleep(AT_SECONDS)
    c = Connection(broker.bootstrap)
    if kind == "retention":
        c.alter_topic(topic, {"retention.bytes": "1"})
    elif kind == "delete":
        c.delete_topic(topic)
    elif kind == "compacted":
        c.alter_topic(topic, {"min.cleanable.dirty.ratio": "0.01"})
    c.close()


def phase(bench, broker, kind, size, number):
    topic = f"{kind}-{number}"
    fill(broker, topic, size, kind)
    until("the segment is in its file", 60, lambda: segments(broker, size), 0.1)
    os.sync()
    time.sleep(2)
    thread = threading.Thread(target=let_go, args=(broker, topic, kind))
    thread.start()
    seconds = SECONDS + (4 if kind == "compacted" else 0)  # it has to be read first
    out = subprocess.run(
        ["taskset", "-c", OTHER_CPU, "chrt", "-f", "10", str(bench), "rate", "--bootstrap",
         broker.bootstrap, "--topic", "acks", "--partitions", str(PARTITIONS), "--warmup", "0",
         "--rate", str(RATE), "--seconds", str(seconds)],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    thread.join()
    row = {"kind": kind, **json.loads(out)}
    if kind == "quiet":
        c = Connection(broker.bootstrap)
        c.delete_topic(topic)
        c.close()
    until("the segment is gone", 60, lambda: not segments(broker, size), 0.1)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--segment-mb", type=int, default=1024)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sluice")
    wants = parser.parse_args()
    build = pathlib.Path(wants.build).resolve()
    os.environ["SLUICE"] = wants.sluice or str(build / "sluice")
    bench, size = build / "bench" / "load" / "sluice-bench", (wants.segment_mb << 20) - 1
    rows = {kind: [] for kind in wants.kinds.split(",")}
    home = pathlib.Path(tempfile.mkdtemp(prefix="drop-", dir=build))
    try:
        with Broker(f"cores={SHARD_CPU}-{SHARD_CPU}", "log.retention.check.interval.ms=100",
                    "log.cleaner.backoff.ms=100", "log.cleaner.io.max.bytes.per.second=1000000000",
                    data=home / "data") as broker:
            for n in range(wants.rounds):
                for kind, found in rows.items():
                    found.append(phase(bench, broker, kind, size, n))
                    print(json.dumps(found[-1]), flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if wants.rounds > 1:
        for kind, found in rows.items():
            print(kind, {k: statistics.median(r[k] for r in found) for k in SHOWN if k in found[0]})


if __name__ == "__main__":
    main()
