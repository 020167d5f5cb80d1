#!/usr/bin/env python3
"""run.py BUILD [--rounds N] [--seconds S] [--oracle] [--appends]: what we get out of the disk,
beside fio.

Each round, on the same file system, one after the other: fio writes a new file (blocks of BLOCK,
O_DIRECT, depth 16; once more with each write durable; and that with the broker's files and writes:
FILES files, depth 4 each), the log alone takes such batches without sockets and a client
(append-alone: CORES stores, FILES logs), the broker takes bulk produce (batches of BLOCK, acks=all)
for S seconds with as many requests in flight as fio has writes, and for S seconds of MANY
producers; a consumer, and then four, read what the first produced from the beginning after a
restart (nothing of it is in the broker's memory); a broker of one core takes what the first took,
which leaves the other cores to the producers; fio reads (depth 16, depth 1, and as the broker does
for one consumer: READ_BLOCK, depth READ_DEPTH), and one-record appends over 1, 64, 256 and 1,000
partitions run beside an fdatasync for each append and file (fsync-files).  --oracle adds Apache
Kafka's appends, from its page cache; with --appends nothing else but the appends is measured.

Bytes written per byte produced are from the broker's counters, and from the statistics of the
block device, which also counts what others write.  The producer runs on the CPUs of the broker.
Prints one line of JSON, medians of the rounds.  Needs fio.  The folder is BUILD/bench/disk, or
BENCH_DIR, and is removed."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "bench" / "compare"))
from broker import Broker  # noqa: E402
from servers import Kafka, cpu_s  # noqa: E402

RECORDS, RECORD_BYTES = 256, 1024
BLOCK, FIO_DEPTH, FIO_BYTES = 256 << 10, 16, 2 << 30
FILES = 4
MANY = 8, 5  # producers, and what Kafka's have in flight (max.in.flight.requests.per.connection)
READ_BLOCK, READ_DEPTH = 1 << 20, 4  # DATA_READ_BYTES, and STORE_AHEAD behind the one needed
PARTITIONS = (1, 64, 256, 1000)
LIMIT_S = 180
CORES = min(2, os.cpu_count())  # of the log alone
SETTLE_LOOKS = 40


def output(*words):
    return subprocess.run([str(w) for w in words], check=True, stdout=subprocess.PIPE, text=True,
                          timeout=LIMIT_S).stdout


def fio(home, way, *words, block=BLOCK, depth=FIO_DEPTH, files=1):
    """MB/s of files of its own, which stay for a read."""
    out = json.loads(output("fio", "--name=x", f"--directory={home}",
                            "--filename_format=fio.$jobnum", f"--rw={way}", f"--bs={block}",
                            f"--size={FIO_BYTES // files}", "--direct=1", "--ioengine=io_uring",
                            f"--iodepth={depth}", f"--numjobs={files}", "--group_reporting",
                            "--output-format=json", *words))
    return out["jobs"][0][way]["bw_bytes"] / 1e6


def fio_clean(home):
    for path in home.glob("fio.*"):
        path.unlink()


def device_written(home):
    """Bytes that the device under a folder has been told to write."""
    dev = os.stat(home).st_dev
    path = pathlib.Path(f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}/stat")
    return int(path.read_text().split()[6]) * 512


def settle(home):
    """Until the broker has written its journals full of zeros: no MiB within half a second."""
    for _ in range(SETTLE_LOOKS):
        before = device_written(home)
        time.sleep(0.5)
        if device_written(home) - before < 1 << 20:
            return


def counters(broker):
    text = output(os.environ["SLUICE"], "stat", "--data", broker.data)
    return {line.split()[0]: int(line.split()[2]) for line in text.splitlines()
            if len(line.split()) >= 3 and line.split()[2].isdigit()}


def counters_written_back(broker):
    """Once all that was produced is in segments; 10 s at most."""
    for _ in range(100):
        now = counters(broker)
        if now["writeback_bytes"] + now["extent_bytes"] >= now["produce_bytes"]:
            break
        time.sleep(0.1)
    return now


def load(build, broker, *words):
    return json.loads(output(build / "bench" / "load" / "sluice-bench", *words,
                             "--bootstrap", broker.bootstrap))


# All that the store writes.  What came neither through the journal nor by write-back was an extent.
WRITTEN = ("journal_bytes", "writeback_bytes", "writeback_again_bytes", "extent_bytes",
           "checkpoint_bytes", "sidecar_bytes")


def written_per_byte(before, after):
    diff = {k: after[k] - before[k] for k in after if k in before}
    return sum(diff[k] for k in WRITTEN) / diff["produce_bytes"]


def produce(build, broker, seconds, topic, producers, depth):
    """MB/s of batches of BLOCK, over as many partitions as producers."""
    return load(build, broker, "bulk", "--topic", topic, "--records", RECORDS, "--record-bytes",
                RECORD_BYTES, "--partitions", producers, "--producers", producers, "--depth", depth,
                "--acks", -1, "--warmup", 1, "--seconds", seconds)["mb_per_s"] * 1.0


def alone(build, home, seconds):
    """MB/s of the log without sockets and client."""
    folder = home / "alone"
    folder.mkdir()
    out = output(build / "bench" / "disk" / "append-alone", folder, CORES, FILES // CORES,
                 FIO_DEPTH // FILES, BLOCK, seconds)
    shutil.rmtree(folder)
    return json.loads(out)["mb_per_s"]


def one_core(build, home, seconds):
    broker = Broker("num.partitions=4", "cores=1", data=home / "data")
    settle(home)
    try:
        return produce(build, broker, seconds, "bench-one", FILES, FIO_DEPTH // FILES)
    finally:
        broker.abandon()
        shutil.rmtree(home / "data", ignore_errors=True)


def bulk(build, home, seconds, row):
    broker = Broker("num.partitions=4", data=home / "data")
    settle(home)
    try:
        first, device = counters(broker), device_written(home)
        row["produce_mb_s"] = produce(build, broker, seconds, "bench-bulk", FILES,
                                      FIO_DEPTH // FILES)
        last = counters(broker)
        row["large_written_per_byte"] = written_per_byte(first, last)
        produced = last["produce_bytes"] - first["produce_bytes"]
        row["large_device_written_per_byte"] = (device_written(home) - device) / produced
        row["produce_by_8_mb_s"] = produce(build, broker, seconds, "bench-deep", *MANY)
        if broker.stop() != 0:
            raise SystemExit("no clean stop: " + broker.log_tail())
        broker.start()
        for consumers, name in (1, "consume_mb_s"), (FILES, "consume_by_4_mb_s"):
            row[name] = load(build, broker, "fetch", "--topic", "bench-bulk", "--partitions", FILES,
                             "--consumers", consumers, "--warmup", 0,
                             "--seconds", LIMIT_S // 3)["consumed_mb_per_s"]
    finally:
        broker.abandon()
        shutil.rmtree(home / "data", ignore_errors=True)


def appends(build, server, pids, name, seconds, row):
    for count in PARTITIONS:
        before = cpu_s(pids())
        out = load(build, server, "single", "--topic", f"one-{count}", "--partitions", count,
                   "--acks", -1, "--warmup", 1, "--seconds", seconds)
        row[f"{name}_appends_s_{count}"] = out["requests_per_s"]
        row[f"{name}_cpu_us_{count}"] = (cpu_s(pids()) - before) * 1e6 / max(1, out["requests"])


def small(build, home, seconds, row):
    broker = Broker("num.partitions=4", data=home / "data")
    settle(home)
    try:
        first = counters(broker)
        appends(build, broker, lambda: [broker.process.pid, *broker.children().values()], "durable",
                seconds, row)
        row["small_written_per_byte"] = written_per_byte(first, counters_written_back(broker))
    finally:
        broker.abandon()
        shutil.rmtree(home / "data", ignore_errors=True)
    for count in PARTITIONS:
        row[f"fsync_files_s_{count}"] = json.loads(output(
            build / "bench" / "disk" / "fsync-files", home, count, seconds))["appends_per_s"]


def oracle(build, home, seconds, row):
    server = Kafka(home)
    server.environment["CPUS"] = f"0-{os.cpu_count() - 1}"  # as ours has, and the producer
    try:
        server.start()
        appends(build, server, server.pids, "kafka", seconds, row)
    finally:
        server.end()


def measure(build, home, wants):
    if wants.appends:
        row = {}
        small(build, home, wants.seconds, row)
        if wants.oracle:
            oracle(build, home, wants.seconds, row)
        return row
    row = {"fio_write_mb_s": fio(home, "write")}
    fio_clean(home)
    row["fio_durable_write_mb_s"] = fio(home, "write", "--sync=dsync")
    fio_clean(home)
    row["fio_durable_write_as_ours_mb_s"] = fio(home, "write", "--sync=dsync",
                                                depth=FIO_DEPTH // FILES, files=FILES)
    fio_clean(home)
    row["log_alone_mb_s"] = alone(build, home, wants.seconds)
    bulk(build, home, wants.seconds, row)
    row["produce_by_one_core_mb_s"] = one_core(build, home, wants.seconds)
    row["fio_read_mb_s"] = fio(home, "read")
    row["fio_read_depth_1_mb_s"] = fio(home, "read", depth=1)
    row["fio_read_as_ours_mb_s"] = fio(home, "read", block=READ_BLOCK, depth=READ_DEPTH)
    fio_clean(home)
    small(build, home, wants.seconds, row)
    if wants.oracle:
        oracle(build, home, wants.seconds, row)
    row["produce_of_fio"] = row["produce_mb_s"] / row["fio_write_mb_s"]
    row["produce_of_fio_durable"] = row["produce_mb_s"] / row["fio_durable_write_mb_s"]
    row["produce_of_fio_as_ours"] = row["produce_mb_s"] / row["fio_durable_write_as_ours_mb_s"]
    row["produce_of_log_alone"] = row["produce_mb_s"] / row["log_alone_mb_s"]
    row["produce_by_8_of_fio"] = row["produce_by_8_mb_s"] / row["fio_write_mb_s"]
    row["produce_by_8_of_fio_durable"] = row["produce_by_8_mb_s"] / row["fio_durable_write_mb_s"]
    row["consume_of_fio"] = row["consume_mb_s"] / row["fio_read_mb_s"]
    row["consume_of_fio_depth_1"] = row["consume_mb_s"] / row["fio_read_depth_1_mb_s"]
    row["consume_of_fio_as_ours"] = row["consume_mb_s"] / row["fio_read_as_ours_mb_s"]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--appends", action="store_true")
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench")) / "disk-run"
    home.mkdir(parents=True, exist_ok=True)
    try:
        rows = [measure(build, home, wants) for _ in range(wants.rounds)]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(json.dumps({k: round(statistics.median(r[k] for r in rows), 3) for k in rows[0]}))


if __name__ == "__main__":
    main()
