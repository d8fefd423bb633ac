"""What all tests share: where the library and the real volumes are, and how examples are drawn.

Each run draws the same examples and gives them all the time they take, so that what fails has a cause in the change.
The search for examples that nobody has seen yet: --hypothesis-profile default, as often as wanted.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "MedCompress"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real volumes: MEDCOMPRESS_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("MEDCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real volumes not found in {folder}; set MEDCOMPRESS_DATA to their folder")
    return folder
