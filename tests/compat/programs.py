"""Programs of Apache Kafka that stand on its clients, as its system tests run them: Streams'
StreamsSmokeTest, TransactionalMessageCopier, ClientCompatibilityTest, Trogdor's RoundTripWorkload,
Connect with the verifiable source and sink, MirrorMaker.  Each mode has a few tests; a test passes
when what the program says, or what is in the topics afterwards, is exactly right.

Where the broker is ours, its processes are killed meanwhile: control, and the dataplane."""
import json
import random
import subprocess
import threading
import time
import traceback
import urllib.error
import urllib.request

import jvm
import mirror
from broker import CONTROL, DATA, free_port
from case import check, equal, until
from kafka import Connection
from suites import HERE, Row, pom_jars

VERSION = "4.3.1"
MODES = {"streams": None, "copier": None, "tools": None, "connect": None, "mirror": None}
SEED = 43


class Killer:
    """Kills control and the dataplane in turn, each time some seconds after the broker answers
    again, until the block ends or it has done so `most` times."""

    def __init__(self, broker, seconds, most=1000):
        self.broker, self.seconds, self.most = broker, seconds, most
        self.random, self.enough = random.Random(SEED), threading.Event()
        self.kills, self.failure = 0, None
        self.thread = threading.Thread(target=self.go, daemon=True)

    def go(self):
        try:
            while self.kills < self.most and not self.enough.wait(
                    self.random.uniform(*self.seconds)):
                name = (CONTROL, DATA)[self.kills % 2]
                self.broker.wait_restarted(name, self.broker.kill(name))
                self.kills += 1
        except Exception as e:  # told by the thread of the test
            self.failure = e

    def __enter__(self):
        if self.broker.ours:
            self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.enough.set()
        if self.broker.ours:
            self.thread.join()
            if self.failure and not kind:
                raise self.failure


def topics(broker, partitions, *names):
    c = Connection(broker.bootstrap)
    try:
        for name in names:
            c.create_topic(name, partitions)
    finally:
        c.close()


def committed(broker, topic, what="%s"):
    """{partition: values} of what committed transactions wrote; or keys and values."""
    text = subprocess.run(
        ["kcat", "-C", "-b", broker.bootstrap, "-t", topic, "-e", "-q", "-o", "beginning", "-f",
         f"%p {what}\\n", "-X", "isolation.level=read_committed"],
        check=True, capture_output=True, text=True, timeout=120).stdout
    found = {}
    for line in text.splitlines():
        partition, _, value = line.partition(" ")
        found.setdefault(int(partition), []).append(value)
    return found


# ---- Kafka Streams ----

def smoke(guarantee):
    def test(broker, lib, out):
        topics(broker, 5, "echo", "data", "max", "min", "min-suppressed", "min-raw", "dif", "sum",
               "sws-raw", "sws-suppressed", "cnt", "avg", "tagg", "fk")
        main = "org.apache.kafka.streams.tests.StreamsSmokeTest"

        def process(n):
            path = jvm.properties(
                out / f"process{n}.properties", bootstrap__servers=broker.bootstrap,
                processing__guarantee=guarantee, state__dir=out / f"state{n}",
                num__stream__threads=2, replication__factor=1, num__standby__replicas=1,
                commit__interval__ms=1000, auto__offset__reset="earliest", acks="all",
                buffered__records__per__partition=100, session__timeout__ms=10000,
                acceptable__recovery__lag=2 ** 63 - 1)
            return jvm.Program(lib, out, f"process{n}", main, path, "process")

        with process(1) as first:
            first.says("REBALANCING -> RUNNING", 120)
            driver_file = jvm.properties(out / "driver.properties",
                                         bootstrap__servers=broker.bootstrap)
            with jvm.Program(lib, out, "driver", main, driver_file, "run") as driver:
                first.says("processed", 60)
                with process(2) as second, Killer(broker, (12, 20)) as killer:
                    second.says("REBALANCING -> RUNNING", 180)
                    second.says("processed", 120)
                    first.stop()
                    driver.says("ALL-RECORDS-DELIVERED|PROCESSED-(MORE|LESS)-THAN-GENERATED", 600)
                    second.stop()
                driver.wait(120)
                check("SUCCESS" in driver.text(), driver.tail())
                check(not broker.ours or killer.kills > 0, "nothing was killed")
    return test


# ---- TransactionalMessageCopier ----

