"""Equal quality for every codec, and the sizes that archives of that quality would have."""

import argparse
import csv
import json
import math

import pytest
from MedCompressLib.__main__ import main
from MedCompressLib.commands_match import qualities
from MedCompressLib.compression import compress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.matching import match
from MedCompressLib.phantom import abdominal_ct
from MedCompressLib.targets import Psnr
from MedCompressLib.volume import Volume, write_volume


@pytest.fixture(scope="module")
def volume():
    return Volume(abdominal_ct((10, 96, 96))[0], modality="CT")


def test_both_codecs_reach_the_same_quality_and_the_size_is_that_of_an_archive(volume, tmp_path):
    rows = match(volume, ["jpeg2000", "hevc"], [45, 55])
    assert [(row.codec, row.target) for row in rows] == [("jpeg2000", 45), ("jpeg2000", 55), ("hevc", 45), ("hevc", 55)]
    for row in rows:
        assert row.target <= row.psnr <= row.target + 0.2 and row.peak == 4096
        report = compress(volume, tmp_path / "a.mcz", row.codec, Psnr(row.target))
        assert (row.ratio, row.bits_per_voxel) == pytest.approx((report.ratio, report.bits_per_voxel))
        assert row.max_error == report.as_dict()["quality"]["max_error"]
    assert rows[3].setting.startswith("QP ") and rows[2].ratio > rows[3].ratio


def test_what_cannot_be_reached_is_a_remark_and_no_reason_to_stop(volume):
    rows = match(volume, ["htj2k"], [150, 50])
    assert rows[0].ratio is None and "out of reach" in rows[0].remark
    assert rows[1].psnr >= 50
    with pytest.raises(MedCompressError, match="lossless codec"):
        match(volume, ["jpegls"], [50])


def test_the_command_prints_a_table_and_writes_csv_and_plot(volume, tmp_path, capsys):
    write_volume(volume, tmp_path / "v.nrrd")
    arguments = ["match", str(tmp_path / "v.nrrd"), "--modality", "ct", "--codecs", "jpeg2000, htj2k"]
    arguments += ["--psnr", "45:55:10"]
    outputs = ["--csv", str(tmp_path / "m.csv"), "--plot", str(tmp_path / "m.svg")]
    assert main([*arguments, *outputs, "--progress", "none"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and "x 1.000" in printed[1] and "htj2k" in printed[2]
    with open(tmp_path / "m.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["codec"] for row in rows] == ["jpeg2000"] * 2 + ["htj2k"] * 2
    assert all(45 <= float(row["psnr"]) for row in rows)
    picture = (tmp_path / "m.svg").read_text()
    assert picture.count("</svg>") == 1
    assert main([*arguments, "--json", "--progress", "none"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["ratio"] for row in found] == pytest.approx([float(row["ratio"]) for row in rows])


def test_new_targets_on_the_command_line(volume, tmp_path, capsys):
    write_volume(volume, tmp_path / "v.nrrd")
    for arguments, largest in ((["--max-error", "2"], 2), (["--quality", "6", "--codec", "hevc"], math.inf)):
        command = ["compress", str(tmp_path / "v.nrrd"), str(tmp_path / "v.mcz"), *arguments, "--json"]
        assert main([*command, "--progress", "none"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["target"]["value"] == float(arguments[1])
        assert 0 < document["quality"]["max_error"] <= largest


@pytest.mark.parametrize("text, values", [("40:60:5", [40, 45, 50, 55, 60]), ("50", [50]), ("41,43.5", [41, 43.5])])
def test_qualities(text, values):
    assert qualities(text) == pytest.approx(values)


@pytest.mark.parametrize("text", ["60:40:5", "1:2:0", "0:1e9:1"])
def test_senseless_qualities_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="40:60:5"):
        qualities(text)


def test_a_folder_that_is_missing_is_told_before_the_work(tmp_path, capsys):
    options = ["--codecs", "jpeg2000", "--psnr", "40", "--csv", str(tmp_path / "no" / "a.csv")]
    assert main(["match", str(tmp_path / "missing.nrrd"), *options]) == 2
    assert "the folder of" in capsys.readouterr().err
