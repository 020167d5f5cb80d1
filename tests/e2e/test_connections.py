#!/usr/bin/env python3
"""Limits of connections, as Kafka has them: of all, of one address, and of how many come in a
second; set at the start, and while the broker runs.  Cores share them, so each case opens enough
connections to meet several cores."""
import contextlib
import os
import socket
import struct
import subprocess
import time

from broker import Broker
from case import case, check, equal, finish, until
from kafka import NONE, Connection, string

ALTER_CLIENT_QUOTAS, ALTER_CONFIGS, BROKER = 49, 44, 4
SET, DELETE = 0, 1
# Silence for so long is taken for "not served"; what is to be served is waited for much longer.
SILENCE_SECONDS, SECONDS = 1, 30


def second_address():
    """Another address of this client."""
    if "E2E_NET" not in os.environ:
        return "127.0.0.2"
    subprocess.run(["ip", "addr", "replace", "10.77.0.9/24", "dev", "sl0"], check=True)
    return "10.77.0.9"


class Knock(Connection):
    """A connection that may not be served; ApiVersions is asked at once."""

    def __init__(self, bootstrap, source=None):
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=SECONDS,
                                               source_address=(source, 0) if source else None)
        self.correlation = 0
        with contextlib.suppress(OSError):
            self.socket.sendall(self.frame(18, 0, b""))

    def heard(self, seconds):
        """"served", "closed" or "nothing" within so many seconds."""
        self.socket.settimeout(seconds)
        try:
            return "served" if self.socket.recv(1 << 16) else "closed"
        except TimeoutError:
            return "nothing"
        except ConnectionError:
            return "closed"

    def served(self):
        equal(self.heard(SECONDS), "served", "a connection within the limits")
        return self

    def closed(self):
        equal(self.heard(SECONDS), "closed", "a connection beyond the limits")
        self.close()

    def waits(self):
        equal(self.heard(SILENCE_SECONDS), "nothing", "a connection without a place")
        return self


@contextlib.contextmanager
def several(*connections):
    try:
        yield connections
    finally:
        for c in connections:
            c.close()


def alter(c, *settings):
    body = struct.pack(">ib", 1, BROKER) + string("1") + struct.pack(">i", len(settings))
    for key, how, value in settings:
        body += string(key) + struct.pack(">b", how) + string(value)
    c = c.call(ALTER_CONFIGS, 0, body + b"\0")
    c.take("ii")
    return c.take("h"), c.string()


def quota(c, address, rate):
    """connection_creation_rate of an address, None: the default; rate None: removes it."""
    body = struct.pack(">ii", 1, 1) + string("ip") + string(address) + struct.pack(">i", 1) \
        + string("connection_creation_rate") + struct.pack(">dbb", rate or 0, rate is None, 0)
    c = c.call(ALTER_CLIENT_QUOTAS, 0, body)
    c.take("ii")
    return c.take("h"), c.string()


def counter(broker, name):
    seen = broker.stat()
    return {**seen["counters"], **seen["drops"]}[name]["sum"]


def gone(broker, count):
    """Places of connections that were closed come back when the broker has seen it."""
    until(f"{count} connections are open", SECONDS,
          lambda: counter(broker, "connections_open") == count)


def of_all(broker):
    first = [Knock(broker.bootstrap).served() for _ in range(4)]
    with several(*first), several(*[Knock(broker.bootstrap) for _ in range(3)]) as late:
        for c in late:
            c.waits()
        first[0].close()
        until("one that waited is served", SECONDS,
              lambda: [c for c in late if c.heard(0.2) == "served"])
        until("it was counted", SECONDS, lambda: counter(broker, "connections_delayed") >= 3)
    gone(broker, 0)


