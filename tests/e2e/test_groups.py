#!/usr/bin/env python3
"""Consumer groups with real clients: kcat, Kafka's command line tools; what is committed outlives
restarts and kills."""
import os
import pathlib
import re
import subprocess

from broker import CONTROL, DATA, SMALL, Broker, stamp
from case import case, check, equal, finish, until
from kafka import topic_ready

HERE = pathlib.Path(__file__).parent
TOOL_SECONDS = 120
NO_DELAY = ("group.initial.rebalance.delay.ms=0",)


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def tool(name, *args):
    return subprocess.run(
        ["java", "-Xmx256m", "-cp", f"{jars()}/*", f"org.apache.kafka.tools.{name}", *args],
        capture_output=True, text=True, timeout=TOOL_SECONDS)


def groups_tool(broker, *args):
    done = tool("consumer.group.ConsumerGroupCommand", "--bootstrap-server", broker.bootstrap,
                *args)
    equal(done.returncode, 0, f"kafka-consumer-groups: {done.stdout} {done.stderr}")
    return done.stdout


def produce(broker, topic, texts):
    subprocess.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-X", "acks=all"],
                   input="\n".join(texts).encode() + b"\n", check=True, timeout=60)


def consume(broker, group, topic, count):
    """The next messages of a group, as kcat commits them when it ends."""
    done = subprocess.run(["kcat", "-b", broker.bootstrap, "-q", "-c", str(count),
                           "-X", "auto.offset.reset=earliest", "-G", group, topic],
                          capture_output=True, text=True, timeout=90)
    equal(done.returncode, 0, f"kcat -G: {done.stderr}")
    return done.stdout.splitlines()


def numbers(first, count):
    return [f"m{i}" for i in range(first, first + count)]


def described(broker, group):
    """{(topic, partition): (committed, end, lag)}"""
    rows = {}
    for line in groups_tool(broker, "--describe", "--group", group).splitlines():
        word = line.split()
        if len(word) >= 6 and word[0] == group:
            rows[word[1], int(word[2])] = tuple(word[3:6])
    return rows


def kcat_cases(broker, topic):
    with case("groups: kcat resumes where its group stopped"):
        produce(broker, topic, numbers(0, 30))
        equal(consume(broker, "g1", topic, 10), numbers(0, 10), "first ten")
        equal(consume(broker, "g1", topic, 10), numbers(10, 10), "next ten")
        equal(consume(broker, "g2", topic, 5), numbers(0, 5), "another group")
    with case("groups: offsets outlive a restart of the broker"):
        broker.restart()
        equal(consume(broker, "g1", topic, 5), numbers(20, 5), "after the restart")
    for name in (CONTROL, DATA):
        with case(f"groups: offsets outlive a killed {name}"):
            first = 25 if name == CONTROL else 27
            broker.wait_restarted(name, broker.kill(name))
            equal(consume(broker, "g1", topic, 2), numbers(first, 2), "after the kill")


def tool_cases(broker, topic):
    with case("groups: kafka-consumer-groups lists and describes with lag"):
        check({"g1", "g2"} <= set(groups_tool(broker, "--list").split()), "not listed")
        equal(described(broker, "g1"), {(topic, 0): ("29", "30", "1")}, "described")
        state = groups_tool(broker, "--describe", "--group", "g1", "--state")
        check(re.search(r"g1 .*Empty +0", state), state)
    with case("groups: kafka-consumer-groups resets offsets"):
        groups_tool(broker, "--group", "g1", "--topic", topic, "--reset-offsets", "--to-offset",
                    "3", "--execute")
        equal(consume(broker, "g1", topic, 2), numbers(3, 2), "after the reset")
    with case("groups: kafka-consumer-groups deletes offsets, and groups"):
        groups_tool(broker, "--group", "g2", "--topic", topic, "--delete-offsets")
        equal(described(broker, "g2"), {}, "g2")
        groups_tool(broker, "--group", "g1", "--delete")
        check("g1" not in groups_tool(broker, "--list").split(), "g1 is still there")


def formatted(broker, formatter):
    """What Kafka's consumer prints of __consumer_offsets."""
    return tool("consumer.ConsoleConsumer", "--bootstrap-server", broker.bootstrap, "--topic",
                "__consumer_offsets", "--from-beginning", "--timeout-ms", "5000", "--formatter",
                f"org.apache.kafka.tools.consumer.{formatter}").stdout


def records_cases(broker, topic):
    """What coordinators write is what Kafka's own tools read."""
    with case("groups: Kafka's formatters read our records of offsets and groups"):
        want = {"OffsetsMessageFormatter": f'"group":"g2","topic":"{topic}","partition":0',
                "GroupMetadataMessageFormatter": '"group":"g2"'}
        for formatter, text in want.items():
            # It ends when nothing has come for a while: under load before anything has.
            until(f"{formatter} prints {text}", TOOL_SECONDS,
                  lambda: text in formatted(broker, formatter).replace(" ", ""))


def java_cases(broker):
    classes = os.environ["JAVA_CLASSES"]
    code = subprocess.run(["java", "-Xmx256m", "-cp", f"{classes}:{classes}/lib/*", "GroupTest",
                           broker.bootstrap, stamp()], timeout=500).returncode
    with case("groups: the Java client ends well"):
        equal(code, 0, "exit code")


def main():
    with Broker(SMALL, *NO_DELAY) as broker:
        topic = f"groups-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        kcat_cases(broker, topic)
        records_cases(broker, topic)
        tool_cases(broker, topic)
        java_cases(broker)
    finish()


main()
