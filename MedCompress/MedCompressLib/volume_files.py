"""Volumes in files: which reader or writer a path needs, and that nothing half-written or half-read passes as whole."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import MedCompressError
from .volume import Geometry, Volume

_READABLE = {
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".mha": "meta",
    ".mhd": "meta",
    ".dcm": "dicom",
}
_WRITABLE = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO", ".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO"}
_EXACT, _FLOAT32 = 2.0**-50, 2.0**-22


def read(path: Path, series: str | None = None) -> Volume:
    """The work behind volume.read_volume."""
    from .volume_dicom import read_dicom_file, read_dicom_folder

    if not path.exists():
        raise MedCompressError(f"{path} does not exist; check the path")
    try:
        if path.is_dir():
            return read_dicom_folder(path, series)
        if series is not None:
            raise MedCompressError(
                f"{path} is a file, series {series!r} can only be chosen in a DICOM folder; leave the series out"
            )
        kind = _kind(path)
        if kind == "dicom":
            return read_dicom_file(path)
        if kind == "nifti":
            from .volume_nifti import read_nifti

            array, geometry = read_nifti(path)
        else:
            array, geometry = _read_itk(path, kind)
    except OSError as error:
        raise MedCompressError(
            f"{error.filename or path} cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from None
    except MemoryError:
        raise MedCompressError(f"{path} does not fit into memory; use a machine with more memory") from None
    return Volume(array, geometry, None, split_extension(path)[0])


def write(volume: Volume, path: Path, compressed: bool = True) -> None:
    """The work behind volume.write_volume."""
    import SimpleITK

    stem, extension = split_extension(path)
    if extension not in _WRITABLE:
        raise MedCompressError(
            f"{path.name}: volumes are written as {', '.join(_WRITABLE)}, those of archives as .ome.zarr too; "
            "choose one of these extensions"
        )
    if not path.parent.is_dir():
        raise MedCompressError(f"folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise MedCompressError(f"{path} is a folder; choose another name")
    nifti = extension.startswith(".nii")
    if nifti and max(volume.array.shape) > 32767:
        raise MedCompressError(
            f"NIfTI holds at most 32767 voxels along an axis, this volume is {volume.array.shape}; write .nrrd or .mha"
        )
    try:
        with tempfile.TemporaryDirectory(prefix=f".{stem}.", suffix=".partial", dir=path.parent) as folder:
            partial = Path(folder) / f"volume{extension}"
            image = SimpleITK.GetImageFromArray(volume.array)
            image.SetSpacing(volume.geometry.spacing)
            image.SetOrigin(volume.geometry.origin)
            image.SetDirection([value for row in volume.geometry.direction for value in row])
            writer = SimpleITK.ImageFileWriter()
            writer.SetImageIO(_WRITABLE[extension])
            writer.SetFileName(str(partial))
            writer.SetUseCompression(compressed and extension != ".nii")
            writer.Execute(image)
            del image, writer
            sync(partial)
            _check_written(volume, partial, path, _FLOAT32 if nifti else _EXACT)
            os.replace(partial, path)
            sync(path.parent)
    except (RuntimeError, OSError) as error:
        raise MedCompressError(
            f"{path} was not written ({reason(error)}); check the free space and the permissions of {path.parent}"
        ) from None


def reason(error: Exception) -> str:
    """The last meaningful line of an exception, without ITK's file names and addresses."""
    lines = [line.strip() for line in str(error).splitlines() if re.search("[A-Za-z]{3}", line)]  # no rows of matrices
    line = lines[-1] if lines else type(error).__name__
    return line.split("): ", 1)[-1].removeprefix("sitk::ERROR: ").removeprefix("Reason: ")


def _require_scalar(path: Path, reader: Any) -> None:
    import SimpleITK

    size, components = tuple(reader.GetSize()), reader.GetNumberOfComponents()
    if components > 1:
        raise MedCompressError(
            f"{path} has {components} components a voxel (color, vector, complex, time points, overlapping segments);"
            " extract one, or export the segmentation as one label map"
        )
    if len(size) > 3 and max(size[3:]) > 1 or len(size) < 3:
        raise MedCompressError(
            f"{path} has {len(size)} axes {size}; a volume has 3: split time points into files of their own"
        )
    kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
    if "complex" in kind:
        raise MedCompressError(f"{path} holds {kind} voxels; save its magnitude or one part as a scalar volume")


