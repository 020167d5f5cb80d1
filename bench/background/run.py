#!/usr/bin/env python3
"""run.py BUILD [--rounds N] [--seconds S]: do acknowledgements get slower while the log is tidied?

An open-loop producer sends 5,000 single records a second to 256 partitions and notes when each is
acknowledged (sluice-bench rate: latency from when a request was due).  Meanwhile, in phases, each
of the others right behind a quiet one, every time beside a second producer of 20 MB/s:
  quiet       nothing else
  retention   that producer's topic is held at 32 MiB a partition: segments of 16 MiB go steadily
  compaction  256 MiB of keyed records are compacted
  drain       a consumer reads 1 GiB from the beginning, again and again
  all         the three together
Prints the medians of the phases' percentiles over the rounds, and the median of the ratios to the
quiet phase in front of each, with the least and the greatest: one pause of this machine makes a
phase slow, but not the median of three.

Before each phase the page cache is written back, or what other programs left there would be in
the middle of it.  The shard runs on CPU 0 alone; background work, the clients and control on CPU 1,
where the measuring client has real-time priority, so that its own waiting for a CPU is not
counted."""
import argparse
import contextlib
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
from broker import Broker, counted  # noqa: E402
from kafka import Connection, batch, topic_ready  # noqa: E402

SHARD_CPU, OTHER_CPU = "0", "1"
RATE, LOAD_MB, LOAD_RECORDS, SETTLE_SECONDS = 5000, 20, 1000, 1.5
KEYED_BATCHES, KEYED_RECORDS, KEYED_BYTES, KEYED_MB = 16, 2000, 500, 256
PHASES = {"quiet": (), "retention": ("retention",), "compaction": ("compaction",),
          "drain": ("drain",), "all": ("retention", "compaction", "drain")}


class Bench:
    def __init__(self, build, home, seconds):
        self.load = build / "bench" / "load" / "sluice-bench"
        self.seconds = seconds
        self.broker = Broker(f"cores={SHARD_CPU}-{SHARD_CPU}",
                             "log.retention.check.interval.ms=1000", "log.cleaner.backoff.ms=500",
                             data=home / "data")
        self.keyed = [batch([os.urandom(KEYED_BYTES // 2) * 2 for _ in range(KEYED_RECORDS)],
                            keys=[b"key-%d" % ((b * 7919 + i) % 20000)
                                  for i in range(KEYED_RECORDS)])
                      for b in range(KEYED_BATCHES)]
        self.compacted = 0

    def raw(self, mode, topic, *words):
        return [str(self.load), mode, "--bootstrap", self.broker.bootstrap, "--topic", topic,
                *map(str, words)]

    def prepare(self):
        c = Connection(self.broker.bootstrap)
        for topic, configs in (("load", ()),
                               ("short", (("retention.bytes", 32 << 20),
                                          ("segment.bytes", 16 << 20),
                                          ("file.delete.delay.ms", 1000)))):
            c.create_topic(topic, 4, configs=configs)
            topic_ready(self.broker.bootstrap, topic, 4)
        c.close()
        subprocess.run(["taskset", "-c", OTHER_CPU, *self.raw("bulk", "backlog", "--seconds", 3)],
                       check=True, stdout=subprocess.DEVNULL)

    def dirty(self):
        """A new compacted topic full of records, most of them superseded; not compacted yet."""
        self.compacted += 1
        topic = f"keyed-{self.compacted}"
        c = Connection(self.broker.bootstrap)
        c.create_topic(topic, 1, configs=(("cleanup.policy", "compact"),
                                          ("segment.bytes", 32 << 20),
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
        p = subprocess.Popen(["taskset", "-c", OTHER_CPU, "setpriv", "--pdeathsig", "TERM",
                              sys.executable, "-c", loop, *self.raw("fetch", "backlog")],
                             start_new_session=True)
        try:
            yield
        finally:
            os.killpg(p.pid, 15)
            p.wait()

    def phase(self, name):
        work = PHASES[name]
        topic = self.dirty() if "compaction" in work else None
        os.sync()
        time.sleep(SETTLE_SECONDS)  # write-back of what came before
        load = subprocess.Popen(
            ["taskset", "-c", OTHER_CPU,
             *self.raw("rate", "short" if "retention" in work else "load", "--no-create",
                       "--partitions", 4, "--producers", 1, "--records", LOAD_RECORDS,
                       "--record-bytes", 1024, "--rate", LOAD_MB * LOAD_RECORDS,
                       "--seconds", self.seconds + 1)],
            stdout=subprocess.DEVNULL)
        before = self.broker.stat()
        with self.drained() if "drain" in work else contextlib.nullcontext():
            if topic:
                c = Connection(self.broker.bootstrap)
                c.alter_topic(topic, {"min.cleanable.dirty.ratio": "0.01"})
                c.close()
            out = subprocess.run(
                ["taskset", "-c", OTHER_CPU, "chrt", "-f", "10",
                 *self.raw("rate", "acks", "--rate", RATE, "--seconds", self.seconds)],
                check=True, stdout=subprocess.PIPE, text=True).stdout
        load.wait()
        row = json.loads(out)
        after = self.broker.stat()
        for counter in ("segments_deleted", "cleaner_bytes_read", "reads_disk"):
            with contextlib.suppress(KeyError):
                row[counter] = counted(after, counter) - counted(before, counter)
        return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench")) / "background"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    rows = {name: [] for name in PHASES}
    ratios = {name: [] for name in PHASES if name != "quiet"}
    subprocess.run(["meson", "compile", "-C", str(build), "sluice-bench"], check=True,
                   stdout=subprocess.DEVNULL)
    bench = Bench(build, home, wants.seconds)
    with bench.broker:
        bench.prepare()
        bench.phase("quiet")  # the first one makes files and memory warm
        for _ in range(wants.rounds):
            for name in ratios:
                pair = {phase: bench.phase(phase) for phase in ("quiet", name)}
                for phase, row in pair.items():
                    print(json.dumps({"phase": phase, **row}), file=sys.stderr, flush=True)
                    rows[phase].append(row)
                ratios[name].append(pair[name]["p99_us"] / pair["quiet"]["p99_us"])
    shutil.rmtree(home, ignore_errors=True)
    print("| | p50, ms | p99, ms | p99.9, ms | p99 : quiet (least to greatest) |\n"
          "|---|---|---|---|---|")
    for name, found in rows.items():
        p = [statistics.median(r[k] for r in found) for k in ("p50_us", "p99_us", "p999_us")]
        r = ratios.get(name)
        last = f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})" if r else ""
        print(f"| {name} | {p[0] / 1000:.2f} | {p[1] / 1000:.2f} | {p[2] / 1000:.2f} | {last} |")


if __name__ == "__main__":
    main()
