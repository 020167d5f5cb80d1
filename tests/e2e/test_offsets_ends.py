#!/usr/bin/env python3
"""ListOffsets at the ends of a log, as Apache Kafka answers: beside transactions that are open,
committed and aborted, at markers, where segments have rolled, where DeleteRecords has left little
or nothing.

offsets_ends.golden is what Kafka 4.3.1 says to each question below; Sluice is compared with it.
Against Kafka (make compat-oracle) the golden file itself is checked, and
`E2E_BOOTSTRAP=host:port python3 test_offsets_ends.py --golden` writes it anew.

By time there is one difference: until Kafka has removed a segment that lies below the log start, it
looks there first, and answers with an offset that cannot be read, or that there is none.  Sluice
answers at once what Kafka answers afterwards."""
import pathlib
import struct
import sys

from broker import stamp, target
from case import case, check, equal, finish, until
from kafka import NONE, crc32c, topic_ready, varint
from test_offsets import FIRST_WALL_MS, Asker

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "offsets_ends.golden"
sys.path.insert(0, str(HERE.parent / "compat" / "diff"))
from diff import Peer  # noqa: E402

OPEN, COMMITTED, ABORTED, ALL_GONE, ROLLED, ROLLED_TRIMMED, ONLY_MARKER = range(7)
PARTITIONS = 7
TRANSACTIONAL = 1 << 4
LATEST, FUTURE = -1, 1 << 62
NOT_LEADER = 6
BULK = 700000  # two of them do not fit into a segment of 1 MiB
TIMES = (0, 999, 1000, 1500, 2000, 2001, 2500, 3000, 3001, 4000, 5000, 5001, 9000, FUTURE)
SPECIAL, LARGEST = range(-6, 0), -3
WALL = 1 << 41  # a marker's time
# What can be read where something lies below the log start: (offset, time).
READABLE = {ALL_GONE: (), ROLLED_TRIMMED: ((2, 2000), (3, 3000), (4, 3000), (5, 2500)),
            ONLY_MARKER: ((1, WALL),)}
SECONDS = 30


def records(times, producer=None, value=b"abc"):
    """A batch with a record for each time; producer: (id, epoch, sequence) in a transaction."""
    pid, epoch, sequence = producer or (-1, -1, -1)
    data = b""
    for i, time_ms in enumerate(times):
        body = b"\0" + varint(time_ms - times[0]) + varint(i) + varint(-1) + varint(len(value)) \
            + value + varint(0)
        data += varint(len(body)) + body
    after_crc = struct.pack(">hiqqqhii", TRANSACTIONAL if producer else 0, len(times) - 1, times[0],
                            max(times), pid, epoch, sequence, len(times)) + data
    after_length = struct.pack(">ibI", -1, 2, crc32c(after_crc)) + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


class Log:
    """A topic that is written to, with transactions or without."""

    def __init__(self, bootstrap, topic):
        self.c, self.peer, self.topic = Asker(bootstrap), Peer(bootstrap), topic

    def plain(self, partition, times, value=b"abc"):
        self.put(partition, records(times, value=value))

    def put(self, partition, data, name=None):
        body = self.c.produce_body(self.topic, partition, data)
        if name:  # in front stands a null transactional id
            body = struct.pack(">h", len(name)) + name.encode() + body[2:]

        def answered():  # the partition of a new topic may have no leader yet
            code = self.c.produced(self.c.call(0, 7, body))[0]
            return None if code == NOT_LEADER else (code,)
        equal(until("a leader", SECONDS, answered), (NONE,), f"produce to {partition}")

    def begin(self, name, partition):
        def ask(api, version, **body):
            answer = self.peer.ask(api, version, body)
            check(answer != "closed", api)
            return answer

        def made():
            found = self.peer.ask("FindCoordinator", 1, {"Key": name, "KeyType": 1})
            found = found["ErrorCode"] == NONE and ask("InitProducerId", 1, TransactionalId=name,
                                                       TransactionTimeoutMs=600000)
            return found if found and found["ErrorCode"] == NONE else None
        who = until("a producer id", SECONDS, made)
        self.who = {"ProducerId": who["ProducerId"], "ProducerEpoch": who["ProducerEpoch"]}

        def added():
            answer = ask("AddPartitionsToTxn", 1, **{
                "V3AndBelowTransactionalId": name, "V3AndBelowProducerId": who["ProducerId"],
                "V3AndBelowProducerEpoch": who["ProducerEpoch"],
                "V3AndBelowTopics": [{"Name": self.topic, "Partitions": [partition]}]})
            topics, = answer["ResultsByTopicV3AndBelow"]
            part, = topics["ResultsByPartition"]
            return part["PartitionErrorCode"] == NONE
        until("the partition is in the transaction", SECONDS, added)
        self.name = name

    def batch(self, partition, times, sequence=0):
        self.put(partition, records(times, (self.who["ProducerId"], self.who["ProducerEpoch"],
                                            sequence)), self.name)

    def end(self, partition, commit, limit):
        """Waits until the marker is there: then `limit` is where committed reads end."""
        def ended():
            answer = self.peer.ask("EndTxn", 1, {"TransactionalId": self.name, **self.who,
                                                 "Committed": commit})
            return answer["ErrorCode"] == NONE
        until("the transaction ends", SECONDS, ended)
        until("its marker is written", SECONDS,
              lambda: self.c.list_offsets(11, self.topic, [(partition, -1, LATEST)], 1)[0][3]
              == limit)


