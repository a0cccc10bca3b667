"""What all tests share: the settings of hypothesis, and where others' files are."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every machine, and no database that remembers failures.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# For a long search by hand: pytest --hypothesis-profile=search
settings.register_profile(
    "search", settings.get_profile("repeatable"), derandomize=False, max_examples=20000
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def extra():
    """The folder of files that are not ours: `burn/` and `suites/`."""
    folder = os.environ.get("D2LREC_EXTRA_DATA")
    if not folder:
        pytest.skip("D2LREC_EXTRA_DATA is not set: no files of others to read")
    return Path(folder)
