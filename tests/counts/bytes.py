#!/usr/bin/env python3
"""What an acknowledged byte costs in the running broker: bytes copied, bytes written, and system
calls for 1,000 requests, against named limits.

COPIES names the library that counts copies (copies.c); bytes written and system calls are the
broker's own counters.  A byte of a small batch is written twice, to the journal and later to its
segment; a large batch goes straight to its segment, once."""
import os
import pathlib
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from broker import DATA, SMALL, Broker, stamp  # noqa: E402
from case import Skip, case, check, equal, finish, until  # noqa: E402
from load import Load  # noqa: E402

WARM_ROUNDS = 4
IN_SEGMENTS = 0.99  # a last block may wait
# Each: bytes of a record, connections (each with a partition), requests that each has under way,
# rounds, and the most for a byte produced: copied, written; then the most system calls for 1,000
# requests.  When batches are written back moves the copies, how reads fall the rest: measured were
# 1.7 to 2.0, 2.0 to 2.2, 150 to 290; 1.1 to 2.1, 2.06, 4 to 44; 0.10 to 0.15, 1.03 to 1.11, 1000 to
# 4300 (a shard that wakes at once finds less to do at a time).  The pass that copies a large batch
# to the log makes its checksums and is no memcpy: what is counted of those is all but that one.
LOADS = {"single records of 1 KiB": (1024, 4, 8, 60, 2.1, 2.5, 400),
         "single records of 100 bytes on many connections": (100, 64, 64, 12, 2.5, 2.1, 64),
         "batches of 128 KiB": (128 << 10, 4, 8, 12, 0.4, 1.25, 6000)}
# With two cores about half of the batches are another core's: lent, so that these are copied once,
# too.  0.07 and 0.08 were measured; 0.52 when the core that received them copied them first.
LOADS_OF_TWO = {"batches of 128 KiB with two cores": (128 << 10, 16, 2, 12, 0.3, 1.25, 12000)}


def counters(broker):
    """Once nothing moves and what was ever produced is in segments: it is written back later."""
    seen = []

    def calm():
        now = {k: v["sum"] for k, v in broker.stat()["counters"].items()}
        seen.append({k: now[k] for k in ("produce_batches", "journal_bytes", "writeback_bytes",
                                         "extent_bytes", "enters", "wakes")})
        written = seen[-1]["writeback_bytes"] + seen[-1]["extent_bytes"]
        return len(seen) > 2 and written >= IN_SEGMENTS * now["produce_bytes"] and all(
            seen[-1][k] == seen[-3][k] for k in seen[-1] if k not in ("enters", "wakes"))

    until("counters stand still", 30, calm, 0.3)
    return {**seen[-1], "produce_bytes": broker.stat()["counters"]["produce_bytes"]["sum"]}


def copied(folder, broker):
    return struct.unpack("=Q", (folder / str(broker.pid(DATA))).read_bytes())[0]


def measure(broker, folder, record_bytes, connections, depth, rounds):
    load = Load(broker, f"bytes-{stamp()}", connections, connections, depth, record_bytes,
                spread=False)
    load.run(WARM_ROUNDS)
    before, copied_before = counters(broker), copied(folder, broker)
    enters = broker.stat()["counters"]["enters"]["sum"]
    load.run(rounds)
    time.sleep(0.2)  # the counters of a shard are published by its turns
    copied_after = copied(folder, broker)
    enters = broker.stat()["counters"]["enters"]["sum"] - enters
    after = counters(broker)
    load.close()
    d = {k: after[k] - before[k] for k in after}
    equal(d["produce_batches"], rounds * connections * depth, "batches")
    written = d["journal_bytes"] + d["writeback_bytes"] + d["extent_bytes"]
    return (copied_after - copied_before) / d["produce_bytes"], \
        written / d["produce_bytes"], enters * 1000 / d["produce_batches"]


def run(library, cores, loads):
    with tempfile.TemporaryDirectory(prefix="sluice-bytes-") as name:
        folder = pathlib.Path(name)
        with Broker(SMALL, f"cores={cores}",
                    prefix=["env", f"LD_PRELOAD={library}", f"COPIES_DIR={folder}"]) as broker:
            for what, (*how, copies_max, written_max, calls_max) in loads.items():
                with case(f"counts: what a byte costs, {what}"):
                    copies, written, calls = measure(broker, folder, *how)
                    print(f"# {what}: {copies:.3f} bytes copied and {written:.3f} written for each "
                          f"byte produced, {calls:.0f} system calls for 1,000 requests")
                    check(copied(folder, broker) > 10000, "copies were not counted")
                    check(written > 0.99, "less was written than produced:", written)
                    check(copies <= copies_max, "copied:", copies, "limit:", copies_max)
                    check(written <= written_max, "written:", written, "limit:", written_max)
                    check(calls <= calls_max, "system calls:", calls, "limit:", calls_max)


def main():
    library = os.environ.get("COPIES")
    if not library or not pathlib.Path(library).exists():
        raise SystemExit(f"COPIES must name the library, not '{library}'")
    run(library, 1, LOADS)
    if len(os.sched_getaffinity(0)) >= 2:
        run(library, 2, LOADS_OF_TWO)
    else:
        with case("counts: what a byte costs with two cores"):
            raise Skip("one processor")
    finish()


main()
