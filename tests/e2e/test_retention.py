#!/usr/bin/env python3
"""What leaves a log: DeleteRecords by Kafka's own tool, retention by size and by age changed while
the broker runs, segments that roll by time; and that it stays so after kill -9."""
import json
import os
import pathlib
import struct
import subprocess

from broker import DATA, SMALL, Broker, stamp
from case import case, check, equal, finish, until
from kafka import LIST_OFFSETS, NONE, PRODUCE, Connection, batch, string, topic_ready

HERE = pathlib.Path(__file__).parent
OUT_OF_RANGE, TOO_LARGE, ALTER_CONFIGS, TOPIC, SET = 1, 10, 44, 2, 0
SECONDS, TOOL_SECONDS = 60, 120
OPTIONS = ("log.segment.bytes=1048576", "log.retention.check.interval.ms=100")


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def delete_records(broker, wanted):
    """Kafka's kafka-delete-records.sh for [(topic, partition, offset)]; what it prints."""
    path = broker.home / "offsets.json"
    path.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": t, "partition": p, "offset": o} for t, p, o in wanted]}))
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.DeleteRecordsCommand",
         "--bootstrap-server", broker.bootstrap, "--offset-json-file", str(path)],
        capture_output=True, text=True, timeout=TOOL_SECONDS)
    equal(done.returncode, 0, f"DeleteRecordsCommand: {done.stderr}")
    return done.stdout


def configure(c, topic, **settings):
    """IncrementalAlterConfigs of a topic; keys with _ for the dots."""
    body = struct.pack(">ib", 1, TOPIC) + string(topic) + struct.pack(">i", len(settings))
    for key, value in settings.items():
        body += string(key.replace("_", ".")) + struct.pack(">b", SET) + string(str(value))
    answer = c.call(ALTER_CONFIGS, 0, body + b"\0")
    answer.take("ii")
    equal(answer.take("h"), NONE, "IncrementalAlterConfigs")


def earliest(c, topic, partition=0):
    answer = c.call(LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + string(topic)
                    + struct.pack(">iiq", 1, partition, -2))
    answer.take("i")
    answer.string()
    answer.take("i")
    _, code, _, offset = answer.take("ihqq")
    equal(code, NONE, "ListOffsets")
    return offset


def fill(c, topic, count, partition=0, size=9000, when_ms=None):
    for i in range(count):
        answer = c.call(PRODUCE, 7, c.produce_body(
            topic, partition, batch([b"%d " % i + b"x" * size], when_ms)))
        equal(c.produced(answer)[0], NONE, "produce")


def segments(broker, partition=0):
    """Names of the segment files of the one topic of a test."""
    found = [p for p in (broker.data / "log").glob(f"*/{partition}/*")]
    return sorted(p.name for p in found if p.suffix in (".log", ".deleted"))


def delete_and_see():
    with Broker(SMALL, *OPTIONS) as broker:
        topic = f"trim-{stamp()}"
        topic_ready(broker.bootstrap, topic, 2)
        c = Connection(broker.bootstrap)
        for partition in range(2):
            fill(c, topic, 300, partition)
        with case("retention: kafka-delete-records moves the log start"):
            said = delete_records(broker, [(topic, 0, 150), (topic, 1, -1)])
            check(f"partition: {topic}-0\tlow_watermark: 150" in said, said)
            check(f"partition: {topic}-1\tlow_watermark: 300" in said, said)
            equal([earliest(c, topic, p) for p in range(2)], [150, 300], "earliest")
            equal(c.fetch(topic, 0, 149)[0], OUT_OF_RANGE, "fetch below the start")
            equal(c.consume(topic, 0, 150)[0][0], 150, "first record")
        with case("retention: kafka-delete-records refuses what is not there"):
            said = delete_records(broker, [(topic, 0, 301)])
            check("OffsetOutOfRangeException" in said, said)
        with case("retention: a log start survives kill -9"):
            old = broker.kill(DATA)
            broker.wait_restarted(DATA, old)
            c = until("the broker is back", SECONDS, lambda: ready(broker, topic))
            equal([earliest(c, topic, p) for p in range(2)], [150, 300], "earliest")
            got = c.consume(topic, 0, 150)
            equal([o for o, _ in got], list(range(150, 300)), "offsets")
            fill(c, topic, 1, 1)
            equal([o for o, _ in c.consume(topic, 1, 300)], [300], "offset behind an empty log")


