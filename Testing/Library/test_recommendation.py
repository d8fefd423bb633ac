"""The recommended codecs are those that did best on the volume itself."""

import json

import numpy as np
import pytest
from MedCompressLib.compression import compress
from MedCompressLib.phantom import abdominal_ct
from MedCompressLib.recommendation import DENSE, FAST, middle_slices, recommend
from MedCompressLib.volume import Volume, write_volume


def test_exact_is_the_smallest_archive(tmp_path):
    pytest.importorskip("imagecodecs")
    volume = Volume(abdominal_ct((6, 96, 96))[0], modality="CT")
    found = recommend(volume)
    assert (found.first, found.end) == (0, 6)
    assert found.exact == max(found.lossless, key=found.lossless.get)
    for codec in (found.exact, "jpeg2000", "deflate"):
        assert compress(volume, tmp_path / "a.mcz", codec).ratio == pytest.approx(found.lossless[codec], rel=0.05)
    assert found.fast in FAST and found.dense in DENSE
    assert all(found.psnr[found.fast] >= found.psnr.get(codec, 0) for codec in FAST)


def test_labels_and_nan_are_recommended_exact_codecs_alone():
    labels = np.zeros((4, 32, 32), np.uint8)
    labels[1:3, 5:9, 5:9] = 2
    hole = np.random.default_rng(1).normal(size=(4, 32, 32)).astype(np.float32)
    hole[1, 2, 3] = np.nan
    for volume in (Volume(labels, modality="SEG"), Volume(hole)):
        found = recommend(volume)
        assert found.fast is None and found.dense is None and not found.psnr and found.lossless[found.exact] > 0
    assert "jpeg2000" not in recommend(Volume(hole)).lossless, "what would become another codec is left out"


def test_what_is_exact_at_the_ratio_is_said_to_be_exact(tmp_path, capsys):
    pytest.importorskip("imagecodecs")
    from MedCompressLib.__main__ import main

    path = tmp_path / "constant.nrrd"
    write_volume(Volume(np.full((4, 48, 48), 7, np.int16)), path)
    assert main(["recommend", str(path)]) == 0
    assert "DICOM and papers: jpeg2000, exact at 20:1" in capsys.readouterr().out
    assert main(["recommend", str(path), "--json"]) == 0

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(capsys.readouterr().out, parse_constant=refuse)["psnr"]["jpeg2000"] is None


def test_few_slices_from_the_middle():
    numbers = np.broadcast_to(np.arange(20, dtype=np.int16)[:, None, None], (20, 200, 200))
    volume, first = middle_slices(Volume(numbers.copy()))
    assert first == 6 and volume.array.shape == (8, 200, 200) and volume.array[0, 0, 0] == 6
    small, first = middle_slices(Volume(numbers[:, :9, :9].copy()))
    assert first == 0 and len(small.array) == 20
    large, first = middle_slices(Volume(np.zeros((3, 1500, 1500), np.float32)))
    assert (len(large.array), first) == (1, 1)


def test_commands_compare_codecs(tmp_path, capsys):
    pytest.importorskip("imagecodecs")
    from MedCompressLib.__main__ import main

    path = tmp_path / "a.nrrd"
    write_volume(Volume(abdominal_ct((4, 64, 64))[0]), path)
    assert main(["curve", str(path), "--codecs", "htj2k,jpeg2000", "--ratios", "4,8", "--json"]) == 0
    curves = json.loads(capsys.readouterr().out)["curves"]
    assert [curve["codec"] for curve in curves] == ["htj2k", "jpeg2000"] and len(curves[1]["points"]) == 2
    assert main(["recommend", str(path), "--modality", "CT"]) == 0
    assert "exact: " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["curve", str(path), "--codecs", "htj2k,gif"])
    assert "'gif'" in capsys.readouterr().err
