"""One start of Qt and MRML for all module tests; each test leaves an empty scene and no hidden failure."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import Harness  # noqa: E402


def ourPackages() -> dict:
    """The modules of the library and of the shared package that are imported."""
    names = [name for name in sys.modules if name.split(".")[0] in ("MedCompressLib", "MedCompressSlicer")]
    return {name: sys.modules[name] for name in names}


@pytest.fixture(autouse=True)
def slicerApplication():
    """Boot once; after the test close modules, empty the scene, and fail on what slots and observers swallowed.

    A reload makes new packages: afterwards those are back that other tests have imported.
    """
    Harness.boot()
    kept = ourPackages()
    yield
    Harness.closeAll()
    if any(sys.modules.get(name) is not module for name, module in kept.items()):
        for name in ourPackages():
            del sys.modules[name]
        sys.modules.update(kept)
    errors = Harness.takeErrors()
    if errors:
        pytest.fail("not raised in the test, but reported:\n" + "\n".join(errors), pytrace=False)
