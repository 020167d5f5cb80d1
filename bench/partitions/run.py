#!/usr/bin/env python3
"""run.py BUILD [--partitions N] [--cores N] [--oracle]: what many partitions cost.

Starts a broker on an empty folder, notes its memory, creates N partitions (10,000) in topics of
1,000, writes one record into each, waits until everything is in its segment, and prints: memory per
idle partition, CPU of the idle broker, time from the start of the process until a Metadata request
names a leader for every partition, after a clean stop and after kill -9 (with one more record in
each partition that only the journal has).  --oracle: the same of Apache Kafka.

Memory is the resident memory of all processes, private and shared (Pss).  The folder is
BUILD/bench/partitions and is removed."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "bench" / "compare"))
from kafka import NONE, PRODUCE, Connection, batch, string  # noqa: E402
from servers import TICKS, Kafka, Sluice, age_s  # noqa: E402

PER_TOPIC, IDLE_SECONDS, SETTLE_SECONDS, RECORD_BYTES = 1000, 10, 5, 100


def pss_kib(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def topics(count):
    return [(f"many-{i}", min(PER_TOPIC, count - i * PER_TOPIC))
            for i in range((count + PER_TOPIC - 1) // PER_TOPIC)]


def wait_led(bootstrap, names, seconds=120):
    """Until every partition of every topic has a leader; a connection."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            c = Connection(bootstrap)
        except OSError:
            time.sleep(0.005)
            continue
        try:
            if all(c.partitions(t) == (NONE, n) for t, n in names):
                return c
        except (OSError, ConnectionError):
            pass
        c.close()
        time.sleep(0.005)
    raise SystemExit(f"not all of {sum(n for _, n in names)} partitions have a leader")


def produce_all(c, names):
    """One record into each partition, a request per topic (Produce v3, acks=all)."""
    records = batch([b"x" * RECORD_BYTES])
    for topic, count in names:
        body = string(None) + struct.pack(">hii", -1, 30000, 1) + string(topic)
        body += struct.pack(">i", count)
        for p in range(count):
            body += struct.pack(">ii", p, len(records)) + records
        answer = c.call(PRODUCE, 3, body)
        answer.take("i")
        answer.string()
        for _ in range(answer.take("i")):
            partition, error, _, _ = answer.take("ihqq")
            if error:
                raise SystemExit(f"{topic}-{partition}: error {error}")


def cpu_s(pids):
    """Of the processes, with threads that ended; in steps of a tick."""
    rows = [pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in pids]
    return sum(int(r[11]) + int(r[12]) for r in rows) / TICKS


def idle_percent(pids):
    before = cpu_s(pids)
    time.sleep(IDLE_SECONDS)
    return (cpu_s(pids) - before) / IDLE_SECONDS * 100


def kill(server):
    pids = server.pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    if hasattr(server, "broker"):
        server.broker.process.wait()
    deadline = time.monotonic() + 30
    while any(pathlib.Path(f"/proc/{p}").exists() for p in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


def measure(server, count):
    names, out = topics(count), {}
    server.start()
    time.sleep(SETTLE_SECONDS)
    empty = pss_kib(server.pids())
    began = time.monotonic()
    c = Connection(server.bootstrap, timeout=120)
    for topic, n in names:
        c.create_topic(topic, n)
    c.close()
    c = wait_led(server.bootstrap, names)
    out["create_s"] = time.monotonic() - began
    out["kib_per_partition_created"] = (pss_kib(server.pids()) - empty) / count
    began = time.monotonic()
    produce_all(c, names)
    out["write_s"] = time.monotonic() - began
    c.close()
    time.sleep(SETTLE_SECONDS)
    out["kib_per_partition_written"] = (pss_kib(server.pids()) - empty) / count
    out["idle_percent"] = idle_percent(server.pids())
    server.stop()
    server.start()
    c = wait_led(server.bootstrap, names)
    out["start_clean_s"] = age_s(server.pids()[0])
    time.sleep(SETTLE_SECONDS)
    out["kib_per_partition_started"] = (pss_kib(server.pids()) - empty) / count
    produce_all(c, names)
    c.close()
    kill(server)
    server.start()
    wait_led(server.bootstrap, names).close()
    out["start_killed_s"] = age_s(server.pids()[0])
    out["idle_percent_killed"] = idle_percent(server.pids())
    server.stop()
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--partitions", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--oracle", action="store_true")
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench")) / "partitions"
    home.mkdir(parents=True, exist_ok=True)
    rows = []
    for _ in range(wants.rounds):
        server = (Kafka if wants.oracle else Sluice)(home)
        try:
            rows.append(measure(server, wants.partitions))
        finally:
            server.end()
    shutil.rmtree(home, ignore_errors=True)
    print(json.dumps({k: round(statistics.median(r[k] for r in rows), 3) for k in rows[0]}))


if __name__ == "__main__":
    main()