def fill(bootstrap, topic, run):
    log = Log(bootstrap, topic)
    log.plain(OPEN, [1000, 3000])
    log.begin(f"open-{run}", OPEN)
    log.batch(OPEN, [2000, 5000])
    log.plain(OPEN, [4000])
    for partition, commit in ((COMMITTED, True), (ABORTED, False)):
        log.plain(partition, [1000])
        log.begin(f"{partition}-{run}", partition)
        log.batch(partition, [3000, 2000])
        log.batch(partition, [5000], 2)
        log.end(partition, commit, 5)
    log.plain(ABORTED, [4000])
    log.plain(ALL_GONE, [1000, 2000])
    equal(log.c.trim(topic, ALL_GONE, 2), NONE, "DeleteRecords")
    for partition in (ROLLED, ROLLED_TRIMMED):
        for times in ([1000], [3000], [2000], [3000], [3000], [2500]):
            log.plain(partition, times, b"x" * BULK)
    equal(log.c.trim(topic, ROLLED_TRIMMED, 2), NONE, "DeleteRecords")
    log.begin(f"marker-{run}", ONLY_MARKER)
    log.batch(ONLY_MARKER, [1000])
    log.end(ONLY_MARKER, True, 2)
    equal(log.c.trim(topic, ONLY_MARKER, 1), NONE, "DeleteRecords")
    return log.c


def line(partition, isolation, time_ms, error, found, offset, epoch):
    when = "now" if found > FIRST_WALL_MS else found
    return f"{partition} isolation={isolation} time={time_ms}: error={error} time={when} " \
        f"offset={offset} epoch={epoch}"


def wanted_of_ours():
    """Kafka's answers, but by time where records lie below the log start."""
    lines = GOLDEN.read_text().splitlines()
    for at, (partition, isolation, time_ms) in enumerate(questions()):
        if partition not in READABLE or time_ms < 0 and time_ms != LARGEST:
            continue
        late = [(o, t) for o, t in READABLE[partition] if t >= time_ms]
        if time_ms == LARGEST:
            late.sort(key=lambda found: -found[1])  # the first of those with the largest time
        offset, found = late[0] if late else (-1, -1)
        lines[at] = line(partition, isolation, time_ms, NONE, found, offset, 0 if late else -1)
    return lines


def questions():
    return [(partition, isolation, time_ms) for partition in range(PARTITIONS)
            for isolation in (0, 1) for time_ms in (*SPECIAL, *TIMES)]


def answers(c, topic):
    """A line for each question."""
    for partition, isolation, time_ms in questions():
        (_, *answer), = c.list_offsets(11, topic, [(partition, -1, time_ms)], isolation)
        yield line(partition, isolation, time_ms, *answer)


def main():
    run = stamp()
    with target() as broker:
        topic = f"ends-{run}"
        c = Asker(broker.bootstrap)
        equal(c.create_topic(topic, PARTITIONS, configs=(("retention.ms", -1),
                                                         ("segment.bytes", 1 << 20))),
              NONE, "create")
        topic_ready(broker.bootstrap, topic, PARTITIONS)
        c = fill(broker.bootstrap, topic, run)
        if "--golden" in sys.argv:
            GOLDEN.write_text("\n".join(answers(c, topic)) + "\n")
            return
        wanted = wanted_of_ours() if broker.ours else GOLDEN.read_text().splitlines()
        with case("offsets: at the ends of logs and of transactions ListOffsets is Kafka's"):
            compare(list(answers(c, topic)), wanted)
        if broker.ours:
            with case("offsets: so it is when the log is read from its files after a restart"):
                c.close()
                broker.restart()
                topic_ready(broker.bootstrap, topic, PARTITIONS)
                c = Asker(broker.bootstrap)
                compare(list(answers(c, topic)), wanted)
        c.close()
    finish()


def compare(lines, wanted):
    bad = [f"got    {g}\nwanted {w}" for g, w in zip(lines, wanted) if g != w]
    check(not bad, f"{len(bad)} of {len(wanted)} answers differ:\n" + "\n".join(bad))
    equal(len(lines), len(wanted), "answers")


if __name__ == "__main__":
    main()
