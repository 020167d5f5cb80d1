#!/usr/bin/env python3
"""Members of the consumer protocol while control and data are killed at random times: nobody is
fenced, epochs never go back, no partition has two owners, and in the end everybody has its share.

E2E_SEED repeats the choices (not the timing of the machine), E2E_KILLS their number."""
import os
import random
import threading
import time

from broker import CONTROL, DATA, SMALL, Broker, stamp
from case import case, check, equal, finish, until
from kafka import NONE, Connection, topic_ready
from test_heartbeats import PARTITIONS, Asker, Member

SEED = int(os.environ.get("E2E_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
KILLS = int(os.environ.get("E2E_KILLS", "12"))
PAUSE_SECONDS_MAX = 1.0
NOT_COORDINATOR, UNKNOWN_MEMBER = 16, 25
RETRIABLE = {14, 15, NOT_COORDINATOR}  # loading, not available


class Link:
    """An Asker that connects again; None as an answer: nobody knows what became of it."""

    def __init__(self, broker, group, topic):
        self.broker, self.names, self.asker = broker, (group, topic), None
        self.topic_id = None

    def heartbeat(self, *args, **more):
        try:
            if self.asker is None:
                self.asker = Asker(self.broker.bootstrap, *self.names)
                self.asker.topic_id = self.topic_id
            answer = self.asker.heartbeat(*args, **more)
        except OSError:
            if self.asker is not None:
                self.asker.close()
            self.asker = None
            time.sleep(0.02)
            return NOT_COORDINATOR, None, 0, 0, None
        check(answer[0] == NONE or answer[0] in RETRIABLE or
              (answer[0] == UNKNOWN_MEMBER and args[0] == "guest"), f"{args[0]}: {answer}")
        return answer


class Group(threading.Thread):
    """Two members that stay and a guest that comes and goes, one heartbeat after the other."""

    def __init__(self, broker, group, topic, topic_id, stop):
        super().__init__()
        link = Link(broker, group, topic)
        link.topic_id = topic_id
        join = {"rebalance": 60000, "topics": [topic]}
        self.link, self.stop = link, stop
        self.stay = [Member(link, name, **join) for name in ("m1", "m2")]
        self.guest = Member(link, "guest", **join)
        self.beats = self.visits = 0
        self.wrong = None

    def beat(self, member):
        before = member.epoch
        if member.beat()[0] != NONE:
            return
        self.beats += 1
        check(member.epoch >= before, f"{member.name}: epoch {before}, then {member.epoch}")
        owned = [p for m in (*self.stay, self.guest) for p in m.owned]
        equal(len(owned), len(set(owned)), "a partition has two owners")

    def goodbye(self):
        error = self.link.heartbeat("guest", -1, owned=None)[0]
        if error in (NONE, UNKNOWN_MEMBER):
            self.guest.epoch, self.guest.owned = 0, []
            self.visits += 1

    def share(self):
        for m in self.stay:
            self.beat(m)
        return sorted(len(m.owned) for m in self.stay) == [PARTITIONS // 2] * 2

    def run(self):
        try:
            turn = 0
            while not self.stop.is_set():
                turn += 1
                self.share()
                if turn % 80 < 40:
                    self.beat(self.guest)
                elif self.guest.epoch:
                    self.goodbye()
                time.sleep(0.02)
            while self.guest.epoch:
                self.goodbye()
            until("everybody has its share", 60, self.share)
        except Exception as e:  # told by the main thread
            self.wrong = e


def main():
    print(f"# E2E_SEED={SEED} E2E_KILLS={KILLS}")
    with Broker(SMALL) as broker, case(
            f"heartbeats killed: {KILLS} kills, nobody is fenced, no partition has two owners"):
        topic = f"beats-killed-{stamp()}"
        c = Connection(broker.bootstrap)
        equal(c.create_topic(topic, PARTITIONS), NONE, "create")
        c.close()
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        stop = threading.Event()
        asker = Asker(broker.bootstrap, f"killed-{stamp()}", topic)
        asker.learn_topic()
        asker.ready()
        groups = [Group(broker, f"killed-{i}", topic, asker.topic_id, stop) for i in range(3)]
        choose = random.Random(SEED)
        try:
            for g in groups:
                g.start()
            until("everybody is under way", 60,
                  lambda: all(g.beats > 20 for g in groups) or any(g.wrong for g in groups))
            for _ in range(KILLS):
                name = choose.choice((CONTROL, CONTROL, DATA))
                broker.pid(name)
                time.sleep(choose.uniform(0, PAUSE_SECONDS_MAX))
                broker.kill(name)
        finally:
            stop.set()
            for g in groups:
                g.join(120)
        for g in groups:
            if g.wrong:
                raise g.wrong
        print(f"# {sum(g.beats for g in groups)} heartbeats, "
              f"{sum(g.visits for g in groups)} visits")
    finish()


main()
