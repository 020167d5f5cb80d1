#!/usr/bin/env python3
"""The log's side of transactions with Kafka's own tools: TransactionsCommand ends transactions and
lists producers, kcat reads committed data, DumpLogSegments shows the markers."""
import os
import pathlib
import re
import subprocess
import sys

from broker import SMALL, Broker, stamp
from case import case, check, equal, finish, until
from kafka import NONE, Connection, topic_ready

HERE = pathlib.Path(__file__).parent
TOOL_SECONDS = 120
sys.path.insert(0, str(HERE.parent / "compat" / "diff"))
from diff import Peer  # noqa: E402

PRODUCER, EPOCH, COORDINATOR_EPOCH = 4711, 3, 11
UNSTABLE_OFFSET_COMMIT = 88
NOT_YET = 14, 15, 16, 51  # loading, not available, not this one, concurrent transactions


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def tool(name, *args):
    return subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", f"org.apache.kafka.tools.{name}", *args],
        capture_output=True, text=True, timeout=TOOL_SECONDS)


def transactions(broker, *args):
    return tool("TransactionsCommand", "--bootstrap-server", broker.bootstrap, *args)


def abort(broker, topic, epoch, coordinator_epoch, partition=0, producer=PRODUCER):
    return transactions(broker, "abort", "--topic", topic, "--partition", str(partition),
                        "--producer-id", str(producer), "--producer-epoch", str(epoch),
                        "--coordinator-epoch", str(coordinator_epoch))


def java_hash(text):
    h = 0
    for c in text:
        h = (31 * h + ord(c)) & 0xFFFFFFFF
    return h & 0x7FFFFFFF


def hanging_offsets(broker, topic, group):
    """Offsets of a producer that goes away hold a group up; an operator ends them."""
    peer, me = Peer(broker.bootstrap), f"{group}-producer"

    def ask(api, version, body):
        def answered():
            """A coordinator that is being made, or loaded, asks to come again."""
            answer = peer.ask(api, version, body)
            check(answer["ErrorCode"] in (NONE, *NOT_YET), api, answer)
            return answer["ErrorCode"] == NONE and answer
        return until(api, 60, answered)

    def stable():
        part, = peer.ask("OffsetFetch", 7, {
            "GroupId": group, "RequireStable": True,
            "Topics": [{"Name": topic, "PartitionIndexes": [0]}]})["Topics"][0]["Partitions"]
        return part["ErrorCode"], part["CommittedOffset"]
    for kind, key in enumerate((group, me)):
        ask("FindCoordinator", 1, {"Key": key, "KeyType": kind})
    who = ask("InitProducerId", 1, {"TransactionalId": me, "TransactionTimeoutMs": 600000})
    own = {"TransactionalId": me, "GroupId": group, "ProducerId": who["ProducerId"],
           "ProducerEpoch": who["ProducerEpoch"]}
    ask("AddOffsetsToTxn", 1, own)

    def offset_sent():
        part, = peer.ask("TxnOffsetCommit", 1, dict(own, Topics=[{"Name": topic, "Partitions": [
            {"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": ""}]}])) \
            ["Topics"][0]["Partitions"]
        check(part["ErrorCode"] in (NONE, *NOT_YET), "TxnOffsetCommit", part)
        return part["ErrorCode"] == NONE
    until("TxnOffsetCommit", 60, offset_sent)
    equal(stable(), (UNSTABLE_OFFSET_COMMIT, -1), "offsets of an open transaction")
    done = abort(broker, "__consumer_offsets", who["ProducerEpoch"], 0, java_hash(group) % 50,
                 who["ProducerId"])
    equal(done.returncode, 0, done.stderr)
    equal(stable(), (NONE, -1), "after the operator ended it")


def producers(broker, topic):
    """{producer id: (epoch, coordinator epoch, last sequence, start of its transaction)}"""
    done = transactions(broker, "describe-producers", "--topic", topic, "--partition", "0")
    equal(done.returncode, 0, f"describe-producers: {done.stderr}")
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return {int(r[0]): (r[1], r[2], r[3], r[5]) for r in rows}


def dumped(path):
    done = tool("DumpLogSegments", "--deep-iteration", "--print-data-log", "--files", str(path))
    equal(done.returncode, 0, f"DumpLogSegments: {done.stderr}")
    check("isvalid: false" not in done.stdout, done.stdout)
    return done.stdout.splitlines()


def main():
    with Broker(SMALL) as broker:
        topic = f"transactions-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        c = Connection(broker.bootstrap)
        equal(c.produce(topic, 0, [b"one", b"two"])[0], NONE, "produce")
        with case("transactions: the admin client writes the end of one into a log"):
            done = abort(broker, topic, EPOCH, COORDINATOR_EPOCH)
            equal(done.returncode, 0, done.stderr)
            equal(c.produce(topic, 0, [b"three"])[0], NONE, "produce")
        with case("transactions: describe-producers tells who ended it"):
            equal(producers(broker, topic),
                  {PRODUCER: (str(EPOCH), str(COORDINATOR_EPOCH), "-1", "None")}, "producers")
        with case("transactions: an old producer epoch and an old coordinator are fenced"):
            done = abort(broker, topic, EPOCH - 1, COORDINATOR_EPOCH)
            check(done.returncode != 0, "an old epoch was taken")
            check("invalid producer epoch" in done.stderr, done.stderr)
            done = abort(broker, topic, EPOCH, COORDINATOR_EPOCH - 1)
            check(done.returncode != 0, "an old coordinator was obeyed")
            check("fenced" in done.stderr, done.stderr)
        with case("transactions: a consumer of committed data sees records and no marker"):
            for level in ("read_committed", "read_uncommitted"):
                done = subprocess.run(
                    ["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-p", "0", "-o",
                     "beginning", "-e", "-q", "-X", f"isolation.level={level}"],
                    capture_output=True, text=True, timeout=60)
                equal(done.stdout.split(), ["one", "two", "three"], level)
        with case("transactions: an operator ends offsets that hang, and their group hears of it"):
            hanging_offsets(broker, topic, "hanging")
        with case("transactions: what the log knew is there after a restart"):
            broker.restart()
            equal(producers(broker, topic),
                  {PRODUCER: (str(EPOCH), str(COORDINATOR_EPOCH), "-1", "None")}, "producers")
        c.close()
        equal(broker.stop(), 0, "exit code")
        with case("transactions: DumpLogSegments shows the marker"):
            path, = (broker.data / "log").glob("*/0/*.log")
            markers = [line for line in dumped(path) if "endTxnMarker" in line]
            equal(len(markers), 1, "markers")
            check(re.match(r"^\| offset: 2 CreateTime: \d+ keySize: 4 valueSize: 6 sequence: -1 "
                           rf"headerKeys: \[\] endTxnMarker: ABORT coordinatorEpoch: "
                           rf"{COORDINATOR_EPOCH}$", markers[0]), markers[0])
    finish()


main()
