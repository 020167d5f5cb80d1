#!/usr/bin/env python3
"""Runs java/ConsumerGroupTest.java against the broker; its lines are the cases.  Then Kafka's own
DumpLogSegments reads every record that the groups left behind."""
import os
import pathlib
import re
import subprocess

from broker import External, stamp, target
from case import case, check, equal, finish

HERE = pathlib.Path(__file__).parent
OTHERS_PARTITIONS, TOOL_SECONDS = 6, 120
KINDS = {"3", "5", "6", "7", "8", "16"}  # of records of the consumer protocol
RECORD = re.compile(r'^\| offset: .* key: (.*?) payload: (.*)$')


def jars():
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    return folder


def offset_logs(data):
    """Segments of __consumer_offsets: the one topic with more partitions than the test's own."""
    for topic in pathlib.Path(data).glob("log/*"):
        logs = sorted(p for p in topic.glob("*/*.log") if p.stat().st_size > 0)
        if any(int(p.parent.name) >= OTHERS_PARTITIONS for p in logs):
            return logs
    return []


def records_case(broker):
    with case("consumer groups: Kafka's tools read all of their records"):
        logs = offset_logs(broker.data)
        check(logs, "no records")
        done = subprocess.run(
            ["java", "-Xmx256m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.DumpLogSegments",
             "--offsets-decoder", "--files", ",".join(map(str, logs))],
            capture_output=True, text=True, timeout=TOOL_SECONDS)
        equal(done.returncode, 0, f"DumpLogSegments: {done.stderr}")
        lines = [l for l in done.stdout.splitlines() if l.startswith("| offset: ")]
        bad = [l for l in lines if not RECORD.match(l) or "Could not" in l or "Error" in l]
        equal(bad[:3], [], "records that the tool cannot read")
        kinds = {re.search(r'"type":"(\d+)"', l).group(1) for l in lines}
        check(KINDS <= kinds, f"kinds: {sorted(kinds)}")


def main():
    with target() as broker:
        classes = os.environ["JAVA_CLASSES"]
        code = subprocess.run(["java", "-Xmx512m", "-cp", f"{classes}:{classes}/lib/*",
                               "ConsumerGroupTest", broker.bootstrap, stamp()],
                              timeout=500).returncode
        if not isinstance(broker, External):
            broker.stop()
            records_case(broker)
    if code:
        raise SystemExit(code)
    finish()


main()
