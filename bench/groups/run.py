#!/usr/bin/env python3
"""run.py BUILD [--members N] [--rounds N] [--ours-only | --fsync]: what coordination costs, beside
Apache Kafka.

  classic    N members (1,000) with a connection each join one group over N partitions: time and
             the server's CPU from the first JoinGroup until every member has its assignment, and
             the same of a rebalance in which all of them join again (no delay is in that one)
  consumer   the same by ConsumerGroupHeartbeat: rounds of heartbeats until each of N members has
             acknowledged one partition
  memory     of a member, and of a committed offset (100,000 offsets of 1,000 groups): growth of
             the processes, which in a heap that Java took before says little; and of it the heap
             of the process that coordinates, since buffers that fill once count in the first
  restart    from the start of the process until every one of those groups gives its offsets

The members are this program: their own time is in the figures, alike for both servers.  Server on
CPU 0, members on CPU 1.  group.initial.rebalance.delay.ms is 3000, as shipped, and part of the
first figure.  Prints medians of the rounds as a table; each round is a line on stderr."""
import argparse
import json
import os
import pathlib
import selectors
import statistics
import struct
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "bench" / "compare"))
from kafka import NONE, Connection, Cursor, string, topic_ready  # noqa: E402
from servers import CLIENT_CPU, Kafka, KafkaFsync, Sluice, age_s, cpu_s  # noqa: E402

JOIN, SYNC, COMMIT, OFFSET_FETCH, FIND, BEAT, METADATA = 11, 14, 8, 9, 10, 68, 3
LOADING, NOT_AVAILABLE, NOT_COORDINATOR, MEMBER_ID_REQUIRED = 14, 15, 16, 79
AGAIN = {LOADING, NOT_AVAILABLE, NOT_COORDINATOR}
OFFSET_GROUPS, OFFSETS_EACH, LIMIT_S = 1000, 100, 120
ROWS = [("classic.join_s", "1,000 members join: s"),
        ("classic.join_cpu_s", "  server CPU-s"),
        ("classic.again_s", "all of them join again: s"),
        ("classic.again_cpu_s", "  server CPU-s"),
        ("consumer.join_s", "the same, consumer protocol: s"),
        ("consumer.join_cpu_s", "  server CPU-s"),
        ("consumer.rounds", "  rounds of heartbeats"),
        ("memory.member_bytes", "memory of a member, bytes"),
        ("memory.member_heap_bytes", "  of it in the coordinator's heap"),
        ("memory.offset_bytes", "memory of a committed offset, bytes"),
        ("memory.offset_heap_bytes", "  of it in the coordinator's heap"),
        ("restart.ready_s", "restart with 100,000 offsets of 1,000 groups, s")]


def memory_bytes(server):
    """All of it, and the heap of the process that coordinates: the rest are buffers, which fill
    once whatever the groups are (rings between our processes, the tail of the journal)."""
    whole = heap = 0
    pids = server.pids()
    names = {pid: pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids}
    for pid in pids:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        whole += sizes["Pss"]
        if len(pids) == 1 or names[pid] == "sluice-control":
            heap += sizes["Pss_Anon"]
    return whole, heap


def growth(server, before, count, out, name):
    for now, then, key in zip(memory_bytes(server), before, ("", "heap_")):
        out[f"memory.{name}_{key}bytes"] = (now - then) / count


def blob(data):
    return struct.pack(">i", len(data)) + data


