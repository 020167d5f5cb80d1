#!/usr/bin/env python3
"""DescribeConfigs and IncrementalAlterConfigs as Apache Kafka answers them.

configs.golden is what Kafka 4.3.1 says of a new topic's keys, and of the broker keys that Sluice
has too: name, type, default, source, synonyms.  Sluice is compared with it; what may differ stands
in the tables of docs/topics.md.  Against Kafka (make compat-oracle) the golden file itself is
checked, and `E2E_BOOTSTRAP=host:port python3 test_configs.py --golden` writes it anew."""
import pathlib
import re
import struct
import sys
import time

from broker import stamp, target
from case import case, check, equal, finish, until
from kafka import NONE, Connection, batch, string, topic_ready

HERE = pathlib.Path(__file__).parent
GOLDEN, DOCUMENT = HERE / "configs.golden", HERE.parent.parent / "docs" / "topics.md"
DESCRIBE, ALTER = 32, 44
TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_TOPIC, INVALID_CONFIG, INVALID_REQUEST = 3, 10, 17, 40, 42
OF_TOPIC, OF_BROKER_NOW, OF_BROKERS, OF_BROKER, DEFAULT = 1, 2, 3, 4, 5
SECONDS = 20


class Entry:
    def __init__(self, c, version):
        self.name, self.value = c.string(), c.string()
        self.read_only, self.source, self.sensitive = c.take("bbb")
        self.synonyms = [(c.string(), c.string(), c.take("b")) for _ in range(max(c.take("i"), 0))]
        self.type, self.text = (c.take("b"), c.string()) if version >= 3 else (None, None)

    def line(self, kind):
        """Without what depends on how a broker was started."""
        if kind == TOPIC:
            synonyms = ",".join(f"{n}={v}@{s}" for n, v, s in self.synonyms)
            return f"topic|{self.name}|{self.type}|{self.value}|{self.source}|{self.read_only}" \
                f"|{self.sensitive}|{synonyms}"
        default = [v for n, v, s in self.synonyms if s == DEFAULT]
        return f"broker|{self.name}|{self.type}|{default[0] if default else None}|{self.sensitive}"


class Configs(Connection):
    def describe(self, kind, name, keys=None, synonyms=True, texts=False, version=3):
        """Error code, message and [Entry]."""
        asked = struct.pack(">i", -1) if keys is None else \
            struct.pack(">i", len(keys)) + b"".join(string(k) for k in keys)
        c = self.call(DESCRIBE, version, struct.pack(">ib", 1, kind) + string(name) + asked
                      + struct.pack(">b", synonyms)
                      + (struct.pack(">b", texts) if version >= 3 else b""))
        _, count, code = c.take("iih")
        equal(count, 1, "results")
        message, _, _ = c.string(), c.take("b"), c.string()
        return code, message, [Entry(c, version) for _ in range(c.take("i"))]

    def alter(self, name, *settings, kind=TOPIC, validate=False):
        """Error code and message."""
        body = struct.pack(">ib", 1, kind) + string(name) + struct.pack(">i", len(settings))
        for key, how, value in settings:
            body += string(key) + struct.pack(">b", how) + string(value)
        c = self.call(ALTER, 0, body + struct.pack(">b", validate))
        c.take("ii")
        return c.take("h"), c.string()

    def entry(self, topic, key):
        code, _, rows = self.describe(TOPIC, topic, [key])
        equal((code, len(rows)), (NONE, 1), key)
        return rows[0]

    def became(self, topic, key, value):
        until(f"{key} is {value}", SECONDS, lambda: self.entry(topic, key).value == value)


def deviations():
    """{key: difference} of the tables of the document."""
    rows = re.findall(r"^\| `([a-z.]+)` \| ([^|]+) \| [^|]+ \|$", DOCUMENT.read_text(), re.M)
    check(len(rows) > 5, "no table in", DOCUMENT)
    return dict(rows)


def golden(kind):
    lines = GOLDEN.read_text().splitlines()
    return {line.split("|")[1]: line for line in lines if line.startswith(f"{kind}|")}


def described(c, kind, name):
    code, message, rows = c.describe(kind, name)
    equal((code, message or None), (NONE, None), "describe")
    return {r.name: r for r in rows}


def topic_keys(c, topic, ours):
    got, wanted = described(c, TOPIC, topic), golden("topic")
    free = deviations() if ours else {}
    equal(sorted(set(got) - set(free)), sorted(set(wanted) - set(free)), "keys")
    for name in sorted(set(wanted) - set(free)):
        equal(got[name].line(TOPIC), wanted[name], name)
    # What differs is no more than the table says: type and value are Kafka's all the same.
    for name in sorted(set(wanted) & set(free)):
        equal(got[name].line(TOPIC).split("|")[:4], wanted[name].split("|")[:4], name)


