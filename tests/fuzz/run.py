"""Many mutated inputs, one after the other: `python tests/fuzz/run.py 1000000`.

Each is made from its number, so that a find is made again by `--only NUMBER`.
"""

import argparse
import random
import resource
import time
import traceback

from mutations import mutate
from targets import RECORDERS, TWINS, describe, module, read, repacked, seeds

SEEDS = {name: seeds(name) for name in RECORDERS}
PLAIN = {name: [data for _, data in found] for name, found in SEEDS.items()}
MODULES = {
    name: [(case, data) for case, data in SEEDS[name] if case in TWINS]
    for name in ("mpk.gz", "bin.gz", "json")
}
WAYS = ["mpk"] * 4 + ["bin"] * 4 + ["json"] * 2 + ["gz", "inside", "module", "describe"]


def made(number):
    """Return the way, the recorder, the golden case and the bytes of one input."""
    generator = random.Random(number)
    way = name = generator.choice(WAYS)
    if way in ("gz", "inside"):
        name = generator.choice(("mpk.gz", "bin.gz", "json.gz"))
    elif way == "describe":
        name = generator.choice(tuple(RECORDERS))
    elif way == "module":
        name = generator.choice(tuple(MODULES))
    pairs = MODULES[name] if way == "module" else SEEDS[name]
    case, data = generator.choice(pairs)
    inner = name.removesuffix(".gz")
    if way in ("inside", "module") and name != inner and generator.random() < 0.8:
        whole = dict(SEEDS[inner]).get(case, b"")
        return way, name, case, repacked(mutate(generator, whole, PLAIN[inner]))
    return way, name, case, mutate(generator, data, PLAIN[name])


def one(number):
    """Run one input; return its way and whether it could be read."""
    way, name, case, data = made(number)
    if way == "describe":
        return way, describe(data)
    if way == "module":
        return way, module(name, data, case)
    return way, read(name, data, case)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--only", type=int, help="run one, and show what it raises")
    options = parser.parse_args()
    if options.only is not None:
        way, name, case, data = made(options.only)
        print(way, name, case, len(data), data[:2000])
        print(one(options.only))
        return
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, done, finds, slowest = time.monotonic(), {}, [], (0.0, -1)
    for number in range(options.start, options.start + options.count):
        start = time.perf_counter()
        try:
            way, good = one(number)
            counts = done.setdefault(way, [0, 0])
            counts[good] += 1
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            finds.append(number)
            print(
                number, repr(error)[:200], f"{last.filename}:{last.lineno}", flush=True
            )
        slowest = max(slowest, (time.perf_counter() - start, number))
    print(f"{options.count} inputs in {time.monotonic() - begin:.0f} s")
    for way, (bad, good) in sorted(done.items()):
        print(f"  {way:9} {bad} refused, {good} read")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"  memory grew by {memory} kB")  # on macOS: bytes
    print(f"  slowest: {slowest[0]:.3f} s (number {slowest[1]}); {len(finds)} finds")
    raise SystemExit(bool(finds))


if __name__ == "__main__":
    main()
