#!/usr/bin/env python3
"""gen.py: turns schema/*.api and schema/record/*.rec into wire_gen.h (structs, keys) or wire_gen.c
(field tables).

usage: gen.py h|c OUTPUT SCHEMA...

A schema file, two spaces an indent:

    api 19 CreateTopics                  key and name
    request 2-7 flexible 5               stable versions, first flexible one (or none)
      Topics []CreatableTopic            field: name, type; its fields follow one level deeper
        Name string
        TopicId uuid 7+ ignorable        versions, when not all of the parent's
      Error string?5+ = null             nullable (from version 5); default
      Epoch int64 3+ tag 0 = -1          tagged field
      struct Pair                        a struct that several fields use
        Key string
    response 2-7 flexible 5

A .rec file describes what a coordinator keeps in its log; the key of a record begins with the
number as an int16, its value with the value's version:

    record 2 GroupMetadata               number and name
    key 0-0 flexible none
    value 0-4 flexible 4

Types: bool int8 int16 uint16 int32 int64 float64 uuid string bytes records, a struct's name, and
[]type.  Without "= x" the default is 0, false, empty or a struct of defaults.  "ignorable": a value
that the version cannot carry is dropped silently, otherwise encoding it is an error.
tests/wire/jar_schema.py proves these files equal to Kafka's own definitions.
"""
import re
import sys

# schema type: C type, table type, fewest bytes on the wire (plain, flexible)
PLAIN = {
    'bool': ('bool', 'WIRE_BOOL', 1, 1),
    'int8': ('int8_t', 'WIRE_I8', 1, 1),
    'int16': ('int16_t', 'WIRE_I16', 2, 2),
    'uint16': ('uint16_t', 'WIRE_U16', 2, 2),
    'int32': ('int32_t', 'WIRE_I32', 4, 4),
    'int64': ('int64_t', 'WIRE_I64', 8, 8),
    'float64': ('double', 'WIRE_F64', 8, 8),
    'uuid': ('uint8_t', 'WIRE_UUID', 16, 16),
    'string': ('struct view', 'WIRE_STRING', 2, 1),
    'bytes': ('struct view', 'WIRE_BYTES', 4, 1),
    'records': ('struct view', 'WIRE_BYTES', 4, 1),
}
LISTS = {'int8': 'wire_i8_array', 'int16': 'wire_i16_array', 'int32': 'wire_i32_array',
         'int64': 'wire_i64_array', 'uuid': 'wire_uuid_array', 'string': 'wire_string_array'}
DEPTH_MAX = 8
API_KEYS = 128  # WIRE_API_KEYS of wire_table.h
NONE = 127  # "no version" in the tables
KEYWORDS = {'default', 'int', 'enum', 'register', 'union', 'long', 'short', 'signed', 'static'}


class SchemaError(Exception):
    pass


class Field:
    def __init__(self, name, kind, versions):
        self.name = name
        self.array = kind.startswith('[]')
        self.kind = kind[2:] if self.array else kind
        self.versions = versions
        self.null = None
        self.tag = None
        self.ignorable = False
        self.default = None
        self.struct = None


class Struct:
    def __init__(self, name, versions):
        self.name = name
        self.versions = versions
        self.fields = []


class Message:
    def __init__(self, api, kind, versions, flexible):
        self.kind, self.versions, self.flexible = kind, versions, flexible
        self.name = api + kind.capitalize()
        self.top = Struct(self.name, versions)
        self.structs = {}

    def ordered(self):
        """Every struct, inner ones first, the top last."""
        done = []

        def visit(s, depth):
            if depth > DEPTH_MAX:
                raise SchemaError(f'{self.name}: nested deeper than {DEPTH_MAX}')
            for f in s.fields:
                if f.struct:
                    visit(f.struct, depth + 1)
            if s not in done:
                done.append(s)
        visit(self.top, 0)
        return done


class Api:
    """A pair of messages: request and response, or key and value of a record."""
    def __init__(self, what, key, name):
        self.key, self.name, self.record = key, name, what == 'record'
        self.kinds = ('key', 'value') if self.record else ('request', 'response')
        self.request = self.response = None


