#!/usr/bin/env python3
"""How often bytes are copied between the device and the log, as the broker counts it; under
namespaced.py."""
import os
import re
import subprocess
import tempfile

from broker import Broker, SMALL, stamp
from case import Skip, case, check, equal, finish, until
from kafka import Connection

RECORDS, RECORD_BYTES = 256, 120_000
PARTITIONS = 16


def kcat(bootstrap, *arguments, stdout=None):
    subprocess.run(["kcat", "-b", bootstrap, "-q", *arguments], check=True, timeout=120,
                   stdout=stdout)


def row(broker, name):
    return broker.stat()["counters"][name]["sum"]


def collected(broker, records):
    """Bytes that came in pieces and went into a block before the log, once all are counted."""
    until("all records are counted", 20, lambda: row(broker, "produce_records") == records, 0.1)
    return row(broker, "produce_collected_bytes")


def copies(broker, cores=1):
    """The sums of the cores' counters, as they said them when they stopped."""
    equal(broker.stop(), 0, "exit code")
    rows = re.findall(r"info data/net: left (.*)", broker.log.read_text())
    equal(len(rows), cores, "lines that tell the copies")
    told = [{k: int(v) for k, v in (word.split("=") for word in row.split())} for row in rows]
    return {k: sum(t[k] for t in told) for k in told[0]}


def there_and_back(*batches):
    """Sends records, reads them again; the counters."""
    topic = f"copies-{stamp()}"
    with Broker(SMALL, "cores=1") as broker, tempfile.NamedTemporaryFile() as sent, \
            tempfile.NamedTemporaryFile() as got:
        for i in range(RECORDS):
            sent.write((b"%08d" % i) * (RECORD_BYTES // 8) + b"\n")
        sent.flush()
        kcat(broker.bootstrap, "-P", "-t", topic, "-p", "0", *batches, "-l", sent.name)
        with open(got.name, "wb") as out:
            kcat(broker.bootstrap, "-C", "-e", "-t", topic, "-p", "0", "-o", "beginning",
                 stdout=out)
        with open(sent.name, "rb") as a, open(got.name, "rb") as b:
            check(a.read() == b.read(), "records came back changed")
        in_blocks = collected(broker, RECORDS)
        c = {**copies(broker), "collected": in_blocks}
    size = RECORDS * RECORD_BYTES
    check(c["bytes_in"] >= size, c)
    check(c["bytes_out"] >= size, c)
    # Lent to the device from the log's memory, but for the ends of sends that the window cut.
    check(c["bytes_out_copied"] < c["bytes_out"] / 20, c)
    print("# copies a byte before the log's: in %.3f, out %.4f; %d requests in pieces" %
          ((c["bytes_in_copied"] + c["collected"]) / c["bytes_in"],
           c["bytes_out_copied"] / c["bytes_out"], c["in_pieces"]))
    return c


def large_requests():
    """Straight from the frames to the log: that is the only copy."""
    c = there_and_back("-X", "batch.num.messages=1")
    check(c["in_pieces"] > RECORDS * 3 // 4, c)
    check(c["bytes_in_copied"] + c["collected"] < c["bytes_in"] / 10, c)


def requests_over_half_a_window():
    """The same for three batches of one record each, 360 KB."""
    c = there_and_back("-X", "batch.num.messages=3")
    check(c["in_pieces"] > RECORDS // 6, c)
    check(c["bytes_in_copied"] + c["collected"] < c["bytes_in"] / 2, c)


def largest_requests():
    """What would take too many frames goes into a block first: from there the log copies it."""
    c = there_and_back("-X", "batch.num.messages=8")
    check(c["bytes_in_copied"] <= c["bytes_in"], c)


def two_cores():
    """Records for another core's log are read by that core from the frames that they came in: no
    copy more for these either, but for the first of each segment, while no more are under way than
    frames may be lent."""
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one processor")
    with Broker(SMALL, "cores=2", f"num.partitions={PARTITIONS}") as broker, \
            tempfile.NamedTemporaryFile() as sent:
        for i in range(RECORDS):
            sent.write((b"%08d" % i) * (RECORD_BYTES // 8) + b"\n")
        sent.flush()
        # One connection, to partitions of either core.
        kcat(broker.bootstrap, "-P", "-t", f"copies-{stamp()}", "-X", "batch.num.messages=1", "-X",
             "max.in.flight.requests.per.connection=5", "-X", "sticky.partitioning.linger.ms=0",
             "-l", sent.name)
        in_blocks = collected(broker, RECORDS)
        lent = row(broker, "produce_lent_bytes")
        c = copies(broker, 2)
    size = RECORDS * RECORD_BYTES
    print("# copies a byte before the log's: %.3f; %.3f of the bytes were another core's to read" %
          ((c["bytes_in_copied"] + in_blocks) / size, lent / size))
    check(c["in_pieces"] > RECORDS * 3 // 4, c)
    check(lent > size / 50, lent)  # about half of the partitions, by a hash of the topic's id
    check(c["bytes_in_copied"] < c["bytes_in"] / 5, c)
    check(in_blocks < PARTITIONS * 1.01 * RECORD_BYTES + size / 20, in_blocks)


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


with case("copies: large requests are copied once, into the log, and hardly on their way out"):
    large_requests()
with case("copies: so are requests of more than half a window"):
    requests_over_half_a_window()
with case("copies: the largest requests are copied once before that"):
    largest_requests()
with case("copies: records for another core's log are copied by that core, and only once"):
    two_cores()
with case("copies: small requests are not copied before they are read"):
    small_requests()
finish()
