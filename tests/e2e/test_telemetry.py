#!/usr/bin/env python3
"""Metrics that clients push (KIP-714): a subscription set by Kafka's tool reaches Kafka's Java
producer, which pushes without being asked; also through a restart of control.  What it pushed is
told by the metrics endpoint."""
import os
import pathlib
import re
import subprocess
import urllib.request

from broker import CONTROL, Broker, free_port
from case import case, check, equal, finish, until

HERE = pathlib.Path(__file__).parent
TOOLS = "org.apache.kafka.tools."
SECONDS = 40
INTERVAL_MS = 500
CLIENT = os.environ.get("E2E_CLIENT", "127.0.0.1")


def jars():
    folder = pathlib.Path(os.environ.get("BROKER_JARS", "build/tests/e2e/broker-jars"))
    subprocess.run([HERE / "jars.sh", "oracle", folder], check=True)
    return f"{folder}/*"


def java(name, *arguments):
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jars(), TOOLS + name,
            "--bootstrap-server", *arguments]


def tool(broker, *arguments):
    done = subprocess.run(java("ClientMetricsCommand", broker.bootstrap, *arguments),
                          capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def subscribe(broker, name, match):
    tool(broker, "--alter", "--name", name, "--metrics", "org.apache.kafka.producer.",
         "--interval", str(INTERVAL_MS), "--match", match)
    check(name in tool(broker, "--list"), "it is not listed")


def pushes(broker, since=0):
    """[(software, last, bytes, series, error)] that control wrote down."""
    text = broker.log.read_bytes()[since:].decode()
    return [(m[0], m[1] == "1", int(m[2]), int(m[3]), m[4]) for m in re.findall(
        r"pushed software=(\S+) last=(\d) bytes=(\d+) series=(\d+) error=(\w+)", text)]


def producer(broker):
    return subprocess.Popen(java("VerifiableProducer", broker.bootstrap, "--topic", "t",
                                 "--throughput", "20", "--acks", "-1"),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def scraped(port):
    """The lines of the metrics endpoint that are of clients."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=90) as page:
        return [l for l in page.read().decode().splitlines() if l.startswith("sluice_client_")]


def good(found):
    return [p for p in found if p[4] == "NONE" and p[2] > 0 and p[3] > 10]


def a_producer_pushes(broker, port):
    """Whether the last push of a client that is stopped comes at all is luck, in the client."""
    client = producer(broker)
    try:
        found = until("it pushes three times", SECONDS,
                      lambda: len(good(pushes(broker))) > 2 and pushes(broker))
        equal({p[0] for p in found}, {"apache-kafka-java"}, "software")
        lines = scraped(port)
        sent = [l for l in lines if 'metric="org.apache.kafka.producer.record.send.total"' in l]
        check(any(float(l.rsplit(" ", 1)[1]) > 0 for l in sent), "records sent:", sent, lines[:5])
        client.terminate()
        client.wait(SECONDS)
    finally:
        client.kill()
        client.wait()
    equal([p for p in pushes(broker) if p[4] != "NONE"], [], "errors")


def it_pushes_on_when_control_was_killed(broker):
    client = producer(broker)
    try:
        at = broker.log.stat().st_size
        until("it pushes", SECONDS, lambda: good(pushes(broker, at)))
        broker.wait_restarted(CONTROL, broker.kill(CONTROL))
        at = broker.log.stat().st_size
        found = until("it pushes again", SECONDS,
                      lambda: len(good(pushes(broker, at))) > 1 and pushes(broker, at))
        equal([p for p in found if p[4] != "NONE"], [], "errors")
    finally:
        client.kill()
        client.wait()


def nobody_pushes_what_matches_nobody(broker):
    tool(broker, "--delete", "--name", "m")
    check("m" not in tool(broker, "--list").split(), "it is still there")
    subscribe(broker, "n", "client_software_name=another")
    client = producer(broker)
    try:
        at = broker.log.stat().st_size
        before = broker.stat()["counters"]["produce_batches"]["sum"]
        until("it produces", SECONDS,
              lambda: broker.stat()["counters"]["produce_batches"]["sum"] > before + 20)
        client.terminate()
        client.wait(SECONDS)
        equal([p for p in pushes(broker, at) if p[2] > 0], [], "pushes")
    finally:
        client.kill()
        client.wait()


http = free_port()
with Broker("log.level=debug", f"metrics.listener=127.0.0.1:{http}") as b:
    subscribe(b, "m", f"client_software_name=apache-kafka-.*,client_source_address={CLIENT}")
    with case("a producer pushes"):
        a_producer_pushes(b, http)
    with case("it pushes on when control was killed"):
        it_pushes_on_when_control_was_killed(b)
    with case("nobody pushes what matches nobody"):
        nobody_pushes_what_matches_nobody(b)
finish()