def range_of(text, outer):
    m = re.fullmatch(r'(\d+)(?:-(\d+)|(\+))?', text)
    if not m:
        raise SchemaError(f'not a version range: {text}')
    first = int(m[1])
    last = outer[1] if m[3] else int(m[2] or first)
    if not outer[0] <= first <= last <= outer[1]:
        raise SchemaError(f'version range {text} outside {outer[0]}-{outer[1]}')
    return first, last


def field_of(words, outer):
    name, kind = words.pop(0), words.pop(0)
    kind, mark, null = kind.partition('?')
    versions = range_of(words.pop(0), outer) if words and words[0][0].isdigit() else outer
    f = Field(name, kind, versions)
    if mark:
        f.null = range_of(null, versions) if null else versions
    while words:
        word = words.pop(0)
        if word == 'tag':
            f.tag = int(words.pop(0))
        elif word == 'ignorable':
            f.ignorable = True
        elif word == '=':
            f.default = words.pop(0)
        else:
            raise SchemaError(f'unknown word {word}')
    return f


def link(message):
    """Binds struct names, and checks what the walker takes for granted."""
    for s in [message.top] + list(message.structs.values()):
        for f in s.fields:
            if f.kind not in PLAIN:
                if f.kind not in message.structs:
                    raise SchemaError(f'{message.name}: no struct {f.kind}')
                f.struct = message.structs[f.kind]
            elif f.array and f.kind not in LISTS:
                raise SchemaError(f'{message.name}: no arrays of {f.kind}')
            if f.default == 'null' and not f.null:
                raise SchemaError(f'{message.name}.{f.name}: null default of a field never null')
            if f.tag is not None:
                if f.versions[0] < message.flexible or f.versions[1] != message.versions[1]:
                    raise SchemaError(f'{message.name}.{f.name}: tag in a version without tags')
            if pointer(f) and f.default != 'null' and f.tag is None:
                raise SchemaError(f'{message.name}.{f.name}: nullable struct, default not null')
        tags = [f.tag for f in s.fields if f.tag is not None]
        if tags != list(range(len(tags))):
            raise SchemaError(f'{message.name}.{s.name}: tags are not 0, 1, ...')


def parse(path):
    rows = [(n, len(line) - len(line.lstrip(' ')), line.split())
            for n, line in enumerate(open(path, encoding='ascii'), 1) if line.strip()]
    api = message = None
    outers = []  # the open structs: (indent of their fields, struct)
    for i, (number, indent, words) in enumerate(rows):
        opens = i + 1 < len(rows) and rows[i + 1][1] > indent
        try:
            while outers and outers[-1][0] > indent:
                outers.pop()
            if words[0] in ('api', 'record') and not api:
                api = Api(words[0], int(words[1]), words[2])
                continue
            if indent == 0:
                first, last = words[1].split('-')
                flexible = NONE if words[3] == 'none' else int(words[3])
                message = Message(api.name, words[0], (int(first), int(last)), flexible)
                setattr(api, ('request', 'response')[api.kinds.index(words[0])], message)
                made = message.top
            elif words[0] == 'struct':
                versions = message.versions
                made = Struct(words[1], range_of(words[2], versions) if words[2:] else versions)
            else:
                outer = outers[-1][1]
                f = field_of(words, outer.versions)
                outer.fields.append(f)
                if not opens:
                    continue
                made = Struct(f.kind, f.versions)
            if made.name in message.structs:
                raise SchemaError(f'struct {made.name} twice')
            if made is not message.top:
                message.structs[made.name] = made
            outers.append((indent + 2, made))
        except (SchemaError, IndexError, ValueError) as e:
            raise SchemaError(f'{path}:{number}: {e}') from e
    link(api.request)
    link(api.response)
    if api.record:
        return api
    if api.request.versions != api.response.versions:
        raise SchemaError(f'{path}: request and response differ in versions')
    if api.request.flexible != api.response.flexible:
        raise SchemaError(f'{path}: request and response differ in flexible versions')
    return api


