"""Coverage-guided fuzzing: `make fuzz`, or one target, with libFuzzer's options:

    python tests/fuzz/fuzz.py mpk -max_total_time=600
    python tests/fuzz/fuzz.py mpk .fuzz/crash-1234    # repeats a find
    python tests/fuzz/fuzz.py mpk --keep              # then into corpus/

Atheris mutates what reaches new lines of the library; what it finds on the way lies
in `.fuzz/`, which git ignores. `--keep` puts into `corpus/`, which the tests run
through, the smallest inputs that together reach all that those do.
"""

import hashlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE.parents[1] / ".fuzz"


def main():
    name, *options = sys.argv[1:]
    if options == ["--keep"]:
        keep(name)
        return
    import atheris  # which only `make fuzz` installs

    with atheris.instrument_imports(include=["d2lrec"]):
        import targets

    def one(data):
        targets.TARGETS[name](data)

    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    for data in targets.starts(name):
        save(folder, data)
    again = any(Path(option).is_file() for option in options)
    folders = [] if again else [str(folder), str(HERE / "corpus" / name)]
    limits = ["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
    prefix = f"-artifact_prefix={FOUND}{os.sep}"
    atheris.Setup([sys.argv[0], *limits, prefix, *options, *folders], one)
    atheris.Fuzz()


def keep(name):
    """Choose anew what is kept of one target: smallest first, if it adds a branch."""
    import targets

    kept = HERE / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    files = [*kept.iterdir(), *(FOUND / name).iterdir()]
    inputs = sorted({path.read_bytes() for path in files}, key=lambda x: (len(x), x))
    for path in kept.iterdir():
        path.unlink()
    seen = set()
    for data in inputs:
        reached = arcs(lambda data=data: targets.TARGETS[name](data))
        if not reached <= seen:
            seen |= reached
            save(kept, data)
    count = len(list(kept.iterdir()))
    print(f"{name}: {count} of {len(inputs)} inputs, {len(seen)} branches")


def arcs(function):
    """Return the pairs of lines of the library that ran one after the other."""
    found = set()

    def lines(code, last):
        def line(frame, event, _):
            nonlocal last
            found.add((code, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    def call(frame, event, _):
        code = frame.f_code
        if f"{os.sep}d2lrec{os.sep}" in code.co_filename:
            return lines(code, -1)
        return None

    sys.settrace(call)
    try:
        function()
    finally:
        sys.settrace(None)
    return found


def save(folder, data):
    """Write an input under a name that is made from it."""
    (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
