#!/usr/bin/env python3
"""How many messages the rings between cores carry for a request that comes to one core for a
partition of the other: the broker counts what each core sends (`hops`).  As it is: over kernel
sockets; under namespaced.py: over our own TCP/IP, which must add none."""
import os
import struct

from broker import SMALL, Broker, stamp
from case import Skip, case, check, equal, finish, until
from kafka import (FETCH, LIST_OFFSETS, NONE, PRODUCE, Connection, Cursor, batch, records_of,
                   string, topic_ready)

PARTITIONS = 16  # by a hash of the topic's id all of one core once in 32,768 runs
REQUESTS = 50
SECONDS = 90


class Cores:
    """Two, of which `home` has our connection, and the other the feeder's."""
    def __init__(self, broker):
        self.broker, self.topic, self.others = broker, f"hops-{stamp()}", []
        topic_ready(broker.bootstrap, self.topic, PARTITIONS)
        self.connect()

    def connect(self):
        broker = self.broker
        self.client = Connection(broker.bootstrap)
        self.home = self.home_of(self.client)
        for _ in range(64):  # each time the other core in about every second run
            self.feeder = Connection(broker.bootstrap)
            if self.home_of(self.feeder) != self.home:
                return
        raise AssertionError("64 connections, and all of one core")

    def told(self, counter="hops"):
        return self.broker.stat()["counters"][counter]["shards"]

    def home_of(self, connection):
        before = self.told("requests")
        for _ in range(REQUESTS):
            connection.api_versions()

        def more():
            return [a - b for a, b in zip(self.told("requests"), before)]
        until("our requests are counted", SECONDS, lambda: max(more()) >= REQUESTS)
        return more().index(max(more()))

    def sent(self):
        """By the home and the other core.  Another request: what the one before sent is counted."""
        self.client.api_versions()
        hops = self.told()
        return hops[self.home], hops[1 - self.home]

    def cost(self, request, there, back):
        """Each request to a partition of the other core sends so many messages from home, and so
        many from the other core; one to an own partition sends none."""
        others = []
        before = self.sent()
        for partition in range(PARTITIONS):
            for _ in range(REQUESTS):
                request(partition)
            if self.sent()[0] != before[0]:
                others.append(partition)
                want = before[0] + REQUESTS * there, before[1] + REQUESTS * back
                self.counted(want)
                before = want
            equal(self.sent(), before, f"messages of the cores after partition {partition}")
        check(0 < len(others) < PARTITIONS, f"the other core's of {PARTITIONS}: {others}")
        self.others = others
        print(f"# {len(others) * REQUESTS} requests for partitions of the other core: "
              f"{there} there, {back} back", flush=True)

    def reads(self, counter):
        """Counted with a turn of each core."""
        self.feeder.api_versions()
        self.client.api_versions()
        return sum(self.told(counter))

    def counted(self, want):
        """Memory that was fetched goes back when the client has acknowledged it."""
        until("both cores have counted", SECONDS,
              lambda: all(a >= b for a, b in zip(self.sent(), want)))

    def cost_of_waiting(self, there, back):
        """The same for requests at the end of a log of the other core, where records come later, of
        a client of that core: so they send no messages themselves."""
        for partition in self.others:
            end = self.list_offsets(partition)
            before = self.sent()
            for _ in range(REQUESTS):
                self.client.socket.sendall(self.client.frame(FETCH, 4, self.client.fetch_body(
                    self.topic, partition, end, wait_ms=SECONDS * 1000)))
                code, offset = self.client.produced(self.feeder.call(
                    PRODUCE, 7, self.client.produce_body(self.topic, partition, batch([b"late"]))))
                equal((code, offset), (NONE, end), "Produce")
                answer = Cursor(self.client.receive())
                answer.take("i")
                code, _, data = self.client.fetched(answer)
                equal((code, [r[0] for r in records_of(data)]), (NONE, [end]), "Fetch")
                end += 1
            want = before[0] + REQUESTS * there, before[1] + REQUESTS * back
            self.counted(want)
            equal(self.sent(), want, f"messages of the cores after partition {partition}")

    def start_again(self):
        """Nothing is in memory then."""
        self.broker.restart()
        topic_ready(self.broker.bootstrap, self.topic, PARTITIONS)
        self.connect()

    def produce(self, partition, size=100):
        code, _ = self.client.produced(self.client.call(PRODUCE, 7, self.client.produce_body(
            self.topic, partition, batch([b"x" * size]))))
        equal(code, NONE, "Produce")

    def fetch(self, partition):
        code, _, data = self.client.fetch(self.topic, partition, 0, wait_ms=0, bytes_max=1)
        equal((code, len(records_of(data)) > 0), (NONE, True), "Fetch")

    def list_offsets(self, partition):
        c = self.client.call(LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + string(self.topic)
                             + struct.pack(">iiq", 1, partition, -1))
        c.take("i")
        c.string()
        equal(c.take("iih")[1:], (partition, NONE), "ListOffsets")
        return c.take("qq")[1]


def main():
    if len(os.sched_getaffinity(0)) < 2:
        with case("hops"):
            raise Skip("one processor")
        finish()
    with Broker(SMALL, "cores=2") as broker:
        cores = Cores(broker)
        with case("hops: a Produce request crosses once each way"):
            cores.cost(cores.produce, 1, 1)
        with case("hops: so does ListOffsets"):
            cores.cost(cores.list_offsets, 1, 1)
        with case("hops: so does a Fetch, and one message more gives the memory back"):
            cores.cost(cores.fetch, 2, 1)
        with case("hops: so does a Fetch that waits for records"):
            cores.cost_of_waiting(2, 1)
        with case("hops: so does a Fetch of records that are only in files"):
            cores.start_again()
            cores.cost(cores.fetch, 2, 1)
            until("all reads of files are counted", SECONDS,
                  lambda: cores.reads("reads_disk") >= PARTITIONS * REQUESTS)
            equal(cores.reads("reads_cache"), 0, "reads from memory since the start")
    finish()


main()
