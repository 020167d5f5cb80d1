#!/usr/bin/env python3
"""selection.py BUILD [SUITE...]: the part of other people's tests that continuous integration runs,
five minutes: librdkafka's of each area that take seconds, where there is npm; franz-go's of groups
of both protocols and of transactions under rebalances, with few records (no record is lost, comes
twice or out of order), and sarama, where there is Go 1.25; and some classes of Apache Kafka's own
tests of its clients and tools, where there is Maven.  What cannot be had says that it is
skipped."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import apache  # noqa: E402
import kgo  # noqa: E402
import librdkafka  # noqa: E402
import report  # noqa: E402
import saramago  # noqa: E402
from broker import Broker  # noqa: E402
from suites import GOOD  # noqa: E402

GO = (1, 25)
# Of librdkafka's selection those that take a few seconds at most.
RDKAFKA = ("0001 0002 0003 0005 0008 0012 0013 0017 0021 0029 0036 0039 0040 0042 0044 0048 0055 "
           "0056 0060 0064 0065 0067 0070 0073 0085 0090 0099 0112 0130 0137").split()
# Short classes, each of another part: transactions, fencing, configurations, deletion, tools.
CLASSES = {"clients": ("AdminFenceProducersTest", "DynamicGroupConfigIntegrationTest",
                       "TransactionsWithMaxInFlightOneTest", "ProducerIntegrationTest"),
           "tools": ("DeleteRecordsCommandTest", "TransactionsCommandTest",
                     "BrokerApiVersionsCommandTest", "ConsumerGroupServiceTest")}


def go_version():
    try:
        said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return (0, 0)
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def out_of(folder, name):
    out = folder / "logs" / name
    out.mkdir(parents=True, exist_ok=True)
    return out


def with_broker(module, mode, folder, *only):
    with Broker("num.partitions=4", "group.initial.rebalance.delay.ms=0") as broker:
        out = out_of(folder, f"{module.__name__}.{mode}{'-ci' if only else ''}")
        yield from module.run(broker, mode, folder, out, *only)
        broker.alive()


def of_apache(folder):
    for mode, classes in CLASSES.items():
        yield from apache.run(None, mode, folder, out_of(folder, f"apache.{mode}-ci"), classes)


def parts(folder):
    """(suite, rows or None, why not); rows are made when they are asked for"""
    go = go_version() >= GO
    yield ("librdkafka", shutil.which("npm") and
           with_broker(librdkafka, "quick-classic", folder, RDKAFKA), "there is no npm")
    yield "kgo", go and with_broker(kgo, "kgo-ci", folder), "there is no Go 1.25"
    yield "sarama", go and with_broker(saramago, "sarama", folder), "there is no Go 1.25"
    yield "apache", shutil.which("mvn") and of_apache(folder), "there is no Maven"


def judge(suite, rows, waived):
    """How many rows there were, and how many of them are bad."""
    bad = count = 0
    for row in rows:
        reason = report.waiver(waived, suite, row.test)
        good = row.verdict in GOOD or row.verdict == "skip" or bool(reason)
        count += 1
        bad += not good
        print(f"{'ok' if good else 'not ok'} {suite} {row.test} {'' if good else row.reason}",
              flush=True)
    if count == 0:
        print(f"not ok {suite} (no test ran)")
    return count, bad


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    failed, waived, asked = False, report.waivers(), sys.argv[2:]
    for suite, rows, why in parts(build / "compat"):
        if asked and suite not in asked:
            continue
        if not rows:
            print(f"skip {suite} ({why})")
            continue
        try:
            count, bad = judge(suite, rows, waived)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"skip {suite} (it cannot be fetched: {error})")
            continue
        failed = failed or bad or not count
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
