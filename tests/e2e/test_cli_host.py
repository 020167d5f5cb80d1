#!/usr/bin/env python3
"""The commands of `sluice` that look at a host and at a running broker: top, as JSON and on a
terminal, doctor, and bundle."""
import json
import os
import pty
import select
import subprocess
import tarfile
import threading
import time

from broker import SMALL, Broker, free_port, program, stamp
from case import case, check, equal, finish, until as eventually
from kafka import Connection, topic_ready

SECONDS = 60


def run(*words, code=0):
    done = subprocess.run([program(), *words], capture_output=True, text=True, timeout=SECONDS)
    equal(done.returncode, code, f"{words}: {done.stderr}")
    return done.stdout


class Load:
    """One producer that goes on until it is told to stop."""

    def __init__(self, bootstrap, topic):
        self.bootstrap, self.topic, self.over = bootstrap, topic, threading.Event()
        self.thread = threading.Thread(target=self.go)

    def go(self):
        c = Connection(self.bootstrap)
        while not self.over.is_set():
            c.produce(self.topic, 0, [b"x" * 100] * 10)
        c.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def seen(fd, texts, seconds):
    """Reads from a terminal until all texts came."""
    got, until = b"", time.monotonic() + seconds
    while not all(t in got for t in texts):
        left = until - time.monotonic()
        check(left > 0, "not on the screen:", texts, got[-500:])
        if select.select([fd], [], [], left)[0]:
            got += os.read(fd, 65536)


def screen(address, topic):
    main, other = pty.openpty()
    top = subprocess.Popen([program(), "top", "--metrics", address, "-i", "1"], stdin=other,
                           stdout=other, stderr=other, env={**os.environ, "TERM": "xterm"})
    os.close(other)
    try:
        seen(main, (b"LATENCY, MS", b"HOTTEST PARTITIONS"), SECONDS)
        os.write(main, b"q")
        equal(top.wait(SECONDS), 0, "exit code")
    finally:
        top.kill()
        top.wait()
        os.close(main)


def bundle(broker, address):
    log, path = broker.home / "some.log", broker.home / "bundle.tar.gz"
    log.write_text("sasl password=hunter2\nall is well\n")
    out = run("bundle", "-q", "--data", str(broker.data), "--output", str(path), "--log", str(log),
              "--metrics", address)
    equal(out, f"{path}\n", "stdout")
    equal(path.stat().st_mode & 0o777, 0o600, "mode")
    with tarfile.open(path) as tar:
        texts = {m.name.split("/", 1)[1]: tar.extractfile(m).read().decode() for m in tar}
    check({"version.txt", "config.txt", "stat.json", "doctor.json", "files.txt",
           "http/cluster.json", "http/metrics.txt", "http/internal.txt", "host/cpuinfo.txt",
           "log/0-some.log"} <= set(texts), set(texts))
    check("counters" in json.loads(texts["stat.json"]), "stat")
    equal(json.loads(texts["http/cluster.json"])["dataplane_up"], True, "dataplane_up")
    check(f"log.dirs={broker.data}  (option)" in texts["config.txt"], texts["config.txt"])
    check("sluice_requests_total" in texts["http/metrics.txt"], texts["http/metrics.txt"][:300])
    equal(texts["log/0-some.log"], "sasl password= [removed]\nall is well\n", "log")


def main():
    address, topic = f"127.0.0.1:{free_port()}", f"top-{stamp()}"
    with Broker(SMALL, f"metrics.listener={address}") as broker:
        topic_ready(broker.bootstrap, topic, 1)
        with Load(broker.bootstrap, topic):
            with case("cli: top as JSON tells rates and the hottest partition"):
                def viewed():
                    """Of a second in which the producer got something through."""
                    view = json.loads(run("top", "--metrics", address, "-i", "1", "--format",
                                          "json"))
                    return view["rates"]["produce_records"] > 0 and view["partitions"] and view
                view = eventually("there is load to tell of", SECONDS, viewed)
                equal(list(view), ["cluster", "interval_ms", "rates", "latency", "cores",
                                   "partitions", "groups", "drops", "errors", "processes"],
                      "members")
                produce = [l for l in view["latency"] if l["request"] == "produce"]
                check(produce and 0 < produce[0]["p50_us"] <= produce[0]["p99_us"]
                      <= produce[0]["p999_us"] and produce[0]["rate"] > 0, view["latency"])
                check(view["rates"]["produce_records"] > 0, view["rates"])
                equal(view["partitions"][0]["topic"], topic, "hottest")
                check(view["cluster"]["dataplane_up"] is True, view["cluster"])
            with case("cli: top without a terminal prints one view"):
                text = run("top", "--metrics", address, "-i", "1")
                check(topic[:20] in text and "\x1b" not in text, text)
            with case("cli: top draws a screen until q"):
                screen(address, topic)
        with case("cli: doctor looks over this host and changes nothing"):
            data = str(broker.data)
            done = subprocess.run([program(), "doctor", "--data", data, "--format", "json"],
                                  capture_output=True, text=True, timeout=SECONDS)
            found = json.loads(done.stdout)
            bad = any(f["verdict"] == "warn" for f in found)
            equal(done.returncode, 3 if bad else 0, done.stderr)
            where, = [f for f in found if f["check"] == "file system"]
            check(data in where["seen"], where)
            check(all(f["mend"] for f in found if f["verdict"] == "warn"), found)
            broker.alive()
        with case("cli: bundle has what a maintainer asks for, and no secret"):
            bundle(broker, address)
    with case("cli: top without an endpoint says what to name"):
        done = subprocess.run([program(), "top", "--once", "--metrics", address],
                              capture_output=True, text=True, timeout=SECONDS)
        equal(done.returncode, 1, "exit code")
        check(address in done.stderr and "--metrics" in done.stderr, done.stderr)
    finish()


main()