def copier(group_mode):
    def test(broker, lib, out):
        partitions, each, size = 2, 20_000, 100
        source, target = ("in-group", "out-group") if group_mode else ("in", "out")
        topics(broker, partitions, source, target)
        wanted = {p: [f"{p}.{i}" for i in range(each)] for p in range(partitions)}
        c = Connection(broker.bootstrap)
        for p, values in wanted.items():
            for i in range(0, each, 1000):
                c.produce(source, p, [v.encode() for v in values[i:i + 1000]])
        c.close()
        modes = ["--group-mode", "--use-group-metadata"] if group_mode else []
        copiers = [jvm.Program(
            lib, out, f"copier{p}", "org.apache.kafka.tools.TransactionalMessageCopier",
            "--input-topic", source, "--input-partition", p, "--output-topic", target,
            "--broker-list", broker.bootstrap, "--transactional-id", f"{source}-{p}",
            "--consumer-group", f"{source}-copiers", "--transaction-size", size,
            "--enable-random-aborts", *modes) for p in range(partitions)]
        try:
            with Killer(broker, (2, 6)) as killer:
                codes = [p.wait(400) for p in copiers]
        finally:
            for p in copiers:
                p.end()
        equal(codes, [0] * partitions, "exit codes of " + copiers[0].tail())
        check(not broker.ours or killer.kills > 1, "only", killer.kills, "kills")
        found = committed(broker, target)
        for p, values in wanted.items():
            equal(found.get(p), values, f"what was copied to {p}")
    return test


# ---- One run of a tool ----

def client_compatibility(broker, lib, out):
    topics(broker, 1, "compatibility")
    words = {"topic": "compatibility", "bootstrap-server": broker.bootstrap,
             "offsets-for-times-supported": True, "cluster-id-supported": True,
             "expect-record-too-large-exception": False, "num-cluster-nodes": 1,
             "create-topics-supported": True, "describe-acls-supported": not broker.ours,
             "describe-configs-supported": True, "idempotent-producer-supported": True}
    with jvm.Program(lib, out, "compatibility", "org.apache.kafka.tools.ClientCompatibilityTest",
                     *[w for k, v in words.items() for w in (f"--{k}", v)]) as p:
        equal(p.wait(120), 0, p.tail())
        check("SUCCESS" in p.text(), p.tail())


def trogdor(broker, lib, out):
    messages = 50_000
    (out / "trogdor.json").write_text(json.dumps({
        "platform": "org.apache.kafka.trogdor.basic.BasicPlatform",
        "nodes": {"node0": {"hostname": "localhost", "trogdor.agent.port": free_port()}}}))
    spec = json.dumps({
        "class": "org.apache.kafka.trogdor.workload.RoundTripWorkloadSpec",
        "durationMs": 300_000, "clientNode": "node0", "bootstrapServers": broker.bootstrap,
        "targetMessagesPerSec": 5000, "maxMessages": messages,
        "activeTopics": {"round_trip_topic[0-3]": {"numPartitions": 4, "replicationFactor": 1}}})
    with Killer(broker, (3, 6)):
        with jvm.Program(lib, out, "trogdor", "org.apache.kafka.trogdor.agent.Agent", "-n", "node0",
                         "-c", out / "trogdor.json", "--exec", spec) as p:
            equal(p.wait(300), 0, p.tail())
    status = p.text().rpartition("Task succeeded with status ")[2]
    last = json.JSONDecoder().raw_decode(status)[0]
    equal((last["totalUniqueSent"], last["totalReceived"]), (messages, messages), "round trips")


# ---- Connect ----

