#!/usr/bin/env python3
"""Administration with Kafka's own command line tools, which are its Java Admin client: the quorum,
features, configurations of every kind, elections, moves, client quotas; and quotas obeyed."""
import json
import os
import pathlib
import re
import struct
import subprocess
import tempfile
import time

from broker import stamp, target
from case import case, check, equal, finish, until
from kafka import NONE, Connection, batch, topic_ready

HERE = pathlib.Path(__file__).parent
TOOLS = "org.apache.kafka.tools."
SECONDS = 20
THROTTLING_QUOTA_EXCEEDED = 89


def jars():
    """ConfigCommand is in the jar of the broker, so it takes the jars of the oracle."""
    folder = pathlib.Path(os.environ.get("BROKER_JARS", "build/tests/e2e/broker-jars"))
    subprocess.run([HERE / "jars.sh", "oracle", folder], check=True)
    return f"{folder}/*"


class Tools:
    def __init__(self, bootstrap):
        self.classes, self.bootstrap = jars(), bootstrap

    def run(self, name, *arguments, fails=False):
        """Everything that the tool says."""
        done = subprocess.run(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", self.classes, name,
             "--bootstrap-server", self.bootstrap, *arguments],
            capture_output=True, text=True, timeout=120)
        out = done.stdout + done.stderr
        check((done.returncode != 0) == fails, name, arguments, done.returncode, out[-2000:])
        return out

    def configs(self, *arguments, **how):
        return self.run("kafka.admin.ConfigCommand", *arguments, **how)


def quorum_and_features(tools):
    out = tools.run(TOOLS + "MetadataQuorumCommand", "describe", "--status")
    check(re.search(r"LeaderId:\s+1\b", out), out)
    check(re.search(r"MaxFollowerLag:\s+0\b", out), out)
    out = tools.run(TOOLS + "FeatureCommand", "describe")
    check(re.search(r"metadata.version\s.*FinalizedVersionLevel: 4.3-IV0", out), out)
    out = tools.run(TOOLS + "FeatureCommand", "upgrade", "--feature", "no.such=1", fails=True)
    check("Could not upgrade" in out, out)


def elections_and_moves(tools, topic):
    out = tools.run(TOOLS + "LeaderElectionCommand", "--election-type", "preferred",
                    "--topic", topic, "--partition", "0")
    check("Valid replica already elected" in out, out)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
        json.dump({"version": 1, "partitions": [
            {"topic": topic, "partition": 0, "replicas": [1]}]}, plan)
        plan.flush()
        how = ("--reassignment-json-file", plan.name)
        out = tools.run(TOOLS + "reassign.ReassignPartitionsCommand", *how, "--execute")
        check("Successfully started partition reassignment" in out, out)
        out = tools.run(TOOLS + "reassign.ReassignPartitionsCommand", *how, "--verify")
        check(f"Reassignment of partition {topic}-0 is completed." in out, out)
    out = tools.run(TOOLS + "reassign.ReassignPartitionsCommand", "--list")
    check("No partition reassignments found." in out, out)


def configurations(tools, group):
    out = tools.configs("--entity-type", "brokers", "--entity-default", "--alter",
                        "--add-config", "log.retention.ms=777777")
    check("Completed updating default config for brokers" in out, out)
    until("it shows", SECONDS, lambda: "log.retention.ms=777777" in tools.configs(
        "--entity-type", "brokers", "--entity-default", "--describe"))
    tools.configs("--entity-type", "brokers", "--entity-default", "--alter",
                  "--delete-config", "log.retention.ms")
    out = tools.configs("--entity-type", "brokers", "--entity-name", "1", "--alter",
                        "--add-config", "node.id=5", fails=True)
    check("Cannot update these configs dynamically" in out, out)
    tools.configs("--entity-type", "client-metrics", "--entity-name", "m", "--alter",
                  "--add-config", "interval.ms=1000,metrics=org.apache.kafka.")
    until("it shows", SECONDS, lambda: "interval.ms=1000" in tools.configs(
        "--entity-type", "client-metrics", "--entity-name", "m", "--describe"))
    tools.configs("--entity-type", "client-metrics", "--entity-name", "m", "--alter",
                  "--delete-config", "interval.ms,metrics")
    tools.configs("--entity-type", "groups", "--entity-name", group, "--alter",
                  "--add-config", "consumer.session.timeout.ms=50000")
    until("it shows", SECONDS, lambda: "consumer.session.timeout.ms=50000" in tools.configs(
        "--entity-type", "groups", "--entity-name", group, "--describe"))


def quotas_are_kept(tools, client):
    tools.configs("--entity-type", "clients", "--entity-name", client, "--alter",
                  "--add-config", "producer_byte_rate=20000,consumer_byte_rate=30000")

    def shown():
        out = tools.configs("--entity-type", "clients", "--entity-name", client, "--describe")
        return "producer_byte_rate=20000" in out and "consumer_byte_rate=30000" in out
    until("they show", SECONDS, shown)


