#!/usr/bin/env python3
"""reads.py BUILD [--partitions N] [--mib N] [--kib N] [--cold] [--stop]: the first reads after a
kill.

Starts a broker of one core on an empty folder, appends batches of KIB (60, so that they go through
the journal) to N partitions (20) until the active segment of each has MIB (300), kills all
processes at once, and starts again.  Then asks, over a connection each and all at once, for the
first records of every partition, while another one appends a record every 10 ms to a partition of
its own.  Prints as one line of JSON:

  listener_s   from the start of the process until a client was answered
  produce_ms   the first append after that
  first_s      from the requests until the first partition answered, and the last
  acks_ms      of the appends meanwhile: median, 99th percentile, largest

--cold drops the page cache of the segments first, --stop stops instead of killing.  The folder is
BUILD/bench/reads and is removed."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import struct
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from broker import Broker  # noqa: E402
from kafka import FETCH, PRODUCE, Connection, batch, string, topic_ready  # noqa: E402

TOPIC, BESIDE = "long", "beside"


def produce_body(topic, first, count, records):
    body = string(None) + struct.pack(">hii", -1, 30000, 1) + string(topic)
    body += struct.pack(">i", count)
    for p in range(first, first + count):
        body += struct.pack(">ii", p, len(records)) + records
    return body


def ask(c, body):
    answer = c.call(PRODUCE, 3, body)
    answer.take("i")
    answer.string()
    for _ in range(answer.take("i")):
        _, error, _, _ = answer.take("ihqq")
        if error:
            raise SystemExit(f"produce: error {error}")


def fill(bootstrap, wants):
    records = batch([os.urandom(wants.kib << 10)])
    body = produce_body(TOPIC, 0, wants.partitions, records)
    c = Connection(bootstrap, timeout=120)
    for _ in range((wants.mib << 20) // len(records)):
        ask(c, body)
    c.close()


def drop_cache(data):
    os.sync()
    for f in data.glob("log/*/*/*"):
        fd = os.open(f, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def acks(bootstrap, stop, out):
    c = Connection(bootstrap, timeout=120)
    body = produce_body(BESIDE, 0, 1, batch([b"x" * 100]))
    while not stop.is_set():
        began = time.monotonic()
        ask(c, body)
        out.append((time.monotonic() - began) * 1000)
        time.sleep(0.01)
    c.close()


def first_read(c, partition, began, out):
    """Until records come: a fetch that waits long enough answers empty-handed."""
    while True:
        code, _, data = c.fetched(c.call(FETCH, 4, c.fetch_body(TOPIC, partition, 0,
                                                                wait_ms=60000)))
        if code:
            raise SystemExit(f"fetch: error {code}")
        if data:
            out.append(time.monotonic() - began)
            return


def reads(bootstrap, wants):
    stop, lags, firsts = threading.Event(), [], []
    beside = threading.Thread(target=acks, args=(bootstrap, stop, lags))
    beside.start()
    time.sleep(0.5)
    lags.clear()
    ready = [Connection(bootstrap, timeout=120) for _ in range(wants.partitions)]
    began = time.monotonic()
    threads = [threading.Thread(target=first_read, args=(c, p, began, firsts))
               for p, c in enumerate(ready)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    stop.set()
    beside.join()
    lags.sort()
    return {"first_s": [round(min(firsts), 3), round(max(firsts), 3)],
            "acks_ms": [round(lags[int(len(lags) * q)], 2) for q in (0.5, 0.99)]
            + [round(lags[-1], 2)]}


def one(home, wants):
    shutil.rmtree(home, ignore_errors=True)
    broker = Broker("cores=1", *wants.option, data=home)
    try:
        topic_ready(broker.bootstrap, TOPIC, wants.partitions)
        topic_ready(broker.bootstrap, BESIDE, 1)
        fill(broker.bootstrap, wants)
        if wants.stop:
            broker.stop()
        else:
            broker.abandon()
        if wants.cold:
            drop_cache(home)
        broker.log.write_text("")
        began = time.monotonic()
        broker.start()
        listener = time.monotonic() - began
        c = Connection(broker.bootstrap, timeout=120)
        began = time.monotonic()
        ask(c, produce_body(BESIDE, 0, 1, batch([b"x"])))
        produce = time.monotonic() - began
        found = reads(broker.bootstrap, wants)
        broker.stop()
        return {"listener_s": round(listener, 3), "produce_ms": round(produce * 1000, 1), **found}
    finally:
        broker.abandon()
        shutil.rmtree(home, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="the first reads after a kill")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--partitions", type=int, default=20)
    parser.add_argument("--mib", type=int, default=300)
    parser.add_argument("--kib", type=int, default=60)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--stop", action="store_true")
    parser.add_argument("-o", "--option", action="append", default=[])
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench")) / "reads"
    print(json.dumps(one(home, wants)))


if __name__ == "__main__":
    main()
