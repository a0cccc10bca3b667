"""The classroom: exercises that check themselves, their grading, and nbgrader's course.

Each source ``chapters/exercises/NN-name.md`` becomes, in either language, a notebook
to work in (``chapters/{en,zh}/exercises/``), one with the answers, executed
(``chapters/{en,zh}/solutions/``), and an assignment of nbgrader's. The tests that
decide come from the source, never from what was handed in.
"""
