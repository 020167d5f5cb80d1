#!/usr/bin/env python3
"""kcat (librdkafka's command line) produces and consumes unchanged."""
import json
import pathlib
import subprocess
import tempfile
import time

from broker import stamp, target
from case import case, check, equal, finish
from kafka import topic_ready

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Kcat:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def run(self, *arguments, data=None):
        done = subprocess.run(["kcat", "-b", self.bootstrap, "-m", "30", *arguments], input=data,
                              capture_output=True, timeout=90)
        check(done.returncode == 0, "kcat", *arguments, "ended with", done.returncode,
              done.stderr.decode(errors="replace"))
        return done.stdout

    def produce(self, topic, text, *options):
        self.run("-P", "-t", topic, *options, data=text)

    def consume(self, topic, *options):
        return self.run("-C", "-e", "-q", "-t", topic, *options)

    def rows(self, topic, *options):
        """Messages as kcat's JSON objects."""
        return [json.loads(l) for l in self.consume(topic, "-J", *options).splitlines()]


def round_trip(kcat, topic):
    lines = [f"line {i} \u00fc\u20ac" for i in range(1000)]
    kcat.produce(topic, "\n".join(lines).encode() + b"\n", "-p", "0", "-X", "acks=all")
    got = kcat.consume(topic, "-p", "0", "-o", "beginning").decode().splitlines()
    equal(got, lines, "messages")


def keys_and_nulls(kcat, topic):
    kcat.produce(topic, b"k1:v1\nk2:v2\nk3:\n:v4\n", "-p", "0", "-K", ":", "-Z")
    rows = kcat.rows(topic, "-p", "0")
    equal([(r["key"], r["payload"]) for r in rows],
          [("k1", "v1"), ("k2", "v2"), ("k3", None), (None, "v4")], "keys and values")
    equal([r["offset"] for r in rows], [0, 1, 2, 3], "offsets")


def headers(kcat, topic):
    kcat.produce(topic, b"with headers\n", "-p", "0", "-H", "a=1", "-H", "empty=", "-H", "a=2")
    rows = kcat.rows(topic, "-p", "0")
    equal(rows[0]["headers"], ["a", "1", "empty", "", "a", "2"], "headers")


def codec(kcat, topic, name):
    payload = b"".join(b"%06d %s\n" % (i, b"compressible " * 8) for i in range(2000))
    kcat.produce(topic, payload, "-p", "0", "-z", name, "-X", "acks=all", "-X", "linger.ms=20")
    equal(kcat.consume(topic, "-p", "0"), payload, f"{name}: bytes")


def offsets(kcat, topic):
    kcat.produce(topic, b"".join(b"m%d\n" % i for i in range(100)), "-p", "0")
    equal(kcat.consume(topic, "-p", "0", "-o", "beginning", "-c", "3"), b"m0\nm1\nm2\n", "first")
    equal(kcat.consume(topic, "-p", "0", "-o", "97"), b"m97\nm98\nm99\n", "from 97")
    equal(kcat.consume(topic, "-p", "0", "-o", "-2"), b"m98\nm99\n", "two before the end")
    equal(kcat.consume(topic, "-p", "0", "-o", "end"), b"", "at the end")
    for asked, wanted in ((-1, "offset 100"), (-2, "offset 0")):
        out = kcat.run("-Q", "-t", f"{topic}:0:{asked}").decode()
        check(out.strip().endswith(wanted), f"offset {asked}:", out)


def by_time(kcat, topic):
    marks = []
    for i in range(3):
        # Record times are milliseconds: leave a gap on both sides of each mark.
        time.sleep(0.02)
        marks.append(int(time.time() * 1000))
        time.sleep(0.02)
        kcat.produce(topic, b"t%d\n" % i, "-p", "0")
    equal(kcat.consume(topic, "-p", "0", "-o", f"s@{marks[1]}"), b"t1\nt2\n", "from a mark")
    equal(kcat.consume(topic, "-p", "0", "-o", f"s@{marks[0]}", "-o", f"e@{marks[2]}"),
          b"t0\nt1\n", "between two marks")
    out = kcat.run("-Q", "-t", f"{topic}:0:{marks[2]}").decode()
    check("offset 2" in out, "offset by time:", out)


def metadata(kcat, topic, partitions):
    data = json.loads(kcat.run("-L", "-J", "-t", topic))
    check(len(data["brokers"]) == 1, "brokers:", data["brokers"])
    equal(data["brokers"][0]["name"], kcat.bootstrap, "advertised name")
    rows = data["topics"][0]["partitions"]
    equal(sorted(r["partition"] for r in rows), list(range(partitions)), "partitions")
    leader = data["brokers"][0]["id"]
    check(all(r["leader"] == leader for r in rows), "leaders:", rows)
    check(all([i["id"] for i in r["isrs"]] == [leader] for r in rows), "isrs:", rows)


def several_partitions(kcat, topics):
    for t in topics:
        text = b"".join(b"key%d:%s-%d\n" % (i, t.encode(), i) for i in range(300))
        kcat.produce(t, text, "-K", ":", "-X", "partitioner=murmur2_random")
    for t in topics:
        rows = kcat.rows(t)
        equal(sorted(r["payload"] for r in rows), sorted(f"{t}-{i}" for i in range(300)), t)
        check(len({r["partition"] for r in rows}) == 4, "every partition got some")
        for p in range(4):
            seen = [r["offset"] for r in rows if r["partition"] == p]
            equal(seen, list(range(len(seen))), f"{t} partition {p}: offsets")


def identical_bytes(kcat, topic, folder):
    # One message of every byte but the delimiter, and one of 200 kB.
    files = []
    for name, content in (("all", bytes(range(256)) * 40), ("big", b"0123456789abcdef" * 12800)):
        path = folder / name
        path.write_bytes(content)
        files.append((str(path), content))
    kcat.run("-P", "-t", topic, "-p", "0", *[f for f, _ in files])
    for i, (_, content) in enumerate(files):
        equal(kcat.consume(topic, "-p", "0", "-o", str(i), "-c", "1", "-D", ""), content,
              f"file {i}")


def main():
    with target("num.partitions=1") as broker, tempfile.TemporaryDirectory() as folder:
        kcat, run = Kcat(broker.bootstrap), stamp()

        def topic(name, partitions=1):
            full = f"kcat-{name}-{run}"
            topic_ready(broker.bootstrap, full, partitions)
            return full

        with case("kcat: 1000 messages come back in order"):
            round_trip(kcat, topic("plain"))
        with case("kcat: keys, null keys and null values"):
            keys_and_nulls(kcat, topic("keys"))
        with case("kcat: headers in order, empty and repeated"):
            headers(kcat, topic("headers"))
        for name in CODECS:
            with case(f"kcat: codec {name}"):
                codec(kcat, topic(f"codec-{name}"), name)
        with case("kcat: beginning, end, absolute and relative offsets"):
            offsets(kcat, topic("offsets"))
        with case("kcat: offsets by time"):
            by_time(kcat, topic("time"))
        with case("kcat: metadata of a topic with four partitions"):
            metadata(kcat, topic("meta", 4), 4)
        with case("kcat: two topics of four partitions"):
            several_partitions(kcat, [topic("several-a", 4), topic("several-b", 4)])
        with case("kcat: every byte value and a large message come back identical"):
            identical_bytes(kcat, topic("bytes"), pathlib.Path(folder))
        with case("kcat: producing to a topic that does not exist creates it"):
            name = f"kcat-auto-{run}"
            kcat.produce(name, b"first\n")
            equal(kcat.consume(name), b"first\n", "message")
    finish()


main()