def broker_keys(c, ours):
    got, wanted = described(c, BROKER, "1"), golden("broker")
    free = deviations() if ours else {}
    check(len(wanted) > 15, "golden broker keys:", len(wanted))
    for name in sorted(wanted):
        check(name in got, "no broker key", name)
        # The default may differ as the table says; name, type and sensitivity may not.
        line, same = got[name].line(BROKER).split("|"), wanted[name].split("|")
        if name in free:
            line[3] = same[3] = "*"
        equal(line, same, name)


def write_golden(c, topic):
    shared = golden("broker")
    lines = [r.line(TOPIC) for r in described(c, TOPIC, topic).values()] + \
        [r.line(BROKER) for r in described(c, BROKER, "1").values() if r.name in shared]
    GOLDEN.write_text("\n".join(sorted(lines)) + "\n")


def what_is_asked_for(c, topic):
    code, _, rows = c.describe(TOPIC, topic, ["retention.ms", "no.such.key"], texts=True)
    equal((code, [r.name for r in rows]), (NONE, ["retention.ms"]), "keys by name")
    check(rows[0].text, "no documentation")
    row = c.describe(TOPIC, topic, ["segment.bytes"], synonyms=False)[2][0]
    equal((row.synonyms, row.text), ([], None), "neither synonyms nor documentation")
    equal(len(c.describe(TOPIC, topic, [])[2]), len(c.describe(TOPIC, topic)[2]), "no key: all")
    for version in (1, 2):
        row = c.describe(TOPIC, topic, ["segment.bytes"], version=version)[2][0]
        equal((row.value, row.source), ("1073741824", DEFAULT), f"version {version}")
    equal(c.describe(TOPIC, "no-such-topic")[0], UNKNOWN_TOPIC, "unknown topic")
    equal(c.describe(TOPIC, "bad topic!")[0], INVALID_TOPIC, "bad name")
    equal(c.describe(BROKER, "7")[:2],
          (INVALID_REQUEST, "Unexpected broker id, expected 1 or empty string, but received 7"),
          "another broker")


def override_first(c, topic):
    equal(c.alter(topic, ("segment.bytes", SET, "2097152")), (NONE, None), "set")
    c.became(topic, "segment.bytes", "2097152")
    row = c.entry(topic, "segment.bytes")
    equal((row.source, row.synonyms),
          (OF_TOPIC, [("segment.bytes", "2097152", OF_TOPIC),
                      ("log.segment.bytes", "1073741824", DEFAULT)]), "synonyms")
    equal(c.alter(topic, ("segment.bytes", DELETE, None)), (NONE, None), "delete")
    c.became(topic, "segment.bytes", "1073741824")


BAD = (
    ("segment.bytes", "1048575", "Value must be at least 1048576"),
    ("max.compaction.lag.ms", "0", "Value must be at least 1"),
    ("compression.type", "none",
     "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"),
    ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
    ("compression.lz4.level", "18", "Value must be no more than 17"),
    ("compression.zstd.level", "23", "Value must be no more than 22"),
    ("segment.index.bytes", "3", "Value must be at least 4"),
    ("retention.ms", "-2", "Value must be at least -1"),
    ("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1"),
    ("message.timestamp.type", "x", "String must be one of: CreateTime, LogAppendTime"),
    ("preallocate", "maybe", "Expected value to be either true or false"),
    ("retention.ms", "", "Not a number of type LONG"),
)


def refusals(c, topic):
    for key, value, why in BAD:
        equal(c.alter(topic, (key, SET, value)),
              (INVALID_CONFIG, f"Invalid value {value} for configuration {key}: {why}"), key)
    equal(c.alter(topic, ("no.such.key", SET, "1")),
          (INVALID_CONFIG, "Unknown topic config name: no.such.key"), "unknown")
    equal(c.alter(topic, ("no.such.key", DELETE, None)), (NONE, None), "unknown, deleted")
    equal(c.alter(topic, ("retention.ms", SET, None)),
          (INVALID_REQUEST, "Null value not supported for : retention.ms"), "null")
    equal(c.alter(topic, ("retention.ms", APPEND, "1")),
          (INVALID_CONFIG, "Can't APPEND to key retention.ms because its type is not LIST."),
          "append")
    # One bad key, and the good one beside it is not set either.
    equal(c.alter(topic, ("retention.ms", SET, "5"), ("segment.ms", SET, "0"))[0], INVALID_CONFIG,
          "two")
    equal(c.entry(topic, "retention.ms").value, "604800000", "left alone")
    equal(c.alter(topic, ("retention.ms", SET, "5"), validate=True), (NONE, None), "only asked")
    equal(c.entry(topic, "retention.ms").value, "604800000", "only asked")


