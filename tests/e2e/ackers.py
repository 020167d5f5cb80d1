"""The C producers of the kill tests (acker.c), and the proof at the end: what they saw acknowledged
is in the log once, in order, with the bytes sent."""
import collections
import os
import subprocess
import zlib

from case import check
from kafka import Connection

FLUSH_SECONDS = 150


class Acker:
    def __init__(self, broker, topic, partitions, name, rate, *value_bytes):
        self.name = name
        self.log = broker.home / f"acker-{name}.log"
        self.errors = open(broker.home / f"acker-{name}.err", "w+b")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", os.environ["ACKER"], broker.bootstrap, topic,
             str(partitions), name, str(self.log), str(rate), *map(str, value_bytes)],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def acknowledged(self):
        """[(partition, offset, sequence, crc32)]; complete lines only."""
        if not self.log.exists():
            return []
        text = self.log.read_text()
        rows = [l.split() for l in text[:text.rfind("\n") + 1].splitlines()]
        return [(int(p), int(o), int(s), int(c, 16)) for p, o, s, c in rows]

    def finish(self):
        """Stops it, waits for its last acknowledgements; returns what was acknowledged."""
        self.process.terminate()
        try:
            out, _ = self.process.communicate(timeout=FLUSH_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.name} could not flush in {FLUSH_SECONDS} s") from None
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace")
        self.errors.close()
        check(self.process.returncode == 0, f"{self.name} ended with {self.process.returncode}:",
              out, said[-2000:])
        check(" failed 0" in out, f"{self.name}: {out.strip()}:", said[-2000:])
        return self.acknowledged()

    def abandon(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def verify(bootstrap, topic, partitions, acknowledged):
    """acknowledged: {name: rows of Acker.acknowledged}.  Returns how many records the log has."""
    connection = Connection(bootstrap)
    total = 0
    wanted = collections.defaultdict(dict)
    for name, rows in acknowledged.items():
        for partition, offset, sequence, crc in rows:
            check(offset not in wanted[partition],
                  f"{partition}@{offset} was acknowledged to two records")
            wanted[partition][offset] = (name, sequence, crc)
    for partition in range(partitions):
        expected, last = -1, {}
        found = {}
        for offset, value in connection.consume(topic, partition):
            check(offset > expected, f"{partition}@{offset} after {expected}: out of order")
            expected = offset
            name, sequence = value.split(b"/", 2)[:2]
            name, sequence = name.decode(), int(sequence)
            check(sequence > last.get(name, -1),
                  f"{partition}@{offset}: {name}/{sequence} after {name}/{last.get(name)}")
            last[name] = sequence
            found[offset] = (name, sequence, zlib.crc32(value))
        missing = [o for o in wanted[partition] if o not in found]
        check(not missing, f"partition {partition}: {len(missing)} acknowledged records are lost,"
              f" first at {min(missing, default=0)} of {expected + 1}")
        for offset, record in wanted[partition].items():
            check(found[offset] == record,
                  f"{partition}@{offset}: acknowledged {record}, found {found[offset]}")
        total += len(found)
    connection.close()
    return total
