#!/usr/bin/env python3
"""One process dies, the other goes on.  Control dead: open connections produce and fetch with no
reconnect, and control's work goes on when it is back.  Data dead: clients retry through it."""
import signal
import struct
import time

from ackers import Acker, verify
from broker import CONTROL, DATA, SMALL, Broker, led, stamp
from case import case, check, equal, finish, until
from kafka import (CREATE_TOPICS, NONE, NOT_LEADER, TOPIC_EXISTS, Connection, Cursor, records_of,
                   string, topic_ready)

RECORDS = 200
LEASE_MS = 4000


def round_trips(producer, consumer, topic, first, count=RECORDS):
    """Produces and fetches count records on connections that are open already."""
    for i in range(first, first + count):
        equal(producer.produce(topic, 0, [b"r%d" % i]), (NONE, i), "produce")
        code, _, data = consumer.fetch(topic, 0, i)
        equal(code, NONE, "fetch")
        equal(records_of(data)[:1], [(i, b"r%d" % i)], "fetched")
    return first + count


def control_killed(broker, topic):
    producer, consumer = Connection(broker.bootstrap), Connection(broker.bootstrap)
    admin = Connection(broker.bootstrap, timeout=60)
    topic_ready(broker.bootstrap, topic, 1)
    data = broker.pid(DATA)
    at = 0
    with case("control stopped: produce and fetch go on"):
        at = round_trips(producer, consumer, topic, at)
        old = broker.kill(CONTROL, signal.SIGSTOP)
        at = round_trips(producer, consumer, topic, at)
    with case("control killed: produce and fetch go on, on the same connections"):
        broker.kill(CONTROL, signal.SIGKILL)
        at = round_trips(producer, consumer, topic, at)
        broker.wait_restarted(CONTROL, old)
        at = round_trips(producer, consumer, topic, at)
    with case("control back: CreateTopics works on a connection from before"):
        equal(admin.create_topic(topic + "-after", 3), NONE, "CreateTopics")
        until("its partitions are led", 30,
              lambda: admin.partitions(topic + "-after") == (NONE, 3))
        equal(producer.produce(topic + "-after", 2, [b"new"]), (NONE, 0), "produce to it")
    with case("control killed while it owes an answer: the connection gets one"):
        old = broker.kill(CONTROL, signal.SIGSTOP)
        body = struct.pack(">i", 1) + string(topic + "-owed") \
            + struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 20000, 0)
        admin.socket.sendall(admin.frame(CREATE_TOPICS, 4, body))
        at = round_trips(producer, consumer, topic, at, 20)
        broker.kill(CONTROL, signal.SIGKILL)
        answer = Cursor(admin.receive())
        equal(answer.take("i"), admin.correlation, "correlation")
        answer.take("ii")
        answer.string()
        check(answer.take("h") in (NONE, TOPIC_EXISTS), "CreateTopics failed")
        broker.wait_restarted(CONTROL, old)
    with case("control killed six times in a row: topics and their configuration stay"):
        for i in range(6):
            old = broker.kill(CONTROL)
            at = round_trips(producer, consumer, topic, at, 5)
            broker.wait_restarted(CONTROL, old)
        until("metadata is complete", 30,
              lambda: admin.partitions(topic + "-after") == (NONE, 3))
        equal(admin.create_topic(topic, 1), TOPIC_EXISTS, "CreateTopics again")
        equal(broker.pid(DATA), data, "sluice-data is the same process")
    for c in (producer, consumer, admin):
        c.close()
    return at


def data_killed(broker, topic, at):
    acker = None
    try:
        with case("data killed: librdkafka retries through it, nothing acknowledged is lost"):
            control = broker.pid(CONTROL)
            topic_ready(broker.bootstrap, topic + "-acks", 4)
            acker = Acker(broker, topic + "-acks", 4, "a", 500)
            for _ in range(3):
                before = len(acker.acknowledged())
                until("records are acknowledged", 60,
                      lambda: len(acker.acknowledged()) > before + 200)
                old = broker.kill(DATA)
                broker.wait_restarted(DATA, old)
            before = len(acker.acknowledged())
            until("acknowledgements go on", 60, lambda: len(acker.acknowledged()) > before + 200)
            rows = acker.finish()
            total = verify(broker.bootstrap, topic + "-acks", 4, {"a": rows})
            print(f"# {len(rows)} acknowledged, {total} in the log")
            equal(broker.pid(CONTROL), control, "sluice-control is the same process")
        with case("data killed: what was there before is there"):
            consumer = Connection(broker.bootstrap)
            equal(consumer.consume(topic, 0), [(i, b"r%d" % i) for i in range(at)], "records")
            equal(consumer.produce(topic, 0, [b"next"]), (NONE, at), "the next offset")
            consumer.close()
    finally:
        if acker:
            acker.abandon()


def both_killed(broker, topic):
    with case("both killed at once: the supervisor brings both back"):
        before = Connection(broker.bootstrap)
        records = before.consume(topic, 0)
        before.close()
        data, control = broker.kill(DATA), broker.kill(CONTROL)
        broker.wait_restarted(DATA, data)
        broker.wait_restarted(CONTROL, control)
        after = until("the partition is led", 60, lambda: led(broker.bootstrap, topic, 1))
        equal(after.consume(topic, 0), records, "records")
        after.close()
    with case("a stop after all that is clean"):
        began = time.monotonic()
        equal(broker.stop(), 0, "exit code")
        print(f"# stopped in {time.monotonic() - began:.1f} s")


def lease_runs_out():
    with case("lease: control hangs, so produce is refused; control goes on, so it is accepted"):
        with Broker(SMALL, f"control.lease.ms={LEASE_MS}") as broker:
            topic = f"lease-{stamp()}"
            topic_ready(broker.bootstrap, topic, 1)
            c = Connection(broker.bootstrap)
            equal(c.produce(topic, 0, [b"0"]), (NONE, 0), "produce")
            began = time.monotonic()
            pid = broker.kill(CONTROL, signal.SIGSTOP)
            try:
                acknowledged, code = 1, NONE
                while code == NONE:
                    check(time.monotonic() - began < 60, "still acknowledged without a lease")
                    code, offset = c.produce(topic, 0, [b"%d" % acknowledged])
                    if code == NONE:
                        equal(offset, acknowledged, "offset")
                        acknowledged += 1
                equal(code, NOT_LEADER, "produce without a lease")
                equal(c.fetch(topic, 0, 0, wait_ms=0)[0], NOT_LEADER, "fetch without a lease")
                check(time.monotonic() - began > LEASE_MS / 2000, "the lease ended too early")
            finally:
                broker.kill(CONTROL, signal.SIGCONT)
            until("produce is accepted again", 10,
                  lambda: c.produce(topic, 0, [b"%d" % acknowledged]) == (NONE, acknowledged))
            equal([v for _, v in c.consume(topic, 0)],
                  [b"%d" % i for i in range(acknowledged + 1)], "records")
            equal(broker.pid(CONTROL), pid, "sluice-control is the same process")
            c.close()


def main():
    lease_runs_out()
    with Broker(SMALL) as broker:
        topic = f"killed-{stamp()}"
        at = control_killed(broker, topic)
        data_killed(broker, topic, at)
        both_killed(broker, topic)
    finish()


main()
