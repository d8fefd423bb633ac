"""TIFF stacks: a multi-page TIFF, an OME-TIFF, or a folder with one TIFF a slice.

Pixel sizes come from OME's metadata (OME-XML, Pixels PhysicalSizeX/Y/Z) or ImageJ's; other TIFF files say nothing
certain of their size, so their voxels are 1 mm.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MedCompressError
from ..volume import SCALAR_TYPES, Geometry
from .raw import RawSource
from .source import Source
from .units import in_mm

EXTENSIONS = (".tif", ".tiff", ".btf")


def open_tiff(path: Path) -> Source:
    """The stack in one file. Raises MedCompressError for color, time points, several channels or damage."""
    file = _open(path)
    try:
        series = file.series[0]
        shape = _stack_shape(path, series)
        geometry = Geometry(_spacing(path, file))
        with _strict(path):
            offset = series.dataoffset
            len(series.pages)
        if offset is not None and series.keyframe.compression == 1:
            file.close()
            return RawSource(path, offset, series.dtype.newbyteorder(file.byteorder), shape, geometry, None, path.stem)
        return PagedTiff(path, file, series, shape, geometry)
    except BaseException:
        file.close()
        raise


class PagedTiff:
    """Slices that lie anywhere in a TIFF, compressed or not."""

    def __init__(self, path: Path, file: Any, series: Any, shape: tuple[int, int, int], geometry: Geometry):
        self._path, self._file, self._series = path, file, series
        self.shape, self.scalar_type, self.geometry = shape, series.dtype.name, geometry
        self.modality, self.name = None, path.stem
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> np.ndarray:
        slab = np.empty((stop - start, *self.shape[1:]), self.scalar_type)
        with self._lock:
            for k in range(start, stop):
                slab[k - start] = _plane(self._path, self._series.pages[k], self.shape[1:])
        return slab

    def close(self) -> None:
        self._file.close()


class TiffFolder:
    """One slice a file, in the order of the numbers in their names (slice2 before slice10)."""

    def __init__(self, folder: Path):
        self._paths = sorted(tiff_files(folder), key=_natural_order)
        _require_all(self._paths)
        with _open(self._paths[0]) as file:
            shape, spacing = _stack_shape(self._paths[0], file.series[0]), _spacing(self._paths[0], file)
            self.scalar_type = file.series[0].dtype.name
        if shape[0] != 1:
            raise MedCompressError(
                f"{self._paths[0]} holds {shape[0]} slices beside other files; open that file alone"
            )
        self.shape = (len(self._paths), *shape[1:])
        self.geometry, self.modality, self.name = Geometry(spacing), None, folder.name

    def read(self, start: int, stop: int) -> np.ndarray:
        slab = np.empty((stop - start, *self.shape[1:]), self.scalar_type)
        for k, path in enumerate(self._paths[start:stop]):
            with _open(path) as file:
                series = file.series[0]
                if _stack_shape(path, series) != (1, *self.shape[1:]) or series.dtype.name != self.scalar_type:
                    raise MedCompressError(
                        f"{path} holds {series.shape} {series.dtype.name}, the first slice {self.shape[1:]} "
                        f"{self.scalar_type}: move what is no slice of this stack elsewhere"
                    )
                slab[k] = _plane(path, series.pages[0], self.shape[1:])
        return slab

    def close(self) -> None:
        pass


def tiff_files(folder: Path) -> list[Path]:
    """The files of a folder, but for hidden ones, that are called TIFF."""
    return [path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")]


def _require_all(paths: list[Path]) -> None:
    """Raise MedCompressError where one number counts the files and does not do so in even steps."""
    names = [re.split(r"(\d+)", path.stem) for path in paths]
    varying = [n for n in range(len(names[0])) if len({name[n] if n < len(name) else "" for name in names}) > 1]
    if len({len(name) for name in names}) > 1 or len(varying) != 1 or varying[0] % 2 == 0:
        return
    numbers = [int(name[varying[0]]) for name in names]
    steps = [after - before for before, after in zip(numbers, numbers[1:], strict=False)]
    for step, before, after in zip(steps, paths, paths[1:], strict=False):
        if step != min(steps):
            raise MedCompressError(
                f"slices are missing between {before} and {after.name}: add them, or number the files without gaps"
            )


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", path.name) if part
    ]


def _open(path: Path) -> Any:
    try:
        import tifffile
    except ImportError:
        raise MedCompressError(
            f"{path} needs the package tifffile: install it with pip install medcompress[stacks]"
        ) from None
    with _strict(path):
        file = tifffile.TiffFile(path)
        try:
            if not file.series:
                raise ValueError("it holds no image")
        except BaseException:
            file.close()
            raise
        return file


def _stack_shape(path: Path, series: Any) -> tuple[int, int, int]:
    """(slices, rows, columns) of an image with one axis beside Y and X that is longer than 1."""
    axes, shape = series.axes, series.shape
    lengths = dict(zip(axes, shape, strict=True))
    stacks = [axis for axis in axes if axis not in "YX" and lengths[axis] > 1]
    if axes[-2:] != "YX" or len(stacks) > 1 or set(stacks) & set("CST"):
        raise MedCompressError(
            f"{path} has axes {axes} of lengths {tuple(shape)}: a volume is one channel and one time point, with "
            "slices before rows and columns; split it"
        )
    if series.dtype.name not in SCALAR_TYPES:
        raise MedCompressError(f"{path} holds {series.dtype.name} samples: convert it to integers or floats")
    return lengths[stacks[0]] if stacks else 1, lengths["Y"], lengths["X"]


def _plane(path: Path, page: Any, shape: tuple[int, int]) -> np.ndarray:
    with _strict(path):
        if page is None:
            raise ValueError("a slice is missing")
        return page.asarray().reshape(shape)


@contextmanager
def _strict(path: Path) -> Iterator[None]:
    """What tifffile finds wrong becomes MedCompressError, also where it would log it and go on with fewer slices."""
    import tifffile

    errors: list[str] = []
    handler = logging.Handler(logging.ERROR)
    thread = threading.get_ident()
    handler.emit = lambda record: record.thread == thread and errors.append(record.getMessage())
    logger = tifffile.logger()
    logger.addHandler(handler)
    try:
        yield
    except (tifffile.TiffFileError, ValueError, OSError, RuntimeError, IndexError) as error:
        errors.append(str(error))
    finally:
        logger.removeHandler(handler)
    if errors:
        raise MedCompressError(f"{path} is no TIFF, damaged or cut off ({errors[0]}): copy or export it again")


def _spacing(path: Path, file: Any) -> tuple[float, float, float]:
    """mm between voxels along i, j, k."""
    if file.is_ome:
        from xml.etree import ElementTree

        pixels = ElementTree.fromstring(file.ome_metadata).find(".//{*}Pixels")
        sizes = [(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XYZ"]
        return tuple(in_mm(size, unit, path) for size, unit in sizes)
    if file.is_imagej:
        metadata, tags = file.imagej_metadata, file.pages[0].tags
        unit = metadata.get("unit", "pixel")
        along = [tags[name].value if name in tags else (1, 1) for name in ("XResolution", "YResolution")]
        sizes = [below / above if above else 1.0 for above, below in along]
        return tuple(in_mm(size, unit, path) for size in (*sizes, metadata.get("spacing", 1.0)))
    return 1.0, 1.0, 1.0
