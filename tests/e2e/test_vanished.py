#!/usr/bin/env python3
"""Peers that ask for records and are never heard of again, over our own TCP/IP: what was sent to
them may have to be sent again, so the log's memory stays lent to them.  Nobody else may feel it.
Under namespaced.py only: over kernel sockets the kernel has a copy."""
import ctypes
import os
import socket
import struct

from broker import SMALL, Broker, counted
from case import Skip, case, check, equal, finish, until
from kafka import FETCH, NONE, PRODUCE, Connection, batch, records_of, topic_ready

CACHE = 8 << 20
RECORD = 1_000_000
# One hour: whoever waits for a peer that vanished to be closed for its own sake waits too long.
LIMITS = (f"cache.bytes={CACHE}", "socket.request.timeout.ms=3600000")
PEERS = 100  # each has a buffer for old records lent to it; there are fewer


def vanish(connection):
    """Nothing that comes for the socket is taken any more: nothing is acknowledged."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # return 0: drop
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
    connection.socket.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER


class Scene:
    def __init__(self, broker, topic):
        self.broker, self.topic = broker, topic
        topic_ready(broker.bootstrap, topic, 1)
        self.client = Connection(broker.bootstrap)
        self.lost = []
        self.data = batch([os.urandom(RECORD)])

    def produce(self, total):
        for _ in range(total // RECORD + 1):
            code, _ = self.client.produced(self.client.call(
                PRODUCE, 7, self.client.produce_body(self.topic, 0, self.data)))
            equal(code, NONE, "Produce")

    def asked(self):
        return counted(self.broker.stat(), "fetch_requests")

    def lose(self, offsets):
        """For each offset a peer that asks for what is there and vanishes."""
        peers = [Connection(self.broker.bootstrap) for _ in offsets]
        before = self.asked()
        for peer, offset in zip(peers, offsets):
            vanish(peer)
            peer.socket.sendall(peer.frame(FETCH, 4, peer.fetch_body(self.topic, 0, offset)))
        until("they have asked", 60, lambda: self.asked() >= before + len(peers))
        self.lost += peers

    def fetch(self, offset):
        code, _, data = self.client.fetch(self.topic, 0, offset)
        equal(code, NONE, "Fetch")
        check(records_of(data)[0][0] == offset, "first offset", records_of(data)[0][0])


def main():
    if "E2E_NET" not in os.environ:
        with case("vanished"):
            raise Skip("over net=dpdk only")
        finish()
    with Broker(SMALL, *LIMITS) as broker:
        scene = Scene(broker, "tail")
        with case("vanished: appends go on round what is lent to a peer that vanished"):
            scene.produce(CACHE // 2)
            scene.lose([2])
            scene.produce(4 * CACHE)
            equal(counted(broker.stat(), "send_stalled"), 0, "peers that were closed")
        with case("vanished: old records are read though all memory for them is lent to the lost"):
            scene.produce(PEERS * RECORD)
            scene.lose(range(PEERS))
            for offset in range(PEERS):
                scene.fetch(offset)
            check(counted(broker.stat(), "send_stalled") > 0, "no peer was closed")
    finish()


main()
