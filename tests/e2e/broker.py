"""The broker under test: Sluice started on a free port with a folder of its own, or, when
E2E_BOOTSTRAP is set, a broker that runs already (the oracle).

E2E_NET and E2E_HOST: further settings and the address of brokers that serve over a device of DPDK
(namespaced.py).

SLUICE names the program (sluice-data and sluice-control stand beside it).  What the broker wrote to
stderr is printed when the test ends badly."""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from case import check, until
from kafka import NONE, Connection

DATA, CONTROL = "sluice-data", "sluice-control"
START_SECONDS, STOP_SECONDS = 90, 120
_reserved = []


def program():
    path = os.environ.get("SLUICE")
    if not path or not pathlib.Path(path).exists():
        raise SystemExit(f"SLUICE must name the program sluice, not '{path}'")
    return path


def free_port():
    """A port of this process for as long as it lives, also while its broker is away: not one that
    the kernel gives to outgoing connections, and not one of a test beside this one."""
    choose = random.SystemRandom()
    for _ in range(200):
        port = choose.randrange(15000, 32000)
        mine = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                mine.bind(f"\0sluice-e2e-port-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                mine.close()
                continue
        _reserved.append(mine)
        return port
    raise SystemExit("no free port from 15000 to 32000")


def answers(bootstrap, seconds=5):
    """True when the broker answers ApiVersions in so many seconds."""
    try:
        c = Connection(bootstrap, timeout=seconds)
    except OSError:
        return False
    try:
        return bool(c.api_versions())
    except (OSError, ConnectionError):
        return False
    finally:
        c.close()


class External:
    """A broker that somebody else started: no control over its processes."""
    ours = False

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        until("the external broker answers", START_SECONDS, lambda: answers(bootstrap))

    def alive(self):
        check(answers(self.bootstrap, START_SECONDS), "the broker does not answer")

    def stop(self):
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def lives(pid):
    """Until its last thread has ended a process holds its files, and the lock of the data."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[0] not in "ZX" or int(fields[17]) > 1


class Broker:
    """sluice run with its two children."""
    ours = True

    def __init__(self, *options, data=None, start=True, prefix=(), binary=None):
        self.prefix = list(prefix)  # a command in front of the program: taskset, prlimit
        self.binary = binary or program()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
        self.data = pathlib.Path(data) if data else self.home / "data"
        self.port = free_port()
        self.bootstrap = f"{os.environ.get('E2E_HOST', '127.0.0.1')}:{self.port}"
        self.options = list(options)
        self.process = None
        self.log = self.home / "stderr.log"
        if start:
            self.start()

    def command(self):
        # Port 9644 is for one broker of a machine: here several run.
        settings = [f"listeners=PLAINTEXT://{self.bootstrap}", "metrics.listener=",
                    *os.environ.get("E2E_NET", "").split(), *self.options]
        # The supervisor ends with the test, also when the test is killed.
        return ["setpriv", "--pdeathsig", "TERM", *self.prefix, self.binary,
                "run", "--data", str(self.data), *[word for s in settings for word in ("-o", s)]]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.wait_ready()

    def wait_ready(self):
        def ready():
            check(self.process.poll() is None,
                  f"sluice run ended with {self.process.returncode}: {self.log_tail()}")
            return answers(self.bootstrap)
        try:
            until("the broker answers ApiVersions", START_SECONDS, ready, 0.01)
        except AssertionError:
            print(self.log_tail())
            self.abandon()
            raise

    def log_tail(self, lines=40):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def children(self):
        """{program name: pid} of the supervisor's living children."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                try:
                    name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if state[0] not in "ZX":
                    found[name] = int(pid)
        return found

    def pid(self, name):
        return until(f"{name} runs", START_SECONDS, lambda: self.children().get(name))

    def kill(self, name, how=signal.SIGKILL):
        """Sends a signal to a child and returns the pid that it had."""
        pid = self.pid(name)
        os.kill(pid, how)
        return pid

    def wait_restarted(self, name, old):
        """The new process of a name whose old one was killed, when the broker answers again."""
        pid = until(f"{name} runs again", START_SECONDS,
                    lambda: self.children().get(name) not in (None, old)
                    and self.children().get(name))
        self.wait_ready()
        return pid

    def stat(self):
        """Counters and gauges as `sluice stat` prints them."""
        out = subprocess.run([self.binary, "stat", "--data", str(self.data), "--format", "json"],
                             check=True, capture_output=True, text=True, timeout=90).stdout
        return json.loads(out)

    def explain(self):
        """Prints where a broker that owes an answer waits: its sockets, threads and counters."""
        print(subprocess.run(["ss", "-tanm", f"sport = :{self.port} or dport = :{self.port}"],
                             capture_output=True, text=True, timeout=30).stdout)
        for name, pid in self.children().items():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                told = [(task / what).read_text().strip() for what in ("comm", "wchan", "syscall")]
                print(f"# {name} {task.name}: {' '.join(told)}")
        print(f"# {self.stat()}", flush=True)

    def alive(self):
        check(self.process.poll() is None, "sluice run is gone")
        check(answers(self.bootstrap, START_SECONDS), "the broker does not answer")

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(self.log_tail())
            raise AssertionError(f"SIGTERM did not stop the broker in {STOP_SECONDS} s")

    def abandon(self):
        """Ends whatever still runs, children first: they must not outlive a failed test."""
        if self.process and self.process.poll() is None:
            left = [int(pid) for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
                    for pid in (task / "children").read_text().split()]
            self.process.kill()
            self.process.wait()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            until("what was killed is gone", START_SECONDS, lambda: not any(map(lives, left)))

    def restart(self):
        code = self.stop()
        check(code == 0, f"clean stop ended with {code}: {self.log_tail()}")
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind and issubclass(kind, TimeoutError):
                self.explain()
            if self.process and self.process.poll() is None:
                self.stop()
        finally:
            self.abandon()
            if kind or os.environ.get("E2E_LOG"):
                print(self.log_tail(200))
            shutil.rmtree(self.home, ignore_errors=True)


# A test's data is small, and its folder often on a small disk.
SMALL = "journal.bytes=134217728"


def target(*options):
    """The broker that the client scripts talk to."""
    bootstrap = os.environ.get("E2E_BOOTSTRAP")
    extra = os.environ.get("E2E_OPTIONS", "").split()
    return External(bootstrap) if bootstrap else Broker(SMALL, *options, *extra)


def led(bootstrap, topic, partitions):
    """A connection, once that many partitions of the topic have a leader."""
    try:
        c = Connection(bootstrap)
    except OSError:
        return None
    try:
        if c.partitions(topic) == (NONE, partitions):
            return c
    except (OSError, ConnectionError):
        pass
    c.close()
    return None


def serves(bootstrap, topic, partition):
    """True when the partition can be read; a fresh start serves it some time after it answers."""
    try:
        c = Connection(bootstrap)
    except OSError:
        return False
    try:
        return c.fetch(topic, partition, 0, wait_ms=0)[0] == NONE
    except OSError:
        return False
    finally:
        c.close()


def counted(stat, name):
    """Sum over the shards of one counter or drop reason."""
    return {**stat["counters"], **stat["drops"]}[name]["sum"]


def stamp():
    """A suffix that makes topic names of one run unique."""
    return f"{os.getpid()}-{time.time_ns() // 1000000 % 100000000}"