def refused_here(c, topic):
    """Keys that are fixed say why."""
    for key, why in (("remote.storage.enable", "tiered storage"),
                     ("unclean.leader.election.enable", "one replica")):
        code, message = c.alter(topic, (key, SET, "true"))
        check(code == INVALID_CONFIG and why in message, key, code, message)


def lives_without_restart(c, topic):
    """A changed key reaches the log."""
    large = [b"x" * 5000]
    equal(c.produce(topic, 0, large)[0], NONE, "before")
    equal(c.alter(topic, ("max.message.bytes", SET, "2000")), (NONE, None), "set")
    until("the limit holds", SECONDS, lambda: c.produce(topic, 0, large)[0] == MESSAGE_TOO_LARGE)
    equal(c.alter(topic, ("max.message.bytes", DELETE, None)), (NONE, None), "delete")
    until("the limit is gone", SECONDS, lambda: c.produce(topic, 0, large)[0] == NONE)
    equal(c.alter(topic, ("message.timestamp.type", SET, "LogAppendTime")), (NONE, None), "set")
    until("the broker stamps", SECONDS, lambda: stamped(c, topic))
    equal(c.alter(topic, ("message.timestamp.type", DELETE, None)), (NONE, None), "delete")


def default_lives(c, topic):
    """A broker's default reaches the topics that do not override it, and goes back."""
    large = [b"x" * 5000]
    for name, source in (("", OF_BROKERS), ("1", OF_BROKER_NOW)):
        equal(c.alter(name, ("message.max.bytes", SET, "2000"), kind=BROKER), (NONE, None), "set")
        until("the limit holds", SECONDS,
              lambda: c.produce(topic, 0, large)[0] == MESSAGE_TOO_LARGE)
        row = c.entry(topic, "max.message.bytes")
        equal((row.value, row.source), ("2000", source), "source")
        equal(row.synonyms, [("message.max.bytes", "2000", source),
                             ("message.max.bytes", "1048588", DEFAULT)], "synonyms")
        equal([(r.name, r.value) for r in c.describe(BROKER, name, ["message.max.bytes"])[2]],
              [("message.max.bytes", "2000")], "described")
        equal(c.alter(name, ("message.max.bytes", DELETE, None), kind=BROKER), (NONE, None), "del")
        until("the limit is gone", SECONDS, lambda: c.produce(topic, 0, large)[0] == NONE)


def broker_refusals(c):
    for name, key, value, why in (
            ("1", "node.id", "5", "Cannot update these configs dynamically: [node.id]"),
            ("7", "log.retention.ms", "5", "Unexpected broker id, expected 1, but received 7"),
            ("a", "log.retention.ms", "5", "Node id must be an integer, but it is: a"),
            ("", "log.segment.bytes", "5", "Invalid value 5 for configuration log.segment.bytes: "
             "Value must be at least 1048576")):
        equal(c.alter(name, (key, SET, value), kind=BROKER), (INVALID_REQUEST, why), key)


def stamped(c, topic):
    """Whether the broker gives a record of 1970 its own time."""
    before = int(time.time() * 1000) - 60000
    r = c.call(0, 7, c.produce_body(topic, 0, batch([b"old"], when_ms=5)))
    r.take("i")
    r.string()
    _, _, code, _, when = r.take("iihqq")
    equal(code, NONE, "produce")
    return when > before


def main():
    with target() as broker:
        topic = f"configs-{stamp()}"
        topic_ready(broker.bootstrap, topic, 1)
        c = Configs(broker.bootstrap)
        if "--golden" in sys.argv:
            write_golden(c, topic)
            return
        ours = broker.ours
        who = "Kafka's, as the golden file has them" if not ours else "Kafka's"
        with case(f"configs: names, types, defaults, sources, synonyms of topics are {who}"):
            topic_keys(c, topic, ours)
        with case(f"configs: names, types and defaults of broker keys are {who}"):
            broker_keys(c, ours)
        with case("configs: what is asked for is answered, and no more"):
            what_is_asked_for(c, topic)
        with case("configs: an override stands before the default it hides"):
            override_first(c, topic)
        with case("configs: refusals have Kafka's codes and words"):
            refusals(c, topic)
        if ours:
            with case("configs: a key that is fixed says why"):
                refused_here(c, topic)
        with case("configs: a changed key reaches the log without a restart"):
            lives_without_restart(c, topic)
        with case("configs: a broker's default reaches the topics without a restart"):
            default_lives(c, topic)
        with case("configs: what a broker cannot change is refused in Kafka's words"):
            broker_refusals(c)
        c.close()
    finish()


if __name__ == "__main__":
    main()