def snake(name):
    name = re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', name).lower()
    return name + '_' if name in KEYWORDS else name


def c_struct(message, s):
    """wire_create_topics_request_creatable_topic; a name that repeats the message's loses it."""
    base = 'wire_' + snake(message.name)
    if s is message.top:
        return base
    name = s.name
    if name.startswith(message.name) and name != message.name:
        name = name[len(message.name):]
    return base + '_' + snake(name)


def pointer(f):
    return bool(f.struct and not f.array and f.null)


def member(message, f):
    name = snake(f.name)
    if f.struct:
        inner = 'struct ' + c_struct(message, f.struct)
        if f.array:
            return f'{inner}_array {name};'
        return f'{inner} *{name};' if pointer(f) else f'{inner} {name};'
    if f.array:
        return f'struct {LISTS[f.kind]} {name};'
    return f'{PLAIN[f.kind][0]} {name}' + ('[16];' if f.kind == 'uuid' else ';')


def versions_text(f, outer):
    parts = []
    if f.versions != outer:
        first, last = f.versions
        parts.append(str(first) if first == last else f'{first}-{last}')
    if f.null:
        parts.append('null' if f.null == f.versions else f'null {f.null[0]}-{f.null[1]}')
    if f.tag is not None:
        parts.append('tagged')
    if f.default not in (None, 'null'):
        parts.append('default ' + f.default)
    return f' /* {", ".join(parts)} */' if parts else ''


def header(apis):
    out = ['/* wire_gen.h: made by gen.py from core/wire/schema; see wire.h. */',
           '#ifndef SLUICE_WIRE_WIRE_GEN_H', '#define SLUICE_WIRE_WIRE_GEN_H', '',
           '#include "core/wire/wire.h"', '', 'enum wire_api_key {']
    out += [f'    WIRE_API_{snake(a.name).upper()} = {a.key},' for a in apis if not a.record]
    out += ['};', '', '/* The number that begins the key of a record. */', 'enum wire_record_key {']
    out += [f'    WIRE_RECORD_{snake(a.name).upper()} = {a.key},' for a in apis if a.record]
    out += ['};', '']
    for m in [m for a in apis for m in (a.request, a.response)]:
        first, last = m.versions
        flexible = 'never flexible' if m.flexible == NONE else f'flexible from {m.flexible}'
        out.append(f'/* ---- {m.name} {first}-{last}, {flexible} ---- */')
        seen = set()
        for s in m.ordered():
            name = c_struct(m, s)
            if name in seen:
                raise SchemaError(f'{m.name}: two structs make {name}')
            seen.add(name)
            out += ['', f'struct {name} {{']
            out += ['    ' + member(m, f) + versions_text(f, s.versions) for f in s.fields]
            if not s.fields:
                out.append('    char none; /* no fields */')
            out.append('};')
            if s is not m.top:
                out += ['', f'struct {name}_array {{', f'    struct {name} *items;',
                        '    int32_t count; /* -1: null */', '};',
                        f'extern const struct wire_struct {name}_struct;']
        out += [f'extern const struct wire_message {c_struct(m, m.top)}_message;', '']
    out += ['#endif']
    return out


def bytes_min(m, s, v):
    """Fewest bytes that s can take in version v."""
    flexible = v >= m.flexible
    total = 1 if flexible else 0
    for f in s.fields:
        if f.tag is not None or not f.versions[0] <= v <= f.versions[1]:
            continue
        if f.array:
            total += 1 if flexible else 4
        elif f.struct:
            total += 1 if f.null else bytes_min(m, f.struct, v)
        else:
            total += PLAIN[f.kind][3 if flexible else 2]
    return total


def preset(f):
    if f.default in (None, 'null', 'false'):
        return '0'
    if f.default == 'true':
        return '1'
    value = int(f.default, 0)
    return f'INT64_C({value})'


def has_error(f):
    if f.struct:
        return any(has_error(g) for g in f.struct.fields)
    return f.kind == 'int16' and f.name.endswith('ErrorCode') and not f.array


