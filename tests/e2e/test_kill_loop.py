#!/usr/bin/env python3
"""Producers run while either process is killed at random times; afterwards every acknowledged
record is in the log once, in order, with the bytes sent.  Once with few records a second and many
kills, into starts and recoveries too, and once with all that the broker takes.

E2E_SEED repeats the choices (not the timing of the machine), E2E_KILLS their number."""
import os
import random
import subprocess
import time

from ackers import Acker, verify
from broker import CONTROL, DATA, SMALL, Broker, stamp
from case import case, check, finish, until
from kafka import topic_ready

SEED = int(os.environ.get("E2E_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
KILLS = int(os.environ.get("E2E_KILLS", "24"))
ACKERS, PARTITIONS, RATE = 3, 6, 400
PAUSE_SECONDS_MAX = 2.5
# At full load: records, and bytes acknowledged between one kill and the next.
FULL_BYTES, FULL_BETWEEN, FULL_KILLS = 128 << 10, 64 << 20, 5


def found_whole(broker):
    """What a kill of everything at once leaves is whole, before a start mends anything."""
    broker.abandon()
    done = subprocess.run([broker.binary, "log", "verify", "--data", str(broker.data)],
                          capture_output=True, text=True, timeout=120)
    check(done.returncode == 0 and "No damage" in done.stdout, done.stdout, done.stderr)
    broker.start()


def kill_loop(broker, ackers):
    """Kills: data twice as often as control, after 0 to PAUSE_SECONDS_MAX; sooner than a start
    takes as well as later.  Returns {program: number}."""
    choose = random.Random(SEED)
    done = {DATA: 0, CONTROL: 0}
    for i in range(KILLS):
        name = choose.choice((DATA, DATA, CONTROL))
        if i == KILLS - 2 and not done[CONTROL]:
            name = CONTROL
        # A third of the kills come at once, into the start and the recovery of the one before.
        pause = 0 if choose.random() < 1 / 3 else choose.uniform(0, PAUSE_SECONDS_MAX)
        broker.pid(name)
        time.sleep(pause)
        broker.kill(name)
        done[name] += 1
        if i % 4 == 3:  # often in the middle of a recovery
            time.sleep(choose.uniform(0, PAUSE_SECONDS_MAX / 2))
            found_whole(broker)
        if i % 6 == 5:  # let the producers get through now and then
            before = sum(len(a.acknowledged()) for a in ackers)
            until("acknowledgements go on", 60,
                  lambda: sum(len(a.acknowledged()) for a in ackers) > before + 50, 0.1)
    return done


def kill_at_full_load(broker):
    """Producers send large batches as fast as they are taken, several in flight each."""
    topic = f"full-{stamp()}"
    topic_ready(broker.bootstrap, topic, PARTITIONS)
    ackers = [Acker(broker, topic, PARTITIONS, f"f{i}", 0, FULL_BYTES) for i in range(ACKERS)]
    count = 0

    def acknowledged():
        return sum(len(a.acknowledged()) for a in ackers)
    try:
        for i in range(FULL_KILLS):
            count += FULL_BETWEEN // (FULL_BYTES // 2)
            until("acknowledgements go on", 90, lambda: acknowledged() > count)
            count = acknowledged()
            broker.kill(DATA if i % 3 < 2 else CONTROL)
        rows = {a.name: a.finish() for a in ackers}
        count = sum(len(r) for r in rows.values())
        total = verify(broker.bootstrap, topic, PARTITIONS, rows)
        print(f"# {FULL_KILLS} kills; {count} acknowledged, {total} in the log")
        check(total >= count, "records")
    finally:
        for a in ackers:
            a.abandon()


def main():
    print(f"# E2E_SEED={SEED} E2E_KILLS={KILLS}")
    ackers = []
    # Small segments, so that rolls and sealed segments are killed too.
    with Broker(SMALL, "log.segment.bytes=1048576") as broker:
        try:
            with case(f"kill -9 loop: {KILLS} kills, nothing acknowledged is lost"):
                topic = f"kill-{stamp()}"
                topic_ready(broker.bootstrap, topic, PARTITIONS)
                ackers += [Acker(broker, topic, PARTITIONS, f"p{i}", RATE) for i in range(ACKERS)]
                until("records are acknowledged", 60,
                      lambda: all(len(a.acknowledged()) > 100 for a in ackers))
                killed = kill_loop(broker, ackers)
                acknowledged = {a.name: a.finish() for a in ackers}
                count = sum(len(rows) for rows in acknowledged.values())
                total = verify(broker.bootstrap, topic, PARTITIONS, acknowledged)
                print(f"# killed {killed}; {count} acknowledged, {total} in the log")
                check(sum(killed.values()) >= 20 and min(killed.values()) > 0, "kills", killed)
                check(total >= count > 1000, "too few records to prove anything")
            with case("kill -9 loop: sluice log verify finds nothing after the last kill"):
                found_whole(broker)
                check(verify(broker.bootstrap, topic, PARTITIONS, acknowledged) == total, "records")
            with case("kill -9 loop: a clean stop and start finds the same records"):
                broker.restart()
                check(verify(broker.bootstrap, topic, PARTITIONS, acknowledged) == total, "records")
        finally:
            for a in ackers:
                a.abandon()
    with Broker(SMALL) as broker:
        with case(f"kill -9 at full load: {FULL_KILLS} kills, nothing acknowledged is lost"):
            kill_at_full_load(broker)
    finish()


main()
