"""Segmentations in files: label maps of any kind, and Slicer's .seg.nrrd with names, terminology and layers."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import MedCompressError
from ..volume import Geometry, Volume, read_volume
from ..volume_checksum import check_compressed_samples
from .segmentation import Segment, Segmentation, label_array, segmentation_from_labels

_FIELD = re.compile(r"Segment(\d+)_(ID|Name|LabelValue|Layer|Tags)$")
_TERMINOLOGY = re.compile(r"(?:^|\|)TerminologyEntry:([^|]*)")


def read_segmentation(path: str | Path, names: Mapping[int, str] | None = None) -> Segmentation:
    """Segmentation from NRRD, .seg.nrrd, NIfTI, MetaImage or DICOM slices that hold labels.

    names: label value to segment name (`read_names`), for label maps; a .seg.nrrd has its own.

    Raises MedCompressError (cause and remedy in one line) when the file cannot be read or holds no labels.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() in (".nrrd", ".nhdr"):
        fields, components = _nrrd_header(path)
        if fields:
            return _slicer_segmentation(path, fields, components)
    return segmentation_from_labels(read_volume(path), names)


def _reader(path: Path):
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    return reader


def _nrrd_header(path: Path) -> tuple[dict[int, dict[str, str]], int]:
    """The segments' fields by their number, and the components of a voxel; nothing where the header is unreadable."""
    reader = _reader(path)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return {}, 1
    fields: dict[int, dict[str, str]] = {}
    for key in reader.GetMetaDataKeys():
        if match := _FIELD.match(key):
            fields.setdefault(int(match[1]), {})[match[2]] = reader.GetMetaData(key)
    return fields, reader.GetNumberOfComponents()


def _slicer_segmentation(path: Path, fields: dict[int, dict[str, str]], components: int) -> Segmentation:
    volume, layers = _layers(path, components)
    segments = []
    for number, values in sorted(fields.items()):
        try:
            value, layer = int(values.get("LabelValue", 1)), int(values.get("Layer", number if components > 1 else 0))
        except ValueError:
            raise MedCompressError(
                f"{path}: segment {number} has a label value or layer that is not a number; save it again in Slicer"
            ) from None
        name = values.get("Name") or values.get("ID") or str(value)
        segments.append(Segment(name, value, layer, terminology_of(values.get("Tags", ""))))
    return Segmentation(layers, tuple(segments), volume.geometry, volume.name)


def _layers(path: Path, components: int) -> tuple[Volume, tuple[np.ndarray, ...]]:
    if components == 1:
        volume = read_volume(path)
        return volume, (label_array(volume.array, str(path)),)
    import SimpleITK

    try:
        image = _reader(path).Execute()
    except RuntimeError:
        raise MedCompressError(f"{path} is damaged or cut off; copy or export it again") from None
    array = SimpleITK.GetArrayFromImage(image)
    check_compressed_samples(path, "nrrd", array)
    direction = image.GetDirection()
    geometry = Geometry(image.GetSpacing(), image.GetOrigin(), (direction[0:3], direction[3:6], direction[6:9]))
    layers = tuple(label_array(np.ascontiguousarray(array[..., n]), str(path)) for n in range(components))
    return Volume(layers[0], geometry, None, path.name.removesuffix(".nrrd").removesuffix(".seg")), layers


def terminology_of(tags: str) -> str:
    """The codes in a Slicer segment's tags: category, type, modifier, region and its modifier, without their meanings.

    "" where there is no terminology.
    """
    match = _TERMINOLOGY.search(tags)
    if not match:
        return ""
    parts = match[1].split("~")
    codes = ["^".join(part.split("^")[:2]).strip("^") for part in (*parts[1:4], *parts[5:7])]
    return "~".join(codes) if any(codes) else ""