def table_row(m, s, f):
    flags = ['WIRE_ARRAY'] * f.array + ['WIRE_IGNORABLE'] * f.ignorable
    flags += ['WIRE_PRESET_NULL'] * (f.default == 'null') + ['WIRE_POINTER'] * pointer(f)
    flags += ['WIRE_ERROR'] * has_error(f)
    kind = 'WIRE_STRUCT' if f.struct else PLAIN[f.kind][1]
    null = f.null or (NONE, -1)
    inner = f'&{c_struct(m, f.struct)}_struct' if f.struct else 'NULL'
    at = f'offsetof(struct {c_struct(m, s)}, {snake(f.name)})'
    return (f'    {{{inner}, {preset(f)}, {at}, {kind}, {" | ".join(flags) or "0"}, '
            f'{f.versions[0]}, {f.versions[1]}, {null[0]}, {null[1]}, '
            f'{-1 if f.tag is None else f.tag}}},')


def struct_value(m, s):
    name = c_struct(m, s)
    low = max(1, min(bytes_min(m, s, v) for v in range(s.versions[0], s.versions[1] + 1)))
    tags = sum(f.tag is not None for f in s.fields)
    fields = f'{name}_fields' if s.fields else 'NULL'
    return f'{{{fields}, {len(s.fields)}, sizeof(struct {name}), {low}, {tags}}}'


def throttle_min(api):
    """First version whose response begins with ThrottleTimeMs."""
    first = api.response.top.fields[0] if api.response.top.fields else None
    if first is None or first.name != 'ThrottleTimeMs':
        return 'INT16_MAX'
    return first.versions[0]


def source(apis):
    out = ['/* wire_gen.c: made by gen.py from core/wire/schema; see wire_table.h. */',
           '#include "core/wire/wire_gen.h"', '#include "core/wire/wire_table.h"', '',
           '#include <stddef.h>', '']
    for m in [m for a in apis for m in (a.request, a.response)]:
        for s in m.ordered():
            name = c_struct(m, s)
            if s.fields:
                out.append(f'static const struct wire_field {name}_fields[] = {{')
                out += [table_row(m, s, f) for f in s.fields] + ['};']
            if s is not m.top:
                out.append(f'const struct wire_struct {name}_struct = {struct_value(m, s)};')
        name = c_struct(m, m.top)
        out += [f'const struct wire_message {name}_message = {{', f'    {struct_value(m, m.top)},',
                f'    "{m.name}", {m.versions[0]}, {m.versions[1]}, {m.flexible}}};', '']
    apis = [a for a in apis if not a.record]
    out += ['const struct wire_api wire_api_rows[] = {']
    for a in apis:
        flexible = 'INT16_MAX' if a.request.flexible == NONE else a.request.flexible
        out.append(f'    {{{a.key}, {a.request.versions[0]}, {a.request.versions[1]}, {flexible}, '
                   f'{throttle_min(a)}, "{a.name}", &wire_{snake(a.request.name)}_message, '
                   f'&wire_{snake(a.response.name)}_message}},')
    out += ['};', f'const uint32_t wire_api_row_count = {len(apis)};', '',
            'const uint8_t wire_api_index[WIRE_API_KEYS] = {']
    row_of = {a.key: i for i, a in enumerate(apis)}
    keys = [str(row_of.get(k, 'WIRE_API_NONE')) for k in range(API_KEYS)]
    out += ['    ' + ', '.join(keys[i:i + 8]) + ',' for i in range(0, API_KEYS, 8)] + ['};']
    return out


def main():
    what, output, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    apis = sorted((parse(p) for p in paths), key=lambda a: (a.record, a.key))
    if len({(a.record, a.key) for a in apis}) != len(apis):
        raise SchemaError('a key twice')
    text = '\n'.join(header(apis) if what == 'h' else source(apis)) + '\n'
    with open(output, 'w', encoding='ascii') as f:
        f.write(text)


if __name__ == '__main__':
    try:
        main()
    except SchemaError as e:
        sys.exit(f'gen.py: {e}')
