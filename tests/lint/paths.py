"""What documents and comments name is there.

In every file: a path from the root, that begins with a folder of the tree and ends like a file of
ours.  In documents, in backticks and outside of fenced blocks: also paths from the document's own
folder, file names, words with an underscore, which stand in some file that is no document, and
targets of the Makefile."""
import re
import sys

import tree

SUFFIXES = ("c", "h", "def", "py", "sh", "md", "txt", "cc", "java", "json", "golden")
NOT_TRACKED = {
    "bench/OTHERS.md": "written by make bench-others",
    "core/wire/wire_gen.c": "made by core/wire/gen.py",
    "core/wire/wire_gen.h": "made by core/wire/gen.py",
    "tests/test.c": "of librdkafka",
    "test.c": "of librdkafka",
    "net_memif": "a driver of DPDK, which is named with a number",
}
BYTES_MAX = 2 << 20
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+)+/?")
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.(%s)" % "|".join(SUFFIXES))
MAKE = re.compile(r"make ([a-z][a-z-]*)( .*)?")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+")


class Tree:
    def __init__(self):
        self.texts = {f: tree.read(f) for f in tree.files()
                      if (tree.ROOT / f).stat().st_size < BYTES_MAX}
        self.files = set(tree.files()) | set(NOT_TRACKED)
        self.names = {f.rsplit("/", 1)[-1] for f in self.files}
        self.folders = {"/".join(f.split("/")[:n]) for f in tree.files()
                        for n in range(1, f.count("/") + 1)}
        self.words = {n.rsplit(".", 1)[0] for n in self.names}
        for f, text in self.texts.items():
            if not f.endswith(".md"):
                self.words.update(re.findall(r"\w+", text))
        self.targets = {word for line in self.texts["Makefile"].split("\n")
                        if re.match(r"[A-Za-z.][^=]*:([^=]|$)", line)
                        for word in line.replace(":", " ").split()}
        tops = sorted(f for f in self.folders if "/" not in f)
        self.path = re.compile(r"(?<![\w/.}+-])((?:%s)(?:/[A-Za-z0-9_.+-]+)+\.(?:%s))\b" %
                               ("|".join(tops), "|".join(SUFFIXES)))

    def wrong(self, quoted, at):
        """What is wrong with a word in backticks of a document in folder `at`, or None."""
        word = quoted.rstrip("/").removesuffix("()")
        if MAKE.fullmatch(word):
            return None if MAKE.fullmatch(word)[1] in self.targets else "no such target"
        if PATH.fullmatch(word):
            here = f"{at}/{word}".lstrip("/")
            ours = {word.split("/")[0], here.rsplit("/", 1)[0]} & self.folders
            there = {word, here} & (self.files | self.folders)
            return "no such path" if ours and not there else None
        if FILE.fullmatch(word):
            return None if word in self.names else "no such file"
        if WORD.fullmatch(word):
            return None if word in self.words else "stands in no file"
        return None


def outside_fences(text):
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def main():
    whole = Tree()
    found = set()
    for f, text in whole.texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            found |= {(f, number, path, "no such file") for path in whole.path.findall(line)
                      if path not in whole.files}
        for number, line in outside_fences(text) if f.endswith(".md") else ():
            found |= {(f, number, word, whole.wrong(word, tree.folder(f)))
                      for word in QUOTED.findall(line) if whole.wrong(word, tree.folder(f))}
    return tree.report([f"{f}:{number}: {word}: {why}" for f, number, word, why in sorted(found)])


if __name__ == "__main__":
    sys.exit(main())
