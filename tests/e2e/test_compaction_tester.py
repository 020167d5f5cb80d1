#!/usr/bin/env python3
"""Kafka's own LogCompactionTester: it produces keyed records with duplicates and deletes, consumes
them in a group once the log was compacted, and compares."""
import os
import pathlib
import re
import subprocess

from broker import SMALL, Broker
from case import case, check, equal, finish

HERE = pathlib.Path(__file__).parent
OPTIONS = (SMALL, "log.segment.bytes=1048576", "log.cleaner.backoff.ms=200")
# A rolled segment can be compacted some seconds later (core/store/store_ckpt.c).
RECORDS, SLEEP_SECONDS, TOOL_SECONDS = 200000, 40, 280
KEPT_MAX = 0.5


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def main():
    with Broker(*OPTIONS) as broker, \
            case("compaction: Kafka's LogCompactionTester finds what it wrote, compacted"):
        done = subprocess.run(
            ["java", "-Xmx384m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.LogCompactionTester",
             "--bootstrap-server", broker.bootstrap, "--messages", str(RECORDS), "--sleep",
             str(SLEEP_SECONDS), "--duplicates", "10", "--percent-deletes", "10"],
            capture_output=True, text=True, timeout=TOOL_SECONDS)
        equal(done.returncode, 0, f"exit code: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        check("Data verification is completed" in done.stdout, done.stdout)
        rows = re.search(r"(\d+) rows of data produced, (\d+) rows of data consumed", done.stdout)
        check(rows is not None, done.stdout)
        produced, consumed = map(int, rows.groups())
        equal(produced, RECORDS, "produced")
        check(consumed < produced * KEPT_MAX, f"{consumed} of {produced}: it was not compacted")
    finish()


main()
