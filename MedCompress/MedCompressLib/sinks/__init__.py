"""Where samples go to, slab by slab, at once or not at all."""

from __future__ import annotations

from pathlib import Path

from ..errors import MedCompressError
from ..volume import Geometry
from .nrrd import NrrdSink
from .ome_zarr import OmeZarrSink
from .sink import Sink

__all__ = ["Sink", "open_sink"]


def open_sink(
    path: Path,
    shape: tuple[int, int, int],
    scalar_type: str,
    geometry: Geometry,
    modality: str | None = None,
    compressed: bool = True,
) -> Sink | None:
    """The sink for .nrrd, .zarr and .ome.zarr; None for formats that are not written slab by slab.

    compressed: of NRRD; Zarr always is. Raises MedCompressError when nothing can be written at `path`.
    """
    extension = path.suffix.lower()
    if extension not in (".nrrd", ".zarr"):
        return None
    if not path.parent.is_dir():
        raise MedCompressError(f"folder {path.parent} does not exist; create it first")
    if extension == ".zarr":
        return OmeZarrSink(path, shape, scalar_type, geometry, modality)
    if path.is_dir():
        raise MedCompressError(f"{path} is a folder; choose another name")
    return NrrdSink(path, shape, scalar_type, geometry, compressed)
