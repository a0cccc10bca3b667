"""The commands of the classroom."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.chapter import LANGUAGES, BookError
from tools.exercises.classroom import Classroom
from tools.exercises.grading import CannotRun, Room
from tools.exercises.report import page, table
from tools.exercises.runner import Limits
from tools.exercises.source import Assignment, find_assignments, read_assignment

ROOT = Path(__file__).resolve().parents[2]
UNSAFE = (
    "submissions cannot be isolated here: {reason}. On Linux, run as root or allow "
    "user namespaces. With --unsafe they run as you, with your files and your network: "
    "only in a container or an account that has nothing to lose."
)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "prove":
            return prove_all(options.names)
        if options.command == "course":
            from tools.exercises.course import make_course

            print(make_course(read_all(), options.out))
            return 0
        return grade(options)
    except (BookError, CannotRun) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    limits = Limits()
    parser = argparse.ArgumentParser(prog="python -m tools.exercises")
    commands = parser.add_subparsers(dest="command", required=True)
    grading = commands.add_parser("grade", help="grade a folder of submissions")
    add = grading.add_argument
    add("folder", type=Path, help="a notebook, or a folder, for each student")
    add("--out", type=Path, help="where grades go (default: FOLDER-grades, beside it)")
    add("--language", choices=LANGUAGES, default="en", help="the class's language")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    add("--seconds", type=int, default=limits.seconds, help="for each exercise")
    add("--memory", type=int, default=limits.memory, help="MB, for each process")
    add("--files", type=int, default=limits.files, help="MB, for all files")
    add("--unsafe", action="store_true", help="without isolation: see the guide")
    prove = commands.add_parser("prove", help="check the exercises themselves")
    prove.add_argument("names", nargs="*", metavar="NAME", help="02-parameters")
    course = commands.add_parser("course", help="make a course for nbgrader")
    course.add_argument("--out", type=Path, default=ROOT / "build" / "nbgrader")
    return parser


def read_all() -> dict[str, Assignment]:
    """All assignments of the book by the names of their chapters."""
    found = map(read_assignment, find_assignments(ROOT / "chapters"))
    return {assignment.chapter: assignment for assignment in found}


def grade(options: argparse.Namespace) -> int:
    """Grade a folder: write a table and a page."""
    folder = options.folder.absolute()
    if not folder.is_dir():
        raise BookError(f"{options.folder}: no such folder.")
    if not options.unsafe and sys.platform != "linux":
        raise CannotRun(UNSAFE.format(reason=f"this is {sys.platform}, not Linux"))
    out = options.out or folder.with_name(f"{folder.name}-grades")
    limits = Limits(options.seconds, options.memory, options.files)
    assignments = read_all()
    sources = {
        path.stem: path.read_bytes() for path in find_assignments(ROOT / "chapters")
    }
    room = Room(limits, (folder, out.absolute()), not options.unsafe)
    room_check(room)
    place = out / "results"
    classroom = Classroom(assignments, sources, options.language, room, place)
    grades = classroom.grade(folder, options.jobs)
    out.mkdir(parents=True, exist_ok=True)
    text = table(grades, assignments, options.language)
    # with this mark at its beginning, Excel reads Chinese
    (out / "grades.csv").write_text(text, encoding="utf-8-sig")
    text = page(grades, assignments, options.language)
    (out / "grades.html").write_text(text, encoding="utf-8")
    print(f"{len(grades)} submissions: {out / 'grades.csv'}, {out / 'grades.html'}")
    return 0


def room_check(room: Room) -> None:
    """Stop before the first submission if none can be run as it should."""
    try:
        run = room.run([], [["check", "import d2lrec, torch"]])
    except CannotRun as error:
        raise CannotRun(UNSAFE.format(reason=error)) from None
    if run.tests != {0: None}:
        found = run.end or run.tests
        raise CannotRun(f"not even a blank page can be graded here: {found}")


def prove_all(names: list[str]) -> int:
    """Prove the exercises of these chapters, or all."""
    from tools.exercises.checks import check_assignment
    from tools.exercises.prove import claims, prove

    failed = False
    for name, assignment in read_all().items():
        if names and name not in names:
            continue
        check_assignment(assignment)
        faults = prove(assignment)
        count = len(list(claims(assignment)))
        print(f"{name}: {count - len(faults)} of {count} answers get their points")
        for fault in faults:
            print(f"  {fault}")
        failed |= bool(faults)
    return int(failed)