class Client(Connection):
    """A connection with a client id of its own."""
    def __init__(self, bootstrap, name):
        super().__init__(bootstrap)
        self.name = name

    def frame(self, api, version, body, client=None):
        return super().frame(api, version, body, self.name)

    def produce_throttle(self, topic, data):
        """How long we are asked to wait, in ms."""
        r = self.call(0, 7, self.produce_body(topic, 0, batch([data])))
        r.take("i")
        r.string()
        code = r.take("iihqqq")[2]
        equal(code, NONE, "produce")
        return r.take("i")

    def fetch_throttle(self, topic):
        """The same, and how many topics were answered."""
        return self.call(1, 4, self.fetch_body(topic, 0, 0, bytes_max=150000)).take("ii")


def produce_is_slowed(bootstrap, topic, client):
    """20 kB/s: 100 kB more than the 200 kB that ten seconds let through wait five seconds."""
    c = Client(bootstrap, client)
    began = time.monotonic()
    waits = [c.produce_throttle(topic, b"x" * 100000) for _ in range(2)]
    last = time.monotonic()
    waits.append(c.produce_throttle(topic, b"x" * 100000))
    took_ms = (time.monotonic() - began) * 1000
    equal(waits[:2], [0, 0], "within the quota")
    check(3000 - took_ms < waits[2] <= 5500, "over the quota:", waits, "in", took_ms)
    c.produce_throttle(topic, b"x")
    check(time.monotonic() - last > waits[2] / 1000 - 0.1, "it was read before its time")
    c.close()
    other = Client(bootstrap, client + "-other")
    waits = [other.produce_throttle(topic, b"x" * 100000) for _ in range(4)]
    equal(waits, [0] * 4, "another client")
    other.close()


def fetch_is_slowed(bootstrap, topic, client):
    c = Client(bootstrap, client)
    answers = [c.fetch_throttle(topic)]
    while answers[-1][0] == 0 and len(answers) < 5:
        answers.append(c.fetch_throttle(topic))
    check(len(answers) > 1 and all(a == (0, 1) for a in answers[:-1]), "within:", answers)
    check(answers[-1][0] > 0 and answers[-1][1] == 0, "over the quota:", answers)
    c.close()


def requests_are_slowed(tools, bootstrap, topic, name):
    """A ten-thousandth of a thread: a few dozen requests are more than that."""
    tools.configs("--entity-type", "clients", "--entity-name", name, "--alter",
                  "--add-config", "request_percentage=0.01")
    c = Client(bootstrap, name)
    waits = []
    until("a client that asks too much waits", SECONDS,
          lambda: waits.append(c.produce_throttle(topic, b"x")) or waits[-1] > 0, 0.001)
    c.close()
    other = Client(bootstrap, name + "-other")
    equal([other.produce_throttle(topic, b"x") for _ in range(50)], [0] * 50, "another client")
    other.close()


def mutations_are_refused(tools, bootstrap, name):
    tools.configs("--entity-type", "clients", "--entity-name", name, "--alter",
                  "--add-config", "controller_mutation_rate=1")
    c = Client(bootstrap, name)

    def create(topic, partitions):
        """CreateTopics 6: error code and throttle time."""
        def compact(s):
            return bytes([len(s) + 1]) + s.encode()
        body = bytes([2]) + compact(topic) + struct.pack(">ih", partitions, 1) + b"\1\1\0" \
            + struct.pack(">ib", 10000, 0) + b"\0"
        head = struct.pack(">hhi", 19, 6, 1) + struct.pack(">h", len(name)) + name.encode() + b"\0"
        c.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        data = c.receive()
        throttle = struct.unpack_from(">i", data, 5)[0]
        at = 10 + 1 + len(topic)  # behind the count of topics and the name
        return struct.unpack_from(">h", data, at)[0], throttle
    answers = []

    def refused():
        """The quota holds some time after the tool has said so; then the first overdraws it."""
        answers.append(create(f"{name}-{len(answers)}", 20))
        return answers[-1][0] != NONE
    until("who creates too many is refused", SECONDS, refused, 0.5)
    check(len(answers) > 1, "refused at once:", answers)
    code, throttle = answers[-1]
    equal(code, THROTTLING_QUOTA_EXCEEDED, "error")
    check(throttle > 1000, "throttle", throttle)
    c.close()


def main():
    with target() as broker:
        mark = stamp()
        topic, client = f"admin-{mark}", f"client-{mark}"
        topic_ready(broker.bootstrap, topic, 1)
        tools = Tools(broker.bootstrap)
        with case("admin: the quorum and the features are described, and levels refused"):
            quorum_and_features(tools)
        with case("admin: elections are not needed, and moves to itself are done"):
            elections_and_moves(tools, topic)
        with case("admin: configurations of brokers, client metrics and groups"):
            configurations(tools, f"group-{mark}")
        with case("admin: client quotas are kept and described"):
            quotas_are_kept(tools, client)
        with case("admin: a producer over its quota waits, and nobody else"):
            produce_is_slowed(broker.bootstrap, topic, client)
        with case("admin: a consumer over its quota waits and gets nothing"):
            fetch_is_slowed(broker.bootstrap, topic, client)
        with case("admin: a client over its share of a thread waits, and nobody else"):
            requests_are_slowed(tools, broker.bootstrap, topic, f"asker-{mark}")
        with case("admin: who creates too many partitions is refused"):
            mutations_are_refused(tools, broker.bootstrap, f"maker-{mark}")
    finish()


if __name__ == "__main__":
    main()
