"""NIfTI-1 voxels, read without ITK; where they lie, read with ITK so that Slicer and this library agree.

ITK's reader returns unread memory for a cut-off file, turns NaN and infinity into 0, and for x.nii.gz takes the voxels
of an x.nii beside it. Source of the layout: NIfTI-1.1 header, nifti1.h (NIMH, 2007).
"""

import gzip
import math
import struct
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import MedCompressError
from .volume import Geometry

HEADER_BYTES = 348
LONGEST_AXIS = 32767
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHER_TYPES = {1: "1-bit", 32: "complex", 128: "RGB color", 1792: "complex", 2304: "RGBA color"}
_DEFLATE_LIMIT = 1040
_CHUNK = 1 << 24


def read_nifti(path: Path) -> tuple[np.ndarray, Geometry]:
    """Array [k, j, i] and geometry of a single-file NIfTI-1, .nii or .nii.gz.

    Samples that the header scales (scl_slope, scl_inter) come as float32, or float64 where the stored type has more
    than 24 significant bits; all others come as stored. Raises MedCompressError for anything but one scalar volume.
    """
    compressed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if compressed else open(path, "rb") as file:
            header = file.read(HEADER_BYTES)
            dtype, shape, start, slope, intercept = _describe(path, header)
            _check_size(path, compressed, start + math.prod(shape) * dtype.itemsize)
            _skip(file, start - HEADER_BYTES)
            array = np.empty(shape, dtype)
            _fill(file, array)
            while compressed and file.read(_CHUNK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MedCompressError(f"{path} is damaged or cut off ({error}); copy or export it again") from None
    geometry = _geometry(path, header, shape)
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
    if slope != 0 and (slope, intercept) != (1, 0):
        array = _scaled(array, slope, intercept)
    return array, geometry


def unscaled_place(path: Path) -> tuple[np.dtype, tuple[int, int, int], int, Geometry] | None:
    """Type, shape (k, j, i), byte offset and geometry of the voxels in a .nii; None where the header scales them."""
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
    dtype, shape, start, slope, intercept = _describe(path, header)
    if slope != 0 and (slope, intercept) != (1, 0):
        return None
    return dtype, shape, start, _geometry(path, header, shape)


def _describe(path: Path, header: bytes) -> tuple[np.dtype, tuple[int, int, int], int, float, float]:
    if len(header) < HEADER_BYTES or header[344:348] != b"n+1\0":
        raise MedCompressError(f"{path} is not a single-file NIfTI-1 image or is cut off; export it again, or as .nrrd")
    order = "<" if 1 <= struct.unpack_from("<h", header, 40)[0] <= 7 else ">"
    axes, *lengths = struct.unpack_from(order + "8h", header, 40)
    code = struct.unpack_from(order + "h", header, 70)[0]
    start, slope, intercept = struct.unpack_from(order + "3f", header, 108)
    if not 1 <= axes <= 7 or min(lengths[: max(axes, 1)], default=0) < 1 or not HEADER_BYTES <= start < 1 << 31:
        raise MedCompressError(
            f"{path} has an impossible NIfTI header (axes {axes}, lengths {lengths}); export it again"
        )
    if code not in _TYPES:
        raise MedCompressError(
            f"{path} holds {_OTHER_TYPES.get(code, f'NIfTI type {code}')} voxels; convert it to one scalar volume"
        )
    if axes < 3 or max(lengths[3:axes], default=1) > 1:
        raise MedCompressError(
            f"{path} has {axes} axes {tuple(lengths[:axes])}; a volume has 3:"
            " split time points or components into files of their own"
        )
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        slope, intercept = 1.0, 0.0
    i, j, k = lengths[:3]
    return np.dtype(order + _TYPES[code]), (k, j, i), int(start), slope, intercept


def _check_size(path: Path, compressed: bool, needed: int) -> None:
    size = path.stat().st_size
    if needed > size * (_DEFLATE_LIMIT if compressed else 1):
        raise MedCompressError(
            f"{path} is cut off: its header promises {needed} bytes, the file has {size}; copy or export it again"
        )


def _skip(file: BinaryIO, count: int) -> None:
    while count > 0:
        got = len(file.read(min(count, _CHUNK)))
        if not got:
            raise EOFError("it ends before the voxels")
        count -= got


def _fill(file: BinaryIO, array: np.ndarray) -> None:
    target, done = memoryview(array.reshape(-1).view(np.uint8)), 0
    while done < len(target):
        got = file.readinto(target[done : done + _CHUNK])
        if not got:
            raise EOFError(f"it ends after {done} of {len(target)} bytes of voxels")
        done += got


def _geometry(path: Path, header: bytes, shape: tuple[int, int, int]) -> Geometry:
    import SimpleITK

    order = "<" if 1 <= struct.unpack_from("<h", header, 40)[0] <= 7 else ">"
    alone = bytearray(header) + bytes(4)
    struct.pack_into(order + "8h", alone, 40, 3, shape[2], shape[1], shape[0], 1, 1, 1, 1)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "header.nii"
        copy.write_bytes(alone)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("NiftiImageIO")
        reader.SetFileName(str(copy))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise MedCompressError(
                f"{path} has no usable orientation ({str(error).strip().splitlines()[-1]});"
                " a sheared one cannot be read: resample it first"
            ) from None
        direction = reader.GetDirection()
        return Geometry(reader.GetSpacing(), reader.GetOrigin(), (direction[0:3], direction[3:6], direction[6:9]))


def _scaled(array: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    wide = array.dtype.itemsize > (4 if array.dtype.kind == "f" else 2)
    scaled = np.empty(array.shape, np.float64 if wide else np.float32)
    for k in range(len(array)):
        scaled[k] = array[k] * np.float64(slope) + np.float64(intercept)
    return scaled
