#!/usr/bin/env python3
"""ListOffsets, OffsetForLeaderEpoch and the epochs of Fetch as Apache Kafka answers them, field by
field, on the same batches.

offsets.golden is what Kafka 4.3.1 says to each question below; Sluice is compared with it.  Against
Kafka (make compat-oracle) the golden file itself is checked, and
`E2E_BOOTSTRAP=host:port python3 test_offsets.py --golden` writes it anew."""
import gzip
import pathlib
import struct
import sys
import time

from broker import stamp, target
from case import case, check, equal, finish
from kafka import (FETCH, LIST_OFFSETS, NONE, Connection, crc32c, records_of, string, topic_ready,
                   varint)

GOLDEN = pathlib.Path(__file__).with_name("offsets.golden")
DELETE_RECORDS, OFFSET_FOR_LEADER_EPOCH = 21, 23
GZIP = 1
EMPTY, PLAIN, PACKED, TRIMMED, NOWHERE = range(5)  # partitions; the last is none
FIRST_WALL_MS = 1 << 40  # what is later has been stamped by the broker


def stamped(times, codec=0):
    """A batch with a record for each time."""
    records = b""
    for i, time_ms in enumerate(times):
        body = b"\0" + varint(time_ms - times[0]) + varint(i) + varint(-1) + varint(3) + b"abc" \
            + varint(0)
        records += varint(len(body)) + body
    if codec == GZIP:
        records = gzip.compress(records, mtime=0)
    after_crc = struct.pack(">hiqqqhii", codec, len(times) - 1, times[0], max(times), -1, -1, -1,
                            len(times)) + records
    after_length = struct.pack(">ibI", -1, 2, crc32c(after_crc)) + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


BATCHES = ([1000, 3000, 2000], [2500], [5000, 4000, 5000], [5000], [4999, 500])


def compact(s):
    return varint_unsigned(len(s) + 1) + s.encode()


