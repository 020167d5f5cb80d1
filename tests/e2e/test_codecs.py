#!/usr/bin/env python3
"""compression.type: every codec that a producer sends against every codec that a topic stores.

librdkafka (kcat) produces and consumes; the batches that a Fetch gives carry the codec that is
stored; Kafka's own tool reads the segments."""
import os
import pathlib
import re
import struct
import subprocess

from broker import stamp, target
from case import case, check, equal, finish, until
from kafka import NONE, Connection, string, topic_ready

HERE = pathlib.Path(__file__).parent
LINES = 500
SENT = ("none", "gzip", "snappy", "lz4", "zstd")
STORED = {"producer": None, "uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
ALTER, TOPIC, SET, SECONDS, MESSAGE_TOO_LARGE = 44, 2, 0, 20, 10
UNSUPPORTED_COMPRESSION = 76


def alter(c, topic, **settings):
    body = struct.pack(">ib", 1, TOPIC) + string(topic) + struct.pack(">i", len(settings))
    for key, value in settings.items():
        body += string(key.replace("_", ".")) + struct.pack(">b", SET) + string(value)
    r = c.call(ALTER, 0, body + b"\0")
    r.take("ii")
    equal((r.take("h"), r.string()), (NONE, None), f"{topic}: {settings}")


def kcat(bootstrap, *arguments, data=None):
    done = subprocess.run(["kcat", "-b", bootstrap, "-m", "30", *arguments], input=data,
                          capture_output=True, timeout=90)
    check(done.returncode == 0, "kcat", *arguments, done.stderr.decode(errors="replace"))
    return done.stdout


def fetched(c, topic, offset=0):
    """The bytes of whole batches from there on; version 11, which brings zstd."""
    r = c.call(1, 11, struct.pack(">iiiibii", -1, 500, 1, 50 << 20, 0, 0, -1)
               + struct.pack(">i", 1) + string(topic)
               + struct.pack(">iiiqqi", 1, 0, -1, offset, -1, 50 << 20)
               + struct.pack(">i", 0) + string(""))
    r.take("ihi")
    equal(r.take("i"), 1, "topics")
    r.string()
    _, _, code, _, _, _ = r.take("iihqqq")
    for _ in range(max(r.take("i"), 0)):
        r.take("qq")
    r.take("i")
    equal(code, NONE, "fetch")
    return r.blob()


def codecs(data):
    """Codec of each whole batch."""
    found, at = [], 0
    while at + 61 <= len(data):
        length, = struct.unpack_from(">i", data, at + 8)
        found.append(struct.unpack_from(">h", data, at + 21)[0] & 7)
        at += 12 + length
    return found


def produce(bootstrap, topic, codec, lines):
    """In whole batches, however slowly the lines come: a small one would not be compressed."""
    count = min(lines.count(b"\n"), LINES)
    kcat(bootstrap, "-P", "-t", topic, "-p", "0", "-z", codec, "-X", "linger.ms=30000", "-X",
         f"batch.num.messages={count}", "-X", "acks=all", data=lines)


def lines_of(codec):
    """They compress: librdkafka sends a batch as it is when its codec does not make it smaller."""
    return b"".join(b"%s %06d %s\n" % (codec.encode(), i, b"again and " * 8) for i in range(LINES))


def stores(c, topic, code):
    """True when the next batch got that codec (of a record that came without); and its offset."""
    error, first = c.produce(topic, 0, [b"probe"])
    equal(error, NONE, "produce")
    return codecs(fetched(c, topic, first))[-1] == code and first + 1


def matrix(c, bootstrap, stored, code):
    topic = f"codec-{stored}-{stamp()}"
    topic_ready(bootstrap, topic, 1)
    alter(c, topic, compression_type=stored)
    wanted = b""
    start = at = until("the topic is set", SECONDS, lambda: stores(c, topic, code or 0))
    for sent in SENT:
        produce(bootstrap, topic, sent, lines_of(sent))
        wanted += lines_of(sent)
        found = set(codecs(fetched(c, topic, at)))
        equal(found, {SENT.index(sent) if code is None else code}, f"{sent} stored as")
        at += LINES
    equal(kcat(bootstrap, "-C", "-e", "-q", "-t", topic, "-p", "0", "-o", str(start)), wanted,
          "consumed")


def live(c, bootstrap):
    """The codec of a topic changes while it is used; what is stored stays."""
    topic = f"codec-live-{stamp()}"
    topic_ready(bootstrap, topic, 1)
    produce(bootstrap, topic, "gzip", lines_of("gzip"))
    alter(c, topic, compression_type="zstd")

    until("the topic stores zstd", SECONDS, lambda: stores(c, topic, STORED["zstd"]))
    equal(codecs(fetched(c, topic))[0], STORED["gzip"], "the first batch")


def limits(c, bootstrap):
    """The size counts before and after: 20,000 equal bytes are few when packed."""
    topic = f"codec-limit-{stamp()}"
    topic_ready(bootstrap, topic, 1)
    alter(c, topic, compression_type="uncompressed", max_message_bytes="15000")
    small, large = b"small\n", b"y" * 20000 + b"\n"
    until("the topic is set", SECONDS,
          lambda: c.produce(topic, 0, [b"z" * 16000])[0] == MESSAGE_TOO_LARGE)
    error, first = c.produce(topic, 0, [b"behind what was taken before"])
    equal(error, NONE, "produce")
    produce(bootstrap, topic, "gzip", small)
    done = subprocess.run(["kcat", "-b", bootstrap, "-P", "-t", topic, "-p", "0", "-z", "gzip"],
                          input=large, capture_output=True, timeout=90)
    check(b"too large" in done.stderr.lower() or done.returncode != 0, "accepted:", done.stderr)
    equal(kcat(bootstrap, "-C", "-e", "-q", "-t", topic, "-p", "0", "-o", str(first + 1)), small,
          "stored")


def levels(c, bootstrap):
    """A higher level packs the same records tighter."""
    sizes = {}
    text = b"".join(b"%d %x %o\n" % (i, i * 7919, i * i) for i in range(20000))
    for codec, low, high in (("gzip", "1", "9"), ("lz4", "9", "17"), ("zstd", "1", "19")):
        for level in (low, high):
            topic = f"codec-level-{codec}-{level}-{stamp()}"
            topic_ready(bootstrap, topic, 1)
            alter(c, topic, **{"compression_type": codec, f"compression_{codec}_level": level})
            start = until("the topic is set", SECONDS,
                          lambda name=topic: stores(c, name, STORED[codec]))
            produce(bootstrap, topic, "none", text)
            sizes[level] = len(fetched(c, topic, start))
        check(sizes[high] < sizes[low], codec, sizes)


def old_clients(c, bootstrap):
    """A producer of before zstd cannot have meant it: Produce 6 is refused, 7 is not."""
    topic = f"codec-old-{stamp()}"
    topic_ready(bootstrap, topic, 1)
    produce(bootstrap, topic, "zstd", lines_of("zstd"))
    data = fetched(c, topic)
    equal(codecs(data), [STORED["zstd"]], "one batch of zstd")
    data = struct.pack(">q", 0) + data[8:]
    for version, wanted in ((6, UNSUPPORTED_COMPRESSION), (7, NONE)):
        code, _ = c.produced(c.call(0, version, c.produce_body(topic, 0, data)))
        equal(code, wanted, f"Produce {version}")


def dumped(segment):
    """{codec: batches} that Kafka's own tool finds, each with a good crc, and how many records."""
    folder = pathlib.Path(os.environ.get("TOOLS_JARS", "build/tests/e2e/tools"))
    subprocess.run([str(HERE / "jars.sh"), "tools", str(folder)], check=True)
    done = subprocess.run(["java", "-Xmx256m", "-cp", f"{folder}/*",
                           "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration",
                           "--files", str(segment)], capture_output=True, text=True, timeout=120)
    equal(done.returncode, 0, f"DumpLogSegments: {done.stderr}")
    check("isvalid: false" not in done.stdout, "a bad crc:", done.stdout)
    found = re.findall(r"^baseOffset: .*compresscodec: (\w+) .*isvalid: true$", done.stdout, re.M)
    return {c: found.count(c) for c in found}, len(re.findall(r"^\| offset:", done.stdout, re.M))


def kafkas_tool_reads_them(broker):
    """One topic whose codec changes; every batch was recompressed from another codec."""
    c = Connection(broker.bootstrap)
    topic = f"codec-dump-{stamp()}"
    topic_ready(broker.bootstrap, topic, 1)
    count = 0
    for stored in ("gzip", "snappy", "lz4", "zstd", "uncompressed"):
        alter(c, topic, compression_type=stored)
        sent = "gzip" if stored == "uncompressed" else "none"
        until("the topic is set", SECONDS,
              lambda name=stored: stores(c, topic, STORED[name]))
        produce(broker.bootstrap, topic, sent, lines_of(sent))
        count += LINES
    _, end = c.produce(topic, 0, [b"end"])
    c.close()
    equal(broker.stop(), 0, "exit code")
    segments = [p for p in (broker.data / "log").glob("*/0/*.log") if p.stat().st_size > count]
    found = [dumped(p) for p in segments]
    check(any(records == end + 1 and
              set(codecs) == {"gzip", "snappy", "lz4", "zstd", "none"}
              for codecs, records in found), found, "records wanted:", end + 1)


def main():
    with target() as broker:
        c = Connection(broker.bootstrap)
        for stored, code in STORED.items():
            with case(f"codecs: {stored} from every codec, consumed unchanged"):
                matrix(c, broker.bootstrap, stored, code)
        with case("codecs: compression.type changes without a restart"):
            live(c, broker.bootstrap)
        with case("codecs: max.message.bytes holds for what is stored"):
            limits(c, broker.bootstrap)
        with case("codecs: the level reaches the codec"):
            levels(c, broker.bootstrap)
        with case("codecs: zstd is refused from clients that cannot know it"):
            old_clients(c, broker.bootstrap)
        c.close()
        if broker.ours:
            with case("codecs: DumpLogSegments reads every batch that was recompressed"):
                kafkas_tool_reads_them(broker)
    finish()


if __name__ == "__main__":
    main()
