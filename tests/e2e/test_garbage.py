#!/usr/bin/env python3
"""Clients that send nonsense, send it slowly, or never read: they are answered with an error or a
closed connection, and a well-behaved client beside them notices nothing."""
import os
import random
import resource
import socket
import struct
import threading
import time
import zlib

from broker import counted, stamp, target
from case import case, check, equal, finish, until
from kafka import (API_VERSIONS, CREATE_TOPICS, FETCH, LIST_OFFSETS, METADATA, NONE, PRODUCE,
                   UNSUPPORTED_VERSION, Connection, Cursor, batch, crc32c, records_of, string,
                   topic_ready, varint)

ANSWER_SECONDS = 60
SEED = int(os.environ.get("E2E_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


class WellBehaved(threading.Thread):
    """Produces and fetches on two connections that it opens once; any error ends it."""

    def __init__(self, bootstrap, topic):
        super().__init__(daemon=True)
        self.bootstrap, self.topic = bootstrap, topic
        self.done, self.error, self.slowest = 0, None, 0.0
        self.stopping = threading.Event()

    def run(self):
        try:
            producer, consumer = Connection(self.bootstrap), Connection(self.bootstrap)
            while not self.stopping.is_set():
                began = time.monotonic()
                value = b"good %d" % self.done
                equal(producer.produce(self.topic, 0, [value]), (NONE, self.done), "produce")
                code, _, data = consumer.fetch(self.topic, 0, self.done)
                equal(code, NONE, "fetch")
                equal(records_of(data)[:1], [(self.done, value)], "fetched")
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.done += 1
                self.stopping.wait(0.005)
        except Exception as e:  # carried to the main thread
            self.error = e

    def undisturbed(self):
        """At least ten more round trips, and no error so far."""
        goal, deadline = self.done + 10, time.monotonic() + ANSWER_SECONDS
        while self.done < goal:
            check(self.error is None, "the good client failed:", repr(self.error))
            check(time.monotonic() < deadline, "the good client stands still")
            time.sleep(0.01)


class Scene:
    """The broker, the good client beside it, and the processes that must stay the same."""

    def __init__(self, broker):
        self.broker, self.run = broker, stamp()
        self.topic = f"garbage-{self.run}"
        topic_ready(broker.bootstrap, self.topic, 1)
        topic_ready(broker.bootstrap, self.topic + "-good", 1)
        self.good = WellBehaved(broker.bootstrap, self.topic + "-good")
        self.good.start()
        self.processes = broker.children() if broker.ours else None
        self.random = random.Random(SEED)

    def connect(self):
        return Connection(self.broker.bootstrap, timeout=ANSWER_SECONDS)

    def fine(self):
        self.good.undisturbed()
        if self.broker.ours:
            equal(self.broker.children(), self.processes, "processes")

    def counts(self, *names):
        """A context check: each of these counters grows over the body."""
        return Growth(self.broker, names)


class Growth:
    def __init__(self, broker, names):
        self.broker, self.names = broker, names

    def __enter__(self):
        if self.broker.ours:
            before = self.broker.stat()
            self.before = {n: counted(before, n) for n in self.names}

    def __exit__(self, kind, *_):
        if kind is None and self.broker.ours:
            for n in self.names:
                until(f"counter {n} has moved", ANSWER_SECONDS,
                      lambda: counted(self.broker.stat(), n) > self.before[n])


def closed(connection):
    """True when the broker closes without a byte of answer."""
    try:
        return connection.socket.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True
    finally:
        connection.close()


def send_raw(connection, data):
    try:
        connection.socket.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        pass  # refused while we were still sending: closed() sees the rest


def lengths(scene):
    for length in (-1, -2147483648, 0, 1, 7, 2147483647, 104857601):
        c = scene.connect()
        send_raw(c, struct.pack(">i", length) + b"\0" * 16)
        check(closed(c), f"length {length} was not answered by closing")
        scene.fine()


def truncated(scene):
    """Every prefix of a request whose length word is honest about the prefix."""
    c = scene.connect()
    body = Connection.produce_body(scene.topic, 0, batch([b"whole"]))
    whole = c.frame(PRODUCE, 7, body)[4:]
    c.close()
    for n in range(8, len(whole), 3):
        c = scene.connect()
        send_raw(c, struct.pack(">i", n) + whole[:n])
        try:
            answer = Cursor(c.receive())  # cut inside the records: an error for the partition
            answer.take("i")
            code, _ = Connection.produced(Cursor(b"\0\0\0\0" + answer.data[4:]))
            check(code != NONE, f"a request cut at {n} was accepted")
        except (ConnectionError, OSError):
            pass
        finally:
            c.close()
    scene.fine()


def answered_or_closed(connection):
    """Reads until a response, a close, or the end of patience: nonsense may be a long poll."""
    connection.socket.settimeout(0.3)
    try:
        connection.receive()
    except (OSError, ConnectionError, struct.error):
        pass
    finally:
        connection.close()


def random_bytes(scene):
    for i in range(300):
        c = scene.connect()
        n = scene.random.randrange(1, 400)
        send_raw(c, scene.random.randbytes(n) if i % 2
                 else struct.pack(">ihhi", n + 8, scene.random.randrange(0, 95),
                                  scene.random.randrange(0, 18), i) + scene.random.randbytes(n))
        c.socket.settimeout(0.05)
        try:
            c.socket.recv(1 << 16)
        except OSError:
            pass
        c.close()
    scene.fine()


def flipped_bits(scene):
    c = scene.connect()
    topic = f"garbage-flip-{scene.run}"
    topic_ready(scene.broker.bootstrap, topic, 1)
    frame = c.frame(PRODUCE, 7, Connection.produce_body(topic, 0, batch([b"x" * 50] * 3)))
    c.close()
    for _ in range(300):
        bit = scene.random.randrange(32, len(frame) * 8)
        bad = bytearray(frame)
        bad[bit // 8] ^= 1 << bit % 8
        c = scene.connect()
        send_raw(c, bytes(bad))
        answered_or_closed(c)
    scene.fine()
    c = scene.connect()
    code, high, data = c.fetch(topic, 0, 0, bytes_max=50 << 20)
    c.close()
    equal(code, NONE, "fetch after the flips")
    if high:
        check({v for _, v in records_of(data)} <= {b"x" * 50}, "a flipped record was stored")


def bad_batches(scene):
    """Batches whose own fields lie: each is an error, on a connection that stays."""
    good = batch([b"one", b"two"])

    def with_crc(b):
        return b[:17] + struct.pack(">I", crc32c(b[21:])) + b[21:]

    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = varint(len(b"\0" * 5) + (1 << 28)) + b"\0\0\0\1" + varint(1 << 28)
    packed = bomb.compress(zeros) + b"".join(bomb.compress(b"\0" * (1 << 20)) for _ in range(256)) \
        + bomb.flush()
    head = batch([b""])[:61]
    head = head[:8] + struct.pack(">i", 49 + len(packed)) + head[12:21] + struct.pack(">h", 1) \
        + head[23:]
    lies = {
        "crc": good[:17] + b"\0\0\0\0" + good[21:],
        "magic 1": good[:16] + b"\1" + good[17:],
        "magic 9": good[:16] + b"\x09" + good[17:],
        "record count": with_crc(good[:57] + struct.pack(">i", 1000) + good[61:]),
        "negative count": with_crc(good[:57] + struct.pack(">i", -5) + good[61:]),
        "last offset delta": with_crc(good[:23] + struct.pack(">i", 77) + good[27:]),
        "length": good[:8] + struct.pack(">i", 1 << 30) + good[12:],
        "short": good[:40],
        "unknown codec": with_crc(good[:21] + struct.pack(">h", 7) + good[23:]),
        "not gzip": with_crc(good[:21] + struct.pack(">h", 1) + good[23:]),
        "bomb": with_crc(head + packed),
    }
    for what, data in lies.items():
        c = scene.connect()
        try:
            code, _ = Connection.produced(
                c.call(PRODUCE, 7, Connection.produce_body(scene.topic, 0, data)))
            check(code != NONE or what == "bomb", f"a batch with a wrong {what} was accepted")
            if what not in ("short", "length"):
                c.api_versions()  # the connection goes on
        except ConnectionError:
            check(what in ("short", "length", "magic 1", "magic 9"), f"{what}: closed")
        finally:
            c.close()
        scene.fine()


def byte_at_a_time(scene):
    c = scene.connect()
    for api, version, body in ((API_VERSIONS, 0, b""),
                               (METADATA, 4, struct.pack(">i", 0) + b"\0"),
                               (PRODUCE, 7, Connection.produce_body(
                                   scene.topic, 0, batch([b"drop by drop"])))):
        for b in c.frame(api, version, body):
            c.socket.sendall(bytes([b]))
            time.sleep(0.0005)
        answer = Cursor(c.receive())
        equal(answer.take("i"), c.correlation, "correlation")
        if api == PRODUCE:
            equal(Connection.produced(Cursor(answer.data[4:]))[0], NONE, "produced")
    c.close()
    scene.fine()


def half_requests(scene):
    """Half a request on 100 connections, silence, then the other half: all are answered."""
    waiting = []
    for _ in range(100):
        c = scene.connect()
        frame = c.frame(PRODUCE, 7,
                        Connection.produce_body(scene.topic, 0, batch([b"y" * 2000])))
        c.socket.sendall(frame[:len(frame) // 2])
        waiting.append((c, frame))
    scene.fine()
    for c, frame in waiting:
        c.socket.sendall(frame[len(frame) // 2:])
    for c, _ in waiting:
        answer = Cursor(c.receive())
        answer.take("i")
        equal(Connection.produced(answer)[0], NONE, "produced by halves")
        c.close()


def versions(scene):
    c = scene.connect()
    offered = c.api_versions()
    c.socket.sendall(c.frame(API_VERSIONS, 99, b"\0\0\0"))
    answer = Cursor(c.receive())
    equal(answer.take("i"), c.correlation, "correlation")
    code, count = answer.take("hi")
    equal(code, UNSUPPORTED_VERSION, "error code")
    rows = {}
    for _ in range(count):
        key, least, most = answer.take("hhh")
        rows[key] = (least, most)
    equal(rows[API_VERSIONS], offered[API_VERSIONS], "ApiVersions range")
    equal(answer.at, len(answer.data), "v0 body has no more bytes")
    equal(c.api_versions(), offered, "the connection goes on")
    c.close()


def unknown_api(scene):
    for api, version in ((9999, 0), (-1, 0), (METADATA, 99), (PRODUCE, 99), (FETCH, -1),
                         (CREATE_TOPICS, 500), (LIST_OFFSETS, 99)):
        c = scene.connect()
        send_raw(c, c.frame(api, version, b"\0" * 32))
        check(closed(c), f"api {api} version {version} was not answered by closing")
    scene.fine()


def many_connections(scene):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    held = [scene.connect() for _ in range(2000)]
    scene.fine()
    for c in held[::20]:
        check(c.api_versions(), "one of 2000 connections")
    for i, c in enumerate(held):
        if i % 2:  # half of them by a reset
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    for _ in range(500):  # and as fast as they come
        scene.connect().close()
    scene.fine()


def never_reading(scene):
    """60 connections ask for megabytes, again and again, and read nothing."""
    topic = f"garbage-unread-{scene.run}"
    topic_ready(scene.broker.bootstrap, topic, 1)
    c = scene.connect()
    big = batch([b"z" * 100000] * 9)
    for _ in range(4):
        equal(Connection.produced(c.call(
            PRODUCE, 7, Connection.produce_body(topic, 0, big)))[0], NONE, "fill")
    c.close()
    held = []
    for _ in range(60):
        c = scene.connect()
        c.socket.setblocking(False)
        requests = b"".join(c.frame(FETCH, 4, Connection.fetch_body(topic, 0, 0, bytes_max=4 << 20))
                            + c.frame(METADATA, 4, struct.pack(">i", -1) + b"\0")
                            for _ in range(200))
        try:
            c.socket.send(requests)
        except BlockingIOError:
            pass
        held.append(c)
    for _ in range(20):
        scene.good.undisturbed()
    for c in held:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    scene.fine()


def gone_in_flight(scene):
    """Pipelines of large produces and of fetches whose client is gone, and new ones at once."""
    topic = f"garbage-gone-{scene.run}"
    topic_ready(scene.broker.bootstrap, topic, 4)
    data = batch([b"g" * 60000] * 4)
    for round_ in range(30):
        held = [scene.connect() for _ in range(8)]
        for i, c in enumerate(held):
            c.socket.setblocking(False)
            body = Connection.produce_body(topic, i % 4, data)
            pipeline = b"".join(
                c.frame(PRODUCE, 7, body) if i < 6 else
                c.frame(FETCH, 4, Connection.fetch_body(topic, i % 4, 0)) for _ in range(8))
            try:
                c.socket.send(pipeline)
            except BlockingIOError:
                pass
        for c in held:
            if round_ % 2:
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
    scene.fine()


def many_topics_in_one_request(scene):
    """A Metadata request with a count of topics that its bytes cannot hold, and one with many."""
    c = scene.connect()
    send_raw(c, c.frame(METADATA, 4, struct.pack(">i", 2147483647) + b"\0\1a\0"))
    check(closed(c), "a count that lies was not answered by closing")
    c = scene.connect()
    names = b"".join(string(f"no-such-topic-{i}") for i in range(5000))
    c.call(METADATA, 4, struct.pack(">i", 5000) + names + b"\0")
    c.close()
    scene.fine()


def main():
    print(f"# E2E_SEED={SEED}")
    with target("max.connections=4096") as broker:
        scene = Scene(broker)
        with case("garbage: impossible lengths close the connection"):
            with scene.counts("request_size"):
                lengths(scene)
        with case("garbage: a request cut anywhere is refused"):
            with scene.counts("request_body"):
                truncated(scene)
        with case("garbage: random bytes"):
            random_bytes(scene)
        with case("garbage: one bit flipped"):
            flipped_bits(scene)
        with case("garbage: batches that lie about themselves"):
            with scene.counts("batch_corrupt", "batch_record"):
                bad_batches(scene)
        with case("garbage: requests sent a byte at a time are answered"):
            byte_at_a_time(scene)
        with case("garbage: half a request, silence, the other half"):
            half_requests(scene)
        with case("garbage: ApiVersions of an unknown version gets the v0 body and error 35"):
            versions(scene)
        with case("garbage: unknown api keys and versions close the connection"):
            with scene.counts("request_api", "request_version"):
                unknown_api(scene)
        with case("garbage: counts that lie, and thousands of unknown topics"):
            many_topics_in_one_request(scene)
        with case("garbage: 2000 connections open and close"):
            with scene.counts("connections_opened", "connections_closed"):
                many_connections(scene)
        with case("garbage: clients that are gone while their requests are in flight"):
            gone_in_flight(scene)
        with case("garbage: connections that never read"):
            never_reading(scene)
        with case("garbage: the good client was served throughout"):
            scene.good.stopping.set()
            scene.good.join(ANSWER_SECONDS)
            check(scene.good.error is None, repr(scene.good.error))
            check(scene.good.slowest < ANSWER_SECONDS, f"slowest round trip {scene.good.slowest}")
            print(f"# {scene.good.done} round trips, slowest {scene.good.slowest * 1000:.0f} ms")
            broker.alive()
    finish()


main()
