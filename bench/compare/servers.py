"""The brokers that are measured: each started on CPU 0 with a folder of its own, and what can be
read of its processes."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from broker import Broker, answers, free_port  # noqa: E402

SERVER_CPU, CLIENT_CPU = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
# Both sides tidy their logs so often, and wait for no member, that it happens in the few seconds
# of a scenario, and remove the files of a topic before the next one begins; everything else is as
# shipped.
TIDY = ("num.partitions=4", "log.retention.check.interval.ms=500", "log.cleaner.backoff.ms=500",
        "log.segment.delete.delay.ms=500", "group.initial.rebalance.delay.ms=0")


def cpu_s(pids):
    """CPU time to the nanosecond, threads that have ended with it: an idle broker uses less than a
    tick.  The clock of a process has its number in its name (clock_getcpuclockid)."""
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def threads_s(pids):
    """{thread: (name, seconds of CPU in its own code, in the kernel)}, in ticks of 10 ms."""
    found = {}
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
            try:
                name, rest = task.read_text().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue  # it ended
            fields = rest.split()
            found[task.parent.name] = (name, int(fields[11]) / TICKS, int(fields[12]) / TICKS)
    return found


def age_s(pid):
    """Seconds since the process began."""
    began = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(began) / TICKS


def resident_mb(pids):
    pages = sum(int(pathlib.Path(f"/proc/{p}/statm").read_text().split()[1]) for p in pids)
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


class Sluice:
    name, durable, compiles = "Sluice", "on stable storage", False

    def __init__(self, home, *settings):
        self.broker = Broker(f"cores={SERVER_CPU}-{SERVER_CPU}", "max.connections=16384",
                             *(settings or ("num.partitions=4",)), data=home / "sluice",
                             start=False, prefix=["taskset", "-c", SERVER_CPU])
        self.bootstrap = self.broker.bootstrap

    def start(self):
        self.broker.start()

    def pids(self):
        return [self.broker.process.pid, *self.broker.children().values()]

    def stop(self):
        if self.broker.stop() != 0:
            raise SystemExit("no clean stop: " + self.broker.log_tail())

    def end(self):
        self.broker.abandon()
        shutil.rmtree(self.broker.home, ignore_errors=True)
        shutil.rmtree(self.broker.data, ignore_errors=True)


class Kafka:
    name, durable, compiles = "Kafka 4.3.1", "page cache", True  # its code, while it runs
    shipped = ("num.network.threads=3", "num.io.threads=8")  # oracle.sh has fewer
    extra = ()

    def __init__(self, home, *settings):
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.settings = (settings or ("num.partitions=4",)) + self.shipped + self.extra
        self.environment = {**os.environ, "CPUS": SERVER_CPU, "HEAP": "1g",
                            "ORACLE_DIR": os.environ.get("ORACLE_DIR", str(home / "oracle"))}
        self.pid = None

    def script(self, *words):
        return subprocess.run([str(ROOT / "tests" / "e2e" / "oracle.sh"), *words], check=True,
                              stdout=subprocess.PIPE, text=True, env=self.environment).stdout

    def start(self):
        self.pid = int(self.script("start", str(self.port), *self.settings))
        while not answers(self.bootstrap):
            time.sleep(0.05)

    def pids(self):
        return [self.pid]

    def stop(self):
        self.script("stop", str(self.port))

    def end(self):
        self.script("wipe", str(self.port))


class KafkaFsync(Kafka):
    name, durable = "Kafka 4.3.1, fsync", "on stable storage"
    extra = ("log.flush.interval.messages=1",)


KINDS = (Sluice, Kafka, KafkaFsync)
