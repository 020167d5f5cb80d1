#!/usr/bin/env python3
"""Counted, not guessed: what an acknowledged append costs beside its bytes.

Once the broker has started and has seen each partition, it takes no memory from the heap and maps
none, and a turn of its loop makes one system call, however many requests it takes.  Allocations
are counted by a preloaded library (allocations.c); system calls by the broker's own counters
(`enters` over `turns`) and, where strace may attach, by strace, which also sees what the counters
do not know of."""
import collections
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from broker import DATA, SMALL, Broker, stamp
from case import Skip, case, check, equal, finish, until
from load import Load

PARTITIONS, CONNECTIONS, DEPTH, WARM_ROUNDS, ROUNDS = 8, 8, 20, 20, 150
RECORD_BYTES = 100
REQUESTS, WARM_REQUESTS = CONNECTIONS * DEPTH * ROUNDS, CONNECTIONS * DEPTH * WARM_ROUNDS
# Connections, checkpoints and free space are looked at now and then: not for each request.
ASIDE_MAX = 60
OURS = bool(os.environ.get("E2E_NET"))  # served by our own TCP: allocations only


def load_of(broker):
    """Several requests for each turn."""
    return Load(broker, f"counts-{stamp()}", PARTITIONS, CONNECTIONS, DEPTH, RECORD_BYTES)


def counters(broker, batches):
    """Once all of the batches are counted, and the turns that they took."""
    def sums():
        return {k: v["sum"] for k, v in broker.stat()["counters"].items()}
    def calm(seen=collections.deque(maxlen=2)):
        seen.append(sums())
        return len(seen) == 2 and seen[0]["turns"] == seen[1]["turns"] \
            and seen[1]["produce_batches"] == batches
    until("all batches are counted", 20, calm, 0.3)
    return sums()


def allocated(folder, broker):
    """Calls of the malloc family and of mmap so far."""
    return struct.unpack("=QQ", (folder / str(broker.pid(DATA))).read_bytes())


def no_allocation(cores):
    library = os.environ.get("ALLOCATIONS")
    if not library or not pathlib.Path(library).exists():
        raise AssertionError(f"ALLOCATIONS must name the library, not '{library}'")
    with tempfile.TemporaryDirectory(prefix="sluice-counts-") as name:
        folder = pathlib.Path(name)
        with Broker(SMALL, f"cores={cores}",
                    prefix=["env", f"LD_PRELOAD={library}", f"ALLOCATIONS_DIR={folder}"]) as broker:
            load = load_of(broker)
            load.run(WARM_ROUNDS)
            before = allocated(folder, broker)
            check(min(before) > 10, "the start was not counted:", before)
            load.run(ROUNDS)
            after = allocated(folder, broker)
            load.close()
            print(f"# {cores} cores: {before} calls of malloc and mmap at the start, "
                  f"{after} after {REQUESTS} requests")
            equal(after, before, f"calls of malloc and mmap over {REQUESTS} requests")


def one_call_a_turn(cores):
    with Broker(SMALL, f"cores={cores}") as broker:
        load = load_of(broker)
        load.run(WARM_ROUNDS)
        before = counters(broker, WARM_REQUESTS)
        load.run(ROUNDS)
        after = counters(broker, WARM_REQUESTS + REQUESTS)
        load.close()
        d = {k: after[k] - before[k] for k in after}
        turns = d["turns"] + d["turns_idle"]
        print(f"# {cores} cores: {d['produce_batches']} batches in {turns} turns: "
              f"{d['enters']} enters, {d['wakes']} wakes, {d['journal_frames']} frames")
        equal(d["produce_batches"], REQUESTS, "batches")
        check(turns < REQUESTS / 2, "too few requests for each turn to prove anything")
        check(0 < d["enters"] <= turns + ASIDE_MAX, d["enters"], "enters in", turns, "turns")
        if cores == 1:
            equal(d["wakes"], 0, "wakes of nobody")
        else:  # at most one for each other loop, when that one sleeps
            check(d["wakes"] <= turns * (cores - 1), d["wakes"], "wakes in", turns, "turns")


def strace_counts(pid, seconds_max, work):
    """{system call: times} of a process while work() runs."""
    if not shutil.which("strace"):
        raise Skip("no strace")
    with tempfile.TemporaryDirectory(prefix="sluice-strace-") as folder:
        out, said = pathlib.Path(folder) / "counts", pathlib.Path(folder) / "said"
        with open(said, "wb") as log:
            p = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", str(out)],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until("strace is attached", 20, lambda: p.poll() is not None
                  or b"attached" in said.read_bytes())
            if p.poll() is not None:
                raise Skip("strace may not attach: " + said.read_text(errors="replace").strip())
            work()
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGINT)
            p.wait(seconds_max)
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", out.read_text(),
                          re.M)
        return {name: int(times) for times, name in rows if name != "total"}


def nothing_else():
    with Broker(SMALL, "cores=1") as broker:
        load = load_of(broker)
        load.run(WARM_ROUNDS)
        before = counters(broker, WARM_REQUESTS)
        calls = strace_counts(broker.pid(DATA), 20, lambda: load.run(ROUNDS))
        after = counters(broker, WARM_REQUESTS + REQUESTS)
        load.close()
        turns = sum(after[k] - before[k] for k in ("turns", "turns_idle"))
        total = sum(calls.values())
        print(f"# strace: {calls} in {turns} turns")
        check(calls.get("io_uring_enter", 0) > turns / 4, "strace saw too little:", calls)
        check(total <= turns + ASIDE_MAX, total, "system calls in", turns, "turns:", calls)


def main():
    began = time.monotonic()
    for cores in (1, 2):
        with case(f"counts: no allocation for acknowledged appends, cores={cores}"):
            if len(os.sched_getaffinity(0)) < cores:
                raise Skip("one processor")
            no_allocation(cores)
        with case(f"counts: one system call for each turn of the loop, cores={cores}"):
            if OURS:
                raise Skip("counts the calls of kernel sockets")
            if len(os.sched_getaffinity(0)) < cores:
                raise Skip("one processor")
            one_call_a_turn(cores)
    with case("counts: strace sees no system call that the counters miss"):
        if OURS:
            raise Skip("counts the calls of kernel sockets")
        nothing_else()
    print(f"# {time.monotonic() - began:.1f} s")
    finish()


main()
