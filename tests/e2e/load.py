"""Requests of one record in bursts over several connections, for tests that count what they
cost."""
import os
import struct

from case import equal
from kafka import NONE, PRODUCE, Connection, batch, topic_ready


class Load:
    """A round: each connection sends `depth` requests at once, and then all answers are read.
    The requests of a burst go to one partition each connection, or by turns to all (spread)."""

    def __init__(self, broker, topic, partitions, connections, depth, record_bytes, spread=True):
        topic_ready(broker.bootstrap, topic, partitions)
        self.depth = depth
        self.connections = [Connection(broker.bootstrap) for _ in range(connections)]
        frames = [self.connections[0].frame(PRODUCE, 7, Connection.produce_body(
            topic, p, batch([os.urandom(record_bytes)]))) for p in range(partitions)]
        self.bursts = [b"".join(frames[(i + (k if spread else 0)) % partitions]
                                for k in range(depth)) for i in range(connections)]

    def send(self):
        for c, burst in zip(self.connections, self.bursts):
            c.socket.sendall(burst)

    def receive(self):
        for c in self.connections:
            for _ in range(self.depth):
                answer = c.receive()
                # Ends with: error, base offset, append time, log start, throttle.
                equal(struct.unpack_from(">h", answer, len(answer) - 30)[0], NONE, "produce")

    def run(self, rounds):
        for _ in range(rounds):
            self.send()
            self.receive()

    def close(self):
        for c in self.connections:
            c.close()
