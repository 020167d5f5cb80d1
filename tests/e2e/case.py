"""Cases of a client test: one line each, "ok name", "not ok name" or "skip name"; run.py counts."""
import contextlib
import sys
import time
import traceback

# No wait for an effect ends sooner: a machine may be busy for longer than anybody thinks.
PATIENCE_SECONDS = 90

_failed = []


class Skip(Exception):
    """This case cannot run here; the reason is said and the case is counted as skipped."""


@contextlib.contextmanager
def case(name):
    began = time.monotonic()
    try:
        yield
    except Skip as why:
        print(f"skip {name} ({why})", flush=True)
    except Exception:
        traceback.print_exc(file=sys.stdout)
        _failed.append(name)
        print(f"not ok {name}", flush=True)
    else:
        took = time.monotonic() - began
        print(f"# {took:.1f} s\nok {name}", flush=True)


def check(condition, *what):
    """Fails the case when the condition does not hold; says what was seen."""
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "check failed")


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: got {_short(got)}, wanted {_short(wanted)}")


def _short(value):
    text = repr(value)
    return text if len(text) < 400 else text[:400] + f"... ({len(text)} characters)"


def until(what, seconds, probe, pause=0.05):
    """Calls probe until it returns something true, and returns that; fails when it has not for
    that many seconds, and for PATIENCE_SECONDS."""
    seconds = max(seconds, PATIENCE_SECONDS)
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def finish():
    sys.exit(1 if _failed else 0)
