#!/usr/bin/env python3
"""How often bytes are copied between the device and the log, as the broker counts it; under
namespaced.py."""
import re
import subprocess
import tempfile

from broker import Broker, SMALL, stamp
from case import case, check, equal, finish
from kafka import Connection

RECORDS, RECORD_BYTES = 64, 500_000


def kcat(bootstrap, *arguments, stdout=None):
    subprocess.run(["kcat", "-b", bootstrap, "-q", *arguments], check=True, timeout=120,
                   stdout=stdout)


def copies(broker):
    """The counters of the one core, as it said them when it stopped."""
    equal(broker.stop(), 0, "exit code")
    rows = re.findall(r"info data/net: left (.*)", broker.log.read_text())
    equal(len(rows), 1, "lines that tell the copies")
    return {k: int(v) for k, v in (word.split("=") for word in rows[0].split())}


def there_and_back():
    topic = f"copies-{stamp()}"
    with Broker(SMALL, "cores=1") as broker, tempfile.NamedTemporaryFile() as sent, \
            tempfile.NamedTemporaryFile() as got:
        for i in range(RECORDS):
            sent.write((b"%08d" % i) * (RECORD_BYTES // 8) + b"\n")
        sent.flush()
        size = RECORDS * RECORD_BYTES
        kcat(broker.bootstrap, "-P", "-t", topic, "-p", "0", "-l", sent.name)
        with open(got.name, "wb") as out:
            kcat(broker.bootstrap, "-C", "-e", "-t", topic, "-p", "0", "-o", "beginning",
                 stdout=out)
        with open(sent.name, "rb") as a, open(got.name, "rb") as b:
            check(a.read() == b.read(), "records came back changed")
        c = copies(broker)
    check(c["bytes_in"] >= size, c)
    # Once, from frames into the block that holds the whole request: the log copies from there.
    check(c["bytes_in_copied"] <= c["bytes_in"], c)
    check(c["bytes_out"] >= size, c)
    # Lent to the device from the log's memory, but for the ends of sends that the window cut.
    check(c["bytes_out_copied"] < c["bytes_out"] / 20, c)
    print("# copies a byte: in %.3f, out %.4f" %
          (c["bytes_in_copied"] / c["bytes_in"], c["bytes_out_copied"] / c["bytes_out"]))


def small_requests():
    """A request that fits a frame is read from that frame."""
    with Broker(SMALL, "cores=1") as broker:
        connection = Connection(broker.bootstrap)
        for _ in range(100):
            connection.api_versions()
        connection.close()
        c = copies(broker)
    check(c["bytes_in"] > 1000, c)
    equal(c["bytes_in_copied"], 0, c)


with case("copies: bulk is copied once on its way in, and hardly on its way out"):
    there_and_back()
with case("copies: small requests are not copied before they are read"):
    small_requests()
finish()
