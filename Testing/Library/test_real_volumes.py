"""Every codec on every real volume: bit for bit where asked, within the target where not, each in its own place."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from MedCompressLib.codecs import codec_names, get_codec
from MedCompressLib.compression import compress, decompress
from MedCompressLib.jobs import thread_count
from MedCompressLib.targets import Lossless, Psnr
from MedCompressLib.volume import read_volume

SLOW = ("jpeg2000-budget", "volumetric-jpeg2000", "jpegxl", "bzip2", "lzma")
SLOW += tuple(name for name in codec_names() if name.startswith("hevc"))
"""At most 20 MB/s on a core, or several encodings for a target: of volumes above BIG bytes they get SOME slices."""

BIG, SOME = 2_000_000, 8
DECIBELS = 45.0
LOSSY = [name for name in codec_names() if get_codec(name).capabilities.lossy]


@pytest.fixture(scope="module")
def volumes(data_folder):
    """Path: volume, for every file and DICOM folder."""
    paths = [*data_folder.rglob("*.nii.gz"), *data_folder.rglob("*.nrrd")]
    paths += [data_folder / "ct_chest_dicom", data_folder / "ct_liver_dicom_j2k"]
    found = {path: read_volume(path) for path in sorted(paths)}
    assert len(found) > 400 and sum("hippocampus" in str(path) for path in found) >= 390
    return found


def some_slices(volume):
    """Neighbors from the middle of a big volume, all of a small one."""
    first = (len(volume.array) - SOME) // 2
    return volume if volume.array.nbytes < BIG else replace(volume, array=volume.array[first : first + SOME])


def archived(item):
    """Report of an archive and the volume that came back from it; the archive is removed."""
    path, volume, codec, target = item
    report = compress(volume, path, codec, target, threads=1)
    restored = decompress(path, threads=1)
    path.unlink()
    return report, restored


def all_archived(chosen, codec, target, folder):
    """(path, volume, report, restored) of each, several at a time."""
    items = [(folder / f"{number}.mcz", volume, codec, target) for number, volume in enumerate(chosen.values())]
    with ThreadPoolExecutor(thread_count()) as pool:
        for (path, volume), results in zip(chosen.items(), pool.map(archived, items), strict=True):
            yield path, volume, *results


@pytest.mark.parametrize("codec", codec_names())
def test_lossless_by_every_codec(volumes, tmp_path, codec):
    chosen = {path: some_slices(volume) for path, volume in volumes.items()} if codec in SLOW else volumes
    for path, volume, report, restored in all_archived(chosen, codec, Lossless(), tmp_path):
        assert report.manifest.lossless and report.manifest.layers[-1].codec == get_codec(codec).name, path
        assert restored.scalar_type == volume.scalar_type, path
        assert restored.array.tobytes() == volume.array.tobytes(), path
        assert restored.geometry == volume.geometry and restored.modality == volume.modality, path


@pytest.mark.parametrize("codec", LOSSY)
def test_psnr_by_every_lossy_codec(volumes, tmp_path, codec):
    """All images but label maps; one in fifteen of the many small ones."""
    images = {path: volume for path, volume in volumes.items() if volume.array.max() > 255}
    small = [path for path in images if "hippocampus" in str(path)]
    left_out = {path for number, path in enumerate(small) if number % 15}
    chosen = {path: some_slices(volume) for path, volume in images.items() if path not in left_out}
    for path, volume, report, restored in all_archived(chosen, codec, Psnr(DECIBELS), tmp_path):
        mse = np.mean((restored.array.astype(float) - volume.array) ** 2)
        psnr = 10 * math.log10(report.manifest.peak**2 / mse)
        assert DECIBELS <= psnr <= DECIBELS + 0.2, path
        assert restored.geometry == volume.geometry and restored.scalar_type == volume.scalar_type, path
