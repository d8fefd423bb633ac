"""One DICOM file, or a folder of slices, as a volume.

Slices are ordered and spaced by Image Position (Patient) projected on the normal of Image Orientation (Patient): PS3.3,
C.7.6.2.1.1. Slice Thickness and Instance Number say nothing about where a slice lies. Samples come rescaled (PS3.3,
C.11.1.1.2), slice by slice, since slope and intercept may differ between the slices of a PET series.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from .errors import MedCompressError
from .volume import Geometry, Volume
from .volume_dicom_slices import Slice, read_slice, regular_grid
from .volume_files import reason

MODALITIES = frozenset(
    "AR ASMT AU BDUS BI BMD CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER "
    "KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE "
    "RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA "
    "XAPROTOCOL XC "
    "AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST VF".split()
)
"""Defined terms of Modality (PS3.3, C.7.3.1.1.1), the retired ones in the last line."""

_SLICE_EXTENSIONS = (".dcm", ".dicom", ".ima")
_NO_IMAGE_CLASSES = tuple(
    "1.2.840.10008." + uid
    for uid in (
        "1.3.10",
        "5.1.4.1.1.481",
        "5.1.4.1.1.88",
        "5.1.4.1.1.11.",
        "5.1.4.1.1.66",
        "5.1.4.1.1.104",
        "5.1.4.1.1.9.",
    )
)


def read_dicom_file(path: Path) -> Volume:
    """The volume in one file: a single slice, or the frames of a multi-frame image. Raises MedCompressError."""
    return _volume([_slice(path)])


def dicom_slices(folder: Path, series: str | None = None) -> tuple[list[Slice], Geometry, np.dtype]:
    """The slices of `read_dicom_folder` in order, not yet read, their geometry and the type that holds all of them.

    Raises MedCompressError as that does.
    """
    return _in_order(_selected(folder, series))


def read_dicom_folder(folder: Path, series: str | None = None) -> Volume:
    """The volume whose slices lie in `folder` (not in its subfolders); files that are not DICOM images are ignored.

    series: see volume.read_volume. Raises MedCompressError when there are no images, several series and no choice,
    a damaged image, or slices that do not make one regular grid (positions within 1 % of the slice spacing or 0.01 mm).
    """
    return _volume(_selected(folder, series))


def _selected(folder: Path, series: str | None) -> list[Slice]:
    found = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_file() and _is_slice(path):
            item = _slice(path)
            found[item.series].append(item)
    if not found:
        raise MedCompressError(
            f"{folder} holds no DICOM images (subfolders are not searched); choose the folder with the slices"
        )
    groups = sorted(found.values(), key=lambda items: (items[0].series_number, items[0].series))
    return _choose(folder, groups, series)


def looks_like_dicom(path: Path) -> bool:
    """Whether the file starts as DICOM does: "DICM" after 128 bytes, or at once with group 0002 or 0008."""
    with open(path, "rb") as file:
        head = file.read(132)
    return head[128:] == b"DICM" or (len(head) == 132 and head[:2] in (b"\x08\0", b"\x02\0") and head[3:4] == b"\0")


def _is_slice(path: Path) -> bool:
    """Whether a file of the folder counts; one that is called a slice and is none must not vanish unnoticed."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    if not looks_like_dicom(path):
        if path.suffix.lower() in _SLICE_EXTENSIONS:
            raise MedCompressError(f"{path} is empty, cut off or not DICOM; copy it again or remove it")
        return False
    return not _is_no_image(path)


def _is_no_image(path: Path) -> bool:
    """Whether the file says that it is a structure set, plan, report or other object without slices."""
    with open(path, "rb") as file:
        head = file.read(4096)
    at = head.find(b"\x02\0\x02\0UI")
    return at >= 0 and head[at + 8 : at + 72].decode("latin-1").startswith(_NO_IMAGE_CLASSES)


def _slice(path: Path) -> Slice:
    try:
        return read_slice(path)
    except RuntimeError as error:
        raise MedCompressError(
            f"{path} is not a readable DICOM image or is cut off ({reason(error)}); copy it again or remove it"
        ) from None


def _choose(folder: Path, groups: list[list[Slice]], series: str | None) -> list[Slice]:
    if series is None and len(groups) == 1:
        return groups[0]
    listing = "; ".join(
        f'{n}: {items[0].series} "{items[0].description}" {items[0].modality or "no modality"}, {len(items)} slices'
        for n, items in enumerate(groups, 1)
    )
    if series is None:
        raise MedCompressError(
            f"{folder} holds {len(groups)} series; choose one with --series (series= in Python) by its UID,"
            f" a unique start or end of it, or its number: {listing}"
        )
    wanted = str(series).strip()
    if wanted.isdigit() and 1 <= int(wanted) <= len(groups):
        return groups[int(wanted) - 1]
    exact = [items for items in groups if items[0].series == wanted]
    matches = exact or [items for items in groups if wanted and items[0].series.startswith(wanted)]
    matches = matches or [items for items in groups if wanted and items[0].series.endswith(wanted)]
    if len(matches) != 1:
        fits = "no" if not matches else "more than one"
        raise MedCompressError(f"series {wanted!r} fits {fits} series of {folder}; choose one of: {listing}")
    return matches[0]


def _in_order(slices: list[Slice]) -> tuple[list[Slice], Geometry, np.dtype]:
    colored = [item for item in slices if item.components > 1]
    if colored:
        raise MedCompressError(f"{colored[0].path} is a color image, not a scalar one; choose another series or file")
    dtype = np.result_type(*{item.dtype for item in slices})
    if len(slices) == 1:
        return slices, slices[0].geometry, dtype
    return *regular_grid(slices), dtype


def _volume(slices: list[Slice]) -> Volume:
    first = slices[0]
    slices, geometry, dtype = _in_order(slices)
    if len(slices) == 1:
        array = read_pixels(first)
    else:
        array = np.empty((len(slices), slices[0].size[1], slices[0].size[0]), dtype)
        for k, item in enumerate(slices):
            array[k] = read_pixels(item)[0]
    if array.dtype == np.int32:
        array = array.astype(narrow_type(int(array.min()), int(array.max())), copy=False)
    return Volume(array, geometry, first.modality, volume_name(first))


def volume_name(first: Slice) -> str:
    return first.description or first.path.stem


def narrow_type(lowest: int, highest: int) -> np.dtype:
    """The type of the stored samples, where GDCM widened them to 32 bit only because a rescaled range might need it."""
    for dtype in (np.int16, np.uint16):
        if np.iinfo(dtype).min <= lowest and highest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.int32)


def read_pixels(item: Slice) -> np.ndarray:
    """The samples [k, j, i] of one file, rescaled as it says. Raises MedCompressError for a damaged file."""
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(item.path), imageIO="GDCMImageIO"))
    except RuntimeError as error:
        raise MedCompressError(
            f"{item.path} cannot be decoded ({reason(error)}); copy it again, or export it uncompressed"
        ) from None
