#!/usr/bin/python3
"""debianpy_tests.py BOOTSTRAP [TEST]...: confluent_kafka against a broker; a JSON line a test."""
import json
import sys
import time
import traceback
import uuid

from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

BOOTSTRAP = sys.argv[1]
COUNT, LIMIT_S = 500, 60


def settings(**more):
    return {"bootstrap.servers": BOOTSTRAP, **{k.replace("_", "."): v for k, v in more.items()}}


ADMIN = AdminClient(settings())  # one for all: its answers end when it goes


def done(futures):
    for f in futures.values():
        f.result(LIMIT_S)


def topic(partitions=1):
    name = "py-" + uuid.uuid4().hex
    done(ADMIN.create_topics([NewTopic(name, partitions, 1)]))
    return name


def values(n=COUNT):
    return [b"value-%d" % i for i in range(n)]


def produce(name, **more):
    said = []
    p = Producer(settings(acks="all", **more))
    for v in values():
        p.produce(name, v, key=b"k", headers=[("h", b"1")],
                  on_delivery=lambda err, m: said.append((err, m.offset())))
    assert p.flush(LIMIT_S) == 0
    assert [e for e, _ in said if e] == [] and len(said) == COUNT, said[:3]


def read(consumer, count):
    got, end = [], time.monotonic() + LIMIT_S
    while len(got) < count:
        assert time.monotonic() < end, f"{len(got)} records of {count}"
        m = consumer.poll(1)
        if m is None:
            continue
        assert not m.error(), m.error()
        got.append(m.value())
    return got


def read_all(name, count, **more):
    c = Consumer(settings(group_id="none-" + uuid.uuid4().hex, **more))
    c.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    try:
        return read(c, count)
    finally:
        c.close()


def what_is_produced_is_consumed_in_order():
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        name = topic()
        produce(name, compression_type=codec)
        assert read_all(name, COUNT) == values()


def an_idempotent_producer_writes_each_record_once():
    name = topic()
    produce(name, enable_idempotence=True)
    assert read_all(name, COUNT) == values()


def a_transaction_is_seen_when_it_is_committed():
    name = topic()
    p = Producer(settings(transactional_id="py-" + uuid.uuid4().hex))
    p.init_transactions(LIMIT_S)
    for commit in (False, True):
        p.begin_transaction()
        for v in values():
            p.produce(name, b"kept " + v if commit else b"dropped " + v)
        p.flush(LIMIT_S)
        (p.commit_transaction if commit else p.abort_transaction)(LIMIT_S)
    got = read_all(name, COUNT, isolation_level="read_committed")
    assert got == [b"kept " + v for v in values()]


def a_group_goes_on_where_it_committed():
    name, group = topic(), "group-" + uuid.uuid4().hex
    produce(name)
    for strategy in ("range", "cooperative-sticky"):
        c = Consumer(settings(group_id=f"{group}-{strategy}", auto_offset_reset="earliest",
                              enable_auto_commit=False, partition_assignment_strategy=strategy))
        c.subscribe([name])
        first = read(c, COUNT // 2)
        c.commit(offsets=[TopicPartition(name, 0, len(first))], asynchronous=False)
        c.close()
        c = Consumer(settings(group_id=f"{group}-{strategy}", auto_offset_reset="latest"))
        c.subscribe([name])
        assert first + read(c, COUNT - len(first)) == values()
        c.close()


def offsets_are_found_by_time():
    name = topic()
    produce(name)
    c = Consumer(settings(group_id="none-" + uuid.uuid4().hex))
    assert c.get_watermark_offsets(TopicPartition(name, 0), timeout=LIMIT_S) == (0, COUNT)
    found = c.offsets_for_times([TopicPartition(name, 0, 1)], timeout=LIMIT_S)
    assert found[0].offset == 0, found
    c.close()


def topics_and_settings_are_administered():
    a, name = ADMIN, topic()
    done(a.create_partitions([NewPartitions(name, 3)]))
    assert len(a.list_topics(name, LIMIT_S).topics[name].partitions) == 3
    about = ConfigResource("topic", name, set_config={"retention.ms": "86400000"})
    done(a.alter_configs([about]))
    found = list(a.describe_configs([ConfigResource("topic", name)]).values())[0].result(LIMIT_S)
    assert found["retention.ms"].value == "86400000"
    done(a.delete_topics([name]))
    try:
        done(a.create_topics([NewTopic("not a name", 1, 1)]))
    except KafkaException as e:
        assert e.args[0].name() == "TOPIC_EXCEPTION", e
    else:
        raise AssertionError("a topic with an invalid name was made")


TESTS = (what_is_produced_is_consumed_in_order, an_idempotent_producer_writes_each_record_once,
         a_transaction_is_seen_when_it_is_committed, a_group_goes_on_where_it_committed,
         offsets_are_found_by_time, topics_and_settings_are_administered)


def main():
    bad = False
    for test in TESTS:
        if sys.argv[2:] and test.__name__ not in sys.argv[2:]:
            continue
        begin, verdict, reason = time.monotonic(), "pass", ""
        try:
            test()
        except Exception as e:  # any: the next test goes on
            traceback.print_exc()
            bad, verdict, reason = True, "fail", f"{type(e).__name__}: {e}"
        print(json.dumps({"test": test.__name__, "verdict": verdict, "reason": reason,
                          "seconds": round(time.monotonic() - begin, 1)}), flush=True)
    sys.exit(bad)


main()
