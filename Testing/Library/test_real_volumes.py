"""Every real volume goes through an archive and comes back bit for bit, in its own place."""

from MedCompressLib.compression import compress, decompress
from MedCompressLib.volume import read_volume


def volumes(folder):
    """Files and DICOM folders below the folder of real volumes."""
    files = sorted([*folder.rglob("*.nii.gz"), *folder.rglob("*.nrrd")])
    return files + [folder / "ct_chest_dicom", folder / "ct_liver_dicom_j2k"]


def test_lossless_archive_of_every_volume(data_folder, tmp_path):
    paths = volumes(data_folder)
    assert len(paths) > 200
    path = tmp_path / "volume.mcz"
    for source in paths:
        volume = read_volume(source)
        report = compress(volume, path)
        restored = decompress(path)
        assert report.manifest.lossless, source
        assert restored.scalar_type == volume.scalar_type, source
        assert restored.array.tobytes() == volume.array.tobytes(), source
        assert restored.geometry == volume.geometry and restored.modality == volume.modality, source
