#!/usr/bin/env python3
"""jar_schema.py: proves core/wire/schema equal to the message definitions of Apache Kafka.

usage: jar_schema.py CACHE_DIR [KAFKA_VERSION]

Takes kafka-clients (default 4.3.1) from the Maven repository by its coordinates, keeps the jar in
CACHE_DIR, and compares, for every API of the broker listener, message by message, stable version by
stable version and field by field in order: name, type, null, tag, default, ignorable.  Does the
same for the records of group coordinators, with kafka-group-coordinator.  Exits 0 and prints a line
for each jar when nothing differs, otherwise prints each difference and exits 1.
"""
import glob
import json
import os
import re
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
WIRE = os.path.join(HERE, '..', '..', 'core', 'wire')
sys.dont_write_bytecode = True
sys.path.insert(0, WIRE)
import gen  # noqa: E402

FOREVER = 32767


def jar_path(cache, name, version):
    path = os.path.join(cache, f'{name}-{version}.jar')
    if not os.path.exists(path):
        os.makedirs(cache, exist_ok=True)
        subprocess.run(['mvn', '-q', '-B', 'dependency:copy', f'-DoutputDirectory={cache}',
                        f'-Dartifact=org.apache.kafka:{name}:{version}'],
                       check=True, cwd=cache)
    return path


def definitions(path, kinds):
    """Kafka's messages of two kinds by name; the files are JSON with // comments."""
    found = {}
    with zipfile.ZipFile(path) as jar:
        for name in jar.namelist():
            if re.fullmatch(rf'common/message/\w+({kinds})\.json', name):
                lines = jar.read(name).decode().split('\n')
                text = '\n'.join(re.sub(r'(^|\s)//.*$', '', line) for line in lines)
                message = json.loads(text)
                found[message['name']] = message
    return found


def span(text):
    """'3+', '2-4', '1' or 'none' as (first, last)."""
    if text is None or text == 'none':
        return (FOREVER, -1)
    m = re.fullmatch(r'(\d+)(?:-(\d+)|(\+))?', text)
    first = int(m[1])
    return first, FOREVER if m[3] else int(m[2] or first)


def holds(range_, version):
    return range_[0] <= version <= range_[1]


def stable(request):
    """Versions a broker offers without unstable.api.versions.enable."""
    first, last = span(request['validVersions'])
    return first, last - (request.get('latestVersionUnstable') in (True, 'true'))


def plain_default(kind, array, text):
    """A default in one spelling: None where it is the type's own."""
    if text is None or text == '':
        return None
    text = str(text).lower()
    if text == 'null' or text == 'true':
        return text
    if text == 'false' or array or kind in ('string', 'bytes', 'records', 'uuid'):
        return None if text in ('false', '') else text
    return str(int(text, 0)) if int(text, 0) else None


def facts(name, kind, array, null, tag, default, ignorable):
    return {'name': name, 'type': ('[]' if array else '') + kind, 'null': null, 'tag': tag,
            'default': plain_default(kind, array, default), 'ignorable': ignorable}


def ours_at(s, version):
    """[(facts, fields of the struct or None)] of the fields that a version has."""
    out = []
    for f in s.fields:
        if holds(f.versions, version):
            null = f.null is not None and holds(f.null, version)
            row = facts(f.name, f.kind, f.array, null, f.tag, f.default, f.ignorable)
            out.append((row, ours_at(f.struct, version) if f.struct else None))
    return out


def theirs_at(fields, structs, version):
    out = []
    for f in fields:
        if not holds(span(f['versions']), version):
            continue
        array = f['type'].startswith('[]')
        kind = f['type'][2:] if array else f['type']
        tagged = 'tag' in f and holds(span(f['taggedVersions']), version)
        inner = f.get('fields', structs.get(kind) if kind[0].isupper() else None)
        row = facts(f['name'], kind, array, holds(span(f.get('nullableVersions')), version),
                    int(f['tag']) if tagged else None, f.get('default'),
                    f.get('ignorable') in (True, 'true'))
        out.append((row, None if inner is None else theirs_at(inner, structs, version)))
    return out


