"""A small Kafka client of our own in Python: enough protocol to be well-behaved, or not to be.

One blocking socket per connection and no retry, so that a test sees each error and each reconnect.
Versions without flexible fields where the broker still has them."""
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS = 18, 19, 20
INCREMENTAL_ALTER_CONFIGS = 44
NONE, UNKNOWN_TOPIC, NOT_LEADER, UNSUPPORTED_VERSION, TOPIC_EXISTS = 0, 3, 6, 35, 36

_CRC = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82F63B78 if _c & 1 else 0)
    _CRC.append(_c)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = (c >> 8) ^ _CRC[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


def varint(n):
    z = (n << 1) ^ (n >> 63)
    z &= 0xFFFFFFFFFFFFFFFF
    out = b""
    while z > 0x7F:
        out += bytes([z & 0x7F | 0x80])
        z >>= 7
    return out + bytes([z])


def string(s):
    return struct.pack(">h", -1) if s is None else struct.pack(">h", len(s)) + s.encode()


def batch(values, when_ms=None, keys=None):
    """One uncompressed v2 record batch; without keys when there are none given."""
    when_ms = int(time.time() * 1000) if when_ms is None else when_ms
    records = b""
    for i, value in enumerate(values):
        key = varint(-1) if keys is None else varint(len(keys[i])) + keys[i]
        body = b"\0" + varint(0) + varint(i) + key + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    after_crc = struct.pack(">hiqqqhii", 0, len(values) - 1, when_ms, when_ms, -1, -1, -1,
                            len(values)) + records
    after_length = struct.pack(">ibI", -1, 2, crc32c(after_crc)) + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


def records_of(data):
    """[(offset, value)] of the whole uncompressed batches in a fetched byte string."""
    found, at = [], 0

    def read_varint(p):
        shift = z = 0
        while True:
            b = data[p]
            z |= (b & 0x7F) << shift
            p += 1
            shift += 7
            if not b & 0x80:
                return (z >> 1) ^ -(z & 1), p

    while at + 12 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if at + 12 + length > len(data):
            break
        count = struct.unpack_from(">i", data, at + 57)[0]
        p = at + 61
        for _ in range(count):
            _, p = read_varint(p)
            _, p = read_varint(p + 1)
            delta, p = read_varint(p)
            klen, p = read_varint(p)
            p += max(klen, 0)
            vlen, p = read_varint(p)
            found.append((base + delta, data[p:p + max(vlen, 0)]))
            p += max(vlen, 0)
            headers, p = read_varint(p)
            for _ in range(headers):
                for _ in range(2):
                    n, p = read_varint(p)
                    p += max(n, 0)
        at += 12 + length
    return found


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        values = struct.unpack_from(">" + fmt, self.data, self.at)
        self.at += struct.calcsize(">" + fmt)
        return values[0] if len(values) == 1 else values

    def string(self):
        n = self.take("h")
        if n < 0:
            return None
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def blob(self):
        n = self.take("i")
        if n < 0:
            return b""
        self.at += n
        return self.data[self.at - n:self.at]


class Connection:
    """One connection; every call is one request and its response."""

    def __init__(self, bootstrap, timeout=30):
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def close(self):
        self.socket.close()

    def frame(self, api, version, body, client="e2e"):
        self.correlation += 1
        head = struct.pack(">hhi", api, version, self.correlation) + string(client)
        return struct.pack(">i", len(head) + len(body)) + head + body

    def receive(self):
        """The next response without its length: correlation id and body."""
        size = struct.unpack(">i", self.exactly(4))[0]
        return self.exactly(size)

    def exactly(self, n):
        parts = []
        while n:
            part = self.socket.recv(min(n, 1 << 20))
            if not part:
                raise ConnectionError("closed by the broker")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def call(self, api, version, body):
        self.socket.sendall(self.frame(api, version, body))
        c = Cursor(self.receive())
        if c.take("i") != self.correlation:
            raise AssertionError("correlation id of another request")
        return c

    def api_versions(self):
        """{api key: (least, most)}"""
        c = self.call(API_VERSIONS, 0, b"")
        code, count = c.take("hi")
        if code:
            raise AssertionError(f"ApiVersions: error {code}")
        rows = [c.take("hhh") for _ in range(count)]
        return {key: (least, most) for key, least, most in rows}

    def create_topic(self, name, partitions=1, timeout_ms=15000, configs=()):
        body = struct.pack(">i", 1) + string(name) \
            + struct.pack(">ihii", partitions, 1, 0, len(configs)) \
            + b"".join(string(key) + string(str(value)) for key, value in configs) \
            + struct.pack(">ib", timeout_ms, 0)
        c = self.call(CREATE_TOPICS, 4, body)
        c.take("ii")
        c.string()
        return c.take("h")

    def alter_topic(self, name, configs):
        """Sets configs of a topic (IncrementalAlterConfigs v0); the error code."""
        body = struct.pack(">ib", 1, 2) + string(name) + struct.pack(">i", len(configs)) \
            + b"".join(string(key) + b"\0" + string(str(value))
                       for key, value in configs.items()) + b"\0"
        c = self.call(INCREMENTAL_ALTER_CONFIGS, 0, body)
        c.take("ii")
        return c.take("h")

    def delete_topic(self, name):
        c = self.call(DELETE_TOPICS, 3, struct.pack(">i", 1) + string(name)
                      + struct.pack(">i", 15000))
        c.take("ii")
        c.string()
        return c.take("h")

    def metadata(self, names):
        """{topic: (error code, number of partitions with a leader)}; names None: all topics."""
        body = struct.pack(">i", -1 if names is None else len(names)) \
            + b"".join(string(n) for n in names or ()) + b"\0"
        c = self.call(METADATA, 4, body)
        c.take("i")
        for _ in range(c.take("i")):
            c.take("i")
            c.string()
            c.take("i")
            c.string()
        c.string()
        c.take("i")
        found = {}
        for _ in range(c.take("i")):
            code, name = c.take("h"), c.string()
            c.take("b")
            led = 0
            for _ in range(c.take("i")):
                error, _, leader = c.take("hii")
                led += 1 if error == 0 and leader >= 0 else 0
                for _ in range(2):
                    n = c.take("i")
                    c.at += 4 * n
            found[name] = (code, led)
        return found

    def partitions(self, name):
        """Error code and number of partitions with a leader."""
        return self.metadata([name])[name]

    def topics(self):
        return list(self.metadata(None))

    @staticmethod
    def produce_body(topic, partition, data, acks=-1):
        return string(None) + struct.pack(">hii", acks, 15000, 1) + string(topic) \
            + struct.pack(">iii", 1, partition, len(data)) + data

    def produce(self, topic, partition, values, acks=-1):
        """Error code and first offset."""
        return self.produced(self.call(
            PRODUCE, 7, self.produce_body(topic, partition, batch(values), acks)))

    @staticmethod
    def produced(c):
        c.take("i")
        c.string()
        _, _, code, first = c.take("iihq")
        return code, first

    @staticmethod
    def fetch_body(topic, partition, offset, wait_ms=500, bytes_min=1, bytes_max=1 << 20):
        return struct.pack(">iiiib", -1, wait_ms, bytes_min, 50 << 20, 0) + struct.pack(">i", 1) \
            + string(topic) + struct.pack(">iiqi", 1, partition, offset, bytes_max)

    def fetch(self, topic, partition, offset, **how):
        """Error code, high watermark, record bytes."""
        return self.fetched(self.call(FETCH, 4, self.fetch_body(topic, partition, offset, **how)))

    @staticmethod
    def fetched(c):
        c.take("ii")
        c.string()
        c.take("i")
        _, code, high, _ = c.take("ihqq")
        for _ in range(max(c.take("i"), 0)):
            c.take("qq")
        return code, high, c.blob()

    def consume(self, topic, partition, first=0, limit=None):
        """[(offset, value)] up to the high watermark, or up to limit."""
        out = []
        while True:
            code, high, data = self.fetch(topic, partition, first)
            if code:
                raise AssertionError(f"Fetch: error {code}")
            got = [r for r in records_of(data) if r[0] >= first]
            out += got
            if got:
                first = got[-1][0] + 1
            if first >= (high if limit is None else limit):
                return out


def topic_ready(bootstrap, name, partitions, seconds=90):
    """Creates a topic and waits until all its partitions have a leader."""
    c = Connection(bootstrap)
    try:
        code = c.create_topic(name, partitions)
        if code not in (NONE, TOPIC_EXISTS):
            raise AssertionError(f"CreateTopics {name}: error {code}")
        deadline = time.monotonic() + seconds
        while c.partitions(name) != (NONE, partitions):
            if time.monotonic() > deadline:
                raise AssertionError(f"topic {name} has no leaders")
            time.sleep(0.05)
    finally:
        c.close()
