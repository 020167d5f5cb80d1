#!/usr/bin/env python3
"""run.py BUILD [options]: are acknowledgements slower while logs are tidied?

An open-loop producer sends 5,000 single records a second to 256 partitions and notes when each is
acknowledged (sluice-bench rate: latency from when a request was due).  Meanwhile, in phases, each
of the others right behind a quiet one, every time beside a second producer of 20 MB/s:
  quiet       nothing else
  retention   that producer's topic is held at 16 MiB a partition: segments of 8 MiB go steadily
  compaction  256 MiB of keyed records are compacted
  drain       a consumer reads 1 GiB from the beginning, again and again
  all         the three together
Prints the medians of the phases' percentiles over the rounds, and the median of the ratios to the
quiet phase in front of each, with the least and the greatest: one pause of this machine makes a
phase slow, but not the median of three.

Behind each phase fio asks of the disk what that phase asked (device.py): as many durable writes of
4 KiB, beside as many bytes read and written.  How much slower these writes get is the disk's own
share.  What a phase's requests and journal writes took is told by stage, from the broker's
histograms (to a fifth): the stage "durable" has "journal_write" in it, and the "extent_write" of
the large batches that were appended before; "queue" and "send" are the loop's; what is over "total"
is the client's and its socket's.

--ram: on a file system in memory (ramdisk.py) instead of the disk of BENCH_DIR.  It holds still, so
the ratios there are what the broker's own code and CPU add.  There the shard has real-time priority
too, and the clients beside a higher one than usual programs, so that those of a shared machine stay
out of the figures; what these take of caches and of the background's processor time they still do.

Before each phase the page cache is written back, or what other programs left there would be in
the middle of it.  The shard runs on CPU 0 alone; background work, the clients and control on CPU 1,
where the measuring client has real-time priority, so that its own waiting for a CPU is not
counted, and the other clients give way to everybody (SCHED_IDLE): the kernel's threads that carry a
durable write from its bytes to its flush run there too, and clients of another machine would not be
in their way."""
import argparse
import contextlib
import json
import math
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from broker import Broker, counted, free_port  # noqa: E402
from case import until  # noqa: E402
from device import FILES_MB, FRAME, Device, Traffic  # noqa: E402
from kafka import Connection, batch, topic_ready  # noqa: E402
from others import Others  # noqa: E402
from ramdisk import ramdisk, workers_first  # noqa: E402

SHARD_CPU, OTHER_CPU = "0", "1"
BESIDE = ("taskset", "-c", OTHER_CPU, "chrt", "-i", "0")
BESIDE_FIRST, SHARD_PRIORITY = ("taskset", "-c", OTHER_CPU, "nice", "-n", "-10"), 15
RATE, LOAD_MB, LOAD_RECORDS, SETTLE_SECONDS = 5000, 20, 100, 1.5
KEYED_BATCHES, KEYED_RECORDS, KEYED_BYTES, KEYED_MB = 16, 2000, 500, 256
PHASES = {"quiet": (), "retention": ("retention",), "compaction": ("compaction",),
          "drain": ("drain",), "all": ("retention", "compaction", "drain")}
BACKLOG_RATE, BACKLOG_SECONDS = 250000, 4  # 1 GiB of records of 1 KiB
AUTOGROUP = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
OTHERS_MAX, TRIES = 0.05, 3  # processors; a pair is measured so often until it is less
GONE_SECONDS = 20
RAM_MB = 3072  # journal, backlog, and what one phase writes
NONE = float("nan")
STAGES = (("produce", "queue"), ("produce", "durable"), ("produce", "send"), ("produce", "total"),
          ("", "journal_write"), ("", "extent_write"), ("", "turn"))
COUNTERS = ("segments_dropped", "compaction_read_bytes", "fetch_bytes", "journal_frames",
            "journal_bytes", "extent_bytes", "stalls_requests", "stalls_disk", "stalls_timers",
            "stalls_send")


