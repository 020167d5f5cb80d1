#!/usr/bin/env python3
"""Compaction seen by a client, as Kafka's LogCompactionTester looks at it: keyed records with
deletes over several topics and codecs; what a consumer makes of the log is the same before and
after it was cleaned, while it is being cleaned and the broker is killed, and after a restart.
Kafka's own DumpLogSegments accepts the cleaned files.  (The tester itself joins a consumer
group.)"""
import os
import pathlib
import random
import re
import subprocess

from broker import DATA, SMALL, Broker, led, stamp
from case import case, check, equal, finish, until

HERE = pathlib.Path(__file__).parent
CODECS = ("none", "gzip", "snappy", "zstd")
KEYS, RECORDS, DELETES, SEED = 500, 40000, 5, 11
TOOL_SECONDS, CLEAN_SECONDS = 120, 120
OPTIONS = (SMALL, "log.segment.bytes=1048576")
NEVER, SOON = "log.cleaner.backoff.ms=3600000", "log.cleaner.backoff.ms=200"
BATCH = re.compile(r"^baseOffset: (\d+) lastOffset: (\d+) .* isvalid: true$")


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def tool(name, *args):
    done = subprocess.run(["java", "-Xmx256m", "-cp", f"{jars()}/*",
                           f"org.apache.kafka.tools.{name}", *args],
                          capture_output=True, text=True, timeout=TOOL_SECONDS)
    equal(done.returncode, 0, f"{name}: {done.stdout} {done.stderr}")
    return done.stdout.splitlines()


def create(broker, topic):
    tool("TopicCommand", "--bootstrap-server", broker.bootstrap, "--create", "--topic", topic,
         "--partitions", "1", "--config", "cleanup.policy=compact",
         "--config", "min.cleanable.dirty.ratio=0.01", "--config", "delete.retention.ms=100")


def produce(broker, topic, codec, rng, count):
    """Sends random puts and deletes; returns them in order: (key, value or None)."""
    sent = []
    for _ in range(count):
        key = f"key{rng.randrange(KEYS)}"
        gone = rng.randrange(DELETES) == 0
        sent.append((key, None if gone else f"value {len(sent)} " + "%064x" % rng.getrandbits(512)))
    subprocess.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0", "-K", ":", "-Z",
                    "-z", codec, "-X", "linger.ms=5", "-X", "batch.num.messages=200"],
                   input="".join(f"{k}:{v or ''}\n" for k, v in sent), text=True, check=True,
                   timeout=120)
    return sent


def consume(broker, topic):
    """[(offset, key, value or None)] of the whole topic."""
    done = subprocess.run(["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-p", "0", "-o",
                           "beginning", "-e", "-q", "-f", "%o %k %S %s\n"], text=True, check=True,
                          capture_output=True, timeout=120)
    found = []
    for line in done.stdout.splitlines():
        offset, key, size, value = line.split(" ", 3)
        found.append((int(offset), key, None if size == "-1" else value))
    offsets = [o for o, _, _ in found]
    equal(offsets, sorted(set(offsets)), "offsets rise")
    return found


def final(pairs):
    """What a table made of the log holds in the end."""
    table = {}
    for key, value in pairs:
        table.pop(key, None)
        if value is not None:
            table[key] = value
    return table


def same_table(broker, topic, sent):
    found = consume(broker, topic)
    equal(final((k, v) for _, k, v in found), final(sent), "the table")
    for offset, key, value in found:
        equal((key, value), sent[offset], f"record at {offset}")
    return len(found)


def files(broker):
    return sorted((broker.data / "log").glob("*/*/*.log"))


def cleaned(broker, topics, sent):
    """True when of each topic most is gone."""
    return all(len(consume(broker, t)) < len(sent[t]) * 2 // 3 for t in topics)


def wait_led(broker, topics):
    for topic in topics:
        until("the partition is led", 30, lambda: led(broker.bootstrap, topic, 1)).close()


def main():
    rng = random.Random(SEED)
    print(f"# SEED={SEED}")
    with Broker(*OPTIONS, NEVER) as broker:
        topics = {f"compact-{codec}-{stamp()}": codec for codec in CODECS}
        sent = {}
        for topic, codec in topics.items():
            create(broker, topic)
            sent[topic] = produce(broker, topic, codec, rng, RECORDS)
        with case("compaction: everything is there before it"):
            for topic in topics:
                equal([(k, v) for _, k, v in consume(broker, topic)], sent[topic], topic)
        with case("compaction: a consumer's table is the same after it"):
            equal(broker.stop(), 0, "exit code")
            broker.options = [*OPTIONS, SOON]
            broker.start()  # all segments are on disk under durable names
            wait_led(broker, topics)
            until("all topics are compacted", CLEAN_SECONDS,
                  lambda: cleaned(broker, topics, sent), 0.5)
            for topic in topics:
                same_table(broker, topic, sent[topic])
        with case("compaction: the dataplane is killed while it goes on"):
            for _ in range(4):
                for topic, codec in topics.items():
                    sent[topic] += produce(broker, topic, codec, rng, RECORDS // 3)
                broker.wait_restarted(DATA, broker.kill(DATA))
                wait_led(broker, topics)
                for topic in topics:
                    same_table(broker, topic, sent[topic])
        with case("compaction: and after a clean stop nothing else is in the folders"):
            until("all topics are compacted", CLEAN_SECONDS,
                  lambda: cleaned(broker, topics, sent), 0.5)
            equal(broker.stop(), 0, "exit code")
            names = {p.name[20:] for p in (broker.data / "log").glob("*/*/*")}
            check(names <= {".log", ".idx"}, "files:", names)
        with case("compaction: DumpLogSegments accepts the cleaned files"):
            gaps = 0
            for path in files(broker):
                at = int(path.stem)
                for line in tool("DumpLogSegments", "--files", str(path)):
                    batch = BATCH.match(line)
                    check(batch or line.startswith(("Dumping", "Log starting")), line)
                    if batch:
                        gaps += int(batch.group(1)) > at
                        at = int(batch.group(2)) + 1
            check(gaps > 0, "no file has a gap: nothing was compacted")
        with case("compaction: keyless records are refused"):
            broker.start()
            wait_led(broker, topics)
            done = subprocess.run(["kcat", "-b", broker.bootstrap, "-P", "-t", next(iter(topics)),
                                   "-p", "0"], input="no key\n", text=True, capture_output=True,
                                  timeout=60)
            check("failed to validate record" in done.stderr, done.stderr)
    finish()


main()
