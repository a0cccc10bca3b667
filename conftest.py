"""What the tests and the examples of the docstrings share."""

import pytest


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Nothing that is run writes into the repository, whatever path it gives."""
    monkeypatch.chdir(tmp_path)