def unsigned(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def compact(s):
    return b"\0" if s is None else unsigned(len(s) + 1) + s.encode()


def exchange(connections, api, version, bodies):
    """Sends each its request and gives the answers' bodies, in order; all are in flight at once."""
    for c, body in zip(connections, bodies):
        c.socket.sendall(c.frame(api, version, body))
    answers = [None] * len(connections)
    with selectors.DefaultSelector() as waiting:
        for i, c in enumerate(connections):
            waiting.register(c.socket, selectors.EVENT_READ, i)
        while waiting.get_map():
            ready = waiting.select(LIMIT_S)
            if not ready:
                raise SystemExit(f"no answer to request {api} in {LIMIT_S} s")
            for key, _ in ready:
                answers[key.data] = Cursor(connections[key.data].receive()[4:])
                waiting.unregister(key.fileobj)
    return answers


class Classic:
    def __init__(self, bootstrap, group, topic, members):
        self.group, self.topic, self.count = group, topic, members
        self.connections = [Connection(bootstrap, timeout=LIMIT_S) for _ in range(members)]
        self.ids = [""] * members
        self.joined = 0

    def join_body(self, i):
        # With other user data each time: what a follower says again is answered at once, without a
        # rebalance.
        metadata = struct.pack(">hi", 0, 1) + string(self.topic) + blob(b"%d" % self.joined)
        return (string(self.group) + struct.pack(">ii", 45000, 60000) + string(self.ids[i])
                + string(None) + string("consumer") + struct.pack(">i", 1) + string("range")
                + blob(metadata))

    def assigned(self, answers):
        """Assignments by the leader, SyncGroup of everybody."""
        members, generation = [], 0
        for c in answers:
            c.take("i")
            error = c.take("h")
            if error != NONE:
                raise SystemExit(f"JoinGroup: error {error}")
            generation = c.take("i")
            c.string(), c.string(), c.string()
            for _ in range(c.take("i")):
                members.append(c.string())
                c.string(), c.blob()
        if len(members) != self.count:
            raise SystemExit(f"the leader was told of {len(members)} members")
        given = b"".join(string(m) + blob(
            struct.pack(">hi", 0, 1) + string(self.topic) + struct.pack(">ii", 1, p)
            + struct.pack(">i", -1)) for p, m in enumerate(members))
        leaders = {a for a in range(self.count) if self.ids[a] == self.leader(answers[a])}
        bodies = [string(self.group) + struct.pack(">i", generation) + string(self.ids[i])
                  + string(None) + (struct.pack(">i", self.count) + given if i in leaders
                                    else struct.pack(">i", 0)) for i in range(self.count)]
        for c in exchange(self.connections, SYNC, 3, bodies):
            c.take("i")
            error = c.take("h")
            if error != NONE or len(c.blob()) < 10:
                raise SystemExit(f"SyncGroup: error {error}")

    @staticmethod
    def leader(answer):
        c = Cursor(answer.data)
        c.take("ihi")
        c.string()
        return c.string()

    def join(self):
        self.joined += 1
        bodies = [self.join_body(i) for i in range(self.count)]
        if not self.ids[0]:
            for i, c in enumerate(exchange(self.connections, JOIN, 5, bodies)):
                c.take("i")
                error = c.take("h")
                if error != MEMBER_ID_REQUIRED:
                    raise SystemExit(f"JoinGroup without an id: error {error}")
                c.take("i")
                c.string(), c.string()
                self.ids[i] = c.string()
            bodies = [self.join_body(i) for i in range(self.count)]
        self.assigned(exchange(self.connections, JOIN, 5, bodies))

    def close(self):
        for c in self.connections:
            c.close()


class Consumer:
    """Members of the consumer protocol, ConsumerGroupHeartbeat 1."""

    def __init__(self, bootstrap, group, topic, members):
        self.group, self.topic, self.count = group, topic, members
        self.connections = [Connection(bootstrap, timeout=LIMIT_S) for _ in range(members)]
        self.ids = [str(uuid.uuid4()) for _ in range(members)]
        self.epochs, self.owned = [0] * members, [[] for _ in range(members)]
        self.topic_id = None

    def body(self, i):
        parts = unsigned(1) if not self.owned[i] else (
            unsigned(2) + self.topic_id + unsigned(len(self.owned[i]) + 1)
            + b"".join(struct.pack(">i", p) for p in self.owned[i]) + b"\0")
        joins = self.epochs[i] == 0
        topics = unsigned(2) + compact(self.topic) if joins else b"\0"
        return (b"\0" + compact(self.group) + compact(self.ids[i])
                + struct.pack(">i", self.epochs[i]) + b"\0" + b"\0"
                + struct.pack(">i", 60000 if joins else -1) + topics + b"\0" + b"\0" + parts
                + b"\0")

    def length(self, c):
        n = shift = 0
        while True:
            b = c.take("B")
            n |= (b & 0x7F) << shift
            shift += 7
            if not b & 0x80:
                return n - 1

    def text(self, c):
        n = self.length(c)
        c.at += max(n, 0)

    def take(self, i, c):
        c.take("b")
        _, error = c.take("ih")
        self.text(c), self.text(c)
        epoch, _ = c.take("ii")
        if error in AGAIN:
            return
        if error != NONE:
            raise SystemExit(f"ConsumerGroupHeartbeat: error {error}")
        self.epochs[i] = epoch
        if c.take("b") > 0:
            owned = []
            for _ in range(self.length(c)):
                self.topic_id = bytes(c.data[c.at:c.at + 16])
                c.at += 16
                owned += [c.take("i") for _ in range(self.length(c))]
                c.take("b")
            self.owned[i] = owned

    def join(self):
        """Until each has one partition and has said so; rounds of heartbeats."""
        rounds, end = 0, time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            answers = exchange(self.connections, BEAT, 1,
                               [self.body(i) for i in range(self.count)])
            before = [list(o) for o in self.owned]
            for i, c in enumerate(answers):
                self.take(i, c)
            rounds += 1
            if before == self.owned and all(len(o) == 1 for o in self.owned):
                return rounds
        raise SystemExit(f"not assigned after {rounds} rounds of heartbeats")

    close = Classic.close


def timed(server, work):
    before, began = cpu_s(server.pids()), time.monotonic()
    value = work()
    return time.monotonic() - began, cpu_s(server.pids()) - before, value


def coordinated(bootstrap, group):
    """FindCoordinator, which makes the topic of offsets, until the group's offsets are loaded."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        c = Connection(bootstrap)
        found = c.call(FIND, 1, string(group) + b"\0")
        offsets_ = c.call(OFFSET_FETCH, 5, string(group) + struct.pack(">i", -1))
        c.close()
        if found.take("ih")[1] == NONE and offsets_.take("iih")[2] == NONE:
            return
        time.sleep(0.05)
    raise SystemExit("no coordinator")


def offsets_of(group, topic, first, value):
    rows = b"".join(struct.pack(">iqi", first + p, value, -1) + string("")
                    for p in range(OFFSETS_EACH))
    return (string(group) + struct.pack(">i", -1) + string("") + string(None)
            + struct.pack(">i", 1) + string(topic) + struct.pack(">i", OFFSETS_EACH) + rows)


def commit_all(bootstrap, topic):
    c = Connection(bootstrap, timeout=LIMIT_S)
    for g in range(OFFSET_GROUPS):
        while True:
            answer = c.call(COMMIT, 7, offsets_of(f"offsets-{g}", topic, 0, g))
            answer.take("ii")
            answer.string()
            answer.take("i")
            errors = {answer.take("ih")[1] for _ in range(OFFSETS_EACH)}
            if errors == {NONE}:
                break
            if not errors <= AGAIN:
                raise SystemExit(f"OffsetCommit: errors {errors}")
    c.close()


def fetched(bootstrap, topic):
    """True when every group gives the offsets that were committed."""
    try:
        c = Connection(bootstrap, timeout=LIMIT_S)
    except OSError:
        return False
    try:
        for g in range(OFFSET_GROUPS):
            answer = c.call(OFFSET_FETCH, 5, string(f"offsets-{g}") + struct.pack(">i", 1)
                            + string(topic) + struct.pack(">ii", 1, g % OFFSETS_EACH))
            answer.take("i")
            if answer.take("i") != 1:
                return False
            answer.string()
            answer.take("i")
            if answer.take("iq") != (g % OFFSETS_EACH, g):
                return False
        return True
    except (OSError, ConnectionError, struct.error):
        return False
    finally:
        c.close()


def joins(server, members, out):
    topic_of = {Classic: "classic", Consumer: "consumer"}
    for kind, name in topic_of.items():
        topic = f"{name}-topic"
        c = Connection(server.bootstrap)
        c.create_topic(topic, members)
        c.close()
        topic_ready(server.bootstrap, topic, members, 60)
        coordinated(server.bootstrap, f"{name}-group")
        group = kind(server.bootstrap, f"{name}-group", topic, members)
        before = memory_bytes(server)
        wall, cpu, rounds = timed(server, group.join)
        out[f"{name}.join_s"], out[f"{name}.join_cpu_s"] = wall, cpu
        if kind is Classic:
            growth(server, before, members, out, "member")
            out["classic.again_s"], out["classic.again_cpu_s"], _ = timed(server, group.join)
        else:
            out["consumer.rounds"] = rounds
        group.close()


def offsets(server, out):
    topic = "offsets-topic"
    c = Connection(server.bootstrap)
    c.create_topic(topic, OFFSETS_EACH)
    c.close()
    topic_ready(server.bootstrap, topic, OFFSETS_EACH, 60)
    before = memory_bytes(server)
    commit_all(server.bootstrap, topic)
    growth(server, before, OFFSET_GROUPS * OFFSETS_EACH, out, "offset")
    server.stop()
    server.start()
    end = time.monotonic() + LIMIT_S
    while not fetched(server.bootstrap, topic):
        if time.monotonic() > end:
            raise SystemExit("offsets are missing after the restart")
        time.sleep(0.01)
    out["restart.ready_s"] = age_s(server.pids()[0])


def measure(kind, home, members):
    server, out = kind(home, "num.partitions=4", "group.initial.rebalance.delay.ms=3000"), {}
    try:
        server.start()
        joins(server, members, out)
        offsets(server, out)
        server.stop()
    finally:
        server.end()
    return out


def table(kinds, results):
    heads = [k.name for k in kinds] + ["Kafka : Sluice"] * (len(kinds) == 2)
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for key, title in ROWS:
        medians = [statistics.median(r[key] for r in results[k.name]) for k in kinds]
        cells = [f"{m:.3g}" if m < 1000 else f"{m:.0f}" for m in medians]
        if len(kinds) == 2:
            cells.append(f"{medians[1] / medians[0]:.2f}" if medians[0] > 0 else "-")
        lines.append(f"| {title.strip()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true", help="no Apache Kafka")
    parser.add_argument("--fsync", action="store_true", help="Kafka with a sync for each append")
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    os.sched_setaffinity(0, {int(CLIENT_CPU)})
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench"))
    home.mkdir(parents=True, exist_ok=True)
    kinds = [Sluice] if wants.ours_only else [Sluice, KafkaFsync if wants.fsync else Kafka]
    results = {k.name: [] for k in kinds}
    for round_ in range(wants.rounds):
        for kind in kinds if round_ % 2 == 0 else reversed(kinds):
            row = measure(kind, home, wants.members)
            print(json.dumps({"round": round_ + 1, "who": kind.name, **row}), file=sys.stderr,
                  flush=True)
            results[kind.name].append(row)
    print(table(kinds, results))


if __name__ == "__main__":
    main()
