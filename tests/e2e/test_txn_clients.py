#!/usr/bin/env python3
"""Transactions end to end: the Java client (transaction version 2), librdkafka (version 1),
requests that come late or twice, Kafka's tools, and a copier whose output equals its input whatever
is killed."""
import os
import pathlib
import random
import struct
import subprocess
import time

from broker import CONTROL, DATA, SMALL, Broker, stamp
from case import case, check, equal, finish, until
from kafka import Connection, topic_ready

HERE = pathlib.Path(__file__).parent
SOON = "transaction.abort.timed.out.transaction.cleanup.interval.ms=500"
INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN, DESCRIBE = 22, 24, 26, 65
PRODUCER_FENCED, INVALID_TXN_STATE, CONCURRENT = 90, 48, 51
LOADING = 14
COPIED = 3000  # records of the copier
KILLS = 6


def classes():
    return os.environ["JAVA_CLASSES"]


def java(*args):
    folder = classes()
    return ["java", "-Xmx256m", "-cp", f"{folder}:{folder}/lib/*", "TxnTest", *args]


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def transactions(broker, *args):
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.TransactionsCommand",
         "--bootstrap-server", broker.bootstrap, *args],
        capture_output=True, text=True, timeout=120)
    equal(done.returncode, 0, f"kafka-transactions {args[0]}: {done.stdout} {done.stderr}")
    return [line.split() for line in done.stdout.splitlines()]


# Requests of flexible versions, by hand.

def compact(text):
    raw = text.encode()
    return bytes([len(raw) + 1]) + raw


class Raw(Connection):
    def ask(self, api, version, body):
        self.correlation += 1
        head = struct.pack(">hhi", api, version, self.correlation) + struct.pack(">h", -1) + b"\0"
        frame = head + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        return self.receive()[5:]

    def init(self, name):
        body = compact(name) + struct.pack(">iqh", 60000, -1, -1) + b"\0"
        _, error, producer, epoch = struct.unpack_from(
            ">ihqh", self.ask(INIT_PRODUCER_ID, 4, body))
        return error, producer, epoch

    def add(self, name, producer, epoch, topic, partition):
        """As a broker does for a client of transaction version 2."""
        body = (b"\2" + compact(name) + struct.pack(">qh?", producer, epoch, False) + b"\2"
                + compact(topic) + b"\2" + struct.pack(">i", partition) + b"\0\0\0")
        answer = self.ask(ADD_PARTITIONS, 4, body)
        whole = struct.unpack_from(">h", answer, 4)[0]
        return whole or struct.unpack_from(">h", answer, len(answer) - 6)[0]

    def end(self, name, producer, epoch, commit):
        body = compact(name) + struct.pack(">qh?", producer, epoch, commit) + b"\0"
        _, error, producer, epoch = struct.unpack_from(">ihqh", self.ask(END_TXN, 5, body))
        return error, producer, epoch

    def state(self, name):
        answer = self.ask(DESCRIBE, 0, b"\2" + compact(name) + b"\0")
        at = 4 + 1 + 2
        at += answer[at]  # the name: its length is one less than what stands there, which counts it
        return answer[at + 1:at + answer[at]].decode()


def ready(c, name):
    """(producer id, epoch), once the coordinator is there."""
    def one():
        error, producer, epoch = c.init(name)
        check(error in (0, LOADING, CONCURRENT, 15, 16), "InitProducerId", error)
        return (producer, epoch) if error == 0 else None
    return until("a producer id", 30, one)


def added(error):
    check(error in (0, CONCURRENT), "AddPartitionsToTxn", error)
    return error == 0


def refused(error):
    check(error in (INVALID_TXN_STATE, CONCURRENT), "EndTxn with another decision", error)
    return error == INVALID_TXN_STATE


def late_ends(broker, topic):
    name = f"late-{stamp()}"
    coordinator(broker, name)
    c = Raw(broker.bootstrap)
    producer, epoch = ready(c, name)
    for turn in range(10):
        until("the transaction before has ended", 30,
              lambda: added(c.add(name, producer, epoch, topic, 0)))
        for late in range(turn):
            for commit in (True, False):
                equal(c.end(name, producer, late, commit)[0], PRODUCER_FENCED,
                      f"EndTxn of epoch {late} in epoch {epoch}")
        equal(c.state(name), "Ongoing", "state")
        error, _, following = c.end(name, producer, epoch, turn % 2 == 0)
        equal((error, following), (0, epoch + 1), "EndTxn")
        for _ in range(3):  # the same once more: it is done, or being done
            error, _, again = c.end(name, producer, epoch, turn % 2 == 0)
            check(error in (0, CONCURRENT), "the same EndTxn again", error)
            check(error or again == following, "epoch after it", again)
        until("the other decision is refused", 30,  # CONCURRENT while markers are on their way
              lambda: refused(c.end(name, producer, epoch, turn % 2 == 1)[0]))
        epoch = following
    c.close()


