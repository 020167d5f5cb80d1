#!/usr/bin/env python3
"""Kafka's own TransactionalMessageCopier: it copies a partition in transactions, with the offsets
in them, and aborts one of three at random, while control and the dataplane are killed.  The copy
must be the original, each record once and in order."""
import os
import pathlib
import random
import subprocess
import tempfile

from broker import CONTROL, DATA, SMALL, Broker
from case import case, check, equal, finish
from kafka import NONE, Connection, topic_ready

HERE = pathlib.Path(__file__).parent
RECORDS, PER_REQUEST, PER_TRANSACTION = 10000, 1000, 10
COPY_SECONDS = 240
KILLS_MAX = 6
SEED = 7


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def copy(broker, said):
    return subprocess.Popen(
        ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*",
         "org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", broker.bootstrap,
         "--input-topic", "from", "--input-partition", "0", "--output-topic", "to",
         "--transactional-id", "copier", "--consumer-group", "copiers",
         "--transaction-size", str(PER_TRANSACTION), "--enable-random-aborts"],
        stdout=subprocess.DEVNULL, stderr=said)


def kill_by_turns(broker, process):
    """From the start until the copy is done, or KILLS_MAX times.  Returns how many."""
    pause, kills = random.Random(SEED), 0
    while kills < KILLS_MAX and process.poll() is None:
        name = (CONTROL, DATA)[kills % 2]
        broker.wait_restarted(name, broker.kill(name))
        kills += 1
        try:
            process.wait(pause.uniform(0.2, 2))
        except subprocess.TimeoutExpired:
            continue
    process.wait(COPY_SECONDS)
    return kills


def committed(broker):
    """What committed transactions wrote, by a client that knows aborted ones."""
    return subprocess.run(
        ["kcat", "-C", "-b", broker.bootstrap, "-t", "to", "-p", "0", "-e", "-q", "-o", "beginning",
         "-X", "isolation.level=read_committed"],
        check=True, capture_output=True, text=True, timeout=60).stdout.split()


def main():
    print(f"# seed {SEED}")
    wanted = [str(i) for i in range(RECORDS)]
    with Broker(SMALL) as broker, \
            case("copier: what Kafka's TransactionalMessageCopier copied while all was killed"):
        for topic in ("from", "to"):
            topic_ready(broker.bootstrap, topic, 1)
        c = Connection(broker.bootstrap)
        for i in range(0, RECORDS, PER_REQUEST):
            equal(c.produce("from", 0, [v.encode() for v in wanted[i:i + PER_REQUEST]]), (NONE, i),
                  "produce")
        c.close()
        with tempfile.TemporaryFile("w+") as said:
            process = copy(broker, said)
            try:
                kills = kill_by_turns(broker, process)
            finally:
                process.kill()
                process.wait()
            said.seek(0)
            equal(process.returncode, 0, f"exit code: {said.read()[-2000:]}")
        check(kills >= 2, kills, "kills: it was copied too soon")
        equal(committed(broker), wanted, "the copy")
        print(f"# {kills} kills")
    finish()


main()
