#!/usr/bin/env python3
"""Groups while control and data are killed at random times: a client sees retriable errors and
broken connections, nothing else; a committed offset never goes back; a member keeps its place.

E2E_SEED repeats the choices (not the timing of the machine), E2E_KILLS their number."""
import os
import random
import struct
import threading
import time

from broker import CONTROL, DATA, SMALL, Broker, stamp
from case import case, check, finish, until
from kafka import Connection, string, topic_ready

SEED = int(os.environ.get("E2E_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
KILLS = int(os.environ.get("E2E_KILLS", "16"))
PAUSE_SECONDS_MAX = 1.0
COMMIT, FETCH, JOIN, HEARTBEAT, SYNC, FIND = 8, 9, 11, 12, 14, 10
NONE, LOADING, NOT_AVAILABLE, NOT_COORDINATOR, REBALANCING = 0, 14, 15, 16, 27
RETRIABLE = {LOADING, NOT_AVAILABLE, NOT_COORDINATOR}
GROUPS = 12


def blob(data):
    return struct.pack(">i", len(data)) + data


class Client:
    """One connection that is opened again when it breaks; None as an answer: nobody knows."""

    def __init__(self, broker):
        self.broker, self.connection = broker, None

    def call(self, api, version, body):
        try:
            if self.connection is None:
                self.connection = Connection(self.broker.bootstrap, timeout=30)
            return self.connection.call(api, version, body)
        except OSError:
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            time.sleep(0.02)
            return None


class Committer(threading.Thread):
    """Commits growing offsets of one group from outside, and reads them back."""

    def __init__(self, broker, topic, group, stop):
        super().__init__()
        self.client, self.topic, self.group, self.stop = Client(broker), topic, group, stop
        self.sent = self.acked = 0
        self.commits = 0
        self.wrong = None

    def commit(self, offset):
        body = (string(self.group) + struct.pack(">i", -1) + string("") +
                struct.pack(">i", 1) + string(self.topic) +
                struct.pack(">iiq", 1, 0, offset) + string("x"))
        self.sent = offset
        c = self.client.call(COMMIT, 5, body)
        if c is None:
            return
        c.take("ii")
        c.string()
        c.take("ii")
        error = c.take("h")
        if error == NONE:
            self.acked = offset
            self.commits += 1
        else:
            check(error in RETRIABLE, "commit:", error)

    def fetch(self):
        """The committed offset; None: not known now."""
        body = (string(self.group) + struct.pack(">i", 1) + string(self.topic) +
                struct.pack(">ii", 1, 0))
        c = self.client.call(FETCH, 3, body)
        if c is None:
            return None
        c.take("i")
        offset = None
        for _ in range(c.take("i")):
            c.string()
            for _ in range(c.take("i")):
                _, offset = c.take("iq")
                c.string()
                check(c.take("h") == NONE, "fetch: an error of a partition")
        error = c.take("h")
        check(error == NONE or error in RETRIABLE, "fetch:", error)
        return offset if error == NONE else None

    def look(self):
        offset = self.fetch()
        if offset is not None:
            check(self.acked <= max(offset, 0) and offset <= self.sent,
                  f"{self.group}: acknowledged {self.acked}, sent {self.sent}, read {offset}")
        return offset

    def run(self):
        try:
            while not self.stop.is_set():
                self.commit(self.sent + 1)
                self.look()
                time.sleep(0.01)
            until("the last word on the offset", 60, lambda: self.look() is not None)
        except Exception as e:  # told by the main thread
            self.wrong = e


class Member(threading.Thread):
    """One member of a group with a generation of its own, which no kill may end."""

    def __init__(self, broker, group, stop):
        super().__init__()
        self.client, self.group, self.stop = Client(broker), group, stop
        self.beats = 0
        self.wrong = None

    def again(self, what, api, version, body):
        """Until the answer is not one to retry; the cursor behind the error, and the error."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            c = self.client.call(api, version, body)
            if c is None:
                continue
            c.take("i")
            error = c.take("h")
            if error not in RETRIABLE:
                return c, error
            time.sleep(0.02)
        raise AssertionError(f"{what}: only errors to retry for a minute")

    def enter(self):
        protocols = struct.pack(">i", 1) + string("range") + blob(b"meta")
        body = (string(self.group) + struct.pack(">ii", 60000, 60000) + string("") +
                string("consumer") + protocols)
        c, error = self.again("join", JOIN, 2, body)
        check(error == NONE, "join:", error)
        self.generation = c.take("i")
        c.string()
        c.string()
        self.id = c.string()
        head = string(self.group) + struct.pack(">i", self.generation) + string(self.id)
        c, error = self.again("sync", SYNC, 1,
                              head + struct.pack(">i", 1) + string(self.id) + blob(b"mine"))
        check(error == NONE, "sync:", error)
        check(c.blob() == b"mine", "sync: another assignment")
        self.beat = head

    def run(self):
        try:
            self.enter()
            while not self.stop.is_set():
                _, error = self.again("heartbeat", HEARTBEAT, 1, self.beat)
                check(error == NONE, "heartbeat:", error)
                self.beats += 1
                time.sleep(0.05)
        except Exception as e:
            self.wrong = e


def kill_loop(broker):
    choose = random.Random(SEED)
    done = {CONTROL: 0, DATA: 0}
    for _ in range(KILLS):
        name = choose.choice((CONTROL, CONTROL, DATA))
        pause = 0 if choose.random() < 1 / 4 else choose.uniform(0, PAUSE_SECONDS_MAX)
        broker.pid(name)
        time.sleep(pause)
        broker.kill(name)
        done[name] += 1
    return done


def ready(broker):
    """The coordinator's topic is there."""
    def found():
        c = Client(broker).call(FIND, 1, string("g") + b"\0")
        if c is None:
            return False
        c.take("i")
        return c.take("h") == NONE
    until("a coordinator", 30, found)


def main():
    print(f"# E2E_SEED={SEED} E2E_KILLS={KILLS}")
    with Broker(SMALL, "group.initial.rebalance.delay.ms=0") as broker, \
            case(f"groups killed: {KILLS} kills, offsets never go back, members stay"):
        topic = f"groups-killed-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        ready(broker)
        stop = threading.Event()
        committers = [Committer(broker, topic, f"g{i}", stop) for i in range(GROUPS)]
        members = [Member(broker, f"m{i}", stop) for i in range(3)]
        try:
            for t in committers + members:
                t.start()
            until("everybody is under way", 60,
                  lambda: all(c.commits for c in committers) and all(m.beats for m in members)
                  or any(t.wrong for t in committers + members))
            killed = kill_loop(broker)
            before = sum(c.commits for c in committers), sum(m.beats for m in members)
            until("commits and heartbeats go on", 60,
                  lambda: sum(c.commits for c in committers) > before[0] + GROUPS
                  and sum(m.beats for m in members) > before[1]
                  or any(t.wrong for t in committers + members))
        finally:
            stop.set()
            for t in committers + members:
                t.join(90)
        for t in committers + members:
            if t.wrong:
                raise t.wrong
        print(f"# killed {killed}; {sum(c.commits for c in committers)} commits, "
              f"{sum(m.beats for m in members)} heartbeats")
    finish()


main()
