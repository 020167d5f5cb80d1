#!/usr/bin/env python3
"""Segment files are Kafka's: its own DumpLogSegments reads them after a clean stop, checks the CRC
of every batch, and counts the records."""
import os
import pathlib
import re
import struct
import subprocess

from broker import SMALL, Broker, stamp
from case import case, check, equal, finish
from kafka import NONE, Connection, string, topic_ready

HERE = pathlib.Path(__file__).parent
# Without lz4: librdkafka sends that only to brokers that advertise FindCoordinator.
CODECS = ("gzip", "snappy", "zstd")
PARTITIONS, BATCHES, TOOL_SECONDS = 2, 300, 120
DELETE_RECORDS = 21
BATCH = re.compile(r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .* position: (\d+) "
                   r".* size: (\d+) magic: 2 compresscodec: (\w+) crc: \d+ isvalid: true$")
RECORD = re.compile(r"^\| offset: (\d+) .* payload: (.*)$")


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def dump(path):
    """The tool's lines about one segment file."""
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.DumpLogSegments",
         "--deep-iteration", "--print-data-log", "--files", str(path)],
        capture_output=True, text=True, timeout=TOOL_SECONDS)
    equal(done.returncode, 0, f"DumpLogSegments: {done.stderr}")
    # It begins to count at -1, so the first offset of a later segment is always a gap to it.
    first = int(path.stem)
    complaints = [l for l in done.stderr.splitlines()
                  if l.strip() and not l.startswith(("Non-consecutive offsets", "SLF4J"))
                  and l.strip() != f"-1 is followed by {first}"]
    equal(complaints, [], "complaints")
    return done.stdout.splitlines()


def dumped(partition_folder, at=0):
    """[(offset, value)] and the codecs of a partition by way of the tool, batches without gaps,
    from the segment that begins with offset `at`."""
    records, codecs = [], set()
    for path in sorted(partition_folder.glob("*.log")):
        position = 0
        equal(int(path.stem), at, "first offset of the segment")
        lines = dump(path)
        check(f"Log starting offset: {at}" in lines, lines[:3])
        for line in lines:
            batch, record = BATCH.match(line), RECORD.match(line)
            if batch:
                base, last, count, where, size = map(int, batch.groups()[:5])
                equal((base, where, count), (at, position, last - base + 1), "batch")
                at, position = last + 1, position + size
                codecs.add(batch.group(6))
            elif record:
                records.append((int(record.group(1)), record.group(2)))
            else:
                check(line.startswith(("Dumping", "Log starting")), "the tool says:", line)
        equal(position, path.stat().st_size, f"bytes of {path.name} that are batches")
    return records, codecs


def lines(codec):
    """Fifty that are smaller when compressed: librdkafka would send them as they are otherwise."""
    return [f"{codec} {i} " + "again and " * 20 for i in range(50)]


def delete_records(c, topic, offset):
    body = struct.pack(">i", 1) + string(topic) + struct.pack(">iiqi", 1, 0, offset, 15000)
    answer = c.call(DELETE_RECORDS, 0, body)
    answer.take("ii")
    answer.string()
    answer.take("i")
    equal(answer.take("iqh"), (0, offset, NONE), "DeleteRecords")


def what_is_left():
    """The same after segments have rolled, and some of them have gone."""
    count, start = 400, 250
    with Broker(SMALL, "log.segment.bytes=1048576") as broker:
        topic = f"dump-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        c = Connection(broker.bootstrap)
        wanted = [f"{i} " + "y" * 9000 for i in range(count)]
        for value in wanted:
            equal(c.produce(topic, 0, [value.encode()])[0], NONE, "produce")
        delete_records(c, topic, start)
        c.close()
        equal(broker.stop(), 0, "exit code")
        with case("dump: DumpLogSegments accepts what DeleteRecords has left"):
            folder, = (broker.data / "log").glob("*/0")
            first = min(int(p.stem) for p in folder.glob("*.log"))
            check(0 < first <= start, "first segment:", first)
            records, _ = dumped(folder, first)
            equal(records, list(enumerate(wanted))[first:], "records")
            check(len(list(folder.glob("*.idx"))) == len(list(folder.glob("*.log"))) - 1,
                  "every segment but the last has its .idx")


def main():
    what_is_left()
    value = "x" * 9000
    with Broker(SMALL, "log.segment.bytes=1048576") as broker:
        topic = f"dump-{stamp()}"
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        c = Connection(broker.bootstrap)
        for i in range(BATCHES):
            code, _ = c.produce(topic, i % PARTITIONS, [value.encode(), b"second of %d" % i])
            equal(code, NONE, "produce")
        c.close()
        for codec in CODECS:
            subprocess.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0", "-z",
                            codec, "-X", "linger.ms=50"], check=True, timeout=60, text=True,
                           input="".join(f"{line}\n" for line in lines(codec)))
        equal(broker.stop(), 0, "exit code")
        folders = sorted((broker.data / "log").glob("*/*"), key=lambda p: p.name)
        equal([p.name for p in folders], [str(p) for p in range(PARTITIONS)], "folders")
        for partition, folder in enumerate(folders):
            with case(f"dump: DumpLogSegments accepts the segments of partition {partition}"):
                wanted = [v for i in range(partition, BATCHES, PARTITIONS)
                          for v in (value, f"second of {i}")]
                if partition == 0:
                    wanted += [line for codec in CODECS for line in lines(codec)]
                records, codecs = dumped(folder)
                equal(records, list(enumerate(wanted)), "records")
                check(len(codecs) == (1 + len(CODECS) if partition == 0 else 1), "codecs:", codecs)
                check(len(list(folder.glob("*.log"))) > 1, "one segment alone proves little")
    finish()


main()