def lowered(broker):
    """Of those of one core the one unused longest goes: which core, is chance."""
    with several(*[Knock(broker.bootstrap).served() for _ in range(3)]) as old:
        admin = Knock(broker.bootstrap).served()
        equal(alter(admin, ("max.connections", SET, "2")), (NONE, None), "alter")
        until("two are closed", SECONDS,
              lambda: counter(broker, "connection_limit") == 2)
        heard = [c.heard(SILENCE_SECONDS) for c in (*old, admin)]
        equal(sorted(heard), ["closed", "closed", "nothing", "nothing"], "what became of them")
        admin.close()
    gone(broker, 0)
    admin = Connection(broker.bootstrap)
    equal(alter(admin, ("max.connections", DELETE, None)), (NONE, None), "back")
    admin.close()
    gone(broker, 0)


def of_an_address(broker, other):
    with several(*[Knock(broker.bootstrap, other).served() for _ in range(2)]):
        for _ in range(4):
            Knock(broker.bootstrap, other).closed()
        check(counter(broker, "connection_address") >= 4, "not counted")
        Knock(broker.bootstrap).served().close()  # the others have no such limit
    gone(broker, 0)
    Knock(broker.bootstrap, other).served().close()


def of_an_address_altered(broker, other):
    admin = Connection(broker.bootstrap)
    key = "max.connections.per.ip"
    equal(alter(admin, (f"{key}.overrides", SET, f"{other}:1")), (NONE, None), "overrides")
    # A moment later it is obeyed.
    def refused():
        with several(Knock(broker.bootstrap, other).served(), Knock(broker.bootstrap, other)) as c:
            return c[1].heard(SECONDS) == "closed"
    until("one is too many", SECONDS, refused)
    equal(alter(admin, (f"{key}.overrides", SET, "nobody:1"))[0], 42, "not an address")
    equal(alter(admin, (f"{key}.overrides", DELETE, None)), (NONE, None), "back")
    admin.close()
    gone(broker, 0)


def rate_of_an_address(broker, other):
    admin = Connection(broker.bootstrap)
    equal(quota(admin, "nobody.example", 1)[0], 42, "not an address")
    equal(quota(admin, other, 1), (NONE, None), "quota")
    # One a second, and ten at once: a window of ten seconds, as Kafka has it.
    def over():
        with several(*[Knock(broker.bootstrap, other) for _ in range(16)]) as c:
            return "closed" in [k.heard(SECONDS) for k in c]
    until("an address is over its rate", SECONDS, over)
    check(counter(broker, "connection_rate") >= 1, "not counted")
    for _ in range(20):
        Knock(broker.bootstrap).served().close()
    equal(quota(admin, other, None), (NONE, None), "removed")
    until("nobody is over", SECONDS, lambda: not over())
    admin.close()


def rate_of_all(broker):
    """One a second, and ten at once: twelve take two seconds and more."""
    began = time.monotonic()
    with several(*[Knock(broker.bootstrap) for _ in range(14)]) as all_of_them:
        for c in all_of_them:
            c.served()
    took = time.monotonic() - began
    check(took >= 1, f"{took:.1f} s for more connections than the rate lets in at once")
    check(counter(broker, "connections_delayed") >= 1, "not counted")


def main():
    other = second_address()
    with Broker("max.connections=4") as broker:
        with case("connections: beyond max.connections one waits until another ends"):
            of_all(broker)
        with case("connections: a lowered max.connections closes those unused longest"):
            lowered(broker)
    with Broker(f"max.connections.per.ip.overrides={other}:2") as broker:
        with case("connections: beyond its own limit an address is refused at once"):
            of_an_address(broker, other)
        with case("connections: limits of addresses can be altered"):
            of_an_address_altered(broker, other)
    with Broker() as broker:
        with case("connections: an address over its rate is closed, and no other waits"):
            rate_of_an_address(broker, other)
    with Broker("max.connection.creation.rate=1") as broker:
        with case("connections: beyond the rate of all they wait, and all are served"):
            rate_of_all(broker)
    finish()


main()
