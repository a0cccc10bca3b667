"""Make the project's own environment in `.venv`, or say in one line why not.

`make` calls this before everything else. This file must be readable by every Python
there is, however old (hence no f-strings and no annotations), so that the owner of an
old one gets a sentence and not a SyntaxError; what it imports need not be.

    python tools/setup_environment.py             set up what is not set up yet
    python tools/setup_environment.py --suitable  exit code 0: this Python will do
    python tools/setup_environment.py --ready     exit code 0: nothing is left to do
    python tools/setup_environment.py --check     check the Python that runs this
"""

from __future__ import print_function

import os
import sys

OLDEST, NEWEST = (3, 11), (3, 13)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def python_problem(version):
    """Return why a Python of this version will not do, or None if it will."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    age = "old" if tuple(version[:2]) < OLDEST else "new"
    found = ".".join(str(part) for part in version[:3])
    supported = "{}.{} to {}.{}".format(*(OLDEST + NEWEST))
    return (
        "Python {} ({}) is too {}: this book needs Python {}. Install one of these "
        "and name it, for example: make book PYTHON=python3.13"
    ).format(found, sys.executable, age, supported)


def main(arguments):
    """Do what the command line asks; return the exit code."""
    problem = python_problem(sys.version_info)
    if "--suitable" in arguments:
        return 1 if problem else 0
    if problem:
        print(problem, file=sys.stderr)
        return 1
    # As a script, Python looks for modules beside this file, where site.py would hide
    # the standard library's.
    sys.path[0] = ROOT
    from tools import environment, installer

    if "--ready" in arguments:
        return 0 if environment.ready() else 1
    try:
        if "--check" in arguments:
            environment.check_this_python()
        elif not environment.ready():
            installer.set_up()
    except environment.SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command starts again.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
