#!/usr/bin/env python3
"""`sluice log dump --deep` and Kafka's DumpLogSegments say the same of the same files, batch for
batch and record for record: transactions with their markers, offsets committed in one, the
coordinator's own log, codecs, broker's time, a record that inflates to megabytes, and a compacted
log with tombstones and their delete horizon."""
import gzip
import json
import os
import pathlib
import re
import struct
import subprocess
import time

from broker import SMALL, Broker, stamp
from case import case, check, equal, finish, until
from kafka import NONE, batch, crc32c, topic_ready, varint
from test_offsets_ends import Log

HERE = pathlib.Path(__file__).parent
TOOL_SECONDS, CLEAN_SECONDS = 120, 60
OPTIONS = (SMALL, "cores=1", "log.cleaner.backoff.ms=200")
LONG = 3 << 20  # more than the tool reads at a time
PLAIN, ENDED = 0, 1  # partitions
BATCH = re.compile(
    r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) baseSequence: (-?\d+) lastSequence: -?\d+ "
    r"producerId: (-?\d+) producerEpoch: (-?\d+) partitionLeaderEpoch: (-?\d+) "
    r"isTransactional: (\w+) isControl: (\w+) deleteHorizonMs: OptionalLong(\.empty|\[\d+\]) "
    r"position: (\d+) (CreateTime|LogAppendTime): (-?\d+) size: (\d+) magic: 2 "
    r"compresscodec: (\w+) crc: (\d+) isvalid: true$")
RECORD = re.compile(r"^\| offset: (\d+) (?:CreateTime|LogAppendTime): (-?\d+) keySize: (-?\d+) "
                    r"valueSize: (-?\d+) sequence: -?\d+ headerKeys: \[.*?\]"
                    r"(?: endTxnMarker: (\w+) coordinatorEpoch: (-?\d+))?")


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def by_kafka(paths):
    """{path: [batch or record as a tuple]}"""
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.DumpLogSegments",
         "--deep-iteration", "--files", ",".join(map(str, paths))],
        capture_output=True, text=True, timeout=TOOL_SECONDS)
    equal(done.returncode, 0, f"DumpLogSegments: {done.stderr}")
    said, rows = {}, None
    for line in done.stdout.splitlines():
        b, r = BATCH.match(line), RECORD.match(line)
        if line.startswith("Dumping "):
            rows = said.setdefault(pathlib.Path(line.split(" ", 1)[1]), [])
        elif b:
            g = b.groups()
            horizon = None if g[9] == ".empty" else int(g[9][1:-1])
            rows.append(("batch", *map(int, g[:7]), g[7] == "true", g[8] == "true", horizon,
                         int(g[10]), g[11] == "LogAppendTime", int(g[12]), int(g[13]), g[14],
                         int(g[15])))
        elif r:
            g = r.groups()
            rows.append(("record", *map(int, g[:4]), g[4] and g[4].lower(),
                         None if g[5] is None else int(g[5])))
        else:
            check(line.startswith(("Log starting", "Snapshot")), "the tool says:", line)
    return said


def by_us(broker, path):
    done = subprocess.run([broker.binary, "log", "dump", "--deep", "--format", "json", "--data",
                           str(broker.data), str(path.relative_to(broker.data))],
                          capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, f"sluice log dump: {done.stderr}")
    rows = []
    for line in done.stdout.splitlines():
        o = json.loads(line)
        if "base_offset" in o:
            rows.append(("batch", o["base_offset"], o["last_offset"], o["records"],
                         o["base_sequence"], o["producer_id"], o["producer_epoch"],
                         o["leader_epoch"], o["transactional"], o["control"],
                         o.get("delete_horizon"), o["position"], o["log_append_time"],
                         o["max_timestamp"], o["bytes"], o["codec"], o["crc"]))
        else:
            rows.append(("record", o["offset"], o["timestamp"], o["key_bytes"], o["value_bytes"],
                         o.get("marker"), o.get("coordinator_epoch")))
    return rows


def gzipped(values):
    """As kafka.batch, compressed."""
    data = bytearray(batch(values))
    records = gzip.compress(bytes(data[61:]), mtime=0)
    after_crc = struct.pack(">h", 1) + bytes(data[23:61]) + records
    after_length = struct.pack(">ibI", -1, 2, crc32c(after_crc)) + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