def coordinator(broker, name):
    """FindCoordinator for a transactional id, as clients do it first."""
    c = Connection(broker.bootstrap)
    def found():
        c.socket.sendall(c.frame(10, 1, struct.pack(">h", len(name)) + name.encode() + b"\1"))
        return struct.unpack_from(">h", c.receive(), 8)[0] == 0
    until("the coordinator of transactions", 60, found)
    c.close()


def values(broker, topic, level="read_committed"):
    done = subprocess.run(
        ["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X",
         f"isolation.level={level}"], capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, f"kcat: {done.stderr}")
    return done.stdout.split()


def fill(broker, topic, count):
    text = "".join(f"r{i}\n" for i in range(count))
    subprocess.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-X", "acks=all"],
                   input=text.encode(), check=True, timeout=60)


def copied_through(broker, kill):
    """A copier under kills: each record is in the output once."""
    mark = stamp()
    source, sink = f"from-{mark}", f"to-{mark}"
    topic_ready(broker.bootstrap, source, 3)
    topic_ready(broker.bootstrap, sink, 3)
    fill(broker, source, COPIED)
    with open(broker.home / f"copy-{mark}.log", "w+") as log:
        copier = subprocess.Popen(
            java(broker.bootstrap, "copy", source, sink, f"copier-{mark}", str(COPIED), "11"),
            stdout=log, stderr=subprocess.STDOUT)
        try:
            kill(copier)
            code = copier.wait(200)
        finally:
            if copier.poll() is None:
                copier.kill()
                copier.wait()
        log.seek(0)
        text = log.read()
    check(code == 0 and "copied" in text, f"the copier ended with {code}: {text[-3000:]}")
    wanted = sorted(f"r{i}" for i in range(COPIED))
    got = until("all of the output", 60,
                lambda: (lambda v: v if len(v) >= COPIED else None)(values(broker, sink)))
    equal(sorted(got), wanted, "output")


def kill_at_random(broker, names, seed):
    chance = random.Random(seed)

    def kill(copier):
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.3, 2.5))
            if copier.poll() is not None:
                return
            name = chance.choice(names)
            broker.wait_restarted(name, broker.kill(name))
    return kill


def hanging(broker):
    """What a producer has left open is seen, and ended, by Kafka's tool."""
    topic, name = f"held-{stamp()}", f"holder-{stamp()}"
    topic_ready(broker.bootstrap, topic, 1)
    holder = subprocess.Popen(java(broker.bootstrap, "hold", topic, name), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        check(any(line.strip() == "open" for line in holder.stdout), "the transaction is not open")
        rows = [r for r in transactions(broker, "list") if r and r[0] == name]
        equal(len(rows), 1, "rows of list")
        producer = rows[0][2]
        equal(rows[0][3], "Ongoing", "state")
        table = transactions(broker, "describe", "--transactional-id", name)
        equal(table[1][1], name, "described id")
        equal(table[1][-1], f"{topic}-0", "its partition")
        found = transactions(broker, "describe-producers", "--topic", topic, "--partition", "0")
        equal([r[0] for r in found[1:]], [producer], "producers")
        equal(values(broker, topic), [], "committed")
        transactions(broker, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0")
        until("the end of the log is stable", 30,
              lambda: transactions(broker, "describe-producers", "--topic", topic, "--partition",
                                   "0")[1][-1] == "None")
        equal(values(broker, topic), [], "committed")
    finally:
        holder.kill()
        holder.wait()


def main():
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    print(f"# SEED={seed}", flush=True)
    with Broker(SMALL, SOON) as broker:
        done = subprocess.run(java(broker.bootstrap, stamp()), timeout=500)
        with case("transactions: every case of the Java client"):
            equal(done.returncode, 0, "TxnTest")
        topic = f"rdkafka-txn-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        done = subprocess.run([os.environ["RDKAFKA_TXN"], broker.bootstrap, topic], timeout=500,
                              stderr=subprocess.DEVNULL)
        with case("transactions: every case of librdkafka"):
            equal(done.returncode, 0, "rdkafka_txn")
        with case("transactions: an EndTxn that comes late or twice ends no later transaction"):
            late_ends(broker, topic)
        with case("transactions: kafka-transactions lists, describes and ends what hangs"):
            hanging(broker)
        with case("transactions: copied exactly once while control is killed"):
            copied_through(broker, kill_at_random(broker, [CONTROL], seed))
        with case("transactions: copied exactly once while control and data are killed"):
            copied_through(broker, kill_at_random(broker, [CONTROL, DATA], seed + 1))
        broker.alive()
    finish()


main()
