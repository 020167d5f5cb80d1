"""The project's files, for the lints: what git tracks or would track, by path from the root."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes):
    """Paths (strings, '/'-separated) with one of these suffixes; all of them without suffixes."""
    out = subprocess.run(
        ["git", "-C", str(ROOT), "-c", "safe.directory=*", "ls-files", "-co", "-z",
         "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout
    names = sorted({n for n in out.split("\0") if n})
    return [n for n in names
            if (not suffixes or n.endswith(suffixes)) and (ROOT / n).is_file()]


def read(name):
    return (ROOT / name).read_bytes().decode("utf-8", errors="replace")


def folder(name):
    return name.rsplit("/", 1)[0] if "/" in name else ""


def code_only(text):
    """C text with comments and literals blanked out; line breaks and columns stay."""
    out = []
    i, n = 0, len(text)
    state = ""
    while i < n:
        c, two = text[i], text[i:i + 2]
        if not state:
            if two in ("/*", "//"):
                state = two
                out.append("  ")
                i += 2
                continue
            if c in "\"'":
                state = c
            out.append(c)
        elif state in "\"'":
            if c == "\\":
                out.append("  ")
                i += 2
                continue
            if c == state:
                state = ""
                out.append(c)
            else:
                out.append("\n" if c == "\n" else " ")
        elif (state == "/*" and two == "*/"):
            state = ""
            out.append("  ")
            i += 2
            continue
        else:
            if state == "//" and c == "\n":
                state = ""
            out.append("\n" if c == "\n" else " ")
        i += 1
    return "".join(out)


def report(findings):
    """Prints one line each, then the verdict in the form that the test runner counts."""
    for f in findings:
        print(f)
    return 1 if findings else 0