def varint_unsigned(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


class Asker(Connection):
    """Requests of any version, flexible or not; answers as tuples."""

    def ask(self, api, version, flexible, body):
        self.correlation += 1
        head = struct.pack(">hhi", api, version, self.correlation) + string("e2e")
        head += b"\0" if flexible else b""
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        c = Reader(self.receive(), flexible)
        equal(c.take("i"), self.correlation, "correlation id")
        c.tags()
        return c

    def list_offsets(self, version, topic, parts, isolation=0, replica=-1):
        """parts: (partition, current epoch, time) each; -> (partition, error, time, offset, epoch)
        each."""
        flexible = version >= 6
        tags = b"\0" if flexible else b""
        body = struct.pack(">i", replica) + (struct.pack(">b", isolation) if version >= 2 else b"")
        body += count(1, flexible) + (compact(topic) if flexible else string(topic))
        body += count(len(parts), flexible)
        for partition, epoch, time_ms in parts:
            body += struct.pack(">i", partition)
            body += (struct.pack(">i", epoch) if version >= 4 else b"")
            body += struct.pack(">q", time_ms) + tags
        body += tags + (struct.pack(">i", 5000) if version >= 10 else b"") + tags
        c = self.ask(LIST_OFFSETS, version, flexible, body)
        if version >= 2:
            c.take("i")
        equal(c.count(), 1, "topics")
        c.name()
        out = []
        for _ in range(c.count()):
            out.append((*c.take("ihqq"), c.take("i") if version >= 4 else None))
            c.tags()
        return out

    def epoch_end(self, version, topic, partition, current, epoch):
        """-> (error, partition, epoch, end)"""
        flexible = version >= 4
        tags = b"\0" if flexible else b""
        body = struct.pack(">i", -1) if version >= 3 else b""
        body += count(1, flexible) + (compact(topic) if flexible else string(topic))
        body += count(1, flexible) + struct.pack(">iii", partition, current, epoch) + tags * 3
        c = self.ask(OFFSET_FOR_LEADER_EPOCH, version, flexible, body)
        c.take("i")
        equal(c.count(), 1, "topics")
        c.name()
        equal(c.count(), 1, "partitions")
        return c.take("hiiq")

    def fetch_epochs(self, version, topic, partition, offset, current, fetched=-1, isolation=0,
                     wait_ms=0):
        """-> (error, high watermark, last stable offset, log start, aborted, diverging epoch and
        end, leader, offsets of the records)"""
        flexible = version >= 12
        tags = b"\0" if flexible else b""
        body = struct.pack(">iiiibii", -1, wait_ms, 1, 1 << 20, isolation, 0, -1)
        body += count(1, flexible) + (compact(topic) if flexible else string(topic))
        body += count(1, flexible) + struct.pack(">iiq", partition, current, offset)
        body += struct.pack(">i", fetched) if version >= 12 else b""
        body += struct.pack(">qi", -1, 1 << 20) + tags * 2
        body += count(0, flexible) + (compact("") if flexible else string("")) + tags
        c = self.ask(FETCH, version, flexible, body)
        equal(c.take("ihi")[1:], (NONE, 0), "of the whole")
        equal(c.count(), 1, "topics")
        c.name()
        equal(c.count(), 1, "partitions")
        _, error, high, stable, start = c.take("ihqqq")
        aborted = c.count()
        c.at += max(aborted, 0) * (17 if flexible else 16)
        preferred = c.take("i")
        size = max(c.count(), 0)
        data = c.data[c.at:c.at + size]
        c.at += size
        found = c.tags()
        diverging = struct.unpack(">iqx", found[0]) if 0 in found else None
        leader = struct.unpack(">iix", found[1]) if 1 in found else None
        return error, high, stable, start, aborted, preferred, diverging, leader, \
            [o for o, _ in records_of(data)]

    def trim(self, topic, partition, offset):
        c = self.call(DELETE_RECORDS, 1, struct.pack(">i", 1) + string(topic)
                      + struct.pack(">iiqi", 1, partition, offset, 15000))
        c.take("ii")
        c.string()
        return c.take("iiqh")[3]


def count(n, flexible):
    return varint_unsigned(n + 1) if flexible else struct.pack(">i", n)


class Reader:
    """As kafka.Cursor, for both kinds of versions."""

    def __init__(self, data, flexible):
        self.data, self.at, self.flexible = data, 0, flexible

    def take(self, fmt):
        values = struct.unpack_from(">" + fmt, self.data, self.at)
        self.at += struct.calcsize(">" + fmt)
        return values[0] if len(values) == 1 else values

    def varint(self):
        n = shift = 0
        while True:
            b = self.take("B")
            n |= (b & 0x7F) << shift
            shift += 7
            if not b & 0x80:
                return n

    def count(self):
        return self.varint() - 1 if self.flexible else self.take("i")

    def name(self):
        size = self.varint() - 1 if self.flexible else self.take("h")
        self.at += size

    def tags(self):
        found = {}
        for _ in range(self.varint() if self.flexible else 0):
            tag, size = self.varint(), self.varint()
            found[tag] = self.data[self.at:self.at + size]
            self.at += size
        return found


def fill(c, topic, by_broker):
    """The same batches in each partition, but for the empty one."""
    for partition in (PLAIN, PACKED, TRIMMED):
        for times in BATCHES:
            data = stamped(times, GZIP if partition == PACKED else 0)
            equal(c.produced(c.call(0, 7, c.produce_body(topic, partition, data)))[0], NONE, "fill")
    equal(c.trim(topic, TRIMMED, 2), NONE, "DeleteRecords")
    for times in BATCHES:
        began = int(time.time() * 1000)
        while int(time.time() * 1000) <= began + 1:  # no two batches have the same time
            time.sleep(0.001)
        equal(c.produced(c.call(0, 7, c.produce_body(by_broker, 0, stamped(times))))[0], NONE,
              "fill by broker's time")


SPECIAL = range(-8, 0)
TIMES = (0, 499, 500, 999, 1000, 1001, 2000, 2400, 2500, 2501, 3000, 3001, 4000, 4999, 5000, 5001,
         1 << 62)


def ask_times(c, topic, by_broker):
    def line(version, isolation, name, part, answer):
        partition, error, time_ms, offset, epoch = answer
        equal(partition, part[0], "partition")
        when = "now" if time_ms > FIRST_WALL_MS else time_ms
        return f"ListOffsets v{version} isolation={isolation} {name}/{part[0]} epoch={part[1]} " \
            f"time={part[2]}: error={error} time={when} offset={offset} epoch={epoch}"

    for version in range(1, 12):
        for partition in (EMPTY, PLAIN, PACKED, TRIMMED):
            for isolation in ((0, 1) if version in (2, 11) else (0,)):
                times = (*SPECIAL, *TIMES) if version in (5, 11) else (*SPECIAL, 2400)
                # One request for each: a partition must not be named twice.
                for time_ms in times:
                    part = (partition, -1, time_ms)
                    answer, = c.list_offsets(version, topic, [part], isolation)
                    yield line(version, isolation, "times", part, answer)
    for time_ms in (*SPECIAL, 0, 5000, 1 << 62):
        part = (0, -1, time_ms)
        answer, = c.list_offsets(11, by_broker, [part])
        yield line(11, 0, "by-broker", part, answer)
    for epoch in (-1, 0, 1, 7):
        for time_ms in (-1, -2, -3, 2400):
            part = (PLAIN, epoch, time_ms)
            answer, = c.list_offsets(11, topic, [part])
            yield line(11, 0, "times", part, answer)
    for version in (1, 4, 11):
        # What is not there, and what is named twice; the order of an answer is nobody's promise.
        parts = [(p, -1, t) for p, t in ((NOWHERE, -1), (-1, -1), (PLAIN, -2), (PLAIN, -1),
                                         (PACKED, -1))]
        yield f"ListOffsets v{version} wrong: {sorted(c.list_offsets(version, topic, parts))}"
        part = (0, -1, -1)
        answer, = c.list_offsets(version, topic + "-not", [part])
        yield line(version, 0, "nothing", part, answer)


def ask_epochs(c, topic):
    for version in (2, 3, 4):
        for partition in (EMPTY, PLAIN, TRIMMED, NOWHERE):
            for current in (-1, 0, 1):
                for epoch in (-1, 0, 1, 5):
                    error, of, found, end = c.epoch_end(version, topic, partition, current, epoch)
                    yield f"OffsetForLeaderEpoch v{version} {partition} current={current} " \
                        f"epoch={epoch}: error={error} {of} epoch={found} end={end}"


def ask_fetch(c, topic):
    for version in (11, 12):
        for partition in (EMPTY, PLAIN, TRIMMED):
            for offset in (-1, 0, 1, 4, 10, 11):
                for current in (-1, 0, 1):
                    for fetched in (-1, 0, 1) if version == 12 else (-1,):
                        isolation = offset % 2
                        a = c.fetch_epochs(version, topic, partition, offset, current, fetched,
                                           isolation)
                        yield f"Fetch v{version} isolation={isolation} {partition} at {offset} " \
                            f"current={current} fetched={fetched}: error={a[0]} high={a[1]} " \
                            f"stable={a[2]} start={a[3]} aborted={a[4]} preferred={a[5]} " \
                            f"diverging={a[6]} leader={a[7]} offsets={a[8]}"


def compare(kind, lines):
    wanted = [l for l in GOLDEN.read_text().splitlines() if l.startswith(kind)]
    check(len(wanted) > 50, "golden lines:", len(wanted))
    bad = [f"got    {g}\nwanted {w}" for g, w in zip(lines, wanted) if g != w]
    check(not bad, f"{len(bad)} of {len(wanted)} answers differ:\n" + "\n".join(bad[:20]))
    equal(len(lines), len(wanted), "answers")


def main():
    with target() as broker:
        topic, by_broker = f"times-{stamp()}", f"by-broker-{stamp()}"
        c = Asker(broker.bootstrap)
        stamps = ("message.timestamp.type", "LogAppendTime")
        for name, more in ((topic, ()), (by_broker, (stamps,))):
            # Else retention takes what is so old.
            equal(c.create_topic(name, 4, configs=(("retention.ms", -1), *more)), NONE, "create")
            topic_ready(broker.bootstrap, name, 4)
        fill(c, topic, by_broker)
        if "--golden" in sys.argv:
            GOLDEN.write_text("\n".join((*ask_times(c, topic, by_broker), *ask_epochs(c, topic),
                                         *ask_fetch(c, topic))) + "\n")
            return
        with case("offsets: ListOffsets is Kafka's, by time, by name and by version"):
            compare("ListOffsets", list(ask_times(c, topic, by_broker)))
        with case("offsets: OffsetForLeaderEpoch is Kafka's"):
            compare("OffsetForLeaderEpoch", list(ask_epochs(c, topic)))
        with case("offsets: Fetch compares epochs as Kafka does"):
            compare("Fetch", list(ask_fetch(c, topic)))
        c.close()
    finish()


if __name__ == "__main__":
    main()
