"""Debian 12's python3-confluent-kafka (1.7 over librdkafka 2.0): an old client with its own way of
doing things, under tests of our own (debianpy_tests.py, run by Debian's own Python)."""
import json
import re

from suites import HERE, Row, bounded

PYTHON, VERSION = "/usr/bin/python3", "1.7.0"
SECONDS = 180
MODES = {"debianpy": None}


def run(broker, mode, folder, out, only=None):
    """Yields a row for each test."""
    log = out / "all.ndjson"
    code = bounded([PYTHON, str(HERE / "debianpy_tests.py"), broker.bootstrap, *(only or [])],
                   SECONDS, log)
    rows = [json.loads(x) for x in log.read_text().splitlines() if re.match(r"\{", x)]
    yield from (Row(r["test"], r["verdict"], r["seconds"], r["reason"]) for r in rows)
    if code not in (0, 1) or not rows:
        yield Row("end", "timeout" if code is None else "fail", 0, f"exit code {code}")
