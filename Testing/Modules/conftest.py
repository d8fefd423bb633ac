"""One start of Qt and MRML for all module tests; each test leaves an empty scene and no hidden failure."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import Harness  # noqa: E402


@pytest.fixture(autouse=True)
def slicerApplication():
    """Boot once; after the test close modules, empty the scene, and fail on what slots and observers swallowed."""
    Harness.boot()
    yield
    Harness.closeAll()
    errors = Harness.takeErrors()
    if errors:
        pytest.fail("not raised in the test, but reported:\n" + "\n".join(errors), pytrace=False)
