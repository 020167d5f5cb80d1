"""Answers of the command in JSON that scripts depend on, against a file of them.  What differs from
run to run is replaced by its name.  E2E_RECORD=1 writes the file anew: look at the difference."""
import json
import os

from case import equal


class Golden:
    def __init__(self, path, differs, own=""):
        """differs: keys whose values are only there; own: text of this run, which is "<run>"."""
        self.path, self.differs, self.own, self.seen = path, differs, own, {}
        self.known = json.loads(path.read_text()) if path.exists() else {}

    def plain(self, value, key=""):
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.plain(v, key) for v in value]
        if key in self.differs and value is not None:
            return f"<{key}>"
        if self.own and isinstance(value, str):
            return value.replace(self.own, "<run>")
        return value

    def same(self, name, value):
        value = self.plain(value)
        self.seen[name] = value
        if not os.environ.get("E2E_RECORD"):
            equal(value, self.known.get(name), f"{self.path.name}: {name}")

    def write(self):
        if os.environ.get("E2E_RECORD"):
            self.path.write_text(json.dumps(self.seen, indent=1) + "\n")