def ready(broker, topic):
    try:
        c = Connection(broker.bootstrap)
        return c if c.partitions(topic) == (NONE, 2) else None
    except OSError:
        return None


def sizes_and_ages():
    with Broker(SMALL, *OPTIONS) as broker:
        topic = f"keep-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        c = Connection(broker.bootstrap)
        fill(c, topic, 600)
        with case("retention: retention.bytes drops whole segments while the broker runs"):
            equal(earliest(c, topic), 0, "earliest before")
            configure(c, topic, retention_bytes=2 << 20, file_delete_delay_ms=0)
            first = until("old segments go", SECONDS, lambda: earliest(c, topic))
            until("their files go", SECONDS,
                  lambda: segments(broker)[0] == f"{first:020}.log")
            left = (600 - first) * 9000
            check(2 << 20 <= left < 4 << 20, "bytes left:", left)
            equal([o for o, _ in c.consume(topic, 0, first)], list(range(first, 600)), "offsets")
        with case("retention: file.delete.delay.ms keeps a file under another name"):
            configure(c, topic, file_delete_delay_ms=3600000, retention_bytes=1 << 20)
            second = until("more segments go", SECONDS,
                           lambda: earliest(c, topic) if earliest(c, topic) > first else 0)
            until("a file waits", SECONDS,
                  lambda: any(name.endswith(".log.deleted") for name in segments(broker)))
        with case("retention: retention.ms empties a log, also its last segment"):
            # The limit comes and goes with the age: what is refused tells which of them holds.
            configure(c, topic, retention_bytes=-1, retention_ms=1, max_message_bytes=100)
            until("all goes", SECONDS, lambda: earliest(c, topic) == 600)
            check(second < 600, "it was not empty before")
            code, high, data = c.fetch(topic, 0, 600, wait_ms=0)
            equal((code, high, data), (NONE, 600, b""), "fetch at the end")
            equal(c.produce(topic, 0, [b"x" * 9000])[0], TOO_LARGE, "while the age holds")
            configure(c, topic, retention_ms=-1, max_message_bytes=1048588)
            until("the age holds no more", SECONDS,
                  lambda: c.produce(topic, 0, [b"x" * 9000])[0] == NONE)
            equal([o for o, _ in c.consume(topic, 0, 600)], [600], "offset that follows")
        with case("retention: a clean stop leaves no file that was dropped"):
            equal(broker.stop(), 0, "exit code")
            equal(segments(broker), [f"{600:020}.log"], "files")


def rolls():
    with Broker(SMALL, *OPTIONS) as broker:
        topic = f"roll-{stamp()}"
        c = Connection(broker.bootstrap)
        with case("retention: segment.ms rolls by the time of the records"):
            # From the beginning: a change would reach the log at some time after its answer.
            code = c.create_topic(topic, configs=(("segment.ms", 1000), ("retention.ms", -1)))
            equal(code, NONE, "CreateTopics")
            topic_ready(broker.bootstrap, topic, 1)
            for second in range(6):
                fill(c, topic, 2, when_ms=1_700_000_000_000 + 700 * second)
            equal(broker.stop(), 0, "exit code")
            # A segment takes what is at most segment.ms younger than its first batch.
            equal(segments(broker), [f"{o:020}.log" for o in (0, 4, 8)], "segments")


def main():
    delete_and_see()
    sizes_and_ages()
    rolls()
    finish()


main()
