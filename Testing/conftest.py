"""What all tests share: where the library and the real volumes are."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "MedCompress"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real volumes: MEDCOMPRESS_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("MEDCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real volumes not found in {folder}; set MEDCOMPRESS_DATA to their folder")
    return folder
