"""Grades as a table for a spreadsheet and as a page to look at."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator

from tools.exercises.classroom import Grade
from tools.exercises.judging import Verdict
from tools.exercises.source import Assignment

FAULTS = {
    "en": {
        "missing": "not handed in",
        "blank": "not answered",
        "NotImplementedError": "not answered",
        "timeout": "stopped after {text} s: too slow, or an endless loop",
        "ended": "the Python process ended ({text})",
        "disturbed": "it disturbed its grading: stopped",
        "link": "a link and not a file: not read",
        "large": "a file of more than 20 MB: not read",
        "unreadable": "no notebook: cannot be read",
        "unknown": "a notebook of no assignment of this book",
    },
    "zh": {
        "missing": "没有交",
        "blank": "没有作答",
        "NotImplementedError": "没有作答",
        "timeout": "运行了{text}秒还没结束，已停止：太慢，或者陷入死循环",
        "ended": "Python进程中途退出（{text}）",
        "disturbed": "它干扰了评分，已停止",
        "link": "是链接而不是文件：没有读取",
        "large": "文件超过20 MB：没有读取",
        "unreadable": "不是能读的笔记本",
        "unknown": "不属于本书的任何一份练习",
    },
}
WORDS = {
    "en": {
        "title": "Grades",
        "student": "student",
        "total": "total",
        "failed": "what failed",
        "colon": ": ",
        "comma": "; ",
        "in": " (in: {line})",
        "graded": "{count} students. Points for each exercise, with what failed.",
    },
    "zh": {
        "title": "成绩",
        "student": "学生",
        "total": "总分",
        "failed": "哪里不对",
        "colon": "：",
        "comma": "；",
        "in": "（出错的一行：{line}）",
        "graded": "共{count}名学生。各题得分，以及哪里不对。",
    },
}
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em;
  padding: 0 1em; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8886; padding: .3em .8em; text-align: left;
  vertical-align: top; }
tr.points > * { border-bottom: none; }
td.failed > ul { max-width: 50em; }
td.points { text-align: right; white-space: nowrap; }
td.full { background: #2a83; } td.part { background: #db03; } td.none { background:
  #c333; }
ul { margin: 0; padding-left: 1.2em; }
li { white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def say_fault(fault: dict, lang: str) -> str:
    """One fault in words of a language; tests speak it already."""
    kind, text = str(fault.get("kind", "")), str(fault.get("text", ""))
    known = FAULTS[lang].get(kind)
    if known:
        return known.format(text=text)
    if fault.get("assert") and text:
        return text
    line = str(fault.get("line", ""))
    where = WORDS[lang]["in"].format(line=line) if line else ""
    return (kind + (WORDS[lang]["colon"] + text if text else "")) + where


def faults_of(verdict: Verdict, lang: str) -> list[str]:
    """What failed, each thing once."""
    return list(dict.fromkeys(say_fault(fault, lang) for fault in verdict.faults))


Columns = list[tuple[Assignment, str, str, int]]


def _columns(grades: list[Grade], assignments: dict[str, Assignment]) -> Columns:
    """For each exercise of an assignment that was handed in: its name and points."""
    handed_in = {grade.assignment for grade in grades}
    return [
        (assignment, exercise.name, f"{name}:{exercise.name}", exercise.points)
        for name, assignment in assignments.items()
        if name in handed_in
        for exercise in assignment.exercises
    ]


def _rows(grades: list[Grade]) -> dict[str, list[Grade]]:
    rows: dict[str, list[Grade]] = {}
    for grade in grades:
        rows.setdefault(grade.student, []).append(grade)
    return rows


def _verdicts(grades: list[Grade]) -> dict[str, Verdict]:
    """A student's verdicts by column."""
    return {
        f"{grade.assignment}:{name}": verdict
        for grade in grades
        for name, verdict in grade.verdicts.items()
    }


def _problems(grades: list[Grade], lang: str) -> list[str]:
    return [FAULTS[lang].get(g.problem, g.problem) for g in grades if g.problem]


def table(grades: list[Grade], assignments: dict[str, Assignment], lang: str) -> str:
    """The grades as CSV; what failed is in the last column."""
    words, columns = WORDS[lang], _columns(grades, assignments)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heads = [f"{head} ({points})" for _, _, head, points in columns]
    most = sum(points for *_, points in columns)
    total = f"{words['total']} ({most})"
    writer.writerow([words["student"], *heads, total, words["failed"]])
    for student, own in _rows(grades).items():
        found = _verdicts(own)
        points = [
            found[head].points if head in found else "" for *_, head, _ in columns
        ]
        failed = _problems(own, lang)
        for head, verdict in found.items():
            for fault in faults_of(verdict, lang):
                failed.append(head + words["colon"] + " ".join(fault.split()))
        total = sum(verdict.points for verdict in found.values())
        last = words["comma"].join(failed)
        writer.writerow([_plain(student), *points, total, _plain(last)])
    return file.getvalue()


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def page(grades: list[Grade], assignments: dict[str, Assignment], lang: str) -> str:
    """The grades as one page of HTML that needs nothing else."""
    words, columns, rows = WORDS[lang], _columns(grades, assignments), _rows(grades)
    heads = "".join(
        f"<th>{html.escape(_title(column, lang))}</th>" for column in columns
    )
    code = {"en": "en", "zh": "zh-CN"}[lang]
    lines = [
        f'<!doctype html>\n<html lang="{code}"><head><meta charset="utf-8">',
        f"<title>{words['title']}</title><style>{STYLE}</style></head><body>",
        f"<h1>{words['title']}</h1>",
        f"<p>{words['graded'].format(count=len(rows))}</p>",
        '<div class="wide"><table>',
        f"<thead><tr><th>{words['student']}</th><th>{words['total']}</th>{heads}",
        "</tr></thead><tbody>",
        *(_row(student, own, columns, lang) for student, own in rows.items()),
        "</tbody></table></div></body></html>\n",
    ]
    return "\n".join(lines)


def _title(column: tuple[Assignment, str, str, int], lang: str) -> str:
    assignment, name, _, points = column
    exercise = next(e for e in assignment.exercises if e.name == name)
    return f"{assignment.chapter[:2]} · {exercise.title(lang)} ({points})"


def _row(student: str, own: list[Grade], columns: Columns, lang: str) -> str:
    found = _verdicts(own)
    total = sum(verdict.points for verdict in found.values())
    cells = [f'<th>{html.escape(student)}</th><td class="points">{total}</td>']
    for *_, head, most in columns:
        verdict = found.get(head)
        if verdict is None:
            cells.append('<td class="points"></td>')
            continue
        kind = ("none", "part", "full")[(verdict.points > 0) + (verdict.points == most)]
        cells.append(f'<td class="points {kind}">{verdict.points}</td>')
    lines = _lines(own, columns, lang)
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    if not items:
        return f"<tr>{''.join(cells)}</tr>"
    # in a row of its own: beside many columns no width would be left for words
    failed = f'<td></td><td class="failed" colspan="{len(columns) + 1}">'
    return (
        f'<tr class="points">{"".join(cells)}</tr>\n'
        f"<tr>{failed}<ul>{items}</ul></td></tr>"
    )


def _lines(own: list[Grade], columns: Columns, lang: str) -> Iterator[str]:
    """What failed, each thing below the title of its exercise."""
    yield from _problems(own, lang)
    found = _verdicts(own)
    for column in columns:
        head = _title(column, lang).rpartition(" (")[0]
        if verdict := found.get(column[2]):
            for fault in faults_of(verdict, lang):
                yield head + WORDS[lang]["colon"] + fault
