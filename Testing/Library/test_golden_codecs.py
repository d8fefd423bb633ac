"""Archives of every codec that were written once and must be read alike for ever."""

import json
import zipfile
from pathlib import Path

import make_golden
import pytest
from make_golden_codecs import FOLDER, NAME, QUALITIES
from MedCompressLib.codecs import codec_names
from MedCompressLib.compression import decompress

SUMS = json.loads((FOLDER / "golden.json").read_text())


def test_every_codec_has_its_file():
    assert sorted(SUMS) == sorted([*codec_names(), *QUALITIES]) == sorted(path.stem for path in FOLDER.glob("*.mcz"))
    assert sum(path.stat().st_size for path in FOLDER.glob("*.mcz")) < 200_000


@pytest.mark.parametrize("name", sorted(SUMS))
def test_golden_file_of_a_codec_is_read_alike(name):
    volume = decompress(FOLDER / f"{name}.mcz")
    assert make_golden.digest(volume.array) == SUMS[name]
    assert volume.modality == "CT" and volume.geometry.spacing == (0.7, 0.8, 2.5)
    assert (SUMS[name] == make_golden.digest(make_golden.source(NAME))) == (name not in QUALITIES)


@pytest.mark.parametrize(("name", "flag"), [("hevc-coarse", 0), ("hevc-residual", 2)])
def test_golden_files_of_hevc_hold_what_the_format_page_says(name, flag):
    with zipfile.ZipFile(Path(FOLDER, f"{name}.mcz")) as archive:
        assert archive.read("layers/0.hevc")[0] & 2 == flag