def keyed(log, key, value):
    """A record with a key in the compacted topic; value None: a tombstone."""
    body = b"\0" + varint(0) + varint(0) + varint(len(key)) + key
    body += varint(-1) if value is None else varint(len(value)) + value
    record = body + varint(0)
    now = int(time.time() * 1000)
    after_crc = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) \
        + varint(len(record)) + record
    after_length = struct.pack(">ibI", -1, 2, crc32c(after_crc)) + after_crc
    log.put(0, struct.pack(">qi", 0, len(after_length)) + after_length)


def fill(broker, run):
    log = Log(broker.bootstrap, f"same-{run}")
    log.plain(PLAIN, [1000, 3000])
    log.put(PLAIN, gzipped([b"a" * 1000, b"b" * LONG, b"c"]))
    for codec in ("snappy", "zstd"):
        subprocess.run(["kcat", "-b", broker.bootstrap, "-P", "-t", log.topic, "-p", str(PLAIN),
                        "-z", codec, "-H", "name=value", "-X", "linger.ms=50"], check=True,
                       timeout=60, text=True, input="".join(f"{i} " + "so " * 50 + "\n"
                                                            for i in range(50)))
    limit = 0
    for commit in (True, False):
        log.begin(f"same-{commit}-{run}", ENDED)
        log.batch(ENDED, [2000, 5000])
        log.batch(ENDED, [4000], 2)
        limit += 4
        log.end(ENDED, commit, limit)
    stamps = Log(broker.bootstrap, f"stamped-{run}")
    stamps.plain(0, [1000, 3000])
    compacted = Log(broker.bootstrap, f"compacted-{run}")
    keyed(compacted, b"gone", b"x" * 700000)
    keyed(compacted, b"stays", b"y" * 1000)
    keyed(compacted, b"gone", None)
    keyed(compacted, b"other", b"x" * 700000)
    keyed(compacted, b"other", b"x" * 700000)


def segments(broker):
    return sorted(p for p in (broker.data / "log").glob("*/*/*.log") if p.stat().st_size)


def main():
    run = stamp()
    with Broker(*OPTIONS) as broker:
        c = Log(broker.bootstrap, "").c
        for name, partitions, configs in (
                ("same", 2, ()), ("stamped", 1, (("message.timestamp.type", "LogAppendTime"),)),
                ("compacted", 1, (("cleanup.policy", "compact"), ("segment.bytes", 1 << 20),
                                  ("min.cleanable.dirty.ratio", "0.01")))):
            equal(c.create_topic(f"{name}-{run}", partitions, configs=configs), NONE, "create")
            topic_ready(broker.bootstrap, f"{name}-{run}", partitions)
        fill(broker, run)
        until("the log is compacted", CLEAN_SECONDS, lambda: sum(
            v["sum"] for k, v in broker.stat()["counters"].items()
            if k == "compaction_dropped_records") > 0, 0.5)
        equal(broker.stop(), 0, "exit code")
        paths = segments(broker)
        with case("dump: of each batch and record Sluice's tool says what Kafka's says"):
            said, seen = by_kafka(paths), []
            equal(sorted(said), paths, "files")
            for path in paths:
                ours = by_us(broker, path)
                equal(len(ours), len(said[path]), f"rows of {path.name}")
                for got, wanted in zip(ours, said[path]):
                    equal(got, wanted, path)
                seen += ours
        with case("dump: all kinds were among them"):
            batches = [r for r in seen if r[0] == "batch"]
            records = [r for r in seen if r[0] == "record"]
            equal({r[5] for r in records}, {None, "commit", "abort"}, "markers")
            equal({r[15] for r in batches}, {"none", "gzip", "snappy", "zstd"}, "codecs")
            check(any(r[10] for r in batches), "no delete horizon")
            check(any(r[12] for r in batches), "no LogAppendTime")
            check(any(r[8] and not r[9] for r in batches), "no data of a transaction")
            check(any(r[4] == LONG for r in records), "no long record")
            check(any(r[4] == -1 for r in records), "no tombstone")
            check(len(seen) > 100, "rows:", len(seen))
    finish()


main()