def split_extension(path: Path) -> tuple[str, str]:
    """Name without extension, and extension in lower case; both parts of .nii.gz count."""
    name = path.name.lower()
    for extension in sorted(_READABLE, key=len, reverse=True):
        if name.endswith(extension):
            return path.name[: -len(extension)], extension
    return path.stem, path.suffix.lower()


def _kind(path: Path) -> str:
    from .volume_dicom import looks_like_dicom

    extension = split_extension(path)[1]
    if extension in _READABLE:
        return _READABLE[extension]
    if looks_like_dicom(path):
        return "dicom"
    raise MedCompressError(
        f"{path.name} has an unknown extension; volumes are {', '.join(_READABLE)} or a folder of DICOM slices"
    )


def _read_itk(path: Path, kind: str) -> tuple[np.ndarray, Geometry]:
    import SimpleITK

    from .volume_checksum import check_compressed_samples

    reader = _itk_reader(path, kind)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    if image.GetDimension() > 3:
        image = image[(slice(None),) * 3 + (0,) * (image.GetDimension() - 3)]
    geometry = _itk_geometry(image)
    array = SimpleITK.GetArrayFromImage(image)
    check_compressed_samples(path, kind, array)
    return array, geometry


def read_itk_header(path: Path, kind: str) -> tuple[tuple[int, ...], np.dtype, Geometry] | None:
    """Shape (k, j, i), scalar type and geometry of a NRRD ("nrrd") or MetaImage ("meta"); None unless it has 3 axes."""
    import SimpleITK

    from .volume_dicom_slices import numpy_type

    reader = _itk_reader(path, kind)
    if reader.GetDimension() != 3:
        return None
    dtype = numpy_type(SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()))
    return tuple(reader.GetSize()[::-1]), dtype, _itk_geometry(reader)


def _itk_reader(path: Path, kind: str) -> Any:
    """A reader that has read the header and found a scalar volume in it."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if kind == "nrrd" else "MetaImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    _require_scalar(path, reader)
    return reader


def _itk_geometry(image: Any) -> Geometry:
    direction = image.GetDirection()
    return Geometry(image.GetSpacing(), image.GetOrigin(), (direction[0:3], direction[3:6], direction[6:9]))


def _unreadable(path: Path, error: Exception) -> MedCompressError:
    return MedCompressError(
        f"{path} is damaged, cut off or not what its name says ({reason(error)}); copy or export it again"
    )


def _check_written(volume: Volume, partial: Path, path: Path, precision: float) -> None:
    try:
        copy = read(partial)
    except MedCompressError as error:
        raise OSError(f"the written file is incomplete: {str(error).replace(str(partial), path.name)}") from None
    check_geometry(volume.geometry, copy.geometry, path, precision)
    same = copy.array.dtype == volume.array.dtype and copy.array.shape == volume.array.shape
    bits = f"u{volume.array.itemsize}"
    if not same or not all(
        np.array_equal(a.view(bits), b.view(bits)) for a, b in zip(volume.array, copy.array, strict=True)
    ):
        raise MedCompressError(f"{path.name} does not hold the {volume.scalar_type} samples exactly; write .nrrd")


def check_geometry(wanted: Geometry, found: Geometry, path: Path, precision: float = _EXACT) -> None:
    """Raise MedCompressError when `path` gives back other numbers than it got, beyond a few roundings."""
    for name, floor in (("spacing", 0.0), ("origin", max(wanted.spacing)), ("direction", 1.0)):
        value = np.array(getattr(wanted, name))
        allowed = precision * np.maximum(np.abs(value), floor)
        if (np.abs(value - np.array(getattr(found, name))) > 4 * allowed).any():
            raise MedCompressError(
                f"{path.name} cannot hold the {name} {getattr(wanted, name)} (it would become {getattr(found, name)});"
                " write .nrrd or .mha"
            )


def sync(path: Path) -> None:
    """Wait until a file, or a name in a folder, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