def ask(port, path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method,
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else {}
    except (urllib.error.URLError, OSError):
        return None  # not there yet, or a rebalance is going on: asked again


def running(port, name, tasks):
    status = ask(port, f"/connectors/{name}/status")
    return status and status["connector"]["state"] == "RUNNING" and \
        [t["state"] for t in status["tasks"]] == ["RUNNING"] * tasks


def printed(workers, name):
    """Lines of JSON of a connector's tasks, in the order of printing, worker by worker."""
    for worker in workers:
        for line in worker.text().splitlines():
            if line.startswith("{") and f'"name":"{name}"' in line:
                try:
                    yield json.loads(line)
                except ValueError:
                    pass  # cut where the worker ended


def connect(broker, lib, out):
    ports = [free_port(), free_port()]

    def worker(n):
        path = jvm.properties(
            out / f"worker{n}.properties", bootstrap__servers=broker.bootstrap, group__id="connect",
            exactly__once__source__support="enabled", producer__transaction__timeout__ms=10000,
            scheduled__rebalance__max__delay__ms=3000, session__timeout__ms=10000,
            key__converter="org.apache.kafka.connect.json.JsonConverter",
            value__converter="org.apache.kafka.connect.json.JsonConverter",
            key__converter__schemas__enable="false", value__converter__schemas__enable="false",
            offset__storage__topic="connect-offsets", offset__storage__replication__factor=1,
            offset__storage__partitions=3, config__storage__topic="connect-configs",
            config__storage__replication__factor=1, status__storage__topic="connect-status",
            status__storage__replication__factor=1, status__storage__partitions=3,
            offset__flush__interval__ms=1000, listeners=f"http://127.0.0.1:{ports[n]}",
            rest__advertised__host__name="127.0.0.1", request__timeout__ms=30000,
            plugin__discovery="service_load")
        return jvm.Program(lib, out, f"worker{n}",
                           "org.apache.kafka.connect.cli.ConnectDistributed", path)

    kind = "org.apache.kafka.connect.tools.Verifiable"
    source = {"connector.class": f"{kind}SourceConnector", "tasks.max": 2, "topic": "verifiable",
              "throughput": 100, "topic.creation.default.replication.factor": 1,
              "topic.creation.default.partitions": 3}
    sink = {"connector.class": f"{kind}SinkConnector", "tasks.max": 2, "topics": "verifiable"}
    with worker(0) as a, worker(1) as b:
        for port in ports:
            until("Connect answers", 120, lambda port=port: ask(port, "/connectors") is not None)
        for name, config, tasks in (("source", source, 2), ("sink", sink, 2)):
            until(f"{name} is made", 60, lambda name=name, config=config: ask(
                ports[0], f"/connectors/{name}/config", config, "PUT"), 0.5)
            until(f"{name} runs", 90, lambda name=name, tasks=tasks: running(
                ports[0], name, tasks), 0.5)
        until("records were sent", 60, lambda: any(printed([a, b], "source")))
        with Killer(broker, (4, 8), 2) as killer:
            until("both were killed", 120, lambda: not broker.ours or killer.kills == 2
                  or killer.failure, 0.5)
        a.stop()  # its tasks go to the other one
        with Killer(broker, (4, 8), 2) as killer:
            until("both were killed", 120, lambda: not broker.ours or killer.kills == 2
                  or killer.failure, 0.5)
        until("all tasks run again", 120, lambda: running(ports[1], "source", 2)
              and running(ports[1], "sink", 2), 0.5)
        sent = len(list(printed([b], "source")))
        until("more is sent", 60, lambda: len(list(printed([b], "source"))) > sent + 100, 0.5)
        until("the source is stopped", 60, lambda: ask(
            ports[1], "/connectors/source/stop", {}, "PUT") is not None, 0.5)
        until("it has no tasks", 60, lambda: (ask(ports[1], "/connectors/source/status") or
                                              {"tasks": [1]})["tasks"] == [], 0.5)
        each = {}
        for values in committed(broker, "verifiable", "%k %s").values():
            for key, value in (v.split() for v in values):
                each.setdefault(int(key), []).append(int(value))
        equal(sorted(each), [0, 1], "tasks")
        for task, numbers in each.items():
            equal(sorted(numbers), list(range(len(numbers))), f"exactly once, task {task}")
        wanted = {(task, n) for task, numbers in each.items() for n in numbers}
        until("the sink has everything", 60, lambda: wanted <= {
            (m["task"], m["seqno"]) for m in printed([a, b], "sink") if "seqno" in m}, 0.5)


TESTS = {
    "streams": {"StreamsSmokeTest.at_least_once": smoke("at_least_once"),
                "StreamsSmokeTest.exactly_once_v2": smoke("exactly_once_v2")},
    "copier": {"TransactionalMessageCopier.assigned": copier(False),
               "TransactionalMessageCopier.group": copier(True)},
    "tools": {"ClientCompatibilityTest": client_compatibility, "RoundTripWorkload": trogdor},
    "connect": {"Connect.verifiable": connect},
    "mirror": {"MirrorMaker.from_kafka": mirror.from_kafka},
}


def run(broker, mode, folder, out, only=None):
    lib = pom_jars(HERE / "programs-pom.xml", folder / "programs" / "lib")
    for name, test in TESTS[mode].items():
        if only and name not in only:
            continue
        place = out / name
        place.mkdir(parents=True, exist_ok=True)
        for old in place.glob("*.*"):
            if old.is_file():
                old.unlink()
        began, verdict, reason = time.monotonic(), "pass", ""
        try:
            test(broker, lib, place)
        except Exception as e:
            traceback.print_exc()
            verdict, reason = "fail", e
        yield Row(name, verdict, time.monotonic() - began, reason)