class Comparison:
    def __init__(self):
        self.differences, self.versions, self.fields = [], 0, 0

    def differ(self, where, ours, theirs):
        self.differences.append(f'{where}: ours {ours}, Kafka {theirs}')

    def structs(self, where, ours, theirs):
        if (ours is None) != (theirs is None):
            self.differ(where, 'plain' if ours is None else 'struct',
                        'plain' if theirs is None else 'struct')
            return
        names = [[row['name'] for row, _ in side] for side in (ours or [], theirs or [])]
        if names[0] != names[1]:
            self.differ(f'{where} fields', *names)
            return
        for (a, a_inner), (b, b_inner) in zip(ours or [], theirs or []):
            self.fields += 1
            place = f'{where}.{a["name"]}'
            for key in a:
                if a[key] != b[key]:
                    self.differ(f'{place} {key}', a[key], b[key])
            self.structs(place, a_inner, b_inner)

    def message(self, ours, theirs, versions):
        flexible = min(span(theirs['flexibleVersions'])[0], gen.NONE)
        if ours.flexible != flexible:
            self.differ(f'{ours.name} flexible', ours.flexible, flexible)
        if ours.versions != versions:
            self.differ(f'{ours.name} versions', ours.versions, versions)
        common = {s['name']: s['fields'] for s in theirs.get('commonStructs', [])}
        for v in range(versions[0], versions[1] + 1):
            self.versions += 1
            self.structs(f'{ours.name} {v}', ours_at(ours.top, v),
                         theirs_at(theirs['fields'], common, v))


def compare(theirs):
    c = Comparison()
    apis = {a.name: a for a in map(gen.parse, glob.glob(os.path.join(WIRE, 'schema', '*.api')))}
    offered = {name[:-len('Request')]: m for name, m in theirs.items()
               if m['type'] == 'request' and m['validVersions'] != 'none'
               and 'broker' in m['listeners']}
    if sorted(apis) != sorted(offered):
        c.differ('APIs', sorted(set(apis) - set(offered)), sorted(set(offered) - set(apis)))
    for name in sorted(set(apis) & set(offered)):
        request, api = offered[name], apis[name]
        if api.key != request['apiKey']:
            c.differ(f'{name} key', api.key, request['apiKey'])
        c.message(api.request, request, stable(request))
        c.message(api.response, theirs[name + 'Response'], stable(request))
    return c, len(apis)


def compare_records(theirs):
    c = Comparison()
    paths = glob.glob(os.path.join(WIRE, 'schema', 'record', '*.rec'))
    records = {r.name: r for r in map(gen.parse, paths)}
    kept = {name[:-len('Key')]: m for name, m in theirs.items()
            if m['type'] == 'coordinator-key' and not re.match('Share|Streams', name)}
    if sorted(records) != sorted(kept):
        c.differ('records', sorted(set(records) - set(kept)), sorted(set(kept) - set(records)))
    for name in sorted(set(records) & set(kept)):
        record, value = records[name], theirs[name + 'Value']
        if record.key != kept[name]['apiKey']:
            c.differ(f'{name} key', record.key, kept[name]['apiKey'])
        c.message(record.request, kept[name], span(kept[name]['validVersions']))
        c.message(record.response, value, span(value['validVersions']))
    return c, len(records)


def main():
    cache = os.path.abspath(sys.argv[1])
    version = sys.argv[2] if len(sys.argv) > 2 else '4.3.1'
    failed = False
    for jar, kinds, compared, what in (
            ('kafka-clients', 'Request|Response', compare, 'APIs'),
            ('kafka-group-coordinator', 'Key|Value', compare_records, 'records')):
        c, count = compared(definitions(jar_path(cache, jar, version), kinds))
        for line in c.differences:
            print(line)
        print(f'{jar} {version}: {count} {what}, {c.versions} message versions, '
              f'{c.fields} fields compared, {len(c.differences)} differences')
        failed = failed or bool(c.differences) or not c.fields
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
