"""Encodes requests and decodes responses of any API and version by core/wire/schema, independently
of the C codec: structs are dicts, arrays lists, null is None, bytes are hexadecimal text.

What a request leaves out has the schema's default."""
import pathlib
import struct
import sys

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "core" / "wire" / "schema"
sys.path.insert(0, str(SCHEMA.parent))
import gen  # noqa: E402  (the parser of schema files)

FIXED = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "int64": "q",
         "float64": "d"}
TEXTS = ("string", "bytes", "records")
APIS = {a.name: a for a in (gen.parse(p) for p in sorted(SCHEMA.glob("*.api")))}


def covers(versions, version):
    return versions is not None and versions[0] <= version <= versions[1]


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def default_of(f):
    if f.default == "null":
        return None
    if f.array:
        return []
    if f.struct:
        return {}
    if f.kind == "uuid":
        return "00" * 16
    if f.kind in TEXTS:
        return f.default or ""
    if f.kind == "bool":
        return f.default == "true"
    if f.kind == "float64":
        return float(f.default or 0)
    return int(f.default or "0", 0)


class Writer:
    def __init__(self, version, flexible):
        self.version, self.flexible, self.out = version, version >= flexible, b""

    def length(self, n, wide):
        if self.flexible:
            self.out += varint(0 if n is None else n + 1)
        else:
            self.out += struct.pack(">i" if wide else ">h", -1 if n is None else n)

    def plain(self, f, value):
        if f.struct:
            if f.null and not f.array:
                self.out += struct.pack("b", -1 if value is None else 1)
            if value is not None:
                self.fields(f.struct, value)
        elif f.kind in FIXED:
            self.out += struct.pack(">" + FIXED[f.kind], value)
        elif f.kind == "uuid":
            self.out += bytes.fromhex(value)
        elif value is None:
            self.length(None, f.kind != "string")
        else:
            data = value.encode() if f.kind == "string" else bytes.fromhex(value)
            self.length(len(data), f.kind != "string")
            self.out += data

    def field(self, f, value):
        if not f.array:
            self.plain(f, value)
            return
        self.length(None if value is None else len(value), True)
        for item in value or ():
            self.plain(f, item)

    def fields(self, s, values):
        unknown = set(values) - {f.name for f in s.fields}
        if unknown:
            raise ValueError(f"{s.name} has no {unknown}")
        tagged = []
        for f in s.fields:
            if not covers(f.versions, self.version):
                continue
            value = values[f.name] if f.name in values else default_of(f)
            if f.tag is None:
                self.field(f, value)
            elif f.name in values:
                tagged.append((f, value))
        if self.flexible:
            self.out += varint(len(tagged))
            for f, value in tagged:
                inner = Writer(self.version, 0)
                inner.field(f, value)
                self.out += varint(f.tag) + varint(len(inner.out)) + inner.out


class Reader:
    def __init__(self, data, version, flexible):
        self.data, self.at, self.version, self.flexible = data, 0, version, version >= flexible

    def take(self, n):
        if n > len(self.data) - self.at:
            raise ValueError("the response is cut off")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        value = shift = 0
        while True:
            b = self.take(1)[0]
            value |= (b & 0x7F) << shift
            shift += 7
            if not b & 0x80:
                return value

    def length(self, wide):
        if self.flexible:
            return self.varint() - 1
        return struct.unpack(">i" if wide else ">h", self.take(4 if wide else 2))[0]

    def plain(self, f):
        if f.struct:
            if f.null and not f.array and self.take(1) == b"\xff":
                return None
            return self.fields(f.struct)
        if f.kind in FIXED:
            form = ">" + FIXED[f.kind]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if f.kind == "uuid":
            return self.take(16).hex()
        n = self.length(f.kind != "string")
        if n < 0:
            return None
        data = self.take(n)
        return data.decode() if f.kind == "string" else data.hex()

    def field(self, f):
        if not f.array:
            return self.plain(f)
        n = self.length(True)
        return None if n < 0 else [self.plain(f) for _ in range(n)]

    def fields(self, s):
        shown = [f for f in s.fields if covers(f.versions, self.version)]
        values = {f.name: self.field(f) for f in shown if f.tag is None}
        if not self.flexible:
            return values
        tags = {f.tag: f for f in shown if f.tag is not None}
        for _ in range(self.varint()):
            tag, size = self.varint(), self.varint()
            inner = Reader(self.take(size), self.version, 0)
            if tag in tags:
                values[tags[tag].name] = inner.field(tags[tag])
            else:
                values[f"tag {tag}"] = inner.data.hex()
        return values


def request(name, version, body, correlation, client="diff"):
    """A whole frame; body may be bytes, which are then sent as they are."""
    api = APIS[name]
    w = Writer(version, api.request.flexible)
    if isinstance(body, bytes):
        w.out = body
    else:
        w.fields(api.request.top, body)
    head = struct.pack(">hhih", api.key, version, correlation, len(client)) + client.encode()
    head += b"\0" if w.flexible else b""
    return struct.pack(">i", len(head) + len(w.out)) + head + w.out


def response(name, version, data):
    """The body behind the correlation id."""
    api = APIS[name]
    r = Reader(data, version, api.response.flexible)
    if r.flexible and name != "ApiVersions":
        r.take(1)
    body = r.fields(api.response.top)
    if r.at != len(data):
        raise ValueError(f"{len(data) - r.at} bytes behind the response")
    return body
