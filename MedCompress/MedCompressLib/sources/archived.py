"""An archive as the source of another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..archive import Archive
from .blocks import BlockReader
from .source import slice_bytes


class ArchiveSource:
    """The volume in an archive, all bytes of which are checked first. Raises MedCompressError on damage."""

    def __init__(self, path: Path):
        self._archive = Archive(path)
        try:
            self._archive.verify()
        except BaseException:
            self._archive.close()
            raise
        manifest = self._archive.manifest
        self.shape, self.scalar_type = manifest.shape, manifest.scalar_type
        self.geometry, self.modality, self.name = manifest.geometry, manifest.modality, path.stem
        self.read = BlockReader(self._slab, self.shape[0], self._archive.group_slices, slice_bytes(self))

    def _slab(self, start: int, stop: int) -> np.ndarray:
        return self._archive.read_slab(start, stop, threads=1)

    def close(self) -> None:
        self._archive.close()