class Stages:
    """Quantiles, in microseconds, of what the loop's histograms got since the last look."""

    def __init__(self, listener):
        self.url = f"http://{listener}/v1/histograms?limit=1000"
        self.last = {}

    def look(self):
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            items = json.load(answer)["items"]
        told = {}
        for item in items:
            key = (item["request"], item["stage"])
            before = self.last.get(key, {})
            self.last[key] = item["buckets"]
            came = sorted((float(bound), n - before.get(bound, 0))
                          for bound, n in item["buckets"].items())
            if key in STAGES:
                told[" ".join(filter(None, key))] = [self.quantile(came, q) for q in (0.5, 0.99)]
        return told

    @staticmethod
    def quantile(came, q):
        left = q * sum(n for _, n in came)
        for bound, n in came:
            left -= n
            if n and left <= 0:
                return round(bound / 1e3, 1)
        return 0


class Bench:
    def __init__(self, build, home, seconds, disk, ram):
        listener = f"127.0.0.1:{free_port()}"
        self.load = build / "bench" / "load" / "sluice-bench"
        self.seconds, self.device_seconds = seconds, max(seconds // 2, 2)
        self.broker = Broker(f"cores={SHARD_CPU}-{SHARD_CPU}",
                             "log.retention.check.interval.ms=1000", "log.cleaner.backoff.ms=500",
                             f"metrics.listener={listener}", data=home / "data")
        self.stages = Stages(listener)
        self.traffic = Traffic(home)
        self.device = Device(home, SHARD_CPU, OTHER_CPU) if disk else None
        self.keyed = [batch([os.urandom(KEYED_BYTES // 2) * 2 for _ in range(KEYED_RECORDS)],
                            keys=[b"key-%d" % ((b * 7919 + i) % 20000)
                                  for i in range(KEYED_RECORDS)])
                      for b in range(KEYED_BATCHES)]
        self.ram, self.beside = ram, BESIDE_FIRST if ram else BESIDE
        self.phases = 0
        self.topics = []  # of the phase before

    def raw(self, mode, topic, *words):
        return [str(self.load), mode, "--bootstrap", self.broker.bootstrap, "--topic", topic,
                *map(str, words)]

    def prepare(self):
        subprocess.run(["taskset", "-c", OTHER_CPU,
                        *self.raw("rate", "backlog", "--partitions", 4, "--records", 1000,
                                  "--record-bytes", 1024, "--warmup", 0, "--rate", BACKLOG_RATE,
                                  "--seconds", BACKLOG_SECONDS)],
                       check=True, stdout=subprocess.DEVNULL)
        c = Connection(self.broker.bootstrap)
        c.create_topic("short", 4, configs=(("retention.bytes", 16 << 20),
                                            ("segment.bytes", 8 << 20),
                                            ("file.delete.delay.ms", 1000)))
        topic_ready(self.broker.bootstrap, "short", 4)
        c.close()

    def fresh(self, work):
        """Topics of this phase instead of those of the one before, whose files are gone then."""
        c = Connection(self.broker.bootstrap)
        for topic in self.topics:
            if c.delete_topic(topic):
                raise SystemExit(f"{topic} is not deleted")
        until("the files of deleted topics are gone", GONE_SECONDS, self.gone, 0.1)
        self.phases += 1
        self.topics = [f"load-{self.phases}"]
        c.create_topic(self.topics[0], 4, configs=[("file.delete.delay.ms", 0)])
        topic_ready(self.broker.bootstrap, self.topics[0], 4)
        c.close()
        if "compaction" in work:
            self.topics.append(self.dirty())

    def first(self):
        """The shard, and the kernel's threads that work for it, in front of everybody else."""
        workers_first()
        for task in pathlib.Path(f"/proc/{self.broker.pid('sluice-data')}/task").iterdir():
            if (task / "comm").read_text().strip() == "core-0":
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO,
                                      os.sched_param(SHARD_PRIORITY))

    def gone(self):
        return not any(f.name.startswith(topic) for topic in self.topics
                       for f in self.broker.data.iterdir())

    def dirty(self):
        """A new compacted topic full of records, most of them superseded; not compacted yet."""
        topic = f"keyed-{self.phases}"
        c = Connection(self.broker.bootstrap)
        c.create_topic(topic, 1, configs=(("cleanup.policy", "compact"),
                                          ("segment.bytes", 32 << 20),
                                          ("file.delete.delay.ms", 0),
                                          ("min.cleanable.dirty.ratio", "1.0")))
        topic_ready(self.broker.bootstrap, topic, 1)
        sent = 0
        while sent < KEYED_MB << 20:
            for data in self.keyed:
                code, _ = c.produced(c.call(0, 7, c.produce_body(topic, 0, data)))
                if code:
                    raise SystemExit(f"produce: error {code}")
                sent += len(data)
        c.close()
        return topic

    @contextlib.contextmanager
    def drained(self):
        loop = ("import subprocess as s, sys\n"
                "while not s.run(sys.argv[1:], stdout=s.DEVNULL).returncode: pass")
        p = subprocess.Popen([*self.beside, "setpriv", "--pdeathsig", "TERM",
                              sys.executable, "-c", loop, *self.raw("fetch", "backlog")],
                             start_new_session=True)
        try:
            yield
        finally:
            os.killpg(p.pid, 15)
            p.wait()

    def phase(self, name):
        work = PHASES[name]
        self.fresh(work)
        os.sync()
        if self.ram:
            self.first()
        time.sleep(SETTLE_SECONDS)  # write-back of what came before
        load = subprocess.Popen(
            [*self.beside, *self.raw("rate", "short" if "retention" in work else self.topics[0],
                                "--no-create", "--partitions", 4, "--producers", 1,
                                "--records", LOAD_RECORDS, "--record-bytes", 1024,
                                "--rate", LOAD_MB * 1000, "--seconds", self.seconds + 1)],
            stdout=subprocess.DEVNULL)
        before, others = self.broker.stat(), Others()
        self.stages.look()
        moved, began = self.traffic.look(), time.monotonic()
        with self.drained() if "drain" in work else contextlib.nullcontext():
            if "compaction" in work:
                c = Connection(self.broker.bootstrap)
                c.alter_topic(self.topics[1], {"min.cleanable.dirty.ratio": "0.01"})
                c.close()
            out = subprocess.run(
                ["taskset", "-c", OTHER_CPU, "chrt", "-f", "10",
                 *self.raw("rate", "acks", "--rate", RATE, "--seconds", self.seconds)],
                check=True, stdout=subprocess.PIPE, text=True).stdout
            took = time.monotonic() - began
            row = json.loads(out)
            row["stages"] = self.stages.look()
            row["read_mb"], row["write_mb"] = ((now - then) / took / 1e6 for now, then
                                               in zip(self.traffic.look(), moved))
            after = self.broker.stat()
            row["others_cpu"] = round(others.cores(), 3)
        load.wait()
        row["per_second"] = {name: round((counted(after, name) - counted(before, name)) / took)
                             for name in COUNTERS}
        if self.device:
            row.update(self.device.writes(self.device_seconds, row["per_second"]["journal_frames"],
                                          row["read_mb"], self.apart(row)))
        return row

    @staticmethod
    def apart(row):
        """MB/s written that are not small frames of the journal."""
        return row["write_mb"] - row["per_second"]["journal_frames"] * FRAME / 1e6


def ratio(values):
    if not values or math.isnan(values[0]):
        return ""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def report(rows, pairs):
    print("| | p50, ms | p99, ms | p99.9, ms | p99 : quiet (least to greatest) | disk's p99, ms "
          "| : quiet | p99 : disk's | read, MB/s | others' CPU |\n|" + "---|" * 10)
    for name, found in rows.items():
        def middle(key):
            return statistics.median(r.get(key, NONE) for r in found)
        cells = [f"{middle(k) / 1000:.2f}" for k in ("p50_us", "p99_us", "p999_us")]
        acks = [row["p99_us"] / quiet["p99_us"] for quiet, row in pairs.get(name, [])]
        disk = [row.get("device_p99_us", NONE) / quiet.get("device_p99_us", NONE)
                for quiet, row in pairs.get(name, [])]
        cells += [ratio(acks), f"{middle('device_p99_us') / 1000:.2f}", ratio(disk),
                  ratio([r["p99_us"] / r.get("device_p99_us", NONE) for r in found]),
                  f"{middle('read_mb'):.0f}", f"{max(r['others_cpu'] for r in found):.2f}"]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\n| p50 / p99, us |", " | ".join(" ".join(filter(None, s)) for s in STAGES),
          "|\n|" + "---|" * (len(STAGES) + 1))
    for name, found in rows.items():
        cells = []
        for stage in STAGES:
            told = [r["stages"][" ".join(filter(None, stage))] for r in found]
            cells.append(" / ".join(f"{statistics.median(t[i] for t in told):.0f}"
                                    for i in (0, 1)))
        print(f"| {name} | {' | '.join(cells)} |")


@contextlib.contextmanager
def one_scheduler():
    """Without groups of the scheduler for each session, in which a priority counts only among the
    processes of the session: clients that give way would not, to the kernel's threads."""
    if os.geteuid() or not AUTOGROUP.exists():
        yield
        return
    before = AUTOGROUP.read_text()
    AUTOGROUP.write_text("0")
    try:
        yield
    finally:
        AUTOGROUP.write_text(before)


@contextlib.contextmanager
def folder(build):
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench")) / "background"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--no-disk", action="store_true", help="without fio: shorter")
    parser.add_argument("--ram", action="store_true", help="on a disk in memory (ramdisk.py)")
    parser.add_argument("--phases", default=",".join(n for n in PHASES if n != "quiet"))
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # undo what was set up
    names = wants.phases.split(",")
    rows = {name: [] for name in ("quiet", *names)}
    pairs = {name: [] for name in names}
    subprocess.run(["meson", "compile", "-C", str(build), "sluice-bench"], check=True,
                   stdout=subprocess.DEVNULL)
    megabytes = RAM_MB + (0 if wants.no_disk else FILES_MB)
    place = ramdisk(megabytes, OTHER_CPU) if wants.ram else folder(build)
    with one_scheduler(), place as home:
        measure(Bench(build, home, wants.seconds, not wants.no_disk, wants.ram), wants, names, rows,
                pairs)
    if wants.ram:
        print(f"On a disk in memory of {megabytes} MiB: ext4 on a loop device over tmpfs.\n")
    report(rows, pairs)


def undisturbed(bench, name):
    """One pair; again while other programs run and are not kept out, TRIES times at most."""
    for _ in range(1 if bench.ram else TRIES):
        pair = {phase: bench.phase(phase) for phase in ("quiet", name)}
        others = max(row["others_cpu"] for row in pair.values())
        if others < OTHERS_MAX:
            break
        print(f"others used {others:.2f} processors beside {name}", file=sys.stderr, flush=True)
    return pair


def measure(bench, wants, names, rows, pairs):
    with bench.broker:
        bench.prepare()
        bench.phase("quiet")  # the first one makes files and memory warm
        for _ in range(wants.rounds):
            for name in names:
                pair = undisturbed(bench, name)
                for phase, row in pair.items():
                    print(json.dumps({"phase": phase, **row}), file=sys.stderr, flush=True)
                    rows[phase].append(row)
                pairs[name].append((pair["quiet"], pair[name]))


if __name__ == "__main__":
    main()
