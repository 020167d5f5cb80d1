#!/usr/bin/env python3
"""ConsumerGroupHeartbeat, and what else looks at a group of the consumer protocol, as Apache Kafka
answers: errors, their messages, epochs, numbers of partitions.

heartbeats.golden is what Kafka 4.3.1 says to each step below; Sluice is compared with it.  Against
Kafka (make compat-oracle) the golden file itself is checked, and
`E2E_BOOTSTRAP=host:port python3 test_heartbeats.py --golden` writes it anew."""
import pathlib
import struct
import sys
import time

from broker import stamp, target
from case import case, check, equal, finish
from kafka import NONE, Connection, topic_ready

GOLDEN = pathlib.Path(__file__).with_name("heartbeats.golden")
OFFSET_COMMIT, FIND_COORDINATOR, DESCRIBE_GROUPS, DELETE_GROUPS = 8, 10, 15, 42
HEARTBEAT, DESCRIBE = 68, 69
PARTITIONS, WAIT_SECONDS = 4, 90


def unsigned(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def compact(s):
    return b"\0" if s is None else unsigned(len(s) + 1) + s.encode()


def array(items):
    return b"\0" if items is None else unsigned(len(items) + 1) + b"".join(items)


class Reader:
    """Over a kafka.Cursor: compact types."""

    def __init__(self, cursor):
        self.c = cursor

    def length(self):
        n = shift = 0
        while True:
            b = self.c.take("B")
            n |= (b & 0x7F) << shift
            shift += 7
            if not b & 0x80:
                return n - 1

    def string(self):
        n = self.length()
        if n < 0:
            return None
        self.c.at += n
        return self.c.data[self.c.at - n:self.c.at].decode()

    def take(self, fmt):
        return self.c.take(fmt)


class Member:
    """One member: what it knows of itself, and what it has."""

    def __init__(self, asker, name, **how):
        self.asker, self.name, self.how = asker, name, how
        self.epoch, self.owned = 0, []

    def beat(self, **more):
        """A heartbeat; (error, message, epoch, interval, partitions or None)."""
        joins = self.epoch == 0
        ask = {"epoch": self.epoch, "owned": self.owned, **self.how}
        if not joins:
            ask.pop("topics", None)
            ask.pop("rebalance", None)
        answer = self.asker.heartbeat(self.name, **{**ask, **more})
        if answer[0] == NONE:
            self.epoch = answer[2]
            if answer[4] is not None:
                self.owned = answer[4]
        return answer


class Asker(Connection):
    def __init__(self, bootstrap, group, topic):
        super().__init__(bootstrap)
        self.group, self.topic, self.topic_id = group, topic, None

    def flexible(self, api, version, body):
        c = self.call(api, version, b"\0" + body)
        c.take("b")
        return Reader(c)

    def heartbeat(self, member, epoch=0, group=None, instance=None, rebalance=-1, topics=None,
                  regex=None, assignor=None, owned=()):
        """owned: partitions of the topic; None: not told."""
        parts = None if owned is None else [self.topic_id + array(
            [struct.pack(">i", p) for p in owned]) + b"\0"] if owned else []
        body = compact(self.group if group is None else group) + compact(member) \
            + struct.pack(">i", epoch) + compact(instance) + compact(None) \
            + struct.pack(">i", rebalance) \
            + array(None if topics is None else [compact(t) for t in topics]) + compact(regex) \
            + compact(assignor) + array(parts) + b"\0"
        r = self.flexible(HEARTBEAT, 1, body)
        _, error = r.take("ih")
        message, _ = r.string(), r.string()
        now, interval = r.take("ii")
        found = None
        if r.take("b") > 0:
            found = []
            for _ in range(r.length()):
                r.c.at += 16
                found += [r.take("i") for _ in range(r.length())]
                r.take("b")
        return error, message, now, interval, found

    def learn_topic(self):
        """The topic's id, by way of Metadata 12."""
        body = array([b"\0" * 16 + compact(self.topic) + b"\0"]) + b"\0\0\0"
        r = self.flexible(3, 12, body)
        r.take("i")
        for _ in range(r.length()):
            r.take("i")
            r.string()
            r.take("i")
            r.string()
            r.take("b")
        r.string()
        r.take("i")
        equal(r.length(), 1, "topics")
        equal(r.take("h"), NONE, "topic")
        r.string()
        self.topic_id = r.c.data[r.c.at:r.c.at + 16]

    def commit(self, member, epoch, partition, offset):
        body = compact(self.group) + struct.pack(">i", epoch) + compact(member) + compact(None) \
            + array([compact(self.topic) + array(
                [struct.pack(">iqi", partition, offset, -1) + compact("") + b"\0"]) + b"\0"]) \
            + b"\0"
        r = self.flexible(OFFSET_COMMIT, 9, body)
        r.take("i")
        r.length()
        r.string()
        r.length()
        return r.take("ih")[1]

    def described(self, group):
        """(error, message, state, epoch, assignment epoch, assignor, members)"""
        r = self.flexible(DESCRIBE, 1, array([compact(group)]) + b"\0\0")
        r.take("i")
        r.length()
        error, message = r.take("h"), r.string()
        r.string()
        state = r.string()
        epoch, target_epoch = r.take("ii")
        return error, message, state, epoch, target_epoch, r.string(), r.length()

    def described_as_classic(self, group):
        r = self.flexible(DESCRIBE_GROUPS, 6, array([compact(group)]) + b"\0\0")
        r.take("i")
        r.length()
        return r.take("h"), r.string(), (r.string(), r.string())[1]

    def deleted(self, group):
        r = self.flexible(DELETE_GROUPS, 2, array([compact(group)]) + b"\0")
        r.take("i")
        r.length()
        r.string()
        return r.take("h")

    def ready(self):
        """The coordinator serves."""
        end = time.monotonic() + WAIT_SECONDS
        while self.flexible(FIND_COORDINATOR, 4, b"\0" + array([compact(self.group)])
                            + b"\0") and self.heartbeat("nobody", 5)[0] in (14, 15, 16):
            check(time.monotonic() < end, "no coordinator")
            time.sleep(0.1)


def wrong_requests(c):
    t = [c.topic]
    for why, ask in (
            ("no member id", {"member": "", "rebalance": 1000, "topics": t}),
            ("no group id", {"member": "m", "group": "", "rebalance": 1000, "topics": t}),
            ("blank instance", {"member": "m", "instance": " ", "rebalance": 1000, "topics": t}),
            ("no rebalance timeout", {"member": "m", "topics": t}),
            ("owns at once", {"member": "m", "rebalance": 1000, "topics": t, "owned": [1]}),
            ("tells nothing owned", {"member": "m", "rebalance": 1000, "topics": t,
                                     "owned": None}),
            ("no subscription", {"member": "m", "rebalance": 1000}),
            ("leaves for a while, dynamic", {"member": "m", "epoch": -2}),
            ("epoch -3", {"member": "m", "epoch": -3}),
            ("unknown assignor", {"member": "m", "rebalance": 1000, "topics": t,
                                  "assignor": "sticky"}),
            ("bad expression", {"member": "m", "rebalance": 1000, "regex": "["}),
            ("bad expression 2", {"member": "m", "rebalance": 1000, "regex": "(a"}),
            ("bad expression 3", {"member": "m", "rebalance": 1000, "regex": "a(?=b)"}),
            ("unknown group", {"member": "m", "epoch": 5}),
            ("leaves unknown group", {"member": "m", "epoch": -1})):
        yield f"wrong: {why}: {c.heartbeat(**ask)}"


def shown(answer):
    return (*answer[:4], None if answer[4] is None else len(answer[4]))


def settled(members, total):
    """Heartbeats of well-behaved members until everybody has its share."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        for m in members:
            equal(m.beat()[0], NONE, f"heartbeat of {m.name}")
        sizes = sorted(len(m.owned) for m in members)
        all_owned = {p for m in members for p in m.owned}
        if sum(sizes) == total == len(all_owned) and sizes[-1] - sizes[0] <= 1 \
                and len({m.epoch for m in members}) == 1:
            return sizes, members[0].epoch
        check(time.monotonic() < end, f"not settled: {sizes}")
        time.sleep(0.2)


def life(c):
    """Two members come and go."""
    join = {"rebalance": 60000, "topics": [c.topic]}
    one, two = Member(c, "m1", **join), Member(c, "m2", **join)
    yield f"life: the first joins: {shown(one.beat())}"
    yield f"life: it stays: {shown(one.beat())}"
    yield f"life: greater epoch: {shown(c.heartbeat('m1', one.epoch + 1, owned=None))}"
    yield f"life: smaller epoch: {shown(c.heartbeat('m1', one.epoch - 1, owned=None))}"
    yield f"life: unknown member: {shown(c.heartbeat('m9', one.epoch, owned=None))}"
    yield f"life: commit: {c.commit('m1', one.epoch, 0, 5)}"
    yield f"life: commit, greater epoch: {c.commit('m1', one.epoch + 1, 0, 5)}"
    yield f"life: commit, unknown member: {c.commit('m9', one.epoch, 0, 5)}"
    yield f"life: commit of nobody: {c.commit('', -1, 0, 5)}"
    yield f"life: described: {c.described(c.group)}"
    yield f"life: described as classic: {c.described_as_classic(c.group)}"
    yield f"life: deleted: {c.deleted(c.group)}"
    yield f"life: joins again: {shown(c.heartbeat('m1', 0, **join))}"
    yield f"life: the second joins: {two.beat()[0]}"
    yield f"life: both have their share: {settled([one, two], PARTITIONS)}"
    yield f"life: described: {c.described(c.group)}"
    yield f"life: the second leaves: {shown(two.beat(epoch=-1))}"
    yield f"life: it is gone: {shown(c.heartbeat('m2', -1, owned=None))}"
    yield f"life: the first has all: {settled([one], PARTITIONS)}"
    yield f"life: it leaves: {shown(one.beat(epoch=-1))}"
    yield f"life: described: {c.described(c.group)}"
    yield f"life: commit of nobody: {c.commit('', -1, 0, 5)}"
    yield f"life: deleted: {c.deleted(c.group)}"
    yield f"life: described: {c.described(c.group)}"


def static(c):
    join = {"rebalance": 60000, "topics": [c.topic], "instance": "i"}
    one, two = Member(c, "s1", **join), Member(c, "s2", **join)
    yield f"static: joins: {shown(one.beat())}"
    yield f"static: another of its name: {shown(two.beat())}"
    yield f"static: leaves for a while: {shown(c.heartbeat('s1', -2, instance='i', owned=None))}"
    yield f"static: taken over: {shown(two.beat())}"
    yield f"static: the old one: {shown(c.heartbeat('s1', two.epoch, instance='i', owned=None))}"
    yield f"static: unknown: {shown(c.heartbeat('s1', two.epoch, instance='j', owned=None))}"
    yield f"static: leaves for good: {shown(c.heartbeat('s2', -1, instance='i', owned=None))}"
    yield f"static: described: {c.described(c.group)}"


def transcript(bootstrap, topic):
    lines = []
    for steps in (wrong_requests, life, static):
        group = f"{steps.__name__}-{stamp()}"
        c = Asker(bootstrap, group, topic)
        c.learn_topic()
        c.ready()
        lines += [line.replace(group, "GROUP") for line in steps(c)]
        c.close()
    return lines


def main():
    with target() as broker:
        topic = f"beats-{stamp()}"
        c = Connection(broker.bootstrap)
        equal(c.create_topic(topic, PARTITIONS), NONE, "create")
        c.close()
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        lines = transcript(broker.bootstrap, topic)
        if "--golden" in sys.argv:
            GOLDEN.write_text("\n".join(lines) + "\n")
            return
        with case("heartbeats: a transcript of groups of the consumer protocol is Kafka's"):
            wanted = GOLDEN.read_text().splitlines()
            check(len(wanted) > 40, "golden lines:", len(wanted))
            bad = [f"got    {g}\nwanted {w}" for g, w in zip(lines, wanted) if g != w]
            check(not bad, f"{len(bad)} of {len(wanted)} answers differ:\n" + "\n".join(bad))
            equal(len(lines), len(wanted), "answers")
    finish()


if __name__ == "__main__":
    main()
