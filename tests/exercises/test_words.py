"""Code in two languages, and the marks around solutions and hidden tests."""

from __future__ import annotations

import pytest

from tools.exercises.words import (
    HIDDEN,
    blank,
    bound_names,
    check_marks,
    check_words,
    speak,
    unmarked,
    visible,
)

TEST = '''\
def f(x):
    either("""Half
    of x.""", """x的一半。""")
assert f(4) == 2, either(
    f"f(4) is {f(4)}",
    f"f(4)是{f(4)}",
)  # 说明
print(either("a", "甲"), either("b", "乙"))'''


def test_each_language_keeps_its_own_words() -> None:
    assert speak(TEST, "en") == (
        'def f(x):\n    """Half\n    of x."""\n'
        'assert f(4) == 2, f"f(4) is {f(4)}"  # 说明\nprint("a", "b")'
    )
    assert speak(TEST, "zh") == (
        'def f(x):\n    """x的一半。"""\n'
        'assert f(4) == 2, f"f(4)是{f(4)}"  # 说明\nprint("甲", "乙")'
    )
    assert not list(check_words(TEST))


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ('\neither("a")', "either takes the English words, then the Chinese ones."),
        ('\neither("甲", "a")', "either: English first, then Chinese, one of each."),
        (
            '\neither(f"{a}", f"甲{b}")',
            "either: both texts have to show the same values.",
        ),
        ("\nx = = 1", "not Python: invalid syntax."),
    ],
)
def test_faults_of_words_are_named_with_their_line(code: str, fault: str) -> None:
    assert list(check_words(code)) == [(2, fault)]


ANSWER = """\
def f():
    ### BEGIN SOLUTION
    x = 1
    return x
    ### END SOLUTION


y = 0
### BEGIN SOLUTION
y = f()
### END SOLUTION"""


def test_solutions_become_stubs_where_they_stood() -> None:
    stub = "raise NotImplementedError"
    assert blank(ANSWER) == f"def f():\n    {stub}\n\n\ny = 0\n{stub}"
    assert unmarked(ANSWER) == "def f():\n    x = 1\n    return x\n\n\ny = 0\ny = f()"


def test_hidden_tests_disappear() -> None:
    source = "a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\nc"
    assert visible(source) == "a\nc"
    assert unmarked(source) == "a\nb\nc"
    assert check_marks(source, HIDDEN)
    assert not check_marks(source + "\n### BEGIN HIDDEN TESTS", HIDDEN)
    assert not check_marks("### END HIDDEN TESTS\n" + source, HIDDEN)


def test_what_a_cell_defines() -> None:
    code = (
        "import os\ndef f(): g = 1\nclass C: pass\na, (b, c) = x\nd: int = 1\na.e = 2"
    )
    assert bound_names(code) == {"f", "C", "a", "b", "c", "d"} - {"x"}
    assert bound_names("def f(:") == frozenset()
