#!/usr/bin/env python3
"""How long a scrape takes with many partitions and groups: starts a broker, makes one topic and
groups that each have committed one offset, and reads /metrics.

  bench/metrics/scrape.py BUILD [--partitions 10000] [--groups 10000] [--scrapes 20] [--max-ms MS]
"""
import argparse
import http.client
import os
import pathlib
import statistics
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

OFFSET_COMMIT, PIPELINE = 8, 200


def commit_body(string, group, topic, partition, offset):
    return string(group) + struct.pack(">i", -1) + string("") + struct.pack(">qi", -1, 1) \
        + string(topic) + struct.pack(">iiq", 1, partition, offset) + string("")


def commit_all(broker, kafka, topic, groups, partitions):
    """How many could not be committed: coordinators are loaded first."""
    failed = 0
    c = kafka.Connection(broker.bootstrap)
    for first in range(0, groups, PIPELINE):
        count = min(PIPELINE, groups - first)
        c.socket.sendall(b"".join(
            c.frame(OFFSET_COMMIT, 2, commit_body(kafka.string, f"group-{first + i:05}", topic,
                                                  (first + i) % partitions, 1))
            for i in range(count)))
        for _ in range(count):
            answer = c.receive()
            failed += struct.unpack(">h", answer[-2:])[0] != 0
    c.close()
    return failed


def scrape(port, path="/metrics"):
    began = time.monotonic()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    c.request("GET", path)
    answer = c.getresponse()
    body = answer.read()
    took = time.monotonic() - began
    c.close()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return took * 1000, body


def cpu_ms(broker):
    """Processor time of control so far, in steps of 10 ms."""
    text = pathlib.Path(f"/proc/{broker.pid('sluice-control')}/stat").read_text()
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--partitions", type=int, default=10000)
    p.add_argument("--groups", type=int, default=10000)
    p.add_argument("--scrapes", type=int, default=20)
    p.add_argument("--max-ms", type=float)
    args = p.parse_args()
    os.environ["SLUICE"] = str((args.build / "sluice").resolve())
    import broker as brokers
    import kafka
    port = brokers.free_port()
    with brokers.Broker(brokers.SMALL, f"metrics.listener=127.0.0.1:{port}",
                        "offsets.topic.num.partitions=4") as b:
        kafka.topic_ready(b.bootstrap, "many", args.partitions, 120)
        find = kafka.Connection(b.bootstrap)
        deadline = time.monotonic() + 120
        while find.call(10, 0, kafka.string("g")).take("h"):  # creates __consumer_offsets
            if time.monotonic() > deadline:
                raise SystemExit("no coordinator")
            time.sleep(0.1)
        find.close()
        while commit_all(b, kafka, "many", args.groups, args.partitions):
            if time.monotonic() > deadline:
                raise SystemExit("offsets cannot be committed")
        print(f"{args.partitions} partitions, {args.groups} groups, {args.scrapes} scrapes")
        worst = 0
        for path in ("/metrics", "/metrics/internal", "/v1/groups?limit=10000"):
            before = cpu_ms(b)
            took = [scrape(port, path) for _ in range(args.scrapes)]
            cost = (cpu_ms(b) - before) / args.scrapes
            ms = [t for t, _ in took]
            body = took[-1][1]
            print(f"{path}: {len(body)} bytes, {body.count(10)} lines, "
                  f"median {statistics.median(ms):.1f} ms, longest {max(ms):.1f} ms, "
                  f"{cost:.0f} ms of control's processor each")
            if path == "/metrics":
                worst = statistics.median(ms)
                seen = body.count(b"\nsluice_group_lag_records{"), body.count(
                    b"\nsluice_partition_high_watermark{")
                print(f"series of groups and partitions: {seen[0]}, {seen[1]}")
                if seen[0] != args.groups or seen[1] < args.partitions:
                    raise SystemExit("series are missing")
    if args.max_ms and worst > args.max_ms:
        raise SystemExit(f"the median scrape takes {worst:.1f} ms, at most {args.max_ms} wanted")


if __name__ == "__main__":
    main()
