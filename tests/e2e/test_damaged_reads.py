#!/usr/bin/env python3
"""A byte of a segment has rotted: consumers get every batch but the damaged one, which is answered
with CORRUPT_MESSAGE, however large it is, and no connection is closed for it; kcat and the Java
client report it and can go on behind."""
import os
import pathlib
import subprocess
import tempfile

from broker import SMALL, Broker, led, stamp
from case import case, check, equal, finish, until
from kafka import NONE, Connection, records_of, topic_ready

CORRUPT_MESSAGE = 2
HEADER = 61
LARGE = 950 << 10  # several reads; all of them make a log that keeps its index over a stop
SIZES = [1000] * 5 + [100000] + [LARGE] * 9 + [1000] * 5
# The batch that is damaged, and where: part of its length.  The large ones share checked pieces.
CASES = {"small": (2, 0.67), "large": (7, 0.67), "first": (0, 0.67), "end": (7, 0.9999),
         "front": (7, 0.0001)}


def flip(data, index, part):
    """Spoils a byte within batch `index` of the one log in `data` that is not yet spoilt."""
    position = 0
    content = data.read_bytes()
    for _ in range(index):
        position += 12 + int.from_bytes(content[position + 8:position + 12], "big")
    bytes_ = 12 + int.from_bytes(content[position + 8:position + 12], "big")
    position += min(max(int(bytes_ * part), HEADER), bytes_ - 1)
    with open(data, "r+b") as f:
        f.seek(position)
        f.write(bytes([content[position] ^ 0xff]))


def filled(broker, topic, before):
    """Makes a topic; the path of its segment."""
    topic_ready(broker.bootstrap, topic, 1)
    c = Connection(broker.bootstrap)
    for i, n in enumerate(SIZES):
        equal(c.produce(topic, 0, [bytes([97 + i]) * n]), (NONE, i), "produce")
    c.close()
    return next(p for p in broker.data.glob("log/*/0") if p not in before)


def fetched(bootstrap, topic):
    """Offsets read, offsets answered with CORRUPT_MESSAGE, connections that were closed."""
    got, corrupt, closed, offset = [], [], 0, 0
    while offset < len(SIZES) and closed < 5:
        c = Connection(bootstrap)
        try:
            code, _, data = c.fetch(topic, 0, offset, wait_ms=0)
        except ConnectionError:
            closed += 1
            continue
        finally:
            c.close()
        if code == CORRUPT_MESSAGE:
            corrupt.append(offset)
            offset += 1
            continue
        equal(code, NONE, f"fetch from {offset}")
        records = [(o, v) for o, v in records_of(data) if o >= offset]
        check(records, f"nothing at {offset}")
        for o, v in records:
            equal(v, bytes([97 + o]) * SIZES[o], f"value at {o}")
        got += [o for o, _ in records]
        offset = got[-1] + 1
    return got, corrupt, closed


def kcat(bootstrap, topic, offset):
    done = subprocess.run(["kcat", "-b", bootstrap, "-C", "-e", "-q", "-t", topic, "-p", "0", "-o",
                           str(offset), "-f", "%o\n"], capture_output=True, text=True, timeout=60)
    return done.returncode, [int(l) for l in done.stdout.split()], done.stderr


def java(bootstrap, topic):
    classes = os.environ["JAVA_CLASSES"]
    done = subprocess.run(["java", "-Xmx256m", "-cp", f"{classes}:{classes}/lib/*",
                           "DamagedReadTest", bootstrap, topic, str(len(SIZES))],
                          capture_output=True, text=True, timeout=120)
    equal(done.returncode, 0, done.stderr[-2000:])
    return [l for l in done.stdout.splitlines() if l.startswith(("record ", "corrupt "))]


def main():
    with tempfile.TemporaryDirectory(prefix="sluice-rot-") as folder:
        with Broker(SMALL, "cores=1", data=pathlib.Path(folder) / "data") as broker:
            topics, paths = {}, {}
            for name in CASES:
                topics[name] = f"{name}-{stamp()}"
                paths[name] = filled(broker, topics[name], paths.values())
            equal(broker.stop(), 0, "exit code")
            for name, (bad, part) in CASES.items():
                flip(next(paths[name].glob("*.log")), bad, part)
            broker.start()
            for name in CASES:
                until("the partition is led", 30, lambda: led(broker.bootstrap, topics[name], 1)) \
                    .close()
            for name, (bad, _) in CASES.items():
                good = [o for o in range(len(SIZES)) if o != bad]
                with case(f"rot in the {name} batch: all others are read, it is answered with "
                          "CORRUPT_MESSAGE"):
                    got, corrupt, closed = fetched(broker.bootstrap, topics[name])
                    equal((got, corrupt), (good, [bad]), "offsets")
                    equal(closed, 0, "connections closed")
                with case(f"rot in the {name} batch: kcat reports it, and reads on behind it"):
                    code, got, err = kcat(broker.bootstrap, topics[name], 0)
                    check(code != 0 and "Invalid message" in err, code, err)
                    equal(got, list(range(bad)), "offsets before it")
                    equal(kcat(broker.bootstrap, topics[name], bad + 1)[:2],
                          (0, list(range(bad + 1, len(SIZES)))), "behind it")
            with case("rot in a large batch: the Java client throws for it alone"):
                bad = CASES["large"][0]
                equal(java(broker.bootstrap, topics["large"]),
                      [f"{'corrupt' if o == bad else 'record'} {o}" for o in range(len(SIZES))],
                      "lines")
    finish()


main()
