"""What the tests and the examples of the docstrings share."""

import pytest

# Nothing in them passes before it is answered; what proves them is in tests/exercises.
collect_ignore_glob = ["chapters/*/exercises/*"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Nothing that is run writes into the repository, whatever path it gives."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def names_of_the_examples(request, doctest_namespace):
    """Let the examples speak as a reader would: `torch`, `nn`, and the public names."""
    if isinstance(request.node, pytest.DoctestItem):
        import torch

        import d2lrec

        doctest_namespace.update({"torch": torch, "nn": torch.nn, "d2lrec": d2lrec})
        for name in d2lrec.__all__:
            doctest_namespace.setdefault(name, getattr(d2lrec, name))
