#!/usr/bin/env python3
"""golden.py: makes golden.hex, what Kafka's own serializers write for every message and version.

usage: golden.py CLASSPATH > golden.hex

CLASSPATH holds kafka-clients 4.3.1 and jackson-databind; java 17 or later must be in PATH.  Every
message of core/wire/schema goes out twice: once with every field set to something of its own (a
string is its field's name, numbers count up from 1, arrays have two elements), once, for the first
and the last version, with all that may be null null and all arrays empty.
"""
import base64
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WIRE = os.path.join(HERE, '..', '..', 'core', 'wire')
sys.path.insert(0, WIRE)
sys.dont_write_bytecode = True
import gen  # noqa: E402

LIMITS = {'int8': 127, 'int16': 32767, 'uint16': 65535, 'int32': 2**31 - 1, 'int64': 2**63 - 1}


class Filler:
    def __init__(self, version, full):
        self.version, self.full, self.count = version, full, 0

    def value(self, f):
        if f.struct:
            return self.struct(f.struct)
        if f.kind == 'string':
            return f.name if self.full else ''
        if f.kind in ('bytes', 'records'):
            return base64.b64encode(f.name.encode() if self.full else b'').decode()
        if f.kind == 'bool':
            return self.full
        self.count += 1 if self.full else 0
        if f.kind == 'uuid':
            raw = bytes([self.count % 256] * 16)
            return base64.urlsafe_b64encode(raw).decode().rstrip('=')
        if f.kind == 'float64':
            return self.count + 0.5
        return self.count % (LIMITS[f.kind] + 1)

    def field(self, f):
        if not self.full and f.null and f.null[0] <= self.version <= f.null[1]:
            return None
        if f.array:
            return [self.value(f) for _ in range(2 if self.full else 0)]
        return self.value(f)

    def struct(self, s):
        return {f.name[0].lower() + f.name[1:]: self.field(f) for f in s.fields
                if f.versions[0] <= self.version <= f.versions[1] and (self.full or f.tag is None)}


def main():
    lines = []
    apis = [gen.parse(p) for p in glob.glob(os.path.join(WIRE, 'schema', '*.api'))]
    for api in sorted(apis, key=lambda a: a.key):
        for m in (api.request, api.response):
            first, last = m.versions
            for v in range(first, last + 1):
                lines.append(f'{m.name} {v} {json.dumps(Filler(v, True).struct(m.top))}')
                if v in (first, last):
                    lines.append(f'{m.name} {v} {json.dumps(Filler(v, False).struct(m.top))}')
    java = ['java', '-cp', sys.argv[1], os.path.join(HERE, 'Golden.java')]
    subprocess.run(java, input='\n'.join(lines) + '\n', text=True, check=True)


if __name__ == '__main__':
    main()
